//! Repositories of every shape.

use carry_testkit::repo::TestRepo;

use super::side::{Side, copy_of};

pub(super) fn seeded(args: &[&str]) -> TestRepo {
    let git = TestRepo::init(&[&["--initial-branch=main"], args].concat());
    git.write("file", "one\n").commit_all("first");
    git
}

/// Says from one and takes into the other.
#[track_caller]
fn arrives(mut a: Side, mut b: Side) {
    b.trust(&a);
    for content in ["one", "two", "three"] {
        let snapshot = a.says(content);
        assert_eq!(b.pull(&a).n_waiting, 0);
        assert_eq!(b.snapshots(&a.line())[0], snapshot.commit);
    }
    b.rig.fsck();
    assert_eq!(b.kept(), Vec::<String>::new());
}

fn into(git: &TestRepo, args: &[&str]) -> TestRepo {
    let copy = TestRepo::init(&[&["--initial-branch=main"], args].concat());
    copy.git(["fetch", "-q", "-u", "--no-write-fetch-head", git.root().to_str().unwrap(), "main:refs/heads/main"]);
    copy.git(["reset", "-q", "--hard"]);
    copy
}

#[test]
fn sha256() {
    let git = seeded(&["--object-format=sha256"]);
    let copy = into(&git, &["--object-format=sha256"]);
    arrives(Side::over(git), Side::over(copy));
}

#[test]
fn reftable() {
    let git = seeded(&["--ref-format=reftable"]);
    let copy = into(&git, &["--ref-format=reftable"]);
    arrives(Side::over(git), Side::over(copy));
}

#[test]
fn a_linked_worktree() {
    let git = seeded(&[]);
    let copy = copy_of(&git);
    git.git(["worktree", "add", "-q", "-b", "side", "../linked"]);
    let linked = git.at("../linked");
    let a = Side::over(linked);
    let mut b = Side::over(copy);
    b.trust(&a);
    let mut a = a;
    a.says("one");
    b.pull(&a);
    let line = b.foreign();
    assert_eq!((line.branch.unwrap().display().as_str(), line.here.len()), ("side", 1));
}

#[test]
fn a_branch_without_a_commit_meets_nothing_by_itself() {
    let git = TestRepo::new();
    git.write("file", "x");
    let mut a = Side::over(git);
    let mut b = Side::over(TestRepo::new());
    b.trust(&a);
    a.capture();
    assert_eq!(a.say().n_records, 1);
    b.pull(&a);
    assert!(b.foreign().is_phantom());
}

#[test]
fn remotes_say_which_repository_it_is_and_spare_what_is_there() {
    let git = seeded(&[]);
    let noise: Vec<u8> = (0..200_000u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    git.write("large", noise).commit_all("large");
    let copy = copy_of(&git);
    git.git(["remote", "add", "origin", "git@Example.org:team/tool.git"]);
    git.git(["update-ref", "refs/remotes/origin/main", "HEAD"]);
    copy.git(["remote", "add", "upstream", "https://user:secret@example.org/team/tool"]);
    copy.git(["update-ref", "refs/remotes/upstream/main", "HEAD"]);
    let other = copy_of(&git);
    other.git(["remote", "add", "origin", "https://example.org/team/another"]);
    let (mut a, mut b, mut c) = (Side::over(git), Side::over(copy), Side::over(other));
    b.trust(&a);
    c.trust(&a);
    let snapshot = a.says("one");
    assert!(a.said_bytes() < 10_000, "{}", a.said_bytes());
    assert_eq!(b.pull(&a).n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()), [snapshot.commit]);
    assert_eq!(b.foreign().urls, ["example.org/team/tool"]);
    c.pull(&a);
    assert!(c.foreign().is_phantom(), "it has another remote");
}

