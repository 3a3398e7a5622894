//! Copied homes, homes put back to an earlier state, and logs that were forked.

use std::time::Duration;

use super::*;

fn place(name: &str) -> Digest {
    Digest::of(&[name.as_bytes()])
}

#[test]
fn a_log_goes_on_under_a_new_key_when_its_published_home_moved_but_not_forever() {
    let (here, there) = (place("here"), place("there"));
    let at = |secs: u64| NOW.before(Duration::from_secs(secs));
    assert_eq!(decide(here, here, true, &[], NOW), Decision::GoOn);
    assert_eq!(decide(here, there, false, &[], NOW), Decision::Adopt);
    let renew = Decision::Renew(Reason::Place);
    assert_eq!(decide(here, there, true, &[], NOW), renew);
    assert_eq!(decide(here, there, true, &[at(60), at(3600)], NOW), renew);
    assert_eq!(decide(here, there, true, &[at(60), at(3600), at(86_400)], NOW), Decision::TooMany);
    assert_eq!(decide(here, there, true, &[at(60), at(3600), at(8 * 86_400)], NOW), renew);
    assert_eq!(decide(here, there, true, &[NOW.after(Duration::from_secs(9 << 20)); 3], NOW), Decision::TooMany);
}

#[test]
fn a_copied_home_goes_on_in_a_log_of_its_own_and_takes_along_what_was_not_signed() {
    let mut device = Device::new();
    device.say_all(&["signed"]);
    device.publish();
    device.facts.say_as("k", "sealed", Flags::default(), 1, &["c1"]);
    device.store.attach(&stream("notes"), &["c1".parse().unwrap()], &[], &mut &b"pack"[..]).unwrap();
    device.drain().unwrap();
    device.store.seal().unwrap();
    device.say_all(&["in the tail"]);
    device.drain().unwrap();
    let mut copy = device.copy("there");
    assert_eq!(copy.store.opened(), Decision::Renew(Reason::Place));
    assert_ne!(copy.store.log(), device.store.log());
    copy.check();
    copy.say_all(&["of the copy"]);
    copy.publish();
    copy.deliver();
    copy.check();
    assert_eq!(copy.facts.shown(), texts(&["signed", "sealed", "in the tail", "of the copy"]));
    device.publish();
    let mut reader = Device::new();
    reader.pull(&copy.store);
    assert_eq!(reader.facts.shown(), texts(&[]), "nobody approved anything");
    reader.trust(&device.store);
    assert_eq!(reader.store.state(copy.store.log()).unwrap(), Some(LogState::Approved), "the earlier key vouches");
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["sealed", "in the tail", "of the copy"]));
    reader.pull(&device.store);
    assert_eq!(reader.facts.shown(), texts(&["signed", "sealed", "in the tail", "of the copy"]));
    let heir = copy.store.log();
    reader.store.revoke(device.store.log(), &BTreeMap::new(), NOW).unwrap();
    assert_eq!(reader.store.state(heir).unwrap(), Some(LogState::Revoked), "what goes on from it as well");
    reader.deliver();
    assert_eq!(
        reader.facts.shown(),
        texts(&["sealed", "in the tail", "of the copy"]),
        "what the heir said before stays"
    );
    reader.store.revoke(heir, &BTreeMap::new(), NOW).unwrap();
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&[]));
    // The original goes on as it was, and the two read each other.
    device.reopen();
    device.pull(&copy.store);
    copy.pull(&device.store);
    assert_eq!(device.facts.shown(), copy.facts.shown());
    assert_eq!(device.store.opened(), Decision::GoOn);
    for one in [&device, &copy, &reader] {
        one.check();
    }
}

