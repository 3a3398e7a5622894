//! Logs that nobody approved, and streams that do not go everywhere.

use super::*;

#[test]
fn a_strangers_log_is_neither_folded_nor_passed_on_until_it_is_approved() {
    let (one, two) = (memory(), memory());
    let mut stranger = Device::new();
    stranger.say("hello");
    stranger.round(&one);
    let mut device = Device::new();
    let report = device.round(&one);
    assert_eq!((report.new_logs, device.shown()), (vec![stranger.store.log()], texts(&[])));
    assert_eq!(report.records.len(), 1, "a little of it is kept apart");
    let report = device.try_round(&two, "two").unwrap();
    assert_eq!((report.relayed, two.inner.files().len()), (Moved::default(), 1));
    device.trust(stranger.store.log());
    device.round(&one);
    assert_eq!(device.shown(), texts(&["hello"]));
    let report = device.try_round(&two, "two").unwrap();
    assert_eq!((report.relayed.n_heads, report.relayed.n_objects), (1, 1));
}

#[test]
fn a_stranger_may_bring_so_much() {
    let remote = memory();
    let mut stranger = Device::new();
    let mut device = Device::new();
    stranger.say("small");
    stranger.round(&remote);
    // A second segment that is larger than the quota, as the head says; it need not be there.
    let (signed, _) = stranger.store.signed_segments().unwrap().unwrap();
    assert_eq!(signed.head().n, 1);
    device.round(&remote);
    assert!(device.store.room(stranger.store.log(), &stream("notes")).unwrap() < crate::store::UNAPPROVED_LOG_BYTES);
    assert_eq!(device.store.room(device.store.log(), &stream("notes")).unwrap(), u64::MAX);
}

#[test]
fn made_up_heads_do_not_hide_the_good_one() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("one");
    devices[0].round(&remote);
    let log = devices[0].store.log();
    for n in 0..50u64 {
        let id = &Digest::of(&[&n.to_le_bytes()]);
        let name = ObjectName::head(log, 999_999_999_000 + n, *id);
        remote.inner.plant(&name.path(), format!("made up {n}").as_bytes());
    }
    devices[1].round(&remote);
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), texts(&["one"]));
    remote.take();
    devices[1].round(&remote);
    assert_eq!(remote.take().gets, 0, "what is no head is read once");
}

#[test]
fn a_stream_goes_only_where_it_may() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].options.streams = Some(BTreeSet::from([stream("curation")]));
    devices[0].say("at home");
    devices[0].curation.say("a label");
    devices[0].round(&remote);
    assert!(paths(&remote.inner, ".seg").iter().all(|path| path.contains("curation")));
    let report = devices[1].round(&remote);
    assert_eq!((devices[1].shown(), devices[1].curation.shown()), (texts(&[]), texts(&["a label"])));
    assert_eq!(report.pulled.n_objects, 1);
    remote.take();
    devices[0].round(&remote);
    assert_eq!(remote.take().puts, 0);
}

#[test]
fn each_direction_alone() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("one");
    devices[0].options.direction = Direction::Pull;
    let report = devices[0].round(&remote);
    assert_eq!((report.pushed, remote.inner.files().len()), (Moved::default(), 1));
    devices[0].options.direction = Direction::Push;
    devices[1].say("two");
    devices[1].round(&remote);
    devices[0].round(&remote);
    assert_eq!(devices[0].shown(), texts(&["one"]));
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), texts(&["one", "two"]));
}

#[test]
fn a_dry_run_says_what_would_move_and_moves_nothing() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[1].say("two");
    devices[1].round(&remote);
    devices[0].say("one");
    devices[0].options.is_dry_run = true;
    remote.take();
    let (files, held) = (remote.inner.files(), devices[0].store.followed().unwrap().len());
    let report = devices[0].round(&remote);
    assert_eq!((report.pulled.n_heads, report.pulled.n_objects), (1, 1));
    assert_eq!((remote.inner.files(), devices[0].store.followed().unwrap().len()), (files, held));
    let calls = remote.take();
    assert_eq!((calls.puts, calls.deletes), (0, 0));
    assert_eq!(devices[0].store.rounds().unwrap(), []);
    devices[0].options.is_dry_run = false;
    devices[0].round(&remote);
    // With another place in view: everything would go there.
    let other = memory();
    devices[0].options.is_dry_run = true;
    let report = devices[0].try_round(&other, "other").unwrap();
    assert_eq!((report.pushed.n_heads, report.relayed.n_heads, other.inner.files().len()), (1, 1, 1));
}

