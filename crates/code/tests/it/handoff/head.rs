//! What becomes of branches and HEAD.

use carry_code::handoff::{Handoff, HandoffError};
use carry_code::line::Branch;
use carry_testkit::repo::TestRepo;

use super::pair::{Pair, State, capture, undo};

fn branch(name: &str) -> Branch {
    Branch::Named(name.into())
}

#[test]
fn a_branch_without_commits_of_its_own_follows_theirs() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").commit_all("one");
    });
    pair.theirs
        .git
        .write("a", "2\n")
        .commit_all("two")
        .write("b", "x\n")
        .commit_all("three")
        .write("a", "3\n")
        .stage("a");
    pair.theirs.git.write("a", "4\n");
    let before = State::exactly(&pair.ours);
    let handoff = pair.plan();
    assert_eq!(handoff.commits_as_changes, 0);
    let done = pair.carry_out(handoff, &[]);
    assert!(done.head_moved);
    assert_eq!(State::of(&pair.ours), State::of(&pair.theirs));
    assert!(pair.ours.git.git(["reflog", "-1", "main"]).contains("carry sync"));
    let done = undo(&mut pair.ours);
    assert!(done.head_moved);
    assert_eq!(State::exactly(&pair.ours), before);
}

#[test]
fn what_was_staged_here_stays_staged_when_the_branch_follows() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").write("b", "1\n").write("c", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "2\n").write("c", "theirs\n").commit_all("two");
    pair.ours.git.write("b", "staged\n").stage("b").write("new", "n\n").git(["add", "-N", "new"]);
    pair.ours.git.write("b", "and more\n");
    let handoff = pair.plan();
    let done = pair.carry_out(handoff, &[]);
    assert!(done.head_moved);
    assert_eq!(pair.ours.git.id("HEAD"), pair.theirs.git.id("HEAD"));
    assert_eq!(pair.ours.git.git(["diff", "--cached", "--name-status"]), "M\tb\n");
    assert_eq!(pair.ours.git.git(["show", ":b"]), "staged\n");
    assert_eq!(pair.ours.git.git(["status", "--porcelain"]), "MM b\n A new\n");
}

#[test]
fn commits_of_theirs_arrive_as_changes_where_we_have_some_too() {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").write("b", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "2\n").commit_all("two").write("new", "n\n").commit_all("three");
    pair.ours.git.write("b", "2\n").commit_all("other");
    let head = pair.ours.git.id("HEAD");
    let handoff = pair.plan();
    assert_eq!((&handoff.head, handoff.commits_as_changes), (&None, 2));
    let done = pair.carry_out(handoff, &[]);
    assert!(!done.head_moved);
    assert_eq!(pair.ours.git.id("HEAD"), head);
    assert_eq!(pair.ours.git.git(["status", "--porcelain"]), " M a\n?? new\n");
    assert_eq!(pair.ours.git.read("b"), b"2\n");
}

#[test]
fn a_branch_that_has_no_commit_yet_gets_theirs() {
    let mut pair = Pair::new(|_| {});
    pair.ours.git.write("mine", "m\n");
    pair.theirs.git.write("a", "1\n").commit_all("one").write("a", "2\n").stage("a").write("b", "b\n");
    let before = State::exactly(&pair.ours);
    let done = pair.take();
    assert!(done.head_moved);
    assert_eq!(pair.ours.git.id("HEAD"), pair.theirs.git.id("HEAD"));
    assert_eq!(pair.ours.git.git(["status", "--porcelain"]), " M a\n?? b\n?? mine\n");
    undo(&mut pair.ours);
    assert_eq!(State::exactly(&pair.ours), before);
    assert!(!pair.ours.git.try_git(["rev-parse", "--verify", "-q", "HEAD"]).status.success());
    // And again: the way back from the way back.
    undo(&mut pair.ours);
    assert_eq!(pair.ours.git.id("HEAD"), pair.theirs.git.id("HEAD"));
    assert_eq!(pair.ours.git.git(["status", "--porcelain"]), " M a\n?? b\n?? mine\n");
}

/// They work on another branch.
fn elsewhere() -> Pair {
    let pair = Pair::seen(|git| {
        git.write("a", "1\n").write("b", "1\n").commit_all("one");
    });
    pair.theirs.git.git(["checkout", "-q", "-b", "topic"]);
    pair.theirs.git.write("a", "topic\n").commit_all("two").write("a", "more\n").stage("a").write("new", "n\n");
    pair
}

