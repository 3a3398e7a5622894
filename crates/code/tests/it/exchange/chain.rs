//! Packs that stand on each other: their sizes, what is missing, what is thinned, what is merged.

use std::time::Duration;

use carry_code::prune;
use carry_code::retention::Policy;
use carry_exchange::head::Want;
use carry_exchange::strand::Strand as _;

use super::side::{NOW, Side, statement};

/// Content that does not compress.
fn noise(bytes: usize) -> Vec<u8> {
    let mut noise = vec![0; bytes];
    getrandom::fill(&mut noise).unwrap();
    noise
}

#[test]
fn a_second_snapshot_costs_what_changed() {
    let mut a = Side::new();
    a.rig.git.write("large", noise(500_000)).commit_all("large");
    a.says("one");
    let first = a.said_bytes();
    assert!(first > 500_000, "{first}");
    a.says("two");
    assert!(a.said_bytes() - first < 5_000, "{}", a.said_bytes() - first);
    // A new branch stands on what was said of the other.
    a.rig.git.git(["checkout", "-q", "-b", "other"]);
    a.says("three");
    assert!(a.said_bytes() - first < 10_000, "{}", a.said_bytes() - first);
    let mut b = Side::over(carry_testkit::repo::TestRepo::new());
    b.trust(&a);
    assert!(b.pull(&a).n_folded > 0);
    assert!(b.standing().foreign.iter().all(|line| line.is_phantom()));
}

#[test]
fn what_is_not_committed_is_not_said_again_with_each_edit() {
    let mut a = Side::new();
    a.rig.git.write("loose/large", noise(300_000)).write("staged", noise(300_000)).stage("staged");
    a.rig.git.write("staged", "and then another\n");
    a.says("one");
    let mut before = a.said_bytes();
    assert!(before > 600_000, "{before}");
    for n in 0..6 {
        if n == 3 {
            a.rig.git.stage("loose").git(["commit", "-q", "-m", "large"]);
        }
        a.says(&format!("edit {n}"));
        assert!(a.said_bytes() - before < 5_000, "{n}: {}", a.said_bytes() - before);
        before = a.said_bytes();
    }
    // Who has nothing yet gets all of it from the packs together.
    let mut b = Side::clone_of(&a);
    b.trust(&a);
    assert_eq!(b.pull(&a).n_waiting, 0);
    assert_eq!(b.snapshots(&a.line())[0], a.snapshots(&a.line())[0]);
    b.rig.fsck();
}

#[test]
fn forty_snapshots_in_a_row_arrive_whatever_is_there_already() {
    let mut a = Side::new();
    let (mut b, mut c) = (Side::clone_of(&a), Side::clone_of(&a));
    b.trust(&a);
    c.trust(&a);
    let mut last = None;
    for n in 0..40 {
        last = Some(a.work(&format!("{n}\n")));
        a.say();
        if n % 3 == 0 {
            assert_eq!(b.pull(&a).n_waiting, 0, "{n}");
            assert_eq!(b.snapshots(&a.line())[0], last.as_ref().unwrap().commit);
        }
    }
    // One that comes late has everything to unpack.
    for side in [&mut b, &mut c] {
        let done = side.pull(&a);
        assert_eq!(done.n_waiting, 0, "{done:?}");
        assert_eq!(side.snapshots(&a.line()), a.snapshots(&a.line()), "{done:?} {:?}", side.standing());
        assert_eq!(side.kept(), Vec::<String>::new());
        side.rig.fsck();
    }
    assert_eq!(b.snapshots(&a.line())[0], last.unwrap().commit);
    let pins = prune::pins(&a.repo(), &a.rig.tree.id).unwrap().len();
    assert!(pins <= 7, "{pins}");
}

#[test]
fn a_missing_need_waits_is_asked_for_and_heals() {
    let (mut a, mut b) = Side::pair();
    a.says("one");
    let two = a.says("two");
    b.fetch_some(&a.store, &|at| at == 1);
    assert_eq!(b.deliver().n_waiting, 1);
    assert_eq!(b.value(&a.line()), None);
    assert_eq!(b.store.wanted().unwrap()[&a.store.log()].len(), 1);
    b.fetch_some(&a.store, &|_| true);
    assert_eq!(b.deliver().n_waiting, 0);
    assert_eq!(b.snapshots(&a.line())[0], two.commit);
    b.rig.fsck();
}

/// `b` holds a pack that needs another, and asks `a` for it.
fn one_that_asks() -> (Side, Side) {
    let (mut a, mut b) = Side::pair();
    a.trust(&b);
    a.says("one");
    a.says("two");
    b.fetch_some(&a.store, &|at| at == 1);
    b.deliver();
    let log = a.store.log();
    let wants = b.store.wanted().unwrap().remove(&log).unwrap();
    let wants: Vec<Want> = wants.into_iter().map(|id| Want::Attachment(log, id)).collect();
    b.work("of b");
    b.strand.offer(&mut b.store, u64::MAX, NOW).unwrap();
    b.seal_with(carry_exchange::store::Statement { wants, ..statement() });
    a.pull(&b);
    (a, b)
}

#[test]
fn what_is_asked_for_is_answered_once_with_a_pack_that_needs_nothing() {
    let (mut a, mut b) = one_that_asks();
    assert_eq!(a.say().n_records, 1);
    assert_eq!(a.say().n_records, 0, "once");
    b.fetch_some(&a.store, &|at| at == 2);
    assert_eq!(b.deliver().n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()).len(), 2);
    b.rig.fsck();
}

