//! Others' side: heads, segments, parts, quotas, approval, revocation.

use super::*;
use crate::head::SignedHead;
use crate::limits::RECORD_BLOCK_BYTES_AIM;
use crate::name::ObjectName;
use crate::segment::{PRELUDE_BYTES, SegmentHeader, header_bytes};

fn segment_of(device: &Device, which: usize) -> (Expected, Vec<u8>) {
    let (head, segments) = device.store.signed_segments().unwrap().unwrap();
    let reference = segments[&stream("notes")][which];
    let expected = Expected { log: head.head().log(), stream: stream("notes"), reference };
    let bytes = bytes_of(&device.store, &reference.name(expected.log, &expected.stream)).unwrap();
    (expected, bytes)
}

fn newest(device: &Device) -> SignedHead {
    device.store.newest_signed().unwrap().unwrap()
}

#[test]
fn segments_in_any_order_with_repeats_and_gaps_give_the_same() {
    let mut author = Device::new();
    for n in 0..12 {
        author.say_all(&[&format!("text {n}")]);
        author.publish();
    }
    for order in 0..6 {
        let mut reader = Device::new();
        reader.trust(&author.store);
        for limit in [3, 0, 4, 100] {
            reader.pull_some(&author.store, order, limit);
            reader.deliver();
            reader.check();
        }
        let (expected, bytes) = segment_of(&author, 4);
        let again = reader.store.accept_bytes(&expected, &bytes).unwrap();
        assert_eq!(again, Accepted::Kept { track: 0, new: Ranges::new() });
        assert_eq!(reader.facts.shown(), author.facts.shown());
        assert_eq!(reader.deliver().n_folded, 0);
    }
}

#[test]
fn what_is_held_with_a_gap_is_folded_and_said_to_be_held_up_to_it() {
    let mut author = Device::new();
    for text in ["a", "b", "c"] {
        author.say_all(&[text]);
        author.publish();
    }
    let mut reader = Device::new();
    reader.trust(&author.store);
    let head = newest(&author);
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    let (log, notes) = (author.store.log(), stream("notes"));
    for (which, shown, holds) in [(2, &["c"][..], None), (0, &["a", "c"], Some(1)), (1, &["a", "b", "c"], Some(3))] {
        let (expected, bytes) = segment_of(&author, which);
        reader.store.accept_bytes(&expected, &bytes).unwrap();
        reader.deliver();
        assert_eq!(reader.facts.shown(), texts(shown));
        let news = Statement { lone_holds: true, ..statement() };
        let signed = reader.store.sign(&news, NOW).unwrap();
        let said = signed.and_then(|signed| signed.head().holds.get(&log).and_then(|held| held.get(&notes)).copied());
        assert_eq!(said, holds);
    }
    assert!(reader.store.sign(&statement(), NOW).unwrap().is_none());
    reader.check();
}

#[test]
fn blocks_of_a_segment_are_kept_alone_and_read_together() {
    let mut author = Device::new();
    let long = "x".repeat(RECORD_BLOCK_BYTES_AIM / 3);
    for n in 0..12 {
        author.facts.say("k", &format!("{n} {long}"));
    }
    author.publish();
    let (expected, file) = segment_of(&author, 0);
    let head = PRELUDE_BYTES + usize::try_from(header_bytes(file.first_chunk().unwrap()).unwrap()).unwrap();
    let header = SegmentHeader::read(&file[..head], &expected).unwrap();
    assert!(header.blocks.len() >= 4);
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.store.see_head(&newest(&author).name(), newest(&author).bytes(), NOW).unwrap();
    let block = |at: usize| {
        let place = header.place(at).unwrap();
        (at, file[usize::try_from(place.start).unwrap()..usize::try_from(place.end).unwrap()].to_vec())
    };
    let mut wrong = block(1);
    wrong.1[20] ^= 1;
    assert!(reader.store.accept_parts(&expected, &file[..head], &BTreeMap::from([wrong])).is_err());
    // The middle first, then the ends: what is between lies in two files.
    let last = header.blocks.len() - 1;
    for part in [vec![1, 2], vec![last], vec![0]] {
        let blocks = part.into_iter().map(block).collect();
        reader.store.accept_parts(&expected, &file[..head], &blocks).unwrap();
        reader.check();
        reader.deliver();
    }
    if last > 3 {
        reader.store.accept_parts(&expected, &file[..head], &(3..last).map(block).collect()).unwrap();
        reader.deliver();
    }
    assert_eq!(reader.facts.shown(), author.facts.shown());
    assert!(!reader.store.has_object(&expected.reference.name(expected.log, &expected.stream)).unwrap());
    reader.store.accept_bytes(&expected, &file).unwrap();
    assert!(reader.store.has_object(&expected.reference.name(expected.log, &expected.stream)).unwrap());
    // All of it is folded again from the parts and the whole.
    reader.facts.db.write(|tx| Ok::<_, StoreError>(outbox::uncover_all(tx, &stream("notes"))?)).unwrap();
    assert_eq!(reader.deliver().n_folded, 12);
}

