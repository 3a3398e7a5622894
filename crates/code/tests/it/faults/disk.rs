//! A disk that is full, or read-only.

use std::cell::Cell;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use carry_code::capture::{CaptureError, Capturer, Look, Report, Request};
use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::git::succeed;
use carry_testkit::repo::TestRepo;
use carry_testkit::tmpfs::Tmpfs;

use super::child::told;
use crate::rig::{Rig, snapshot_of};

/// A repository on a disk of its own; `None` where none can be mounted. The death of captures for want of space is then
/// left to the fault points of the test beside this one.
fn on_a_disk() -> Option<(Tmpfs, Rig)> {
    let disk = Tmpfs::mount(64 << 20)?;
    let elsewhere = TestRepo::new();
    elsewhere.git(["init", "-q", "-b", "main", disk.path().join("repo").to_str().unwrap()]);
    let rig = Rig::over(elsewhere.at(disk.path().canonicalize().unwrap().join("repo")));
    rig.configure("[budget]\nrepository = \"1 GiB\"\ntotal = \"1 GiB\"\n");
    rig.git.write("a", "1").commit_all("first");
    Some((disk, rig))
}

/// Captures with something happening at the step `at` (`commit`: just before the line moves).
fn capture_while(rig: &Rig, at: &str, happening: &dyn Fn()) -> Result<Report, CaptureError> {
    let cancel = AtomicBool::new(false);
    let mut capturer = Capturer::new(rig.ctx.clone(), rig.tree.clone());
    let once = Cell::new(false);
    let happen = |step: &str| {
        if step == at && !once.replace(true) {
            happening();
        }
    };
    capturer.capture(&Request {
        look: Look::Everything,
        may_commit: &|| {
            happen("commit");
            true
        },
        cancel: &cancel,
        progress: &|step, _, _| happen(step),
        force: false,
    })
}

/// The names Git goes by are of whole files, and nobody holds a lock.
#[track_caller]
fn nothing_half_written(rig: &Rig) {
    let names = |place: &str| -> Vec<String> {
        let found = succeed(Command::new("find").arg(rig.git.path(".git").join(place)).args(["-type", "f"]));
        String::from_utf8_lossy(&found).lines().map(str::to_owned).collect()
    };
    let packs = names("objects/pack");
    for pack in &packs {
        let (stem, extension) = pack.rsplit_once('.').unwrap_or((pack, ""));
        assert!(matches!(extension, "pack" | "idx" | "rev"), "{packs:?}");
        assert!(packs.contains(&format!("{stem}.idx")) && packs.contains(&format!("{stem}.pack")), "{packs:?}");
    }
    assert!(!names("refs").iter().any(|name| name.ends_with(".lock")), "{:?}", names("refs"));
    rig.fsck();
}

fn is_full(error: &CaptureError) -> bool {
    matches!(error, CaptureError::DiskFull { .. } | CaptureError::OverBudget { .. })
        || told(error).contains("No space left")
        || told(error).contains("no storage space")
}

fn ballast(disk: &Tmpfs) -> std::path::PathBuf {
    disk.path().join("ballast")
}

#[test]
fn a_full_disk_leaves_nothing_half_written_and_the_next_capture_works() {
    let Some((disk, mut rig)) = on_a_disk() else { return };
    let noise: Vec<u8> = {
        let mut rng = carry_testkit::rng::Rng::new(1);
        (0..100_000).flat_map(|_| rng.next_u64().to_le_bytes()).collect()
    };
    let mut kept = vec![rig.check()];
    for (n, step) in ["before", "looking", "hashing", "writing", "commit", "verifying"].into_iter().enumerate() {
        rig.git.write("a", format!("{step}\n")).write("noise", &noise[n..]);
        let theirs = Fingerprint::of(rig.git.root());
        let fill = || disk.fill(0);
        if step == "before" {
            disk.fill(1 << 20);
        }
        let result = capture_while(&rig, step, &fill);
        if step == "verifying" {
            kept.push(snapshot_of(&result.unwrap()));
        } else {
            let error = result.expect_err(step);
            assert!(is_full(&error), "{step}: {}", told(&error));
        }
        Fingerprint::of(rig.git.root()).assert_same_as(&theirs);
        nothing_half_written(&rig);
        std::fs::remove_file(ballast(&disk)).unwrap();
        let snapshot = rig.check();
        assert_eq!(rig.content(&snapshot, "a"), format!("{step}\n"));
        kept.push(snapshot);
    }
    let all = rig.git.git(["rev-list", "--all"]);
    assert!(kept.iter().all(|snapshot| all.contains(&snapshot.commit.to_string())));
}

fn remount(path: &Path, how: &str) -> bool {
    Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(path).status().is_ok_and(|s| s.success())
}

#[test]
fn a_read_only_disk_is_named_and_captured_once_it_is_writable() {
    let Some((disk, mut rig)) = on_a_disk() else { return };
    rig.check();
    rig.git.write("a", "2").stage("a").write("a", "3");
    if !remount(disk.path(), "ro") {
        return;
    }
    let error = capture_while(&rig, "", &|| {}).unwrap_err();
    let told = told(&error);
    assert!(told.contains(rig.git.root().to_str().unwrap()) && told.contains("Read-only"), "{told}");
    assert!(remount(disk.path(), "rw"));
    let snapshot = rig.check();
    assert_eq!(rig.content(&snapshot, "a"), "3");
    nothing_half_written(&rig);
}
