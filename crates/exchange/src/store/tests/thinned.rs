//! Merges that leave less: runs of void records, and attachments that nothing wants any more.

use super::*;
use crate::frame::{Frame, StubReason};

/// The frames of the own log, in short: `r` a record, `s` a stub, `v3` a run of three.
fn frames(device: &Device) -> String {
    let lane = rows::Lane::own(device.store.log(), &stream("notes"));
    let shown = |link: &crate::chain::Link| match &link.frame {
        Frame::Record(_) => "r".to_owned(),
        Frame::Stub(stub) if stub.reason == StubReason::Void => "s".to_owned(),
        Frame::Stub(_) => "e".to_owned(),
        Frame::Void(run) => format!("v{}", run.last - run.first + 1),
    };
    let links = device.store.links(&lane, 1, u64::MAX).unwrap();
    links.iter().map(shown).collect::<Vec<_>>().join(" ")
}

/// Says one text more under a key, as what replaces all earlier ones, and publishes it.
fn replace(device: &mut Device, key: &str, text: &str) {
    device.facts.say_as(key, text, Flags::REPLACES, 1, &[]);
    device.publish();
}

fn merge(device: &mut Device) -> Compacted {
    let mut done = device.store.compact(&[], NOW).unwrap();
    assert_eq!(done.len(), 1, "{done:?}");
    device.store.sign(&statement(), NOW).unwrap();
    done.remove(0)
}

#[test]
fn what_has_been_void_for_a_month_becomes_one_frame() {
    let mut device = Device::new();
    let mut readers = Vec::new();
    let mut follow = |device: &Device, limit: usize| {
        let mut reader = Device::new();
        reader.trust(&device.store);
        reader.pull_some(&device.store, limit as u64, limit);
        reader.deliver();
        readers.push(reader);
    };
    replace(&mut device, "stays", "stays");
    for n in 0..3 {
        replace(&mut device, "k", &format!("text {n}"));
        follow(&device, usize::MAX);
        follow(&device, 1);
    }
    replace(&mut device, "stays too", "stays too");
    for n in 3..6 {
        replace(&mut device, "k", &format!("text {n}"));
        follow(&device, usize::MAX);
        follow(&device, 1);
    }
    let first = merge(&mut device);
    assert_eq!((first.n_merged, first.n_dropped, first.n_runs), (8, 5, 0));
    assert_eq!(frames(&device), "r s s s r s s r");
    // After 29 days they stand as they stood.
    device.age(29);
    for n in 6..13 {
        replace(&mut device, "k", &format!("text {n}"));
    }
    follow(&device, usize::MAX);
    let second = merge(&mut device);
    assert_eq!((second.n_merged, second.n_dropped, second.n_runs), (8, 7, 0));
    assert_eq!(frames(&device), "r s s s r s s s s s s s s s r");
    device.age(31);
    for n in 13..20 {
        replace(&mut device, "k", &format!("text {n}"));
    }
    follow(&device, 3);
    let third = merge(&mut device);
    assert_eq!((third.n_merged, third.n_runs), (8, 2));
    assert_eq!(frames(&device), "r v3 r v9 s s s s s s s r");
    // A run and what follows it become one, and a single stub stays what it is.
    device.age(31);
    replace(&mut device, "other", "1");
    replace(&mut device, "k", "last");
    for n in 0..5 {
        device.say_all(&[&format!("plain {n}")]);
        device.publish();
    }
    assert_eq!(merge(&mut device).n_runs, 1);
    assert_eq!(frames(&device), "r v3 r v16 s r r r r r r r");
    device.check();
    let shown = device.facts.shown();
    for (n, reader) in readers.iter_mut().enumerate() {
        reader.pull(&device.store);
        assert_eq!(reader.facts.shown(), shown, "reader {n}");
        reader.check();
    }
    let mut fresh = Device::new();
    fresh.trust(&device.store);
    fresh.pull(&device.store);
    assert_eq!(fresh.facts.shown(), shown);
    fresh.check();
    device.reopen();
    replace(&mut device, "k", "the chain goes on");
    device.check();
}

fn ids(ids: &[&str]) -> Vec<AttachmentId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

