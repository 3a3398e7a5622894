//! A device that captured before it heard of others: what it did counts, and that it captured does not.

use carry_code::drift;
use carry_code::handoff;
use carry_code::line::Branch;
use carry_code::seen::Relation;
use carry_testkit::repo::TestRepo;

use super::arrive::take_over;
use super::side::Side;

/// How what others have stands to what `side` has, as status shows it and as a takeover takes it.
#[track_caller]
fn relation(side: &mut Side, other: &Side) -> Relation {
    let current = side.capture();
    let (ctx, repo, main) = (&side.rig.ctx, side.repo(), Branch::Named("main".into()));
    let found = drift::look(ctx, &repo, &side.rig.tree.id, &main).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    let tip = side.tip_of(&other.line()).unwrap();
    let plan = handoff::plan(ctx, &repo, &side.rig.tree, &current, &tip, None).unwrap();
    assert_eq!((found[0].relation, &found[0].tip), (plan.relation, &tip));
    plan.relation
}

#[test]
fn to_a_clone_in_which_nothing_was_done_the_work_of_others_is_newer() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    b.trust(&a);
    b.capture();
    let one = a.work("one");
    a.say();
    b.pull(&a);
    assert_eq!(relation(&mut b, &a), Relation::Newer);
    // Also when it went on with commits.
    a.rig.git.write("committed", "x\n").commit_all("second");
    a.work("two");
    a.say();
    b.pull(&a);
    assert_eq!(relation(&mut b, &a), Relation::Newer);
    take_over(&mut b, &a);
    assert_eq!(b.capture().tree, a.capture().tree);
    // The other one has not heard of it, and goes on; here nothing was done since.
    let three = a.work("three");
    a.say();
    b.pull(&a);
    assert_eq!(relation(&mut b, &a), Relation::Newer);
    assert!(b.snapshots(&a.line()).contains(&three.commit) && b.snapshots(&a.line()).contains(&one.commit));
    b.rig.git.write("mine", "mine\n");
    assert_eq!(relation(&mut b, &a), Relation::Diverged);
}

#[test]
fn whatever_was_done_here_makes_it_lie_beside() {
    type Do = fn(&TestRepo) -> &TestRepo;
    let done: [(&str, Do); 4] = [
        ("a change", |git| git.write("file", "mine\n")),
        ("a new file", |git| git.write("mine", "mine\n")),
        ("something staged", |git| git.write("file", "mine\n").stage("file").write("file", "one\n")),
        ("a commit", |git| git.write("mine", "mine\n").commit_all("mine")),
    ];
    for (what, work) in done {
        let mut a = Side::new();
        let mut b = Side::clone_of(&a);
        b.trust(&a);
        b.capture();
        work(&b.rig.git);
        a.work("one");
        a.say();
        b.pull(&a);
        assert_eq!(relation(&mut b, &a), Relation::Diverged, "{what}");
    }
}

#[test]
fn to_take_back_what_another_has_taken_over_is_something_that_was_done() {
    let mut a = Side::new();
    let mut b = Side::clone_of(&a);
    a.trust(&b);
    b.trust(&a);
    a.capture();
    b.rig.git.write("mine", "mine\n");
    b.capture();
    b.say();
    a.pull(&b);
    take_over(&mut a, &b);
    a.work("and more");
    a.say();
    // As its commit has it again: nothing is to be seen of it, and the file is not to come back without a word.
    b.rig.git.delete("mine");
    b.capture();
    b.pull(&a);
    assert_eq!(relation(&mut b, &a), Relation::Diverged);
}
