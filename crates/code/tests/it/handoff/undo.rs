//! The way back.

use carry_code::handoff::{self, HandoffError};
use carry_code::seen::Relation;

use super::pair::{Pair, State, capture, plan_undo, repo, undo};

/// They are ahead, by a commit and more.
fn ahead() -> Pair {
    let mut pair = Pair::seen(|git| {
        git.write("a", "1\n").write("b", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "2\n").commit_all("two").write("a", "3\n").write("new", "n\n").delete("b");
    pair.ours.git.write("b", "staged\n").stage("b").write("mine", "m\n");
    capture(&mut pair.ours);
    std::mem::swap(&mut pair.ours, &mut pair.theirs);
    let handoff = pair.plan();
    pair.carry_out(handoff, &[("b", carry_code::merge::Choice::Ours)]);
    std::mem::swap(&mut pair.ours, &mut pair.theirs);
    pair
}

#[test]
fn to_and_fro_as_often_as_one_likes() {
    let mut pair = ahead();
    let before = State::exactly(&pair.ours);
    pair.take();
    let after = State::exactly(&pair.ours);
    assert_ne!(after, before);
    for n in 0..3 {
        undo(&mut pair.ours);
        assert_eq!(State::exactly(&pair.ours), before, "{n}");
        undo(&mut pair.ours);
        assert_eq!(State::exactly(&pair.ours), after, "{n}");
    }
}

#[test]
fn what_was_undone_has_not_been_seen() {
    let mut pair = ahead();
    let theirs = pair.fetch();
    pair.take();
    let taken = capture(&mut pair.ours);
    assert!(taken.meta.seen.has_seen(&theirs.seen));
    undo(&mut pair.ours);
    let back = capture(&mut pair.ours);
    assert_eq!(theirs.seen.compare(&back.meta.seen), Relation::Diverged);
    // It can be taken over again, from where both were.
    let handoff = pair.plan();
    assert_eq!(handoff.merged.conflicts, []);
    pair.carry_out(handoff, &[]);
    assert_eq!(State::of(&pair.ours).files, State::of(&pair.theirs).files);
}

#[test]
fn what_was_done_since_is_held_by_a_snapshot() {
    let mut pair = ahead();
    pair.take();
    pair.ours.git.write("a", "worked on\n").write("later", "l\n");
    let worked = capture(&mut pair.ours);
    undo(&mut pair.ours);
    assert_eq!(pair.ours.git.read("a"), b"1\n");
    assert_eq!(pair.ours.git.read("later"), b"l\n");
    assert_eq!(pair.ours.content(&worked, "a"), "worked on\n");
    undo(&mut pair.ours);
    assert_eq!(pair.ours.git.read("a"), b"worked on\n");
}

#[test]
fn a_branch_with_commits_made_since_stays() {
    let mut pair = ahead();
    pair.take();
    pair.ours.git.write("a", "committed\n").git(["commit", "-q", "-am", "since"]);
    let head = pair.ours.git.id("HEAD");
    let (plan, _) = plan_undo(&mut pair.ours);
    assert!(plan.head_stays.as_ref().is_some_and(|why| why.contains("main") && why.contains(&head)), "{plan:?}");
    let done = undo(&mut pair.ours);
    assert!(!done.head_moved && done.head_stays.is_some());
    assert_eq!(pair.ours.git.id("HEAD"), head);
    assert_eq!(pair.ours.git.read("a"), b"1\n");
    // Nothing became staged by it.
    assert_eq!(pair.ours.git.git(["diff", "--cached", "--name-only"]), "");
}

#[test]
fn on_another_branch_nothing_is_taken_back() {
    let mut pair = ahead();
    pair.take();
    pair.ours.git.git(["stash", "-q", "-u"]);
    pair.ours.git.git(["checkout", "-q", "-b", "elsewhere"]);
    let current = capture(&mut pair.ours);
    let entry = super::pair::registry(&pair.ours.ctx).last_undo(&pair.ours.tree.id).unwrap().unwrap();
    match handoff::plan_undo(&repo(&pair.ours), &entry, &current) {
        Err(HandoffError::Head { message, .. }) => assert!(message.contains("elsewhere"), "{message}"),
        other => panic!("{other:?}"),
    }
}
