//! Processes that die on the way.

use std::process::Command;

use super::*;

/// Runs what `CARRY_TEST_FETCH` and `CARRY_TEST_PUSH` ask for, in a process that may be killed.
#[test]
fn a_process_of_its_own() {
    let Ok(base) = std::env::var("CARRY_TEST_EXCHANGE") else { return };
    let machine = Machine::at(std::path::Path::new(&base));
    if std::env::var("CARRY_TEST_PUSH").is_ok() {
        drop(machine.try_push(Default::default()))
    } else {
        drop(machine.try_fetch())
    }
}

/// Has `machine` fetch or push in a process that dies at `point`.
fn killed(machine: &Machine, push: bool, point: &str) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "gather::tests::killed::a_process_of_its_own", "--test-threads=1"]);
    child.env("CARRY_TEST_EXCHANGE", machine.root.parent().unwrap()).env("CARRY_FAULT", format!("{point}=kill"));
    if push {
        child.env("CARRY_TEST_PUSH", "1");
    }
    let output = child.output().unwrap();
    assert!(!output.status.success(), "{point} was not passed: {}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_fetch_that_dies_anywhere_leaves_whole_repositories_and_the_next_one_ends_it() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    for point in ["fetch.listed", "fetch.got", "fetch.written", "ref.renamed", "fetch.moved", "fetch.noted"] {
        let b = fleet.machine(&format!("b-{}", point.replace('.', "-")));
        killed(&b, false, point);
        b.check();
        b.fetch();
        assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()), "{point}");
        b.check();
        let left = std::fs::read_dir(b.repo().objects_dir()).unwrap().flatten();
        let left: Vec<_> =
            left.map(|entry| entry.file_name()).filter(|n| n.to_string_lossy().starts_with("tmp_objdir")).collect();
        assert!(left.is_empty(), "{point}: {left:?}");
    }
}

#[test]
fn a_push_that_dies_anywhere_is_ended_by_the_next_one() {
    for point in ["push.planned", "push.sealed", "push.sent", "push.noted"] {
        let fleet = Fleet::new();
        let (a, b) = (fleet.machine("a"), fleet.machine("b"));
        a.work("one");
        a.push();
        a.work("two");
        killed(&a, true, point);
        a.check();
        let report = a.push();
        assert!(report.refused.is_empty() && !report.renewed, "{point}: {report:?}");
        assert_eq!(b.fetch().moved.len(), 1, "{point}");
        assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()), "{point}");
        fleet.git(&["fsck", "--connectivity-only"]);
    }
}

#[test]
fn a_renewal_that_dies_and_captures_that_follow_do_not_hide_the_other_machine() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let b = fleet.copy(&a, "b");
    let old_line = a.line();
    let theirs = a.work("of a");
    a.push();
    b.work("of b");
    killed(&b, false, "ref.renamed");
    let b = Machine::at(b.root.parent().unwrap());
    assert_ne!(b.ctx.device.id(), a.ctx.device.id());
    b.work("more of b");
    let report = b.fetch();
    assert!(report.refused.is_empty(), "{report:?}");
    assert_eq!(b.snapshots(&old_line)[0], theirs.commit);
}

#[test]
fn a_renewal_that_dies_has_no_capture_take_for_seen_what_was_not() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let b = fleet.copy(&a, "b");
    let theirs = a.work("of a");
    a.push();
    b.work("of b");
    killed(&b, false, "ref.renamed");
    let b = Machine::at(b.root.parent().unwrap());
    let next = b.work("more of b");
    assert_eq!(next.meta.seen.compare(&theirs.meta.seen), Relation::Diverged);
    b.fetch();
    b.write("work", "and more");
    let next = b.capture();
    assert_eq!(next.meta.seen.compare(&theirs.meta.seen), Relation::Diverged, "{:?}", next.meta.seen);
}

#[test]
fn a_process_that_does_not_know_of_the_renewal_does_not_build_on_the_other_machine() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let b = fleet.copy(&a, "b");
    let theirs = a.work("of a");
    a.push();
    b.work("of b");
    let daemon = Machine::at(b.root.parent().unwrap());
    assert!(b.fetch().renewed);
    let next = daemon.work("more of b");
    assert_ne!(next.meta.seen.compare(&theirs.meta.seen), Relation::Newer, "{} {:?}", next.meta.device, next.meta.seen);
}

#[test]
fn a_line_that_went_on_from_elsewhere_after_a_renewal_that_died_gives_up_its_old_name() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    a.work("one");
    a.push();
    let b = fleet.copy(&a, "b");
    let old_line = a.line();
    let theirs = a.work("of a");
    a.push();
    b.work("of b");
    let kept = b.value(&old_line).unwrap();
    // It died before it carried any line on.
    Device::renew(&b.ctx.home, "b").unwrap();
    let next = b.work("more of b");
    assert_ne!(next.meta.device, old_line.device, "a capture reads who it is");
    let report = b.fetch();
    assert!(report.refused.is_empty(), "{report:?}");
    assert_eq!(b.snapshots(&old_line)[0], theirs.commit);
    assert_eq!(b.snapshots(&b.line())[0], next.commit);
    assert!(prune::pins(&b.repo(), &b.tree.id).unwrap().contains(&kept));
    b.write("work", "and more");
    assert_eq!(b.capture().meta.seen.compare(&theirs.meta.seen), Relation::Diverged);
    b.check();
}
