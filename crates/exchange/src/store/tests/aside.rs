//! Files that no row knows, and a database that is older than they are.

use std::time::Duration;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The files of the own log, by name.
fn files(device: &Device) -> Vec<String> {
    let dir = device.root.join("data/exchange").join(device.store.log().to_string());
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A copy of a home with the database that an earlier copy of it has.
fn with_database_of(later: &Device, before: &Device) -> Device {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("copy");
    assert!(std::process::Command::new("cp").arg("-a").arg(&later.root).arg(&root).status().unwrap().success());
    for name in ["exchange.db", "exchange.db-wal", "exchange.db-shm"] {
        let (from, to) = (before.root.join("data").join(name), root.join("data").join(name));
        drop(std::fs::remove_file(&to));
        if from.exists() {
            std::fs::copy(from, to).unwrap();
        }
    }
    Device { _dir: Some(dir), ..Device::at(&root) }
}

#[test]
fn who_only_looks_changes_nothing_also_where_the_home_was_copied() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let mut copy = device.copy("here");
    drop(std::mem::replace(&mut copy.store, Device::new().store));
    let content = |root: &Path| {
        let all = std::fs::read_dir(root.join("data")).unwrap().map(|entry| entry.unwrap().path());
        // What SQLite keeps in memory that several share holds nothing.
        let files = all.filter(|path| path.is_file() && path.extension().is_none_or(|end| end != "db-shm"));
        files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect::<BTreeMap<_, _>>()
    };
    let before = content(&copy.root);
    let Setup { home, device: id, .. } = setup(&copy.root, "elsewhere");
    let mut looking = Store::open_read_only(&home, id, NOW).unwrap().unwrap();
    assert_eq!(looking.verify().unwrap(), []);
    assert_eq!((looking.log(), looking.verify_quick().unwrap()), (device.store.log(), Vec::new()));
    assert!(looking.set_alias(looking.log(), "other").is_err(), "nothing can be written");
    drop(looking);
    assert_eq!(content(&copy.root), before);
    let none = Home::at(copy.root.join("none"));
    assert!(Store::open_read_only(&none, setup(&copy.root, "here").device, NOW).unwrap().is_none());
    assert!(!none.data_dir().exists());
}

#[test]
fn files_that_no_row_knows_are_set_aside_and_go_after_their_grace_alone() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let dir = device.root.join("data/exchange").join(device.store.log().to_string());
    let (left, tmp) = (dir.join("notes-left.seg"), device.root.join("data/exchange/tmp/1-0.tmp"));
    carry_testkit::repo::write_file(&left, b"left");
    carry_testkit::repo::write_file(&tmp, b"left");
    device.reopen();
    device.check();
    assert!(left.exists() && tmp.exists(), "to open and to look changes nothing");
    assert_eq!(device.store.aside().unwrap(), [Aside { path: left.clone(), bytes: 4, since: None }]);
    assert_eq!(device.store.tidy().unwrap(), 1);
    assert!(!left.exists() && !tmp.exists());
    assert_eq!(files(&device).len(), 1, "what a row knows stays");
    carry_testkit::repo::write_file(&left, b"again");
    device.reopen();
    assert_eq!(device.store.tidy().unwrap(), 1);
    let aside = device.store.aside().unwrap();
    let read: BTreeSet<_> = aside.iter().map(|file| std::fs::read_to_string(&file.path).unwrap()).collect();
    assert_eq!(read, texts(&["left", "again"]), "one does not replace the other");
    assert!(aside.iter().all(|file| file.since == Some(NOW)));
    assert_eq!(device.store.drop_aside(DAY, NOW.after(DAY / 2)).unwrap(), 0);
    assert_eq!(device.store.drop_aside(DAY, NOW.after(DAY)).unwrap(), 2);
    assert_eq!(device.store.aside().unwrap(), []);
    device.check();
}