#[track_caller]
fn plan(pair: &mut Pair) -> Handoff {
    pair.try_plan(Some(&branch("topic"))).unwrap()
}

#[test]
fn another_branch_is_made_and_checked_out() {
    let mut pair = elsewhere();
    pair.ours.git.write("b", "of main\n").write("mine", "m\n");
    let before = State::exactly(&pair.ours);
    let handoff = plan(&mut pair);
    let done = pair.carry_out(handoff, &[]);
    assert!(done.head_moved);
    assert_eq!(State::of(&pair.ours).files, State::of(&pair.theirs).files);
    assert_eq!(pair.ours.git.git(["status", "--porcelain", "-b"]), "## topic\nM  a\n?? new\n");
    let ours = capture(&mut pair.ours);
    assert_eq!(ours.meta.branch, branch("topic"));
    undo(&mut pair.ours);
    assert_eq!(State::exactly(&pair.ours), before);
    undo(&mut pair.ours);
    assert_eq!(pair.ours.git.git(["status", "--porcelain", "-b"]), "## topic\nM  a\n?? new\n");
}

#[test]
fn another_branch_that_is_behind_follows() {
    let mut pair = elsewhere();
    pair.ours.git.git(["branch", "-q", "topic"]);
    let handoff = plan(&mut pair);
    pair.carry_out(handoff, &[]);
    assert_eq!(pair.ours.git.id("topic"), pair.theirs.git.id("topic"));
    assert_eq!(pair.ours.git.git(["status", "--porcelain", "-b"]), "## topic\nM  a\n?? new\n");
}

#[test]
fn another_branch_with_commits_of_its_own_keeps_them() {
    let mut pair = elsewhere();
    pair.ours.git.git(["checkout", "-q", "-b", "topic"]);
    pair.ours.git.write("b", "of topic\n").commit_all("ours").git(["checkout", "-q", "main"]);
    let head = pair.ours.git.id("topic");
    let handoff = plan(&mut pair);
    assert_eq!(handoff.commits_as_changes, 1);
    pair.carry_out(handoff, &[]);
    assert_eq!(pair.ours.git.id("topic"), head);
    assert_eq!(pair.ours.git.git(["status", "--porcelain", "-b"]), "## topic\n M a\n?? new\n");
    assert_eq!(pair.ours.git.read("b"), b"of topic\n");
}

#[test]
fn what_we_left_on_the_other_branch_is_merged() {
    let mut pair = elsewhere();
    pair.ours.git.git(["checkout", "-q", "-b", "topic"]);
    pair.ours.git.write("b", "left there\n");
    capture(&mut pair.ours);
    pair.ours.git.git(["checkout", "-q", "-f", "main"]);
    let handoff = plan(&mut pair);
    pair.carry_out(handoff, &[]);
    assert_eq!(pair.ours.git.read("b"), b"left there\n");
    assert_eq!(pair.ours.git.read("a"), b"more\n");
    assert_eq!(pair.ours.git.id("HEAD"), pair.theirs.git.id("HEAD"));
}

#[test]
fn a_branch_that_another_worktree_has_is_refused() {
    let mut pair = elsewhere();
    let place = pair.ours.git.base().join("linked");
    pair.ours.git.git(["worktree", "add", "-q", "-b", "topic", place.to_str().unwrap()]);
    match pair.try_plan(Some(&branch("topic"))) {
        Err(HandoffError::Head { branch, message }) => {
            assert_eq!(branch, "topic");
            assert!(message.contains(place.to_str().unwrap()), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_with_reftable_follows_too() {
    let ours = TestRepo::init(&["--initial-branch=main", "--ref-format=reftable"]);
    let mut pair = Pair::with(ours, |git| {
        git.write("a", "1\n").commit_all("one");
    })
    .handed_over();
    let before = State::exactly(&pair.ours);
    pair.theirs.git.write("a", "2\n").commit_all("two").write("a", "3\n");
    pair.take();
    assert_eq!(pair.ours.git.id("HEAD"), pair.theirs.git.id("HEAD"));
    assert_eq!(State::of(&pair.ours), State::of(&pair.theirs));
    undo(&mut pair.ours);
    assert_eq!(State::exactly(&pair.ours), before);
}
