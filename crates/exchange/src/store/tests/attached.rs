//! Attachments: from the author's hands to the reader's strand.

use super::super::attachments::Pending;
use super::*;

fn ids(ids: &[&str]) -> Vec<AttachmentId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

#[test]
fn a_record_waits_for_its_attachment_and_that_for_what_it_needs() {
    let mut author = Device::new();
    let notes = stream("notes");
    author.facts.say_as("k", "first", Flags::default(), 1, &["c2"]);
    author.say_all(&["plain"]);
    author.store.attach(&notes, &ids(&["c2"]), &ids(&["c1"]), &mut &b"second pack"[..]).unwrap();
    author.publish();
    author.facts.say_as("k", "second", Flags::default(), 1, &["c1"]);
    author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"first pack"[..]).unwrap();
    author.check();
    author.publish();
    author.check();
    let mut reader = Device::new();
    reader.trust(&author.store);
    let head = author.store.newest_signed().unwrap().unwrap();
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    let segments = reader.store.followed().unwrap()[0].segments.clone().unwrap();
    let log = author.store.log();
    for (at, shown, wanted) in [(0, &["plain"][..], &["c1"][..]), (1, &["first", "plain", "second"], &[])] {
        let reference = segments[&notes][at];
        let bytes = bytes_of(&author.store, &reference.name(log, &notes)).unwrap();
        reader.store.accept_bytes(&Expected { log, stream: notes.clone(), reference }, &bytes).unwrap();
        let done = reader.deliver();
        assert_eq!(reader.facts.shown(), texts(shown));
        assert_eq!(done.n_waiting, usize::from(at == 0));
        let asked = reader.store.wanted().unwrap().remove(&log).unwrap_or_default();
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), ids(wanted));
    }
    let packs = reader.facts.count("SELECT count(*) FROM packs WHERE bytes IN ('first pack', 'second pack')");
    assert_eq!(packs, 0, "they are blobs");
    assert_eq!(reader.facts.count("SELECT sum(length(bytes)) FROM packs"), 21);
    reader.check();
}

#[test]
fn what_an_attachment_needs_is_known_from_what_is_held() {
    let mut author = Device::new();
    let notes = stream("notes");
    for (brings, needs) in [("c1", &["c2", "elsewhere"][..]), ("c2", &["c1"]), ("c3", &["c2"]), ("c4", &[])] {
        author.store.attach(&notes, &ids(&[brings]), &ids(needs), &mut brings.as_bytes()).unwrap();
    }
    author.facts.say_as("k", "all", Flags::default(), 1, &["c1", "c2", "c3", "c4"]);
    author.publish();
    let needed = |wanted: &[&str]| -> Vec<AttachmentId> {
        author.store.needed_for(author.store.log(), &ids(wanted)).unwrap().into_iter().collect()
    };
    assert_eq!(needed(&["c3"]), ids(&["c1", "c2", "c3", "elsewhere"]));
    assert_eq!(needed(&["c4", "never"]), ids(&["c4", "never"]));
}

#[test]
fn needs_that_go_in_a_circle_end() {
    let mut author = Device::new();
    let notes = stream("notes");
    author.facts.say_as("k", "never", Flags::default(), 1, &["c1"]);
    author.store.attach(&notes, &ids(&["c1"]), &ids(&["c2"]), &mut &b"one"[..]).unwrap();
    author.store.attach(&notes, &ids(&["c2"]), &ids(&["c1"]), &mut &b"two"[..]).unwrap();
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(reader.deliver().n_waiting, 1);
    assert_eq!(reader.facts.shown(), texts(&[]));
}

#[test]
fn merging_keeps_attachments() {
    let mut author = Device::new();
    let notes = stream("notes");
    for n in 0..8 {
        let id = format!("c{n}");
        author.facts.say_as("k", &id, Flags::default(), 1, &[&id]);
        author.store.attach(&notes, &ids(&[&id]), &[], &mut format!("pack {n}").as_bytes()).unwrap();
        author.publish();
    }
    assert_eq!(author.store.compact(&[], NOW).unwrap()[0].n_merged, 8);
    author.store.sign(&statement(), NOW).unwrap();
    author.check();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), author.facts.shown());
    assert_eq!(reader.facts.count("SELECT count(*) FROM packs"), 8);
}

#[test]
fn an_attachment_has_bytes_and_is_taken_once() {
    let mut author = Device::new();
    let notes = stream("notes");
    assert!(matches!(author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b""[..]), Err(StoreError::Refused(_))));
    for _ in 0..2 {
        author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"pack"[..]).unwrap();
    }
    let dir = author.root.join("data/exchange/pending");
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
    author.reopen();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "it waits for a record");
    author.say_all(&["a"]);
    author.publish();
    author.reopen();
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
}

