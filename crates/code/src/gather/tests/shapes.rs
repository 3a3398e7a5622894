//! Clones and repositories of all kinds.

use super::*;

#[test]
fn sha256_repositories_carry_lines() {
    let fleet = Fleet::init(&["--object-format=sha256"]);
    let (a, b) = (fleet.machine("a"), fleet.machine("b"));
    a.work("one");
    a.push();
    assert_eq!(b.fetch().moved.len(), 1);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
    b.check();
}

#[test]
fn reftable_repositories_carry_lines() {
    let fleet = Fleet::init(&["--ref-format=reftable"]);
    let (a, b) = (fleet.machine("a"), fleet.machine_with("b", &["--ref-format=reftable"]));
    a.work("one");
    a.push();
    assert_eq!(b.fetch().moved.len(), 1);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
}

#[test]
fn shallow_clones_give_and_take_lines() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    for n in 0..3 {
        a.write("file", &n.to_string());
        a.git(&["commit", "--quiet", "-am", "next"]);
    }
    a.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let b = fleet.machine_with("b", &["--depth=1"]);
    a.work("of a");
    a.push();
    assert_eq!(b.fetch().moved, [a.line().ref_name()]);
    b.work("of b");
    assert_eq!(b.push().pushed.len(), 1);
    assert_eq!(a.fetch().moved, [b.line().ref_name()]);
    a.check();
    b.check();
    assert_eq!(b.git(&["rev-list", "--count", "HEAD"]), "1", "it is as shallow as it was");
}

#[test]
fn partial_clones_give_and_take_lines_and_stay_whole() {
    let fleet = Fleet::new();
    fleet.git(&["config", "uploadpack.allowFilter", "true"]);
    let a = fleet.machine("a");
    a.write("large", &"x".repeat(1000));
    a.git(&["add", "large"]);
    a.git(&["commit", "--quiet", "-m", "large"]);
    a.git(&["rm", "--quiet", "large"]);
    a.git(&["commit", "--quiet", "-m", "gone"]);
    a.git(&["push", "--quiet", "origin", "HEAD:main"]);
    let b = fleet.machine_with("b", &["--filter=blob:none"]);
    let tip = a.work("of a");
    a.push();
    assert_eq!(b.fetch().moved, [a.line().ref_name()]);
    assert!(history::snapshot(&b.repo().gix(), tip.commit).is_ok());
    b.work("of b");
    assert_eq!(b.push().pushed.len(), 1);
    assert_eq!(a.fetch().moved, [b.line().ref_name()]);
    b.check();
    b.git(&["gc", "--quiet", "--prune=now"]);
    assert_eq!(b.snapshots(&a.line()), a.snapshots(&a.line()));
}

#[test]
fn streams_of_git_pulsar_are_kept_aside_and_their_writer_is_met() {
    let fleet = Fleet::new();
    let a = fleet.machine("a");
    let branches = a.git(&["branch", "--all"]);
    let there = crate::pulsar::fixture::Machine::clone_of(&fleet.remote(), &fleet.path().join("p"), "desk--0a1b2c3d");
    there.write("work", "of git-pulsar");
    let shadow = there.snapshot(1_795_171_300);
    there.push();
    let report = a.fetch();
    let stream = crate::pulsar::Stream { slug: "desk--0a1b2c3d".to_owned(), branch: Branch::Named("main".into()) };
    assert_eq!(report.moved, [stream.remote_ref()]);
    assert_eq!(report.new_devices, ["pulsar/desk--0a1b2c3d"]);
    assert_eq!(refs::read(&a.repo(), &stream.fetched_ref()).unwrap(), Some(shadow));
    assert_eq!(a.git(&["branch", "--all"]), branches);
    assert!(!a.fetch().changed);
}
