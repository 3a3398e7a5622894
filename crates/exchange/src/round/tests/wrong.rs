//! What its author signed and made wrong.

use super::*;
use crate::head::{Head, ListRef, StreamState, Vouch};
use crate::list::List;
use crate::segment::SegmentRef;

/// A place, an author whose files are made by hand, and a device that trusts it.
fn three() -> (Counted<MemoryRemote>, Author, Device) {
    let (remote, author, mut device) = (memory(), Author::new(9), Device::new());
    device.trust(author.log);
    (remote, author, device)
}

/// Exchanges, and expects that this head is named for this reason and nothing else, and is no news later.
#[track_caller]
fn refused(device: &mut Device, remote: &Counted<MemoryRemote>, head: &crate::head::SignedHead, why: &str) {
    let report = device.round(remote);
    let [Problem::Wrong(name, found)] = &report.problems[..] else { panic!("{:?}", report.problems) };
    assert_eq!(*name, head.name());
    assert!(found.contains(why), "{found}");
    let status = device.store.status().unwrap();
    let log = status.log(head.head().log()).unwrap();
    assert_eq!((log.n_ways, log.has_shrunk), (1, false), "it is no copied home");
    assert!(
        matches!(&log.wrong[..], [(name, found)] if *name == head.name() && found.contains(why)),
        "{:?}",
        log.wrong
    );
    assert_eq!((device.round(remote).problems, device.store.verify().unwrap()), (vec![], vec![]));
}

/// Exchanges, and expects that a good head has healed all.
#[track_caller]
fn healed(device: &mut Device, remote: &Counted<MemoryRemote>, log: LogId, shown: &[&str]) {
    assert_eq!(device.round(remote).problems, []);
    assert_eq!(device.shown(), texts(shown));
    let status = device.store.status().unwrap();
    let status = status.log(log).unwrap();
    assert_eq!((status.n_ways, status.n_missing(), &status.wrong[..]), (1, 0, &[][..]));
    assert_eq!(device.store.verify().unwrap(), []);
}

/// The tables of a device.
fn tables(device: &Device) -> carry_kernel::db::rusqlite::Connection {
    carry_kernel::db::rusqlite::Connection::open(Home::at(&device.root).database("exchange")).unwrap()
}

fn other_chain(_: &mut Head, state: &mut StreamState) {
    state.chain = Digest::of(&[b"another"]);
}

#[test]
fn a_first_head_with_a_chain_that_its_segments_do_not_have_is_named_and_a_later_one_heals_it() {
    let (remote, mut author, mut device) = three();
    author.seal(&remote.inner, "one");
    let wrong = author.head_as(&remote.inner, &other_chain);
    refused(&mut device, &remote, &wrong, "do not lead to the chain");
    assert_eq!(device.shown(), texts(&[]));
    author.head(&remote.inner);
    healed(&mut device, &remote, author.log, &["one"]);
    author.seal(&remote.inner, "two");
    author.head(&remote.inner);
    healed(&mut device, &remote, author.log, &["one", "two"]);
}

#[test]
fn after_a_good_head_a_wrong_one_takes_nothing_away() {
    let (remote, mut author, mut device) = three();
    author.seal(&remote.inner, "one");
    author.head(&remote.inner);
    device.round(&remote);
    author.seal(&remote.inner, "two");
    let wrong = author.head_as(&remote.inner, &other_chain);
    refused(&mut device, &remote, &wrong, "do not lead to the chain");
    // One that names nothing new is found out by what is held.
    let wrong = author.head_as(&remote.inner, &|head, state| {
        (head.wants, state.last) = (Vec::new(), 1);
        state.tail.truncate(1);
        other_chain(head, state);
    });
    let report = device.round(&remote);
    assert!(matches!(&report.problems[..], [Problem::Wrong(name, _)] if *name == wrong.name()), "{report:?}");
    assert_eq!(device.shown(), texts(&["one"]));
    author.seal(&remote.inner, "three");
    author.head(&remote.inner);
    healed(&mut device, &remote, author.log, &["one", "two", "three"]);
}

