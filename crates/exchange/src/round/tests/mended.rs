//! Healing on command, in both directions.

use super::*;

fn repair(device: &mut Device, remote: &dyn Remote, name: &str, wanted: &mut Wanted, is_deep: bool) -> Repaired {
    let options = Options { remote: name.to_owned(), ..device.options.clone() };
    let mut side =
        Side { store: &mut device.store, strands: vec![&mut device.notes, &mut device.curation], clock: &device.clock };
    let (done, failed) =
        super::super::repair(&mut side, remote, &options, wanted, is_deep, &Deadline::NONE, &mut |_| {});
    failed.unwrap();
    assert!(done.is_judged);
    done
}

/// Flips a bit of the last byte, as a disk may.
fn flip_there(remote: &MemoryRemote, path: &str) {
    let mut bytes = remote.files()[path].clone();
    *bytes.last_mut().unwrap() ^= 1;
    remote.plant(path, &bytes);
}

/// The segments of a log that a device keeps.
fn kept(device: &Device, log: LogId) -> Vec<PathBuf> {
    let dir = Home::at(&device.root).data_dir().join("exchange").join(log.to_string());
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn flip_here(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    carry_kernel::disk::write_cache(path, &bytes).unwrap();
}

/// Two devices that have what the first one said in three segments, all compared today.
fn settled(remote: &dyn Remote) -> Vec<Device> {
    let mut devices = fleet(2);
    for text in ["one", "two", "three"] {
        devices[0].say(text);
        devices[0].round(remote);
    }
    settle(&mut devices, remote);
    devices
}

/// What somebody reads there who was never there before.
fn read_by_another(remote: &dyn Remote, log: LogId) -> BTreeSet<String> {
    let mut late = Device::new();
    late.trust(log);
    late.round(remote);
    late.shown()
}

#[test]
fn what_is_gone_or_damaged_there_is_put_at_once_by_its_author_and_by_who_else_holds_it() {
    for who in [0, 1] {
        let remote = memory();
        let mut devices = settled(&remote);
        let log = devices[0].store.log();
        let segments: Vec<_> =
            paths(&remote.inner, ".seg").into_iter().filter(|path| path.contains(&log.to_string())).collect();
        assert_eq!(segments.len(), 3);
        assert!(remote.inner.uproot(&segments[0]));
        flip_there(&remote.inner, &segments[1]);
        let device = &mut devices[who];
        let report = device.round(&remote);
        assert_eq!(
            (report.pushed, report.relayed),
            Default::default(),
            "what was compared today is not compared again"
        );

        let done = repair(device, &remote, "r", &mut Wanted::default(), false);
        let put: Vec<String> = done.put.iter().map(|(object, _)| object.path()).collect();
        assert_eq!(put, segments[..1], "sizes are believed where nothing speaks against them");
        assert!(done.lacking.is_empty() && done.damaged.is_empty(), "{done:?}");
        let done = repair(device, &remote, "r", &mut Wanted::default(), true);
        let put: Vec<String> = done.put.iter().map(|(object, _)| object.path()).collect();
        assert_eq!((put, &done.damaged), (segments[1..2].to_vec(), &segments[1..2].to_vec()));
        assert!(done.lacking.is_empty() && done.n_read >= 3, "{done:?}");
        assert_eq!(paths(&remote.inner, ".r1.seg").len(), 1, "what is damaged is left alone");
        assert_eq!(read_by_another(&remote, log), texts(&["one", "two", "three"]));
        // Once more there is nothing to do, however much is read.
        let done = repair(device, &remote, "r", &mut Wanted::default(), true);
        assert!(done.put.is_empty() && done.fetched.is_empty() && done.lacking.is_empty(), "{done:?}");
    }
}

#[test]
fn a_head_that_is_gone_or_damaged_there_is_put_again() {
    let remote = memory();
    let mut devices = settled(&remote);
    let log = devices[0].store.log();
    let head = paths(&remote.inner, ".head").into_iter().rfind(|path| path.contains(&log.to_string())).unwrap();
    flip_there(&remote.inner, &head);
    let done = repair(&mut devices[0], &remote, "r", &mut Wanted::default(), false);
    assert_eq!(done.put.len(), 1, "{done:?}");
    assert_eq!(read_by_another(&remote, log).len(), 3);
    // Both copies, and the author is away.
    for path in
        paths(&remote.inner, ".head").into_iter().filter(|path| path.starts_with(head.trim_end_matches(".head")))
    {
        if path != head {
            flip_there(&remote.inner, &path);
        }
    }
    let done = repair(&mut devices[1], &remote, "r", &mut Wanted::default(), false);
    assert_eq!(done.put.len(), 1, "{done:?}");
    assert_eq!(read_by_another(&remote, log).len(), 3);
    for path in paths(&remote.inner, ".head") {
        remote.inner.uproot(&path);
    }
    let done = repair(&mut devices[1], &remote, "r", &mut Wanted::default(), false);
    assert_eq!(done.put.len(), 2, "its own, and that of the other: {done:?}");
    assert_eq!(read_by_another(&remote, log).len(), 3);
}

#[test]
fn what_is_damaged_here_comes_back_whoever_wrote_it() {
    for (reader, is_gone) in [(0, false), (0, true), (1, false), (1, true)] {
        let remote = memory();
        let mut devices = settled(&remote);
        let log = devices[0].store.log();
        let device = &mut devices[reader];
        let file = kept(device, log).remove(1);
        if is_gone {
            std::fs::remove_file(&file).unwrap()
        } else {
            flip_here(&file)
        }
        assert!(!device.store.verify().unwrap().is_empty());
        let found = device.store.let_go_damaged().unwrap();
        assert_eq!(found.segments.len(), 1);
        let mut wanted = Wanted { damaged: found.segments, ..Wanted::default() };
        let done = repair(device, &remote, "r", &mut wanted, false);
        assert_eq!((done.fetched.len(), wanted.damaged.len(), done.put.len()), (1, 0, 0), "{done:?}");
        assert_eq!(device.store.verify().unwrap(), []);
        assert_eq!(device.shown(), texts(&["one", "two", "three"]));
        assert!(file.is_file());
    }
}

#[test]
fn what_one_place_lacks_is_found_at_another_and_comes_back_to_the_first() {
    let (one, two) = (memory(), memory());
    let mut device = Device::new();
    for text in ["one", "two"] {
        device.say(text);
        device.try_round(&one, "one").unwrap();
        device.try_round(&two, "two").unwrap();
    }
    let segment = paths(&one.inner, ".seg").remove(0);
    one.inner.uproot(&segment);
    flip_there(&two.inner, &paths(&two.inner, ".seg")[1]);
    flip_here(&kept(&device, device.store.log())[0]);
    let mut wanted = Wanted { damaged: device.store.let_go_damaged().unwrap().segments, ..Wanted::default() };
    let done = repair(&mut device, &one, "one", &mut wanted, true);
    assert_eq!(done.lacking.values().copied().collect::<Vec<_>>(), [Lacking::Nowhere], "{done:?}");
    assert!(done.put.is_empty(), "what is damaged here is not put: {done:?}");
    let done = repair(&mut device, &two, "two", &mut wanted, true);
    assert_eq!((done.fetched.len(), done.put.len(), wanted.damaged.len()), (1, 1, 0), "{done:?}");
    let done = repair(&mut device, &one, "one", &mut wanted, true);
    assert_eq!((done.put.len(), done.lacking.len()), (1, 0), "{done:?}");
    assert!(one.inner.files().contains_key(&segment));
    assert_eq!(device.store.verify().unwrap(), []);
    for remote in [&one, &two] {
        assert_eq!(read_by_another(remote, device.store.log()), texts(&["one", "two"]));
    }
}

#[test]
fn a_stream_that_its_author_does_not_put_there_is_not_missing_there() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].options.streams = Some(BTreeSet::from([stream("notes")]));
    devices[0].say("one");
    devices[0].curation.say("a label");
    settle(&mut devices, &remote);
    let done = repair(&mut devices[1], &remote, "r", &mut Wanted::default(), true);
    assert!(done.lacking.is_empty() && !done.there.is_empty(), "{done:?}");
    // Nothing of the one that is there is gone unnoticed.
    let segment = paths(&remote.inner, ".seg").remove(0);
    remote.inner.uproot(&segment);
    let mut late = Device::new();
    late.trust(devices[0].store.log());
    let done = repair(&mut late, &remote, "r", &mut Wanted::default(), true);
    assert!(matches!(done.report.problems[..], [Problem::Missing(_), ..]), "{done:?}");
}

