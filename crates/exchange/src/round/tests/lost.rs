//! Own files that are damaged or gone here: what is said of them, and what they hold up.

use super::*;
use crate::plan::{Closure, Object, PushPlan, Put, Whose};
use crate::round::put::{Kept, check, is_ours};

/// What a device notes as lost: the remote, and the file's path.
fn lost(device: &Device) -> Vec<(String, String)> {
    let rows = crate::store::look_at_lost(&Home::at(&device.root)).unwrap();
    rows.into_iter().map(|row| (row.remote, row.object.path())).collect()
}

#[test]
fn what_is_lost_is_noted_until_it_is_there_or_the_remote_is_forgotten() {
    let (remote, fresh) = (memory(), memory());
    let (mut device, path) = one_said(&remote);
    let bytes = remote.inner.files()[&path].clone();
    let file = kept_as(&device, &path);
    let good = std::fs::read(&file).unwrap();
    remote.inner.uproot(&path);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(lost(&device), [], "nobody has looked yet");
    device.clock.advance(Duration::from_secs(25 * 60 * 60));
    device.try_round(&remote, "shared").unwrap();
    device.try_round(&fresh, "fresh").unwrap();
    let of = |remote: &str| (remote.to_owned(), path.clone());
    assert_eq!(lost(&device), [of("fresh"), of("shared")]);
    // Something new goes out meanwhile, without the folder being looked at: it stays lost.
    device.say("two");
    device.try_round(&fresh, "fresh").unwrap();
    assert_eq!(lost(&device), [of("fresh"), of("shared")]);
    // It is there again without this device's doing: that is seen when it is compared next.
    remote.inner.plant(&path, &bytes);
    device.advance(DAY);
    device.try_round(&remote, "shared").unwrap();
    assert_eq!(lost(&device), [of("fresh")]);
    // And put by this device, which has it again.
    carry_kernel::disk::write_cache(&file, &good).unwrap();
    let report = device.try_round(&fresh, "fresh").unwrap();
    assert_eq!((report.problems.as_slice(), lost(&device)), (&[][..], vec![]));
    assert!(fresh.inner.files().contains_key(&path));
    std::fs::remove_file(&file).unwrap();
    device.try_round(&memory(), "third").unwrap();
    assert_eq!(lost(&device), [of("third")]);
    device.store.forget_remote("third").unwrap();
    assert_eq!(lost(&device), []);
}

#[test]
fn what_was_put_once_silences_nobody_at_a_place_that_moved() {
    let (old, new) = (memory(), memory());
    let (mut device, path) = one_said(&old);
    let first = device.round(&old).published;
    std::fs::remove_file(kept_as(&device, &path)).unwrap();
    device.store.forget_remote("r").unwrap();
    device.say("two");
    let report = device.round(&new);
    assert!(matches!(&report.problems[..], [Problem::Lost(..)]), "{report:?}");
    assert!(report.published > first, "{report:?}");
    assert_eq!(paths(&new.inner, ".seg").len(), 1);
    // What was never anywhere holds the head back all the same.
    device.say("three");
    only_sign(&mut device, &new);
    std::fs::remove_file(kept_as(&device, &newest_segment(&device).path())).unwrap();
    assert_eq!(device.round(&new).published, None);
}

#[test]
fn what_cannot_be_read_here_is_neither_lost_nor_promised() {
    let remote = memory();
    let (mut device, path) = one_said(&remote);
    let first = device.round(&remote).published;
    let file = kept_as(&device, &path);
    // As where a file system answers with an error: a name that leads in a circle can be opened by nobody.
    let aside = file.with_extension("aside");
    std::fs::rename(&file, &aside).unwrap();
    std::os::unix::fs::symlink(&file, &file).unwrap();
    assert!(remote.inner.uproot(&path));
    device.advance(DAY);
    device.say("two");
    let report = device.round(&remote);
    assert!(matches!(&report.problems[..], [Problem::Unreachable(..)]), "{report:?}");
    assert_eq!((report.published, lost(&device)), (None, vec![]));
    assert_eq!(paths(&remote.inner, ".head").len(), 1, "no head says that it is there");
    std::fs::rename(&aside, &file).unwrap();
    let report = device.round(&remote);
    assert!(report.published > first && report.problems.is_empty(), "{report:?}");
    assert!(remote.inner.files().contains_key(&path));
}