#[test]
fn an_answer_that_could_not_be_made_is_made_later() {
    let (mut a, mut b) = one_that_asks();
    a.strand = carry_code::stream::CodeStrand::open(a.rig.ctx.clone()).unwrap().with_pack_bytes_max(10);
    assert_eq!(a.say().n_records, 0);
    a.reopen();
    assert_eq!(a.say().n_records, 0, "not at once");
    let later = NOW.after(Duration::from_secs(60 * 60));
    assert_eq!(a.strand.offer(&mut a.store, u64::MAX, later).unwrap().n_records, 1);
    a.seal();
    assert_eq!(a.strand.offer(&mut a.store, u64::MAX, later.after(Duration::from_secs(1 << 20))).unwrap().n_records, 0);
    b.fetch_some(&a.store, &|at| at == 2);
    assert_eq!(b.deliver().n_waiting, 0);
    assert_eq!(b.snapshots(&a.line()).len(), 2);
}

#[test]
fn who_is_not_trusted_any_more_is_not_answered() {
    let (mut a, b) = one_that_asks();
    a.store.revoke(b.store.log(), &std::collections::BTreeMap::new(), NOW).unwrap();
    assert_eq!(a.say().n_records, 0);
    let before = a.said_bytes();
    a.says("three");
    assert!(a.said_bytes() - before < 2000, "no pack of everything goes with it: {}", a.said_bytes() - before);
    a.store.approve(b.store.log(), NOW).unwrap();
    assert_eq!(a.say().n_records, 1, "it was not used up");
}

#[test]
fn what_is_thinned_here_is_not_named_any_more_and_merging_keeps_what_is_needed() {
    let mut a = Side::new();
    let (mut b, mut c) = (Side::clone_of(&a), Side::clone_of(&a));
    b.trust(&a);
    c.trust(&a);
    for n in 0..9 {
        a.says(&format!("{n}\n"));
    }
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line()).len(), 9);
    let zero = Duration::ZERO;
    let nothing = Policy { all: zero, hourly: zero, daily: zero, weekly: zero };
    let later = carry_kernel::clock::Timestamp::from_secs(NOW.as_secs() * 2);
    let plans = prune::plan(&a.rig.ctx, &a.repo(), &a.rig.tree.id, &nothing, later).unwrap();
    prune::execute(&a.rig.ctx, &a.repo(), &a.rig.tree.id, &plans).unwrap();
    let here = a.snapshots(&a.line());
    assert!(here.len() < 5, "{here:?}");
    let tip = a.says("after\n");
    let merged = a.store.compact(&[&a.strand], NOW).unwrap();
    assert!(merged.iter().any(|one| one.n_dropped > 0), "{merged:?}");
    a.store.sign(&statement(), NOW).unwrap();
    assert_eq!(a.store.verify().unwrap(), []);
    for side in [&mut b, &mut c] {
        assert_eq!(side.pull(&a).n_waiting, 0);
        let there = side.snapshots(&a.line());
        assert_eq!(there[0], tip.commit);
        assert!(there.len() < 6 && there.iter().all(|one| *one == tip.commit || here.contains(one)), "{there:?}");
        side.rig.git.git(["gc", "-q", "--prune=now"]);
        side.rig.fsck();
    }
    // It goes on from there.
    let next = a.says("and on\n");
    b.pull(&a);
    assert_eq!(b.snapshots(&a.line())[0], next.commit);
    a.rig.git.git(["gc", "-q", "--prune=now"]);
    a.work("after a gc\n");
    assert_eq!(a.say().n_records, 1);
    assert_eq!(b.pull(&a).n_waiting, 0);
}

#[test]
fn many_lines_go_out_newest_first_within_the_bound() {
    let mut a = Side::new();
    for n in 0..12 {
        a.rig.git.git(["checkout", "-q", "-B", &format!("b{n}")]);
        a.work(&format!("{n}\n"));
    }
    let first = a.strand.offer(&mut a.store, 1, NOW).unwrap();
    assert_eq!((first.n_records, first.has_more), (1, true));
    a.seal();
    let mut b = Side::clone_of(&a);
    b.trust(&a);
    b.pull(&a);
    let newest = b.foreign().branch.unwrap();
    assert_eq!(newest.display(), "b11");
    assert_eq!(a.say().n_records, 11);
    assert_eq!(b.pull(&a).n_folded, 11);
    assert_eq!(b.standing().foreign.iter().filter(|line| !line.here.is_empty()).count(), 12);
    b.rig.fsck();
}

#[test]
fn a_pack_that_is_too_large_is_refused_by_name() {
    let mut a = Side::new();
    a.strand = carry_code::stream::CodeStrand::open(a.rig.ctx.clone()).unwrap().with_pack_bytes_max(50_000);
    a.rig.git.write("large", noise(100_000));
    a.work("one");
    assert_eq!(a.say().n_records, 0);
    let carry_code::stream::LineStanding::TooLarge { message } = a.own() else { panic!("{:?}", a.own()) };
    assert!(message.contains("50000 bytes"), "{message}");
    a.rig.git.delete("large");
    a.capture();
    assert_eq!(a.say().n_records, 1);
}
