//! `share` and `unshare`: rules, and what they come to.

use std::collections::{BTreeMap, BTreeSet};

use super::{pushed, with_store};
use crate::sessions::{json, values};

#[test]
fn a_rule_is_set_listed_changed_and_taken_away() {
    let (world, store) = with_store();
    world.git(&["remote", "add", "origin", "git@github.com:acme/orchard.git"]);
    let ran = world.ok(&["team", "share", ".", "--mode", "metadata"]);
    assert!(ran.stdout.starts_with("github.com/acme/orchard is shared as metadata: "), "{}", ran.stdout);
    // Any spelling of the remote is the same project.
    let ran = world.ok(&["team", "share", "https://github.com/acme/orchard.git", "--mode", "full"]);
    assert!(ran.stdout.starts_with("github.com/acme/orchard is shared as full: "), "{}", ran.stdout);
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "github.com/acme/orchard=full\n");
    let listed = json(&world, &["team", "share"]);
    assert_eq!(listed.len(), 1);
    assert_eq!(
        (&listed[0]["type"], &listed[0]["pattern"], &listed[0]["mode"]),
        (&"team-share".into(), &"github.com/acme/orchard".into(), &"full".into())
    );
    let ran = world.ok(&["team", "unshare", "."]);
    assert!(ran.stdout.starts_with("github.com/acme/orchard is not shared any more.\n"), "{}", ran.stdout);
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "");
    assert_eq!(store.units(), 0);
}

#[test]
fn rules_say_how_many_sessions_they_are_about() {
    let (world, _store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "metadata"]);
    let all = json(&world, &["team", "share"]);
    let total = all[0]["sessions"].as_u64().expect("a number");
    assert!(total > 5, "{all:?}");
    let project =
        json(&world, &["sessions", "list", "--limit", "1"])[0]["project_key"].as_str().expect("text").to_owned();
    world.ok(&["team", "share", &format!("{project}*"), "--mode", "off"]);
    let both = json(&world, &["team", "share"]);
    let of = |pattern: &str| {
        let rule = both.iter().find(|rule| rule["pattern"] == pattern);
        rule.unwrap_or_else(|| panic!("{pattern}: {both:?}"))["sessions"].as_u64().expect("a number")
    };
    assert!(of(&format!("{project}*")) > 0);
    assert_eq!(of("*") + of(&format!("{project}*")), total);
}

#[test]
fn what_is_unshared_under_a_wider_rule_gets_a_rule_that_says_off() {
    let (world, store) = pushed();
    let before = store.units();
    let project =
        json(&world, &["sessions", "list", "--limit", "1"])[0]["project_key"].as_str().expect("text").to_owned();
    let ran = world.ok(&["team", "unshare", &format!("{project}*")]);
    assert!(ran.stdout.contains("withdrawn"), "{}", ran.stdout);
    assert!(world.ok(&["config", "get", "team.share"]).raw.contains(&format!("{project}*=off")));
    assert!(store.units() < before);
    let left =
        store.ask(&format!("SELECT count(*) FROM sessions WHERE project_key = '{}'", project.replace('\'', "''")));
    assert_eq!(left, "0");
}

#[test]
fn unsharing_everything_empties_the_store() {
    let (world, store) = pushed();
    assert!(store.units() > 0);
    let ran = world.ok(&["team", "unshare", "--all"]);
    assert!(ran.stdout.starts_with("Nothing is shared any more.\nPushed to default: "), "{}", ran.stdout);
    assert!(ran.stdout.ends_with(" withdrawn.\n"), "{}", ran.stdout);
    for table in ["units", "sessions", "messages", "results", "words", "links", "pins", "totals", "projects"] {
        assert_eq!(store.ask(&format!("SELECT count(*) FROM {table}")), "0", "{table}");
    }
}

#[test]
fn without_a_push_nothing_is_withdrawn_yet() {
    let (world, store) = pushed();
    let before = store.units();
    let ran = world.ok(&["--json", "team", "unshare", "--all", "--no-push"]);
    assert_eq!(values(&ran)[0]["changed"], true);
    assert_eq!(store.units(), before);
    world.ok(&["team", "push"]);
    assert_eq!(store.units(), 0);
}

#[test]
fn less_is_less_in_the_store_too() {
    let (world, store) = pushed();
    assert_ne!(store.ask("SELECT count(*) FROM results"), "0");
    world.ok(&["team", "share", "--all", "--mode", "prompts"]);
    world.ok(&["team", "push"]);
    assert_eq!(store.ask("SELECT count(*) FROM results"), "0");
    assert_eq!(store.ask("SELECT count(*) FROM messages WHERE role <> 0"), "0");
    world.ok(&["team", "share", "--all", "--mode", "metadata"]);
    world.ok(&["team", "push"]);
    assert_eq!(store.ask("SELECT count(*) FROM messages"), "0");
    assert_eq!(
        store
            .ask("SELECT count(*) FROM sessions WHERE name IS NOT NULL OR first_prompt IS NOT NULL OR cwd IS NOT NULL"),
        "0"
    );
    world.ok(&["team", "share", "--all", "--mode", "aggregates"]);
    world.ok(&["team", "push"]);
    assert_eq!(store.ask("SELECT count(*) FROM sessions"), "0");
    assert_ne!(store.ask("SELECT count(*) FROM totals"), "0");
}