#[test]
fn segments_that_do_not_join_are_no_fork() {
    for is_first_known in [true, false] {
        let (remote, mut author, mut device) = three();
        author.seal(&remote.inner, "one");
        if is_first_known {
            author.head(&remote.inner);
            device.round(&remote);
        }
        let good = author.chain;
        author.chain = Digest::of(&[b"another"]);
        author.seal(&remote.inner, "two");
        let wrong = author.head(&remote.inner);
        refused(&mut device, &remote, &wrong, "after 1 do not join");
        assert_eq!(device.shown().len(), usize::from(is_first_known));
        author.tail.truncate(1);
        (author.last, author.chain) = (1, good);
        author.seal(&remote.inner, "two again");
        author.head(&remote.inner);
        healed(&mut device, &remote, author.log, &["one", "two again"]);
    }
}

#[test]
fn records_that_do_not_begin_where_their_log_does_are_no_fork() {
    let (remote, mut author, mut device) = three();
    author.chain = Digest::of(&[b"another"]);
    author.seal(&remote.inner, "one");
    let wrong = author.head(&remote.inner);
    refused(&mut device, &remote, &wrong, "after 0 do not join");
}

#[test]
fn what_was_folded_for_a_head_that_turns_out_wrong_is_taken_back() {
    let (remote, mut author, mut device) = three();
    let first = author.seal(&remote.inner, "one");
    author.chain = Digest::of(&[b"another"]);
    author.seal(&remote.inner, "two");
    let wrong = author.head(&remote.inner);
    // The older one is still on its way.
    let path = author.name_of(&first).path();
    let bytes = remote.inner.files()[&path].clone();
    remote.inner.uproot(&path);
    device.round(&remote);
    assert_eq!(device.shown(), texts(&["two"]));
    remote.inner.plant(&path, &bytes);
    refused(&mut device, &remote, &wrong, "after 1 do not join");
    assert_eq!(device.shown(), texts(&[]));
}

/// Puts a list of these streams.
fn plant_list(remote: &MemoryRemote, log: LogId, streams: &[(&str, &[SegmentRef])]) -> ListRef {
    let streams = streams.iter().map(|(name, segments)| (stream(name), segments.to_vec())).collect();
    let list = List { log, streams, holds: BTreeMap::new() }.write().unwrap();
    remote.plant(&list.name.path(), &list.bytes);
    list.reference
}

#[test]
fn a_list_and_a_tail_that_do_not_fit_are_their_heads_fault() {
    for (listed, tail, other, why) in [
        (0..1, 2..3, None, "do not follow"),
        (0..2, 1..3, None, "do not follow"),
        (0..2, 2..3, Some("plans"), "the list has it"),
    ] {
        let (remote, mut author, mut device) = three();
        author.seal(&remote.inner, "one");
        author.head(&remote.inner);
        device.round(&remote);
        author.seal(&remote.inner, "two");
        author.seal(&remote.inner, "three");
        let all = author.tail.clone();
        let mut streams = vec![("notes", &all[listed])];
        streams.extend(other.map(|name| (name, &all[0..1])));
        let list = plant_list(&remote.inner, author.log, &streams);
        author.tail = all[tail].to_vec();
        let wrong = author.head_as(&remote.inner, &|head, _| head.list = Some(list));
        refused(&mut device, &remote, &wrong, why);
        assert_eq!(device.shown(), texts(&["one"]));
        author.tail = all;
        author.head(&remote.inner);
        healed(&mut device, &remote, author.log, &["one", "two", "three"]);
    }
}

#[test]
fn a_file_that_is_too_large_for_its_heads_name_blames_nobody_and_is_named_while_it_is_there() {
    let (remote, mut author, mut device) = three();
    author.seal(&remote.inner, "one");
    author.head(&remote.inner);
    device.round(&remote);
    let of = |log, n: u64| ObjectName::head(log, n, Digest::of(&[&n.to_be_bytes()]));
    let planted = [of(author.log, 999_999), of(author.log, 999_998), of(crate::fixture::log(7), 1)];
    planted.iter().for_each(|name| remote.inner.plant(&name.path(), &[b'x'; 65_537]));
    remote.take();
    for _ in 0..2 {
        let report = device.round(&remote);
        assert_eq!(report.problems, [Problem::NoHead(planted[1].clone())], "one of each log that is known");
    }
    assert_eq!(remote.take().gets, 0);
    assert_eq!(device.store.status().unwrap().log(author.log).unwrap().wrong, []);
    assert_eq!(device.store.all_rejected().unwrap(), []);
    assert!(planted.iter().all(|name| remote.inner.uproot(&name.path())));
    author.seal(&remote.inner, "two");
    author.head(&remote.inner);
    healed(&mut device, &remote, author.log, &["one", "two"]);
}

