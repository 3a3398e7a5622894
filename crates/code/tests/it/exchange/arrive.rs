//! What is said arrives, and is what it was.

use carry_code::drift;
use carry_code::handoff;
use carry_code::line::Branch;
use carry_code::registry::Tree;
use carry_code::stream::LineStanding;
use carry_code::tips::Trust;
use carry_testkit::git_tree::git_tree_of;
use carry_testkit::repo::TestRepo;

use super::side::{Side, copy_of};

/// Takes over what the other has, as `carry sync` does.
pub(super) fn take_over(ours: &mut Side, theirs: &Side) {
    let main = Branch::Named("main".into());
    let current = ours.capture();
    let drift = drift::look(&ours.rig.ctx, &ours.repo(), &ours.rig.tree.id, &main).unwrap();
    assert_eq!(drift.len(), 1, "{drift:?}");
    let tip = ours.tip_of(&theirs.line()).unwrap();
    assert_eq!((&drift[0].tip, tip.trust), (&tip, Trust::Approved));
    let (repo, tree): (_, Tree) = (ours.repo(), ours.rig.tree.clone());
    let mut plan = handoff::plan(&ours.rig.ctx, &repo, &tree, &current, &tip, None).unwrap();
    let files = handoff::files(&repo, &mut plan, &[]).unwrap();
    let done = handoff::execute(&ours.rig.ctx, &repo, &tree, &plan, &files, "sync").unwrap();
    assert!(done.finished, "{done:?}");
    assert_eq!(done.staged, None);
}

#[test]
fn a_working_tree_without_any_remote_arrives_with_what_is_staged() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    b.capture();
    b.trust(&a);
    a.rig.git.write("file", "changed\n").write("new", "untracked\n").delete("folder/other");
    a.rig.git.write("staged", "in the index\n").stage("staged").write("staged", "and then another\n");
    a.rig.git.write("next", "commit\n").stage("next");
    let snapshot = a.capture();
    assert!(snapshot.meta.staged.is_some());
    assert_eq!(a.say().n_records, 1);
    let done = b.pull(&a);
    assert_eq!((done.n_folded, done.n_waiting), (1, 0));
    assert_eq!(b.snapshots(&a.line()), [snapshot.commit]);
    assert_eq!(b.kept(), Vec::<String>::new());
    let expected = git_tree_of(a.rig.git.root()).id;
    take_over(&mut b, &a);
    assert_eq!(git_tree_of(b.rig.git.root()).id, expected);
    let index = |side: &Side| side.rig.git.git(["ls-files", "--stage"]);
    assert_eq!(index(&b), index(&a));
    b.rig.fsck();
    a.rig.fsck();
}

#[test]
fn commits_that_are_nowhere_else_come_along() {
    let (mut a, mut b) = Side::pair();
    a.rig.git.write("committed", "x\n").commit_all("second");
    let snapshot = a.says("more");
    b.pull(&a);
    let tip = b.tip_of(&a.line()).unwrap();
    assert_eq!(tip.head, snapshot.meta.head);
    assert_eq!(b.rig.git.git(["log", "--format=%s", &tip.head.unwrap().to_string()]), "second\nfirst\n");
    b.rig.fsck();
}

#[test]
fn nothing_new_says_nothing_and_delivering_again_changes_nothing() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    let head = a.store.newest_signed().unwrap().unwrap().digest();
    a.capture();
    assert_eq!(a.say().n_records, 0);
    assert_eq!(a.store.newest_signed().unwrap().unwrap().digest(), head);
    b.pull(&a);
    let value = b.value(&a.line());
    assert_eq!(b.pull(&a).n_folded, 0);
    b.reopen();
    assert_eq!(b.pull(&a).n_folded, 0);
    assert_eq!(b.value(&a.line()), value);
    assert_eq!(a.own(), LineStanding::Said);
}

