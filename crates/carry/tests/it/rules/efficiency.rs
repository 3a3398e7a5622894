//! What a capture costs, as counts: files read, programs started, bytes kept.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, UNIX_EPOCH};

use carry_code::capture::{Capturer, Look, Report, Request};
use carry_code::context::Context;
use carry_code::registry::Registry;
use carry_kernel::clock::SystemClock;
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use super::{commit, put, script, until};
use crate::world::{World, field};

/// A capturer as a fresh process has one. All captures of a test must be made by such: Git's own settings differ between
/// this process and those it starts.
fn capturer(world: &World) -> Capturer {
    let home = Home::at(world.root().join("carry"));
    let device = Device::load_or_create(&home, "here").expect("an identity");
    let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
    let registry = Registry::open(&home).expect("the registry");
    let tree = registry.by_root(&world.repo()).expect("the registry").expect("it is registered");
    Capturer::new(Context { home, device: device.into(), clock: Arc::new(SystemClock), sources }, tree)
}

fn capture(capturer: &mut Capturer, look: Look) -> Report {
    let cancel = AtomicBool::new(false);
    let request = Request::new(look, &cancel);
    capturer.capture(&request).expect("a capture")
}

/// Lets every file of the repository, and what Git's rules for it come from, look as if it had been written long ago: one
/// that was written in this moment may be written again in it, and has to be read.
fn age(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if entry.file_name() == ".git" {
            ["config", "info/exclude"]
                .iter()
                .map(|rules| path.join(rules))
                .filter(|f| f.exists())
                .for_each(|f| age_file(&f));
        } else if path.is_dir() {
            age(&path);
        } else if path.is_file() {
            age_file(&path);
        }
    }
}

fn age_file(path: &Path) {
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = std::fs::File::options().write(true).open(path).expect("a file");
    file.set_modified(long_ago).expect("times can be set");
}

#[test]
fn an_idle_capture_reads_and_writes_nothing() {
    let world = World::with_commit();
    for n in 0..300 {
        world.file(&format!("lib/{n}.rs"), &format!("{n}\n"));
    }
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "many"]);
    world.file("large-and-untracked.bin", &"x".repeat(5 << 20));
    age(&world.repo());
    world.ok(&["add"]);
    capture(&mut capturer(&world), Look::Everything);
    let objects = world.git(&["count-objects", "-v"]);
    let lines = world.lines();
    let report = capture(&mut capturer(&world), Look::Everything);
    assert_eq!((report.hashed, report.bytes_written, report.fsyncs), (0, 0, 0), "{report:?}");
    assert!(report.looked_at >= 300, "{report:?}");
    assert_eq!(world.git(&["count-objects", "-v"]), objects);
    assert_eq!(world.lines(), lines);
}

#[test]
fn one_edit_is_one_file_read() {
    let world = World::with_commit();
    for n in 0..300 {
        world.file(&format!("lib/{n}.rs"), &format!("{n}\n"));
    }
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "many"]);
    age(&world.repo());
    world.ok(&["add"]);
    let mut capturer = capturer(&world);
    capture(&mut capturer, Look::Everything);
    world.file("lib/7.rs", "changed\n");
    let cold = capture(&mut capturer, Look::Everything);
    assert_eq!(cold.hashed, 1, "{cold:?}");
    world.file("lib/8.rs", "changed\n");
    let warm = capture(&mut capturer, Look::At(BTreeSet::from(["lib/8.rs".into()])));
    assert_eq!((warm.hashed, warm.looked_at, warm.full), (1, 1, false), "{warm:?}");
}

#[test]
fn a_filter_runs_only_for_files_that_changed() {
    let world = World::with_commit();
    let log = world.root().join("filter.log");
    world.git(&["config", "filter.told.clean", &format!("echo %f >>'{}'; cat", log.display())]);
    world.file(".gitattributes", "*.big filter=told\n");
    for n in 0..10 {
        world.file(&format!("{n}.big"), &format!("{n}\n"));
    }
    age(&world.repo());
    let told = || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        put(&log, b"");
        text.lines().count()
    };
    world.ok(&["now"]);
    assert_eq!(told(), 10, "each once");
    world.ok(&["now"]);
    assert_eq!(told(), 0, "nothing changed");
    world.file("3.big", "changed\n");
    world.ok(&["now"]);
    assert_eq!(told(), 1, "one changed");
}

#[test]
fn captures_start_no_git() {
    let world = World::with_commit();
    world.configure("code.quiet = \"50ms\"\n");
    let log = world.root().join("git.log");
    let (bin, path) = world.search_path();
    let real = real_git();
    script(&bin.join("git"), &format!("echo \"$@\" >>'{}'; exec '{}' \"$@\"", log.display(), real.display()));
    let carry = |arguments: &[&str]| {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        let ran = world.run(command.env("PATH", &path).args(arguments));
        assert_eq!(ran.code, 0, "{arguments:?} {ran:?}");
        ran.raw
    };
    let started = || std::fs::read_to_string(&log).unwrap_or_default();
    carry(&["--version"]);
    carry(&["now"]);
    world.file("a.txt", "cold\n");
    carry(&["now"]);
    assert_eq!(started(), "", "in a process of its own");
    carry(&["up"]);
    put(&log, b"");
    for n in 0..3 {
        let content = format!("warm {n}\n");
        world.file("a.txt", &content);
        until("the daemon captured it", || carry(&["show", &world.newest(), "a.txt"]) == content);
        carry(&["now", "--watched"]);
    }
    assert_eq!(started(), "", "by the daemon");
}