#[test]
fn a_good_copy_of_a_head_is_read_where_a_file_that_is_too_large_has_its_name() {
    let (remote, mut author, mut device) = three();
    author.seal(&remote.inner, "one");
    let head = author.head(&remote.inner);
    remote.inner.plant(&head.name().path(), &[b'x'; 65_537]);
    remote.inner.plant(&head.name().replica_path(1), head.bytes());
    healed(&mut device, &remote, author.log, &["one"]);
}

#[test]
fn a_header_that_is_too_large_is_its_authors_fault_and_a_damaged_prelude_is_not() {
    let (remote, mut author, mut device) = three();
    device.say("mine");
    let filler = "x".repeat(1024 * 1024);
    let segment = author.seal_as(&remote.inner, "one", &|header| header["filler"] = filler.as_str().into(), &[]);
    author.head(&remote.inner);
    let name = author.name_of(&segment);
    let good = remote.inner.files()[&name.path()].clone();
    let mut damaged = good.clone();
    damaged[100] ^= 1;
    remote.inner.plant(&name.path(), &damaged);
    assert_eq!(device.round(&remote).problems, [Problem::Arriving(name.clone())]);
    remote.inner.plant(&name.path(), &good);
    let report = device.round(&remote);
    let [Problem::Wrong(found, why)] = &report.problems[..] else { panic!("{:?}", report.problems) };
    assert_eq!(*found, name);
    assert!(why.contains("more than 1048576"), "{why}");
    remote.take();
    device.advance(MINUTE);
    assert_eq!(device.round(&remote).problems, [Problem::StillWrong(name.clone(), why.clone())], "that is no news");
    assert_eq!(remote.take().gets, 0, "no copy will be better");
    let found_at = |device: &Device| device.store.rejected("r", &name.path()).unwrap().unwrap().last;
    let first = found_at(&device);
    for _ in 0..3 {
        device.advance(DAY);
        remote.inner.plant(&name.path(), &good);
        let report = device.round(&remote);
        assert_eq!(report.problems, [Problem::StillWrong(name.clone(), why.clone())]);
    }
    assert_eq!(found_at(&device), first, "it is not read again, though the file changed");
    let (head, _) = device.store.signed_segments().unwrap().unwrap();
    assert_eq!(head.head().wants, []);
    let wrong = device.store.status().unwrap().log(author.log).unwrap().wrong.clone();
    assert_eq!(wrong, [(name, why.clone())], "in the same words");
}

#[test]
fn a_wrong_head_whose_segments_come_after_the_good_one_holds_up_nothing_for_good() {
    let (remote, mut author, mut device) = three();
    let segment = author.seal(&remote.inner, "one");
    let path = author.name_of(&segment).path();
    let bytes = remote.inner.files()[&path].clone();
    remote.inner.uproot(&path);
    let wrong = author.head_as(&remote.inner, &other_chain);
    device.round(&remote);
    author.head(&remote.inner);
    device.round(&remote);
    remote.inner.plant(&path, &bytes);
    let report = device.round(&remote);
    assert!(matches!(&report.problems[..], [Problem::Wrong(name, _)] if *name == wrong.name()), "{report:?}");
    healed(&mut device, &remote, author.log, &["one"]);
    author.seal(&remote.inner, "two");
    author.head(&remote.inner);
    healed(&mut device, &remote, author.log, &["one", "two"]);
}

