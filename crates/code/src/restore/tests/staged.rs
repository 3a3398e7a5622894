//! What was staged, brought back.

use super::*;
use crate::git::fixture;

/// Records the index as a capture does, and takes a snapshot with it.
fn snapshot(world: &World) -> Snapshot {
    let repo = world.repo();
    let gix = repo.gix();
    let mut index = gix.open_index().unwrap();
    crate::staged::expand_sparse(&mut index, &gix).unwrap();
    let head = gix.head_commit().ok().map(|commit| commit.tree_id().unwrap().detach());
    let mut objects = Vec::new();
    let mut write = |kind, bytes: &[u8]| {
        objects.push((kind, bytes.to_vec()));
        crate::pack::Batch::id_of(repo.hash(), kind, bytes)
    };
    let sparse = gix.config_snapshot().boolean("core.sparseCheckout").unwrap_or(false);
    let mut hash_only = |bytes: &[u8]| crate::pack::Batch::id_of(repo.hash(), Kind::Tree, bytes);
    let side = crate::staged::record(&index, head, sparse, &mut write, &mut hash_only);
    for (kind, bytes) in objects {
        world.object(kind, &bytes);
    }
    let staged = side.map(|side| {
        let who = "Carry <carry@localhost> 0 +0000";
        let raw =
            [format!("tree {}\nauthor {who}\ncommitter {who}\n\n", side.tree).into_bytes(), side.message].concat();
        world.object(Kind::Commit, &raw)
    });
    world.made(Made { staged, ..Made::default() })
}

/// Everything the index says, flags included.
fn index(world: &World) -> String {
    world.git.git(&["ls-files", "--stage", "-v", "-t"]) + &world.git.git(&["diff", "--cached", "--name-status"])
}

fn bring_back(world: &World, snapshot: &Snapshot, asked: &[&str]) {
    restore_staged(&world.repo(), snapshot, &paths(asked)).unwrap();
}

#[test]
fn all_that_was_staged_comes_back_and_the_files_stay() {
    let world = World::new();
    world.git.commit("old", "old\n");
    world.write("file", "staged\n");
    world.write("new/deep", "new\n");
    world.git.git(&["add", "-A"]);
    world.git.git(&["rm", "--quiet", "--cached", "old"]);
    let (taken, before) = (snapshot(&world), index(&world));
    world.git.git(&["reset", "--quiet"]);
    world.write("file", "later\n");
    world.write("late", "late\n");
    world.git.git(&["add", "late"]);
    bring_back(&world, &taken, &[]);
    assert_eq!(index(&world), before);
    assert_eq!(world.read("file"), "later\n");
    bring_back(&world, &taken, &[""]);
    assert_eq!(index(&world), before);
}

#[test]
fn without_a_side_commit_the_index_was_what_head_is() {
    let world = World::new();
    world.git.commit("marked", "m\n");
    let taken = snapshot(&world);
    assert_eq!(taken.meta.staged, None);
    world.git.git(&["update-index", "--assume-unchanged", "marked"]);
    let before = index(&world);
    world.write("file", "two\n");
    world.git.git(&["add", "-A"]);
    bring_back(&world, &taken, &[]);
    assert_eq!(index(&world), before);
}

#[test]
fn only_the_paths_asked_for_change() {
    let world = World::new();
    world.write("a/x", "x\n");
    world.write("b", "b\n");
    world.git.git(&["add", "-A"]);
    let taken = snapshot(&world);
    world.git.git(&["reset", "--quiet"]);
    bring_back(&world, &taken, &["a"]);
    assert_eq!(world.git.git(&["diff", "--cached", "--name-status"]), "A\ta/x");
    // What was not staged then goes.
    world.write("c", "c\n");
    world.git.git(&["add", "c"]);
    bring_back(&world, &taken, &["c"]);
    assert_eq!(world.git.git(&["diff", "--cached", "--name-status"]), "A\ta/x");
}

#[test]
fn a_conflict_comes_back_with_all_its_stages() {
    let world = World::new();
    world.git.git(&["checkout", "--quiet", "-b", "other"]);
    world.git.commit("file", "theirs\n");
    world.git.git(&["checkout", "--quiet", "main"]);
    world.git.commit("file", "ours\n");
    assert!(!world.git.try_git(&["merge", "other"]).status.success());
    let (taken, before) = (snapshot(&world), index(&world));
    assert!(before.contains("3\tfile"));
    world.write("file", "resolved\n");
    world.git.git(&["add", "file"]);
    bring_back(&world, &taken, &["file"]);
    assert_eq!(index(&world), before);
    bring_back(&world, &taken, &[]);
    assert_eq!(index(&world), before);
}

