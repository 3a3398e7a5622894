//! Collection removes what it may, and nothing else.

use super::super::collect::{Named, plan_collection};
use super::*;
use crate::store::Put;

/// Rounds an hour apart.
fn hours(device: &mut Device, remote: &dyn Remote, n: usize) {
    for _ in 0..n {
        device.advance(60 * MINUTE);
        device.round(remote);
    }
}

fn n_segments(remote: &Counted<MemoryRemote>) -> usize {
    paths(&remote.inner, ".seg").len()
}

#[test]
fn what_was_merged_goes_after_its_grace_and_who_was_away_converges() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("first");
    devices[0].round(&remote);
    devices[1].round(&remote);
    for n in 0..40 {
        devices[0].say(&format!("note {n}"));
        devices[0].round(&remote);
    }
    let before = n_segments(&remote);
    hours(&mut devices[0], &remote, 23);
    devices[0].advance(7 * DAY);
    devices[0].round(&remote);
    devices[0].advance(7 * DAY);
    devices[0].round(&remote);
    let named: usize = devices[0].store.signed_segments().unwrap().unwrap().1.values().map(Vec::len).sum();
    assert!(before > named);
    assert_eq!(n_segments(&remote), named, "what no head names is gone");
    let log = devices[0].store.log().to_string();
    let n_heads = paths(&remote.inner, ".head").iter().filter(|path| path.contains(&log)).count();
    assert_eq!(n_heads, 1, "of an idle log one head stays");
    let has_list = devices[0].store.newest_signed().unwrap().unwrap().head().list.is_some();
    assert_eq!(paths(&remote.inner, ".list").len(), usize::from(has_list));
    let report = devices[1].round(&remote);
    assert_eq!((report.problems, devices[1].shown().len()), (vec![], 41));
    check_same(&devices);
}

#[test]
fn a_clock_that_jumps_removes_nothing() {
    let remote = memory();
    let mut devices = fleet(1);
    for n in 0..20 {
        devices[0].say(&format!("note {n}"));
        devices[0].round(&remote);
    }
    let before = n_segments(&remote);
    devices[0].advance(365 * DAY);
    devices[0].round(&remote);
    devices[0].round(&remote);
    assert_eq!(n_segments(&remote), before);
    // Who asks for it says so.
    devices[0].options.collect = Collect::After(Duration::ZERO);
    let options = Options { is_dry_run: true, ..devices[0].options.clone() };
    let device = &mut devices[0];
    let shown = collect(&mut device.store, &remote, &options, &device.clock, &Deadline::NONE).unwrap();
    assert_eq!(n_segments(&remote), before);
    let options = device.options.clone();
    let done = collect(&mut device.store, &remote, &options, &device.clock, &Deadline::NONE).unwrap();
    assert_eq!(done.removed, shown.removed);
    assert!(n_segments(&remote) < before);
    device.options.collect = Collect::Nothing;
    device.round(&remote);
}

#[test]
fn heads_of_a_busy_log_stay_few() {
    let remote = memory();
    let mut device = Device::new();
    for n in 0..200 {
        device.say(&format!("note {n}"));
        device.advance(10 * MINUTE);
        device.round(&remote);
    }
    let n_heads = paths(&remote.inner, ".head").len();
    assert!((8..=33).contains(&n_heads), "{n_heads}");
}

#[test]
fn nothing_goes_that_another_put_or_while_something_is_missing() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet(2);
    devices[0].options.collect = Collect::Nothing;
    for n in 0..20 {
        devices[0].say(&format!("note {n}"));
        devices[0].round(&one);
        devices[1].round(&one);
        devices[1].try_round(&two, "two").unwrap();
    }
    devices[1].round(&one);
    devices[1].try_round(&two, "two").unwrap();
    let (at_one, at_two) = (n_segments(&one), n_segments(&two));
    devices[1].options.collect = Collect::After(Duration::ZERO);
    // What is missing there stops it.
    let log = devices[0].store.log();
    let (_, segments) = devices[0].store.signed_segments().unwrap().unwrap();
    let newest = segments[&stream("notes")].last().unwrap().name(log, &stream("notes"));
    assert!(two.inner.uproot(&newest.path()));
    let device = &mut devices[1];
    let options = Options { remote: "two".to_owned(), ..device.options.clone() };
    collect(&mut device.store, &two, &options, &device.clock, &Deadline::NONE).unwrap();
    assert_eq!(n_segments(&two), at_two - 1);
    device.advance(DAY);
    device.try_round(&two, "two").unwrap();
    assert!(n_segments(&two) < at_two, "it was healed, and what is superseded is gone");
    device.round(&one);
    assert_eq!(n_segments(&one), at_one, "all of it is its author's");
    let mut late = Device::new();
    late.trust(log);
    late.try_round(&two, "two").unwrap();
    assert_eq!(late.shown().len(), 20);
}

