//! Objects that a capture relies on because somebody else wrote them, taken away under it.

use std::cell::Cell;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use carry_code::capture::{CaptureError, Capturer, Look, Outcome, Report, Request};
use carry_testkit::git::succeed;

use crate::rig::{Rig, snapshot_of};

/// Captures; `meddle` runs right before the line moves, the first time only.
fn capture(rig: &Rig, meddle: &dyn Fn()) -> Result<Report, CaptureError> {
    let done = Cell::new(false);
    let cancel = AtomicBool::new(false);
    Capturer::new(rig.ctx.clone(), rig.tree.clone()).capture(&Request {
        look: Look::Everything,
        may_commit: &|| {
            if !done.replace(true) {
                meddle();
            }
            true
        },
        cancel: &cancel,
        progress: &|_, _, _| {},
        force: false,
    })
}

/// A repository with one snapshot, and an object that nothing reaches: `found`, written long ago.
fn rig() -> (Rig, String) {
    let mut rig = Rig::new();
    rig.git.write("a", "1").write("dir/b", "2").commit_all("first");
    rig.git.write("a", "changed");
    rig.check();
    rig.git.write("dir/c", "found").stage("dir/c");
    let blob = rig.git.id(":dir/c");
    rig.git.git(["reset", "-q"]);
    succeed(Command::new("touch").args(["-d", "2001-01-01"]).arg(rig.git.path(loose(&blob))));
    (rig, blob)
}

fn loose(id: &str) -> String {
    format!(".git/objects/{}/{}", &id[..2], &id[2..])
}

#[track_caller]
fn whole(rig: &Rig, report: &Report) {
    let Outcome::Captured(snapshot) = &report.outcome else { panic!("{:?}", report.outcome) };
    assert_eq!(rig.content(snapshot, "dir/c"), "found");
    rig.fsck();
    rig.git.git(["gc", "-q", "--prune=now"]);
    rig.fsck();
    assert_eq!(rig.content(snapshot, "dir/c"), "found");
    let line = rig.git.git(["for-each-ref", "--format=%(objectname)", "refs/carry"]);
    let keepers = rig.git.git(["rev-list", "--first-parent", line.trim(), "--grep=^carry keeper$"]);
    assert_eq!(keepers.lines().count(), 2, "one keeper a snapshot that was reported");
}

#[test]
fn what_is_reused_is_marked_as_in_use() {
    let (rig, blob) = rig();
    let pruned = Cell::new(false);
    let report = capture(&rig, &|| {
        rig.git.git(["prune", "--expire=1.hour.ago"]);
        pruned.set(rig.git.path(loose(&blob)).exists());
    });
    assert!(pruned.get(), "an object in use was pruned");
    whole(&rig, &report.unwrap());
}

#[test]
fn what_is_pruned_before_the_line_moves_is_written_again() {
    let (rig, blob) = rig();
    let report = capture(&rig, &|| {
        rig.git.git(["prune", "--expire=now"]);
        assert!(!rig.git.path(loose(&blob)).exists());
    });
    whole(&rig, &report.unwrap());
}

#[test]
fn what_is_removed_by_hand_is_written_again() {
    let (rig, blob) = rig();
    let report = capture(&rig, &|| std::fs::remove_file(rig.git.path(loose(&blob))).unwrap());
    whole(&rig, &report.unwrap());
}

#[test]
fn a_pack_of_ours_that_is_taken_away_is_written_again() {
    let (rig, _) = rig();
    let packs = || -> std::collections::BTreeSet<_> {
        let dir = std::fs::read_dir(rig.git.path(".git/objects/pack")).unwrap();
        dir.map(|entry| entry.unwrap().path()).collect()
    };
    let before = packs();
    let report = capture(&rig, &|| {
        let ours: Vec<_> = packs().difference(&before).cloned().collect();
        assert!(ours.len() >= 2, "{ours:?}");
        ours.iter().for_each(|file| std::fs::remove_file(file).unwrap());
    });
    whole(&rig, &report.unwrap());
}

#[test]
fn gc_right_before_the_line_moves_takes_no_pack_of_ours() {
    let (rig, _) = rig();
    let report = capture(&rig, &|| drop(rig.git.git(["gc", "-q", "--prune=now"])));
    whole(&rig, &report.unwrap());
}

#[test]
fn a_capture_that_dies_on_a_line_it_left_incomplete_is_made_good() {
    let (mut rig, blob) = rig();
    let (ended, _) = super::child::Other::new(&rig).env("CARRY_FAULT", "ref.renamed=kill").run();
    assert!(!ended);
    // Taken by a prune that had looked at the refs before the line moved.
    std::fs::remove_file(rig.git.path(loose(&blob))).unwrap();
    assert!(!rig.git.try_git(["fsck", "--full"]).status.success());
    let report = rig.cold();
    assert_eq!(rig.content(&snapshot_of(&report), "dir/c"), "found");
    whole(&rig, &report);
}

#[test]
fn a_head_that_is_gone_before_the_line_moves_leaves_no_broken_line() {
    let (rig, _) = rig();
    rig.git.commit_all("to be thrown away");
    let lost = rig.git.id("HEAD");
    let report = capture(&rig, &|| {
        rig.git.git(["reset", "-q", "--soft", "HEAD~1"]);
        rig.git.git(["reflog", "expire", "--expire=now", "--all"]);
        rig.git.git(["update-ref", "-d", "ORIG_HEAD"]);
        rig.git.git(["prune", "--expire=now"]);
        assert!(!rig.git.path(loose(&lost)).exists());
    });
    whole(&rig, &report.unwrap());
}

#[test]
fn a_staged_object_that_is_lost_does_not_hold_up_the_rest() {
    let (mut rig, _) = rig();
    rig.git.write("a", "staged, then lost").stage("a").write("a", "edited").write("dir/c", "found");
    std::fs::remove_file(rig.git.path(loose(&rig.git.id(":a")))).unwrap();
    let snapshot = snapshot_of(&rig.cold());
    assert_eq!(rig.content(&snapshot, "a"), "edited");
    assert_eq!(snapshot.meta.staged, None);
}
