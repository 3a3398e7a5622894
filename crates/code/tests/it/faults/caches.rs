//! What can be made again, lost or damaged.

use std::path::{Path, PathBuf};

use carry_testkit::repo::write_file;

use super::child::told;
use crate::rig::Rig;

fn rig() -> Rig {
    let mut rig = Rig::new();
    for n in 0..100 {
        rig.git.write(format!("d{}/f{n}", n % 7), format!("{n}\n"));
    }
    rig.git.commit_all("first");
    rig.git.write("d1/f1", "changed").write("new", "new");
    rig.check();
    rig
}

fn damage(path: &Path, how: &str) {
    let bytes = std::fs::read(path).unwrap();
    match how {
        "gone" => std::fs::remove_file(path).unwrap(),
        "empty" => write_file(path, b""),
        "half" => write_file(path, &bytes[..bytes.len() / 2]),
        "noise" => write_file(path, &vec![0xa5; bytes.len()]),
        "one byte" => {
            let mut bytes = bytes;
            let at = bytes.len() * 2 / 3;
            bytes[at] ^= 0x10;
            write_file(path, &bytes);
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_private_index_that_is_lost_or_damaged_costs_time_only() {
    let mut rig = rig();
    let index = rig.ctx.home.tree_dir(&rig.tree.id).join("index");
    for how in ["gone", "empty", "half", "noise", "one byte"] {
        damage(&index, how);
        rig.git.write("d2/f2", how).delete("d3/f3");
        rig.check();
        damage(&index, how);
        rig.git.write("d3/f3", how);
        rig.check_warm(&["d3/f3"]);
        rig.fsck();
        rig.cold();
        assert!(index.exists(), "{how}");
    }
}

#[test]
fn a_private_index_of_another_repository_is_not_believed() {
    let mut rig = rig();
    let other = self::rig();
    other.git.write("d4/f4", "other");
    let index = |rig: &Rig| -> PathBuf { rig.ctx.home.tree_dir(&rig.tree.id).join("index") };
    std::fs::copy(index(&other), index(&rig)).unwrap();
    rig.git.write("d5/f5", "this");
    rig.check();
    rig.fsck();
}

#[test]
fn a_database_that_is_gone_costs_no_snapshot() {
    let mut rig = rig();
    for file in ["code.db", "code.db-wal", "code.db-shm"] {
        // The log is not always there.
        let _ = std::fs::remove_file(rig.ctx.home.data_dir().join(file));
    }
    rig.git.write("d1/f1", "again");
    rig.check();
    rig.git.write("d1/f1", "and again");
    rig.check();
    assert_eq!(rig.git.git(["rev-list", "--all", "--grep=^carry keeper$"]).lines().count(), 3);
}

#[test]
fn a_damaged_database_is_named() {
    let mut rig = rig();
    let file = rig.ctx.home.database("code");
    damage(&file, "noise");
    for log in ["code.db-wal", "code.db-shm"] {
        let _ = std::fs::remove_file(rig.ctx.home.data_dir().join(log));
    }
    rig.git.write("d1/f1", "again");
    rig.capturer = carry_code::capture::Capturer::new(rig.ctx.clone(), rig.tree.clone());
    let error = rig.try_capture(carry_code::capture::Look::Everything).unwrap_err();
    assert!(told(&error).contains(file.to_str().unwrap()), "{}", told(&error));
    std::fs::remove_file(&file).unwrap();
    rig.check();
}