#[test]
fn what_nobody_has_is_named() {
    let remote = memory();
    let mut devices = settled(&remote);
    let log = devices[0].store.log();
    let segment = paths(&remote.inner, ".seg").into_iter().find(|path| path.contains(&log.to_string())).unwrap();
    flip_there(&remote.inner, &segment);
    flip_here(&kept(&devices[0], log)[0]);
    let mut wanted = Wanted { damaged: devices[0].store.let_go_damaged().unwrap().segments, ..Wanted::default() };
    let done = repair(&mut devices[0], &remote, "r", &mut wanted, true);
    assert!(done.fetched.is_empty() && done.put.is_empty(), "{done:?}");
    let lacking: Vec<_> = done.lacking.iter().map(|(object, how)| (object.path(), *how)).collect();
    assert_eq!(lacking, [(segment.clone(), Lacking::Nowhere)]);
    assert_eq!(wanted.damaged.len(), 1);
    // Whoever else has it ends that.
    let done = repair(&mut devices[1], &remote, "r", &mut Wanted::default(), true);
    assert_eq!(done.put.len(), 1, "{done:?}");
    let done = repair(&mut devices[0], &remote, "r", &mut wanted, true);
    assert_eq!((done.fetched.len(), wanted.damaged.len(), done.lacking.len()), (1, 0, 0), "{done:?}");
    assert_eq!(devices[0].store.verify().unwrap(), []);
}

