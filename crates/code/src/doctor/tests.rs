use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::*;
use crate::git::fixture::{Fixture, write};
use crate::prune::fixture::{Made, NOW, World};
use crate::registry::Coverage;
use crate::snapshot::{SkipReason, Skipped};
use crate::{history, refs};

mod others;
mod pulsar;

/// Codes of all findings that have nothing to do with the machine the tests run on, sorted.
fn codes(world: &World) -> Vec<&'static str> {
    let mut codes: Vec<_> =
        examine(&world.ctx).into_iter().map(|finding| finding.code).filter(|code| *code != "disk-full").collect();
    codes.sort_unstable();
    codes
}

fn find(world: &World, code: &str) -> Finding {
    let found = examine(&world.ctx).into_iter().find(|finding| finding.code == code);
    found.unwrap_or_else(|| panic!("{code} is not among {:?}", codes(world)))
}

fn update(world: &World, change: impl FnOnce(&mut crate::registry::TreeState)) {
    Registry::open(&world.ctx.home).unwrap().update_state(&world.tree, change).unwrap();
}

/// A world in which nothing is wrong.
fn healthy() -> World {
    let world = World::new();
    update(&world, |state| state.captured = Some(NOW));
    assert_eq!(codes(&world), Vec::<&str>::new());
    world
}

/// A file that was last changed so long before now.
fn aged(path: PathBuf, age: Duration) -> PathBuf {
    write(&path, b"");
    let time = std::time::UNIX_EPOCH + Duration::from_secs(u64::try_from(NOW.as_secs()).unwrap()) - age;
    std::fs::File::open(&path).unwrap().set_modified(time).unwrap();
    path
}

const HOUR: Duration = Duration::from_secs(3600);

fn apply_all(world: &World, code: &str) {
    apply(&world.ctx, &find(world, code).fix.expect("it has a fix")).unwrap();
    assert!(!codes(world).contains(&code));
}

#[test]
fn nothing_registered_is_a_note() {
    let world = World::new();
    Registry::open(&world.ctx.home).unwrap().remove(&world.tree).unwrap();
    assert_eq!(codes(&world), ["nothing-registered"]);
}

#[test]
fn every_finding_is_a_sentence_with_advice() {
    let world = World::new();
    write(&world.git.root().join(".git/refs/carry/x"), b"");
    aged(world.git.root().join(".git/index.lock"), HOUR);
    update(&world, |state| {
        state.error = Some("the disk broke".to_owned());
        state.coverage = Some(Coverage::Polled);
        state.nested = vec!["sub".into()];
        state.bytes = 1 << 40;
    });
    let all = examine(&world.ctx);
    assert!(all.len() >= 5);
    for finding in all {
        assert!(finding.problem.ends_with('.') && finding.advice.ends_with('.'), "{finding:?}");
        assert!(finding.problem.starts_with(|c: char| c.is_uppercase() || c == '/'), "{finding:?}");
        assert!(!finding.problem.contains(".."), "{finding:?}");
    }
}

#[test]
fn what_the_last_capture_found_is_told() {
    let world = healthy();
    update(&world, |state| {
        state.skipped =
            ["a", "b", "c", "d\u{202e}"].map(|p| Skipped { path: p.into(), reason: SkipReason::TooLarge }).to_vec();
        state.nested = vec!["sub".into()];
        state.error = Some("cannot write x".to_owned());
        state.bytes = 1 << 40;
    });
    assert_eq!(codes(&world), ["budget-full", "capture-failed", "files-skipped", "nested-repositories"]);
    assert!(find(&world, "files-skipped").problem.contains("a (too-large), b (too-large), c (too-large) and 1 more"));
    assert_eq!(find(&world, "capture-failed").severity, Severity::Error);
}

#[test]
fn a_used_up_watch_limit_says_how_to_raise_it() {
    let world = healthy();
    let reason = crate::watch::WatchError::LimitReached { used: 7 }.to_string();
    update(&world, |state| (state.coverage, state.coverage_reason) = (Some(Coverage::Polled), Some(reason)));
    let finding = find(&world, "watch-limit");
    if cfg!(target_os = "linux") {
        assert!(matches!(finding.fix, Some(Fix::Run(command)) if command[0] == "sudo"));
    }
    update(&world, |state| state.coverage_reason = Some("nfs does not report changes".to_owned()));
    assert!(find(&world, "tree-polled").problem.contains("nfs does not report changes."));
}

#[test]
fn paused_and_never_captured_trees_are_told() {
    let world = World::new();
    assert_eq!(codes(&world), ["never-captured"]);
    Registry::open(&world.ctx.home).unwrap().set_paused(&world.tree, true).unwrap();
    assert_eq!(codes(&world), ["tree-paused"]);
}

#[test]
fn a_missing_tree_can_be_forgotten_and_hides_no_other() {
    let world = healthy();
    let other = Fixture::new();
    Registry::open(&world.ctx.home).unwrap().add(&other.open(), &world.ctx.device.id(), NOW, false, None).unwrap();
    std::fs::rename(world.git.root(), world.git.dir().join("moved")).unwrap();
    assert_eq!(codes(&world), ["never-captured", "tree-missing"]);
    apply_all(&world, "tree-missing");
}

