//! What is the user's stays as it is: the index, conflicts, hooks, files.

use std::time::{Duration, UNIX_EPOCH};

use carry_testkit::fingerprint::Fingerprint;

use super::{Gate, commit, put, script, text, until};
use crate::world::{World, field};

/// Every kind of entry that an index can differ by.
fn partly_staged() -> World {
    let world = World::with_commit();
    for name in ["moved.txt", "gone.txt", "kept.txt"] {
        world.file(name, &format!("{name}\n"));
    }
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "more"]);
    world.file("a.txt", "staged\n");
    world.git(&["add", "a.txt"]);
    world.file("a.txt", "staged and more\n");
    world.file("added.txt", "added\n");
    world.git(&["add", "added.txt"]);
    world.file("meant.txt", "meant\n");
    world.git(&["add", "-N", "meant.txt"]);
    world.git(&["mv", "moved.txt", "there.txt"]);
    world.git(&["rm", "-q", "--cached", "gone.txt"]);
    world.git(&["update-index", "--assume-unchanged", "kept.txt"]);
    world.file("untracked.txt", "untracked\n");
    world
}

#[test]
fn partial_staging_survives_every_capture() {
    let world = partly_staged();
    let status = world.git(&["status", "--porcelain=v2"]);
    assert!(status.contains("1 MM "), "{status}");
    for n in 0..3 {
        world.file("untracked.txt", &format!("untracked {n}\n"));
        world.capture();
        world.quietly(&["now"]);
        assert_eq!(world.git(&["status", "--porcelain=v2"]), status);
    }
    assert_eq!(world.git(&["ls-files", "-v", "kept.txt"]), "h kept.txt\n");
}

#[test]
fn partial_staging_survives_the_daemon() {
    let world = partly_staged();
    world.configure("code.quiet = \"50ms\"\n");
    let status = world.git(&["status", "--porcelain=v2"]);
    let git = Fingerprint::of_git(&world.repo());
    world.ok(&["up"]);
    for n in 0..3 {
        let content = format!("untracked {n}\n");
        world.file("untracked.txt", &content);
        until("the daemon captured it", || world.ok(&["show", &world.newest(), "untracked.txt"]).raw == content);
    }
    Fingerprint::of_git(&world.repo()).assert_same_as(&git);
    assert_eq!(world.git(&["status", "--porcelain=v2"]), status);
}

#[test]
fn a_conflict_stays_unresolved() {
    let cases = [
        ("merge", &["merge", "other"][..]),
        ("rebase", &["rebase", "other"]),
        ("cherry-pick", &["cherry-pick", "other"]),
        ("revert", &["revert", "--no-edit", "HEAD~1"]),
    ];
    for (state, command) in cases {
        let world = World::with_commit();
        world.git(&["switch", "-qc", "other"]);
        world.file("a.txt", "theirs\n");
        world.git(&["commit", "-qam", "theirs"]);
        world.git(&["switch", "-q", "main"]);
        for content in ["ours\n", "ours, later\n"] {
            world.file("a.txt", content);
            world.git(&["commit", "-qam", "ours"]);
        }
        assert!(!world.try_git_in(&world.repo(), command).status.success(), "{state} conflicts");
        let capture = world.capture();
        assert_eq!(text(&capture["snapshot"]["state"]), state);
        assert!(world.held(&capture, "a.txt").is_some_and(|held| held.contains("<<<<<<<")), "{state}");
        assert_eq!(world.git(&["status", "--porcelain", "-uno"]), "UU a.txt\n", "{state}");
        let committing = world.try_git_in(&world.repo(), &["commit", "-qm", "concluded"]);
        assert!(!committing.status.success(), "{state}: Git itself must still refuse");
    }
}

#[test]
fn a_conflict_of_a_stash_stays_unresolved() {
    let world = World::with_commit();
    world.file("a.txt", "stashed\n");
    world.git(&["stash", "-q"]);
    world.file("a.txt", "committed\n");
    world.git(&["commit", "-qam", "second"]);
    assert!(!world.try_git_in(&world.repo(), &["stash", "pop"]).status.success());
    world.capture();
    assert_eq!(world.git(&["status", "--porcelain"]), "UU a.txt\n");
    assert_eq!(world.git(&["stash", "list"]).lines().count(), 1);
}