#[test]
fn a_home_that_was_put_back_finds_its_own_head_and_forks_nothing() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let mut backup = device.copy("here");
    assert_eq!(backup.store.opened(), Decision::GoOn, "nobody can tell yet");
    device.say_all(&["lost", "also lost"]);
    device.publish();
    backup.say_all(&["after"]);
    backup.drain().unwrap();
    let head = device.store.newest_signed().unwrap().unwrap();
    let seen = backup.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    assert_eq!(seen, Seen::Foreign { log: backup.store.log() });
    assert_ne!(backup.store.log(), device.store.log());
    backup.fetch(&device.store, 0, usize::MAX);
    backup.deliver();
    backup.publish();
    assert_eq!(backup.facts.shown(), texts(&["a", "lost", "also lost", "after"]));
    backup.check();
    let mut reader = Device::new();
    reader.trust(&device.store);
    reader.pull(&device.store);
    reader.pull(&backup.store);
    assert_eq!(reader.facts.shown(), backup.facts.shown());
}

#[test]
fn both_ways_of_a_forked_log_are_folded_in_whatever_order_they_come() {
    let mut left = Device::new();
    for text in ["a", "b"] {
        left.say_all(&[text]);
        left.publish();
    }
    let mut right = left.copy("here");
    left.say_all(&["left"]);
    left.publish();
    left.say_all(&["left again"]);
    left.publish();
    right.say_all(&["right"]);
    right.publish();
    let log = left.store.log();
    assert_eq!(right.store.log(), log);
    let all = texts(&["a", "b", "left", "left again", "right"]);
    for order in [[0, 1], [1, 0]] {
        let mut reader = Device::new();
        reader.trust(&left.store);
        for which in order {
            reader.pull([&left, &right][which].store());
            reader.check();
        }
        reader.deliver();
        assert_eq!(reader.facts.shown(), all, "{order:?}");
        let n = reader.facts.count("SELECT count(*) FROM facts");
        assert_eq!(n, 5, "what both ways share is folded once");
        let branches = reader.facts.count("SELECT count(DISTINCT lineage) FROM facts");
        assert_eq!(branches, 3, "the trunk and two branches");
        let trunk = reader.facts.count("SELECT count(*) FROM facts WHERE lineage = 'None'");
        assert_eq!(trunk, 2);
        reader.check();
        // Both go on.
        let (mut left, mut right) = (left.copy("here"), right.copy("here"));
        left.say_all(&["left, later"]);
        left.publish();
        right.say_all(&["right, later"]);
        right.publish();
        reader.pull(&right.store);
        reader.pull(&left.store);
        assert_eq!(reader.facts.shown().len(), 7, "{order:?}");
        assert_eq!(reader.store.followed().unwrap().len(), 2);
        // A revocation names one of the ways: the other counts as far as both are the same.
        let (head, _) = left.store.signed_segments().unwrap().unwrap();
        let state = &head.head().streams[&stream("notes")];
        let at = BTreeMap::from([(stream("notes"), (state.last, state.chain))]);
        reader.store.revoke(log, &at, NOW).unwrap();
        reader.deliver();
        assert_eq!(reader.facts.shown(), texts(&["a", "b", "left", "left again", "left, later"]), "{order:?}");
    }
}

/// A device and a copy of it that went on apart: the copy with more heads, so that its numbers alone look like progress.
fn parted() -> (Device, Device) {
    let mut left = Device::new();
    left.say_all(&["a"]);
    left.publish();
    let mut right = left.copy("here");
    left.say_all(&["left"]);
    left.publish();
    for n in 0..3 {
        right.say_all(&[&format!("right {n}")]);
        right.publish();
    }
    (left, right)
}

#[test]
fn a_fork_that_only_the_records_show_is_found_when_they_come() {
    let (left, right) = parted();
    // In each order in which its segments may come: one beyond a gap cannot be told from the other way's.
    for order in 0..6 {
        let mut reader = Device::new();
        reader.trust(&left.store);
        reader.pull(&left.store);
        let head = right.store.newest_signed().unwrap().unwrap();
        let seen = reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
        assert_eq!(seen, Seen::Followed { track: 0 });
        for limit in [1, 1, 100, 100] {
            reader.fetch(&right.store, order, limit);
            reader.fetch(&left.store, order, limit);
            reader.deliver();
            reader.check();
        }
        assert_eq!(reader.facts.shown(), texts(&["a", "left", "right 0", "right 1", "right 2"]), "{order}");
        assert_eq!(reader.facts.count("SELECT count(*) FROM facts"), 5);
        assert_eq!(reader.facts.count("SELECT count(*) FROM facts WHERE lineage = 'None'"), 1);
        assert_eq!(reader.store.followed().unwrap().len(), 2);
    }
}

