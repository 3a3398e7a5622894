//! What is reported is on stable storage.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use carry_kernel::clock::{Clock as _, ManualClock, SystemClock};

use super::child::Other;
use crate::rig::{Rig, is_new};

fn captured() -> Rig {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("dir/b", "2").commit_all("first");
    rig.git.write("a", "changed");
    rig.check();
    rig
}

#[test]
fn objects_come_before_the_ref_and_the_ref_before_the_report() {
    let rig = captured();
    rig.git.write("a", "again");
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    let (_, said) = Other::new(&rig).env("CARRY_FAULT_TRACE", &trace).run();
    assert!(said[0].starts_with("captured"), "{said:?}");
    let passed = std::fs::read_to_string(&trace).unwrap();
    let order = [
        "pack.begin",
        "pack.written",
        "pack.synced",
        "pack.idx.synced",
        "pack.renamed",
        "pack.done",
        "capture.written",
        "ref.locked",
        "ref.write",
        "ref.written",
        "ref.renamed",
        "ref.done",
        "capture.moved",
        "capture.done",
    ];
    let places: Vec<usize> =
        order.iter().map(|point| passed.lines().position(|line| line == *point).expect(point)).collect();
    assert!(places.is_sorted(), "{passed}");
}

#[test]
fn one_changed_file_costs_five_syncs() {
    let mut rig = captured();
    // A file that was written within the clock's grain is hashed again, and what it then reuses must not lie loose.
    rig.git.git(["repack", "-adq"]);
    rig.git.write("a", "again");
    let report = rig.warm(&["a"]);
    assert!(is_new(&report));
    assert_eq!(report.fsyncs, 5, "pack, index, their folder, ref, its folder");
    rig.git.write("dir/b", "another");
    assert_eq!(rig.cold().fsyncs, 5);
}

/// A system call that concerns durability: its name and the paths it names.
struct Call {
    name: String,
    paths: Vec<String>,
}

/// What a capture in a process of its own asks of the kernel; `None` where nobody can tell.
fn calls(rig: &Rig, later: u64) -> Option<Vec<Call>> {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let traced = "trace=fsync,fdatasync,syncfs,rename,renameat,renameat2,link,linkat,write";
    let probe = std::process::Command::new("strace").args(["-o", "/dev/null", "true"]).output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let (ended, said) = Other::new(rig)
        .later(later)
        .under(&["strace", "-f", "-y", "-s", "4096", "-e", traced, "-o", log.to_str()?])
        .run();
    assert!(ended && said[0].starts_with("captured"), "{said:?}");
    let text = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    let parse = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        let (name, rest) = line.split_once('(')?;
        let paths = match name {
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                rest.split('"').skip(1).step_by(2).map(str::to_owned).collect()
            }
            _ => vec![rest.split_once('<')?.1.split_once('>')?.0.to_owned()],
        };
        rest.contains(" = ").then(|| Call { name: name.to_owned(), paths })
    };
    Some(text.lines().filter_map(parse).collect())
}

/// Every file and folder is synced when something else begins to rely on it.
#[track_caller]
fn check(rig: &Rig, calls: &[Call]) {
    let git = rig.git.path(".git").to_str().unwrap().to_owned();
    let (mut synced, mut unsynced, mut moved) = (BTreeSet::new(), BTreeSet::new(), false);
    for call in calls {
        match call.name.as_str() {
            "fsync" | "fdatasync" => {
                unsynced.remove(&call.paths[0]);
                synced.insert(call.paths[0].clone());
            }
            "write" if call.paths[0].ends_with("/said") => {
                assert!(moved, "reported before the line moved");
                assert_eq!(unsynced, BTreeSet::new(), "reported before these were synced");
            }
            "write" => drop(synced.remove(&call.paths[0])),
            "rename" | "renameat" | "renameat2"
                if call.paths[1].starts_with(&git) && !call.paths[1].ends_with(".keep") =>
            {
                let [from, to] = &call.paths[..] else { panic!("{:?}", call.paths) };
                assert!(synced.contains(from), "{from} got its name {to} before it was synced");
                if to.contains("/refs/carry/") {
                    assert_eq!(unsynced, BTreeSet::new(), "the line moved before these were synced");
                    moved = true;
                }
                unsynced.insert(to.rsplit_once('/').unwrap().0.to_owned());
            }
            _ => {}
        }
    }
    assert!(moved);
}

#[test]
fn the_kernel_is_asked_to_sync_everything_in_order() {
    let rig = captured();
    rig.git.write("a", "again").write("n/e/w", "new");
    let Some(calls) = calls(&rig, 0) else { return };
    check(&rig, &calls);
    let first = Rig::new();
    first.git.write("a", "1").commit_all("first");
    check(&first, &self::calls(&first, 0).unwrap());
}

#[test]
fn commits_of_the_users_are_synced_before_a_snapshot_relies_on_them() {
    let mut rig = captured();
    let clock = Arc::new(ManualClock::new(SystemClock.now()));
    rig.ctx.clock = clock.clone();
    rig.cold();
    // Made while another line was captured, which has no need of it.
    rig.git.git(["worktree", "add", "-q", "-b", "side", "../side"]);
    let side = rig.git.at("../side");
    side.write("only-there", "x").commit_all("elsewhere");
    let commit = side.id("HEAD");
    rig.git.write("a", "not relying on it");
    // Long after, so that the commit's age does not hide that nobody synced it.
    clock.advance(Duration::from_secs(3600));
    assert_eq!(rig.warm(&["a"]).fsyncs, 5, "it relies on nothing of the user's");
    rig.git.git(["checkout", "-q", "-f", "--detach", &commit]);
    rig.git.write("untracked", "y");
    let Some(calls) = calls(&rig, 7200) else { return };
    check(&rig, &calls);
    let moved = calls.iter().position(|c| c.name.starts_with("rename") && c.paths[1].contains("/refs/carry/")).unwrap();
    let synced: BTreeSet<&str> =
        calls[..moved].iter().filter(|c| c.name == "fsync").map(|c| c.paths[0].as_str()).collect();
    for name in [commit.clone(), rig.git.id("HEAD^{tree}"), rig.git.id("HEAD:only-there")] {
        let (folder, file) = name.split_at(2);
        let path = rig.git.path(".git/objects").join(folder).join(file);
        assert!(synced.contains(path.to_str().unwrap()), "{name} was not synced: {synced:?}");
    }
}