#[test]
fn marks_and_intentions_come_back() {
    let world = World::new();
    for path in ["assumed", "skipped", "plain"] {
        world.git.commit(path, "x\n");
    }
    world.write("intended", "i\n");
    world.write("ignored", "i\n");
    world.write(".gitignore", "ignored\n");
    world.git.git(&["add", "--intent-to-add", "--force", "intended", "ignored"]);
    world.git.git(&["update-index", "--assume-unchanged", "assumed"]);
    world.git.git(&["update-index", "--skip-worktree", "skipped"]);
    let (taken, before) = (snapshot(&world), index(&world));
    world.git.git(&["update-index", "--no-assume-unchanged", "assumed"]);
    world.git.git(&["update-index", "--no-skip-worktree", "skipped"]);
    world.git.git(&["update-index", "--assume-unchanged", "plain"]);
    world.git.git(&["rm", "--quiet", "--cached", "-f", "intended", "ignored", "assumed"]);
    bring_back(&world, &taken, &[]);
    assert_eq!(index(&world), before);
    assert_eq!(world.git.git(&["diff", "--name-only", "--diff-filter=A"]), "ignored\nintended");
}

#[test]
fn files_and_folders_change_places() {
    let world = World::new();
    world.write("place/inner", "i\n");
    world.git.git(&["add", "-A"]);
    let (folder, before) = (snapshot(&world), index(&world));
    std::fs::remove_dir_all(world.path("place")).unwrap();
    world.write("place", "file\n");
    world.git.git(&["add", "-A"]);
    let (file, after) = (snapshot(&world), index(&world));
    bring_back(&world, &folder, &[]);
    assert_eq!(index(&world), before);
    bring_back(&world, &file, &["place"]);
    assert_eq!(index(&world), after);
}

#[test]
fn a_sparse_checkout_keeps_what_it_leaves_out() {
    for sparse_index in ["--no-sparse-index", "--sparse-index"] {
        let world = World::new();
        world.git.commit("in/a", "a\n");
        world.git.commit("out/b", "b\n");
        world.git.git(&["sparse-checkout", "set", "--cone", sparse_index, "in"]);
        world.write("in/a", "staged\n");
        world.git.git(&["add", "in/a"]);
        let taken = snapshot(&world);
        world.git.git(&["reset", "--quiet"]);
        bring_back(&world, &taken, &[]);
        assert_eq!(world.git.git(&["diff", "--cached", "--name-only"]), "in/a");
        assert_eq!(world.git.git(&["status", "--porcelain"]), "M  in/a", "{sparse_index}");
        assert!(!world.exists("out/b"));
    }
}

#[test]
fn an_index_that_another_git_has_locked_is_left_alone() {
    let world = World::new();
    let taken = snapshot(&world);
    let lock = world.git.root().join(".git/index.lock");
    fixture::write(&lock, b"");
    let before = std::fs::read(world.git.root().join(".git/index")).unwrap();
    let error = restore_staged(&world.repo(), &taken, &[]).unwrap_err();
    assert!(matches!(error, RestoreError::IndexLocked { path } if path == lock));
    assert_eq!(std::fs::read(world.git.root().join(".git/index")).unwrap(), before);
}

#[test]
fn an_unborn_branch_had_nothing_staged() {
    let world = World::with(fixture::Fixture::init(&[]));
    world.write("a", "a\n");
    world.git.git(&["add", "-A"]);
    let staged = snapshot(&world);
    world.git.git(&["rm", "--quiet", "--cached", "a"]);
    let empty = world.made(Made::default());
    bring_back(&world, &staged, &[]);
    assert_eq!(world.git.git(&["ls-files"]), "a");
    bring_back(&world, &empty, &[]);
    assert_eq!(world.git.git(&["ls-files"]), "");
}

#[test]
fn nothing_is_written_when_nothing_differs() {
    let world = World::new();
    world.write("file", "staged\n");
    world.git.git(&["add", "file"]);
    let taken = snapshot(&world);
    world.git.git(&["status"]);
    let inode = || rustix::fs::lstat(world.git.root().join(".git/index")).unwrap().st_ino;
    world.git.git(&["update-index", "-q", "--refresh"]);
    let before = inode();
    bring_back(&world, &taken, &[]);
    assert_eq!(inode(), before);
}
