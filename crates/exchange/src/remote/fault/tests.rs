use crate::hash::Digest;
use crate::name::{LogId, ObjectName};
use crate::remote::MemoryRemote;

use super::*;

fn file(n: u8) -> RemoteFile {
    RemoteFile::object(&ObjectName::head(LogId::of_key(&[1; 32]), u64::from(n), Digest::of(&[&[n]])))
}

fn faulty(faults: Faults) -> Faulty<MemoryRemote> {
    let remote = Faulty::new(MemoryRemote::new("memory"), 1, Faults::default());
    remote.init(&Deadline::NONE).unwrap();
    remote.set(faults);
    remote
}

fn put(remote: &Faulty<MemoryRemote>, n: u8) -> Option<Put> {
    remote.put(&file(n), Source::Bytes(&[n; 100]), &Deadline::NONE).ok()
}

fn get(remote: &Faulty<MemoryRemote>, n: u8) -> Option<(Got, Vec<u8>)> {
    let mut bytes = Vec::new();
    remote.get(&file(n), Part::Whole { bytes_max: 1000 }, &mut bytes, &Deadline::NONE).ok().map(|got| (got, bytes))
}

/// The numbers of the heads that a listing shows.
fn listed(remote: &Faulty<MemoryRemote>) -> Vec<u8> {
    let mut seen = Vec::new();
    let each = &mut |page: &[Listing]| {
        seen.extend((1..=20).filter(|n| page.iter().any(|listing| listing.name == file(*n).name())));
        ControlFlow::Continue(())
    };
    remote.list(Folder::Heads, &Deadline::NONE, each).unwrap();
    seen
}

/// How many bytes are really there.
fn stored(remote: &Faulty<MemoryRemote>, n: u8) -> Option<usize> {
    remote.inner().files().get(file(n).path()).map(Vec::len)
}

#[test]
fn before_means_that_nothing_was_done_and_after_that_it_was() {
    let remote = faulty(Faults { before: 100, ..Faults::default() });
    assert_eq!((put(&remote, 1), stored(&remote, 1)), (None, None));
    let remote = faulty(Faults { after: 100, ..Faults::default() });
    assert_eq!((put(&remote, 1), stored(&remote, 1)), (None, Some(100)));
    let remote = faulty(Faults { busy: 100, ..Faults::default() });
    let error = remote.check(&Deadline::NONE).unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
}

#[test]
fn a_torn_put_leaves_a_beginning() {
    let remote = faulty(Faults { torn_put: 100, ..Faults::default() });
    assert_eq!(put(&remote, 1), None);
    let there = stored(&remote, 1).unwrap();
    assert!(there < 100);
    remote.heal();
    assert_eq!(put(&remote, 1), Some(Put::Exists { bytes: there as u64 }));
}

#[test]
fn a_short_get_looks_like_a_file_that_has_not_arrived_whole() {
    let remote = faulty(Faults::default());
    put(&remote, 1);
    remote.set(Faults { short_get: 100, ..Faults::default() });
    let (got, bytes) = get(&remote, 1).unwrap();
    assert!(bytes.len() < 100 && got.size == bytes.len() as u64 && got.bytes == got.size);
    remote.set(Faults { broken_get: 100, ..Faults::default() });
    assert_eq!(get(&remote, 1), None);
}

#[test]
fn what_is_late_is_seen_in_the_end_and_not_in_order() {
    let remote = faulty(Faults { late: 100, ..Faults::default() });
    for n in 1..=20 {
        assert_eq!(put(&remote, n), Some(Put::Created));
    }
    let seen = listed(&remote);
    assert!(!seen.is_empty() && seen.len() < 20, "{seen:?}");
    let first_missing = (1..=20).find(|n| !seen.contains(n)).unwrap();
    assert!(seen.iter().any(|n| *n > first_missing), "a later one is seen before an earlier one: {seen:?}");
    assert_eq!(get(&remote, first_missing), None);
    for _ in 0..LATE_CALLS_MAX {
        remote.check(&Deadline::NONE).unwrap();
    }
    assert_eq!(listed(&remote).len(), 20);
}

#[test]
fn a_stale_listing_shows_what_the_one_before_it_showed() {
    let remote = faulty(Faults { stale: 100, ..Faults::default() });
    put(&remote, 1);
    assert_eq!(listed(&remote), [1], "there is no earlier one");
    put(&remote, 2);
    assert_eq!(listed(&remote), [1]);
    remote.heal();
    assert_eq!(listed(&remote), [1, 2]);
}

#[test]
fn what_vanishes_was_said_to_be_there() {
    let remote = faulty(Faults { vanish: 100, ..Faults::default() });
    assert_eq!((put(&remote, 1), stored(&remote, 1)), (Some(Put::Created), None));
    assert_eq!(remote.happened(), BTreeMap::from([("vanish", 1)]));
}
