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

#[test]
fn a_fork_that_only_the_records_show_is_found_when_they_come() {
    let mut left = Device::new();
    left.say_all(&["a"]);
    left.publish();
    let mut right = left.copy("here");
    left.say_all(&["left"]);
    left.publish();
    // More heads, so that its numbers alone look like progress.
    for n in 0..3 {
        right.say_all(&[&format!("right {n}")]);
        right.publish();
    }
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