#[test]
fn a_row_that_names_another_file_costs_no_file() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let name = files(&device).remove(0);
    device.store.db.conn().execute("UPDATE segments SET file = 'x' || file", []).unwrap();
    device.reopen();
    assert!(!device.store.verify().unwrap().is_empty());
    assert_eq!(files(&device), [name], "it is there to look at");
    device.store.tidy().unwrap();
    let aside = device.store.aside().unwrap();
    assert_eq!(aside.len(), 1);
    device.store.db.conn().execute("UPDATE segments SET file = substr(file, 2)", []).unwrap();
    let dir = device.root.join("data/exchange").join(device.store.log().to_string());
    std::fs::rename(&aside[0].path, dir.join(aside[0].path.file_name().unwrap())).unwrap();
    device.check();
}

#[test]
fn what_is_let_go_of_is_not_kept_aside() {
    let mut device = Device::new();
    let pending = device.root.join("data/exchange/pending");
    device.store.attach(&stream("notes"), &["c1".parse().unwrap()], &[], &mut &b"pack"[..]).unwrap();
    assert_eq!(std::fs::read_dir(&pending).unwrap().count(), 1);
    device.facts.say_as("k", "a", Flags::default(), 1, &["c1"]);
    device.publish();
    device.reopen();
    assert_eq!(std::fs::read_dir(&pending).unwrap().count(), 0, "it is in a segment");
    assert_eq!(device.store.tidy().unwrap(), 0);
    device.check();
}

#[test]
fn own_segments_that_an_older_database_does_not_know_are_taken_in_again() {
    let mut device = Device::new();
    device.facts.say_as("k", "a", Flags::REPLACES, 1, &[]);
    device.publish();
    device.facts.say_as("k", "in the tail", Flags::REPLACES, 1, &[]);
    device.drain().unwrap();
    let before = device.copy("here");
    device.facts.say_as("k", "b", Flags::REPLACES, 1, &[]);
    device.publish();
    device.say_all(&["c"]);
    device.publish();
    let log = device.store.log();
    let mut back = with_database_of(&device, &before);
    assert_eq!(back.store.held(log, 0).unwrap()[&stream("notes")], Ranges::of(1, 2));
    assert_eq!(back.store.tidy().unwrap(), 0);
    assert_eq!(back.store.held(log, 0).unwrap()[&stream("notes")], Ranges::of(1, 4));
    back.check();
    assert!(back.store.go_on_from_behind(&mut [&mut back.facts], true, NOW).unwrap().renewed.is_none());
    back.say_all(&["d"]);
    back.publish();
    let mut other = Device::new();
    other.trust(&back.store);
    other.pull(&back.store);
    assert_eq!(other.facts.shown(), texts(&["b", "c", "d"]));
    assert_eq!(other.store.held(log, 0).unwrap()[&stream("notes")], Ranges::of(1, 5), "nothing is said twice");
    other.check();
    back.check();
}

#[test]
fn what_does_not_go_on_from_the_end_or_is_damaged_is_not_taken_in() {
    let mut device = Device::new();
    device.say_all(&["a"]);
    device.publish();
    let before = device.copy("here");
    device.say_all(&["b"]);
    device.publish();
    let last = files(&device).into_iter().next_back().unwrap();
    // One whose bytes are others.
    let damaged = with_database_of(&device, &before);
    let path = damaged.root.join("data/exchange").join(damaged.store.log().to_string()).join(&last);
    let mut bytes = std::fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    carry_testkit::repo::write_file(&path, &bytes);
    // One where the log went on with something else.
    let mut parted = with_database_of(&device, &before);
    parted.store.append(&stream("notes"), crate::strand::Nonce([9; 16]), &[new("z")], NOW).unwrap();
    for mut back in [damaged, parted] {
        let held = back.store.held(back.store.log(), 0).unwrap();
        assert_eq!(back.store.tidy().unwrap(), 1);
        assert_eq!(back.store.held(back.store.log(), 0).unwrap(), held);
        back.check();
    }
}

fn new(text: &str) -> crate::strand::NewRecord {
    crate::strand::NewRecord {
        id: 1,
        flags: Flags::default(),
        key: b"k".to_vec(),
        kind: 1,
        kind_version: 1,
        wants: Vec::new(),
        payload: text.as_bytes().to_vec(),
    }
}