#[test]
fn a_damaged_file_that_brings_an_attachment_holds_up_no_other_record() {
    let mut author = Device::new();
    let notes = stream("notes");
    author.say_all(&["before"]);
    author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"pack"[..]).unwrap();
    author.publish();
    author.facts.say_as("k", "wants", Flags::default(), 1, &["c1"]);
    author.say_all(&["plain"]);
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull_some(&author.store, 0, usize::MAX);
    let (_, segments) = author.store.signed_segments().unwrap().unwrap();
    let name = segments[&notes][0].name(author.store.log(), &notes);
    let dir = reader.root.join("data/exchange").join(author.store.log().to_string());
    let path = dir.join(name.path().rsplit('/').next().unwrap());
    let bytes = std::fs::read(&path).unwrap();
    carry_kernel::disk::write_atomic(&path, &bytes[..20]).unwrap();
    assert_eq!(reader.deliver().n_waiting, 1);
    assert_eq!(reader.facts.shown(), texts(&["plain"]));
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["before", "wants", "plain"]));
    reader.check();
}

#[test]
fn a_damaged_attachment_is_left_out_and_holds_up_no_record() {
    let mut author = Device::new();
    let notes = stream("notes");
    author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"pack"[..]).unwrap();
    author.store.attach(&notes, &ids(&["c2"]), &[], &mut &b"another"[..]).unwrap();
    let bad = Pending::of(author.store.db.conn(), author.store.log(), &notes).unwrap()[0].file.clone();
    let path = author.root.join("data/exchange/pending").join(&bad);
    carry_kernel::disk::write_atomic(&path, b"PACK").unwrap();
    author.facts.say_as("k", "wants", Flags::default(), 1, &["c1"]);
    author.facts.say_as("l", "wants another", Flags::default(), 1, &["c2"]);
    author.say_all(&["plain"]);
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["wants another", "plain"]));
    let found = author.store.verify().unwrap();
    assert!(found.len() == 1 && found[0].what.contains(&bad), "{found:?}");
    assert_eq!(author.store.let_go_damaged().unwrap().findings, found);
    author.check();
    // As it is asked for, it is handed over again.
    author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"pack"[..]).unwrap();
    author.say_all(&["later"]);
    author.publish();
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["wants", "wants another", "plain", "later"]));
}

#[test]
fn a_damaged_tail_of_one_stream_holds_up_no_other() {
    let mut author = Device::new();
    author.say_all(&["a"]);
    author.drain().unwrap();
    author.facts.stream = stream("others");
    author.say_all(&["b"]);
    author.drain().unwrap();
    author
        .store
        .db
        .write(|tx| {
            Ok::<_, StoreError>(tx.execute("UPDATE tail SET frame = x'00' WHERE stream = 'notes'", []).map(drop)?)
        })
        .unwrap();
    let (sealed, failed) = author.store.seal_each().unwrap();
    assert_eq!(sealed.iter().map(|one| one.stream.as_str()).collect::<Vec<_>>(), ["others"]);
    assert!(matches!(&failed[..], [(at, StoreError::Damaged { .. })] if *at == stream("notes")), "{failed:?}");
    assert!(author.store.seal().is_err());
}

/// A device that has a record and its attachment, which the strand refuses.
fn one_that_refuses() -> Device {
    let mut author = Device::new();
    author.facts.say_as("k", "wants", Flags::default(), 1, &["c1"]);
    author.store.attach(&stream("notes"), &ids(&["c1"]), &[], &mut &b"pack"[..]).unwrap();
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull_some(&author.store, 0, usize::MAX);
    reader.facts.refuses = true;
    reader
}

#[test]
fn an_attachment_that_is_refused_is_tried_again_less_and_less_often() {
    let mut reader = one_that_refuses();
    let second = |n: i64| Timestamp::from_millis(NOW.as_millis() + n * 1000);
    let mut handed = |at: i64, refuses| {
        reader.facts.refuses = refuses;
        let before = reader.facts.n_handed;
        let done = reader.store.deliver_at(&mut reader.facts, second(at)).unwrap();
        // It is known all the time that it is there and no good.
        assert_eq!((done.n_waiting, done.n_refused), (usize::from(refuses), usize::from(refuses)), "{at} s");
        reader.facts.n_handed - before
    };
    assert!(handed(0, true) > 0);
    for at in [1, 30, 59] {
        assert_eq!(handed(at, true), 0, "{at} s");
    }
    assert_eq!(handed(60, true), 1);
    assert_eq!(handed(179, true), 0);
    assert_eq!(handed(180, true), 1);
    assert_eq!(handed(-1, true), 1, "a clock that was set back puts nothing off");
    for at in 0..200 {
        handed(100_000 * at, true);
    }
    assert_eq!(handed(100_000 * 200, false), 1, "a day at most");
    assert_eq!(reader.facts.shown(), texts(&["wants"]));
    let n: i64 = reader.store.db.conn().query_row("SELECT count(*) FROM refused", [], |row| row.get(0)).unwrap();
    assert_eq!(n, 0);
}

