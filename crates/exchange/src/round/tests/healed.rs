//! What is lost or damaged at a remote, and comes back.

use super::*;

#[test]
fn its_author_heals_a_place_that_was_put_back() {
    let remote = memory();
    let mut devices = fleet(1);
    devices[0].say("one");
    devices[0].round(&remote);
    let before = remote.inner.files();
    for n in 0..20 {
        devices[0].say(&format!("more {n}"));
        devices[0].round(&remote);
    }
    roll_back(&remote.inner, &before);
    let report = devices[0].round(&remote);
    assert_eq!(report.pushed.n_heads, 1);
    let mut late = Device::new();
    late.trust(devices[0].store.log());
    late.round(&remote);
    assert_eq!(late.shown().len(), 21);
}

#[test]
fn another_holder_heals_what_a_cleaner_removed_when_its_author_is_gone() {
    let remote = memory();
    let (mut devices, path) = one_said_to_another(&remote);
    devices[1].round(&remote);
    let author = devices.remove(0);
    assert!(remote.inner.uproot(&path));
    // Who comes late sees that it is missing, and asks for it after a day.
    let mut late = Device::new();
    late.trust(author.store.log());
    late.trust(devices[0].store.log());
    devices[0].trust(late.store.log());
    let report = late.round(&remote);
    assert!(matches!(report.problems[..], [Problem::Missing(_)]), "{report:?}");
    assert_eq!(report.pushed, Moved::default(), "it is not asked for at once");
    late.advance(DAY);
    let report = late.round(&remote);
    assert_eq!(report.pushed.n_heads, 1);
    assert_eq!(late.store.newest_signed().unwrap().unwrap().head().wants.len(), 1);
    let report = devices[0].round(&remote);
    assert_eq!(report.relayed.n_objects, 1, "{report:?}");
    let report = late.round(&remote);
    assert_eq!(report.problems, []);
    assert_eq!(late.shown(), texts(&["one"]));
    assert_eq!(late.store.newest_signed().unwrap().unwrap().head().wants, []);
}

#[test]
fn a_damaged_file_is_replaced_by_a_replica() {
    let remote = memory();
    let (mut devices, path) = one_said_to_another(&remote);
    let bytes = damaged(&remote.inner.files()[&path]);
    remote.inner.plant(&path, &bytes);
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Arriving(_)]), "{report:?}");
    // Rounds follow each other at once while there is more to move: that is no second look.
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Arriving(_)]), "{report:?}");
    devices[1].advance(MINUTE);
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Damaged(_)]), "{report:?}");
    devices[1].advance(60 * MINUTE);
    devices[1].round(&remote);
    // The author hears that it is damaged, reads it, and puts another.
    devices[0].round(&remote);
    assert_eq!(paths(&remote.inner, ".r1.seg").len(), 1);
    assert_eq!(remote.inner.files()[&path], bytes, "what is damaged is left alone");
    let report = devices[1].round(&remote);
    assert_eq!((report.problems, devices[1].shown()), (vec![], texts(&["one"])));
    // Once a day at most, and only while it is needed.
    devices[0].round(&remote);
    devices[0].advance(2 * DAY);
    devices[0].round(&remote);
    assert_eq!(paths(&remote.inner, ".seg").len(), 2);
}

#[test]
fn a_file_that_is_filled_after_it_got_its_size_is_arriving_as_long_as_somebody_writes() {
    let remote = memory();
    let mut devices = fleet(2);
    devices[0].say(&"a long note ".repeat(100));
    devices[0].round(&remote);
    let path = paths(&remote.inner, ".seg").remove(0);
    let whole = remote.inner.files()[&path].clone();
    let mut filled = vec![0; whole.len()];
    for at in 0..4 {
        let end = whole.len() * at / 4;
        filled[..end].copy_from_slice(&whole[..end]);
        remote.inner.plant(&path, &filled);
        devices[1].advance(MINUTE);
        let report = devices[1].round(&remote);
        assert!(matches!(report.problems[..], [Problem::Arriving(_)]), "{report:?}");
    }
    // Nobody writes any more: that is said at the second look, and taken back when somebody does.
    devices[1].advance(MINUTE);
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Damaged(_)]), "{report:?}");
    assert_eq!(report.pushed, Moved::default(), "it is not asked for");
    remote.inner.plant(&path, &whole);
    assert_eq!(devices[1].round(&remote).problems, []);
    assert_eq!(devices[1].shown().len(), 1);
}