#[test]
fn what_cannot_be_read_there_is_put_again_beside_it() {
    for who in [0, 1] {
        let remote = memory();
        let mut devices = settled(&remote);
        let log = devices[0].store.log();
        let is_of = |path: &String| path.contains(&log.to_string());
        let bad: Vec<String> = paths(&remote.inner, ".seg").into_iter().filter(is_of).collect();
        // More than end an exchange, and one that is gone besides.
        let (gone, bad) = (bad[0].clone(), bad[1..].to_vec());
        let head = paths(&remote.inner, ".head").into_iter().rfind(|path| is_of(path)).unwrap();
        let bad: BTreeSet<String> = bad.into_iter().chain([head]).collect();
        assert!(remote.inner.uproot(&gone));
        remote.fail_reading(bad.iter().cloned());
        let done = repair(&mut devices[who], &remote, "r", &mut Wanted::default(), true);
        assert_eq!(done.damaged.iter().cloned().collect::<BTreeSet<_>>(), bad, "{done:?}");
        assert_eq!((done.put.len(), done.lacking.len()), (4, 0), "{done:?}");
        assert_eq!(read_by_another(&remote, log), texts(&["one", "two", "three"]));
        let done = repair(&mut devices[who], &remote, "r", &mut Wanted::default(), true);
        assert!(done.put.is_empty() && done.lacking.is_empty(), "{done:?}");
        // It was the reading that was at fault.
        remote.fail_reading([]);
        let done = repair(&mut devices[who], &remote, "r", &mut Wanted::default(), true);
        assert!(done.damaged.is_empty() && done.put.is_empty(), "{done:?}");
    }
}

#[test]
fn what_cannot_be_fetched_keeps_nothing_else_from_being_put() {
    let remote = memory();
    let devices = settled(&remote);
    let log = devices[0].store.log();
    let bad: Vec<String> =
        paths(&remote.inner, ".seg").into_iter().filter(|path| path.contains(&log.to_string())).collect();
    remote.fail_reading(bad);
    let mut late = Device::new();
    late.trust(log);
    late.say("late");
    // It has signed, and has not been here.
    late.try_round(&memory(), "elsewhere").unwrap();
    assert!(late.try_round(&remote, "r").is_err(), "an exchange takes the place to be gone");
    let own = late.store.log();
    let done = repair(&mut late, &remote, "r", &mut Wanted::default(), false);
    assert_eq!(done.damaged.len(), 3, "{done:?}");
    assert!(done.put.iter().any(|(object, _)| object.log() == own), "{done:?}");
}

