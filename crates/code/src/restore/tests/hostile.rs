//! Trees and working trees that would lead a restore elsewhere.

use super::*;

/// A tree object with these entries, whatever they are.
fn tree(world: &World, entries: &[(u32, &str, ObjectId)]) -> ObjectId {
    let bytes: Vec<u8> = entries
        .iter()
        .flat_map(|(mode, name, id)| [format!("{mode:o} {name}\0").as_bytes(), id.as_slice()].concat())
        .collect();
    world.object(Kind::Tree, &bytes)
}

#[test]
fn names_that_lead_outside_or_into_git_are_refused_one_by_one() {
    let world = World::new();
    let blob = world.git.loose_blob(b"evil\n");
    let inner = tree(&world, &[(mode::EXECUTABLE, "x", blob)]);
    let names = ["..", ".", ".GIT", ".git", "a/../../x", "/abs", "git~1"];
    let mut entries: Vec<(u32, &str, ObjectId)> = names.iter().map(|name| (mode::FOLDER, *name, inner)).collect();
    entries.push((mode::FILE, "good", blob));
    let snapshot = world.made_of(tree(&world, &entries), Made::default());
    let before = std::fs::read_dir(world.git.root().join(".git")).unwrap().count();
    let current = world.snapshot();
    let repo = world.repo();
    for asked in ["", "..", ".git"] {
        let plan = plan(&repo, &snapshot, &current, &paths(&[asked]), false).unwrap();
        let restored = execute(&repo, &plan).unwrap();
        assert_eq!(restored.written.len(), usize::from(asked.is_empty()));
        assert_eq!(restored.failed.len(), if asked.is_empty() { names.len() } else { 1 }, "{asked}");
    }
    let to = world.home.path().join("to");
    let restored = write_to(&repo, &snapshot, &paths(&[""]), &to).unwrap();
    assert_eq!((restored.written, restored.failed.len()), (paths(&["good"]), names.len()));
    assert_eq!(std::fs::read_dir(&to).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(world.git.root().join(".git")).unwrap().count(), before);
    assert!(!world.git.dir().join("x").exists());
}

#[test]
fn nothing_is_written_or_deleted_through_a_link() {
    let world = World::new();
    world.write("dir/a", "a\n");
    world.write("dir/gone", "g\n");
    let with_both = world.snapshot();
    std::fs::remove_file(world.path("dir/gone")).unwrap();
    let snapshot = world.snapshot();
    std::fs::remove_dir_all(world.path("dir")).unwrap();
    let outside = world.home.path().join("outside");
    crate::git::fixture::write(&outside.join("a"), b"outside\n");
    crate::git::fixture::write(&outside.join("gone"), b"g\n");
    link(&outside, &world.path("dir"));
    let repo = world.repo();

    // The link is not part of any capture: it stays, and the path fails.
    let ignoring = plan(&repo, &snapshot, &with_both, &paths(&["dir"]), true).unwrap();
    assert_eq!(steps(&ignoring), [step("dir/a", Action::Create)]);
    let restored = execute(&repo, &ignoring).unwrap();
    assert_eq!(restored.failed.len(), 1);
    assert_eq!(std::fs::read(outside.join("a")).unwrap(), b"outside\n");

    // It is part of the capture: it makes way for the folder.
    let restored = super::restore(&world, &snapshot, &["dir"], true);
    assert_eq!((restored.deleted, restored.written), (paths(&["dir"]), paths(&["dir/a"])));
    assert!(!world.path("dir").is_symlink());
    assert_eq!(std::fs::read(outside.join("a")).unwrap(), b"outside\n");
    assert_eq!(std::fs::read(outside.join("gone")).unwrap(), b"g\n");
}

