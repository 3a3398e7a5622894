//! Names of devices, branches and folders; refs that stay apart from the user's; nothing that leaves.

use std::path::Path;

use carry_code::git::ByteSlice as _;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use super::{commit, put, script, text};
use crate::world::{World, field};

#[test]
fn a_machine_name_with_spaces_is_made_legal() {
    let names = [
        "Ann's MacBook Pro",
        "a/b",
        "x.lock",
        "-dash",
        "..",
        "K\u{fc}che",
        "\u{673a}\u{5668}",
        "",
        "a~b^c:d?e*[f]\\",
        &"x".repeat(300),
    ];
    for name in names {
        let world = World::with_commit();
        let device = Device::load_or_create(&Home::at(world.root().join("carry")), name).unwrap();
        let capture = world.capture();
        assert_eq!(text(&capture["snapshot"]["device"]), device.id().as_str());
        let [line] = &world.lines()[..] else { panic!("{name:?}: {:?}", world.lines()) };
        assert_eq!(line.split('/').count(), 5, "{name:?}: {line}");
        world.git(&["check-ref-format", line.split(' ').next().unwrap()]);
        world.file("a.txt", "two\n");
        world.capture();
        assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 2, "{name:?}");
    }
}

#[test]
fn a_device_stays_itself_when_the_machine_is_renamed() {
    let world = World::with_commit();
    let home = Home::at(world.root().join("carry"));
    let before = Device::load_or_create(&home, "dhcp-10-0-0-7").unwrap();
    world.capture();
    let after = Device::load_or_create(&home, "dhcp-192-168-1-9").unwrap();
    assert_eq!((after.id(), after.public_key()), (before.id(), before.public_key()));
    world.file("a.txt", "two\n");
    world.capture();
    assert_eq!(world.lines().len(), 1);
}

#[test]
fn branches_of_any_name_have_lines_of_their_own() {
    let world = World::with_commit();
    let long = "x".repeat(200);
    let names = [
        "feature",
        "Feature",
        "a/b/c",
        "refs/heads/x",
        "per%cent",
        "100%25",
        "\u{fc}ber/\u{1f40b}",
        "dot.ted",
        "a-",
        "@x",
        "wip/pulsar/h/main",
        &long,
    ];
    let mut branches = Vec::new();
    for name in names {
        world.git(&["switch", "-qc", name]);
        world.file("a.txt", &format!("{name}\n"));
        let capture = world.capture();
        assert_eq!(text(&capture["snapshot"]["branch"]), name.replace('%', "%25"), "as all names are written in JSON");
        branches.push((name, commit(&capture).to_owned()));
    }
    assert_eq!(world.lines().len(), names.len(), "{:#?}", world.lines());
    // Where a folder and a file would have the same name.
    world.git(&["switch", "-q", "main"]);
    world.git(&["branch", "-D", "feature"]);
    world.git(&["switch", "-qc", "feature/x"]);
    world.file("a.txt", "beside it\n");
    world.capture();
    for (name, snapshot) in branches {
        let logged = world.ok(&["log", "--json", "--branch", name]).raw;
        assert_eq!(field(&logged, "commit"), snapshot, "{name}");
    }
}

#[test]
fn a_registered_prefix_is_not_a_registered_path() {
    let world = World::with_commit();
    for name in ["rep", "repo2", "repo/vendor"] {
        world.git(&["clone", "-q", ".", world.home().join(name).to_str().unwrap()]);
        assert_eq!(world.carry_in(&world.home().join(name), &["add"]).code, 0);
    }
    let ran = world.ok(&["status"]);
    assert!(ran.stderr.contains("~/repo is not registered"), "{ran:?}");
    assert_ne!(world.carry(&["remove"]).code, 0, "what is around and beside it is not it");
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), 3);
    world.ok(&["add"]);
    assert_eq!(world.carry_in(&world.home().join("rep"), &["remove"]).code, 0);
    assert_eq!(world.ok(&["list", "--json"]).raw.lines().count(), 3);
}

#[test]
fn snapshots_show_in_no_list_of_branches_tags_or_stashes() {
    let world = World::with_commit();
    let before =
        ["branch -a", "tag", "stash list", "reflog", "log --oneline --branches --tags --remotes", "describe --all"];
    let ask = || before.map(|command| world.git(&command.split(' ').collect::<Vec<_>>()));
    let without = ask();
    world.file("a.txt", "two\n");
    world.capture();
    assert_eq!(ask(), without);
    assert_eq!(
        world.git(&["for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags", "refs/remotes"]),
        "refs/heads/main\n"
    );
}

/// An origin to which `main` was pushed.
fn with_origin() -> World {
    let world = World::with_commit();
    let origin = world.root().join("origin.git");
    let origin = origin.to_str().expect("a plain path");
    world.git(&["clone", "-q", "--bare", ".", origin]);
    world.git(&["remote", "add", "origin", origin]);
    world.git(&["push", "-q", "-u", "origin", "main"]);
    world
}

