//! The own side: outbox, tail, segments, heads, merges.

use super::*;
use crate::limits::LIST_SEGMENTS_MAX;
use crate::segment::SegmentRef;
use crate::strand::{NewRecord, Nonce};

fn new(id: u64, text: &str) -> NewRecord {
    NewRecord {
        id,
        flags: Flags::default(),
        key: b"k".to_vec(),
        kind: 1,
        kind_version: 1,
        wants: Vec::new(),
        payload: text.as_bytes().to_vec(),
    }
}

#[test]
fn a_number_that_was_taken_gives_the_place_it_has() {
    let mut device = Device::new();
    let (notes, nonce) = (stream("notes"), Nonce([1; 16]));
    let first = device.store.append(&notes, nonce, &[new(1, "a"), new(2, "b")], NOW).unwrap();
    let again = device.store.append(&notes, nonce, &[new(2, "b"), new(3, "c")], NOW).unwrap();
    assert_eq!((first[1], again[1].seq), (again[0], 3));
    device.store.seal().unwrap();
    assert_eq!(device.store.append(&notes, nonce, &[new(1, "a")], NOW).unwrap(), [first[0]], "also once it is sealed");
    let other = device.store.append(&notes, Nonce([2; 16]), &[new(1, "a")], NOW).unwrap();
    assert_eq!(other[0].seq, 4, "another outbox counts for itself");
    device.check();
}

#[test]
fn a_number_that_came_back_with_another_content_is_another_record() {
    let mut device = Device::new();
    let (notes, nonce) = (stream("notes"), Nonce([1; 16]));
    device.store.append(&notes, nonce, &[new(1, "a")], NOW).unwrap();
    assert_eq!(device.store.append(&notes, nonce, &[new(1, "b")], NOW).unwrap()[0].seq, 2);
    device.store.settle(nonce, &Ranges::new()).unwrap();
    let error = device.store.append(&notes, nonce, &[new(1, "c")], NOW).unwrap_err();
    assert!(matches!(error, StoreError::WentBack { id: 1 }), "{error:?}");
    assert_eq!(device.store.held(device.store.log(), 0).unwrap()[&notes], Ranges::of(1, 2));
}

#[test]
fn an_outbox_that_went_back_loses_nothing() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.drain().unwrap();
    // An older state of the file: its number 1 is given again.
    device.facts.db.write(|tx| Ok::<_, StoreError>(tx.execute("DELETE FROM sqlite_sequence", [])?)).unwrap();
    assert_eq!(device.facts.say("b", "b"), 1);
    device.publish();
    assert_eq!(device.facts.shown(), texts(&["a", "b"]));
    let mut other = Device::new();
    other.trust(&device.store);
    other.pull(&device.store);
    assert_eq!(other.facts.shown(), texts(&["a", "b"]));
}

#[test]
fn a_head_is_signed_only_when_there_is_something_to_say() {
    let mut device = Device::new();
    assert!(device.store.sign(&statement(), NOW).unwrap().is_none(), "nothing was said yet");
    device.say_all(&["a"]);
    device.drain().unwrap();
    assert!(device.store.sign(&statement(), NOW).unwrap().is_none(), "nothing is sealed yet");
    device.store.seal().unwrap();
    let first = device.store.sign(&statement(), NOW).unwrap().unwrap();
    assert!(device.store.sign(&statement(), NOW).unwrap().is_none());
    device.reopen();
    assert_eq!(device.store.newest_signed().unwrap().unwrap(), first);
    assert!(device.store.seal().unwrap().is_empty());
    device.say_all(&["b"]);
    device.publish();
    let second = device.store.newest_signed().unwrap().unwrap();
    assert_eq!((second.head().n, second.head().prev), (2, Some(first.digest())));
    let asks = Statement { wants: vec![format!("a/{}/c1", device.store.log()).parse().unwrap()], ..statement() };
    assert_eq!(device.store.sign(&asks, NOW).unwrap().unwrap().head().n, 3, "a want is something to say");
    device.check();
}

#[test]
fn a_head_names_sixteen_segments_and_a_list_the_rest() {
    let mut device = Device::new();
    let mut lists = BTreeSet::new();
    for n in 1..=60 {
        device.say_all(&[&format!("text {n}")]);
        device.publish();
        let (head, segments) = device.store.signed_segments().unwrap().unwrap();
        let tail: usize = head.head().streams.values().map(|state| state.tail.len()).sum();
        assert!(tail <= 16, "{tail}");
        assert_eq!(segments[&stream("notes")].len(), n);
        lists.extend(head.head().list.map(|list| list.digest));
    }
    assert!((2..=4).contains(&lists.len()), "{}", lists.len());
    device.check();
}