#[test]
fn a_disk_that_is_nearly_full_is_named_and_lets_curation_through() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("a note");
    devices[0].curation.say("a label");
    devices[0].round(&remote);
    let log = devices[0].store.log();
    devices[1].store.set_room(crate::store::Room { free: crate::store::Free::Bytes(u64::MAX), ..Default::default() });
    let report = devices[1].round(&remote);
    assert!(
        matches!(
            report.problems[..],
            [Problem::Quota(of, Reached { limit: Limit::Disk, disk: Some(disk), .. })]
                if of == log && disk.is_low() && disk.needed == u64::MAX
        ),
        "{report:?}"
    );
    assert_eq!((devices[1].shown(), devices[1].curation.shown()), (texts(&[]), texts(&["a label"])));
    devices[1].store.set_room(crate::store::Room { free: crate::store::Free::Bytes(0), ..Default::default() });
    assert_eq!(devices[1].round(&remote).problems, []);
    assert_eq!(devices[1].shown(), texts(&["a note"]));
}

#[test]
fn a_stream_that_is_refused_keeps_no_other_of_its_log_back() {
    let remote = memory();
    let mut devices = fleet(2);
    let noise = (0..4000u64).map(|n| Digest::of(&[&n.to_le_bytes()]).to_string()).collect::<String>();
    devices[0].curation.say(&noise);
    devices[0].say("a note");
    devices[0].round(&remote);
    // The large one, which comes first, is more than what the log may bring; the small one is not.
    devices[1].store.set_room(crate::store::Room { log_bytes: 20_000, ..Default::default() });
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Quota(_, Reached { limit: Limit::Log, .. })]), "{report:?}");
    assert_eq!((devices[1].shown(), devices[1].curation.shown()), (texts(&["a note"]), texts(&[])));
}

/// The log of a device and how far it has said something.
fn said_of(device: &Device) -> (LogId, BTreeMap<StreamName, (u64, Digest)>) {
    let (head, _) = device.store.signed_segments().unwrap().unwrap();
    let streams = head.head().streams.iter();
    (device.store.log(), streams.map(|(stream, state)| (stream.clone(), (state.last, state.chain))).collect())
}

#[test]
fn nothing_is_fetched_of_what_a_revoked_device_says_later() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("before");
    devices[0].round(&remote);
    devices[1].round(&remote);
    let (log, at) = said_of(&devices[0]);
    devices[1].store.revoke(log, &at, NOW).unwrap();
    let kept = devices[1].store.log_bytes(log).unwrap();
    for n in 0..3 {
        devices[0].say(&format!("after {n}"));
        devices[0].round(&remote);
        let report = devices[1].round(&remote);
        assert_eq!((report.pulled.n_objects, report.problems), (0, Vec::new()));
    }
    assert_eq!((devices[1].store.log_bytes(log).unwrap(), devices[1].shown()), (kept, texts(&["before"])));
    assert_eq!(devices[1].store.status().unwrap().log(log).unwrap().n_missing(), 0);
    // Whoever meets it only now gets what counts, and no more.
    let mut third = Device::new();
    third.trust(log);
    third.store.revoke(log, &at, NOW).unwrap();
    third.round(&remote);
    assert_eq!(third.shown(), texts(&["before"]));
    // Approved again, it is taken in.
    devices[1].trust(log);
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), texts(&["before", "after 0", "after 1", "after 2"]));
}

