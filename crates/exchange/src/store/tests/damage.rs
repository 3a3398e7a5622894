//! Flipped bits: in files, and in the database's blobs.

use std::os::unix::fs::FileExt as _;

use super::*;

fn rich() -> (Device, Device) {
    let mut author = Device::new();
    author.say_all(&["a", "b"]);
    author.publish();
    author.say_all(&["c"]);
    author.publish();
    let mut device = Device::new();
    device.trust(&author.store);
    for n in 0..18 {
        device.say_all(&[&format!("text {n}")]);
        device.publish();
    }
    device.store.compact(&[], NOW).unwrap();
    device.store.sign(&statement(), NOW).unwrap();
    device.store.attach(&stream("notes"), &["c1".parse().unwrap()], &[], &mut &b"pack"[..]).unwrap();
    device.pull(&author.store);
    device.say_all(&["in the tail"]);
    device.facts.db.sync().unwrap();
    let new = crate::strand::NewRecord {
        id: 1,
        flags: Flags::default(),
        key: Vec::new(),
        kind: 1,
        kind_version: 1,
        wants: Vec::new(),
        payload: b"of another outbox".to_vec(),
    };
    device.store.append(&stream("notes"), crate::strand::Nonce([9; 16]), &[new], NOW).unwrap();
    device.check();
    (device, author)
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.file_name().unwrap() != "lock" {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn flip(path: &Path, at: u64, bit: u8) {
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ (1 << bit)], at).unwrap();
}

#[test]
fn a_flipped_bit_in_any_block_of_a_large_file_is_found() {
    let mut device = Device::new();
    for n in 0..9 {
        device.facts.say(&format!("key {n}"), &format!("{n} ").repeat(450_000));
    }
    device.publish();
    let lane = super::super::rows::Lane::own(device.store.log(), &stream("notes"));
    let piece = super::super::read::pieces(device.store.db.conn(), &lane, 1, u64::MAX).unwrap().remove(0);
    let opened = device.store.open_piece(&piece).unwrap();
    let path = device.store.places.file(lane.log, &piece.file);
    let blocks = opened.header().blocks.len();
    assert!(blocks >= 3, "{blocks}");
    for block in 0..blocks {
        let at = opened.place(block).unwrap() + opened.header().blocks[block].bytes / 2;
        flip(&path, at, 3);
        let found = device.store.verify().unwrap();
        assert!(found.iter().any(|one| one.what.contains(&piece.file)), "block {block}: {found:?}");
        flip(&path, at, 3);
    }
    device.check();
}

#[test]
fn every_flipped_bit_of_a_file_is_found_and_named() {
    let (device, _author) = rich();
    let mut n_files = 0;
    for path in files(&device.root.join("data/exchange")) {
        n_files += 1;
        let len = path.metadata().unwrap().len();
        // Each byte of the small ones, many of the larger; another bit each time.
        for at in (0..len).step_by(usize::try_from(len / 12 + 1).unwrap()).chain([len - 1]) {
            let bit = u8::try_from(at % 8).unwrap();
            flip(&path, at, bit);
            let found = device.store.verify().unwrap();
            let named = found.iter().any(|one| one.what.contains(path.file_name().unwrap().to_str().unwrap()));
            assert!(named, "{} byte {at}: {found:?}", path.display());
            flip(&path, at, bit);
        }
    }
    assert!(n_files >= 5, "{n_files}");
    device.check();
}

#[test]
fn a_longer_and_a_missing_file_are_found() {
    let (device, _author) = rich();
    for path in files(&device.root.join("data/exchange")) {
        let kept = std::fs::read(&path).unwrap();
        carry_kernel::disk::write_atomic(&path, &[&kept[..], b"x"].concat()).unwrap();
        assert!(!device.store.verify().unwrap().is_empty(), "{}", path.display());
        std::fs::remove_file(&path).unwrap();
        let found = device.store.verify().unwrap();
        let of_it = found.iter().filter(|one| one.what == path.display().to_string()).count();
        assert_eq!(of_it, 1, "{}: {found:?}", path.display());
        let said: BTreeSet<&str> = found.iter().map(|one| one.what.as_str()).collect();
        assert_eq!(said.len(), found.len(), "each thing once: {found:?}");
        carry_kernel::disk::write_atomic(&path, &kept).unwrap();
    }
    device.check();
}

#[test]
fn it_is_said_which_records_are_missing_with_a_file() {
    let mut author = Device::new();
    author.say_all(&["a", "b"]);
    author.publish();
    author.say_all(&["c"]);
    author.publish();
    let mut device = Device::new();
    device.trust(&author.store);
    device.pull(&author.store);
    for path in files(&device.store.places.log_dir(author.store.log())) {
        std::fs::remove_file(path).unwrap();
    }
    let found: Vec<String> = device.store.verify().unwrap().into_iter().map(|finding| finding.problem).collect();
    assert_eq!(found, ["it is gone; records 1-2 are missing with it", "it is gone; record 3 is missing with it"]);
}