#[test]
fn merging_keeps_what_is_shown_and_writes_each_byte_a_few_times() {
    let mut device = Device::new();
    let mut other = Device::new();
    other.trust(&device.store);
    let mut expected = BTreeSet::new();
    let mut n_merged = 0;
    for n in 0..70 {
        let text = format!("text {n}");
        device.facts.say_as(&format!("key {}", n % 5), &text, Flags::REPLACES, 1, &[]);
        expected.insert(text);
        device.publish();
        if n == 20 {
            other.pull(&device.store);
        }
        n_merged += device.store.compact(&[], NOW).unwrap().iter().map(|done| done.n_merged).sum::<usize>();
        device.store.sign(&statement(), NOW).unwrap();
    }
    assert!(n_merged >= 60, "{n_merged}");
    let (_, segments) = device.store.signed_segments().unwrap().unwrap();
    assert!(segments[&stream("notes")].len() <= 16, "{segments:?}");
    expected.retain(|text| text.trim_start_matches("text ").parse::<u64>().unwrap() >= 65);
    assert_eq!(device.facts.shown(), expected);
    device.check();
    other.pull(&device.store);
    assert_eq!(other.facts.shown(), expected, "from an older position");
    let mut fresh = Device::new();
    fresh.trust(&device.store);
    fresh.pull(&device.store);
    assert_eq!(fresh.facts.shown(), expected, "from nothing");
    let n_kept = fresh.facts.count("SELECT count(*) FROM facts");
    assert!(n_kept < 30, "what was replaced is dropped: {n_kept}");
    // What was put is known as long as it is kept, and no longer; of others' logs nothing of the kind is known.
    let merged = device.store.superseded().unwrap().remove(0).0;
    let log = device.store.log();
    let named = segments[&stream("notes")][0].name(log, &stream("notes"));
    for (name, bytes) in [(&merged, 9), (&named, 9)] {
        assert!(!device.store.was_heard(name).unwrap());
        device.store.note_put("place", &name.replica_path(2), bytes, NOW).unwrap();
        other.store.note_put("place", &name.path(), bytes, NOW).unwrap();
        assert!(device.store.was_heard(name).unwrap() && !other.store.was_heard(name).unwrap());
    }
    assert!(device.store.drop_superseded(std::time::Duration::ZERO, NOW).unwrap() > 0);
    assert_eq!(device.store.superseded().unwrap(), []);
    assert!(device.store.was_heard(&named).unwrap() && !device.store.was_heard(&merged).unwrap());
    device.check();
}

