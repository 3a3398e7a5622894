//! Wrong use, and what is said of it.

use carry_testkit::postgres::{PASSWORD, shared};

use super::{Store, carry_reading, hides_the_password, set_up, with_store};
use crate::sessions::{archived, values};
use crate::world::World;

#[test]
fn without_a_store_every_command_says_how_to_set_one_up() {
    let world = archived();
    for arguments in [
        &["init"][..],
        &["share", "--all", "--mode", "full"],
        &["unshare", "--all"],
        &["preview"],
        &["push"],
        &["status"],
        &["verify"],
        &["list"],
        &["search", "x"],
        &["show", "x"],
        &["totals"],
        &["erase", "x", "--yes"],
    ] {
        let ran = world.carry(&[&["team"], arguments].concat());
        let expected = "Error: no team store is configured\n\
                        Hint: `carry team init --url postgres://user@host/database` sets one up.\n";
        ran.is(1, "", expected);
    }
    let ran = world.ok(&["team", "share"]);
    assert!(ran.stderr.contains("no team store is configured"), "{}", ran.stderr);
}

#[test]
fn a_url_that_means_nothing_is_wrong_usage_and_is_not_shown() {
    let world = World::with_commit();
    for url in ["mysql://ada:hunter22@db/x", "ada:hunter22@db", "postgres://ada:hunter22/x@db/team", ""] {
        let ran = carry_reading(&world, &["team", "init", "--url", "-"], url);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(!ran.stderr.contains("hunter22"), "{}", ran.stderr);
        assert!(ran.stderr.contains("postgres://user@host:5432/database"), "{}", ran.stderr);
    }
    let ran = world.carry(&["team", "init", "--url", "postgres://x@127.0.0.1/y", "--store", "No Name"]);
    assert_eq!(ran.code, 2, "{ran:?}");
}

#[test]
fn a_wrong_password_is_told_and_nothing_is_remembered() {
    let (world, store) = (World::with_commit(), Store::new());
    let url = shared().url("admin", "not-the-password", &store.database);
    let ran = carry_reading(&world, &["team", "init", "--url", "-"], &url);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.stderr.contains("not-the-password"), "{}", ran.stderr);
    assert!(ran.stderr.contains("password"), "{}", ran.stderr);
    assert_eq!(world.carry(&["team", "status"]).code, 1);
    assert!(!world.root().join("carry/config/team-default.url").exists());
}

#[test]
fn a_port_where_nobody_answers_is_told_and_everything_waits() {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    // Nobody listens at that port, and no other test is given it.
    let url = shared().url_at(1, "admin", PASSWORD, &store.database);
    let file = world.root().join("carry/config/team-default.url");
    std::fs::OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(&file)
        .and_then(|mut file| std::io::Write::write_all(&mut file, url.as_bytes()))
        .expect("it is ours");
    for arguments in [&["push"][..], &["push", "--dry-run"], &["verify"], &["list"], &["init"]] {
        let ran = world.carry(&[&["team"], arguments].concat());
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.starts_with("Error: "), "{ran:?}");
        hides_the_password(&ran);
    }
    // What needs no connection still works.
    assert!(world.ok(&["team", "status"]).stdout.contains("pending"), "status");
    world.ok(&["team", "preview"]);
    // Taking something back stands, although it cannot be told yet.
    let ran = world.carry(&["team", "unshare", "--all"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("withdrawn with the next push"), "{}", ran.stderr);
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "");
}