#[test]
fn nothing_goes_while_what_a_newer_head_names_is_neither_there_nor_here() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet(2);
    devices[1].options.collect = Collect::Nothing;
    for n in 0..20 {
        devices[0].say(&format!("note {n}"));
        devices[0].round(&one);
        devices[1].round(&one);
        devices[1].try_round(&two, "two").unwrap();
    }
    // The author goes on there by itself, and merges what was said before; that is lost there before anybody has it.
    devices[0].options.collect = Collect::Nothing;
    for n in 20..40 {
        devices[0].say(&format!("note {n}"));
        devices[0].try_round(&two, "two").unwrap();
    }
    let log = devices[0].store.log();
    let (_, segments) = devices[0].store.signed_segments().unwrap().unwrap();
    let names = segments[&stream("notes")].iter().filter(|segment| segment.first <= 20);
    let names = names.map(|segment| segment.name(log, &stream("notes")));
    let lost: Vec<_> = names.filter(|name| !devices[1].store.has_object(name).unwrap()).collect();
    assert!(!lost.is_empty() && lost.iter().all(|name| two.inner.uproot(&name.path())), "{lost:?}");
    devices[1].try_round(&two, "two").unwrap();
    let before = n_segments(&two);
    let device = &mut devices[1];
    device.advance(DAY);
    let options =
        Options { remote: "two".to_owned(), collect: Collect::After(Duration::ZERO), ..device.options.clone() };
    for _ in 0..2 {
        collect(&mut device.store, &two, &options, &device.clock, &Deadline::NONE).unwrap();
    }
    assert_eq!(n_segments(&two), before, "whoever comes late still finds all of it");
}

#[test]
fn the_plan_says_what_goes_and_what_waits() {
    let log = Device::new().store.log();
    let object = |n: u64| ObjectName::list(log, Digest::of(&[&n.to_le_bytes()]));
    let put = |n: u64| Put { path: object(n).path(), bytes: n, at: NOW };
    let puts = [put(1), put(2), put(3)];
    let grace = 7 * DAY;
    let named = Named { objects: BTreeSet::from([object(1)]), grace };
    let named = BTreeMap::from([(log, named)]);
    let none = BTreeMap::new();
    let plan = plan_collection(&puts, &named, &none, NOW, 5, Collect::AfterGrace);
    assert_eq!(plan.fades.len(), 2);
    assert_eq!((plan.waiting.len(), plan.due.len()), (2, 0));
    let faded = BTreeMap::from([(object(2).path(), (NOW, 5)), (object(1).path(), (NOW, 5))]);
    for (later, hours, n_due) in [(grace, 28, 0), (grace - MINUTE, 29, 0), (grace, 29, 1)] {
        let plan = plan_collection(&puts, &named, &faded, NOW.after(later), hours, Collect::AfterGrace);
        assert_eq!(plan.due.values().map(Vec::len).sum::<usize>(), n_due);
        assert_eq!(plan.returns, [object(1).path()], "a head names it again");
    }
    let plan = plan_collection(&puts, &none_named(), &faded, NOW.after(grace), 29, Collect::After(Duration::ZERO));
    assert_eq!((plan.due.len(), plan.fades.len()), (0, 0), "a log whose head is not there is left alone");
}

fn none_named() -> BTreeMap<LogId, Named> {
    BTreeMap::new()
}