#[test]
fn of_what_its_author_made_wrong_one_copy_is_read_an_hour() {
    let remote = memory();
    let (log, notes) = (crate::fixture::log(9), stream("notes"));
    // A block that unpacks to more than it says.
    let mut compressor = zstd::bulk::Compressor::new(1).unwrap();
    compressor.include_checksum(true).unwrap();
    let block = compressor.compress(&[0; 5000]).unwrap();
    let (base, chain) = (crate::chain::chain_start(log, &notes), Digest::of(&[b"any"]));
    let header = serde_json::json!({
        "v": 1, "log": log.to_string(), "stream": "notes", "first": 1, "last": 1,
        "base": base.to_text(), "chain": chain.to_text(), "dict": 0,
        "blocks": [[block.len(), Digest::of(&[&block]).to_text(), "r", 100, 1, 1, base.to_text()]], "attach": [],
    });
    let header = header.to_string();
    let head = format!("carry-seg 1 {:010}\n{header}", header.len());
    let (digest, file) = (Digest::of(&[head.as_bytes()]), [head.as_bytes(), &block].concat());
    let reference = crate::segment::SegmentRef { first: 1, last: 1, bytes: file.len() as u64, digest };
    let path = reference.name(log, &notes).path();
    let state = crate::head::StreamState { last: 1, chain, relay: Relay::Any, tail: vec![reference] };
    let mut head = crate::fixture::bare_head();
    (head.key, head.streams) = (crate::fixture::public(9), BTreeMap::from([(notes, state)]));
    let head = head.sign(&crate::fixture::sign(9)).unwrap();
    remote.inner.plant(&head.name().path(), head.bytes());
    // Its own name does not come first among those that are there, or is not there at all.
    for with_own in [true, false] {
        let stem = path.strip_suffix(".seg").unwrap();
        remote.inner.uproot(&path);
        for n in if with_own { 0..3 } else { 1..3 } {
            let path = if n == 0 { path.clone() } else { format!("{stem}.conflict-{n}.seg") };
            remote.inner.plant(&path, &file);
        }
        let mut device = Device::new();
        let n_gets = |device: &mut Device| {
            remote.take();
            let report = device.round(&remote);
            assert!(matches!(report.problems[..], [Problem::StillWrong(..)]), "{:?}", report.problems);
            remote.take().gets
        };
        let report = device.round(&remote);
        assert!(matches!(report.problems[..], [Problem::Wrong(..)]), "{:?}", report.problems);
        for _ in 0..4 {
            assert_eq!(n_gets(&mut device), 0, "it was read already");
            device.advance(DAY / 24);
            assert_eq!(n_gets(&mut device), 1, "the reading may have been at fault");
        }
    }
}

#[test]
fn heads_of_a_revoked_log_that_cannot_be_placed_are_read_once_an_hour() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say("before");
    devices[0].round(&remote);
    devices[1].round(&remote);
    let (log, at) = said_of(&devices[0]);
    devices[1].store.revoke(log, &at, NOW).unwrap();
    // Of the older ones nothing can be said without the records, which are not fetched.
    for n in 0..3 {
        devices[0].say(&format!("after {n}"));
        devices[0].round(&remote);
    }
    assert_eq!(devices[1].round(&remote).pulled.n_heads, 3);
    remote.take();
    devices[1].round(&remote);
    assert_eq!(remote.take().gets, 0);
    devices[1].advance(DAY / 24);
    devices[1].round(&remote);
    assert_eq!(remote.take().gets, 2);
}

/// Plants the first head of a stranger.
fn plant_stranger(remote: &MemoryRemote, seed: u8) -> LogId {
    let mut head = crate::fixture::bare_head();
    head.key = crate::fixture::public(seed);
    let head = head.sign(&crate::fixture::sign(seed)).unwrap();
    remote.plant(&head.name().path(), head.bytes());
    head.head().log()
}