#[test]
fn what_keeps_is_never_dropped_and_what_a_strand_voids_is() {
    let mut device = Device::new();
    device.facts.voids_same = true;
    device.facts.say_as("k", "tombstone", Flags::KEEPS, 1, &[]);
    device.publish();
    device.facts.say_as("k", "old", Flags::REPLACES, 1, &[]);
    device.publish();
    device.facts.say_as("k", "new", Flags::REPLACES, 1, &[]);
    for _ in 0..3 {
        device.facts.say("other", "same");
    }
    device.publish();
    for n in 0..5 {
        device.say_all(&[&format!("text {n}")]);
        device.publish();
    }
    let merged = device.store.compact(&[&device.facts], NOW).unwrap();
    assert_eq!(merged.iter().map(|done| done.n_dropped).sum::<usize>(), 3, "old, and two that say the same");
    device.store.sign(&statement(), NOW).unwrap();
    let mut other = Device::new();
    other.trust(&device.store);
    other.pull(&device.store);
    let mut texts: Vec<String> = {
        let mut rows = other
            .facts
            .db
            .conn()
            .prepare("SELECT payload FROM facts WHERE key IN (x'6b', CAST('other' AS BLOB))")
            .unwrap();
        rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    texts.sort();
    assert_eq!(texts, ["new", "same", "tombstone"]);
}

#[test]
fn a_record_is_dropped_only_when_what_replaces_it_is_signed_for() {
    let mut device = Device::new();
    device.facts.say_as("k", "old", Flags::REPLACES, 1, &[]);
    for n in 0..8 {
        device.say_all(&[&format!("text {n}")]);
        device.publish();
    }
    device.facts.say_as("k", "new", Flags::REPLACES, 1, &[]);
    device.drain().unwrap();
    let merged = device.store.compact(&[], NOW).unwrap();
    assert_eq!(merged.iter().map(|done| (done.n_merged, done.n_dropped)).collect::<Vec<_>>(), [(8, 0)]);
}

#[test]
fn merges_join_neighbours_of_one_tier_up_to_a_bound() {
    let segments = |sizes: &[u64]| -> Vec<_> {
        let place = |(at, bytes): (usize, &u64)| crate::segment::SegmentRef {
            first: at as u64 + 1,
            last: at as u64 + 1,
            bytes: *bytes,
            digest: Digest::of(&[&at.to_le_bytes()]),
        };
        sizes.iter().enumerate().map(place).collect()
    };
    let plan = |sizes: &[u64]| -> Vec<(usize, usize)> {
        plan_merges(&segments(sizes), sizes.len()).into_iter().map(|run| (run.start, run.end)).collect()
    };
    let (small, middle, large) = (100, 20_000, 40 * 1024 * 1024);
    assert_eq!(plan(&[small; 7]), []);
    assert_eq!(plan(&[small; 8]), [(0, 8)]);
    assert_eq!(plan(&[&[middle][..], &[small; 9]].concat()), [(1, 10)]);
    assert_eq!(plan(&[&[small; 7][..], &[middle], &[small; 7]].concat()), []);
    assert_eq!(plan(&[&[middle; 8][..], &[small; 3]].concat()), [(0, 11)]);
    assert_eq!(plan(&[large; 20]), [], "together they would be too large");
    assert_eq!(plan(&[]), []);
    let (half, quarter) = (30 * 1024 * 1024, 15 * 1024 * 1024);
    assert_eq!(plan(&[half; 72]), [], "two halves are not worth a merge");
    assert_eq!(plan(&[&[half; 72][..], &[small; 7]].concat()), [], "nor is one with what was said since");
    assert_eq!(plan(&[&[half; 72][..], &[small; 8]].concat()), [(72, 80)]);
    assert_eq!(plan(&[quarter; 9]), [(0, 4), (4, 8)]);
    let between = [&[half][..], &[small; 7], &[middle; 7], &[half]].concat();
    assert_eq!(plan(&between), [(1, 15)], "between two that are larger nothing comes any more");
    assert_eq!(plan(&between[..15]), [], "where something may come, it waits");
    let crowded = plan_merges(&segments(&[&between[..], &[half], &[small; 3]].concat()), LIST_SEGMENTS_MAX / 2 + 1);
    assert_eq!(
        crowded.iter().map(|run| (run.start, run.end)).collect::<Vec<_>>(),
        [(0, 16)],
        "a list that fills takes no heed of tiers, and leaves the newest to them"
    );
}

/// Lives of random sizes, merged after each that is said.
#[test]
fn merges_bound_the_segments_of_a_log_and_what_is_written_again() {
    const MIB: u64 = 1024 * 1024;
    // How many in a hundred are large, how small the others are at most, as a power of two, and how large the large ones.
    let lives = [(0, 8, 1), (0, 17, 1), (2, 15, 60 * MIB), (5, 10, 60 * MIB), (20, 8, 60 * MIB), (3, 15, 200 * MIB)];
    for (life, (percent, power, large)) in (0u8..).zip(lives) {
        let (mut segments, mut said, mut again, mut n_max) = (Vec::new(), 0u64, 0u64, 0);
        for at in 1..=3000u64 {
            let seed = Digest::of(&[&[life], &at.to_le_bytes()]);
            let draw = |from: usize| u64::from_le_bytes(seed.as_bytes()[from..from + 8].try_into().unwrap());
            let bytes = match draw(0) % 100 < percent {
                true => 17 * MIB + draw(8) % (large - 17 * MIB),
                false => 100 + draw(8) % (100 << (draw(16) % (power + 1))),
            };
            said += bytes;
            segments.push(SegmentRef { first: at, last: at, bytes, digest: seed });
            for run in plan_merges(&segments, segments.len()).into_iter().rev() {
                let bytes = segments[run.clone()].iter().map(|segment| segment.bytes).sum();
                again += bytes;
                let (first, last) = (segments[run.start].first, segments[run.end - 1].last);
                segments.splice(run, [SegmentRef { first, last, bytes, digest: seed }]);
            }
            n_max = n_max.max(segments.len());
        }
        assert!(n_max <= LIST_SEGMENTS_MAX / 2 + 1, "life {life}: {n_max} segments");
        let n_whole = usize::try_from(said / crate::limits::SEGMENT_BYTES_AIM).unwrap();
        assert!(segments.len() <= 64 + 8 * n_whole, "life {life}: {} segments of {said} bytes", segments.len());
        assert!(again <= 8 * said, "life {life}: {again} bytes for {said}");
    }
}

#[test]
fn a_merged_log_gives_the_same_from_every_older_position() {
    let mut device = Device::new();
    let mut readers = Vec::new();
    for n in 0..17 {
        let flags = if n % 3 == 0 { Flags::REPLACES } else { Flags::default() };
        device.facts.say_as(&format!("key {}", n % 4), &format!("text {n}"), flags, 1, &[]);
        device.publish();
        let mut reader = Device::new();
        reader.trust(&device.store);
        // Some hold everything so far, some only the newest.
        reader.pull_some(&device.store, n, if n % 2 == 0 { usize::MAX } else { 1 });
        reader.deliver();
        readers.push(reader);
    }
    let shown = device.facts.shown();
    while !device.store.compact(&[], NOW).unwrap().is_empty() {
        device.publish();
    }
    for (n, reader) in readers.iter_mut().enumerate() {
        reader.pull(&device.store);
        assert_eq!(reader.facts.shown(), shown, "from position {n}");
        reader.check();
    }
}

#[test]
fn two_processes_write_one_log_in_turn() {
    let mut one = Device::new();
    let mut two = Store::open(setup(&one.root, "here")).unwrap();
    let (notes, nonce) = (stream("notes"), Nonce([5; 16]));
    for n in 1..=6 {
        one.say_all(&[&format!("one {n}")]);
        one.publish();
        two.append(&notes, nonce, &[new(n, &format!("two {n}"))], NOW).unwrap();
        two.seal().unwrap();
        two.sign(&statement(), NOW).unwrap();
    }
    one.deliver();
    assert_eq!(one.facts.shown().len(), 12);
    assert_eq!(one.store.newest_signed().unwrap(), two.newest_signed().unwrap());
    one.check();
}

#[test]
fn several_that_begin_at_once_make_one_log() {
    let dir = tempfile::tempdir().unwrap();
    let (root, gate) = (dir.path(), std::sync::Barrier::new(6));
    let logs: BTreeSet<_> = std::thread::scope(|scope| {
        let begun: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    let setup = setup(root, "here");
                    gate.wait();
                    Store::open(setup).unwrap().log()
                })
            })
            .collect();
        begun.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(logs.len(), 1, "{logs:?}");
    let mut device = Device::at(root);
    assert!(logs.contains(&device.store.log()));
    device.say_all(&["goes on"]);
    device.publish();
    device.check();
}

