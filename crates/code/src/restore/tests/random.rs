//! From any working tree to any other and back.

use proptest::prelude::*;

use super::*;

/// Files by path; a path may not be both a file and a folder.
fn trees() -> impl Strategy<Value = Vec<(String, u8)>> {
    let path = prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4).prop_map(|parts| parts.join("/"));
    prop::collection::vec((path, 0..5u8), 0..8)
}

/// Makes the working tree hold these files and nothing else.
fn fill(world: &World, files: &[(String, u8)]) {
    for name in ["a", "b", "c"] {
        let path = world.path(name);
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            std::fs::remove_file(path).unwrap();
        }
    }
    for (path, content) in files {
        let at = world.path(path);
        let clear = at
            .ancestors()
            .take_while(|above| *above != world.git.root())
            .all(|above| above.symlink_metadata().is_err() || above.is_dir());
        if !clear || at.exists() {
            continue;
        }
        match content {
            0 => {
                std::fs::create_dir_all(at.parent().unwrap()).unwrap();
                link("somewhere", &at);
            }
            1 => {
                world.write(path, "run\n");
                set_permissions(world, path, 0o755);
            }
            n => world.write(path, format!("{n}\n")),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn an_exact_restore_gives_the_snapshot_and_undo_gives_what_was(there in trees(), wanted in trees()) {
        let world = World::new();
        fill(&world, &wanted);
        let snapshot = world.snapshot();
        fill(&world, &there);
        let before = world.snapshot();
        let done = restore(&world, &snapshot, &[""], true);
        prop_assert_eq!(world.write_tree(), snapshot.tree);
        prop_assert_eq!(done.kept, vec![]);

        let changed: Vec<BString> = done.written.into_iter().chain(done.deleted).collect();
        let (repo, current) = (world.repo(), world.snapshot());
        let plan = undo_plan(&repo, &before, &current, &changed).unwrap();
        let back = execute(&repo, &plan).unwrap();
        prop_assert_eq!(back.failed, vec![]);
        prop_assert_eq!(back.kept, vec![]);
        prop_assert_eq!(world.write_tree(), before.tree);
    }

    #[test]
    fn without_exact_nothing_is_lost_but_what_is_replaced(there in trees(), wanted in trees()) {
        let world = World::new();
        fill(&world, &wanted);
        let snapshot = world.snapshot();
        fill(&world, &there);
        let current = world.snapshot();
        let repo = world.repo();
        execute(&repo, &plan(&repo, &snapshot, &current, &paths(&[""]), false).unwrap()).unwrap();
        let after = world.write_tree();
        let gix = world.repo().gix();
        let has = |tree, path: &BString| crate::history::entry_at(&gix, tree, path.as_bstr()).unwrap();
        for (path, entry) in look::leaves(&gix, snapshot.tree, b"".as_bstr()).unwrap() {
            prop_assert_eq!(has(after, &path), Some(entry));
        }
        for (path, entry) in look::leaves(&gix, current.tree, b"".as_bstr()).unwrap() {
            let conflicts = look::leaves(&gix, snapshot.tree, b"".as_bstr()).unwrap().iter().any(|(other, _)| {
                paths::is_within(other.as_bstr(), path.as_bstr()) || paths::is_within(path.as_bstr(), other.as_bstr())
            });
            prop_assert!(conflicts || has(after, &path) == Some(entry));
        }
    }
}
