//! What every place promises. Other crates run it on theirs: they include this file and `rig.rs`.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use carry_exchange::name::{FORMAT_BYTES, Folder};
use carry_exchange::remote::{
    Class, Deadline, Init, Listed, News, Part, Put, Remote, RemoteError, RemoteFile, Source, Stop,
};
use carry_kernel::clock::{Clock, ManualClock, Timestamp};

use crate::rig::{Rig, WHOLE, head, listings, log, segment};

/// Runs the contract on what `$rig` makes: an `Option`, `None` where it cannot be made.
macro_rules! contract {
    ($($place:ident: $rig:expr;)*) => {$(
        mod $place {
            use super::*;
            fn rig() -> Option<$crate::rig::Rig> {
                $rig
            }
            $crate::contract::contract!(@tests
                a_place_without_a_marker_takes_and_gives_nothing
                a_place_is_marked_once
                a_place_that_is_marked_otherwise_is_not_touched
                what_was_put_is_got_whole_and_in_parts
                what_is_there_is_never_replaced
                a_local_file_is_put_as_its_bytes_are
                what_is_larger_than_allowed_is_not_handed_over
                what_is_absent_is_said_to_be_and_nothing_else
                each_folder_lists_its_own_files
                long_listings_come_in_pages_and_can_be_stopped
                only_names_of_objects_are_put_and_foreign_files_stay
                a_version_changes_with_the_content_and_not_by_itself
                a_call_that_is_to_stop_does_nothing
                a_get_can_be_stopped_between_two_pieces
                a_call_that_is_stopped_anywhere_has_done_all_or_nothing
                a_failure_of_the_receiver_is_not_one_of_the_place
                of_several_that_put_one_name_the_first_wins
                it_sweeps_nothing_that_it_should_not
            );
        }
    )*};
    (@tests $($test:ident)*) => {$(
        #[test]
        fn $test() {
            if let Some(rig) = rig() {
                $crate::contract::$test(rig);
            }
        }
    )*};
}
pub(crate) use contract;

/// The class of what every call of a place fails with, if it is one and the same.
fn class_of_all(rig: &Rig) -> Vec<Class> {
    let file = head(1);
    vec![
        rig.remote.check(&Deadline::NONE).unwrap_err().class(),
        rig.names(Folder::Heads).unwrap_err().class(),
        rig.names(Folder::Log(log())).unwrap_err().class(),
        rig.get(&file, WHOLE).unwrap_err().class(),
        rig.put(&file, b"x").unwrap_err().class(),
        rig.remote.delete(&file, &Deadline::NONE).unwrap_err().class(),
    ]
}

pub(crate) fn a_place_without_a_marker_takes_and_gives_nothing(rig: Rig) {
    assert_eq!(class_of_all(&rig), [Class::NoMarker; 6]);
    (rig.plant)(&head(1).to_string(), b"of others");
    assert_eq!(class_of_all(&rig), [Class::NoMarker; 6]);
    let message = rig.remote.check(&Deadline::NONE).unwrap_err().to_string();
    let has_way = ["carry remote add", "carry serve --init"].iter().any(|way| message.contains(way));
    assert!(message.contains(rig.remote.place()) && has_way, "{message}");
    // Nothing came of it.
    let rig = rig.marked();
    assert_eq!(rig.names(Folder::Heads).unwrap().len(), 1);
    assert_eq!(rig.get(&head(1), WHOLE).unwrap().0, b"of others");
}

pub(crate) fn a_place_is_marked_once(rig: Rig) {
    let first = rig.remote.init(&Deadline::NONE).unwrap();
    assert!(first == Init::Created || rig.repeats);
    assert_eq!(rig.remote.init(&Deadline::NONE).unwrap(), Init::Already);
    rig.remote.check(&Deadline::NONE).unwrap();
    let marker = RemoteFile::new(Folder::Root, "format.json").unwrap();
    assert_eq!(rig.get(&marker, WHOLE).unwrap().0, FORMAT_BYTES);
}

