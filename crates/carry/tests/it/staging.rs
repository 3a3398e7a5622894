//! `restore --staged` and its way back.

use crate::world::{World, field};

/// `a.txt` staged as `staged`, captured, and the staging taken back.
fn staged_and_reset() -> World {
    let world = World::with_commit();
    world.file("a.txt", "staged\n");
    world.git(&["add", "a.txt"]);
    world.ok(&["now"]);
    world.git(&["reset", "-q"]);
    world
}

fn lock(world: &World) -> std::path::PathBuf {
    let lock = world.repo().join(".git/index.lock");
    drop(std::fs::File::create(&lock).expect("the file system serves the test"));
    lock
}

/// A wrapper around Git, first in the search path, that refuses to write the index while the returned file is there.
fn git_that_refuses(world: &World) -> (std::process::Command, std::path::PathBuf) {
    let bin = world.root().join("bin");
    std::fs::create_dir_all(&bin).expect("the file system serves the test");
    let refuses = world.root().join("refuses");
    drop(std::fs::File::create(&refuses).expect("the file system serves the test"));
    let path = std::env::var("PATH").unwrap_or_default();
    let body = format!(
        "#!/bin/sh\ncase \" $* \" in *\" update-index \"*) test -e '{}' && exit 1;; esac\nPATH='{path}' exec git \"$@\"\n",
        refuses.display()
    );
    // Not by this process: a fork of another test would hold the file open, and it could not be run.
    let script = "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"";
    let made = std::process::Command::new("sh")
        .args(["-c", script, "sh", &body])
        .arg(bin.join("git"))
        .status()
        .expect("the file system serves the test");
    assert!(made.success());
    let mut carry = world.command(env!("CARGO_BIN_EXE_carry").as_ref(), &world.repo());
    carry.env("PATH", format!("{}:{path}", bin.display()));
    (carry, refuses)
}

#[test]
fn staging_that_was_reset_comes_back_without_naming_a_snapshot() {
    let world = staged_and_reset();
    assert_eq!(world.git(&["status", "--porcelain"]), " M a.txt\n");
    let ran = world.ok(&["restore", "--staged", "--force", "a.txt"]);
    assert_eq!(world.git(&["status", "--porcelain"]), "M  a.txt\n", "{ran:?}");
    assert_eq!(world.read("a.txt").as_deref(), Some("staged\n"));
    assert_eq!(ran.stdout, "restored what was staged from <ID> (<AGE>)\n");
    assert!(ran.stderr.starts_with("Snapshot <ID> (<AGE>) is the newest in which something else was staged there.\n"));
}

#[test]
fn undoing_a_restored_staging_leaves_files_and_other_staging_alone() {
    let world = staged_and_reset();
    world.ok(&["restore", "--staged", "--force", "a.txt"]);
    world.file("a.txt", "edited since\n");
    world.file("src/net.rs", "staged since\n");
    world.git(&["add", "src/net.rs"]);
    world.ok(&["undo"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("edited since\n"));
    assert_eq!(world.git(&["status", "--porcelain"]), " M a.txt\nM  src/net.rs\n");
    world.ok(&["undo"]);
    assert_eq!(world.git(&["show", ":a.txt"]), "staged\n");
}

#[test]
fn a_locked_index_stops_a_staged_restore_before_any_file() {
    let world = World::with_commit();
    let first = world.snapshot();
    world.file("a.txt", "two\n");
    world.ok(&["now"]);
    let lock = lock(&world);
    let ran = world.carry(&["restore", "--staged", "--force", "--from", &first, "a.txt"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.starts_with("Error: the index is locked by another Git command"), "{ran:?}");
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
    std::fs::remove_file(lock).unwrap();
    assert_eq!(world.carry(&["undo"]).code, 1, "nothing was done that could be undone");
}

#[test]
fn an_undo_that_cannot_begin_can_be_tried_again() {
    let world = World::with_commit();
    let first = world.snapshot();
    world.file("a.txt", "two\n");
    world.git(&["add", "a.txt"]);
    world.ok(&["restore", "--staged", "--force", "--from", &first, "a.txt"]);
    assert_eq!(world.git(&["status", "--porcelain"]), "");
    let lock = lock(&world);
    for _ in 0..2 {
        assert_eq!(world.carry(&["undo"]).code, 1);
        assert_eq!(world.read("a.txt").as_deref(), Some("one\n"));
    }
    std::fs::remove_file(lock).unwrap();
    let ran = world.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: restore a.txt (<AGE>).\n"), "{ran:?}");
    assert_eq!(world.git(&["status", "--porcelain"]), "M  a.txt\n");
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn files_that_were_written_are_told_when_the_index_fails() {
    let world = World::with_commit();
    world.file("a.txt", "staged\n");
    world.git(&["add", "a.txt"]);
    let staged = world.snapshot();
    world.git(&["reset", "-q", "--hard"]);
    let (mut carry, _) = git_that_refuses(&world);
    let arguments = ["restore", "--staged", "--force", "--from", &staged, "a.txt"];
    let ran = world.run(carry.args(arguments));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.stdout, "restored a.txt from <ID> (<AGE>)\n");
    assert!(ran.stderr.contains("`carry undo` brings it back"), "{ran:?}");
    assert!(ran.stderr.contains("Error: git could not restore the staged state"), "{ran:?}");
    world.git(&["reset", "-q", "--hard"]);
    let (mut carry, _) = git_that_refuses(&world);
    let ran = world.run(carry.args(arguments).arg("--json"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(field(&ran.raw, "written"), "[\"a.txt\"]");
    assert_eq!(field(&ran.raw, "staged"), "false");
    assert!(field(&ran.raw, "staged_error").starts_with("git could not"), "{ran:?}");
    assert_eq!(field(ran.raw.lines().nth(1).unwrap(), "kind"), "partly");
}

#[test]
fn an_undo_that_failed_is_not_what_the_next_undo_takes_back() {
    let world = staged_and_reset();
    world.ok(&["restore", "--staged", "--force", "a.txt"]);
    let (mut carry, refuses) = git_that_refuses(&world);
    let ran = world.run(carry.arg("undo"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(world.git(&["status", "--porcelain"]), "M  a.txt\n");
    std::fs::remove_file(refuses).unwrap();
    let ran = world.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: restore a.txt (<AGE>).\n"), "{ran:?}");
    assert_eq!(world.git(&["status", "--porcelain"]), " M a.txt\n");
}