#[test]
fn a_push_takes_no_snapshot_along() {
    let world = with_origin();
    let log = world.root().join("pushed.log");
    script(&world.repo().join(".git/hooks/pre-push"), &format!("cat >>'{}'", log.display()));
    world.file("a.txt", "two\n");
    let snapshot = commit(&world.capture()).to_owned();
    assert!(!log.exists(), "a capture is no push");
    world.git(&["commit", "-qam", "second"]);
    world.git(&["tag", "v1"]);
    for push in
        [&["push", "-q"][..], &["push", "-q", "--all"], &["push", "-q", "--tags"], &["push", "-q", "--follow-tags"]]
    {
        world.git(push);
    }
    let pushed = std::fs::read_to_string(&log).unwrap();
    assert!(pushed.contains("refs/heads/main") && !pushed.contains("carry"), "{pushed}");
    assert!(!world.git(&["ls-remote", "origin"]).contains("carry"));
    let origin = world.root().join("origin.git");
    assert!(!world.try_git_in(&origin, &["cat-file", "-e", &snapshot]).status.success());
}

#[test]
fn a_clone_gets_no_snapshots() {
    let world = World::with_commit();
    world.file("a.txt", "two\n");
    let snapshot = commit(&world.capture()).to_owned();
    let clone = world.root().join("clone");
    let source = format!("file://{}", world.repo().display());
    world.git(&["clone", "-q", &source, clone.to_str().unwrap()]);
    assert!(!world.try_git_in(&clone, &["cat-file", "-e", &snapshot]).status.success());
    assert!(!world.git_in(&clone, &["for-each-ref"]).contains("carry"));
}

#[test]
fn fetching_with_prune_keeps_every_snapshot() {
    let world = with_origin();
    world.git(&["config", "fetch.prune", "true"]);
    world.git(&["config", "fetch.pruneTags", "true"]);
    world.git(&["config", "remote.origin.prune", "true"]);
    world.file("a.txt", "two\n");
    world.capture();
    world.git(&["switch", "-qc", "side"]);
    world.file("a.txt", "three\n");
    world.git(&["stash", "-q"]);
    world.capture();
    let lines = world.lines();
    assert!(lines.len() >= 2, "{lines:?}");
    for fetch in [
        &["fetch", "-q"][..],
        &["fetch", "-q", "--prune", "--all"],
        &["fetch", "-q", "--prune", "--prune-tags", "origin"],
        &["fetch", "-q", "--prune", "origin", "+refs/heads/*:refs/remotes/origin/*"],
        &["fetch", "-q", "--prune", "origin", "+refs/heads/*:refs/other/*"],
        &["remote", "prune", "origin"],
        &["remote", "update", "--prune"],
        &["pull", "-q", "--prune", "origin", "main"],
        &["gc", "-q", "--prune=now"],
        &["pack-refs", "--all", "--prune"],
    ] {
        world.git(fetch);
        assert_eq!(world.lines(), lines, "{fetch:?}");
    }
    world.git(&["fsck", "--strict"]);
}

#[test]
fn a_remote_that_mirrors_is_named_with_what_keeps_snapshots_out() {
    let world = with_origin();
    world.git(&["config", "remote.origin.fetch", "+refs/*:refs/*"]);
    world.file("a.txt", "two\n");
    world.capture();
    let lines = world.lines();
    let found = world.carry(&["doctor"]);
    assert!(found.stdout.contains("origin") && found.stdout.contains("^refs/carry*"), "{found:?}");
    world.git(&["config", "--add", "remote.origin.fetch", "^refs/carry*"]);
    world.git(&["switch", "-q", "--detach"]);
    world.git(&["fetch", "-q", "--prune", "origin"]);
    assert_eq!(world.lines(), lines);
    assert!(!world.carry(&["doctor"]).stdout.contains("^refs/carry*"));
}

#[test]
fn a_line_that_somebody_deleted_begins_again() {
    let world = with_origin();
    world.file("a.txt", "two\n");
    let before = commit(&world.capture()).to_owned();
    world.git(&["switch", "-q", "--detach"]);
    world.git(&["fetch", "-q", "--prune", "origin", "+refs/*:refs/*"]);
    world.git(&["switch", "-q", "main"]);
    world.file("a.txt", "three\n");
    let after = world.capture();
    assert_eq!(after["new"], true);
    assert_ne!(commit(&after), before);
    assert_eq!(world.held(&after, "a.txt").as_deref(), Some("three\n"));
    assert_eq!(world.newest(), commit(&after));
}

