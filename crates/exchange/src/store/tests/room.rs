//! Limits on what others bring, and stamps that are gone on from.

use std::time::Duration;

use super::*;
use crate::frame::Frame;
use crate::strand::{NewRecord, Nonce};
use carry_kernel::hlc::Hlc;

fn append(device: &mut Device, stream: &StreamName, id: u64, text: &str, now: Timestamp) {
    let record = NewRecord {
        id,
        flags: Flags::default(),
        key: Vec::new(),
        kind: 1,
        kind_version: 1,
        wants: Vec::new(),
        payload: text.as_bytes().to_vec(),
    };
    device.store.append(stream, Nonce([7; 16]), &[record], now).unwrap();
}

fn publish(device: &mut Device) {
    device.store.seal().unwrap();
    device.store.sign(&statement(), NOW).unwrap();
}

/// What came of each segment of `author` at `reader`, by stream.
fn taken(reader: &mut Device, author: &Device) -> Vec<(String, Option<Limit>)> {
    let (head, segments) = author.store.signed_segments().unwrap().unwrap();
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    let mut taken = Vec::new();
    for (stream, reference) in segments.iter().flat_map(|(stream, all)| all.iter().map(move |one| (stream, *one))) {
        let expected = Expected { log: author.store.log(), stream: stream.clone(), reference };
        let bytes = bytes_of(&author.store, &reference.name(expected.log, stream)).unwrap();
        let limit = match reader.store.accept_bytes(&expected, &bytes) {
            Ok(_) => None,
            Err(error) => Some(error.limit().unwrap_or_else(|| panic!("{error:?}"))),
        };
        taken.push((stream.to_string(), limit));
    }
    taken
}

fn author_of(streams: &[&str]) -> Device {
    let mut author = Device::new();
    for name in streams {
        append(&mut author, &stream(name), 1, name, NOW);
    }
    publish(&mut author);
    author
}

fn states(states: &[(&str, Option<Limit>)]) -> Vec<(String, Option<Limit>)> {
    states.iter().map(|(stream, limit)| ((*stream).to_owned(), *limit)).collect()
}

#[test]
fn on_a_disk_that_is_nearly_full_only_heads_and_curation_are_taken_in() {
    let author = author_of(&["code", "curation", "notes"]);
    let mut reader = Device::new();
    reader.trust(&author.store);
    assert!(!reader.store.is_disk_low().unwrap(), "nobody said that anything must be free");
    reader.store.set_room(Room { free: Free::Bytes(u64::MAX), ..Room::default() });
    assert!(reader.store.is_disk_low().unwrap());
    let disk = reader.store.disk_room().unwrap().unwrap();
    assert_eq!(disk.needed, u64::MAX);
    let usual = disk_room(&Home::at(&reader.root), Free::Usual).unwrap().unwrap();
    assert!(usual.needed > 0 && usual.needed <= FREE_BYTES, "{usual:?}");
    let low = Some(Limit::Disk);
    assert_eq!(taken(&mut reader, &author), states(&[("code", low), ("curation", None), ("notes", low)]));
    assert_eq!(reader.store.followed().unwrap().len(), 1);
    // What is our own goes on.
    reader.say_all(&["own"]);
    reader.publish();
    reader.store.set_room(Room { free: Free::Bytes(0), ..Room::default() });
    assert_eq!(taken(&mut reader, &author), states(&[("code", None), ("curation", None), ("notes", None)]));
    reader.check();
}