#[test]
fn many_strangers_are_read_once_and_keep_no_device_out() {
    let remote = memory();
    let strangers: BTreeSet<LogId> = (1..=70).map(|seed| plant_stranger(&remote.inner, seed)).collect();
    let mut device = Device::new();
    device.round(&remote);
    let met = |device: &Device| -> BTreeSet<LogId> {
        device.store.logs().unwrap().into_iter().map(|row| row.log).filter(|log| strangers.contains(log)).collect()
    };
    assert_eq!(met(&device).len(), 64);
    remote.take();
    device.round(&remote);
    assert_eq!(remote.take().gets, 0, "those for which there is no room are not read again");
    // Approved by its id, one of them is read at once.
    let left: Vec<LogId> = strangers.difference(&met(&device)).copied().collect();
    device.trust(left[0]);
    device.round(&remote);
    assert_eq!(device.store.followed_of(left[0]).unwrap().len(), 1);
    // What is forgotten makes room for another and does not come back by itself.
    let gone = *met(&device).iter().find(|log| **log != left[0]).unwrap();
    device.store.forget(gone, NOW).unwrap();
    device.round(&remote);
    let now = met(&device);
    assert_eq!((now.len(), now.contains(&gone)), (65, false));
    let others: Vec<LogId> = now.into_iter().filter(|log| *log != left[0]).collect();
    for log in &others {
        device.store.forget(*log, NOW).unwrap();
    }
    device.round(&remote);
    assert_eq!(met(&device).len(), 5, "the one that is approved, and those that were never met");
    remote.take();
    device.advance(DAY);
    device.round(&remote);
    assert_eq!(met(&device).len(), 5);
    device.advance(crate::store::FORGOTTEN_FOR);
    device.round(&remote);
    assert!(met(&device).len() > 5);
}

#[test]
fn any_number_of_made_up_heads_at_one_end_holds_up_nothing() {
    let remote = memory();
    let mut devices = fleet(2);
    let log = devices[0].store.log();
    for n in 0..500u64 {
        let name = ObjectName::head(log, 999_999_999_000 - n, Digest::of(&[&n.to_le_bytes()]));
        remote.inner.plant(&name.path(), b"made up");
    }
    for text in ["one", "two", "three"] {
        devices[0].say(text);
        devices[0].round(&remote);
        devices[1].round(&remote);
        assert_eq!(devices[1].shown(), devices[0].shown(), "{text}");
    }
}

#[test]
fn a_listing_that_is_cut_is_named() {
    let remote = memory();
    let mut device = Device::new();
    device.round(&remote);
    for n in 0..2_100u64 {
        let name = ObjectName::head(crate::fixture::log(9), n + 1, Digest::of(&[&n.to_le_bytes()]));
        remote.inner.plant(&name.path(), b"made up");
    }
    assert!(device.round(&remote).problems.contains(&Problem::Cut(None)));
}

#[test]
fn what_does_not_fit_among_all_strangers_is_read_once_an_hour_and_comes_when_there_is_room() {
    let (remote, mut device) = (memory(), Device::new());
    let (mut hostile, mut good) = (Author::new(8), Author::new(9));
    hostile.seal(&remote.inner, "much");
    hostile.head(&remote.inner);
    device.round(&remote);
    let mut db = Db::open(&Home::at(&device.root).database("exchange"), crate::store::SCHEMA).unwrap();
    let all = i64::try_from(crate::store::UNAPPROVED_BYTES).unwrap();
    let n = db.write(|tx| Ok::<_, StoreError>(tx.execute("UPDATE unpacked SET bytes = ?1", [all])?)).unwrap();
    assert_eq!(n, 1);
    for text in ["little", "a little more", "and more"] {
        good.seal(&remote.inner, text);
    }
    good.head(&remote.inner);
    let is_full = |device: &mut Device| {
        let problems = device.round(&remote).problems;
        let [Problem::Quota(log, reached)] = &problems[..] else { panic!("{problems:?}") };
        assert_eq!((*log, reached.limit), (good.log, Limit::UnpackedAll));
        remote.take().gets
    };
    remote.take();
    assert_eq!(is_full(&mut device), 2, "the head, and of all that it names one");
    assert_eq!(is_full(&mut device), 0, "it was read already");
    device.advance(DAY / 24);
    assert_eq!(is_full(&mut device), 1);
    device.store.forget(hostile.log, NOW).unwrap();
    device.advance(DAY / 24);
    assert_eq!(device.round(&remote).problems, []);
    assert!(device.store.held(good.log, 0).unwrap()[&stream("notes")].contains_all(1, 3));
}