pub(crate) fn a_place_that_is_marked_otherwise_is_not_touched(rig: Rig) {
    for (marker, version) in [
        (&b"{\"carry\":\"exchange\",\"format\":2}\n"[..], Some(2)),
        (b"{\"carry\":\"exchange\",", None),
        (b"", None),
        (&[b' '; 100_000], None),
    ] {
        (rig.plant)("carry/format.json", marker);
        assert_eq!(class_of_all(&rig), [Class::WrongFormat; 6]);
        let error = rig.remote.init(&Deadline::NONE).unwrap_err();
        assert!(matches!(error, RemoteError::WrongFormat { version: v, .. } if v == version), "{error:?}");
    }
}

pub(crate) fn what_was_put_is_got_whole_and_in_parts(rig: Rig) {
    let rig = rig.marked();
    let bytes: Vec<u8> = (0..400_000_u32).map(|n| n.to_le_bytes()[0] ^ n.to_le_bytes()[1]).collect();
    assert_eq!(rig.put(&segment(1), &bytes).unwrap(), Put::Created);
    let (whole, got) = rig.get(&segment(1), WHOLE).unwrap();
    assert!(whole == bytes && got.size == 400_000);
    assert!(rig.get(&segment(1), Part::Whole { bytes_max: 400_000 }).unwrap().0 == bytes);
    for (from, len) in [(0, 1), (0, 400_000), (131_071, 2), (131_072, 200_000), (399_999, 1), (17, 0)] {
        let (part, got) = rig.get(&segment(1), Part::Range { from, bytes: len }).unwrap();
        let expected = &bytes[usize::try_from(from).unwrap()..usize::try_from(from + len).unwrap()];
        assert!(part == expected && got.size == 400_000, "{from} {len}");
    }
    for (from, len, expected) in [(399_990, 100, 10), (400_000, 1, 0), (u64::MAX, u64::MAX, 0), (1, u64::MAX, 399_999)]
    {
        assert_eq!(rig.get(&segment(1), Part::Range { from, bytes: len }).unwrap().1.bytes, expected);
    }
}

pub(crate) fn what_is_there_is_never_replaced(rig: Rig) {
    let rig = rig.marked();
    assert_eq!(rig.put(&head(1), b"first").unwrap(), Put::Created);
    assert_eq!(rig.put(&head(1), b"another").unwrap(), Put::Exists { bytes: 5 });
    (rig.plant)(&segment(1).to_string(), b"ha");
    assert_eq!(rig.put(&segment(1), b"half or whole").unwrap(), Put::Exists { bytes: 2 });
    assert_eq!(rig.get(&head(1), WHOLE).unwrap().0, b"first");
    assert_eq!(rig.get(&segment(1), WHOLE).unwrap().0, b"ha");
    let object = segment(1).to_string().parse().unwrap();
    let replica = RemoteFile::replica(&object, 1);
    assert_eq!(rig.put(&replica, b"half or whole").unwrap(), Put::Created);
    assert_eq!(rig.get(&replica, WHOLE).unwrap().0, b"half or whole");
    assert_eq!(RemoteFile::object(&object), segment(1));
}

pub(crate) fn a_local_file_is_put_as_its_bytes_are(rig: Rig) {
    let rig = rig.marked();
    let here = tempfile::tempdir().unwrap();
    let path = here.path().join("segment");
    let bytes = vec![9; 300_000];
    carry_kernel::disk::write_cache(&path, &bytes).unwrap();
    let put = |path: &Path| rig.remote.put(&segment(1), Source::File(path), &Deadline::NONE);
    let missing = put(&here.path().join("missing")).unwrap_err();
    assert_eq!(missing.class(), Class::Local);
    let cause = std::error::Error::source(&missing).unwrap().to_string();
    assert!(cause.contains("missing"), "{cause}");
    assert_eq!(put(here.path()).unwrap_err().class(), Class::Local);
    assert_eq!(rig.names(Folder::Log(log())).unwrap(), []);
    assert!(matches!(put(&path).unwrap(), Put::Created | Put::Exists { bytes: 300_000 }));
    assert!(rig.get(&segment(1), WHOLE).unwrap().0 == bytes);
}

pub(crate) fn what_is_larger_than_allowed_is_not_handed_over(rig: Rig) {
    let rig = rig.marked();
    rig.put(&head(1), b"12345").unwrap();
    let mut into = Vec::new();
    let error = rig.remote.get(&head(1), Part::Whole { bytes_max: 4 }, &mut into, &Deadline::NONE).unwrap_err();
    assert!(matches!(error, RemoteError::TooLarge { bytes: 5, bytes_max: 4, .. }), "{error:?}");
    assert_eq!(into, b"");
}