/// Says `texts` in another stream.
fn say_aside(device: &mut Device, texts: &[&str]) {
    let mut aside = Facts::open_as(&device.root, "aside");
    for text in texts {
        aside.say(text, text);
    }
    drain(&mut aside, &mut device.store).unwrap();
}

#[test]
fn what_a_contradicting_head_brought_of_other_streams_goes_with_it() {
    let mut left = Device::new();
    left.say_all(&["a"]);
    left.publish();
    let mut right = left.copy("here");
    left.say_all(&["left"]);
    say_aside(&mut left, &["left"]);
    left.publish();
    for n in 0..3 {
        right.say_all(&[&format!("right {n}")]);
        say_aside(&mut right, &[&format!("right {n}")]);
        right.publish();
    }
    let (log, aside) = (left.store.log(), stream("aside"));
    let mut reader = Device::new();
    reader.trust(&left.store);
    let take = |reader: &mut Device, from: &Device, stream: &StreamName, first: u64| {
        let (head, segments) = from.store.signed_segments().unwrap().unwrap();
        reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
        let reference = *segments[stream].iter().find(|one| one.first == first).unwrap();
        let expected = Expected { log, stream: stream.clone(), reference };
        let bytes = bytes_of(&from.store, &reference.name(log, stream)).unwrap();
        reader.store.accept_bytes(&expected, &bytes).unwrap()
    };
    // Of the other stream nothing is held yet that could contradict.
    take(&mut reader, &left, &stream("notes"), 2);
    take(&mut reader, &right, &aside, 3);
    assert_eq!(reader.store.held(log, 0).unwrap()[&aside], Ranges::of(3, 3));
    assert_eq!(take(&mut reader, &right, &stream("notes"), 2), Accepted::Forked { track: 1, at: 2 });
    assert_eq!(reader.store.held(log, 0).unwrap().get(&aside), None);
    for from in [&right, &left, &right] {
        reader.fetch(&from.store, 0, usize::MAX);
    }
    for followed in reader.store.followed_of(log).unwrap() {
        let held = reader.store.held(log, followed.track).unwrap();
        let last = followed.head.head().streams[&aside].last;
        assert_eq!(held[&aside], Ranges::of(1, last), "way {}", followed.track);
    }
    assert_eq!(reader.store.followed_of(log).unwrap().len(), 2);
    reader.deliver();
    reader.check();
    assert_eq!(reader.facts.shown(), texts(&["a", "left", "right 0", "right 1", "right 2"]));
}

/// What reads both ways of a log, and the newest head of the second, which goes on two heads after the one that is followed.
fn between_two_ways() -> (Device, [Device; 2], crate::head::SignedHead) {
    let mut left = Device::new();
    let mut right = left.copy("here");
    left.say_all(&["left"]);
    left.publish();
    right.say_all(&["right 0", "right 1"]);
    right.publish();
    let mut reader = Device::new();
    reader.trust(&left.store);
    reader.pull(&left.store);
    reader.pull(&right.store);
    for text in ["right 2", "right 3"] {
        right.say_all(&[text]);
        right.publish();
    }
    let head = right.store.newest_signed().unwrap().unwrap();
    (reader, [left, right], head)
}

#[test]
fn a_head_goes_on_from_the_way_that_names_what_it_names() {
    let (mut reader, [left, right], head) = between_two_ways();
    // By its numbers alone it may go on from either.
    assert_eq!(reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap(), Seen::Followed { track: 1 });
    reader.pull(&right.store);
    reader.pull(&left.store);
    assert_eq!(reader.facts.shown(), texts(&["left", "right 0", "right 1", "right 2", "right 3"]));
    assert_eq!(reader.store.followed().unwrap().len(), 2);
    reader.check();
}