#[test]
fn what_was_said_on_a_later_way_than_a_refused_head_stays_when_its_log_is_revoked() {
    for with_parent in [false, true] {
        let (remote, mut author, mut device) = three();
        let parent = crate::fixture::log(3);
        let vouched = |head: &mut Head, _: &mut StreamState| {
            let sign = crate::fixture::sign(3);
            let vouch = Vouch::new(crate::fixture::public(3), BTreeMap::new(), &head.key, &sign);
            head.from = with_parent.then_some(vouch);
        };
        let segment = author.seal(&remote.inner, "one");
        let path = author.name_of(&segment).path();
        let bytes = remote.inner.files()[&path].clone();
        remote.inner.uproot(&path);
        author.head_as(&remote.inner, &|head, state| {
            vouched(head, state);
            other_chain(head, state);
        });
        device.round(&remote);
        author.head_as(&remote.inner, &vouched);
        device.round(&remote);
        remote.inner.plant(&path, &bytes);
        device.round(&remote);
        healed(&mut device, &remote, author.log, &["one"]);
        let tracks: Vec<_> = device.store.followed_of(author.log).unwrap().iter().map(|way| way.track).collect();
        assert_eq!(tracks, [1], "the first way has no head");
        let before = device.store.said(author.log).unwrap();
        assert_eq!(before, BTreeMap::from([(stream("notes"), (1, author.chain))]));
        if with_parent {
            device.trust(parent);
            device.store.revoke(parent, &BTreeMap::new(), NOW).unwrap();
        } else {
            device.store.revoke(author.log, &before, NOW).unwrap();
        }
        assert_eq!(device.store.state(author.log).unwrap(), Some(crate::store::LogState::Revoked));
        author.seal(&remote.inner, "two");
        author.head_as(&remote.inner, &vouched);
        device.round(&remote);
        assert_eq!(device.shown(), texts(&["one"]), "{with_parent}");
    }
}

#[test]
fn what_is_noted_wrong_here_of_a_good_segment_blames_no_head() {
    for column in ["base", "chain"] {
        let (remote, mut author, mut device) = three();
        author.seal(&remote.inner, "one");
        author.head(&remote.inner);
        device.round(&remote);
        let sql = format!("UPDATE segments SET {column} = zeroblob(length({column})) WHERE log = ?1");
        assert_eq!(tables(&device).execute(&sql, [author.log.to_string()]).unwrap(), 1);
        // One head of which it is the last segment, and one of which it is the neighbour of the last.
        author.head(&remote.inner);
        assert_eq!(device.round(&remote).problems, [], "{column}");
        author.seal(&remote.inner, "two");
        author.head(&remote.inner);
        assert_eq!(device.round(&remote).problems, [], "{column}");
        assert_eq!(device.shown(), texts(&["one", "two"]), "{column}");
        assert_ne!(device.store.verify().unwrap(), [], "{column}");
    }
}

#[test]
fn what_is_read_to_find_out_what_is_wrong_is_within_the_rounds_budget() {
    let (remote, mut device) = (memory(), Device::new());
    for seed in [8, 9] {
        let mut author = Author::new(seed);
        device.trust(author.log);
        author.seal(&remote.inner, "one");
        author.head_as(&remote.inner, &other_chain);
    }
    device.options.budget.objects = 1;
    for has_more in [true, false] {
        let report = device.round(&remote);
        assert!(matches!(&report.problems[..], [Problem::Wrong(..)]), "{report:?}");
        assert_eq!(report.has_more, has_more);
    }
    assert_eq!(device.round(&remote).problems, []);
}

#[test]
fn of_a_log_that_is_wrong_again_and_again_the_next_round_goes_on() {
    let (remote, mut author, mut device) = three();
    let segment = author.seal(&remote.inner, "one");
    let path = author.name_of(&segment).path();
    let bytes = remote.inner.files()[&path].clone();
    remote.inner.uproot(&path);
    for n in 0..6_u64 {
        author.head_as(&remote.inner, &|_, state| state.chain = Digest::of(&[&n.to_le_bytes()]));
        device.round(&remote);
    }
    remote.inner.plant(&path, &bytes);
    let is_wrong = |problem: &&Problem| matches!(problem, Problem::Wrong(..));
    for n_wrong in [4, 2, 0] {
        let report = device.round(&remote);
        assert_eq!(report.problems.iter().filter(is_wrong).count(), n_wrong, "{report:?}");
    }
}

/// Has another process of a device do this when this one comes to a point.
fn meanwhile(device: &Device, point: &str, work: impl FnOnce(&mut Store) + 'static) -> carry_kernel::fault::Meanwhile {
    let root = device.root.clone();
    carry_kernel::fault::meanwhile(point, move || work(&mut Store::open(setup(&root, "here", NOW)).unwrap()))
}

