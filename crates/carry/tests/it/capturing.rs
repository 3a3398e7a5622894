//! `add`, `now`, `status`, `list`, `pause`, `remove`.

use crate::world::{World, field};

#[test]
fn now_registers_captures_and_then_finds_nothing_new() {
    let world = World::with_commit();
    world.carry(&["now"]).is(0, "Registered ~/repo.\ncaptured <ID> first snapshot\n", "");
    world.file("src/net.rs", "fn a() {}\nfn b() {}\n");
    world.carry(&["now"]).is(0, "captured <ID> modified src/net.rs (+1 −0)\n", "");
    world.carry(&["now"]).is(0, "nothing new since <ID> (<AGE>)\n", "");
}

#[test]
fn a_capture_leaves_git_as_it_was() {
    let world = World::with_commit();
    world.file("a.txt", "staged\n");
    world.git(&["add", "a.txt"]);
    world.file("a.txt", "staged and more\n");
    world.file("new.txt", "untracked\n");
    let index = std::fs::read(world.repo().join(".git/index")).unwrap();
    let before = world.git(&["status", "--porcelain=v2", "--branch"]);
    world.ok(&["now"]);
    world.ok(&["diff"]);
    world.ok(&["status"]);
    assert_eq!(std::fs::read(world.repo().join(".git/index")).unwrap(), index);
    assert_eq!(world.git(&["status", "--porcelain=v2", "--branch"]), before);
    assert_eq!(world.git(&["branch", "-a"]), "* main\n");
}

#[test]
fn git_carry_is_the_same_program() {
    let world = World::with_commit();
    world.git_carry(&["now"]).is(0, "Registered ~/repo.\ncaptured <ID> first snapshot\n", "");
}

#[test]
fn now_takes_paths_inside_a_working_tree() {
    let world = World::with_commit();
    let ran = world.carry_in(&world.home(), &["now", "repo/src/net.rs"]);
    ran.is(0, "Registered ~/repo.\ncaptured <ID> first snapshot\n", "");
}

#[test]
fn quiet_says_nothing_when_all_went_well() {
    let world = World::with_commit();
    world.carry(&["-q", "now"]).is(0, "", "");
    world.carry(&["-q", "now"]).is(0, "", "");
}