pub(crate) fn what_is_absent_is_said_to_be_and_nothing_else(rig: Rig) {
    let rig = rig.marked();
    for file in [head(1), segment(1)] {
        assert_eq!(rig.get(&file, WHOLE).unwrap_err().class(), Class::NotThere);
        assert!(!rig.remote.delete(&file, &Deadline::NONE).unwrap());
    }
    assert_eq!(rig.names(Folder::Heads).unwrap(), []);
    assert_eq!(rig.names(Folder::Log(log())).unwrap(), []);
    rig.put(&head(1), b"x").unwrap();
    assert!(rig.remote.delete(&head(1), &Deadline::NONE).unwrap() || rig.repeats);
    assert!(!rig.remote.delete(&head(1), &Deadline::NONE).unwrap());
    assert_eq!(rig.get(&head(1), WHOLE).unwrap_err().class(), Class::NotThere);
    assert_eq!(rig.put(&head(1), b"again").unwrap(), Put::Created, "a name that is free again may be used again");
}

pub(crate) fn each_folder_lists_its_own_files(rig: Rig) {
    let rig = rig.marked();
    for n in 1..=3 {
        rig.put(&head(n), &vec![0; usize::try_from(n).unwrap()]).unwrap();
        rig.put(&segment(n), b"segment").unwrap();
    }
    let copy = head(1).name().replace(".head", " (conflicted copy).head");
    (rig.plant)(&format!("carry/h/{copy}"), b"copy");
    (rig.plant)("carry/h/deeper/file", b"x");
    (rig.plant)("carry/h/.hidden", b"x");
    (rig.plant)("carry/h/Foreign file.txt", b"xx");
    let mut expected: Vec<_> = (1..=3).map(|n| (head(n).name().to_owned(), n)).collect();
    expected.extend([(copy.clone(), 4), ("Foreign file.txt".to_owned(), 2)]);
    expected.sort();
    assert_eq!(rig.names(Folder::Heads).unwrap(), expected);
    let segments: Vec<_> = (1..=3).map(|n| (segment(n).name().to_owned(), 7)).collect();
    assert_eq!(rig.names(Folder::Log(log())).unwrap(), segments);
    assert_eq!(rig.names(Folder::Root).unwrap(), [("format.json".to_owned(), FORMAT_BYTES.len() as u64)]);
    let copy = RemoteFile::new(Folder::Heads, &copy).unwrap();
    assert_eq!(rig.get(&copy, WHOLE).unwrap().0, b"copy", "a sync tool's copy can be read");
}

pub(crate) fn long_listings_come_in_pages_and_can_be_stopped(rig: Rig) {
    let rig = rig.marked();
    for n in 1..=2300 {
        (rig.plant)(&head(n).to_string(), b"h");
    }
    assert_eq!(rig.names(Folder::Heads).unwrap().len(), 2300, "no page is longer than it may be");
    let mut pages = 0;
    let listed = rig.remote.list(Folder::Heads, &Deadline::NONE, &mut |_| {
        pages += 1;
        ControlFlow::Break(())
    });
    assert_eq!(listed.unwrap(), Listed::Stopped);
    assert!(pages == 1 || rig.repeats);
}

pub(crate) fn only_names_of_objects_are_put_and_foreign_files_stay(rig: Rig) {
    let rig = rig.marked();
    for name in ["../x", "a/b", "..", ".", "", ".hidden", "a\\b", "C:x", "a\nb", "a\0b", &"x".repeat(256)] {
        assert_eq!(RemoteFile::new(Folder::Heads, name).unwrap_err().class(), Class::InvalidName, "{name:?}");
    }
    for (folder, name) in [(Folder::Root, "format.json"), (Folder::Root, "note.txt"), (Folder::Heads, "note.txt")] {
        let file = RemoteFile::new(folder, name).unwrap();
        (rig.plant)(&file.to_string(), FORMAT_BYTES);
        assert_eq!(rig.put(&file, b"x").unwrap_err().class(), Class::InvalidName, "{name}");
        let removed = rig.remote.delete(&file, &Deadline::NONE);
        assert_eq!(removed.unwrap_err().class(), Class::InvalidName, "{name}");
        assert_eq!(rig.get(&file, WHOLE).unwrap().0, FORMAT_BYTES);
    }
    for name in ["~00000000-00000000.tmp".to_owned(), head(1).name().replace(".head", " (copy).head")] {
        let file = RemoteFile::new(Folder::Heads, &name).unwrap();
        assert_eq!(rig.put(&file, b"x").unwrap_err().class(), Class::InvalidName, "{name}");
        (rig.plant)(&file.to_string(), b"left behind");
        if rig.is_guarded {
            assert_eq!(rig.remote.delete(&file, &Deadline::NONE).unwrap_err().class(), Class::Denied, "{name}");
            continue;
        }
        assert!(rig.remote.delete(&file, &Deadline::NONE).unwrap() || rig.repeats);
        assert_eq!(rig.get(&file, WHOLE).unwrap_err().class(), Class::NotThere);
    }
}

