//! What the program says when it is asked for what cannot be.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::world::World;

const CODES: &str =
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 partly done, 70 a mistake in Carry, 130 interrupted.";

#[test]
fn outside_a_repository_commands_say_so() {
    let world = World::new();
    for command in [&["log"][..], &["diff"], &["restore", "x"], &["undo"], &["add"], &["now"]] {
        let ran = world.carry_in(&world.home(), command);
        ran.is(
            1,
            "",
            "Error: <DIR>/home is not inside a Git working tree\n\
             Hint: Go into a Git working tree, or name one. Carry never runs `git init` for you.\n",
        );
    }
}

#[test]
fn without_a_command_nothing_is_made_outside_a_repository() {
    let world = World::new();
    let ran = world.carry_in(&world.home(), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("This is not inside a Git working tree."), "{ran:?}");
    assert!(!world.home().join(".git").exists());
    assert!(!world.root().join("carry").exists(), "looking makes nothing");
}

#[test]
fn a_bare_repository_is_refused_with_a_reason() {
    let world = World::new();
    let bare = world.home().join("bare.git");
    world.git(&["init", "-q", "--bare", bare.to_str().unwrap()]);
    for command in [&[][..], &["now"], &["add"], &["up"]] {
        let ran = world.carry_in(&bare, command);
        ran.is(
            1,
            "",
            "Error: <DIR>/home/bare.git is a bare repository: it has no working tree to capture\n\
             Hint: Uncommitted work lies in working trees; run this in one.\n",
        );
    }
}

#[test]
fn an_unregistered_repository_is_named() {
    let world = World::with_commit();
    world.carry(&["log"]).is(
        1,
        "",
        "Error: ~/repo is not registered\nHint: `carry up` registers it and captures it from now on.\n",
    );
}

#[test]
fn an_unknown_snapshot_changes_nothing() {
    let world = World::with_commit();
    world.ok(&["now"]);
    world.file("a.txt", "two\n");
    let ran = world.carry(&["restore", "a.txt", "--from", "dddddddd", "--force"]);
    ran.is(1, "", "Error: no snapshot matches \"dddddddd\"\nHint: `carry log` lists the snapshots.\n");
    let ran = world.carry(&["restore", "a.txt", "--from", "when pigs fly", "--force"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.starts_with("Error: \"when pigs fly\" is neither a snapshot id nor a time"), "{ran:?}");
    assert_eq!(world.read("a.txt").as_deref(), Some("two\n"));
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    let world = World::new();
    for arguments in
        [&["nonsense"][..], &["restore"], &["log", "--limit", "many"], &["--config", "x", "list"], &["ignore"]]
    {
        let ran = world.carry(arguments);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{arguments:?} {ran:?}");
        assert!(ran.stderr.starts_with("error: "), "{ran:?}");
    }
    let ran = world.carry(&["-C", "/nowhere", "list"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn errors_are_json_when_json_is_asked_for() {
    let world = World::with_commit();
    world.carry(&["log", "--json"]).is(
        1,
        "{\"type\":\"error\",\"kind\":\"failed\",\"message\":\"~/repo is not registered\",\"causes\":[],\
         \"hints\":[\"`carry up` registers it and captures it from now on.\"]}\n",
        "",
    );
    let ran = world.carry(&["nonsense", "--json"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stdout.starts_with("{\"type\":\"error\",\"kind\":\"usage\","), "{ran:?}");
    assert_eq!(ran.stderr, "");
}

#[test]
fn home_and_root_need_force() {
    let world = World::new();
    let git = |arguments: &[&str]| {
        let done = world.command("git".as_ref(), &world.home()).args(arguments).status().unwrap();
        assert!(done.success());
    };
    git(&["init", "-q"]);
    let ran = world.carry_in(&world.home(), &["add"]);
    ran.is(
        1,
        "",
        "Error: <DIR>/home is your home directory; capturing all of it is rarely meant\n\
         Hint: `carry add --force` there registers it all the same.\n",
    );
    assert_eq!(world.carry_in(&world.home(), &["add", "--force"]).code, 0);
}

#[test]
fn a_missing_repository_fails_alone_and_the_rest_goes_on() {
    let world = World::with_commit();
    world.ok(&["add"]);
    let other = world.home().join("other");
    world.git(&["clone", "-q", ".", other.to_str().unwrap()]);
    assert_eq!(world.carry_in(&other, &["add"]).code, 0);
    fs::rename(&other, world.home().join("elsewhere")).unwrap();
    let ran = world.carry_in(&world.home(), &["now"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.starts_with("~/repo: captured <ID> "), "{ran:?}");
    assert!(ran.stderr.contains("Warning: ~/other: "), "{ran:?}");
    assert!(ran.stderr.ends_with("Error: 1 of 2 repositories could not be captured\n"), "{ran:?}");
}

#[test]
fn every_help_lists_the_exit_codes() {
    let world = World::new();
    for command in ["up", "status", "list", "now", "log", "restore", "doctor", "man"] {
        for flag in ["-h", "--help"] {
            let ran = world.carry(&[command, flag]);
            assert_eq!(ran.code, 0);
            assert!(ran.stdout.contains(CODES), "{command} {flag}: {}", ran.stdout);
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program_quietly() {
    let world = World::with_commit();
    world.ok(&["now"]);
    let carry = env!("CARGO_BIN_EXE_carry");
    let script = format!("{{ '{carry}' config list; echo \"code $?\" >&2; }} | true");
    let said = world.command("sh".as_ref(), &world.repo()).args(["-c", &script]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stderr), "code 0\n");
}

#[test]
fn whatever_the_clock_says_machines_read_rfc_3339() {
    let world = World::with_commit();
    for (n, offset) in ["1000000000000", "-1000000000000"].into_iter().enumerate() {
        world.file("a.txt", &format!("{n}\n"));
        for arguments in [["add", "--json"], ["now", "--json"], ["list", "--json"], ["log", "--json"]] {
            let mut command = world.command(Path::new(env!("CARGO_BIN_EXE_carry")), &world.repo());
            let ran = world.run(command.args(arguments).env("CARRY_CLOCK_OFFSET", offset));
            assert_eq!(ran.code, 0, "{ran:?}");
            for line in ran.raw.lines() {
                let line: Value = serde_json::from_str(line).expect("JSON");
                let times = ["time", "added", "captured"].into_iter().filter_map(|key| line[key].as_str());
                for time in times.chain(line["snapshot"]["time"].as_str()) {
                    let is_read = time.parse::<jiff::Timestamp>().is_ok();
                    assert!(is_read && time.len() == "9999-12-30T22:00:00.000Z".len(), "{arguments:?} {time}");
                }
            }
        }
    }
}