#[test]
fn nothing_that_no_head_names_is_kept_and_nothing_damaged() {
    let mut author = Device::new();
    author.say_all(&["a"]);
    author.publish();
    let (expected, mut bytes) = segment_of(&author, 0);
    let mut reader = Device::new();
    assert!(matches!(reader.store.accept_bytes(&expected, &bytes), Err(StoreError::UnknownLog(_))));
    reader.trust(&author.store);
    let head = newest(&author);
    reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    let end = bytes.len() - 1;
    bytes[end] ^= 1;
    let error = reader.store.accept_bytes(&expected, &bytes).unwrap_err();
    assert!(matches!(&error, StoreError::Segment(error) if error.is_damage()), "{error:?}");
    bytes.pop();
    assert!(reader.store.accept_bytes(&expected, &bytes).is_err());
    assert!(reader.store.held(expected.log, 0).unwrap().is_empty());
    let n_files = std::fs::read_dir(reader.root.join("data/exchange/tmp")).unwrap().count();
    assert_eq!(n_files, 0, "nothing is left behind");
}

#[test]
fn an_old_head_is_not_followed_and_a_known_one_is_known() {
    let mut author = Device::new();
    let mut heads = Vec::new();
    for text in ["a", "b", "c"] {
        author.say_all(&[text]);
        author.publish();
        heads.push(newest(&author));
    }
    let mut reader = Device::new();
    reader.trust(&author.store);
    let mut see = |head: &SignedHead| reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    assert_eq!(see(&heads[1]), Seen::Followed { track: 0 });
    assert_eq!(see(&heads[0]), Seen::Unclear, "before its records are here nobody knows");
    assert!(!reader.store.knows_head(&heads[0].name()).unwrap());
    reader.fetch(&author.store, 0, usize::MAX);
    let mut see = |head: &SignedHead| reader.store.see_head(&head.name(), head.bytes(), NOW).unwrap();
    assert_eq!(see(&heads[0]), Seen::Old);
    assert_eq!(see(&heads[2]), Seen::Followed { track: 0 });
    assert_eq!(see(&heads[1]), Seen::Known);
    assert!(reader.store.knows_head(&heads[0].name()).unwrap());
    let followed = reader.store.followed().unwrap();
    assert_eq!(followed.iter().map(|one| one.head.head().n).collect::<Vec<_>>(), [3]);
    assert_eq!(author.store.see_head(&heads[0].name(), heads[0].bytes(), NOW).unwrap(), Seen::Known, "its own");
}

#[test]
fn a_log_that_nobody_approved_is_kept_apart_until_somebody_does() {
    let mut author = Device::new();
    author.say_all(&["a"]);
    author.publish();
    let mut reader = Device::new();
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&[]));
    assert_eq!(reader.store.state(author.store.log()).unwrap(), Some(LogState::Unapproved));
    reader.store.approve(author.store.log(), NOW).unwrap();
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["a"]));
}