#[test]
fn a_link_put_there_after_the_plan_is_not_followed_either() {
    let world = World::new();
    world.write("dir/a", "a\n");
    let snapshot = world.snapshot();
    world.write("dir/a", "changed\n");
    let (repo, current) = (world.repo(), world.snapshot());
    let plan = plan(&repo, &snapshot, &current, &paths(&["dir"]), true).unwrap();
    let outside = world.home.path().join("outside");
    std::fs::rename(world.path("dir"), &outside).unwrap();
    link(&outside, &world.path("dir"));
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!(restored.failed.len(), 1);
    assert_eq!(std::fs::read(outside.join("a")).unwrap(), b"changed\n");
}

#[test]
fn a_link_in_a_files_place_is_replaced_and_its_target_left_alone() {
    let world = World::new();
    let snapshot = world.snapshot();
    let outside = world.home.path().join("outside");
    crate::git::fixture::write(&outside, b"outside\n");
    std::fs::remove_file(world.path("file")).unwrap();
    link(&outside, &world.path("file"));
    super::restore(&world, &snapshot, &["file"], false);
    assert_eq!(world.read("file"), "one\n");
    assert!(!world.path("file").is_symlink());
    assert_eq!(std::fs::read(outside).unwrap(), b"outside\n");
}

#[test]
fn another_repository_in_a_folders_place_is_not_written_to() {
    let world = World::new();
    world.write("sub/a", "a\n");
    let snapshot = world.snapshot();
    std::fs::remove_dir_all(world.path("sub")).unwrap();
    let current = world.snapshot();
    crate::git::fixture::git(&world.git.root(), &["init", "--quiet", "sub"]);
    world.write("sub/b", "theirs\n");
    let repo = world.repo();
    let plan = plan(&repo, &snapshot, &current, &paths(&["sub"]), true).unwrap();
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!(restored.failed, [("sub/a".into(), "it lies inside another repository".to_owned())]);
    assert!(!world.exists("sub/a"));

    // In a file's place it is moved as a whole.
    let file = world.git.loose_blob(b"file\n");
    let snapshot = world.made_of(tree(&world, &[(mode::FILE, "sub", file)]), Made::default());
    let plan = super::plan(&repo, &snapshot, &current, &paths(&["sub"]), true).unwrap();
    execute(&repo, &plan).unwrap();
    assert_eq!((world.read("sub"), world.read("sub.carry-kept-1/b")), ("file\n".into(), "theirs\n".into()));
}

#[test]
fn pipes_are_kept_aside_and_never_read() {
    let world = World::new();
    let snapshot = world.snapshot();
    std::fs::remove_file(world.path("file")).unwrap();
    let current = world.snapshot();
    assert!(std::process::Command::new("mkfifo").arg(world.path("file")).status().unwrap().success());
    let repo = world.repo();
    let plan = plan(&repo, &snapshot, &current, &paths(&["file"]), true).unwrap();
    assert_eq!(steps(&plan), [step("file", Action::KeepAside)]);
    execute(&repo, &plan).unwrap();
    assert_eq!(world.read("file"), "one\n");
    assert!(world.exists("file.carry-kept-1"));
}

#[test]
fn objects_that_are_missing_or_no_files_fail_alone() {
    let world = World::new();
    let blob = world.git.loose_blob(b"good\n");
    let missing = ObjectId::from_hex("1".repeat(40).as_bytes()).unwrap();
    let commit = world.git.id("HEAD");
    let entries = [
        (mode::FILE, "a-missing", missing),
        (mode::FILE, "b-commit", commit),
        (0o10_644, "c-mode", blob),
        (mode::FILE, "d-good", blob),
    ];
    let snapshot = world.made_of(tree(&world, &entries), Made::default());
    let current = world.snapshot();
    let repo = world.repo();
    let plan = plan(&repo, &snapshot, &current, &paths(&[""]), false).unwrap();
    let restored = execute(&repo, &plan).unwrap();
    assert_eq!((restored.written, restored.failed.len()), (paths(&["d-good"]), 3));
    assert_eq!(left_behind(&world), "");
}
