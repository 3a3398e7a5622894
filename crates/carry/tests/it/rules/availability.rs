//! The next capture always works: whatever the clock says, who else captures, what was left behind.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_code::capture::{Capturer, Look, Outcome, Request};
use carry_code::context::Context;
use carry_code::registry::Registry;
use carry_kernel::clock::{Clock, Timestamp};
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use super::{Gate, commit, put, skipped, text, until};
use crate::world::{World, field};

/// A clock that stands still.
#[derive(Debug)]
struct Stopped(Timestamp);

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        self.0
    }
    fn steady(&self) -> Timestamp {
        self.0
    }
}

/// Captures the repository at a time of its own.
#[track_caller]
fn capture_at(world: &World, at: Timestamp) -> String {
    let home = Home::at(world.root().join("carry"));
    let device = Device::load_or_create(&home, "here").expect("an identity");
    let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
    let registry = Registry::open(&home).expect("the registry");
    let tree = registry.by_root(&world.repo()).expect("the registry").expect("it is registered");
    let ctx = Context { home, device: device.into(), clock: Arc::new(Stopped(at)), sources };
    let cancel = AtomicBool::new(false);
    let request = Request::new(Look::Everything, &cancel);
    let report = Capturer::new(ctx, tree).capture(&request).expect("a capture");
    match report.outcome {
        Outcome::Captured(snapshot) => snapshot.commit.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_clock_in_the_future_does_not_stop_captures() {
    let world = World::with_commit();
    world.ok(&["add"]);
    for (year, content) in [(2_208_988_800, "of 2040\n"), (8_000_000_000, "of 2223\n")] {
        world.file("a.txt", content);
        let future = capture_at(&world, Timestamp::from_secs(year));
        world.file("a.txt", &format!("after {content}"));
        let now = world.capture();
        assert_eq!(now["new"], true, "{now}");
        assert_eq!(world.newest(), commit(&now), "what came later is the newest");
        assert_eq!(world.held(&now, "a.txt"), Some(format!("after {content}")));
        assert!(world.ok(&["log", "--json"]).raw.contains(&future));
    }
    world.configure("code.quiet = \"50ms\"\n");
    world.ok(&["up"]);
    world.file("a.txt", "by the daemon\n");
    until("the daemon captured it", || world.ok(&["show", &world.newest(), "a.txt"]).raw == "by the daemon\n");
}

#[test]
fn a_clock_in_the_past_does_not_stop_captures() {
    let world = World::with_commit();
    world.ok(&["now"]);
    for at in [1, 0, -1] {
        world.file("a.txt", &format!("at {at}\n"));
        let early = capture_at(&world, Timestamp::from_secs(at));
        assert_eq!(world.newest(), early, "what came later is the newest");
    }
    world.file("a.txt", "now\n");
    assert_eq!(world.capture()["new"], true);
}

#[test]
fn now_always_captures() {
    let world = World::with_commit();
    world.configure("daemon.preset = \"lazy\"\ndaemon.commit_interval = \"1h\"\n");
    for n in 0..3 {
        world.file("a.txt", &format!("{n}\n"));
        let capture = world.capture();
        assert_eq!(capture["new"], true);
        assert_eq!(world.held(&capture, "a.txt"), Some(format!("{n}\n")));
    }
    world.ok(&["daemon", "start"]);
    for n in 3..6 {
        world.file("a.txt", &format!("{n}\n"));
        assert_eq!(world.held(&world.capture(), "a.txt"), Some(format!("{n}\n")));
    }
}

#[test]
fn a_capture_that_was_killed_leaves_nothing_in_the_way() {
    let world = World::with_commit();
    let gate = Gate::new(&world, &world.repo());
    world.file("one.slow", "slow\n");
    let capture = world.start(&world.repo(), &["now"]);
    let held = gate.reached();
    capture.kill();
    gate.open();
    drop(held);
    // Well before any lease would have lapsed.
    world.start(&world.repo(), &["now"]).ok();
    assert_eq!(world.ok(&["show", &world.newest(), "one.slow"]).raw, "slow\n");
    assert_eq!(locks(&world.repo().join(".git")), Vec::<PathBuf>::new());
    world.git(&["fsck", "--strict"]);
}

/// Lock files below a folder.
fn locks(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(locks(&path));
        } else if path.extension().is_some_and(|end| end == "lock") {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_capture_takes_as_long_as_it_needs() {
    let world = World::with_commit();
    let gate = Gate::new(&world, &world.repo());
    for n in 0..3 {
        world.file(&format!("{n}.slow"), &format!("{n}\n"));
    }
    let mut capture = world.start(&world.repo(), &["now"]);
    let held = gate.reached();
    assert!(!capture.has_ended(), "nothing ends it while it waits");
    gate.open();
    drop(held);
    capture.ok();
    for n in 0..3 {
        assert_eq!(world.ok(&["show", &world.newest(), &format!("{n}.slow")]).raw, format!("{n}\n"));
    }
}

#[test]
fn a_daemon_that_was_killed_leaves_nothing_in_the_way() {
    let world = World::with_commit();
    world.configure("code.quiet = \"50ms\"\n");
    let gate = Gate::new(&world, &world.repo());
    world.ok(&["add"]);
    world.ok(&["daemon", "start"]);
    let pid = field(&world.ok(&["daemon", "status", "--json"]).raw, "pid");
    world.file("one.slow", "slow\n");
    let held = gate.reached();
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    gate.open();
    drop(held);
    until("the system noticed", || field(&world.ok(&["daemon", "status", "--json"]).raw, "running") == "false");
    world.start(&world.repo(), &["now"]).ok();
    assert_eq!(world.ok(&["show", &world.newest(), "one.slow"]).raw, "slow\n");
    world.start(&world.repo(), &["up"]).ok();
    assert_eq!(locks(&world.repo().join(".git")), Vec::<PathBuf>::new());
}

#[test]
fn a_missing_path_stays_registered() {
    let world = World::with_commit();
    let first = commit(&world.capture()).to_owned();
    let away = world.root().join("unmounted");
    std::fs::rename(world.repo(), &away).unwrap();
    for command in [&["now"][..], &["list"], &["status", "--all"], &["doctor"], &["prune", "--all", "--yes"]] {
        let ran = world.carry_in(&world.home(), command);
        assert!(ran.code < 70, "{command:?} {ran:?}");
    }
    let listed = world.carry_in(&world.home(), &["list"]);
    assert!(listed.stdout.contains("~/repo") && listed.stdout.contains("missing"), "{listed:?}");
    let ran = world.carry_in(&world.home(), &["status", "--all"]);
    assert!(ran.stdout.contains("the folder is not there"), "{ran:?}");
    std::fs::rename(&away, world.repo()).unwrap();
    world.file("a.txt", "back\n");
    assert_eq!(world.capture()["new"], true);
    assert!(world.ok(&["log", "--json"]).raw.contains(&first));
}

#[test]
fn a_path_that_vanishes_under_the_daemon_stays_registered() {
    let world = World::with_commit();
    world.configure("code.quiet = \"50ms\"\n");
    world.ok(&["up"]);
    let away = world.root().join("unmounted");
    std::fs::rename(world.repo(), &away).unwrap();
    let ran = world.carry_in(&world.home(), &["now"]);
    assert!(matches!(ran.code, 1 | 3), "{ran:?}");
    assert!(world.carry_in(&world.home(), &["list"]).stdout.contains("missing"));
    std::fs::rename(&away, world.repo()).unwrap();
    world.file("a.txt", "back\n");
    world.start(&world.repo(), &["now"]).ok();
    assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, "back\n");
}

#[test]
fn a_folder_of_any_name_can_be_registered() {
    let world = World::with_commit();
    let names: [&[u8]; 8] = [
        b" leading and trailing ",
        b"new\nline",
        b"\n",
        "\u{2028}\u{85}".as_bytes(),
        b"#comment",
        b"-option",
        b"\xff\xfe",
        b"'\"$(x)`",
    ];
    for name in names {
        let root = world.home().join(OsStr::from_bytes(name));
        let made =
            world.command(Path::new("git"), &world.home()).args(["clone", "-q", "repo", "--"]).arg(&root).status();
        // Git takes the second path after the separator as the folder.
        if !made.is_ok_and(|status| status.success() && root.is_dir()) {
            std::fs::create_dir_all(&root).unwrap();
            world.git_in(&root, &["init", "-q"]);
        }
        put(&root.join("a.txt"), name);
        let ran = world.carry_in(&root, &["now"]);
        assert_eq!(ran.code, 0, "{name:?} {ran:?}");
    }
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), names.len());
    for name in names {
        let root = world.home().join(OsStr::from_bytes(name));
        assert_eq!(world.carry_in(&root, &["status"]).code, 0);
        assert_eq!(world.carry_in(&root, &["remove"]).code, 0, "{name:?}");
    }
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), 0);
}