#[test]
fn logs_that_nobody_approved_are_bounded() {
    let mut reader = Device::new();
    let mut last = None;
    for seed in 0..=64u8 {
        let mut head = crate::fixture::bare_head();
        head.key = crate::fixture::public(seed);
        let head = head.sign(&crate::fixture::sign(seed)).unwrap();
        last = Some(reader.store.see_head(&head.name(), head.bytes(), NOW));
    }
    assert!(matches!(last, Some(Err(StoreError::Full(_)))), "{last:?}");
    assert_eq!(reader.store.logs().unwrap().len(), 65);
    let aliases: BTreeSet<String> = reader.store.logs().unwrap().into_iter().map(|row| row.alias).collect();
    assert_eq!(aliases.len(), 65);
    // A flood of strangers keeps nobody from approving a device of their own.
    let friend = Device::new().store.log();
    reader.store.approve(friend, NOW).unwrap();
    assert_eq!(reader.store.state(friend).unwrap(), Some(LogState::Approved));
}

#[test]
fn what_a_log_that_nobody_approved_may_bring_is_bounded_and_it_can_be_forgotten() {
    let mut author = Device::new();
    for text in ["a", "b"] {
        author.say_all(&[text]);
        author.publish();
    }
    let mut reader = Device::new();
    reader.pull_some(&author.store, 0, 1);
    let log = author.store.log();
    let quota = rows::int(UNAPPROVED_LOG_BYTES);
    reader.store.db.write(|tx| Ok::<_, StoreError>(tx.execute("UPDATE segments SET bytes = ?1", [quota])?)).unwrap();
    let left = (0..2)
        .map(|which| segment_of(&author, which))
        .map(|(expected, bytes)| reader.store.accept_bytes(&expected, &bytes));
    assert!(left.into_iter().any(|result| matches!(result, Err(StoreError::Full(_)))));
    for table in ["published", "compared", "carried"] {
        let column = if table == "published" {
            ", n"
        } else if table == "compared" {
            ", at_ms"
        } else {
            ""
        };
        let value = if column.is_empty() { "" } else { ", 1" };
        let sql = format!("INSERT INTO {table} (remote, log{column}) VALUES ('nas', ?1{value})");
        reader.store.db.write(|tx| Ok::<_, StoreError>(tx.execute(&sql, [log.to_string()])?)).unwrap();
    }
    reader.store.forget(log, NOW).unwrap();
    assert_eq!(tables_that_name(&reader.store, log), ["forgotten"]);
    assert_eq!(reader.store.state(log).unwrap(), None);
    assert!(!reader.root.join("data/exchange").join(log.to_string()).exists());
    reader.check();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["a", "b"]));
    assert!(matches!(reader.store.forget(log, NOW), Err(StoreError::Refused(_))), "it counts");
}

#[test]
fn what_many_logs_hold_stands_in_a_list() {
    let mut reader = Device::new();
    let logs: Vec<LogId> = (0..200u8).map(crate::fixture::log).collect();
    for log in &logs {
        reader.store.approve(*log, NOW).unwrap();
    }
    reader
        .store
        .db
        .write(|tx| {
            for log in &logs {
                let sql = "INSERT INTO holds (log, stream, last) VALUES (?1, 'notes', 5)";
                tx.execute(sql, [log.to_string()])?;
            }
            Ok::<_, StoreError>(())
        })
        .unwrap();
    let head = reader.store.sign(&Statement { lone_holds: true, ..statement() }, NOW).unwrap().unwrap();
    assert!(head.bytes().len() < 2500, "{}", head.bytes().len());
    let list = head.head().list.unwrap();
    let name = ObjectName::list(reader.store.log(), list.digest);
    let list = crate::list::List::read(&bytes_of(&reader.store, &name).unwrap(), reader.store.log(), &list).unwrap();
    assert_eq!(list.holds.len(), 200);
    reader.say_all(&["a"]);
    reader.publish();
    assert!(reader.store.signed_segments().unwrap().is_some());
    reader.store.db.write(|tx| Ok::<_, StoreError>(tx.execute("UPDATE holds SET last = 6", [])?)).unwrap();
    assert!(reader.store.sign(&statement(), NOW).unwrap().is_none(), "not worth a head of their own");
    assert!(reader.store.sign(&Statement { lone_holds: true, ..statement() }, NOW).unwrap().is_some());
    reader.check();
}