/// The git that tests run.
fn real_git() -> PathBuf {
    let path = std::env::var_os("PATH").expect("a search path");
    std::env::split_paths(&path).map(|folder| folder.join("git")).find(|git| git.is_file()).expect("git is installed")
}

#[test]
fn ignored_folders_are_not_watched() {
    let world = World::with_commit();
    world.file(".gitignore", "node_modules/\n");
    world.ok(&["up"]);
    let watches = || -> u64 { field(&world.ok(&["daemon", "status", "--json"]).raw, "watches").parse().unwrap() };
    world.ok(&["now"]);
    let before = watches();
    for n in 0..50 {
        world.file(&format!("node_modules/p{n}/lib/index.js"), "x\n");
    }
    world.file("src/new/mod.rs", "x\n");
    world.ok(&["now", "--watched"]);
    assert!(watches() <= before + 3, "{} watches after {before}", watches());
    let newest = world.newest();
    assert_eq!(world.ok(&["show", &newest, "src/new/mod.rs"]).raw, "x\n");
    assert_ne!(world.carry(&["show", &newest, "node_modules"]).code, 0);
}

/// Keeps nothing but what must never go.
const THIN: &[&str] = &[
    "--config",
    "retention.all=0s",
    "--config",
    "retention.hourly=0s",
    "--config",
    "retention.daily=0s",
    "--config",
    "retention.weekly=0s",
];

#[test]
fn thinning_keeps_the_newest_snapshot_of_every_branch() {
    let world = World::with_commit();
    let mut newest = Vec::new();
    for branch in ["dormant", "merged", "deleted"] {
        world.git(&["switch", "-qc", branch]);
        for n in 0..3 {
            world.file("a.txt", &format!("{branch} {n}\n"));
            world.capture();
        }
        newest.push((branch, world.newest()));
    }
    world.git(&["stash", "-q"]);
    world.git(&["switch", "-q", "main"]);
    world.git(&["branch", "-D", "deleted"]);
    world.ok(&[THIN, &["prune", "--yes", "--gc"]].concat());
    world.git(&["gc", "-q", "--prune=now"]);
    for (branch, snapshot) in newest {
        assert_eq!(world.ok(&["show", &snapshot, "a.txt"]).raw, format!("{branch} 2\n"));
    }
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_capture_after_thinning_goes_on_with_the_line() {
    let world = World::with_commit();
    for n in 0..4 {
        world.file("a.txt", &format!("{n}\n"));
        world.capture();
    }
    let newest = world.newest();
    world.ok(&[THIN, &["prune", "--yes"]].concat());
    assert_eq!(world.newest(), newest, "what stays keeps its id");
    world.file("a.txt", "after\n");
    let after = world.capture();
    let logged = world.ok(&["log", "--json"]).raw;
    assert_eq!(logged.lines().count(), 2, "{logged}");
    assert_eq!(field(&logged, "commit"), commit(&after));
}

#[test]
fn what_was_thinned_leaves_the_repository() {
    let world = World::with_commit();
    world.file("once.txt", "only in one snapshot\n");
    let gone = commit(&world.capture()).to_owned();
    let blob = world.git(&["rev-parse", &format!("{gone}:once.txt")]);
    world.delete("once.txt");
    world.file("a.txt", "two\n");
    world.capture();
    world.git(&["gc", "-q", "--prune=now"]);
    world.git(&["cat-file", "-e", blob.trim()]);
    world.ok(&[THIN, &["prune", "--yes"]].concat());
    world.git(&["gc", "-q", "--prune=now"]);
    for object in [gone.as_str(), blob.trim()] {
        assert!(!world.try_git_in(&world.repo(), &["cat-file", "-e", object]).status.success(), "{object}");
    }
    world.git(&["fsck", "--strict"]);
}

#[test]
fn capturing_and_looking_never_thin() {
    let world = World::with_commit();
    let mut snapshots = Vec::new();
    for n in 0..4 {
        world.file("a.txt", &format!("{n}\n"));
        snapshots.push(commit(&world.capture()).to_owned());
    }
    for command in [&["now"][..], &["status"], &["list"], &["log"], &["add"], &["pause"], &["resume"]] {
        world.ok(command);
    }
    let logged = world.ok(&["log", "--json"]).raw;
    assert!(snapshots.iter().all(|snapshot| logged.contains(snapshot)), "{logged}");
}

#[test]
fn many_captures_leave_few_packs_and_no_gc_to_the_user() {
    let world = World::with_commit();
    world.ok(&["now"]);
    for n in 0..60 {
        world.file("a.txt", &format!("{n}\n"));
        world.ok(&["-q", "now"]);
    }
    let counted = world.git(&["count-objects", "-v"]);
    let number = |name: &str| -> u64 {
        let line = counted.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.rsplit(' ').next().and_then(|n| n.parse().ok()).unwrap_or(u64::MAX)
    };
    assert!(number("packs:") < 50 && number("count:") < 6700, "{counted}");
    assert_eq!(world.ok(&["log", "--json", "--limit", "100"]).raw.lines().count(), 61);
    world.git(&["fsck", "--strict"]);
}