#[test]
fn what_no_record_can_hold_is_refused_before_it_stands_in_the_way() {
    let mut device = Device::new();
    let notes = stream("notes");
    let push = |device: &mut Device, out: &Outgoing| device.facts.db.write(|tx| outbox::push(tx, &notes, out));
    let large = Outgoing { payload: vec![b'x'; crate::limits::FRAME_BYTES_MAX], ..Outgoing::default() };
    let keyless = Outgoing { flags: Flags::REPLACES, ..Outgoing::default() };
    for wrong in [large, keyless, Outgoing { key: vec![b'x'; 129], ..Outgoing::default() }] {
        assert!(matches!(push(&mut device, &wrong), Err(StoreError::Frame(_))));
    }
    device.say_all(&["a"]);
    assert_eq!(device.drain().unwrap(), 1);
}

#[test]
fn a_lost_database_takes_nothing_back_that_was_folded() {
    let (mut device, mut author) = (Device::new(), Device::new());
    author.say_all(&["of another"]);
    author.publish();
    device.trust(&author.store);
    device.say_all(&["own"]);
    device.publish();
    device.pull(&author.store);
    let (old, shown) = (device.store.log(), device.facts.shown());
    for name in ["exchange.db", "exchange.db-wal", "exchange.db-shm"] {
        drop(std::fs::remove_file(device.root.join("data").join(name)));
    }
    device.reopen();
    assert_ne!(device.store.log(), old, "a log is never gone on with from nothing");
    let status = device.store.status().unwrap();
    assert_eq!(status.own().unwrap().row.vouched_by, Some(old), "its key speaks for the new one");
    assert_eq!(device.store.state(old).unwrap(), Some(LogState::Former));
    device.deliver();
    assert_eq!(device.facts.shown(), shown);
    device.pull(&author.store);
    assert_eq!(device.facts.shown(), shown);
    device.trust(&author.store);
    device.say_all(&["later"]);
    device.publish();
    assert_eq!(device.deliver().n_folded, 0, "what was folded is folded");
    device.check();
}
