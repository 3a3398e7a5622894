//! Places that only some devices see.

use super::*;

#[test]
fn what_is_said_at_one_place_comes_to_another_through_who_sees_both() {
    let (left, right) = (memory(), memory());
    let mut devices = fleet(3);
    for n in 0..40 {
        devices[0].say(&format!("left {n}"));
        devices[0].round(&left);
        devices[2].say(&format!("right {n}"));
        devices[2].try_round(&right, "right").unwrap();
        if n % 3 == 0 {
            devices[1].try_round(&left, "left").unwrap();
            devices[1].try_round(&right, "right").unwrap();
        }
    }
    for _ in 0..3 {
        devices[0].round(&left);
        devices[1].try_round(&left, "left").unwrap();
        devices[1].try_round(&right, "right").unwrap();
        devices[2].try_round(&right, "right").unwrap();
    }
    assert_eq!(devices[1].shown().len(), 80);
    check_same(&devices);
    // Who comes to one side alone has everything, too: what was passed on is whole.
    for (remote, name) in [(&left, "left"), (&right, "right")] {
        let mut late = Device::new();
        devices.iter().for_each(|device| late.trust(device.store.log()));
        let report = late.try_round(remote, name).unwrap();
        assert_eq!((late.shown().len(), report.problems), (80, vec![]));
    }
    for (at, remote, name) in [(0, &left, "r"), (1, &left, "left"), (1, &right, "right"), (2, &right, "right")] {
        devices[at].try_round(remote, name).unwrap();
        remote.take();
        devices[at].try_round(remote, name).unwrap();
        assert_eq!(remote.take().puts, 0);
    }
}

#[test]
fn what_only_its_author_may_pass_on_stays() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet(2);
    devices[0].options.statement.relay.insert(stream("notes"), Relay::Own);
    devices[0].options.statement.relay.insert(stream("curation"), Relay::Sealed);
    devices[0].say("private");
    devices[0].curation.say("a label");
    devices[0].round(&one);
    devices[1].round(&one);
    let report = devices[1].try_round(&two, "two").unwrap();
    assert_eq!((report.relayed.n_heads, report.relayed.n_objects), (1, 0));
    let three = memory();
    devices[1].options.is_private = true;
    devices[1].try_round(&three, "three").unwrap();
    assert!(paths(&three.inner, ".seg").iter().all(|path| path.contains("curation")));
    assert_eq!(paths(&three.inner, ".seg").len(), 1);
}

#[test]
fn an_old_relay_brings_nothing_back() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet(2);
    devices[0].say("early");
    devices[0].round(&one);
    devices[1].round(&one);
    for n in 0..20 {
        devices[0].say(&format!("later {n}"));
        devices[0].round(&one);
        devices[0].try_round(&two, "two").unwrap();
    }
    let before: BTreeSet<String> = two.inner.files().into_keys().collect();
    devices[1].options.direction = Direction::Push;
    devices[1].try_round(&two, "two").unwrap();
    devices[1].options.direction = Direction::Both;
    devices[1].try_round(&two, "two").unwrap();
    let log = devices[0].store.log().to_string();
    let after: Vec<String> = two.inner.files().into_keys().filter(|path| path.contains(&log)).collect();
    assert!(after.iter().all(|path| before.contains(path)), "{after:?}");
}

#[test]
fn places_are_independent() {
    let remotes = [memory(), memory(), memory()];
    let mut devices = fleet(2);
    devices[0].say("one");
    for (n, remote) in remotes.iter().enumerate() {
        let report = devices[0].try_round(remote, &format!("r{n}")).unwrap();
        assert_eq!((report.pushed.n_heads, report.published), (1, Some(1)));
    }
    remotes[1].inner.uproot(crate::name::FORMAT_PATH);
    devices[0].say("two");
    for (n, remote) in remotes.iter().enumerate() {
        assert_eq!(devices[0].try_round(remote, &format!("r{n}")).is_ok(), n != 1);
    }
    devices[1].try_round(&remotes[2], "r2").unwrap();
    assert_eq!(devices[1].shown(), texts(&["one", "two"]));
}

#[test]
fn what_nobody_brings_for_long_holds_the_rest_of_its_log_up_no_more() {
    let (one, two) = (memory(), memory());
    let mut author = Device::new();
    let mut devices = fleet(2);
    devices.iter_mut().for_each(|device| device.trust(author.store.log()));
    author.say("lost");
    author.round(&one);
    let lost = paths(&one.inner, ".seg");
    author.say("kept");
    author.round(&one);
    lost.iter().for_each(|path| assert!(one.inner.uproot(path)));
    let (relay, reader) = devices.split_at_mut(1);
    let (relay, reader) = (&mut relay[0], &mut reader[0]);
    let mut relayed = |hours: u32| {
        relay.advance(DAY / 24 * hours);
        relay.try_round(&one, "one").unwrap();
        relay.try_round(&two, "two").unwrap().relayed.n_heads
    };
    assert_eq!((relayed(0), relayed(24), relayed(23)), (0, 0, 0), "it may still come");
    assert_eq!(relayed(2), 1);
    let report = reader.try_round(&two, "two").unwrap();
    assert_eq!(reader.shown(), texts(&["kept"]));
    assert!(matches!(&report.problems[..], [Problem::Missing(..)]), "{report:?}");
    // It costs a look into its folder from then on, where it may come, and nothing else.
    two.take();
    assert_eq!(relayed(1), 0);
    assert_eq!(two.take(), counted::Calls { lists: 2, ..Default::default() });
}

