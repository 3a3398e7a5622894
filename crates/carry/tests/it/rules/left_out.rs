//! What cannot be captured is left out alone, and named.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{commit, put, skipped};
use crate::world::World;

#[test]
fn a_nested_repository_is_named_and_can_be_registered() {
    let world = World::with_commit();
    let inner = world.repo().join("vendor/inner");
    world.git(&["clone", "-q", "--no-hardlinks", ".", inner.to_str().unwrap()]);
    put(&inner.join("a.txt"), b"changed inside\n");
    world.file("vendor/own.txt", "own\n");
    let capture = world.as_git();
    assert_eq!(world.paths(&capture), ["a.txt", "src/net.rs", "vendor/own.txt"]);
    assert_eq!(capture["snapshot"]["nested"], serde_json::json!(["vendor/inner"]));
    assert!(world.ok(&["status"]).stdout.contains("vendor/inner (a repository of its own; `carry add` it)"));
    let capture = world.as_git_in(&inner);
    assert_eq!(world.git_in(&inner, &["show", &format!("{}:a.txt", commit(&capture))]), "changed inside\n");
}

#[test]
fn a_large_file_is_left_out_alone_whatever_its_name() {
    let world = World::with_commit();
    world.configure("limits.large_file = 2000\n");
    let large = "x".repeat(3000);
    for name in ["gro\u{df} \u{1f40b}.bin", "new\nline.bin", "plain.bin"] {
        world.file(name, &large);
    }
    world.file("a.txt", "goes on\n");
    let capture = world.capture();
    assert_eq!(world.paths(&capture), ["a.txt", "src/net.rs"]);
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("goes on\n"));
    assert_eq!(skipped(&capture).len(), 3, "{capture}");
    assert!(skipped(&capture).contains(&"gro\u{df} \u{1f40b}.bin too-large".to_owned()), "{capture}");
    assert!(world.ok(&["status"]).stdout.contains("plain.bin (too large)"));
    assert!(world.carry(&["doctor"]).stdout.contains("[files-skipped]"));
}

#[test]
fn a_large_file_that_is_committed_and_unchanged_stays() {
    let world = World::with_commit();
    world.configure("limits.large_file = 2000\n");
    world.file("large.bin", &"x".repeat(3000));
    world.git(&["add", "-A"]);
    world.git(&["commit", "-qm", "large"]);
    world.file("a.txt", "goes on\n");
    let capture = world.as_git();
    assert_eq!(skipped(&capture), [""; 0]);
    world.file("large.bin", &"y".repeat(3000));
    let capture = world.capture();
    assert_eq!(skipped(&capture), ["large.bin too-large"]);
    assert_eq!(world.held(&capture, "large.bin"), Some("x".repeat(3000)), "as it was last known");
}

#[test]
fn a_failing_filter_leaves_out_its_files_alone() {
    let world = World::with_commit();
    world.file(".gitattributes", "*.bad filter=bad\n*.gone filter=gone\n");
    world.git(&["config", "filter.bad.clean", "false"]);
    world.git(&["config", "filter.bad.required", "true"]);
    world.git(&["config", "filter.gone.clean", "no-such-program-is-installed clean -- %f"]);
    world.git(&["config", "filter.gone.required", "true"]);
    for name in ["x.bad", "x.gone", "x.txt"] {
        world.file(name, &format!("{name}\n"));
    }
    let capture = world.capture();
    assert_eq!(skipped(&capture), ["x.bad filter-failed", "x.gone filter-failed"]);
    assert_eq!(world.held(&capture, "x.txt").as_deref(), Some("x.txt\n"));
    world.git(&["config", "filter.bad.clean", "cat"]);
    let capture = world.capture();
    assert_eq!(world.held(&capture, "x.bad").as_deref(), Some("x.bad\n"), "taken once it can be");
}

#[test]
fn a_filter_that_need_not_succeed_changes_nothing_when_it_fails() {
    let world = World::with_commit();
    world.file(
        ".gitattributes",
        "*.fails filter=fails\n*.gone filter=gone\n*.talks filter=talks\n*.crlf text eol=crlf filter=gone\n",
    );
    world.git(&["config", "filter.fails.clean", "cat; exit 1"]);
    world.git(&["config", "filter.gone.clean", "no-such-program-is-installed"]);
    world.git(&["config", "filter.talks.process", "no-such-program-is-installed"]);
    for name in ["x.fails", "x.gone", "x.talks", "x.crlf"] {
        world.file(name, &format!("{name}\r\n"));
    }
    let capture = world.as_git();
    assert_eq!(skipped(&capture), [""; 0]);
    assert_eq!(world.held(&capture, "x.gone").as_deref(), Some("x.gone\r\n"));
    assert_eq!(world.held(&capture, "x.crlf").as_deref(), Some("x.crlf\n"));
}

#[test]
fn an_unreadable_file_is_left_out_alone() {
    let world = World::with_commit();
    world.file("locked.txt", "locked\n");
    world.file("free.txt", "free\n");
    std::fs::set_permissions(world.repo().join("locked.txt"), Permissions::from_mode(0o000)).unwrap();
    let said = if std::fs::read(world.repo().join("locked.txt")).is_ok() {
        // The superuser reads everything: somebody else must look.
        const NOBODY: u32 = 65534;
        let chown = std::process::Command::new("chown").arg("-R").arg(NOBODY.to_string()).arg(world.root()).status();
        assert!(chown.unwrap().success());
        let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
        std::os::unix::process::CommandExt::uid(&mut command, NOBODY);
        match command.args(["now", "--json"]).output() {
            Ok(said) => said,
            // Where the program was built is closed to others.
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
            Err(error) => panic!("{error}"),
        }
    } else {
        world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo()).args(["now", "--json"]).output().unwrap()
    };
    let raw = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success(), "{said:?}");
    let capture: serde_json::Value = serde_json::from_str(raw.lines().last().unwrap()).unwrap();
    assert_eq!(skipped(&capture), ["locked.txt unreadable"]);
    let git = |arguments: &[&str]| world.git(&[&["-c", "safe.directory=*"], arguments].concat());
    assert_eq!(git(&["show", &format!("{}:free.txt", commit(&capture))]), "free\n");
}

#[test]
fn pipes_and_sockets_hold_nobody() {
    let world = World::with_commit();
    for name in ["pipe", "src/pipe"] {
        assert!(std::process::Command::new("mkfifo").arg(world.repo().join(name)).status().unwrap().success());
    }
    let _socket = std::os::unix::net::UnixListener::bind(world.repo().join("socket")).unwrap();
    world.file("a.txt", "goes on\n");
    let said = world.start(&world.repo(), &["now", "--json"]).ok();
    let capture: serde_json::Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(world.held(&capture, "a.txt").as_deref(), Some("goes on\n"));
    assert_eq!(skipped(&capture), ["pipe special", "socket special", "src/pipe special"]);
}

#[test]
fn patterns_of_ours_leave_files_out_and_are_not_gits() {
    let world = World::with_commit();
    world.configure("files.ignore = [\"*.secret\", \"/notes/\"]\n");
    world.file("key.secret", "k\n");
    world.file("notes/diary.txt", "d\n");
    world.file("src/notes/kept.txt", "kept\n");
    let capture = world.capture();
    assert_eq!(world.paths(&capture), ["a.txt", "src/net.rs", "src/notes/kept.txt"]);
    assert_eq!(world.git(&["status", "--porcelain"]), "?? key.secret\n?? notes/\n?? src/notes/\n");
}
