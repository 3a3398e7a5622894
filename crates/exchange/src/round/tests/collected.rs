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

/// A path as an object with another id would have it.
fn other_id(path: &str) -> String {
    let (stem, ending) = path.rsplit_once('.').unwrap();
    let last = if stem.ends_with('0') { '1' } else { '0' };
    format!("{}{last}.{ending}", &stem[..stem.len() - 1])
}

#[test]
fn what_went_along_with_a_place_that_moved_is_collected_by_whoever_wrote_it() {
    let (old, new) = (memory(), memory());
    let mut devices = fleet(2);
    for n in 0..40 {
        devices[0].say(&format!("note {n}"));
        devices[0].round(&old);
    }
    devices[1].say("of another");
    devices[1].round(&old);
    for (path, bytes) in old.inner.files() {
        new.inner.plant(&path, &bytes);
    }
    // What this device did not write stays, whatever its name says: as of another home that writes the same log.
    let log = devices[0].store.log().to_string();
    let of_own = |ending: &str| {
        let mut all = paths(&new.inner, ending);
        all.retain(|path| path.contains(&log));
        all
    };
    let strange: Vec<String> = [".seg", ".head"].iter().map(|ending| other_id(&of_own(ending)[0])).collect();
    strange.iter().for_each(|path| new.inner.plant(path, b"not of this device"));
    let n_before = of_own(".seg").len();
    devices[0].store.forget_remote("r").unwrap();
    hours(&mut devices[0], &new, 24);
    assert_eq!(of_own(".seg").len(), n_before, "its grace begins where it was found");
    devices[0].advance(7 * DAY);
    devices[0].round(&new);
    devices[0].advance(7 * DAY);
    devices[0].round(&new);
    let named: usize = devices[0].store.signed_segments().unwrap().unwrap().1.values().map(Vec::len).sum();
    assert_eq!([".seg", ".head"].map(|ending| of_own(ending).len()), [named + 1, 2]);
    assert!(n_before > named + 1, "{n_before}");
    assert!(strange.iter().all(|path| new.inner.files().contains_key(path)));
    let report = devices[1].try_round(&new, "new").unwrap();
    let is_missing = |problem: &Problem| matches!(problem, Problem::Missing(_));
    assert!(!report.problems.iter().any(is_missing), "{report:?}");
    check_same(&devices);
}

#[test]
fn a_list_is_known_again_by_the_head_that_names_it() {
    let remote = memory();
    let mut device = Device::new();
    device.options.direction = Direction::Pull;
    // So many that a head cannot name all of them itself.
    for n in 0..20 {
        device.say(&format!("note {n}"));
        device.round(&remote);
        device.store.seal().unwrap();
    }
    let head = device.store.sign(&device.options.statement.clone(), NOW).unwrap().unwrap();
    let list = crate::name::ObjectName::list(head.head().log(), head.head().list.unwrap().digest);
    let Some(crate::store::ObjectPlace::Memory(bytes)) = device.store.find_object(&list).unwrap() else {
        panic!("a list")
    };
    let (path, strange) = (list.path(), other_id(&list.path()));
    remote.inner.plant(&path, &bytes);
    remote.inner.plant(&strange, b"not of this device");
    remote.inner.plant(&head.name().path(), head.bytes());
    device.store.note_heard(&head.name()).unwrap();
    assert!(!device.store.has_put("r", &path).unwrap());
    device.options.direction = Direction::Both;
    device.round(&remote);
    assert!(device.store.has_put("r", &path).unwrap() && !device.store.has_put("r", &strange).unwrap());
}

#[test]
fn looking_for_own_files_ends_when_the_round_must() {
    let remote = memory();
    let mut device = Device::new();
    device.say("one");
    device.round(&remote);
    let log = device.store.log();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let (deadline, mut nobody) = (Deadline::NONE.on(&stop), |_: Step| {});
    let mut round = Round::new(&remote, &device.options, &deadline, &mut nobody);
    round.heads = crate::round::shelf::Shelf::read(&remote, Folder::Heads, &deadline).unwrap();
    round.adopt(&mut device.store, log, NOW).unwrap();
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = round.adopt(&mut device.store, log, NOW).unwrap_err();
    assert!(matches!(error, RoundError::Remote(RemoteError::Cancelled { .. })), "{error:?}");
}