#[test]
fn a_file_that_is_short_is_waited_for_longer() {
    let remote = memory();
    let (mut devices, path) = one_said_to_another(&remote);
    let whole = remote.inner.files()[&path].clone();
    remote.inner.plant(&path, &whole[..whole.len() - 1]);
    devices[1].round(&remote);
    devices[1].advance(9 * MINUTE);
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Arriving(_)]), "{report:?}");
    devices[1].advance(MINUTE);
    let report = devices[1].round(&remote);
    assert!(matches!(report.problems[..], [Problem::Damaged(_)]), "{report:?}");
}

#[test]
fn a_file_that_grew_since_it_was_listed_is_not_put_again() {
    let remote = memory();
    let (mut devices, _) = one_said_to_another(&remote);
    remote.grow(paths(&remote.inner, ".head"));
    let report = devices[1].round(&remote);
    assert_eq!((report.problems, devices[1].shown()), (vec![], texts(&["one"])));
    assert_eq!(paths(&remote.inner, ".r1.head"), Vec::<String>::new());
}

#[test]
fn a_file_cut_short_is_read_when_the_rest_has_come() {
    for ending in [".seg", ".head"] {
        let remote = memory();
        let (mut devices, _) = one_said_to_another(&remote);
        let path = paths(&remote.inner, ending).remove(0);
        let whole = remote.inner.files()[&path].clone();
        remote.inner.plant(&path, &whole[..whole.len() / 2]);
        let report = devices[1].round(&remote);
        assert!(matches!(report.problems[..], [Problem::Arriving(_)]), "{report:?}");
        remote.take();
        devices[1].round(&remote);
        assert_eq!(remote.take().gets, 0, "the same half is not read again");
        remote.inner.plant(&path, &whole);
        let report = devices[1].round(&remote);
        assert_eq!((report.problems, devices[1].shown()), (vec![], texts(&["one"])));
    }
}

#[test]
fn a_sync_tools_copies_do_as_well() {
    let remote = memory();
    let (mut devices, _) = one_said_to_another(&remote);
    for path in [".seg", ".head"].into_iter().flat_map(|ending| paths(&remote.inner, ending)) {
        let bytes = remote.inner.files()[&path].clone();
        let (stem, ending) = path.rsplit_once('.').unwrap();
        remote.inner.plant(&format!("{stem} (conflicted copy).{ending}"), &bytes);
        remote.inner.plant(&path, b"not that");
    }
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), texts(&["one"]));
    check_same(&devices);
}

#[test]
fn a_write_that_was_cut_short_is_put_again_beside_it() {
    let remote = memory();
    let (mut devices, path) = one_said_to_another(&remote);
    let files = remote.inner.files();
    // As though the first put had died half-way, before the head.
    remote.inner.uproot(&paths(&remote.inner, ".head").remove(0));
    remote.inner.plant(&path, &files[&path][..20]);
    devices[0].round(&remote);
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), texts(&["one"]));
}

#[test]
fn what_is_damaged_here_is_not_put() {
    let remote = memory();
    let mut device = Device::new();
    device.say("one");
    only_sign(&mut device, &remote);
    let file = kept_as(&device, &newest_segment(&device).path());
    let bytes = std::fs::read(&file).unwrap();
    carry_kernel::disk::write_cache(&file, &damaged(&bytes)).unwrap();
    let report = device.round(&remote);
    assert!(matches!(report.problems[..], [Problem::Lost(..)]), "{report:?}");
    assert_eq!((report.published, remote.inner.files().len()), (None, 1), "no head promises what is not there");
}