/// Eight records of one key, each of which wants an attachment that needs the one before it, but for the fifth, which stands
/// alone.
fn chained() -> Device {
    let mut author = Device::new();
    for n in 0..8 {
        let (id, before) = (format!("c{n}"), format!("c{}", n - 1));
        let needs = if matches!(n, 0 | 5) { vec![] } else { ids(&[&before]) };
        author.store.attach(&stream("notes"), &ids(&[&id]), &needs, &mut id.as_bytes()).unwrap();
        author.facts.say_as("k", &id, Flags::REPLACES, 1, &[&id]);
        author.publish();
    }
    author
}

fn brought(author: &Device) -> BTreeSet<String> {
    let sql = "SELECT id FROM attached";
    let mut rows = author.store.db.conn().prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn an_attachment_goes_when_no_record_wants_it_and_none_that_stays_needs_it() {
    let mut author = chained();
    author.age(2);
    let done = merge(&mut author);
    assert_eq!((done.n_dropped, done.n_attachments_dropped), (7, 5));
    assert_eq!(brought(&author), texts(&["c5", "c6", "c7"]));
    author.check();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["c7"]));
    assert_eq!(reader.deliver().n_waiting, 0);
    reader.check();
}

#[test]
fn an_attachment_of_today_stays_since_its_record_may_be_on_its_way() {
    let mut author = chained();
    let done = merge(&mut author);
    assert_eq!((done.n_dropped, done.n_attachments_dropped), (7, 0));
    assert_eq!(brought(&author).len(), 8);
    author.check();
}

#[test]
fn what_lies_outside_a_merge_keeps_what_it_needs_within() {
    let mut author = chained();
    author.age(2);
    // One waits for its segment, one record is not sealed yet, and one of another key stands beside.
    author.store.attach(&stream("notes"), &ids(&["p"]), &ids(&["c1"]), &mut &b"waits"[..]).unwrap();
    author.facts.say_as("other", "wants c3", Flags::default(), 1, &["c3"]);
    author.drain().unwrap();
    let done = merge(&mut author);
    // c1 needs c0, c3 needs c2 and that c1.
    assert_eq!(done.n_attachments_dropped, 1);
    assert_eq!(brought(&author), texts(&["c0", "c1", "c2", "c3", "c5", "c6", "c7"]));
    author.publish();
    author.check();
}

/// Hands over one that stands on `base`, and says so in a record that wants it.
fn stand_on(author: &mut Device, id: &str, base: &str) -> Result<(), StoreError> {
    let (provides, base) = (ids(&[id]), ids(&[base]));
    author.store.attach_on(&stream("notes"), &provides, &base, &ids(&["elsewhere"]), &mut id.as_bytes())?;
    author.facts.say_as("k", id, Flags::REPLACES, 1, &[id]);
    Ok(())
}

#[test]
fn nothing_stands_on_what_a_merge_dropped() {
    let mut author = chained();
    author.age(2);
    merge(&mut author);
    let pending = || std::fs::read_dir(author.root.join("data/exchange/pending")).unwrap().count();
    let before = pending();
    let refused = author.store.attach_on(&stream("notes"), &ids(&["x"]), &ids(&["c7", "c1"]), &[], &mut &b"x"[..]);
    assert!(matches!(&refused, Err(StoreError::NeedGone { id }) if id.as_str() == "c1"), "{refused:?}");
    assert_eq!(pending(), before, "nothing is left of it");
    // Of another stream nothing is brought, whatever it is called.
    assert!(!author.store.has_attached(&stream("others"), &"c7".parse().unwrap()).unwrap());
    for (id, brought) in [("c0", false), ("c4", false), ("c5", true), ("c7", true), ("x", false)] {
        assert_eq!(author.store.has_attached(&stream("notes"), &id.parse().unwrap()).unwrap(), brought, "{id}");
    }
    // What waits for a segment is brought as well, and from then on kept for what stands on it.
    stand_on(&mut author, "d0", "c5").unwrap();
    stand_on(&mut author, "d1", "d0").unwrap();
    author.publish();
    for n in 0..7 {
        author.say_all(&[&format!("plain {n}")]);
        author.publish();
    }
    author.age(2);
    merge(&mut author);
    assert_eq!(brought(&author), texts(&["c5", "d0", "d1"]));
    author.check();
    // One of a new log stands on nothing of the old one.
    let mut copy = author.copy("elsewhere");
    copy.publish();
    assert_ne!(copy.store.log(), author.store.log());
    assert!(matches!(stand_on(&mut copy, "e0", "c5"), Err(StoreError::NeedGone { .. })));
}