pub(crate) fn a_version_changes_with_the_content_and_not_by_itself(rig: Rig) {
    let rig = rig.marked();
    (rig.plant)(&head(1).to_string(), b"half");
    let version = |rig: &Rig| listings(&rig.remote, Folder::Heads).unwrap()[0].version.clone();
    let before = version(&rig);
    assert_eq!(version(&rig), before);
    assert_eq!(rig.get(&head(1), WHOLE).unwrap().1.version, before);
    (rig.plant)(&head(1).to_string(), b"half and the rest");
    assert_ne!(version(&rig), before);
}

pub(crate) fn a_call_that_is_to_stop_does_nothing(rig: Rig) {
    let cancel = AtomicBool::new(true);
    let clock = ManualClock::new(Timestamp::from_secs(100));
    let asked = Deadline::NONE.on(&cancel);
    let late = Deadline::NONE.at(&clock, clock.steady());
    for (deadline, expected) in [(asked, Stop::Asked), (late, Stop::Deadline)] {
        let stopped = rig.remote.init(&deadline).unwrap_err();
        assert!(matches!(stopped, RemoteError::Cancelled { why, .. } if why == expected), "{stopped:?}");
    }
    assert_eq!(rig.remote.check(&Deadline::NONE).unwrap_err().class(), Class::NoMarker);
    let rig = rig.marked();
    rig.put(&head(1), b"x").unwrap();
    let remote = &rig.remote;
    for deadline in [asked, late] {
        let stopped = [
            remote.check(&deadline).unwrap_err(),
            remote.list(Folder::Heads, &deadline, &mut |_| panic!("nothing was to come")).unwrap_err(),
            remote.get(&head(1), WHOLE, &mut Vec::new(), &deadline).unwrap_err(),
            remote.put(&head(2), Source::Bytes(b"x"), &deadline).unwrap_err(),
            remote.delete(&head(1), &deadline).unwrap_err(),
            remote.sweep(&[log()], Timestamp::EPOCH, &deadline).unwrap_err(),
            remote.wait(None, &deadline).unwrap_err(),
        ];
        for error in stopped {
            // A place that fails now and then may do so before it looks.
            let passes = rig.repeats && error.class().is_transient();
            assert!(error.class() == Class::Cancelled || passes, "{error:?}");
        }
    }
    assert_eq!(rig.names(Folder::Heads).unwrap(), [(head(1).name().to_owned(), 1)]);
    let later = Deadline::NONE.at(&clock, clock.steady().after(Duration::from_secs(5)));
    remote.check(&later).unwrap_or_else(|error| assert!(rig.repeats, "{error:?}"));
}

/// Sets a flag with the first bytes that it gets.
struct Stopper<'a>(&'a AtomicBool, usize);

impl Write for Stopper<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.store(true, Ordering::SeqCst);
        self.1 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn a_get_can_be_stopped_between_two_pieces(rig: Rig) {
    if rig.repeats {
        // It hands over what it collected.
        return;
    }
    let rig = rig.marked();
    rig.put(&segment(1), &vec![1; 900_000]).unwrap();
    let cancel = AtomicBool::new(false);
    let mut into = Stopper(&cancel, 0);
    let stopped = rig.remote.get(&segment(1), WHOLE, &mut into, &Deadline::NONE.on(&cancel)).unwrap_err();
    assert_eq!(stopped.class(), Class::Cancelled);
    assert!(into.1 < 900_000, "{}", into.1);
}

