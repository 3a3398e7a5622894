//! `restore` and `undo`.

use crate::world::{World, field};

/// `a.txt` said `one`, then `two`; both captured.
fn one_then_two() -> (World, String) {
    let world = World::with_commit();
    let first = world.snapshot();
    world.file("a.txt", "two\n");
    world.ok(&["now"]);
    (world, first)
}

#[test]
fn a_deleted_file_comes_back_without_questions() {
    let (world, _) = one_then_two();
    world.delete("a.txt");
    let ran = world.ok(&["restore", "a.txt"]);
    assert_eq!(ran.stdout, "restored a.txt from <ID> (<AGE>)\n");
    assert_eq!(ran.stderr, "What was there before is kept in snapshot <ID>; `carry undo` brings it back.\n");
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn a_changed_file_needs_force_without_a_terminal() {
    let (world, _) = one_then_two();
    let ran = world.carry(&["restore", "a.txt"]);
    ran.is(
        1,
        "",
        "Error: a.txt would be overwritten or deleted\n\
         Hint: Pass --force to do it; what is there is captured first, and `carry undo` brings it back.\n\
         Hint: --dry-run shows all that would be done, --to DIR writes elsewhere.\n",
    );
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
    world.ok(&["restore", "a.txt", "--force"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("one\n"));
}

#[test]
fn edits_made_since_the_last_snapshot_are_kept_and_come_back_with_undo() {
    let (world, first) = one_then_two();
    world.file("a.txt", "three, never captured\n");
    world.ok(&["restore", "a.txt", "--from", &first, "--yes"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("one\n"));
    let ran = world.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: restore a.txt (<AGE>).\n"), "{}", ran.stdout);
    assert_eq!(world.read("a.txt").as_deref(), Some("three, never captured\n"));
}

#[test]
fn an_undo_can_be_undone() {
    let (world, first) = one_then_two();
    world.ok(&["restore", "a.txt", "--from", &first, "--force"]);
    world.ok(&["undo"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
    let ran = world.ok(&["undo"]);
    assert!(ran.stdout.starts_with("Undoing: undo of restore a.txt ("), "{}", ran.stdout);
    assert_eq!(world.read("a.txt").as_deref(), Some("one\n"));
    world.ok(&["undo"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn undo_takes_away_what_a_restore_created() {
    let world = World::with_commit();
    world.file("gone.txt", "x\n");
    let with = world.snapshot();
    world.delete("gone.txt");
    world.ok(&["restore", "gone.txt", "--from", &with]);
    assert_eq!(world.read("gone.txt").as_deref(), Some("x\n"));
    world.ok(&["undo"]);
    assert_eq!(world.read("gone.txt"), None);
}

#[test]
fn there_may_be_nothing_to_undo() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.carry(&["undo"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("Error: there is nothing to undo here\n"), "{ran:?}");
}

#[test]
fn a_whole_folder_comes_back_and_exact_deletes_the_rest() {
    let world = World::with_commit();
    let first = world.snapshot();
    world.delete("src/net.rs");
    world.file("src/extra.rs", "x\n");
    world.ok(&["restore", "src", "--from", &first]);
    assert_eq!(world.read("src/net.rs").as_deref(), Some("fn a() {}\n"));
    assert_eq!(world.read("src/extra.rs").as_deref(), Some("x\n"));
    world.ok(&["restore", "src", "--from", &first, "--exact", "--force"]);
    assert_eq!(world.read("src/extra.rs"), None);
    world.ok(&["undo"]);
    assert_eq!(world.read("src/extra.rs").as_deref(), Some("x\n"));
}

#[test]
fn a_dry_run_changes_nothing() {
    let (world, first) = one_then_two();
    let ran = world.ok(&["restore", "a.txt", "--from", &first, "--dry-run"]);
    assert_eq!(ran.stdout, "would overwrite a.txt\n");
    let ran = world.ok(&["restore", "a.txt", "--from", &first, "--dry-run", "--json"]);
    assert_eq!(ran.stdout, "{\"type\":\"step\",\"action\":\"replace\",\"path\":\"a.txt\"}\n");
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
    assert_eq!(world.carry(&["undo"]).code, 1);
}

#[test]
fn files_can_be_written_elsewhere() {
    let (world, first) = one_then_two();
    let to = world.home().join("out");
    let ran = world.ok(&["restore", "a.txt", "src", "--from", &first, "--to", to.to_str().unwrap()]);
    assert_eq!(ran.code, 0);
    assert_eq!(std::fs::read_to_string(to.join("a.txt")).unwrap(), "one\n");
    assert_eq!(std::fs::read_to_string(to.join("src/net.rs")).unwrap(), "fn a() {}\n");
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn a_time_names_a_snapshot() {
    let (world, _) = one_then_two();
    world.delete("a.txt");
    let ran = world.carry(&["restore", "a.txt", "--from", "10 years ago"]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.starts_with("Error: no snapshot is as old as \"10 years ago\"; the oldest was made "),
        "{ran:?}"
    );
    assert!(ran.stderr.contains(" +00:00\n"), "in the user's zone: {ran:?}");
    world.ok(&["restore", "a.txt", "--from", "2200-01-01"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn the_index_changes_only_with_staged() {
    let world = World::with_commit();
    world.file("a.txt", "staged\n");
    world.git(&["add", "a.txt"]);
    world.file("a.txt", "staged and more\n");
    let snapshot = world.snapshot();
    world.git(&["reset", "-q", "--hard"]);
    world.ok(&["restore", "a.txt", "--from", &snapshot, "--force"]);
    assert_eq!(world.git(&["status", "--porcelain"]), " M a.txt\n");
    world.ok(&["restore", "a.txt", "--from", &snapshot, "--force", "--staged"]);
    assert_eq!(world.git(&["status", "--porcelain"]), "MM a.txt\n");
    assert_eq!(world.git(&["show", ":a.txt"]), "staged\n");
}

#[test]
fn what_no_snapshot_holds_is_moved_aside_and_named() {
    let world = World::with_commit();
    world.file("x.log", "captured\n");
    let snapshot = world.snapshot();
    world.file(".gitignore", "*.log\n");
    world.file("x.log", "ignored by now\n");
    let ran = world.ok(&["restore", "x.log", "--from", &snapshot, "--force"]);
    assert_eq!(world.read("x.log").as_deref(), Some("captured\n"));
    assert!(ran.stderr.contains("What was at x.log is kept as "), "{ran:?}");
    assert_eq!(world.read("x.log.carry-kept-1").as_deref(), Some("ignored by now\n"));
}

#[test]
fn a_path_that_no_snapshot_has_fails_the_part_that_asked_for_it() {
    let (world, first) = one_then_two();
    let ran = world.carry(&["restore", "nothing", "--from", &first]);
    ran.is(
        1,
        "",
        "Error: snapshot <ID> has no nothing\nHint: `carry log PATH` lists the snapshots in which it changed.\n",
    );
    let ran = world.carry(&["restore", "a.txt", "nothing", "--from", &first, "--force"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(world.read("a.txt").as_deref(), Some("one\n"));
}

#[test]
fn paths_outside_the_working_tree_are_refused() {
    let (world, _) = one_then_two();
    assert_eq!(world.carry(&["restore", "../other", "--force"]).code, 2);
    assert_eq!(world.carry(&["restore", ".git/config", "--force"]).code, 2);
}

#[test]
fn restore_gives_json() {
    let (world, first) = one_then_two();
    let ran = world.ok(&["restore", "a.txt", "--from", &first, "--force", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "restored");
    assert_eq!(field(&ran.raw, "from"), first);
    assert_eq!(field(&ran.raw, "written"), "[\"a.txt\"]");
}

#[test]
fn a_dry_run_of_writing_elsewhere_gives_json() {
    let (world, first) = one_then_two();
    let ran = world.ok(&["restore", "a.txt", "--from", &first, "--to", "out", "--dry-run", "--json"]);
    assert_eq!(ran.stdout, "{\"type\":\"step\",\"action\":\"write\",\"path\":\"a.txt\"}\n");
}

#[test]
fn a_restore_that_changed_nothing_leaves_no_way_back() {
    let (world, first) = one_then_two();
    world.ok(&["restore", "a.txt", "--from", &first, "--force"]);
    world.carry(&["restore", "a.txt", "--from", &first, "--force"]);
    world.ok(&["undo"]);
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}