#[test]
fn an_unfinished_merge_is_waited_for_where_that_is_asked() {
    let world = World::with_commit();
    world.configure("code.quiet = \"20ms\"\ncode.in_progress = \"wait\"\n");
    world.ok(&["up"]);
    let worker = |name: &str| -> String {
        let status: serde_json::Value = serde_json::from_str(&world.ok(&["daemon", "status", "--json"]).raw).unwrap();
        status["workers"][0][name].to_string()
    };
    let snapshots = || world.ok(&["log", "--json"]).raw.lines().count();
    let head = world.git(&["rev-parse", "HEAD"]);
    put(&world.repo().join(".git/MERGE_HEAD"), head.as_bytes());
    until("the daemon is at rest", || worker("dirty") == "false" && worker("phase").contains("healthy"));
    let (before, cycles) = (snapshots(), worker("cycles"));
    world.file("a.txt", "merging\n");
    until("the daemon looked", || worker("cycles") != cycles);
    assert_eq!(snapshots(), before);
    std::fs::remove_file(world.repo().join(".git/MERGE_HEAD")).unwrap();
    world.file("b.txt", "merged\n");
    until("the daemon captured what was merged", || snapshots() > before);
    let ran = world.ok(&["show", &world.newest(), "--json"]);
    assert_eq!(field(&ran.raw, "state"), "null");
}

#[test]
fn now_captures_an_unfinished_merge_even_so() {
    let world = World::with_commit();
    world.configure("code.in_progress = \"wait\"\n");
    put(&world.repo().join(".git/MERGE_HEAD"), world.git(&["rev-parse", "HEAD"]).as_bytes());
    world.file("a.txt", "merging\n");
    let capture = world.capture();
    assert_eq!(text(&capture["snapshot"]["state"]), "merge");
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("merging\n"));
}

#[test]
fn no_hook_runs_in_a_capture() {
    const HOOKS: &[&str] = &[
        "pre-commit",
        "prepare-commit-msg",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-index-change",
        "pre-auto-gc",
        "reference-transaction",
        "fsmonitor-watchman",
        "pre-push",
    ];
    for format in ["files", "reftable"] {
        let world = World::new();
        std::fs::remove_dir_all(world.repo().join(".git")).unwrap();
        world.git(&["init", "-q", &format!("--ref-format={format}")]);
        world.file("a.txt", "one\n");
        world.git(&["add", "-A"]);
        world.git(&["commit", "-qm", "first"]);
        let log = world.root().join("hooks.log");
        for hook in HOOKS {
            let body = format!("echo {hook} >>'{}'; exit 1", log.display());
            script(&world.repo().join(".git/hooks").join(hook), &body);
        }
        world.file("a.txt", "two\n");
        world.ok(&["now"]);
        world.file("a.txt", "three\n");
        world.ok(&["now"]);
        world.ok(&["status"]);
        assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 2, "{format}");
        assert_eq!(std::fs::read_to_string(&log).unwrap_or_default(), "", "{format}");
    }
}

#[test]
fn gitignore_and_excludes_stay_as_the_user_wrote_them() {
    let world = World::with_commit();
    world.file(".gitignore", "# mine, without an end of line\n\n*.log");
    world.git(&["add", "-A"]);
    world.quietly(&["add"]);
    world.quietly(&["now"]);
    world.quietly(&["ignore", "*.iso"]);
    world.quietly(&["now"]);
    world.quietly(&["ignore", "*.iso", "--remove"]);
    world.quietly(&["remove"]);
}

#[test]
fn commands_that_read_write_nothing_of_git() {
    let world = partly_staged();
    world.ok(&["now"]);
    // An index whose notes on files are out of date is one that Git would like to write anew.
    let later = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["src/net.rs", "there.txt", "added.txt"] {
        let file = std::fs::File::options().write(true).open(world.repo().join(name)).unwrap();
        file.set_modified(later).unwrap();
    }
    let newest = world.newest();
    let lines = world.lines();
    let count = world.git(&["count-objects", "-v"]);
    for command in [
        &["status"][..],
        &["status", "--all", "--json"],
        &["list"],
        &["log"],
        &["log", "a.txt"],
        &["diff"],
        &["show", &newest],
        &["show", &newest, "a.txt"],
        &["prune", "--dry-run"],
        &["config", "show"],
    ] {
        world.quietly(command);
    }
    let before = Fingerprint::of(&world.repo());
    world.carry(&["doctor"]);
    Fingerprint::of(&world.repo()).assert_same_as(&before);
    assert_eq!(world.lines(), lines);
    assert_eq!(world.git(&["count-objects", "-v"]), count);
}