#[test]
fn a_skipped_file_is_named_and_does_not_fail_the_capture() {
    let world = World::with_commit();
    world.file("big.bin", &"x".repeat(3000));
    let ran = world.carry(&["--config", "limits.large_file=2000", "now"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.stderr, "Warning: skipped big.bin (too large)\n");
    let ran = world.ok(&["status"]);
    assert!(ran.stdout.contains("big.bin (too large)"), "{ran:?}");
}

#[test]
fn now_gives_json() {
    let world = World::with_commit();
    let ran = world.ok(&["now", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "capture");
    assert_eq!(field(&ran.raw, "new"), "true");
    let ran = world.ok(&["log", "--json"]);
    assert_eq!(field(&ran.raw, "type"), "snapshot");
    assert_eq!(field(&ran.raw, "branch"), "main");
    assert_eq!(field(&ran.raw, "commit").len(), 40);
    assert_eq!(field(&ran.raw, "tree"), world.git(&["write-tree"]).trim());
    assert!(field(&ran.raw, "time").ends_with('Z'));
    assert_eq!(ran.raw.lines().count(), 1);
}

#[test]
fn a_paused_repository_is_not_captured_until_it_is_resumed() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.carry(&["pause"]).is(0, "Paused ~/repo. `carry resume` goes on.\n", "");
    world.carry(&["now"]).is(1, "", "Error: ~/repo is paused\nHint: `carry resume` captures it again.\n");
    let ran = world.ok(&["status"]);
    assert!(ran.stdout.contains("paused; `carry resume` goes on"), "{ran:?}");
    world.carry(&["resume"]).is(0, "Resumed ~/repo.\n", "");
    world.carry(&["resume", "--all"]).is(0, "~/repo is not paused.\n", "");
    assert_eq!(world.carry(&["now"]).code, 0);
}

#[test]
fn a_removed_repository_is_forgotten_and_its_snapshots_stay() {
    let world = World::with_commit();
    let snapshot = world.snapshot();
    world.carry(&["remove"]).is(0, "Forgot ~/repo. Its snapshots stay in the repository.\n", "");
    assert_eq!(world.ok(&["list"]).stdout, "");
    assert_eq!(world.git(&["cat-file", "-t", &snapshot]), "commit\n");
    assert_ne!(world.carry(&["remove"]).code, 0);
}

#[test]
fn remove_takes_an_id_and_a_path_that_is_gone() {
    let world = World::with_commit();
    world.ok(&["add"]);
    let id = field(&world.ok(&["list", "--json"]).raw, "id");
    assert_eq!(world.carry_in(&world.home(), &["remove", &id]).code, 0);
    world.ok(&["add"]);
    std::fs::rename(world.repo(), world.home().join("moved")).unwrap();
    assert_eq!(world.carry_in(&world.home(), &["remove", "repo"]).code, 0);
    std::fs::rename(world.home().join("moved"), world.repo()).unwrap();
}

#[test]
fn add_registers_the_enclosing_root_once() {
    let world = World::with_commit();
    let ran = world.carry_in(&world.repo().join("src"), &["add"]);
    ran.is(0, "Registered ~/repo.\n", "No daemon runs, so that only `carry now` captures; `carry up` starts it.\n");
    let ran = world.carry(&["add"]);
    assert_eq!(ran.stdout, "~/repo is registered already.\n");
}

#[test]
fn a_moved_repository_keeps_its_snapshots() {
    let world = World::with_commit();
    let snapshot = world.snapshot();
    let new = world.home().join("moved");
    std::fs::rename(world.repo(), &new).unwrap();
    let ran = world.carry_in(&new, &["add"]);
    assert_eq!(ran.stdout, "~/repo moved to ~/moved; its snapshots came along.\n", "{ran:?}");
    let ran = world.carry_in(&new, &["log", "--json"]);
    assert_eq!(field(&ran.raw, "commit"), snapshot);
    std::fs::rename(&new, world.repo()).unwrap();
}

#[test]
fn status_is_honest_without_a_daemon() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.ok(&["status"]);
    assert_eq!(
        ran.stdout,
        "~/repo on main\n\
         \x20 captured   <AGE>, snapshot <ID>\n\
         \x20 worker     none\n\
         \x20 kept       1 snapshot, <SIZE> of <SIZE> (all repositories: <SIZE> of <SIZE>)\n\
         \x20 attention  no daemon runs, so that only `carry now` captures; `carry up` starts it\n\
         No daemon runs; `carry up` starts it.\n"
    );
}

#[test]
fn status_gives_json() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let ran = world.ok(&["status", "--json"]);
    let mut lines = ran.raw.lines();
    assert_eq!(lines.next(), Some(r#"{"type":"daemon","running":false,"pid":null,"config":null}"#));
    let repository = lines.next().unwrap();
    assert_eq!(field(repository, "type"), "repository");
    assert_eq!(field(repository, "coverage"), "unwatched");
    assert_eq!(field(repository, "presence"), "present");
    assert_eq!(field(repository, "snapshots"), "1");
    assert_eq!(field(repository, "root"), world.repo().to_str().unwrap());
}

#[test]
fn an_unregistered_repository_is_said_to_be_unprotected() {
    let world = World::with_commit();
    let ran = world.ok(&["status"]);
    ran.is(
        0,
        "No daemon runs; `carry up` starts it.\n",
        "Warning: ~/repo is not registered: nothing of it is captured.\n\
         `carry up` registers it and captures it from now on.\n",
    );
}

#[test]
fn without_a_command_the_repository_is_registered_and_shown() {
    let world = World::with_commit();
    let ran = world.ok(&[]);
    assert!(ran.stdout.starts_with("Registered ~/repo.\n~/repo\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("never captured yet"), "{}", ran.stdout);
    let ran = world.ok(&[]);
    assert!(ran.stdout.starts_with("~/repo\n"), "{}", ran.stdout);
}

#[test]
fn a_missing_repository_stays_listed() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let away = world.home().join("away");
    std::fs::rename(world.repo(), &away).unwrap();
    let ran = world.carry_in(&world.home(), &["list"]);
    assert!(ran.stdout.contains("missing"), "{ran:?}");
    std::fs::rename(&away, world.repo()).unwrap();
}

#[test]
fn an_unborn_branch_is_captured() {
    let world = World::new();
    world.file("draft.txt", "not committed yet\n");
    assert_eq!(world.carry(&["now"]).code, 0);
    assert_eq!(field(&world.ok(&["log", "--json"]).raw, "head"), "null");
    assert_eq!(world.ok(&["show", &world.newest(), "draft.txt"]).stdout, "not committed yet\n");
}

#[test]
fn a_mistyped_path_stands_for_no_other_repository() {
    let world = World::with_commit();
    world.ok(&["now"]);
    for command in ["remove", "pause", "resume"] {
        for path in ["typo", "src/typo", "../typo", "a.txt/typo"] {
            let ran = world.carry(&[command, path]);
            assert_eq!(ran.code, 1, "{command} {path}: {ran:?}");
            assert!(ran.stderr.starts_with(&format!("Error: {path} does not exist")), "{command}: {ran:?}");
        }
    }
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), 1);
    assert_eq!(world.carry(&["pause", "src"]).stdout, "Paused ~/repo. `carry resume` goes on.\n");
}