#[test]
fn what_a_variable_shares_is_not_written_down() {
    let (world, store) = with_store();
    let carry = |arguments: &[&str]| {
        let mut command = world.command(env!("CARGO_BIN_EXE_carry").as_ref(), &world.repo());
        world.run(command.args(arguments).env("CARRY_TEAM_SHARE", "github.com/acme/api=full"))
    };
    assert_eq!(carry(&["team", "share", "--all", "--mode", "metadata"]).code, 0);
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "*=metadata\n");
    // It holds for its run, and taking something back says what it cannot take back.
    world.ok(&["team", "unshare", "--all", "--no-push"]);
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "");
    assert_eq!(store.units(), 0);
}

#[test]
fn a_folder_is_shared_by_its_remote_and_without_one_by_its_root() {
    let (world, _store) = with_store();
    let root = world.repo().display().to_string();
    world.file("deep/down/a.txt", "");
    let ran = world.carry_in(&world.repo().join("deep/down"), &["team", "share", ".", "--mode", "metadata"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, format!("{root}=metadata\n"));
    world.git(&["remote", "add", "origin", "https://ada:hunter22@github.com/Acme/Orchard.git"]);
    let ran = world.ok(&["team", "share", ".", "--mode", "full"]);
    assert!(ran.stdout.starts_with("github.com/Acme/Orchard is shared as full: "), "{}", ran.stdout);
    // Taking the folder back takes back what was said of either.
    world.ok(&["team", "unshare", "."]);
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "");
    // One that is gone can still be named.
    let ran = world.ok(&["team", "share", "/no/such/folder/", "--mode", "off"]);
    assert_eq!(ran.stdout, "/no/such/folder is not shared: 0 sessions.\n");
}

#[test]
fn a_project_is_unshared_in_any_spelling_of_its_remote() {
    let (world, _store) = with_store();
    for typed in ["https://ada:hunter22@GitHub.com/Acme/Orchard.git", "git@github.com:acme/orchard"] {
        world.ok(&["team", "share", "github.com/acme/orchard", "--mode", "full"]);
        let ran = world.ok(&["team", "unshare", typed, "--no-push"]);
        assert!(ran.stdout.to_lowercase().starts_with("github.com/acme/orchard is not shared any more.\n"), "{ran:?}");
        assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "", "{typed}");
    }
    let ran = world.carry(&["team", "unshare", "ada:hunter22@github.com/a*b", "--no-push"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(!ran.stderr.contains("hunter22"), "{ran:?}");
}

#[test]
fn what_is_still_shared_after_unsharing_is_a_failure() {
    let (world, _store) = with_store();
    let mut command = world.command(env!("CARGO_BIN_EXE_carry").as_ref(), &world.repo());
    let unshare = ["team", "unshare", "github.com/acme/api", "--no-push"];
    let ran = world.run(command.args(unshare).env("CARRY_TEAM_SHARE", "github.com/acme/api=full"));
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stderr.contains("github.com/acme/api is still shared"), "{ran:?}");
}

#[test]
fn a_folder_that_is_kept_out_keeps_out_what_lies_below() {
    let (world, store) = pushed();
    let before = store.units();
    let project = json(&world, &["sessions", "list", "--limit", "1"])[0].clone();
    let cwd = project["cwd"].as_str().expect("text");
    let parent = cwd.rsplit_once('/').map(|(parent, _)| parent).filter(|parent| !parent.is_empty()).expect("a parent");
    let ran = world.ok(&["team", "share", parent, "--mode", "off"]);
    assert!(!ran.stdout.contains(": 0 sessions"), "{ran:?}");
    world.ok(&["team", "push"]);
    assert!(store.units() < before);
    let ran = world.ok(&["team", "share", "/no/such/folder", "--mode", "off"]);
    assert!(ran.stderr.contains("no session is archived"), "{ran:?}");
}

#[test]
fn a_project_is_named_as_lists_show_it_and_a_rule_forgotten() {
    let (world, _store) = with_store();
    let of = |session: &serde_json::Value, name: &str| session[name].as_str().expect("text").to_owned();
    let sessions = || json(&world, &["sessions", "list", "--all", "--limit", "0"]);
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for session in sessions() {
        keys.entry(of(&session, "project")).or_default().insert(of(&session, "project_key"));
    }
    let (name, keys) = keys.into_iter().find(|(_, keys)| keys.len() > 1).expect("two projects of one name");
    let ran = world.carry(&["team", "share", &name, "--mode", "metadata"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(keys.iter().all(|key| ran.stderr.contains(key)), "{}", ran.stderr);
    let key = keys.first().expect("one").clone();
    for session in sessions().iter().filter(|session| of(session, "project_key") != key) {
        world.ok(&["sessions", "delete", &of(session, "id"), "--yes"]);
    }
    let shared = json(&world, &["team", "share", &name, "--mode", "metadata"]);
    assert_eq!(shared[0]["pattern"], key.as_str());
    assert!(shared[0]["sessions"].as_u64().expect("a number") > 0);
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    let gone = json(&world, &["team", "share", &name, "--forget"]);
    assert_eq!((&gone[0]["pattern"], &gone[0]["mode"]), (&key.as_str().into(), &"full".into()));
    assert_eq!(world.ok(&["config", "get", "team.share"]).raw, "*=full\n");
    let ran = world.carry(&["team", "share", &name, "--forget"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("there is no rule for "), "{}", ran.stderr);
}
