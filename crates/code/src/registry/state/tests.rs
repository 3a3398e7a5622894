use std::path::Path;

use carry_kernel::db::rusqlite::params;
use carry_kernel::home::Home;

use super::*;
use crate::registry::UndoEntry;

const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);

fn home() -> (tempfile::TempDir, Home) {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path());
    (dir, home)
}

/// Registers a tree by hand, without a repository.
fn insert(registry: &mut Registry, store: &str) -> TreeId {
    let id = TreeId::random();
    let failed = registry.db.failed();
    registry
        .db
        .write(|tx| {
            tx.execute(
                "INSERT INTO trees (id, root, common_dir, dev, ino, added, paused, automatic) VALUES (?, ?, ?, 1, 2, 3, 0, 0)",
                params![id.as_str(), id.as_str().as_bytes(), store.as_bytes()],
            )
            .map_err(&failed)
        })
        .unwrap();
    id
}

fn full_state() -> TreeState {
    TreeState {
        captured: Some(NOW),
        snapshot: Some(ObjectId::from([7; 20])),
        branch: Some("main".to_owned()),
        state: Some(State::Rebase),
        skipped: vec![Skipped { path: BString::from(b"a\xff\n%".to_vec()), reason: SkipReason::FilterFailed }],
        nested: vec![BString::from(" lib ")],
        coverage: Some(Coverage::Polled),
        coverage_reason: Some("network file system".to_owned()),
        error: Some("no \"space\"".to_owned()),
        snapshots: 12,
        bytes: u64::MAX,
        level: Level::TrackedOnly,
        drift: vec![Noted { branch: "main".to_owned(), device: "laptop".to_owned(), time: 5, diverged: true }],
    }
}

#[test]
fn a_state_is_read_back_as_it_was_written() {
    let (_dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    let id = insert(&mut registry, "/s");
    assert_eq!(registry.state(&id).unwrap(), TreeState::default());
    registry.update_state(&id, |state| *state = full_state()).unwrap();
    assert_eq!(registry.state(&id).unwrap(), full_state());
    assert_eq!(Registry::open_read_only(&home).unwrap().unwrap().state(&id).unwrap(), full_state());
    for (level, _) in LEVELS {
        for (coverage, _) in COVERAGES {
            let state = TreeState { level, coverage: Some(coverage), ..TreeState::default() };
            assert_eq!(decode(Some(&encode(&state))), state);
        }
    }
}

#[test]
fn a_state_of_another_version_or_in_ruins_still_reads() {
    let newer =
        r#"{"branch":"x","level":"frugal","coverage":"psychic","skipped":[["on-loan","a"],["special","b"]],"moon":1}"#;
    let state = decode(Some(newer));
    assert_eq!(
        (state.branch.as_deref(), state.level, state.coverage, state.skipped.len()),
        (Some("x"), Level::Normal, None, 1)
    );
    assert_eq!(decode(Some("{")), TreeState::default());
    assert_eq!(decode(Some("{}")), TreeState::default());
}

#[test]
fn a_tree_that_is_not_registered_has_no_state_to_change() {
    let (_dir, home) = home();
    assert!(Registry::open_read_only(&home).unwrap().is_none());
    let mut registry = Registry::open(&home).unwrap();
    registry.update_state(&TreeId::random(), |_| panic!("there is nothing to change")).unwrap();
    assert_eq!(registry.state(&TreeId::random()).unwrap(), TreeState::default());
}

#[test]
fn two_handles_that_change_a_state_at_once_lose_nothing() {
    let (_dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    let id = insert(&mut registry, "/s");
    let each = 50;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut registry = Registry::open(&home).unwrap();
                for _ in 0..each {
                    registry.update_state(&id, |state| state.snapshots += 1).unwrap();
                }
            });
        }
    });
    assert_eq!(registry.state(&id).unwrap().snapshots, 2 * each);
}