#[test]
fn what_is_noted_as_lost_stays_so_while_it_cannot_be_read_or_is_not_tried() {
    let remote = memory();
    let (mut device, path) = one_said(&remote);
    let file = kept_as(&device, &path);
    std::fs::remove_file(&file).unwrap();
    assert!(remote.inner.uproot(&path));
    device.advance(DAY);
    device.round(&remote);
    let noted = [("r".to_owned(), path.clone())];
    assert_eq!(lost(&device), noted);
    std::os::unix::fs::symlink(&file, &file).unwrap();
    device.advance(DAY);
    device.round(&remote);
    assert_eq!(lost(&device), noted);
}

#[test]
fn what_is_found_before_a_round_fails_is_noted() {
    let remote = memory();
    let (mut device, path) = one_said(&remote);
    std::fs::remove_file(kept_as(&device, &path)).unwrap();
    assert!(remote.inner.uproot(&path));
    device.advance(DAY);
    device.say("two");
    // After each number of calls, until it comes to the lost one; then a later call ends it, at the latest the put of the head.
    let mut n_calls = 0;
    loop {
        remote.end_after(Some(n_calls));
        let ended = device.try_round(&remote, "r").is_err();
        remote.end_after(None);
        if !lost(&device).is_empty() {
            assert!(ended, "it is noted although the round ends");
            break;
        }
        assert!(ended, "it was never noted");
        n_calls += 1;
    }
    assert_eq!(paths(&remote.inner, ".head").len(), 1, "the head was not put");
}

#[test]
fn what_follows_a_head_that_is_held_back_is_not_taken_to_be_good() {
    let remote = memory();
    let mut device = Device::new();
    for text in ["one", "two"] {
        device.say(text);
        say::say(
            &mut Side { store: &mut device.store, strands: vec![&mut device.notes], clock: &device.clock },
            &device.options.statement,
        )
        .unwrap();
    }
    let (signed, segments) = device.store.signed_segments().unwrap().unwrap();
    let (log, closure) = (signed.head().log(), Closure::of(&signed, &segments, Whose::Author, &streams()));
    let put = |object: &Object| Put { object: object.clone(), replica: None };
    let [first, second] = &closure.objects[..] else { panic!("two segments: {closure:?}") };
    // As though the first were large, and noted as lost.
    device.store.note_lost("r", log, &[(first.name.clone(), "gone".to_owned())], false, NOW).unwrap();
    std::fs::remove_file(kept_as(&device, &second.name.path())).unwrap();
    let plan = |after| PushPlan { before: vec![put(second)], head: Some(put(&closure.head)), after, blocked: vec![] };
    let mut own = |plan: &PushPlan| {
        let (options, mut tell) = (device.options.clone(), |_: Step| {});
        let mut round = Round::new(&remote, &options, &Deadline::NONE, &streams(), &mut tell);
        let done = round.put_own(&mut device.store, log, plan, true, NOW).unwrap();
        assert_eq!(done, crate::round::put::Done::Held);
        lost(&device).into_iter().map(|(_, path)| path).collect::<BTreeSet<_>>()
    };
    let both = BTreeSet::from([first.name.path(), second.name.path()]);
    assert_eq!(own(&plan(vec![put(first)])), both, "it was not tried");
    assert_eq!(own(&plan(vec![])), BTreeSet::from([second.name.path()]), "it is there");
    assert_eq!(paths(&remote.inner, ".head"), Vec::<String>::new());
}

#[test]
fn what_is_lost_here_costs_no_round_anything() {
    let remote = memory();
    let (mut device, path) = one_said(&remote);
    let file = kept_as(&device, &path);
    let good = std::fs::read(&file).unwrap();
    carry_kernel::disk::write_cache(&file, &damaged(&good)).unwrap();
    assert!(remote.inner.uproot(&path));
    device.advance(DAY);
    device.round(&remote);
    assert_eq!(lost(&device), [("r".to_owned(), path.clone())]);
    device.advance(MINUTE);
    remote.take();
    let report = device.round(&remote);
    assert_eq!(remote.take(), counted::Calls { lists: 1, ..Default::default() });
    assert!(report.published.is_some(), "{report:?}");
    // It is looked at again, and told, a day later, and put in the first round after a good copy has come.
    device.advance(DAY);
    assert!(matches!(&device.round(&remote).problems[..], [Problem::Lost(..)]));
    carry_kernel::disk::write_cache(&file, &good).unwrap();
    assert_eq!(device.round(&remote).problems, []);
    assert_eq!((remote.inner.files().get(&path), lost(&device)), (Some(&good), vec![]));
    remote.take();
    device.round(&remote);
    assert_eq!(remote.take(), counted::Calls { lists: 1, ..Default::default() });
}