#[test]
fn an_alias_is_given_here_and_to_one_log() {
    let (mut reader, author) = (Device::new(), Device::new());
    reader.trust(&author.store);
    let (log, own) = (author.store.log(), reader.store.log());
    reader.store.set_alias(log, "desktop").unwrap();
    for wrong in ["", "desk/top", "../x", "Desk", "-x", &"x".repeat(65)] {
        assert!(matches!(reader.store.set_alias(log, wrong), Err(StoreError::Alias(_))), "{wrong}");
    }
    assert!(matches!(reader.store.set_alias(own, "desktop"), Err(StoreError::Alias(_))));
    reader.store.set_alias(log, "desktop").unwrap();
}

#[test]
fn a_revoked_log_counts_up_to_a_position_and_the_smallest_wins() {
    let mut author = Device::new();
    for text in ["a", "b", "c", "d"] {
        author.say_all(&[text]);
        author.publish();
    }
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    let (log, notes) = (author.store.log(), stream("notes"));
    let lane = rows::Lane::own(log, &notes);
    let at = |last| BTreeMap::from([(notes.clone(), (last, author.store.chain_at(&lane, last).unwrap().unwrap()))]);
    for (last, shown) in [(3, &["a", "b", "c"][..]), (1, &["a"]), (2, &["a"])] {
        reader.store.revoke(log, &at(last), NOW).unwrap();
        reader.deliver();
        assert_eq!(reader.facts.shown(), texts(shown));
    }
    reader.store.approve(log, NOW).unwrap();
    reader.deliver();
    assert_eq!(reader.facts.shown(), author.facts.shown());
    assert!(reader.store.revoke(reader.store.log(), &at(0), NOW).is_err());
}

#[test]
fn a_kind_that_is_not_known_is_folded_after_an_upgrade() {
    let mut author = Device::new();
    author.facts.kind_max = 9;
    author.say_all(&["a"]);
    author.facts.say_as("k", "new", Flags::default(), 9, &[]);
    author.say_all(&["b"]);
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["a", "b"]));
    assert_eq!(reader.deliver(), Delivered { n_deferred: 1, ..Delivered::default() });
    reader.facts.kind_max = 9;
    assert_eq!(reader.deliver(), Delivered { n_folded: 1, ..Delivered::default() });
    assert_eq!(reader.facts.shown(), author.facts.shown());
}

#[test]
fn a_head_that_an_earlier_version_could_not_read_is_looked_at_after_an_upgrade() {
    let mut author = Device::new();
    author.say_all(&["a"]);
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull(&author.store);
    author.say_all(&["b"]);
    author.publish();
    let head = newest(&author);
    let (log, name) = (author.store.log(), head.name());
    // As the earlier version left it: of one head the bytes, of another no more than that there was one.
    let note = |reader: &mut Device, bytes: Option<&[u8]>, by: &str| {
        let digest = *head.digest().as_bytes();
        let sql = "INSERT OR REPLACE INTO heads_seen (log, digest, n, track, verdict, bytes, at_ms, reader)
                   VALUES (?1, ?2, 2, 0, 'newer', ?3, 0, ?4)";
        let row = (log.to_string(), digest, bytes, by);
        reader.store.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, row)?)).unwrap();
    };
    note(&mut reader, Some(head.bytes()), env!("CARGO_PKG_VERSION"));
    reader.reopen();
    assert!(reader.store.knows_head(&name).unwrap(), "what this version could not read it cannot read now");
    assert_eq!(reader.store.followed().unwrap()[0].head.head().n, 1);
    note(&mut reader, None, "0.0.0");
    reader.reopen();
    assert!(!reader.store.knows_head(&name).unwrap(), "it is fetched again");
    note(&mut reader, Some(head.bytes()), "0.0.0");
    reader.reopen();
    assert_eq!(reader.store.followed().unwrap()[0].head.head().n, 2);
    assert!(!reader.store.status().unwrap().log(log).unwrap().needs_upgrade);
    reader.pull(&author.store);
    assert_eq!(reader.facts.shown(), texts(&["a", "b"]));
    reader.check();
}