#[test]
fn nothing_leaves_the_machine() {
    let world = World::with_commit();
    let log = world.root().join("network.log");
    let (bin, path) = world.search_path();
    for program in ["ssh", "askpass", "git-remote-https", "git-remote-http", "git-remote-tell"] {
        script(&bin.join(program), &format!("echo {program} \"$@\" >>'{}'; exit 1", log.display()));
    }
    for (name, url) in [
        ("origin", "https://user:token@example.invalid:8443/x"),
        ("ssh", "ssh://git@example.invalid/x"),
        ("tell", "tell::x"),
    ] {
        world.git(&["remote", "add", name, url]);
    }
    world.git(&["config", "core.sshCommand", "ssh"]);
    world.configure("code.quiet = \"50ms\"\ndaemon.sync_enabled = true\n");
    let carry = |arguments: &[&str]| {
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        command.env("PATH", &path).env("GIT_ASKPASS", "askpass").env("SSH_ASKPASS", "askpass");
        let ran = world.run(command.args(arguments));
        assert_eq!(ran.code, 0, "{arguments:?} {ran:?}");
    };
    carry(&["now"]);
    carry(&["status"]);
    carry(&["up"]);
    world.file("a.txt", "two\n");
    carry(&["now"]);
    carry(&["prune", "--yes", "--gc"]);
    carry(&["daemon", "stop"]);
    assert_eq!(std::fs::read_to_string(&log).unwrap_or_default(), "");
}

#[test]
fn everything_of_ours_lies_in_our_home() {
    let world = World::with_commit();
    let names = |folder: &Path| {
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let before = (names(&world.home()), names(&world.repo()), names(&world.repo().join(".git")));
    world.ok(&["up"]);
    world.file("a.txt", "two\n");
    world.ok(&["now"]);
    world.ok(&["daemon", "stop"]);
    assert_eq!((names(&world.home()), names(&world.repo()), names(&world.repo().join(".git"))), before);
    assert_eq!(names(&world.root()), ["carry", "gitconfig", "home"]);
}

#[test]
fn variables_of_git_lead_captures_nowhere() {
    let world = World::with_commit();
    let other = world.home().join("other");
    world.git(&["clone", "-q", ".", other.to_str().unwrap()]);
    world.file("a.txt", "two\n");
    let before = std::fs::read(world.repo().join(".git/index")).unwrap();
    let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
    command
        .env("GIT_DIR", other.join(".git"))
        .env("GIT_WORK_TREE", &other)
        .env("GIT_INDEX_FILE", world.root().join("stray-index"))
        .env("GIT_OBJECT_DIRECTORY", world.root().join("stray-objects"))
        .env("GIT_NAMESPACE", "stray")
        .env("GIT_COMMON_DIR", &other);
    let ran = world.run(command.arg("now"));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.ok(&["show", &world.newest(), "a.txt"]).raw, "two\n");
    assert_eq!(std::fs::read(world.repo().join(".git/index")).unwrap(), before);
    assert!(!world.root().join("stray-index").exists() && !world.root().join("stray-objects").exists());
    assert!(!world.git_in(&other, &["for-each-ref"]).contains("carry"));
}

#[test]
fn a_repository_of_somebody_else_is_refused_and_runs_nothing() {
    let world = World::with_commit();
    let log = world.root().join("filter.log");
    world.git(&["config", "filter.evil.clean", &format!("echo ran >>'{}'; cat", log.display())]);
    world.git(&["config", "core.fsmonitor", &format!("echo ran >>'{}'", log.display())]);
    world.file(".gitattributes", "* filter=evil\n");
    let chown = std::process::Command::new("chown").args(["-R", "65534"]).arg(world.repo()).output();
    if !chown.is_ok_and(|said| said.status.success()) {
        // Only the superuser can give a folder away.
        return;
    }
    let ran = world.carry(&["now"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("safe.directory"), "{ran:?}");
    assert!(!log.exists());
    let trusting = format!("[safe]\n\tdirectory = {}\n", world.repo().display());
    put(&world.root().join("gitconfig"), trusting.as_bytes());
    assert_eq!(world.carry(&["now"]).code, 0, "once it is trusted");
}

#[test]
fn a_snapshot_has_no_parent_twice() {
    let world = World::with_commit();
    for content in ["two\n", "three\n", "one\n", "two\n"] {
        world.file("a.txt", content);
        world.git(&["add", "a.txt"]);
        world.capture();
        world.file("b.txt", content);
        world.capture();
    }
    let refs: Vec<String> = world.lines().iter().filter_map(|line| line.split(' ').next().map(str::to_owned)).collect();
    let mut walk = vec!["rev-list", "--parents"];
    walk.extend(refs.iter().map(String::as_str));
    for line in world.git(&walk).lines() {
        let mut ids: Vec<&str> = line.split(' ').collect();
        let n = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), n, "{line}");
    }
}

#[test]
fn two_clones_and_a_copy_have_lines_of_their_own() {
    let world = World::with_commit();
    let first = commit(&world.capture()).to_owned();
    let copy = world.home().join("copy");
    assert!(std::process::Command::new("cp").arg("-a").arg(world.repo()).arg(&copy).status().unwrap().success());
    put(&copy.join("a.txt"), b"in the copy\n");
    let capture = world.capture_in(&copy);
    world.file("a.txt", "in the original\n");
    let original = world.capture();
    assert_ne!(capture["repository"], original["repository"]);
    assert_eq!(world.ok(&["log", "--json"]).raw.lines().count(), 2);
    assert!(world.ok(&["log", "--json"]).raw.contains(&first));
    assert!(commit(&original).as_bytes().find(commit(&capture)).is_none());
}