#[test]
fn a_pipe_in_the_place_of_settings_holds_nobody() {
    for name in ["carry.toml", ".gitmodules", "src/.gitattributes"] {
        let world = World::with_commit();
        world.ok(&["now"]);
        assert!(std::process::Command::new("mkfifo").arg(world.repo().join(name)).status().unwrap().success());
        world.file("a.txt", "goes on\n");
        let said = world.start(&world.repo(), &["now", "--json"]).ok();
        let capture: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
        assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("goes on\n"), "{name}");
        assert_eq!(skipped(&capture), [format!("{name} special")]);
    }
}

#[test]
fn a_pipe_in_the_place_of_an_ignore_file_holds_no_capture() {
    for name in [".gitignore", ".gitattributes", "src/.gitignore"] {
        let world = World::with_commit();
        world.ok(&["now"]);
        assert!(std::process::Command::new("mkfifo").arg(world.repo().join(name)).status().unwrap().success());
        world.file("a.txt", "goes on\n");
        world.file("src/new.txt", "new\n");
        // What cannot be known may fail the capture, which then says so; it must not hold it for ever.
        let said = world.start(&world.repo(), &["now", "--json"]).end();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.contains(name), "{said}");
    }
}

#[test]
fn a_pipe_in_the_place_of_an_ignore_file_stops_no_other_tree() {
    let world = World::with_commit();
    world.configure("code.quiet = \"50ms\"\n");
    let other = world.home().join("other");
    world.git(&["clone", "-q", ".", other.to_str().unwrap()]);
    world.ok(&["up"]);
    assert_eq!(world.carry_in(&other, &["up"]).code, 0);
    assert!(std::process::Command::new("mkfifo").arg(world.repo().join(".gitignore")).status().unwrap().success());
    for round in 0..4 {
        world.file(&format!("new{round}/file.txt"), "new\n");
        world.file("a.txt", &format!("{round}\n"));
        let content = format!("captured in the background, {round}\n");
        put(&other.join("a.txt"), content.as_bytes());
        until("the daemon captured the other tree", || {
            let newest = field(&world.carry_in(&other, &["log", "--json", "--limit", "1"]).raw, "commit");
            world.carry_in(&other, &["show", &newest, "a.txt"]).raw == content
        });
    }
}