#[test]
fn a_way_is_not_given_a_file_that_contradicts_what_it_holds() {
    let (mut reader, [left, right], head) = between_two_ways();
    let log = left.store.log();
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    // As if nothing had told which way it goes on from.
    let before = "SELECT digest FROM heads_seen WHERE n = 1 AND track = ?1";
    reader
        .store
        .db
        .write(|tx| {
            tx.execute("UPDATE heads_seen SET track = 0 WHERE n = 3", [])?;
            tx.execute("UPDATE heads_seen SET verdict = 'old' WHERE n = 1 AND track = 0", [])?;
            tx.execute(&format!("UPDATE heads_seen SET verdict = 'followed' WHERE digest = ({before})"), [1])?;
            Ok::<_, StoreError>(())
        })
        .unwrap();
    reader.store.share(log).unwrap();
    assert_eq!(reader.store.held(log, 0).unwrap()[&stream("notes")], Ranges::of(1, 1));
    assert_eq!(reader.store.followed_of(log).unwrap().len(), 3, "the head has a way of its own");
    reader.pull(&right.store);
    reader.pull(&left.store);
    assert_eq!(reader.facts.shown(), texts(&["left", "right 0", "right 1", "right 2", "right 3"]));
    reader.check();
}

#[test]
fn a_way_on_which_another_process_went_on_meanwhile_is_not_split_by_what_was_known_before() {
    let (left, mut right) = parted();
    let log = left.store.log();
    let mut reader = Device::new();
    reader.trust(&left.store);
    reader.pull(&left.store);
    let (head, segments) = right.store.signed_segments().unwrap().unwrap();
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    right.say_all(&["right 3"]);
    right.publish();
    let later = right.store.newest_signed().unwrap().unwrap();
    let root = reader.root.clone();
    let struck = carry_kernel::fault::meanwhile("exchange.accept.kept", move || {
        let mut other = Store::open(setup(&root, "here")).unwrap();
        other.see_head(&later.name(), later.bytes(), NOW).unwrap();
    });
    let reference = segments[&stream("notes")][1];
    let expected = Expected { log, stream: stream("notes"), reference };
    let bytes = bytes_of(&right.store, &reference.name(log, &stream("notes"))).unwrap();
    let raced = reader.store.accept_bytes(&expected, &bytes);
    assert!(matches!(raced, Err(StoreError::UnknownLog(_))), "{raced:?}");
    drop(struck);
    for from in [&right, &left, &right] {
        reader.fetch(&from.store, 0, usize::MAX);
    }
    reader.deliver();
    reader.check();
    assert_eq!(reader.facts.shown(), texts(&["a", "left", "right 0", "right 1", "right 2", "right 3"]));
    let numbers = reader.store.followed_of(log).unwrap().into_iter().map(|way| way.head.head().n);
    assert_eq!(numbers.collect::<Vec<_>>(), [2, 5]);
}

#[test]
fn a_way_that_goes_on_from_another_is_folded_anew_when_that_one_leaves_the_trunk() {
    let mut one = Device::new();
    one.say_all(&["trunk"]);
    one.publish();
    let mut apart = one.copy("here");
    one.say_all(&["one"]);
    one.publish();
    // Heads of one number, which say the same in this stream: the second goes on from there.
    let mut beside = one.copy("here");
    say_aside(&mut one, &["one"]);
    one.publish();
    say_aside(&mut beside, &["beside"]);
    beside.publish();
    beside.say_all(&["goes on"]);
    beside.publish();
    let mut reader = Device::new();
    reader.trust(&one.store);
    reader.pull(&one.store);
    reader.pull(&beside.store);
    assert_eq!(reader.facts.shown(), texts(&["trunk", "one", "goes on"]));
    assert_eq!(reader.facts.count("SELECT count(*) FROM facts WHERE lineage <> 'None'"), 0);
    apart.say_all(&["apart"]);
    apart.publish();
    reader.pull(&apart.store);
    let lineages = |texts: &str| {
        let sql = format!("SELECT count(DISTINCT lineage) FROM facts WHERE payload IN ({texts}) AND lineage <> 'None'");
        reader.facts.count(&sql)
    };
    assert_eq!((lineages("'one', 'goes on'"), lineages("'one', 'goes on', 'apart'"), lineages("'trunk'")), (1, 2, 0));
    assert_eq!(reader.facts.count("SELECT count(*) FROM facts WHERE payload = 'goes on' AND lineage = 'None'"), 0);
    reader.check();
}