#[test]
fn a_log_that_brought_enough_holds_up_no_other() {
    let (one, two) = (author_of(&["notes"]), author_of(&["curation"]));
    let mut greedy = author_of(&["notes"]);
    for n in 0..4 {
        append(&mut greedy, &stream("notes"), 2 + n, &"x".repeat(1000), NOW);
        publish(&mut greedy);
    }
    let mut reader = Device::new();
    let bytes = one.store.log_bytes(one.store.log()).unwrap();
    reader.store.set_room(Room { log_bytes: 3 * bytes, ..Room::default() });
    for author in [&greedy, &one, &two] {
        reader.trust(&author.store);
    }
    let greedy_states = taken(&mut reader, &greedy);
    assert_eq!(greedy_states.first().unwrap().1, None);
    assert_eq!(greedy_states.last().unwrap().1, Some(Limit::Log));
    assert!(reader.store.log_bytes(greedy.store.log()).unwrap() <= 3 * bytes);
    assert_eq!(taken(&mut reader, &one), states(&[("notes", None)]));
    assert_eq!(taken(&mut reader, &two), states(&[("curation", None)]));
    reader.store.set_room(Room::default());
    assert!(taken(&mut reader, &greedy).iter().all(|(_, limit)| limit.is_none()));
    reader.check();
}

#[test]
fn every_limit_has_its_name() {
    let mut names = BTreeSet::new();
    for limit in [Limit::Segment, Limit::UnapprovedLog, Limit::Unapproved, Limit::Log, Limit::Disk] {
        assert!(names.insert(limit.as_str()));
    }
    let error = StoreError::Full(Limit::Waiting);
    assert_eq!(error.limit(), Some(Limit::Waiting));
    assert_eq!(error.to_string(), "full: 64 logs wait to be approved; approve or forget some first");
    assert_eq!(StoreError::Refused("there is nothing to merge").limit(), None);
    assert_eq!(StoreError::WentBack { id: 1 }.limit(), None);
}