#[test]
fn a_head_whose_log_another_process_parts_meanwhile_is_refused_on_the_way_that_it_is_on_then() {
    let (remote, mut author, mut device) = three();
    author.seal(&remote.inner, "one");
    let good = author.chain;
    author.seal(&remote.inner, "two");
    author.head(&remote.inner);
    device.round(&remote);
    author.tail.truncate(1);
    (author.last, author.chain) = (1, good);
    let other = author.seal(&remote.inner, "two again");
    author.seal(&remote.inner, "three");
    author.head_as(&remote.inner, &|head, state| {
        (head.n, head.prev) = (3, Some(Digest::of(&[b"a head in between"])));
        other_chain(head, state);
    });
    let path = author.name_of(&other).path();
    let bytes = remote.inner.files()[&path].clone();
    remote.inner.uproot(&path);
    let expected = crate::segment::Expected { log: author.log, stream: stream("notes"), reference: other };
    let parted = meanwhile(&device, "exchange.head.refusing", move |store| {
        let accepted = store.accept_bytes(&expected, &bytes).unwrap();
        assert!(matches!(accepted, crate::store::Accepted::Forked { track: 1, .. }), "{accepted:?}");
    });
    let report = device.round(&remote);
    drop(parted);
    assert!(matches!(&report.problems[..], [Problem::Wrong(..)]), "{report:?}");
    device.round(&remote);
    assert_eq!(device.shown(), texts(&["one", "two"]));
    assert_eq!(device.store.verify().unwrap(), []);
}

#[test]
fn a_segment_that_another_process_takes_in_while_a_head_is_weighed_shows_that_it_is_wrong() {
    for is_head_first in [true, false] {
        let (remote, mut author, mut device) = three();
        let segment = author.seal(&remote.inner, "one");
        author.head(&remote.inner);
        let path = author.name_of(&segment).path();
        let bytes = remote.inner.files()[&path].clone();
        remote.inner.uproot(&path);
        device.round(&remote);
        let expected = crate::segment::Expected { log: author.log, stream: stream("notes"), reference: segment };
        let wrong = author.head_as(&remote.inner, &other_chain);
        let done = if is_head_first {
            meanwhile(&device, "exchange.head.weighed", move |store| {
                store.accept_bytes(&expected, &bytes).unwrap();
            })
        } else {
            remote.inner.uproot(&wrong.name().path());
            remote.inner.plant(&path, &bytes);
            let head = wrong.clone();
            meanwhile(&device, "exchange.accept.kept", move |store| {
                store.see_head(&head.name(), head.bytes(), NOW).unwrap();
            })
        };
        let report = device.round(&remote);
        drop(done);
        assert!(matches!(&report.problems[..], [Problem::Wrong(name, _)] if *name == wrong.name()), "{report:?}");
        assert_eq!(device.store.followed_of(author.log).unwrap().len(), 1);
        device.round(&remote);
        assert_eq!((device.shown(), device.store.verify().unwrap()), (texts(&["one"]), vec![]));
    }
}

#[test]
fn another_version_reads_a_wrong_head_again_unless_it_contradicts_itself() {
    for (contradicts, n_gets) in [(true, 0), (false, 1)] {
        let (remote, mut author, mut device) = three();
        author.seal(&remote.inner, "one");
        author.head(&remote.inner);
        device.round(&remote);
        if contradicts {
            let wrong = author.head_as(&remote.inner, &other_chain);
            refused(&mut device, &remote, &wrong, "do not lead to the chain");
        }
        let sql = match contradicts {
            true => "UPDATE heads_seen SET reader = 'another' WHERE reader IS NOT NULL",
            false => "UPDATE heads_seen SET (verdict, reader, bytes) = ('wrong', 'another', NULL) WHERE log = ?1",
        };
        let params: &[String] = if contradicts { &[] } else { &[author.log.to_string()] };
        tables(&device).execute(sql, carry_kernel::db::rusqlite::params_from_iter(params)).unwrap();
        remote.take();
        device.round(&remote);
        assert_eq!(remote.take().gets, n_gets, "{contradicts}");
        let n_followed = device.store.followed_of(author.log).unwrap().len();
        assert_eq!(n_followed, 1, "{contradicts}");
    }
}