#[test]
fn locks_that_git_holds_stop_no_capture_and_stay() {
    let world = World::with_commit();
    for lock in ["index.lock", "HEAD.lock", "config.lock", "refs/heads/main.lock", "packed-refs.lock", "shallow.lock"] {
        let path = world.repo().join(".git").join(lock);
        put(&path, b"");
        world.file("a.txt", &format!("{lock}\n"));
        let capture = world.capture();
        assert_eq!(world.held(&capture, "a.txt"), Some(format!("{lock}\n")));
        assert!(path.exists(), "{lock} is not ours to take away");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn git_works_while_a_capture_waits() {
    let world = World::with_commit();
    let gate = Gate::new(&world, &world.repo());
    world.file("one.slow", "slow\n");
    let capture = world.start(&world.repo(), &["now"]);
    let held = gate.reached();
    world.file("b.txt", "b\n");
    world.git(&["add", "b.txt"]);
    world.git(&["commit", "-qm", "meanwhile"]);
    world.git(&["branch", "side"]);
    world.git(&["stash", "list"]);
    gate.open();
    drop(held);
    capture.ok();
    let capture = world.capture();
    assert_eq!(text(&capture["snapshot"]["head"]), world.git(&["rev-parse", "HEAD"]).trim());
    assert_eq!(world.held(&capture, "one.slow").as_deref(), Some("slow\n"));
    world.git(&["fsck", "--strict"]);
}

#[test]
fn what_a_snapshot_left_out_is_never_deleted() {
    let world = World::with_commit();
    world.configure("limits.large_file = 2000\n");
    world.file("src/old.bin", "small once\n");
    let large = "x".repeat(3000);
    world.file("src/large.bin", &large);
    world.file("src/build.log", "ignored\n");
    world.file(".gitignore", "*.log\n");
    world.git(&["init", "-q", "src/inner"]);
    world.file("src/inner/work.txt", "of another repository\n");
    let first = commit(&world.capture()).to_owned();
    world.file("src/old.bin", &large);
    world.file("src/net.rs", "changed\n");
    let second = world.carry(&["restore", "src", "--from", &first, "--exact", "--force"]);
    assert!(matches!(second.code, 0 | 3), "{second:?}");
    assert_eq!(world.read("src/net.rs").as_deref(), Some("fn a() {}\n"));
    assert_eq!(world.read("src/large.bin").as_deref(), Some(&*large));
    assert_eq!(world.read("src/build.log").as_deref(), Some("ignored\n"));
    assert_eq!(world.read("src/inner/work.txt").as_deref(), Some("of another repository\n"));
    // What no snapshot could hold is overwritten by none, or kept beside.
    let kept = ["src/old.bin", "src/old.bin.carry-kept-1"].into_iter().filter_map(|name| world.read(name));
    assert!(kept.into_iter().any(|content| content == large), "{second:?}");
}

#[test]
fn a_deletion_is_brought_back_as_one_and_undone() {
    let world = World::with_commit();
    world.file("later.txt", "not yet there\n");
    world.capture();
    world.delete("later.txt");
    let without = commit(&world.capture()).to_owned();
    world.file("later.txt", "again, and never captured\n");
    world.ok(&["restore", ".", "--from", &without, "--exact", "--force"]);
    assert_eq!(world.read("later.txt"), None);
    world.ok(&["undo"]);
    assert_eq!(world.read("later.txt").as_deref(), Some("again, and never captured\n"));
}

#[test]
fn what_was_staged_comes_back_after_a_hard_reset() {
    let world = partly_staged();
    world.git(&["update-index", "--no-assume-unchanged", "kept.txt"]);
    let status = world.git(&["status", "--porcelain=v2"]);
    let snapshot = commit(&world.capture()).to_owned();
    world.git(&["reset", "-q", "--hard"]);
    world.git(&["clean", "-qfd"]);
    world.git(&["gc", "-q", "--prune=now"]);
    world.ok(&["restore", ".", "--from", &snapshot, "--exact", "--staged", "--force"]);
    assert_eq!(world.git(&["status", "--porcelain=v2"]), status);
    assert_eq!(world.git(&["show", ":a.txt"]), "staged\n");
}

#[test]
fn a_dropped_stash_outlives_gc() {
    let world = World::with_commit();
    world.file("a.txt", "stashed\n");
    world.file("new.txt", "stashed too\n");
    world.git(&["stash", "-q", "--include-untracked"]);
    let stash = world.git(&["rev-parse", "stash"]);
    world.capture();
    world.git(&["stash", "drop", "-q"]);
    world.git(&["reflog", "expire", "--expire=now", "--all"]);
    world.git(&["gc", "-q", "--prune=now"]);
    assert_eq!(world.git(&["show", &format!("{}:a.txt", stash.trim())]), "stashed\n");
    world.git(&["stash", "apply", "-q", stash.trim()]);
    assert_eq!(world.read("new.txt").as_deref(), Some("stashed too\n"));
}