#[test]
fn what_was_signed_and_put_nowhere_does_not_vanish_behind_what_another_home_goes_on_with() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let head = device.store.newest_signed().unwrap().unwrap();
    device.store.note_put("place", &head.name().path(), head.bytes().len() as u64, NOW).unwrap();
    let mut backup = device.copy("here");
    let mut untouched = device.copy("here");
    let mut moved = device.copy("here");
    for text in ["lost", "also lost"] {
        device.say_all(&[text]);
        device.publish();
    }
    backup.say_all(&["signed after it"]);
    backup.publish();
    let (own, log) = (backup.store.newest_signed().unwrap().unwrap(), backup.store.log());
    let later = device.store.newest_signed().unwrap().unwrap();
    assert!(later.head().n > own.head().n);
    let followed = |one: &mut Device| {
        one.store.see_head(&later.name(), later.bytes(), NOW).unwrap();
        let all = one.store.followed_of(log).unwrap();
        all.into_iter().map(|way| (way.track, way.head.digest())).collect::<Vec<_>>()
    };
    // Nobody can have gone on from it: the other head is of another way, though none of its records is here.
    assert_eq!(followed(&mut backup), [(0, own.digest()), (1, later.digest())]);
    // What was put may well be what it goes on from.
    assert_eq!(followed(&mut untouched), [(0, later.digest())]);
    // Also where the place is another by now, and what was noted of the old one forgotten.
    moved.store.forget_remote("place").unwrap();
    assert_eq!(followed(&mut moved), [(0, later.digest())]);
    backup.fetch(&device.store, 0, usize::MAX);
    backup.deliver();
    backup.check();
    assert_eq!(backup.facts.shown(), texts(&["a", "lost", "also lost", "signed after it"]));
}

#[test]
fn a_head_that_covers_less_is_named_and_not_followed() {
    let mut author = Device::new();
    author.say_all(&["a", "b"]);
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    let old = author.store.newest_signed().unwrap().unwrap();
    reader.store.see_head(&old.name(), old.bytes(), NOW).unwrap();
    let mut less = old.head().clone();
    less.n = 7;
    less.prev = Some(Digest::of(&[b"something"]));
    let state = less.streams.get_mut(&stream("notes")).unwrap();
    state.last = 1;
    state.tail[0].last = 1;
    let lane = crate::store::rows::Lane::own(author.store.log(), &stream("notes"));
    state.chain = author.store.chain_at(&lane, 1).unwrap().unwrap();
    let key = author.store.key.clone();
    let less = less.sign(&|message| ed25519_dalek::Signer::sign(&key, message).to_bytes()).unwrap();
    let seen = reader.store.see_head(&less.name(), less.bytes(), NOW).unwrap();
    assert_eq!(seen, Seen::Unclear, "it may be a fork's");
    reader.fetch(&author.store, 0, usize::MAX);
    let seen = reader.store.see_head(&less.name(), less.bytes(), NOW).unwrap();
    assert_eq!(seen, Seen::Shrunk { stream: stream("notes") });
    assert_eq!(reader.store.followed().unwrap()[0].head, old);
    assert_eq!(reader.store.refused_heads().unwrap(), [less.name()]);
}

impl Device {
    fn store(&self) -> &Store {
        &self.store
    }
}