#[test]
fn what_came_in_part_is_not_taken_for_read_there() {
    let remote = memory();
    let mut devices = fleet(2);
    for n in 0..5u8 {
        devices[0].notes.say_as("k", &crate::fixture::noise(n, 600_000), false, &[]);
    }
    settle(&mut devices, &remote);
    let log = devices[0].store.log();
    let path = paths(&remote.inner, ".seg").remove(0);
    let mut bytes = remote.inner.files()[&path].clone();
    let at = bytes.len() / 4;
    bytes[at] ^= 1;
    remote.inner.plant(&path, &bytes);
    flip_here(&kept(&devices[1], log)[0]);
    let found = devices[1].store.let_go_damaged().unwrap();
    let mut wanted = Wanted { damaged: found.segments, ..Wanted::default() };
    let done = repair(&mut devices[1], &remote, "r", &mut wanted, true);
    assert_eq!((done.fetched.len(), done.parts.len(), wanted.damaged.len()), (0, 1, 0), "{done:?}");
    assert_eq!(done.damaged, [path], "another block of it is damaged there: {done:?}");
    assert_eq!(done.lacking.values().copied().collect::<Vec<_>>(), [Lacking::InPieces]);
    let done = repair(&mut devices[0], &remote, "r", &mut Wanted::default(), true);
    assert_eq!(done.put.len(), 1, "{done:?}");
    // Whoever has it in pieces fetches it whole, and what came whole was read.
    let done = repair(&mut devices[1], &remote, "r", &mut wanted, true);
    assert_eq!((done.fetched.len(), done.parts.len(), done.lacking.len()), (1, 0, 0), "{done:?}");
}

#[test]
fn what_an_author_made_wrong_is_read_again() {
    use crate::round::shelf::Shelf;
    let remote = memory();
    let devices = settled(&remote);
    let log = devices[0].store.log();
    let mut late = Device::new();
    late.trust(log);
    let shelf = Shelf::read(&remote, crate::name::Folder::Log(log), &Deadline::NONE).unwrap();
    for object in shelf.objects() {
        let stamp = &shelf.candidates(object)[0].stamp;
        let why = Rejection::Wrong("it was said so".to_owned());
        late.store.reject("r", &object.path(), stamp, &why, NOW).unwrap();
    }
    late.round(&remote);
    assert!(late.shown().is_empty(), "an exchange reads it once an hour");
    let done = repair(&mut late, &remote, "r", &mut Wanted::default(), false);
    assert_eq!(done.fetched.len(), 3, "{done:?}");
    assert_eq!(late.shown(), texts(&["one", "two", "three"]));
}

#[test]
fn a_stream_of_which_nothing_is_left_anywhere_is_named() {
    let remote = memory();
    let mut devices = settled(&remote);
    let log = devices[0].store.log();
    let mut late = Device::new();
    late.trust(log);
    // It meets the head alone: all else is gone before it looked.
    let segments: Vec<_> =
        paths(&remote.inner, ".seg").into_iter().filter(|path| path.contains(&log.to_string())).collect();
    assert!(segments.iter().all(|path| remote.inner.uproot(path)));
    let done = repair(&mut late, &remote, "r", &mut Wanted::default(), false);
    assert!(done.lacking.is_empty(), "{done:?}");
    let absent: Vec<_> = done.absent.iter().map(|((of, stream), absent)| (*of, stream.as_str(), *absent)).collect();
    assert_eq!(absent, [(log, "notes", Absent { n_objects: 3, is_for_all: true })]);
    // Whoever holds it puts it again, and then it is there.
    let done = repair(&mut devices[1], &remote, "r", &mut Wanted::default(), false);
    assert_eq!((done.put.len(), done.absent.len()), (3, 0), "{done:?}");
    let done = repair(&mut late, &remote, "r", &mut Wanted::default(), false);
    assert_eq!((done.fetched.len(), done.absent.len(), done.lacking.len()), (3, 0, 0), "{done:?}");
}