#[test]
fn a_damaged_row_of_a_head_that_was_kept_keeps_no_store_from_opening() {
    let (mut author, mut device) = (Device::new(), Device::new());
    device.trust(&author.store);
    for text in ["a", "b"] {
        author.say_all(&[text]);
        author.publish();
        if text == "a" {
            device.pull(&author.store);
        }
    }
    let head = newest(&author);
    let note = |device: &mut Device, log: String, digest: &[u8], bytes: &[u8]| {
        let sql = "INSERT OR REPLACE INTO heads_seen (log, digest, n, track, verdict, bytes, at_ms, reader)
                   VALUES (?1, ?2, 2, 0, 'newer', ?3, 0, '0.0.0')";
        device.store.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, (log, digest, bytes))?)).unwrap();
    };
    let (log, own) = (author.store.log(), device.store.log());
    let digest = *head.digest().as_bytes();
    note(&mut device, log.to_string(), &digest[..7], head.bytes());
    device.reopen();
    assert!(!device.store.verify().unwrap().is_empty(), "it is found where one looks for it");
    let sql = "DELETE FROM heads_seen WHERE length(digest) <> 32";
    device.store.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, [])?)).unwrap();
    // Bytes that are no head: another's is fetched again, and in the own log it is still known that there is one.
    note(&mut device, log.to_string(), &digest, b"nothing");
    note(&mut device, own.to_string(), &[7; 32], b"nothing");
    device.reopen();
    assert!(!device.store.knows_head(&head.name()).unwrap());
    device.say_all(&["c"]);
    device.drain().unwrap();
    device.store.seal().unwrap();
    assert!(
        matches!(device.store.sign(&statement(), NOW), Err(StoreError::Refused(_))),
        "it signs nothing beside that one"
    );
    // Its own bytes are not let go when it cannot be compared with what is damaged.
    let sql = "UPDATE heads_seen SET bytes = x'00' WHERE log = ?1 AND verdict = 'followed'";
    device.store.db.write(|tx| Ok::<_, StoreError>(tx.execute(sql, [log.to_string()])?)).unwrap();
    note(&mut device, log.to_string(), &digest, head.bytes());
    device.reopen();
    let sql = "SELECT bytes FROM heads_seen WHERE log = ?1 AND verdict = 'newer'";
    let kept: Vec<u8> = device.store.db.conn().query_row(sql, [log.to_string()], |row| row.get(0)).unwrap();
    assert_eq!(kept, head.bytes());
}

#[test]
fn a_head_of_a_later_version_stops_an_own_log_and_no_other() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let later = |key: &ed25519_dalek::SigningKey| {
        let head = newest(&device);
        let line = std::str::from_utf8(head.bytes()).unwrap().lines().next().unwrap();
        let line = line.replace(r#""min":1"#, r#""min":2"#).replace(r#""n":1"#, r#""n":2"#);
        let message = [b"carry head 1\n", line.as_bytes()].concat();
        let signature = crate::hash::encode64(&ed25519_dalek::Signer::sign(key, &message).to_bytes());
        let bytes = format!("{line}\n{signature}\n").into_bytes();
        (ObjectName::head(device.store.log(), 2, Digest::of(&[&bytes])), bytes)
    };
    let (name, bytes) = later(&device.store.key);
    let mut reader = Device::new();
    reader.trust(&device.store);
    reader.pull(&device.store);
    assert_eq!(reader.store.see_head(&name, &bytes, NOW).unwrap(), Seen::NeedsUpgrade);
    assert_eq!(reader.store.followed().unwrap()[0].head.head().n, 1);
    assert_eq!(reader.store.refused_heads().unwrap(), std::slice::from_ref(&name));
    assert_eq!(device.store.see_head(&name, &bytes, NOW).unwrap(), Seen::NeedsUpgrade);
    device.say_all(&["b"]);
    device.drain().unwrap();
    device.store.seal().unwrap();
    assert!(matches!(device.store.sign(&statement(), NOW), Err(StoreError::Refused(_))));
    reader.say_all(&["c"]);
    reader.publish();
}