#[test]
fn who_lacks_what_the_remote_has_waits_until_it_was_fetched() {
    let git = seeded(&[]);
    let copy = copy_of(&git);
    git.write("pulled", "x").commit_all("on the remote");
    for repo in [&git, &copy] {
        repo.git(["remote", "add", "origin", "https://example.org/team/tool"]);
    }
    git.git(["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let root = git.root().to_owned();
    let (mut a, mut b) = (Side::over(git), Side::over(copy));
    b.trust(&a);
    let snapshot = a.says("one");
    assert_eq!(b.pull(&a).n_waiting, 1);
    assert_eq!(b.store.wanted().unwrap()[&a.store.log()].len(), 1);
    b.rig.git.git(["fetch", "-q", root.to_str().unwrap(), "main:refs/remotes/origin/main"]);
    assert_eq!(b.deliver().n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()), [snapshot.commit]);
    b.rig.fsck();
}

#[test]
fn a_shallow_clone_says_and_takes() {
    let git = seeded(&[]);
    for n in 0..5 {
        git.write("file", format!("{n}\n")).commit_all("more");
    }
    git.git(["remote", "add", "origin", "https://example.org/team/tool"]);
    let url = format!("file://{}", git.root().display());
    git.git(["clone", "-q", "--depth=2", &url, "../shallow"]);
    let shallow = git.at("../shallow");
    shallow.git(["remote", "set-url", "origin", "https://example.org/team/tool"]);
    shallow.git(["update-ref", "-d", "refs/remotes/origin/main"]);
    let (mut a, mut b) = (Side::over(shallow), Side::over(git));
    b.trust(&a);
    let snapshot = a.work("one");
    assert_eq!(a.say().n_records, 1);
    assert_eq!(b.pull(&a).n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()), [snapshot.commit]);
    b.rig.fsck();
    a.trust(&b);
    let back = b.says("back");
    a.pull(&b);
    assert_eq!(a.snapshots(&b.line()), [back.commit]);
}

#[test]
fn what_a_shallow_clone_does_not_have_of_a_remotes_history_comes_along() {
    let git = seeded(&[]);
    git.write("file", "two\n").commit_all("second");
    let url = format!("file://{}", git.root().display());
    git.git(["clone", "-q", "--depth=1", &url, "../shallow"]);
    let shallow = git.at("../shallow");
    git.git(["remote", "add", "origin", "https://example.org/team/tool"]);
    shallow.git(["remote", "set-url", "origin", "https://example.org/team/tool"]);
    git.git(["update-ref", "refs/remotes/origin/main", "HEAD"]);
    let (mut a, mut b) = (Side::over(git), Side::over(shallow));
    b.trust(&a);
    // A file as it was before the only commit that the shallow clone has, and then something that stands on it.
    a.rig.git.git(["checkout", "-q", "HEAD~1", "--", "file"]);
    for content in ["one", "two"] {
        let snapshot = a.says(content);
        assert_eq!(b.pull(&a).n_waiting, 0);
        assert_eq!(b.snapshots(&a.line())[0], snapshot.commit);
    }
    b.rig.fsck();
}

#[test]
fn a_repository_that_was_made_for_it_takes_what_waits() {
    let git = seeded(&[]);
    git.write("second", "x").commit_all("second");
    let (mut a, mut b) = (Side::over(git), Side::over(TestRepo::new()));
    b.trust(&a);
    let snapshot = a.says("one");
    b.pull(&a);
    let waits = b.foreign();
    assert!(waits.is_phantom());
    carry_code::stream::bind(&b.rig.ctx, waits.log, &waits.repository, &b.repo()).unwrap();
    assert_eq!(b.deliver().n_folded, 1);
    assert_eq!(b.snapshots(&a.line()), [snapshot.commit]);
    let tip = b.tip_of(&a.line()).unwrap();
    let log = b.rig.git.git(["log", "--format=%s", &tip.head.unwrap().to_string()]);
    assert_eq!(log, "second\nfirst\n");
    b.rig.fsck();
}