/// A clock that goes on by a second each time somebody looks.
#[derive(Debug, Default)]
struct Ticking(AtomicI64);

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        self.steady()
    }
    fn steady(&self) -> Timestamp {
        Timestamp::from_secs(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

pub(crate) fn a_call_that_is_stopped_anywhere_has_done_all_or_nothing(rig: Rig) {
    if rig.repeats {
        // It looks at the clock to learn whether a wait is worth it.
        return;
    }
    let rig = rig.marked();
    let bytes = vec![3; 600_000];
    let mut stops = 0;
    for looks in 0.. {
        let clock = Ticking::default();
        let deadline = Deadline::NONE.at(&clock, Timestamp::from_secs(looks));
        match rig.remote.put(&segment(1), Source::Bytes(&bytes), &deadline) {
            Ok(put) => {
                assert_eq!(put, Put::Created);
                break;
            }
            Err(error) => assert_eq!(error.class(), Class::Cancelled, "{error:?}"),
        }
        stops += 1;
        assert_eq!(rig.names(Folder::Log(log())).unwrap(), [], "after {looks} looks");
    }
    assert!(stops >= 5, "it looks before each piece: {stops}");
    assert!(rig.get(&segment(1), WHOLE).unwrap().0 == bytes);
    for looks in 0.. {
        let clock = Ticking::default();
        let deadline = Deadline::NONE.at(&clock, Timestamp::from_secs(looks));
        let removed = rig.remote.delete(&segment(1), &deadline);
        let there = rig.names(Folder::Log(log())).unwrap().len();
        assert_eq!(there, usize::from(removed.is_err()));
        if there == 0 {
            break;
        }
    }
}

/// Takes so many bytes, then fails.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0 == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let n = bytes.len().min(self.0);
        self.0 -= n;
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) fn a_failure_of_the_receiver_is_not_one_of_the_place(rig: Rig) {
    let rig = rig.marked();
    rig.put(&segment(1), &vec![1; 300_000]).unwrap();
    let error = rig.remote.get(&segment(1), WHOLE, &mut Full(200_000), &Deadline::NONE).unwrap_err();
    assert_eq!(error.class(), Class::Local, "{error:?}");
}

pub(crate) fn of_several_that_put_one_name_the_first_wins(rig: Rig) {
    let rig = rig.marked();
    let (remote, barrier) = (&rig.remote, Barrier::new(8));
    for round in 1..=5 {
        let answers: Vec<(u8, Put)> = std::thread::scope(|scope| {
            let putters: Vec<_> = (0..8_u8)
                .map(|who| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let bytes = vec![who; 50_000];
                        barrier.wait();
                        (who, remote.put(&segment(round), Source::Bytes(&bytes), &Deadline::NONE).unwrap())
                    })
                })
                .collect();
            putters.into_iter().map(|putter| putter.join().unwrap()).collect()
        });
        let (bytes, _) = rig.get(&segment(round), WHOLE).unwrap();
        assert!(bytes.len() == 50_000 && bytes.iter().all(|b| *b == bytes[0]), "it is whole");
        let winners: Vec<u8> = answers.iter().filter(|(_, put)| *put == Put::Created).map(|(who, _)| *who).collect();
        if rig.is_exclusive {
            assert_eq!(winners, [bytes[0]]);
        } else {
            assert!(!winners.is_empty() || rig.repeats);
        }
    }
    assert_eq!(rig.names(Folder::Log(log())).unwrap().len(), 5, "no temporary file is left");
}

pub(crate) fn it_sweeps_nothing_that_it_should_not(rig: Rig) {
    let rig = rig.marked();
    rig.put(&head(1), b"x").unwrap();
    (rig.plant)("carry/h/~ffffffff-00000000.tmp", b"another's");
    let far = Timestamp::from_secs(9_000_000_000);
    assert_eq!(rig.remote.sweep(&[log()], far, &Deadline::NONE).unwrap(), 0);
    assert_eq!(rig.names(Folder::Heads).unwrap().len(), 2);
    let news = rig.remote.wait(None, &Deadline::NONE);
    assert!(!matches!(news, Ok(News::Changed(_))), "nothing was asked about: {news:?}");
}