#[test]
fn modes_projects_and_stores_that_there_are_not_are_wrong_usage() {
    let (world, _store) = with_store();
    for arguments in [
        &["share", ".", "--mode", "everything"][..],
        &["share", "."],
        &["share", "--mode", "full"],
        &["share", "a*b", "--mode", "full"],
        &["share", "./no-such-folder", "--mode", "full"],
        &["share", ".", "--all", "--mode", "full"],
        &["unshare"],
        &["push", "--store", "nobody"],
        &["status", "--store", "nobody"],
        &["share", ".", "--mode", "full", "--store", "nobody"],
        &["init", "--person", " "],
    ] {
        let ran = world.carry(&[&["team"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {ran:?}");
    }
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "");
}

#[test]
fn what_may_be_a_password_in_a_project_is_not_shown() {
    let (world, _store) = with_store();
    let ran = world.carry(&["team", "share", "https://ada:hunter22@", "--mode", "full"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!ran.stderr.contains("hunter22"), "{}", ran.stderr);
}

#[test]
fn a_store_that_a_newer_carry_made_is_refused_before_anything_is_written() {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    store.ask("UPDATE meta SET value = '99' WHERE key = 'format'");
    for arguments in [&["push"][..], &["init"], &["list"]] {
        let ran = world.carry(&[&["team"], arguments].concat());
        assert_eq!(ran.code, 1, "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("newer"), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(store.units(), 0);
}

#[test]
fn failures_are_json_too() {
    let world = World::with_commit();
    let ran = world.carry(&["--json", "team", "push"]);
    let value = &values(&ran)[0];
    assert_eq!((&value["type"], &value["kind"]), (&"error".into(), &"failed".into()));
}

#[test]
fn the_help_lists_every_command() {
    let world = World::new();
    let help = world.ok(&["team", "-h"]).stdout;
    for command in
        ["init", "share", "unshare", "preview", "push", "status", "verify", "list", "search", "show", "totals", "erase"]
    {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}: {help}");
        let own = world.ok(&["team", command, "--help"]).stdout;
        assert!(own.contains("Exit codes:"), "{command}: {own}");
    }
}

#[test]
fn a_file_with_a_url_that_others_may_read_is_refused_and_named() {
    use std::os::unix::fs::PermissionsExt as _;
    let (world, store) = (World::with_commit(), Store::new());
    set_up(&world, &store);
    let file = world.root().join("carry/config/team-default.url");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("it is ours");
    let ran = world.carry(&["team", "init"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("team-default.url"), "{}", ran.stderr);
    hides_the_password(&ran);
    let doctor = world.carry(&["doctor"]);
    assert!(doctor.stdout.contains("[team-url]"), "{}", doctor.stdout);
}

#[test]
fn a_push_that_failed_is_told_until_one_goes_well() {
    let (world, _store) = with_store();
    let nowhere = "team.url=postgres://ada:hunter22@127.0.0.1:1/x";
    let ran = world.carry(&["--config", nowhere, "team", "push"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(!ran.stderr.contains("by itself"), "{}", ran.stderr);
    let status = values(&world.ok(&["--json", "team", "status"]));
    assert!(status[0]["last_error"].as_str().is_some_and(|why| why.contains("cannot be connected to")), "{status:?}");
    assert!(status[0]["last_error_at"].is_string(), "{status:?}");
    assert!(world.carry(&["doctor"]).stdout.contains("[team-push-failed]"));
    world.ok(&["team", "push"]);
    let status = values(&world.ok(&["--json", "team", "status"]));
    assert_eq!(status[0]["last_error"], serde_json::Value::Null);
}

#[test]
fn a_look_at_a_mode_needs_no_store() {
    let world = archived();
    let looked = values(&world.ok(&["--json", "team", "preview", "--mode", "metadata"]));
    assert!(!looked.is_empty());
    assert!(looked.iter().all(|unit| unit["type"] == "team-preview" && unit["mode"] == "metadata"), "{looked:?}");
}

#[test]
fn no_command_shows_the_password_of_an_address() {
    let world = World::with_commit();
    let said = [
        "--config",
        "team.url=postgres://ada:hunter22@db/x",
        "--config",
        "team.stores=[\"b=postgres://ada:hunter22@db/y\"]",
    ];
    for command in [&["config", "show"][..], &["config", "get", "team.url"], &["config", "get", "team.stores"]] {
        for form in [&[][..], &["--json"]] {
            let ran = world.ok(&[&said, form, command].concat());
            assert!(ran.stdout.contains("postgres://ada:…@db/"), "{}", ran.stdout);
            assert!(!format!("{ran:?}").contains("hunter22"), "{ran:?}");
        }
    }
}