#[test]
fn a_failure_is_named_until_a_capture_succeeds() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.file("a.txt", "two\n");
    let mut failing = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
    let ran = world.run(failing.arg("now").env("CARRY_FAULT", "capture.written=error"));
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("Error: "), "{ran:?}");
    let ran = world.ok(&["status"]);
    assert!(ran.stdout.contains("the last capture failed: "), "{ran:?}");
    assert!(world.carry(&["doctor"]).stdout.contains("[capture-failed]"));
    world.capture();
    let ran = world.ok(&["status"]);
    assert!(!ran.stdout.contains("failed"), "{ran:?}");
}

#[test]
fn a_missing_identity_does_not_stop_captures() {
    let world = World::with_commit();
    put(&world.root().join("gitconfig"), b"[user]\n\tuseConfigOnly = true\n");
    world.file("a.txt", "anonymous\n");
    assert!(!world.try_git_in(&world.repo(), &["commit", "-qam", "x"]).status.success(), "Git itself needs one");
    let capture = world.capture();
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("anonymous\n"));
    world.git(&["fsck", "--strict"]);
    world.git(&["stash", "list"]);
}

#[test]
fn a_signing_key_is_never_asked_for() {
    let world = World::with_commit();
    world.git(&["config", "commit.gpgSign", "true"]);
    world.git(&["config", "gpg.program", "no-such-program-is-installed"]);
    world.file("a.txt", "unsigned\n");
    assert_eq!(world.held(&world.capture(), "a.txt").as_deref(), Some("unsigned\n"));
}

#[test]
fn a_damaged_private_index_is_made_again() {
    let world = World::with_commit();
    world.capture();
    let mut damaged = 0;
    let mut folders = vec![world.root().join("carry")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == "index" {
                put(&entry.path(), b"not an index");
                damaged += 1;
            }
        }
    }
    assert_eq!(damaged, 1);
    world.file("a.txt", "two\n");
    let capture = world.as_git();
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("two\n"));
}

#[test]
fn a_lock_of_a_dead_process_on_a_line_can_be_taken_away() {
    let world = World::with_commit();
    world.capture();
    let line = world.lines()[0].split(' ').next().unwrap().to_owned();
    let lock = world.repo().join(".git").join(format!("{line}.lock"));
    put(&lock, b"");
    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&lock).unwrap().set_modified(long_ago).unwrap();
    world.file("a.txt", "two\n");
    let ran = world.start(&world.repo(), &["now", "--json"]).end();
    if !ran.status.success() {
        assert!(world.carry(&["doctor"]).stdout.contains("[stale-ref-lock]"));
        world.carry(&["doctor", "--fix", "--yes"]);
        assert!(!lock.exists());
    }
    let capture = world.capture();
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("two\n"));
    assert_eq!(text(&capture["snapshot"]["branch"]), "main");
}