/// The stamp of the newest own record.
fn stamp(device: &Device) -> Hlc {
    let lane = rows::Lane::own(device.store.log(), &stream("notes"));
    let links = device.store.links(&lane, 1, u64::MAX).unwrap();
    match &links.last().unwrap().frame {
        Frame::Record(record) => record.at,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_written_after_another_s_record_was_seen_sorts_after_it() {
    let minutes = |n: u64| NOW.after(Duration::from_secs(60 * n));
    // The author's clock is ahead by so much, and the reader's goes as it should.
    for (ahead, sorts_after) in [(0, true), (2, true), (5, true), (6, false), (600, false)] {
        let (mut author, mut reader) = (Device::new(), Device::new());
        append(&mut author, &stream("notes"), 1, "theirs", minutes(ahead));
        publish(&mut author);
        reader.trust(&author.store);
        append(&mut reader, &stream("notes"), 1, "before", NOW);
        reader.pull_some(&author.store, 0, usize::MAX);
        append(&mut reader, &stream("notes"), 2, "held and not seen", NOW);
        assert!(ahead == 0 || stamp(&reader) < stamp(&author), "{ahead}");
        assert_eq!(reader.deliver().n_folded, 3);
        append(&mut reader, &stream("notes"), 3, "after", NOW);
        assert_eq!(stamp(&reader) > stamp(&author), sorts_after, "{ahead} minutes ahead");
        // And after a restart.
        reader.reopen();
        append(&mut reader, &stream("notes"), 4, "later", NOW);
        assert_eq!(stamp(&reader) > stamp(&author), sorts_after, "{ahead} minutes ahead");
        reader.check();
    }
}

#[test]
fn own_records_and_those_that_do_not_count_move_no_stamp() {
    let (mut author, mut reader) = (Device::new(), Device::new());
    append(&mut author, &stream("notes"), 1, "theirs", NOW.after(Duration::from_secs(120)));
    publish(&mut author);
    // Nobody approved it.
    reader.pull(&author.store);
    append(&mut reader, &stream("notes"), 1, "own", NOW);
    assert!(stamp(&reader) < stamp(&author));
    let before = stamp(&reader);
    reader.deliver();
    append(&mut reader, &stream("notes"), 2, "own", NOW);
    assert_eq!(stamp(&reader), before.tick(NOW));
}

#[test]
fn what_a_stranger_packs_counts_as_what_it_unpacks_to() {
    let mut author = Device::new();
    append(&mut author, &stream("notes"), 1, &"a".repeat(200_000), NOW);
    publish(&mut author);
    let (mut reader, log) = (Device::new(), author.store.log());
    assert_eq!(taken(&mut reader, &author), states(&[("notes", None)]));
    assert!(reader.store.log_bytes(log).unwrap() < 2_000);
    let unpacked = reader.store.unpacked_bytes(log).unwrap();
    assert!((200_000..210_000).contains(&unpacked), "{unpacked}");
    assert!(reader.store.room(log, &stream("notes")).unwrap() > 1_000);
    // With less left than the next one needs, that is not unpacked, and nothing more is fetched.
    let sql = "UPDATE unpacked SET bytes = ?1";
    reader.store.db.conn().execute(sql, [rows::int(UNAPPROVED_LOG_BYTES - 100_000)]).unwrap();
    append(&mut author, &stream("notes"), 2, &"b".repeat(200_000), NOW);
    publish(&mut author);
    let full = Some(Limit::Unpacked);
    assert_eq!(taken(&mut reader, &author), states(&[("notes", None), ("notes", full)]));
    assert_eq!(reader.store.room(log, &stream("notes")).unwrap(), 0);
    // What all of them have brought stands in the way of another stranger only while it is so.
    let mut other = Device::new();
    append(&mut other, &stream("notes"), 1, &"c".repeat(200_000), NOW);
    publish(&mut other);
    let sql = "UPDATE unpacked SET bytes = ?1 WHERE name <> ''";
    reader.store.db.conn().execute(sql, [rows::int(UNAPPROVED_BYTES - 100_000)]).unwrap();
    assert_eq!(taken(&mut reader, &other), states(&[("notes", Some(Limit::UnpackedAll))]));
    assert_eq!(reader.store.unpacked_bytes(other.store.log()).unwrap(), 0);
    reader.trust(&author.store);
    assert_eq!(taken(&mut reader, &author), states(&[("notes", None), ("notes", None)]));
    assert_eq!(taken(&mut reader, &other), states(&[("notes", None)]));
}

#[test]
fn a_copy_that_comes_again_is_counted_once() {
    let mut author = Device::new();
    append(&mut author, &stream("notes"), 1, &"a".repeat(200_000), NOW);
    publish(&mut author);
    let (mut reader, log) = (Device::new(), author.store.log());
    let (head, segments) = author.store.signed_segments().unwrap().unwrap();
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    let expected = Expected { log, stream: stream("notes"), reference: segments[&stream("notes")][0] };
    let good = bytes_of(&author.store, &expected.reference.name(log, &expected.stream)).unwrap();
    let mut damaged = good.clone();
    *damaged.last_mut().unwrap() ^= 1;
    for _ in 0..3 {
        assert!(matches!(reader.store.accept_bytes(&expected, &damaged), Err(StoreError::Segment(_))));
    }
    let unpacked = reader.store.unpacked_bytes(log).unwrap();
    assert!((200_000..210_000).contains(&unpacked), "{unpacked}");
    reader.store.accept_bytes(&expected, &good).unwrap();
    assert_eq!(reader.store.unpacked_bytes(log).unwrap(), unpacked);
}

#[test]
fn however_little_a_stranger_s_segments_say_they_hold_so_many_and_no_more_are_looked_at() {
    let mut author = Device::new();
    append(&mut author, &stream("notes"), 1, "a", NOW);
    publish(&mut author);
    let (mut reader, log) = (Device::new(), author.store.log());
    assert_eq!(taken(&mut reader, &author), states(&[("notes", None)]));
    assert_eq!(reader.store.unpacked_bytes(log).unwrap(), 4096);
    reader.store.db.conn().execute("UPDATE unpacked SET bytes = ?1", [rows::int(UNAPPROVED_LOG_BYTES - 4095)]).unwrap();
    append(&mut author, &stream("notes"), 2, "b", NOW);
    publish(&mut author);
    assert_eq!(taken(&mut reader, &author), states(&[("notes", None), ("notes", Some(Limit::Unpacked))]));
}