#[test]
fn only_the_newest_of_several_snapshots_is_said() {
    let (mut a, mut b) = Side::pair();
    a.work("one");
    a.work("two");
    let third = a.says("three");
    let fifth = {
        a.work("four");
        a.work("five")
    };
    a.say();
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line()), [fifth.commit, third.commit]);
    assert_eq!(a.snapshots(&a.line()).len(), 5);
}

#[test]
fn a_repository_that_is_not_here_waits_by_name_and_comes_when_it_is_added() {
    let mut a = Side::new();
    let other = TestRepo::new();
    other.write("unrelated", "x").commit_all("another history");
    let mut b = Side::over(other);
    b.trust(&a);
    let snapshot = a.says("one");
    assert_eq!(b.pull(&a).n_folded, 1);
    let waits = b.foreign();
    assert!(waits.is_phantom());
    assert_eq!((waits.name.as_str(), waits.branch), ("repo", Some(Branch::Named("main".into()))));
    assert_eq!(b.value(&a.line()), None);
    assert_eq!(b.deliver().n_folded, 0, "it is not looked at for nothing");
    let clone = copy_of(&a.rig.git);
    b.add(&clone);
    assert_eq!(b.deliver().n_folded, 1);
    let kept = clone.id(&format!("{}^^", a.line().ref_name()));
    assert_eq!(kept, snapshot.commit.to_string());
    assert!(!b.foreign().is_phantom());
    assert_eq!(b.deliver().n_folded, 0);
}

#[test]
fn every_clone_of_a_repository_gets_the_line_also_one_that_is_added_later() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    b.pull(&a);
    let second = copy_of(&a.rig.git);
    b.add(&second);
    b.deliver();
    let of_second = second.git(["rev-parse", &a.line().ref_name()]);
    assert_eq!(of_second.trim(), b.value(&a.line()).unwrap().to_string());
    a.says("two");
    b.pull(&a);
    let of_second = second.git(["rev-parse", &a.line().ref_name()]);
    assert_eq!(of_second.trim(), b.value(&a.line()).unwrap().to_string());
    assert_eq!(b.foreign().here.len(), 2);
    second.git(["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn one_broken_repository_stops_no_other() {
    let mut a = Side::new();
    let second = TestRepo::new();
    second.write("x", "y").commit_all("of its own");
    let tree = a.add(&second);
    a.work("one");
    let mut capturer = carry_code::capture::Capturer::new(a.rig.ctx.clone(), tree);
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let request = carry_code::capture::Request::new(carry_code::capture::Look::Everything, &cancel);
    second.write("x", "z");
    capturer.capture(&request).unwrap();
    // All its packs and loose objects are damaged.
    let objects = second.path(".git/objects");
    std::fs::rename(&objects, second.path(".git/away")).unwrap();
    std::fs::create_dir(&objects).unwrap();
    assert_eq!(a.offer().n_records, 1);
    std::fs::remove_dir(&objects).unwrap();
    std::fs::rename(second.path(".git/away"), &objects).unwrap();
    assert_eq!(a.offer().n_records, 1, "it heals");
}

#[test]
fn a_repository_may_switch_itself_off() {
    let (mut a, mut b) = Side::pair();
    a.work("one");
    a.rig.git.write("carry.toml", "[code]\nexchange = false\n");
    a.capture();
    assert_eq!(a.say().n_records, 0);
    a.rig.git.write("carry.toml", "[code]\nexchange = true\n");
    a.rig.configure("[code]\nexchange = false\n");
    a.reopen();
    assert_eq!(a.offer().n_records, 0, "a repository cannot switch itself on");
    a.rig.configure("");
    a.reopen();
    assert_eq!(a.say().n_records, 1);
    b.rig.git.write("carry.toml", "[code]\nexchange = false\n");
    b.pull(&a);
    assert_eq!(b.value(&a.line()), None);
    b.rig.git.delete("carry.toml");
    b.deliver();
    assert!(b.value(&a.line()).is_some());
}
