use std::collections::BTreeMap;

use super::*;
use crate::sink::{Opened, Stored, summary_of};
use crate::unit::Bucket;
use carry_sessions::mask::pieces::{Known, KnownBucket};

const STORE: &str = "default";

struct Rig {
    state: State,
    home: Home,
    _dir: tempfile::TempDir,
}

fn rig() -> Rig {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().to_owned());
    Rig { state: State::open(&home).unwrap(), home, _dir: dir }
}

fn unit(byte: u8) -> Pushed {
    let bucket = |n: u8| KnownBucket { raw: [n; 32], shaped: [n + 1; 32], has_secrets: n.is_multiple_of(2) };
    Pushed {
        input: [byte; 32],
        mask: "1-abc".to_owned(),
        shape: 7,
        mode: Mode::Prompts,
        root: Root([byte + 1; 32]),
        head: [byte + 2; 32],
        known: Known { buckets: (0..5).map(|n| (Bucket(n * 1000), bucket(n as u8))).collect(), values: [9; 32] },
        masked: BTreeMap::from([("token".to_owned(), 3)]),
    }
}

fn record(rig: &mut Rig, key: &str, unit: Pushed) {
    rig.state.record(STORE, &[(key.to_owned(), unit)]).unwrap();
}

fn damage(rig: &Rig, sql: &str) {
    rig.state.db.conn().execute_batch(sql).unwrap();
}

#[test]
fn a_unit_comes_back_as_it_was_recorded() {
    let mut rig = rig();
    assert!(State::open_read_only(&Home::at(rig.home.data_dir().join("none"))).unwrap().is_none());
    record(&mut rig, "a", unit(1));
    record(&mut rig, "b", Pushed { known: Known::default(), ..unit(4) });
    assert_eq!(rig.state.pushed(STORE, "a").unwrap(), Some(unit(1)));
    let reader = State::open_read_only(&rig.home).unwrap().unwrap();
    assert_eq!(reader.pushed(STORE, "b").unwrap().unwrap().known, Known::default());
    assert_eq!(reader.pushed("other", "a").unwrap(), None);
    let known = reader.known(STORE).unwrap();
    assert_eq!(known["a"].input, Some([1; 32]));
    assert_eq!(known["b"].mask, "1-abc");
    let roots = [("a", Some(Root([2; 32]))), ("b", Some(Root([5; 32])))];
    assert_eq!(reader.roots(STORE).unwrap(), roots.map(|(key, root)| (key.to_owned(), root)));
    let row = reader.store(STORE).unwrap();
    assert_eq!((row.units, row.masked["token"]), (2, 6));
}

#[test]
fn buckets_that_are_damaged_are_not_believed() {
    for damage_done in [
        "UPDATE buckets SET packed = x''",
        "UPDATE buckets SET packed = zeroblob(500)",
        "UPDATE buckets SET packed = substr(packed, 1, length(packed) - 69)",
        "UPDATE buckets SET packed = CAST(packed || x'00' AS BLOB)",
        "UPDATE buckets SET packed = CAST(substr(packed, 1, 100) || x'ff' || substr(packed, 102) AS BLOB)",
        "DELETE FROM buckets",
        "UPDATE units SET mode = 'everything'",
        "UPDATE units SET input = NULL",
    ] {
        let mut rig = rig();
        record(&mut rig, "a", unit(1));
        damage(&rig, damage_done);
        assert_eq!(rig.state.pushed(STORE, "a").unwrap(), None, "{damage_done}");
        assert!(rig.state.shared(STORE, "a").unwrap().is_some(), "that it is there is known: {damage_done}");
    }
}

#[test]
fn buckets_that_did_not_change_are_not_written_again() {
    let mut rig = rig();
    record(&mut rig, "a", unit(1));
    let changes = |rig: &Rig| rig.state.db.conn().total_changes();
    let before = changes(&rig);
    record(&mut rig, "a", Pushed { input: [8; 32], ..unit(1) });
    assert_eq!(changes(&rig) - before, 1, "only its row");
    let before = changes(&rig);
    record(&mut rig, "a", Pushed { shape: 8, ..unit(1) });
    assert_eq!(changes(&rig) - before, 2);
}

#[test]
fn another_store_of_the_same_name_is_not_the_one_that_is_known() {
    let mut rig = rig();
    let opened = |id: &str, owner: &str| Opened { store_id: id.to_owned(), owner: owner.to_owned() };
    let holder = rig.state.holder(STORE).unwrap();
    assert_eq!(holder.len(), 32);
    assert!(!rig.state.opened(STORE, &opened("one", "1")).unwrap());
    record(&mut rig, "a", unit(1));
    rig.state.record("other", &[("a".to_owned(), unit(1))]).unwrap();
    rig.state.pushed_well(STORE, Timestamp::from_millis(5)).unwrap();
    assert!(!rig.state.opened(STORE, &opened("one", "1")).unwrap());
    assert_eq!(rig.state.store(STORE).unwrap().units, 1);
    assert!(rig.state.opened(STORE, &opened("two", "1")).unwrap());
    let row = rig.state.store(STORE).unwrap();
    assert_eq!((row.units, row.pushed_at, row.store_id.as_deref()), (0, None, Some("two")));
    assert_eq!(rig.state.store("other").unwrap().units, 1);
    record(&mut rig, "a", unit(1));
    assert!(rig.state.opened(STORE, &opened("two", "9")).unwrap(), "another owner's units are others");
    assert_eq!(rig.state.holder(STORE).unwrap(), holder);
    assert_ne!(rig.state.key(STORE).unwrap(), [0; 32]);
}