#[test]
fn a_damaged_file_is_read_again_when_it_changes_and_once_a_day() {
    let remote = memory();
    let (mut device, path) = one_said(&remote);
    let (file, object) = (kept_as(&device, &path), is_ours(&path).unwrap());
    let good = std::fs::read(&file).unwrap();
    carry_kernel::disk::write_cache(&file, &damaged(&good)).unwrap();
    let place = crate::store::ObjectPlace::File(file.clone());
    let mut is_good = |now| {
        let kept = check(&mut device.store, &object, good.len() as u64, &place, now).unwrap();
        matches!(kept, Kept::Good)
    };
    assert!(!is_good(NOW));
    // The disk reads it as it should be from now on: nothing of that shows, and what was noted is as though it were of this state.
    carry_kernel::disk::write_cache(&file, &good).unwrap();
    assert!(is_good(NOW), "another file lies there");
    let state = crate::store::state_of(&file).unwrap();
    let mut other = Device::at(&device.root, "here").store;
    other.note_spoilt(&object, &state, "its bytes are others", NOW).unwrap();
    let mut is_good = |now| {
        let kept = check(&mut device.store, &object, good.len() as u64, &place, now).unwrap();
        matches!(kept, Kept::Good)
    };
    assert!(!is_good(NOW.after(MINUTE)), "it is not read");
    assert!(is_good(NOW.after(DAY)));
    assert!(is_good(NOW), "that it is good is noted");
}

#[test]
fn a_damaged_copy_here_does_not_speak_against_a_good_one_there() {
    let remote = memory();
    let (mut devices, path) = one_said_to_another(&remote);
    settle(&mut devices, &remote);
    let log = devices[0].store.log();
    let object = is_ours(&path).unwrap();
    assert_eq!(object.log(), log);
    std::fs::remove_file(kept_as(&devices[0], &path)).unwrap();
    devices[1].options.statement.wants = vec![crate::head::Want::Object(object)];
    devices[1].say("please");
    devices[1].round(&remote);
    let report = devices[0].round(&remote);
    assert_eq!(report.problems, []);
    assert_eq!(paths(&remote.inner, ".r1.seg"), Vec::<String>::new());
    assert_eq!(devices[0].store.rejected("r", &path).unwrap(), None);
}

#[test]
fn a_head_that_is_found_there_was_heard_though_nobody_noted_that_it_was_put() {
    let remote = memory();
    let mut device = Device::new();
    device.say("one");
    let head = only_sign(&mut device, &remote);
    remote.inner.plant(&head.name().path(), head.bytes());
    assert!(!device.store.was_heard(&head.name()).unwrap());
    device.round(&remote);
    assert!(!device.store.has_put("r", &head.name().path()).unwrap() && device.store.was_heard(&head.name()).unwrap());
}

#[test]
fn a_round_says_which_files_of_a_log_are_not_there_all_the_same() {
    let remote = memory();
    let (mut device, path) = one_said(&remote);
    let (file, object) = (kept_as(&device, &path), is_ours(&path).unwrap());
    let good = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    assert!(remote.inner.uproot(&path));
    let without = |report: Report| report.placed.get(&object.log()).cloned();
    assert_eq!(without(device.round(&remote)), Some(BTreeSet::new()), "nobody has looked yet");
    device.advance(DAY);
    let lost = Some(BTreeSet::from([object.clone()]));
    assert_eq!(without(device.round(&remote)), lost);
    assert_eq!(without(device.round(&remote)), lost, "also where nothing is compared");
    carry_kernel::disk::write_cache(&file, &good).unwrap();
    assert_eq!(without(device.round(&remote)), Some(BTreeSet::new()));
    // Of what is not there for another reason nothing is said.
    device.say("two");
    only_sign(&mut device, &remote);
    let last = newest_segment(&device);
    let taken = names_of(&last);
    taken.iter().for_each(|path| remote.inner.plant(path, b"not that"));
    let report = device.round(&remote);
    assert_eq!((&report.problems, without(report.clone())), (&vec![Problem::Blocked(last)], None));
    remote.inner.uproot(&taken[3]);
    assert_eq!(without(device.round(&remote)), Some(BTreeSet::new()));
}