#[test]
fn what_nobody_looked_for_lately_is_not_taken_to_be_lost() {
    let (one, two) = (memory(), memory());
    let mut author = Device::new();
    let mut relay = Device::new();
    relay.trust(author.store.log());
    author.say("missing");
    author.round(&one);
    let missing = paths(&one.inner, ".seg");
    author.say("there");
    author.round(&one);
    missing.iter().for_each(|path| assert!(one.inner.uproot(path)));
    relay.try_round(&one, "one").unwrap();
    relay.advance(10 * DAY);
    assert_eq!(relay.try_round(&two, "two").unwrap().relayed.n_heads, 0, "it may be there again by now");
    relay.advance(DAY);
    relay.try_round(&one, "one").unwrap();
    assert_eq!(relay.try_round(&two, "two").unwrap().relayed.n_heads, 1);
}

#[test]
fn what_is_let_go_of_here_is_missing_from_then_on() {
    let (one, two) = (memory(), memory());
    let mut author = Device::new();
    let mut relay = Device::new();
    relay.trust(author.store.log());
    author.say("missing");
    author.round(&one);
    let path = paths(&one.inner, ".seg").remove(0);
    let bytes = one.inner.files()[&path].clone();
    relay.try_round(&one, "one").unwrap();
    // It was missing at another place for long, and nobody cared, as it was here.
    for name in [path.clone(), path.replace(".seg", ".r1.seg"), "l/other".to_owned()] {
        relay.store.reject("elsewhere", &name, "absent", &Rejection::Absent, NOW).unwrap();
    }
    relay.advance(2 * DAY);
    let now = carry_kernel::clock::Clock::now(&relay.clock);
    relay.store.reject("elsewhere", &path, "absent", &Rejection::Absent, now).unwrap();
    std::fs::remove_file(kept_as(&relay, &path)).unwrap();
    assert_eq!(relay.store.let_go_damaged().unwrap().segments.len(), 1);
    assert!(one.inner.uproot(&path));
    relay.try_round(&one, "one").unwrap();
    assert_eq!(relay.try_round(&two, "two").unwrap().relayed.n_heads, 0);
    assert!(relay.store.rejected("elsewhere", "l/other").unwrap().is_some(), "nothing else is forgotten");
    // It is waited for as long as anything, and passed on when it comes.
    one.inner.plant(&path, &bytes);
    relay.try_round(&one, "one").unwrap();
    let relayed = relay.try_round(&two, "two").unwrap().relayed;
    assert_eq!((relayed.n_heads, relayed.n_objects), (1, 1));
}

/// A fleet whose first device runs a later version: it also writes a stream that the others do not know.
fn fleet_with_a_later_one(n: usize) -> Vec<Device> {
    let mut devices = fleet(n);
    let root = devices[0].root.clone();
    devices[0].curation = Notes::open(&root, "plans");
    devices[0].options.statement.relay.insert(stream("plans"), Relay::Any);
    devices
}

#[test]
fn a_stream_of_a_later_version_is_kept_and_passed_on_by_who_does_not_know_it() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet_with_a_later_one(3);
    let root = devices[2].root.clone();
    devices[2].curation = Notes::open(&root, "plans");
    // The one between takes part in what it knows, and in code nowhere.
    devices[1].options.streams = Some(BTreeSet::from([stream("notes"), stream("curation")]));
    devices[0].say("a note");
    devices[0].curation.say("a plan");
    devices[0].round(&one);
    let report = devices[1].round(&one);
    assert_eq!((report.pulled.n_objects, report.problems), (2, vec![]));
    let report = devices[1].try_round(&two, "two").unwrap();
    assert_eq!((report.relayed.n_heads, report.relayed.n_objects), (1, 2));
    devices[2].try_round(&two, "two").unwrap();
    assert_eq!((devices[2].shown(), devices[2].curation.shown()), (texts(&["a note"]), texts(&["a plan"])));
    // Who is updated finds it here.
    let root = devices[1].root.clone();
    devices[1].curation = Notes::open(&root, "plans");
    devices[1].round(&one);
    assert_eq!(devices[1].curation.shown(), texts(&["a plan"]));
}

#[test]
fn a_stream_that_nobody_here_knows_and_that_does_not_come_holds_no_head_up() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet_with_a_later_one(2);
    devices[0].options.streams = Some(BTreeSet::from([stream("notes")]));
    devices[0].say("a note");
    devices[0].curation.say("a plan");
    devices[0].round(&one);
    devices[1].round(&one);
    let report = devices[1].try_round(&two, "two").unwrap();
    assert_eq!((report.relayed.n_heads, report.relayed.n_objects), (1, 1));
    // When it comes, it follows.
    devices[0].options.streams = None;
    devices[0].advance(DAY);
    devices[0].round(&one);
    devices[1].advance(DAY);
    devices[1].round(&one);
    assert_eq!(devices[1].try_round(&two, "two").unwrap().relayed.n_objects, 1);
    assert!(paths(&two.inner, ".seg").iter().any(|path| path.contains("plans")));
}

#[test]
fn a_later_stream_goes_no_further_than_its_author_lets_it() {
    let (one, two) = (memory(), memory());
    let mut devices = fleet_with_a_later_one(2);
    devices[0].options.statement.relay.insert(stream("plans"), Relay::Sealed);
    devices[0].curation.say("a plan");
    devices[0].round(&one);
    devices[1].round(&one);
    let report = devices[1].try_round(&two, "two").unwrap();
    assert_eq!((report.relayed.n_heads, report.relayed.n_objects), (1, 0));
}
