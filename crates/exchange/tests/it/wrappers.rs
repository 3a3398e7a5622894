//! Places that fail and places that are asked again, together.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use carry_exchange::name::Folder;
use carry_exchange::remote::{
    Class, Deadline, Faults, Faulty, FolderRemote, MemoryRemote, Put, Remote, Retry, Retrying, Source,
};
use carry_testkit::s3::{BUCKET, S3};
use tempfile::TempDir;

use crate::places::open;
use crate::rig::{NoTime, WHOLE, get, head, log, names, segment};

/// Puts and gets until everything is there, as an author does: beside a damaged file comes a replica. Says which failures
/// happened.
fn settle<R: Remote>(inner: R, seed: u64) -> BTreeSet<&'static str> {
    let faulty = Faulty::new(inner, seed, Faults::default());
    faulty.init(&Deadline::NONE).unwrap();
    faulty.set(Faults::all(10));
    let remote = Retrying::with_pause(faulty, Retry { tries_max: 8, ..Retry::default() }, seed, NoTime);
    let content = |n: u64| vec![u8::try_from(n).unwrap(); 500];
    let mut settled = BTreeSet::new();
    for round in 0..200 {
        if round == 150 {
            remote.inner().heal();
        }
        for n in (1..=10).filter(|n| !settled.contains(n)).collect::<Vec<_>>() {
            let name = segment(n).to_string().parse().unwrap();
            let own = carry_exchange::remote::RemoteFile::object(&name);
            let replicas = (1..=9).map(|n| carry_exchange::remote::RemoteFile::replica(&name, n));
            for file in std::iter::once(own).chain(replicas) {
                let put = remote.put(&file, Source::Bytes(&content(n)), &Deadline::NONE);
                match put {
                    Ok(Put::Exists { bytes }) if bytes < 500 => continue,
                    Ok(_) => {}
                    Err(error) => assert!(error.class().is_transient(), "{error:?}"),
                }
                if get(&remote, &file, WHOLE).is_ok_and(|(bytes, _)| bytes == content(n)) {
                    settled.insert(n);
                }
                break;
            }
        }
    }
    assert_eq!(settled.len(), 10, "seed {seed}: {:?}", remote.inner().happened());
    remote.inner().happened().into_keys().collect()
}

#[test]
fn an_author_who_repeats_gets_everything_to_an_unsteady_place() {
    let happened: BTreeSet<_> = (0..40).flat_map(|seed| settle(MemoryRemote::new("memory"), seed)).collect();
    let expected = ["after", "before", "broken get", "busy", "copy", "late", "short get", "torn put", "vanish"];
    assert_eq!(Vec::from_iter(happened), expected);
    let dir = TempDir::new().unwrap();
    settle(FolderRemote::new(dir.path(), log(), 1), 3);
    let server = S3::start();
    settle(open(&format!("s3://{BUCKET}?endpoint={}", server.endpoint())), 4);
}

#[test]
fn the_same_seed_fails_in_the_same_way() {
    let run = |seed| {
        let remote = Faulty::new(MemoryRemote::new("memory"), seed, Faults::default());
        remote.init(&Deadline::NONE).unwrap();
        remote.set(Faults::all(20));
        let mut seen = Vec::new();
        for n in 1..=60 {
            let put = remote.put(&head(n), Source::Bytes(b"content"), &Deadline::NONE);
            seen.push(put.map_err(|error| error.class()).map(|put| format!("{put:?}")));
            seen.push(names(&remote, Folder::Heads).map_err(|error| error.class()).map(|names| format!("{names:?}")));
        }
        (seen, remote.happened())
    };
    assert_eq!(run(4), run(4));
    assert_ne!(run(4).0, run(5).0);
}

#[test]
fn a_listing_that_is_asked_for_again_shows_all() {
    let faulty = Faulty::new(MemoryRemote::new("memory"), 9, Faults::default());
    faulty.init(&Deadline::NONE).unwrap();
    for n in 1..=50 {
        faulty.put(&head(n), Source::Bytes(b"x"), &Deadline::NONE).unwrap();
    }
    faulty.set(Faults::passing(30));
    let remote = Retrying::with_pause(faulty, Retry { tries_max: 100, ..Retry::default() }, 9, NoTime);
    for _ in 0..50 {
        let mut seen = BTreeSet::new();
        let listed = remote.list(Folder::Heads, &Deadline::NONE, &mut |page| {
            seen.extend(page.iter().map(|listing| listing.name.clone()));
            ControlFlow::Continue(())
        });
        listed.unwrap();
        assert_eq!(seen.len(), 50);
    }
    assert!(remote.inner().happened()["after"] > 5);
}

#[test]
fn a_copy_of_a_sync_tool_can_be_listed_read_and_removed() {
    let remote = Faulty::new(MemoryRemote::new("memory"), 1, Faults { copy: 100, ..Faults::default() });
    remote.init(&Deadline::NONE).unwrap();
    remote.put(&head(1), Source::Bytes(b"content"), &Deadline::NONE).unwrap();
    let listed = names(&remote, Folder::Heads).unwrap();
    assert_eq!(listed.len(), 2);
    let copy = listed.iter().find(|(name, _)| name != head(1).name()).unwrap();
    let copy = carry_exchange::remote::RemoteFile::new(Folder::Heads, &copy.0).unwrap();
    assert_eq!(get(&remote, &copy, WHOLE).unwrap().0, b"content");
    assert!(remote.delete(&copy, &Deadline::NONE).unwrap());
    assert_eq!(get(&remote, &copy, WHOLE).unwrap_err().class(), Class::NotThere);
    assert_eq!(names(&remote, Folder::Heads).unwrap().len(), 1);
}