#[test]
fn the_same_is_said_of_a_log_that_is_passed_on() {
    let (near, far) = (memory(), memory());
    let (mut devices, path) = one_said_to_another(&near);
    devices[1].try_round(&near, "near").unwrap();
    let (file, object) = (kept_as(&devices[1], &path), is_ours(&path).unwrap());
    let good = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let mut round = || {
        let report = devices[1].try_round(&far, "far").unwrap();
        (report.placed.get(&object.log()).cloned(), report.problems.len())
    };
    assert_eq!(round(), (None, 1));
    carry_kernel::disk::write_cache(&file, &good).unwrap();
    assert_eq!(round(), (Some(BTreeSet::new()), 0));
    assert_eq!(round(), (None, 0), "it is there, and not compared");
}

#[test]
fn a_stream_that_its_author_keeps_from_a_place_is_told_from_one_of_which_a_file_is_lost() {
    let remote = memory();
    let (mut author, mut reader) = (Device::new(), Device::new());
    reader.trust(author.store.log());
    author.options.streams = Some(BTreeSet::from([stream("curation")]));
    author.say("one");
    author.round(&remote);
    let place = (author.store.log(), stream("notes"));
    let unsent = |report: &Report| {
        let of_it = report.unsent.get(&place).map(|unsent| (unsent.objects.len(), unsent.is_new));
        let n_missing = report.problems.iter().filter(|problem| matches!(problem, Problem::Missing(_))).count();
        (n_missing, of_it)
    };
    assert_eq!(unsent(&reader.round(&remote)), (1, Some((1, true))));
    // Once more, and with more of it.
    reader.advance(MINUTE);
    assert_eq!(unsent(&reader.round(&remote)), (1, Some((1, false))));
    author.say("two");
    author.round(&remote);
    reader.advance(MINUTE);
    assert_eq!(unsent(&reader.round(&remote)), (2, Some((2, false))));
    // It is sent, and not any more.
    author.options.streams = None;
    author.store.look_again("r").unwrap();
    author.round(&remote);
    let first = paths(&remote.inner, ".seg").remove(0);
    reader.advance(MINUTE);
    assert_eq!(unsent(&reader.round(&remote)), (0, None));
    author.options.streams = Some(BTreeSet::new());
    author.say("three");
    author.round(&remote);
    reader.advance(MINUTE);
    assert_eq!(unsent(&reader.round(&remote)), (1, Some((1, true))));
    // Of a file that is gone newer ones are there.
    let mut late = Device::new();
    late.trust(author.store.log());
    assert!(remote.inner.uproot(&first));
    let report = late.round(&remote);
    assert_eq!(unsent(&report), (2, Some((1, true))), "{report:?}");
}

#[test]
fn what_is_lost_is_not_said_to_be_there_when_there_are_more_problems_than_are_named() {
    let (near, far) = (memory(), memory());
    let (mut devices, path) = one_said_to_another(&near);
    let device = &mut devices[1];
    device.try_round(&near, "near").unwrap();
    device.try_round(&far, "far").unwrap();
    std::fs::remove_file(kept_as(device, &path)).unwrap();
    assert!(far.inner.uproot(&path));
    device.advance(DAY);
    let (object, mut nobody) = (is_ours(&path).unwrap(), |_: Step| {});
    let options = Options { remote: "far".to_owned(), ..device.options.clone() };
    let mut side =
        Side { store: &mut device.store, strands: vec![&mut device.notes, &mut device.curation], clock: &device.clock };
    let mut round = Round::new(&far, &options, &Deadline::NONE, &streams(), &mut nobody).for_strands(&side);
    let list = |n: usize| ObjectName::list(crate::fixture::log(9), Digest::of(&[&n.to_le_bytes()]));
    round.report.problems = (0..PROBLEMS_MAX).map(|n| Problem::Missing(list(n))).collect();
    let report = round.run(&mut side).unwrap();
    assert_eq!(report.problems.len(), PROBLEMS_MAX);
    assert_eq!(report.placed[&object.log()], BTreeSet::from([object]));
}