#[test]
fn every_flipped_byte_of_a_blob_is_found() {
    let (device, _author) = rich();
    let columns = [
        ("tail", "frame"),
        ("tail", "chain"),
        ("appended", "content"),
        ("appended", "r"),
        ("pending", "digest"),
        ("segments", "digest"),
        ("segments", "base"),
        ("segments", "chain"),
        ("superseded", "digest"),
        ("marks", "chain"),
        ("marks", "sum"),
        ("heads_signed", "digest"),
        ("heads_signed", "bytes"),
        ("heads_seen", "digest"),
        ("heads_seen", "bytes"),
        ("lists", "digest"),
        ("lists", "bytes"),
    ];
    // A second connection, as if something else wrote to the file.
    let other = Db::open(&device.root.join("data/exchange.db"), schema::SCHEMA).unwrap();
    for (table, column) in columns {
        let count = format!("SELECT count(*), min(length({column})) FROM {table} WHERE {column} IS NOT NULL");
        let (n, len): (i64, Option<i64>) =
            other.conn().query_row(&count, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert!(n > 0, "{table} has rows");
        let len = usize::try_from(len.unwrap()).unwrap();
        for at in (0..len).step_by(len / 3 + 1).chain([len - 1]) {
            let read = format!("SELECT {column} FROM {table} WHERE {column} IS NOT NULL ORDER BY {column} LIMIT 1");
            let kept: Vec<u8> = other.conn().query_row(&read, [], |row| row.get(0)).unwrap();
            let mut changed = kept.clone();
            changed[at] ^= 1 << (at % 8);
            let write = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2");
            other.conn().execute(&write, (&changed, &kept)).unwrap();
            let found = device.store.verify().unwrap();
            assert!(!found.is_empty(), "{table}.{column}, byte {at}");
            other.conn().execute(&write, (&kept, &changed)).unwrap();
        }
    }
    device.check();
}

#[test]
fn a_damaged_key_is_found() {
    let (device, _author) = rich();
    let path = device.root.join(format!("data/exchange-{}.key", device.store.log()));
    for at in [0, 40, 64] {
        flip(&path, at, 0);
        assert!(!device.store.verify().unwrap().is_empty(), "{at}");
        flip(&path, at, 0);
    }
    device.check();
}

#[test]
fn a_damaged_file_of_another_log_is_let_go_and_fetched_again() {
    let (mut device, author) = rich();
    let dir = device.root.join("data/exchange").join(author.store.log().to_string());
    let path = files(&dir)[0].clone();
    let shown = device.facts.shown();
    flip(&path, path.metadata().unwrap().len() - 3, 1);
    assert_eq!(device.store.let_go_damaged().unwrap().findings.len(), 1);
    assert_eq!(device.deliver(), Delivered { n_folded: 1, ..Delivered::default() }, "only the own record of before");
    assert!(device.facts.shown().is_superset(&shown), "what was folded stays");
    device.pull(&author.store);
    device.check();
}

#[test]
fn a_damaged_file_of_the_own_log_is_healed_by_a_good_copy() {
    let (mut device, _author) = rich();
    let mut other = Device::new();
    other.trust(&device.store);
    other.pull(&device.store);
    let dir = device.root.join("data/exchange").join(device.store.log().to_string());
    let (head, segments) = device.store.signed_segments().unwrap().unwrap();
    let reference = segments[&stream("notes")][0];
    let expected = Expected { log: head.head().log(), stream: stream("notes"), reference };
    let name = reference.name(expected.log, &expected.stream);
    let path = dir.join(name.path().rsplit('/').next().unwrap());
    flip(&path, path.metadata().unwrap().len() - 3, 1);
    assert!(!device.store.verify().unwrap().is_empty());
    device.store.accept_bytes(&expected, &bytes_of(&other.store, &name).unwrap()).unwrap();
    device.check();
}

#[test]
fn of_a_damaged_file_the_good_blocks_are_kept() {
    let mut author = Device::new();
    for n in 0..5u8 {
        author.facts.say("k", &crate::fixture::noise(n, 600_000));
    }
    author.publish();
    let mut device = Device::new();
    device.trust(&author.store);
    device.pull(&author.store);
    let (log, notes) = (author.store.log(), stream("notes"));
    let path = files(&device.root.join("data/exchange").join(log.to_string()))[0].clone();
    flip(&path, path.metadata().unwrap().len() - 3, 1);
    let let_go = device.store.let_go_damaged().unwrap();
    assert_eq!((let_go.findings.len(), let_go.segments.len()), (1, 1));
    let held = device.store.held(log, 0).unwrap()[&notes].clone();
    assert!(held.contains_all(1, 2) && !held.contains(5), "{held}");
    device.check();
    assert!(!device.store.has_object(&let_go.segments[0].reference.name(log, &notes)).unwrap());
    // Once more, in a part; and one of which nothing is good goes whole.
    let part = files(&device.root.join("data/exchange").join(log.to_string()));
    let part = part.iter().find(|path| path.extension().is_some_and(|ext| ext == "part")).unwrap();
    flip(part, part.metadata().unwrap().len() - 3, 1);
    assert_eq!(device.store.let_go_damaged().unwrap().findings.len(), 1);
    let less = device.store.held(log, 0).unwrap().get(&notes).cloned().unwrap_or_default();
    assert!(less.count() < held.count(), "{less}");
    device.check();
    device.pull(&author.store);
    device.check();
    assert!(device.store.held(log, 0).unwrap()[&notes].contains_all(1, 5));
}

#[test]
fn one_damaged_file_holds_up_no_other() {
    let (mut device, author) = rich();
    let dir = device.root.join("data/exchange").join(author.store.log().to_string());
    let path = files(&dir)[0].clone();
    flip(&path, path.metadata().unwrap().len() - 3, 1);
    device.facts.db.write(|tx| Ok::<_, StoreError>(outbox::uncover_all(tx, &stream("notes"))?)).unwrap();
    let done = device.deliver();
    assert_eq!(done.n_damaged, 1);
    assert!(device.facts.shown().contains("c"));
}

#[test]
fn what_lies_behind_a_damaged_file_is_folded_and_the_file_is_fetched_again() {
    let mut author = Device::new();
    for text in ["a", "b", "c"] {
        author.say_all(&[text]);
        author.publish();
    }
    let mut device = Device::new();
    device.trust(&author.store);
    device.pull_some(&author.store, 0, usize::MAX);
    let (_, segments) = author.store.signed_segments().unwrap().unwrap();
    let name = segments[&stream("notes")][1].name(author.store.log(), &stream("notes"));
    let dir = device.root.join("data/exchange").join(author.store.log().to_string());
    let path = dir.join(name.path().rsplit('/').next().unwrap());
    flip(&path, path.metadata().unwrap().len() - 3, 1);
    assert_eq!(device.deliver().n_damaged, 1);
    assert_eq!(device.facts.shown(), texts(&["a", "c"]));
    assert_eq!(device.deliver().n_damaged, 0, "it was let go");
    device.check();
    device.pull(&author.store);
    assert_eq!(device.facts.shown(), texts(&["a", "b", "c"]));
    device.check();
}

#[test]
fn a_head_or_list_that_was_read_before_is_not_believed_when_its_row_changed() {
    let (device, _author) = rich();
    let followed = device.store.followed().unwrap();
    let own = device.store.signed_segments().unwrap().unwrap();
    assert!(followed.iter().any(|one| one.segments.is_some()));
    let other = Db::open(&device.root.join("data/exchange.db"), schema::SCHEMA).unwrap();
    for (table, is_own) in [("heads_seen", false), ("heads_signed", true)] {
        let read = format!("SELECT digest, bytes FROM {table} WHERE bytes IS NOT NULL");
        let mut rows = other.conn().prepare(&read).unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let kept: Vec<(Vec<u8>, Vec<u8>)> = rows.map(Result::unwrap).collect();
        assert!(!kept.is_empty(), "{table} has rows");
        let write = format!("UPDATE {table} SET bytes = ?2 WHERE digest = ?1");
        for at in [0, 100] {
            for (digest, bytes) in &kept {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                other.conn().execute(&write, (digest, changed)).unwrap();
            }
            let is_damage = match is_own {
                true => matches!(device.store.signed_segments(), Err(StoreError::Damaged { .. })),
                false => matches!(device.store.followed(), Err(StoreError::Damaged { .. })),
            };
            assert!(is_damage, "{table}, byte {at}");
            for (digest, bytes) in &kept {
                other.conn().execute(&write, (digest, bytes)).unwrap();
            }
        }
    }
    let heads = |all: &[Followed]| all.iter().map(|one| one.head.clone()).collect::<Vec<_>>();
    assert_eq!(heads(&device.store.followed().unwrap()), heads(&followed), "what is good again is believed again");
    assert_eq!(device.store.signed_segments().unwrap().unwrap(), own);
    device.check();
}

#[test]
fn a_file_that_is_cut_while_it_is_read_is_damaged() {
    let mut author = Device::new();
    author.say_all(&["one"]);
    author.publish();
    let lane = rows::Lane::own(author.store.log(), &stream("notes"));
    let piece = read::pieces(author.store.db.conn(), &lane, 1, u64::MAX).unwrap().remove(0);
    let opened = author.store.open_piece(&piece).unwrap();
    let header = opened.header().clone();
    let file = std::fs::File::options().write(true).open(author.store.places.file(lane.log, &piece.file)).unwrap();
    file.set_len(piece.reference.bytes - 1).unwrap();
    let error = accept::check_blocks(&header, 0..header.blocks.len(), &opened.into_file()).unwrap_err();
    let StoreError::Segment(crate::segment::SegmentError::Size { expected, found }) = error else { panic!("{error}") };
    assert_eq!((expected, found), (piece.reference.bytes, piece.reference.bytes - 1));
}