#[test]
fn whoever_does_not_say_the_time_tries_every_attachment() {
    let mut reader = one_that_refuses();
    reader.store.deliver_at(&mut reader.facts, NOW).unwrap();
    assert_eq!(reader.store.deliver(&mut reader.facts).unwrap().n_refused, 1);
    reader.facts.refuses = false;
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["wants"]));
}

/// What the reader asks the author for.
fn asked(reader: &Device, author: &Device) -> Vec<AttachmentId> {
    reader.store.wanted().unwrap().remove(&author.store.log()).unwrap_or_default().into_iter().collect()
}

#[test]
fn what_needs_more_than_is_here_is_asked_for_until_one_comes_that_needs_nothing() {
    let (mut author, mut reader) = (Device::new(), Device::new());
    let notes = stream("notes");
    author.facts.say_as("k", "base", Flags::default(), 1, &["c0"]);
    author.store.attach(&notes, &ids(&["c0"]), &[], &mut &b"base"[..]).unwrap();
    author.publish();
    reader.trust(&author.store);
    reader.pull(&author.store);
    reader.facts.is_partial = true;
    author.facts.say_as("l", "wants", Flags::default(), 1, &["c1"]);
    author.store.attach(&notes, &ids(&["c1"]), &ids(&["c0"]), &mut &b"on the base"[..]).unwrap();
    author.publish();
    reader.pull_some(&author.store, 0, usize::MAX);
    for at in [None, Some(NOW), Some(NOW)] {
        let done = match at {
            None => reader.store.deliver(&mut reader.facts),
            Some(now) => reader.store.deliver_at(&mut reader.facts, now),
        };
        let done = done.unwrap();
        assert_eq!((done.n_waiting, done.n_refused, done.n_asked), (1, 1, 1), "{at:?}");
        assert_eq!(asked(&reader, &author), ids(&["c1"]), "{at:?}");
    }
    // What asks is signed for by a program that ended, too.
    reader.reopen();
    reader.facts.is_partial = true;
    assert_eq!(asked(&reader, &author), ids(&["c1"]));
    author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"whole"[..]).unwrap();
    author.say_all(&["plain"]);
    author.publish();
    reader.pull_some(&author.store, 0, usize::MAX);
    assert_eq!(asked(&reader, &author), [], "it has come");
    let done = reader.store.deliver_at(&mut reader.facts, NOW).unwrap();
    assert_eq!((done.n_waiting, done.n_refused, done.n_asked), (0, 0, 0));
    assert_eq!(reader.facts.shown(), texts(&["base", "wants", "plain"]));
    reader.check();
}

#[test]
fn what_is_asked_for_is_fetched_though_a_file_that_is_held_brings_it() {
    let mut reader = one_that_refuses();
    let log = reader.store.followed().unwrap()[0].log;
    let id = &ids(&["c1"])[0];
    reader.store.deliver_at(&mut reader.facts, NOW).unwrap();
    assert!(reader.store.brings(log, id).unwrap(), "one that is no good is not asked for");
    reader.store.db.write(|tx| Ok::<_, StoreError>(tx.execute("UPDATE refused SET incomplete = 1", [])?)).unwrap();
    assert!(!reader.store.brings(log, id).unwrap());
}

#[test]
fn what_an_attachment_needs_that_came_after_its_record_is_asked_for() {
    let (mut author, mut reader) = (Device::new(), Device::new());
    let notes = stream("notes");
    author.facts.say_as("k", "wants", Flags::default(), 1, &["c1"]);
    author.publish();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(asked(&reader, &author), ids(&["c1"]));
    author.store.attach(&notes, &ids(&["c1"]), &ids(&["c0"]), &mut &b"on the base"[..]).unwrap();
    author.say_all(&["plain"]);
    author.publish();
    reader.pull(&author.store);
    assert_eq!(asked(&reader, &author), ids(&["c0"]));
    // One that was made anew needs it no more.
    author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b"whole"[..]).unwrap();
    author.say_all(&["later"]);
    author.publish();
    reader.pull(&author.store);
    assert_eq!(asked(&reader, &author), []);
    assert_eq!(reader.facts.shown(), texts(&["wants", "plain", "later"]));
}