#[test]
fn a_copy_of_the_home_has_another_name_and_each_keeps_its_own() {
    let mut rig = rig();
    let holder = rig.state.holder(STORE).unwrap();
    record(&mut rig, "a", unit(1));
    let dir = tempfile::tempdir().unwrap();
    let copy = Home::at(dir.path().to_owned());
    let Rig { state, home, _dir } = rig;
    drop(state);
    let folder = |home: &Home| home.database("team").parent().unwrap().to_owned();
    std::fs::create_dir_all(folder(&copy)).unwrap();
    // The database and what is beside it.
    for file in std::fs::read_dir(folder(&home)).unwrap().map(Result::unwrap) {
        std::fs::copy(file.path(), folder(&copy).join(file.file_name())).unwrap();
    }
    let mut copied = State::open(&copy).unwrap();
    let other = copied.holder(STORE).unwrap();
    assert_ne!(other, holder);
    assert_eq!(copied.holder(STORE).unwrap(), other);
    assert_eq!(copied.store(STORE).unwrap().units, 1, "what is known of the store is as true there");
    assert_eq!(State::open(&home).unwrap().holder(STORE).unwrap(), holder);
}

#[test]
fn of_what_the_store_says_otherwise_nothing_else_is_believed() {
    let mut rig = rig();
    for (key, byte) in [("gone", 1), ("moved", 4), ("same", 7)] {
        record(&mut rig, key, unit(byte));
    }
    let stored = |root: Option<u8>| Stored { root: root.map(|n| Root([n; 32])), mask: "0".into(), mode: Mode::Full };
    let roots = [("moved", Some(99)), ("same", Some(8)), ("unknown", Some(50)), ("odd", None)];
    let roots: BTreeMap<_, _> = roots.into_iter().map(|(key, root)| (key.to_owned(), stored(root))).collect();
    rig.state.believe(STORE, &roots).unwrap();
    assert_eq!(rig.state.pushed(STORE, "same").unwrap(), Some(unit(7)));
    for key in ["gone", "moved", "unknown", "odd"] {
        assert_eq!(rig.state.pushed(STORE, key).unwrap(), None, "{key}");
    }
    assert_eq!(rig.state.shared(STORE, "moved").unwrap(), Some((Mode::Full, "0".to_owned())));
    assert_eq!(rig.state.shared(STORE, "gone").unwrap(), None);
    let said = roots.iter().map(|(key, stored)| (key.as_str(), stored.root));
    assert_eq!(summary_of(rig.state.roots(STORE).unwrap()), summary_of(said), "the store is asked once");
    assert_eq!(rig.state.known(STORE).unwrap()["moved"].input, None);
}

#[test]
fn what_fails_waits_longer_each_time_and_an_hour_at_most() {
    let mut rig = rig();
    let now = Timestamp::from_millis(1000);
    let mut waits = Vec::new();
    for _ in 0..12 {
        rig.state.set_aside(STORE, "a", &[1; 32], SetAside::Failed("no"), now).unwrap();
        let row = rig.state.store(STORE).unwrap();
        waits.push(row.failed[0].1.retry_at.since(now).as_secs());
    }
    assert_eq!(waits[..4], [10, 20, 40, 80]);
    assert!(waits.is_sorted());
    assert_eq!(waits[10..], [3600, 3600]);
    let known = rig.state.known(STORE).unwrap();
    assert_eq!((known["a"].input, known["a"].failed_input), (None, Some([1; 32])));
    record(&mut rig, "a", unit(1));
    assert!(rig.state.store(STORE).unwrap().failed.is_empty());
    assert_eq!(rig.state.known(STORE).unwrap()["a"].retry_at, None);
}

#[test]
fn a_unit_of_another_device_is_remembered_as_that() {
    let mut rig = rig();
    record(&mut rig, "a", unit(1));
    let now = Timestamp::from_millis(1000);
    rig.state.set_aside(STORE, "a", &[1; 32], SetAside::Elsewhere("desk"), now).unwrap();
    let row = rig.state.store(STORE).unwrap();
    assert_eq!((row.units, row.elsewhere), (0, vec![("a".to_owned(), "desk".to_owned())]));
    assert!(rig.state.known(STORE).unwrap()["a"].retry_at > Some(now));
    rig.state.remove(STORE, &["a".to_owned()]).unwrap();
    assert!(rig.state.known(STORE).unwrap().is_empty());
}
