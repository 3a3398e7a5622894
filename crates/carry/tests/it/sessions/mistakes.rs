//! Wrong use, and what is said of it.

use super::{A, archived};
use crate::world::World;

#[test]
fn without_an_archive_every_command_says_how_to_make_one() {
    let world = World::with_commit();
    for arguments in [
        &["list"][..],
        &["show", "x"],
        &["search", "x"],
        &["for", "HEAD"],
        &["diff", "x"],
        &["star", "x"],
        &["pin", "x"],
        &["rename", "x", "y"],
        &["label", "l", "x"],
        &["trash", "x"],
        &["restore", "x"],
        &["delete", "x"],
        &["export", "x"],
        &["resume", "x"],
        &["stats"],
        &["verify"],
    ] {
        let ran = world.carry(&[&["sessions"], arguments].concat());
        let expected = "Error: no session is archived yet\nHint: `carry sessions index` reads what agents have left on this machine.\n";
        ran.is(1, "", expected);
    }
    let ran = world.ok(&["sessions", "index"]);
    assert!(ran.stdout.starts_with("No agent has left sessions"), "{}", ran.stdout);
}

#[test]
fn an_unknown_or_ambiguous_id_is_told_and_nothing_changes() {
    let world = archived();
    for command in ["show", "star", "trash", "delete", "export", "restore", "resume", "diff", "pin"] {
        let ran = world.carry(&["sessions", command, "no-such-session"]);
        assert_eq!(ran.code, 1, "{command}: {}", ran.stderr);
        assert!(ran.stderr.contains("no session \"no-such-session\""), "{command}: {}", ran.stderr);
    }
    let ran = world.carry(&["sessions", "star", A, "no-such-session"]);
    assert_eq!(ran.code, 1);
    assert_eq!(world.ok(&["sessions", "list", "--starred"]).stdout, "");
    let ran = world.carry(&["sessions", "show", "019c"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("Give more of the id"), "{}", ran.stderr);
}

#[test]
fn values_that_mean_nothing_are_wrong_usage() {
    let world = archived();
    for arguments in [
        &["list", "--since", "someday"][..],
        &["list", "--cost=-1"],
        &["list", "--cost", "NaN"],
        &["label", " ", A],
        &["rename", A, "a\nb"],
        &["pin", A, "first"],
        &["search", "--regex", "("],
        &["index", "--root", "/nowhere", "--agent", "claude"],
        &["index", "--agent", "nobody"],
        &["for", ""],
        &["list", "--agent", "clod"],
        &["show", A, "--turn", "1", "--message", "1"],
    ] {
        let ran = world.carry(&[&["sessions"], arguments].concat());
        assert_eq!(ran.code, 2, "{arguments:?}: {}", ran.stderr);
    }
    for arguments in [&["show", A, "--turn", "99"][..], &["show", A, "--message", "9999"]] {
        let ran = world.carry(&[&["sessions"], arguments].concat());
        assert_eq!(ran.code, 1, "{arguments:?}: {}", ran.stderr);
    }
}

#[test]
fn a_device_without_sessions_is_told_with_those_that_have_some_by_their_labels() {
    let world = archived();
    world.ok(&["devices", "rename", "laptop"]);
    let ran = world.carry(&["sessions", "list", "--device", "nobody"]);
    let expected = "Error: there is no session from a device \"nobody\"\nHint: There are sessions from laptop.\n";
    ran.is(2, "", expected);
    world.ok(&["sessions", "list", "--device", "laptop"]);
}

#[test]
fn who_wants_a_session_back_that_nobody_knows_is_led_to_what_was_deleted() {
    let world = archived();
    let ran = world.carry(&["sessions", "undelete", "no-such-session"]);
    assert_eq!((ran.code, ran.stderr.contains("`carry sessions deleted` lists")), (1, true), "{}", ran.stderr);
}

#[test]
fn failures_are_json_too() {
    let world = archived();
    let ran = world.carry(&["--json", "sessions", "show", "no-such-session"]);
    let value = &super::values(&ran)[0];
    assert_eq!((&value["type"], &value["kind"]), (&"error".into(), &"failed".into()));
}

#[test]
fn the_help_lists_every_command() {
    let world = World::new();
    let help = world.ok(&["sessions", "-h"]).stdout;
    for command in [
        "index", "list", "show", "search", "for", "diff", "star", "pin", "rename", "label", "trash", "restore",
        "delete", "undelete", "deleted", "export", "resume", "stats", "sources", "verify",
    ] {
        assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{command}: {help}");
        let own = world.ok(&["sessions", command, "--help"]).stdout;
        assert!(own.contains("Exit codes:"), "{command}: {own}");
    }
}

#[test]
fn options_of_a_search_stand_anywhere_and_words_are_left_out() {
    let world = archived();
    let all = super::json(&world, &["sessions", "search", "commit"]);
    assert!(all.len() > 1);
    let ran = world.ok(&["sessions", "search", "commit", "--limit", "1", "--in", "text", "--json"]);
    assert_eq!(super::values(&ran).len(), 1);
    let without = super::json(&world, &["sessions", "search", "commit", "--without", "commit"]);
    assert_eq!(without.len(), 0);
    assert_eq!(super::json(&world, &["sessions", "search", "--", "commit", "-commit"]).len(), 0);
}

#[test]
fn what_is_the_wrong_way_round_or_unknown_is_told() {
    let world = archived();
    let ran = world.carry(&["sessions", "label", A, "review"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("The label comes first"), "{}", ran.stderr);
    let ran = world.carry(&["sessions", "for", "#"]);
    assert_eq!(ran.code, 2);
    let ran = world.ok(&["sessions", "rename", A, "Another name"]);
    assert!(ran.stdout.contains("Another name"), "{}", ran.stdout);
    assert!(world.ok(&["sessions", "export", A, "-f", "md"]).stdout.starts_with("# Another name"));
}