#[test]
fn used_bytes_add_up_by_store_and_in_all_without_overflow() {
    let (_dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    for (store, bytes) in [("/s", 5), ("/s", 7), ("/t", 100)] {
        let id = insert(&mut registry, store);
        registry.update_state(&id, |state| state.bytes = bytes).unwrap();
    }
    assert_eq!(registry.bytes_used(Path::new("/s")).unwrap(), (12, 112));
    assert_eq!(registry.bytes_used(Path::new("/nowhere")).unwrap(), (0, 112));
    for _ in 0..3 {
        let id = insert(&mut registry, "/s");
        registry.update_state(&id, |state| state.bytes = u64::MAX).unwrap();
    }
    assert_eq!(registry.bytes_used(Path::new("/s")).unwrap(), (u64::MAX, u64::MAX));
}

#[test]
fn packs_that_are_gone_are_forgotten_but_not_with_their_whole_store() {
    let (dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    let store = dir.path().join("store");
    let pack = |name: &str| store.join("objects/pack").join(name);
    std::fs::create_dir_all(pack("")).unwrap();
    for (name, bytes) in [("b.pack", 1), ("a.pack", 2), ("c.pack", 3), ("a.pack", 4)] {
        std::fs::File::create(pack(name)).unwrap();
        registry.note_pack(&store, &pack(name), bytes).unwrap();
    }
    std::fs::remove_file(pack("b.pack")).unwrap();
    let left = vec![(pack("a.pack"), 4), (pack("c.pack"), 3)];
    assert_eq!(registry.packs(&store).unwrap(), left);
    std::fs::File::create(pack("b.pack")).unwrap();
    assert_eq!(registry.packs(&store).unwrap(), left);

    std::fs::rename(&store, dir.path().join("unplugged")).unwrap();
    assert!(registry.packs(&store).unwrap().is_empty());
    std::fs::rename(dir.path().join("unplugged"), &store).unwrap();
    assert_eq!(registry.packs(&store).unwrap(), left);
}

#[test]
fn undo_goes_back_one_entry_at_a_time() {
    let (_dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    let tree = insert(&mut registry, "/s");
    let entry = |what: &str| UndoEntry {
        id: 0,
        tree: tree.clone(),
        time: NOW,
        what: what.to_owned(),
        before: ObjectId::from([9; 20]),
        paths: vec![BString::from(b"x\xfe\n".to_vec()), BString::from("")],
        staged: true,
        handoff: None,
    };
    registry.note_undo(&entry("first")).unwrap();
    registry.note_undo(&entry("second")).unwrap();
    registry.note_undo(&UndoEntry { tree: TreeId::random(), ..entry("elsewhere") }).unwrap();
    for what in ["second", "first"] {
        let last = registry.last_undo(&tree).unwrap().unwrap();
        assert_eq!(UndoEntry { id: 0, ..last.clone() }, entry(what));
        registry.mark_undone(last.id).unwrap();
    }
    assert_eq!(registry.last_undo(&tree).unwrap(), None);
}

#[test]
fn the_journal_keeps_the_newest_entries_of_each_tree() {
    let (_dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    let (tree, other) = (insert(&mut registry, "/s"), insert(&mut registry, "/s"));
    let entry = |tree: &TreeId, n: u32| UndoEntry {
        id: 0,
        tree: tree.clone(),
        time: NOW,
        what: n.to_string(),
        before: ObjectId::from_hex(format!("{n:040x}").as_bytes()).unwrap(),
        paths: vec![],
        staged: false,
        handoff: None,
    };
    registry.note_undo(&entry(&other, 7)).unwrap();
    for n in 0..crate::registry::UNDO_MAX + 2 {
        registry.note_undo(&entry(&tree, n)).unwrap();
    }
    let kept = registry.undo_snapshots(&tree).unwrap();
    assert_eq!(kept.len(), crate::registry::UNDO_MAX as usize);
    assert!((0..2).all(|n| !kept.contains(&entry(&tree, n).before)) && kept.contains(&entry(&tree, 2).before));
    assert_eq!(registry.undo_snapshots(&other).unwrap().len(), 1);
}

#[test]
fn how_far_a_store_is_durable_is_remembered_per_store() {
    let (_dir, home) = home();
    let mut registry = Registry::open(&home).unwrap();
    assert_eq!(registry.durable_until(Path::new("/s")).unwrap(), None);
    registry.set_durable_until(Path::new("/s"), NOW).unwrap();
    registry.set_durable_until(Path::new("/s"), Timestamp::from_secs(5)).unwrap();
    assert_eq!(registry.durable_until(Path::new("/s")).unwrap(), Some(Timestamp::from_secs(5)));
    assert_eq!(registry.durable_until(Path::new("/t")).unwrap(), None);
}