#[test]
fn what_was_put_once_and_is_lost_since_silences_nobody() {
    let (remote, fresh) = (memory(), memory());
    let (mut device, path) = one_said(&remote);
    let first = device.round(&remote).published;
    assert!(first.is_some() && remote.inner.uproot(&path));
    std::fs::remove_file(kept_as(&device, &path)).unwrap();
    device.say("two");
    for (place, name) in [(&remote, "shared"), (&fresh, "fresh")] {
        let report = device.try_round(place, name).unwrap();
        assert!(report.published > first, "{report:?}");
        assert!(matches!(&report.problems[..], [Problem::Lost(..)]), "{report:?}");
        assert_eq!(paths(&place.inner, ".seg").len(), 1);
    }
    let mut reader = Device::new();
    reader.round(&remote);
    reader.trust(device.store.log());
    let report = reader.round(&remote);
    assert!(matches!(&report.problems[..], [Problem::Missing(..)]), "{report:?}");
    assert_eq!(reader.shown(), texts(&["two"]));
}

#[test]
fn no_head_names_what_has_no_free_name() {
    let remote = memory();
    let mut device = Device::new();
    device.say("one");
    only_sign(&mut device, &remote);
    let name = newest_segment(&device);
    let taken = names_of(&name);
    taken.iter().for_each(|path| remote.inner.plant(path, b"not that"));
    let report = device.round(&remote);
    assert_eq!((report.problems, report.published), (vec![Problem::Blocked(name)], None));
    assert_eq!(paths(&remote.inner, ".head"), Vec::<String>::new());
    remote.inner.uproot(&taken[3]);
    let report = device.round(&remote);
    assert_eq!((report.problems, report.published), (vec![], Some(1)));
}

#[test]
fn what_was_put_is_taken_to_be_there_for_a_day() {
    let remote = memory();
    let (mut device, segment) = one_said(&remote);
    remote.inner.uproot(&segment);
    device.say("two");
    remote.take();
    device.round(&remote);
    let seen = remote.take();
    assert_eq!((seen.lists, seen.puts, seen.gets), (1, 2, 0), "{seen:?}");
    assert!(!paths(&remote.inner, ".seg").contains(&segment));
    device.advance(DAY);
    device.say("three");
    device.round(&remote);
    assert!(paths(&remote.inner, ".seg").contains(&segment), "it is compared once a day, however much is said");
}

#[test]
fn what_was_put_before_a_crash_is_no_hindrance() {
    let remote = memory();
    let mut device = Device::new();
    device.say("one");
    device.round(&remote);
    device.say("two");
    device.round(&remote);
    // As though the answer to its put had not been heard.
    let last = newest_segment(&device);
    device.store.forget_put("r", &last.path()).unwrap();
    device.say("three");
    remote.take();
    let report = device.round(&remote);
    assert_eq!(remote.take().lists, 1);
    assert_eq!((report.problems, report.published), (vec![], Some(3)));
    assert!(device.store.puts("r").unwrap().iter().any(|put| put.path == last.path()));
}

#[test]
fn any_number_of_copies_of_one_object_hides_neither_it_nor_its_replicas() {
    let remote = memory();
    let (mut devices, path) = one_said_to_another(&remote);
    let (stem, ending) = path.rsplit_once('.').unwrap();
    let bytes = remote.inner.files()[&path].clone();
    for n in 0..200 {
        remote.inner.plant(&format!("{stem} ({n:03}).{ending}"), &bytes);
    }
    let log = devices[0].store.log();
    let shelf = Shelf::read(&remote, Folder::Log(log), &Deadline::NONE).unwrap();
    let object = shelf.objects().next().unwrap().clone();
    let candidates = shelf.candidates(&object);
    assert_eq!((candidates.len(), candidates[0].form), (32, crate::name::Form::Itself));
    remote.inner.plant(&path, b"not that");
    remote.inner.plant(&format!("{stem}.r9.{ending}"), &bytes);
    let shelf = Shelf::read(&remote, Folder::Log(log), &Deadline::NONE).unwrap();
    assert_eq!(shelf.candidates(&object)[1].form, crate::name::Form::Replica(9));
    devices[1].round(&remote);
    assert_eq!(devices[1].shown(), texts(&["one"]));
}