#[test]
fn a_head_of_the_own_log_that_was_not_made_here_ends_the_log_also_when_it_is_wrong() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let (log, head) = (device.store.log(), newest(&device));
    let line = std::str::from_utf8(head.bytes()).unwrap().lines().next().unwrap();
    let line = line.replace(r#""n":1"#, r#""n":2"#).replace(r#""streams":{"#, r#""streams":{"no stream":[],"#);
    let message = [b"carry head 1\n", line.as_bytes()].concat();
    let sign = |key: &ed25519_dalek::SigningKey| {
        let signature = crate::hash::encode64(&ed25519_dalek::Signer::sign(key, &message).to_bytes());
        let bytes = format!("{line}\n{signature}\n").into_bytes();
        (ObjectName::head(log, 2, Digest::of(&[&bytes])), bytes)
    };
    let (name, bytes) = sign(&ed25519_dalek::SigningKey::from_bytes(&[3; 32]));
    assert!(matches!(device.store.see_head(&name, &bytes, NOW), Err(StoreError::Head(_))));
    assert_eq!(device.store.log(), log, "what is not signed says nothing");
    let (name, bytes) = sign(&device.store.key);
    let seen = device.store.see_head(&name, &bytes, NOW).unwrap();
    assert_ne!(device.store.log(), log);
    assert_eq!(seen, Seen::Foreign { log: device.store.log() });
    assert_eq!(device.store.refused_heads().unwrap(), [name]);
}

#[test]
fn a_head_that_another_process_takes_in_meanwhile_is_not_lost() {
    let mut author = Device::new();
    author.say_all(&["one"]);
    author.publish();
    let first = newest(&author);
    author.say_all(&["two"]);
    author.publish();
    let second = newest(&author);
    for (seen, meanwhile) in [(&first, &second), (&second, &second), (&second, &first)] {
        let mut reader = Device::new();
        reader.trust(&author.store);
        let (root, name, bytes) = (reader.root.clone(), meanwhile.name(), meanwhile.bytes().to_vec());
        let weighed = carry_kernel::fault::meanwhile("exchange.head.weighed", move || {
            let mut other = Store::open(setup(&root, "here")).unwrap();
            other.see_head(&name, &bytes, NOW).unwrap();
        });
        reader.store.see_head(&seen.name(), seen.bytes(), NOW).unwrap();
        drop(weighed);
        let followed = reader.store.followed().unwrap();
        assert_eq!(followed.iter().map(|one| one.head.head().n).collect::<Vec<_>>(), [second.head().n]);
    }
}

/// The tables in which a row is about a log.
fn tables_that_name(store: &Store, log: LogId) -> Vec<String> {
    let db = store.db.conn();
    let sql = "SELECT m.name FROM sqlite_schema m, pragma_table_info(m.name) c
               WHERE m.type = 'table' AND c.name = 'log' ORDER BY m.name";
    let mut tables = db.prepare(sql).unwrap();
    let tables: Vec<String> = tables.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let names = |table: &String| {
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {table} WHERE log = ?1)");
        db.query_row(&sql, [log.to_string()], |row| row.get::<_, bool>(0)).unwrap()
    };
    tables.into_iter().filter(names).collect()
}

#[test]
fn a_segment_that_another_version_could_not_read_is_looked_at_again() {
    let mut author = Device::new();
    author.say_all(&["one"]);
    author.publish();
    let mut reader = Device::new();
    reader.trust(&author.store);
    reader.pull_some(&author.store, 0, usize::MAX);
    let log = author.store.log();
    let db = reader.store.db.conn();
    let sql = "INSERT INTO later SELECT log, stream, first, last, bytes, digest, file, ?1 FROM segments WHERE log = ?2";
    db.execute(sql, (heads::READER, log.to_string())).unwrap();
    for table in ["segments", "ranges", "marks"] {
        db.execute(&format!("DELETE FROM {table} WHERE log = ?1"), [log.to_string()]).unwrap();
    }
    reader.reopen();
    assert_eq!(reader.store.status().unwrap().log(log).unwrap().streams[&stream("notes")].n_deferred, 1);
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&[]));
    reader.store.db.conn().execute("UPDATE later SET reader = 'another'", []).unwrap();
    reader.reopen();
    assert!(!reader.store.status().unwrap().log(log).unwrap().needs_upgrade);
    reader.deliver();
    assert_eq!(reader.facts.shown(), texts(&["one"]));
    reader.check();
    // What no head names any more is let go.
    let db = reader.store.db.conn();
    db.execute(sql, ("another", log.to_string())).unwrap();
    db.execute("DELETE FROM heads_seen", []).unwrap();
    reader.reopen();
    assert_eq!(reader.store.kept_for_later(log).unwrap().len(), 0);
}
