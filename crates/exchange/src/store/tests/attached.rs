//! Attachments: from the author's hands to the reader's strand.

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
    assert!(matches!(author.store.attach(&notes, &ids(&["c1"]), &[], &mut &b""[..]), Err(StoreError::Full(_))));
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