#[test]
fn a_damaged_repository_is_an_error_that_names_the_cause() {
    let world = healthy();
    write(&world.git.root().join(".git/config"), b"[core\n");
    let finding = find(&world, "repository-unreadable");
    assert_eq!(finding.severity, Severity::Error);
    assert!(finding.problem.contains(": "), "{}", finding.problem);
}

#[test]
fn an_old_lock_that_nobody_holds_is_removed() {
    let world = healthy();
    let lock = aged(world.git.root().join(".git/index.lock"), HOUR);
    apply_all(&world, "stale-index-lock");
    assert!(!lock.exists());
    // Gone is as good as removed.
    apply(&world.ctx, &Fix::RemoveStaleLock(lock)).unwrap();
}

#[test]
fn a_young_lock_and_one_that_is_open_are_left_alone() {
    let world = healthy();
    let lock = aged(world.git.root().join(".git/index.lock"), Duration::from_secs(599));
    assert_eq!(codes(&world), Vec::<&str>::new());
    assert!(apply(&world.ctx, &Fix::RemoveStaleLock(lock.clone())).is_err());
    if cfg!(target_os = "linux") {
        aged(lock.clone(), HOUR);
        let open = std::fs::File::open(&lock).unwrap();
        assert_eq!(codes(&world), Vec::<&str>::new());
        assert!(apply(&world.ctx, &Fix::RemoveStaleLock(lock.clone())).is_err());
        drop(open);
        assert_eq!(codes(&world), ["stale-index-lock"]);
    }
    assert!(lock.exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_lock_is_not_stale_while_a_git_works_in_the_repository() {
    let world = healthy();
    let lock = aged(world.git.root().join(".git/index.lock"), HOUR);
    // Waits for its standard input, as `git commit -a` does for its editor.
    let mut git = crate::git::fixture::command(&world.git.root())
        .args(["hash-object", "--stdin"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // Between fork and exec it still bears the name of the test.
    let name = format!("/proc/{}/comm", git.id());
    carry_testkit::patience::until("Git runs", || std::fs::read_to_string(&name).unwrap().trim() == "git");
    assert_eq!(codes(&world), Vec::<&str>::new());
    drop(git.stdin.take());
    git.wait().unwrap();
    assert_eq!(codes(&world), ["stale-index-lock"]);
    assert!(lock.exists());
}

#[test]
fn only_locks_of_registered_repositories_are_removed() {
    let world = healthy();
    let elsewhere = aged(world.home.path().join("x.lock"), HOUR);
    let no_lock = aged(world.git.root().join(".git/refs/x"), HOUR);
    for path in [elsewhere, no_lock] {
        assert!(apply(&world.ctx, &Fix::RemoveStaleLock(path.clone())).is_err());
        assert!(path.exists());
    }
}

#[test]
fn locks_of_our_refs_are_found() {
    let world = healthy();
    let snapshot = world.snapshot();
    let line = history::lines(&world.repo()).unwrap().remove(0);
    let lock = aged(world.git.root().join(".git").join(format!("{}.lock", line.name.ref_name())), HOUR);
    apply_all(&world, "stale-ref-lock");
    assert!(!lock.exists());
    assert_eq!(history::keeper(&world.repo().gix(), line.keeper).unwrap().0, snapshot);
}

#[test]
fn a_broken_line_goes_back_to_its_newest_keeper() {
    let world = healthy();
    world.snapshot();
    world.write("file", "on another line\n");
    world.made(Made { branch: "topic", ..Made::default() });
    world.write("file", "two\n");
    let newest = world.snapshot();
    let lines = history::lines(&world.repo()).unwrap();
    let line = lines.iter().find(|line| line.name.component == "main").unwrap();
    write(&world.git.root().join(".git").join(line.name.ref_name()), b"");
    let finding = find(&world, "broken-ref");
    assert_eq!(finding.severity, Severity::Error);
    apply_all(&world, "broken-ref");
    let repaired = history::line(&world.repo(), &line.name).unwrap().unwrap();
    let all: Vec<_> = history::snapshots(&world.repo(), &repaired).map(Result::unwrap).collect();
    assert_eq!((all.len(), all[0].commit), (2, newest.commit));
    // Again is as good as once.
    apply(&world.ctx, &finding.fix.unwrap()).unwrap();
}

#[test]
fn a_broken_pin_is_repaired_from_its_name() {
    let world = healthy();
    let snapshot = world.snapshot();
    crate::prune::pin(&world.repo(), &world.tree, "undo", snapshot.commit).unwrap();
    let name = refs::list(&world.repo(), crate::line::KEEP).unwrap().remove(0).0;
    write(&world.git.root().join(".git").join(&name), b"torn");
    apply_all(&world, "broken-ref");
    assert_eq!(refs::read(&world.repo(), &name).unwrap(), Some(snapshot.commit));
}

#[test]
fn a_snapshot_from_the_future_says_that_a_clock_is_wrong() {
    let world = healthy();
    world.made(Made { time: NOW.after(Duration::from_secs(30)), ..Made::default() });
    assert_eq!(codes(&world), Vec::<&str>::new());
    world.made(Made { time: NOW.after(HOUR), ..Made::default() });
    assert_eq!(codes(&world), ["clock-skew"]);
    world.clock.advance(HOUR);
    assert_eq!(codes(&world), Vec::<&str>::new());
}

#[test]
fn hooks_that_run_are_noted_also_where_hooks_path_puts_them() {
    let world = healthy();
    let hook = |path: &str, mode: u32| {
        let path = world.git.root().join(path);
        write(&path, b"#!/bin/sh\n");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    hook(".git/hooks/reference-transaction", 0o644);
    assert_eq!(codes(&world), Vec::<&str>::new());
    hook(".git/hooks/reference-transaction", 0o755);
    hook(".git/hooks/pre-push", 0o755);
    assert_eq!(codes(&world), ["hook-pre-push", "hook-reference-transaction"]);
    world.git.git(&["config", "core.hooksPath", ".hooks"]);
    hook(".hooks/pre-push", 0o755);
    assert_eq!(codes(&world), ["hook-pre-push"]);
}

#[test]
fn what_mirrors_our_refs_is_told_and_the_fix_keeps_them_out() {
    let world = healthy();
    world.snapshot();
    let remote = world.git.dir().join("remote.git");
    crate::git::fixture::git(&world.git.dir(), &["init", "--quiet", "--bare", "remote.git"]);
    let url = remote.to_str().unwrap();
    world.git.git(&["remote", "add", "--mirror=push", "out", url]);
    world.git.git(&["remote", "add", "--mirror=fetch", "in", url]);
    world.git.git(&["remote", "add", "plain", url]);
    assert_eq!(codes(&world), ["mirror-fetch", "mirror-push"]);
    for code in ["mirror-fetch", "mirror-push"] {
        let Some(Fix::Run(command)) = find(&world, code).fix else { panic!("{code} has a command") };
        assert!(std::process::Command::new(&command[0]).args(&command[1..]).status().unwrap().success());
    }
    assert_eq!(codes(&world), Vec::<&str>::new());
    world.git.git(&["push", "--quiet", "out"]);
    // Git refuses to fetch into the branch that is checked out.
    world.git.git(&["checkout", "--quiet", "--detach"]);
    world.git.git(&["fetch", "--quiet", "--prune", "in"]);
    let there = crate::git::fixture::git(&remote, &["for-each-ref", "--format=%(refname)"]);
    assert_eq!(there, "refs/heads/main");
    assert_eq!(history::lines(&world.repo()).unwrap().len(), 1);
}

#[test]
fn a_pack_without_an_index_is_named() {
    let world = healthy();
    aged(world.git.root().join(".git/objects/pack/pack-1.pack"), Duration::from_secs(60));
    assert_eq!(codes(&world), Vec::<&str>::new(), "it may still get one");
    aged(world.git.root().join(".git/objects/pack/pack-2.pack"), HOUR);
    aged(world.git.root().join(".git/objects/pack/pack-3.pack"), HOUR);
    let finding = find(&world, "pack-without-index");
    assert_eq!(finding.severity, Severity::Note);
    assert!(finding.problem.starts_with("2 packs, among them ") && finding.problem.contains("pack-2.pack"));
}

#[test]
fn branches_of_git_pulsar_are_noted() {
    let world = healthy();
    world.git.git(&["update-ref", "refs/heads/wip/pulsar/host--01234567/main", "HEAD"]);
    assert_eq!(codes(&world), ["foreign-refs"]);
}

#[test]
fn folders_open_to_others_are_closed_and_only_ours_are_changed() {
    let world = healthy();
    let data = world.ctx.home.data_dir().to_owned();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(find(&world, "home-permissions").problem.contains("755"));
    apply_all(&world, "home-permissions");
    assert_eq!(data.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let fix = Fix::Chmod { path: world.git.root(), mode: 0o700 };
    assert!(apply(&world.ctx, &fix).is_err());
}

#[test]
fn a_repository_that_cannot_be_written_is_an_error() {
    // Root may write everywhere.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let world = healthy();
    let objects = world.git.root().join(".git/objects");
    std::fs::set_permissions(&objects, std::fs::Permissions::from_mode(0o555)).unwrap();
    assert_eq!(codes(&world), ["repository-unwritable"]);
    std::fs::set_permissions(&objects, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_registry_that_cannot_be_read_is_the_one_error() {
    let world = healthy();
    for file in ["code.db", "code.db-wal", "code.db-shm"] {
        let _ = std::fs::remove_file(world.ctx.home.data_dir().join(file));
    }
    let path = world.ctx.home.database("code");
    write(&path, &[7; 5000]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(codes(&world), ["registry-unreadable"]);
}

#[test]
fn starting_and_running_are_left_to_the_shell() {
    let world = World::new();
    assert!(apply(&world.ctx, &Fix::StartDaemon).is_err());
    assert!(apply(&world.ctx, &Fix::Run(vec!["true".to_owned()])).is_err());
}
