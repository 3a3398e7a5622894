//! A handoff that ends at each of its steps.

use std::collections::BTreeMap;

use carry_code::handoff;
use carry_code::line::Branch;
use carry_code::seen::Relation;

use super::child::run;
use super::pair::{Pair, State, capture, interrupted, registry, repo, undo};

/// Points every handoff passes that changes everything.
const DOCUMENTED: &[&str] = &[
    "handoff.written",
    "handoff.noted",
    "handoff.file",
    "handoff.files",
    "handoff.seen",
    "handoff.index",
    "handoff.head",
    "handoff.done",
];

/// They have edits, a new file, one less, something staged, and commits.
fn newer() -> Pair {
    let pair = Pair::seen(|git| {
        git.write("a", "1\n").write("b", "1\n").write("c", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "2\n").commit_all("two").write("a", "3\n").stage("a").delete("b").write("new", "n\n");
    pair
}

/// Both have changes, and a merge has to be written.
fn diverged() -> Pair {
    let pair = Pair::seen(|git| {
        git.write("a", "1\n2\n3\n4\n").write("b", "1\n").commit_all("one");
    });
    pair.theirs.git.write("a", "1\n2\n3\nx\n").commit_all("two").write("new", "n\n");
    pair.ours.git.write("a", "y\n2\n3\n4\n").stage("a").write("b", "2\n").write("mine", "m\n");
    pair
}

/// What the child is told, after both sides were captured.
fn told(pair: &mut Pair) -> String {
    let theirs = pair.fetch();
    let current = capture(&mut pair.ours);
    format!("take {} {}", theirs.commit, current.commit)
}

/// The points that `what` passes, each as often as it does.
fn points(pair: &Pair, what: &str) -> Vec<String> {
    let trace = pair.ours.git.base().join("trace");
    assert!(run(&pair.ours, what, &[("CARRY_FAULT_TRACE", trace.to_str().unwrap())]));
    let mut passed: BTreeMap<String, usize> = BTreeMap::new();
    let mut points = Vec::new();
    for point in std::fs::read_to_string(trace).unwrap().lines() {
        let n = passed.entry(point.to_owned()).or_default();
        *n += 1;
        // Refs and packs are written whole, as tests of their own show; here only the first of each counts.
        if *n == 1 || point.starts_with("handoff.") {
            points.push(format!("{point}#{n}"));
        }
    }
    points
}

fn play(make: fn() -> Pair) {
    let mut pair = make();
    let what = told(&mut pair);
    let points = points(&pair, &what);
    for point in DOCUMENTED {
        assert!(points.contains(&format!("{point}#1")), "{point} is not passed: {points:?}");
    }
    let wanted = State::exactly(&pair.ours);
    for point in points {
        for way in ["on", "back"] {
            let mut pair = make();
            let what = told(&mut pair);
            let before = State::exactly(&pair.ours);
            assert!(!run(&pair.ours, &what, &[("CARRY_FAULT", &format!("{point}=kill"))]), "{point}");
            pair.ours.fsck();
            let Some(open) = interrupted(&pair.ours) else {
                // It was not noted yet, or it was done.
                let wanted = if point.starts_with("handoff.done") { &wanted } else { &before };
                assert_eq!(State::exactly(&pair.ours), *wanted, "{point}");
                continue;
            };
            let current = capture(&mut pair.ours);
            if way == "on" {
                let (ctx, tree) = (&pair.ours.ctx, &pair.ours.tree);
                let done = handoff::resume(ctx, &repo(&pair.ours), tree, &open, &current).unwrap();
                assert!(
                    done.finished && done.files.failed.is_empty() && done.files.kept.is_empty(),
                    "{point}: {done:?}"
                );
                assert_eq!(interrupted(&pair.ours), None);
                assert_eq!(State::exactly(&pair.ours), wanted, "{point}");
                let (theirs, ours) = (capture(&mut pair.theirs), capture(&mut pair.ours));
                assert_eq!(ours.meta.seen.compare(&theirs.meta.seen), Relation::Newer, "{point}");
            }
            undo(&mut pair.ours);
            assert_eq!(State::exactly(&pair.ours), before, "{point}, {way}");
            let (theirs, ours) = (capture(&mut pair.theirs), capture(&mut pair.ours));
            assert!(!ours.meta.seen.has_seen(&theirs.meta.seen), "{point}");
            pair.ours.fsck();
        }
    }
}

#[test]
fn a_take_over_may_die_anywhere() {
    play(newer);
}

#[test]
fn a_merge_may_die_anywhere() {
    play(diverged);
}

#[test]
fn an_undo_may_die_anywhere() {
    let taken = || {
        let mut pair = newer();
        let what = told(&mut pair);
        let old = State::exactly(&pair.ours);
        assert!(run(&pair.ours, &what, &[]));
        let current = capture(&mut pair.ours);
        (pair, old, format!("undo {}", current.commit))
    };
    let (pair, old, what) = taken();
    let points = points(&pair, &what);
    assert_eq!(State::exactly(&pair.ours), old);
    for point in points.iter().filter(|point| point.starts_with("handoff.") && !point.starts_with("handoff.done")) {
        let fault = [("CARRY_FAULT", &*format!("{point}=kill"))];
        // On, to the old state.
        let (mut pair, old, what) = taken();
        let new = State::exactly(&pair.ours);
        assert!(!run(&pair.ours, &what, &fault), "{point}");
        let current = capture(&mut pair.ours);
        assert!(run(&pair.ours, &format!("resume {}", current.commit), &[]), "{point}");
        assert_eq!(State::exactly(&pair.ours), old, "{point}");
        // The way back from there dies as well, and is taken back, and that too.
        let what = format!("undo {}", capture(&mut pair.ours).commit);
        assert!(!run(&pair.ours, &what, &fault), "{point}");
        let between = State::exactly(&pair.ours);
        undo(&mut pair.ours);
        assert_eq!(State::exactly(&pair.ours), old, "{point}");
        undo(&mut pair.ours);
        assert_eq!(State::exactly(&pair.ours), between, "{point}");
        // Back, to the new state.
        let (mut pair, _, what) = taken();
        assert!(!run(&pair.ours, &what, &fault), "{point}");
        undo(&mut pair.ours);
        assert_eq!(State::exactly(&pair.ours), new, "{point}");
    }
}

#[test]
fn what_was_edited_after_it_stopped_is_kept_aside_or_goes_back() {
    for way in ["on", "back"] {
        let mut pair = newer();
        let what = told(&mut pair);
        assert!(!run(&pair.ours, &what, &[("CARRY_FAULT", "handoff.file#2=kill")]));
        pair.ours.git.write("a", "edited since\n").write("b", "edited since\n").write("elsewhere", "e\n");
        let open = interrupted(&pair.ours).unwrap();
        let current = capture(&mut pair.ours);
        if way == "on" {
            let (ctx, tree) = (&pair.ours.ctx, &pair.ours.tree);
            let done = handoff::resume(ctx, &repo(&pair.ours), tree, &open, &current).unwrap();
            assert!(done.finished);
            assert_eq!(pair.ours.git.read("a"), b"3\n");
            assert_eq!(pair.ours.git.read("a.carry-kept-1"), b"edited since\n");
            assert_eq!(pair.ours.git.read("b.carry-kept-1"), b"edited since\n");
        } else {
            undo(&mut pair.ours);
            assert_eq!(pair.ours.git.read("a"), b"1\n");
            assert_eq!(pair.ours.content(&current, "a"), "edited since\n");
        }
        assert_eq!(pair.ours.git.read("elsewhere"), b"e\n");
    }
}

#[test]
fn a_file_that_cannot_be_written_stops_it_and_nothing_counts_as_seen() {
    let mut pair = newer();
    let what = told(&mut pair);
    let head = pair.ours.git.id("HEAD");
    assert!(!run(&pair.ours, &what, &[("CARRY_FAULT", "handoff.file#2=enospc")]));
    assert_eq!(pair.ours.git.id("HEAD"), head);
    assert_eq!(pair.ours.git.git(["diff", "--cached", "--name-only"]), "");
    let open = interrupted(&pair.ours).expect("it stays open");
    let (theirs, current) = (capture(&mut pair.theirs), capture(&mut pair.ours));
    assert!(!current.meta.seen.has_seen(&theirs.meta.seen));
    let done = handoff::resume(&pair.ours.ctx, &repo(&pair.ours), &pair.ours.tree, &open, &current).unwrap();
    assert!(done.finished);
    assert_eq!(State::of(&pair.ours), State::of(&pair.theirs));
}

#[test]
fn while_one_is_at_it_no_other_is() {
    let mut pair = newer();
    let what = told(&mut pair);
    assert!(!run(&pair.ours, &what, &[("CARRY_FAULT", "handoff.files=kill")]));
    let open = interrupted(&pair.ours).unwrap();
    let mut lease =
        carry_kernel::lease::Lease::open(&pair.ours.ctx.home, carry_kernel::lease::Owner::this_process()).unwrap();
    let name = format!("handoff/{}", pair.ours.tree.id);
    let ttl = std::time::Duration::from_secs(60);
    let now = pair.ours.ctx.clock.steady();
    let carry_kernel::lease::Outcome::Granted(held) = lease.acquire(&name, ttl, now).unwrap() else { panic!() };
    assert_eq!(interrupted(&pair.ours), None);
    let current = capture(&mut pair.ours);
    let (ctx, tree) = (&pair.ours.ctx, &pair.ours.tree);
    match handoff::resume(ctx, &repo(&pair.ours), tree, &open, &current) {
        Err(handoff::HandoffError::Running { .. }) => {}
        other => panic!("{other:?}"),
    }
    lease.release(held).unwrap();
    assert_eq!(interrupted(&pair.ours), Some(open));
}

#[test]
fn going_on_is_for_the_branch_it_was_begun_on() {
    let mut pair = newer();
    let what = told(&mut pair);
    assert!(!run(&pair.ours, &what, &[("CARRY_FAULT", "handoff.file#1=kill")]));
    pair.ours.git.git(["stash", "-q", "-u"]);
    pair.ours.git.git(["checkout", "-q", "-b", "elsewhere"]);
    let current = capture(&mut pair.ours);
    let before = State::exactly(&pair.ours);
    let open = interrupted(&pair.ours).unwrap();
    match handoff::resume(&pair.ours.ctx, &repo(&pair.ours), &pair.ours.tree, &open, &current) {
        Err(handoff::HandoffError::Head { message, .. }) => {
            assert_eq!(message, "HEAD is on elsewhere; check main out first");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(State::exactly(&pair.ours), before);
}

#[test]
fn a_branch_checked_out_after_the_plan_is_not_written_to() {
    let mut pair = newer();
    let what = told(&mut pair);
    pair.ours.git.git(["checkout", "-q", "-b", "elsewhere"]);
    let before = State::exactly(&pair.ours);
    assert!(!run(&pair.ours, &what, &[]));
    assert_eq!(State::exactly(&pair.ours), before);
    assert_eq!(interrupted(&pair.ours), None);
}

#[test]
fn an_undo_that_dies_before_its_end_claims_nothing() {
    for point in ["handoff.file#2", "handoff.files", "handoff.seen", "handoff.index", "handoff.head"] {
        let mut pair = newer();
        let what = told(&mut pair);
        assert!(run(&pair.ours, &what, &[]));
        let what = format!("undo {}", capture(&mut pair.ours).commit);
        assert!(!run(&pair.ours, &what, &[("CARRY_FAULT", &format!("{point}=kill"))]), "{point}");
        // What is captured after that, again and again.
        for _ in 0..2 {
            let (theirs, ours) = (capture(&mut pair.theirs), capture(&mut pair.ours));
            assert_ne!(ours.tree, theirs.tree, "{point}");
            assert!(!ours.meta.seen.has_seen(&theirs.meta.seen), "{point}");
            assert_ne!(theirs.meta.seen.compare(&ours.meta.seen), Relation::Older, "{point}");
            pair.ours.git.write("elsewhere", "e\n");
        }
    }
}

#[test]
fn what_is_to_be_seen_next_is_only_cleared_by_who_used_it() {
    let mut pair = newer();
    let (used, set) = (pair.fetch().seen, capture(&mut pair.ours).meta.seen);
    let (tree, main) = (&pair.ours.tree.id, Branch::Named("main".into()));
    let mut registry = registry(&pair.ours.ctx);
    registry.set_pending_seen(tree, &main, Some(&set)).unwrap();
    registry.used_pending_seen(tree, &main, &used).unwrap();
    assert_eq!(registry.pending_seen(tree, &main).unwrap(), Some(set.clone()));
    registry.used_pending_seen(tree, &main, &set).unwrap();
    assert_eq!(registry.pending_seen(tree, &main).unwrap(), None);
}