#[test]
fn a_registered_folder_that_is_gone_is_named_from_anywhere() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let gone = world.home().join("gone");
    world.git(&["clone", "-q", ".", gone.to_str().unwrap()]);
    assert_eq!(world.carry_in(&gone, &["add"]).code, 0);
    std::fs::remove_dir_all(&gone).unwrap();
    assert_eq!(world.carry(&["pause", "../gone"]).stdout, "Paused ~/gone. `carry resume` goes on.\n");
    let ran = world.carry_in(&world.repo().join("src"), &["remove", "./.././../gone"]);
    assert!(ran.stdout.starts_with("Forgot ~/gone."), "{ran:?}");
    assert_eq!(field(&world.ok(&["list", "--json"]).raw, "root"), world.repo().to_str().unwrap());
}

#[test]
fn a_tree_that_is_switched_off_is_not_captured_and_says_why() {
    let world = World::with_commit();
    world.file("carry.toml", "[code]\nenabled = false\n");
    world.ok(&["add"]);
    world.carry(&["now"]).is(
        1,
        "",
        "Error: ~/repo is switched off by its configuration\n\
         Hint: `carry config show --origin` there says where code.enabled was set.\n",
    );
    let ran = world.carry_in(&world.home(), &["now"]);
    ran.is(0, "", "~/repo is switched off by its configuration.\n");
}

#[test]
fn status_names_what_the_file_of_a_repository_leaves_out() {
    let world = World::with_commit();
    world.file("carry.toml", "[files]\nignore = [\"*.log\", \"tmp/\"]\n[limits]\nlarge_file = \"1 MiB\"\n");
    world.ok(&["now"]);
    let ran = world.ok(&["status"]);
    assert!(ran.stdout.contains("carry.toml here leaves out: *.log, tmp/\n"), "{}", ran.stdout);
    assert!(ran.raw.contains("carry.toml here sets limits.large_file = \"1 MiB\"\n"), "{}", ran.raw);
}

#[test]
fn a_nested_repository_that_is_registered_is_no_gap() {
    let world = World::with_commit();
    world.git(&["init", "-q", "inner"]);
    world.file("inner/x", "x\n");
    world.ok(&["now"]);
    assert!(world.ok(&["status"]).stdout.contains("inner (a repository of its own"));
    world.ok(&["add", "inner"]);
    assert!(!world.ok(&["status"]).stdout.contains("inner (a repository of its own"));
}

#[test]
fn names_from_a_repository_cannot_steer_the_terminal() {
    let world = World::with_commit();
    world.file("a\u{1b}[31m\u{202e}.bin", &"x".repeat(3000));
    let ran = world.ok(&["--config", "limits.large_file=2000", "now"]);
    assert!(ran.stderr.contains("skipped a\u{fffd}[31m\u{fffd}.bin (too large)"), "{ran:?}");
    assert!(!world.ok(&["status"]).stdout.contains('\u{1b}'));
    world.file("carry.toml", "\"k\\u001b[31m\" = 1\n");
    let ran = world.carry(&["config", "show"]);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    let ran = world.carry(&["remove", "gone\u{1b}[31m"]);
    assert!(ran.stderr.starts_with("Error: gone\u{fffd}[31m does not exist"), "{ran:?}");
}
