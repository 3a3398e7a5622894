//! `preview`: exactly what leaves.

use std::collections::BTreeSet;

use super::{pushed, with_store};
use crate::sessions::{A, id_of, json, values};

#[test]
fn what_a_preview_lists_is_what_a_push_puts_there() {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    let would = json(&world, &["team", "preview"]);
    assert!(would.iter().all(|item| item["type"] == "team-preview" && item["standing"] == "new"));
    let keys: BTreeSet<&str> = would.iter().map(|item| item["unit"].as_str().expect("text")).collect();
    world.ok(&["team", "push"]);
    let there = store.ask("SELECT key FROM units");
    assert_eq!(keys, there.lines().collect());
    let now = json(&world, &["team", "preview"]);
    assert!(now.iter().all(|item| item["standing"] == "same"), "{now:?}");
    world.ok(&["sessions", "star", A]);
    let now = json(&world, &["team", "preview"]);
    let changed: Vec<_> = now.iter().filter(|item| item["standing"] == "changed").collect();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0]["unit"], id_of(&world, A).as_str());
}

#[test]
fn the_rows_of_a_preview_are_those_in_the_store() {
    let (world, store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    let id = id_of(&world, A);
    let would = json(&world, &["team", "preview", A]);
    world.ok(&["team", "push"]);
    for (kind, table) in [("team-preview-message", "messages"), ("team-preview-result", "results")] {
        let sql = format!("SELECT json FROM {table} JOIN units ON n = unit WHERE key = '{id}'");
        let there = store.ask(&sql);
        let parse = |line: &str| {
            serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}")).to_string()
        };
        let mut there: Vec<String> = there.lines().map(parse).collect();
        let rows = would.iter().filter(|part| part["type"] == kind);
        let mut rows: Vec<String> = rows.map(|part| part["row"].to_string()).collect();
        there.sort();
        rows.sort();
        assert!(!rows.is_empty(), "{kind}");
        assert_eq!(there, rows, "{kind}");
    }
}

#[test]
fn a_mode_can_be_looked_at_before_anything_is_shared() {
    let (world, store) = with_store();
    let ran = world.ok(&["team", "preview"]);
    assert!(ran.stderr.starts_with("Nothing would leave: nothing is shared."), "{}", ran.stderr);
    let full = json(&world, &["team", "preview", A, "--mode", "full"]);
    let prompts = json(&world, &["team", "preview", A, "--mode", "prompts"]);
    let metadata = json(&world, &["team", "preview", A, "--mode", "metadata"]);
    assert!(full.len() > prompts.len() && prompts.len() > metadata.len());
    assert_eq!(metadata.len(), 1);
    assert_eq!(metadata[0]["session"]["first_prompt"], serde_json::Value::Null);
    assert_ne!(prompts[0]["session"]["first_prompt"], serde_json::Value::Null);
    assert!(
        prompts.iter().filter(|part| part["type"] == "team-preview-message").all(|part| part["row"]["role"] == "user")
    );
    // Nothing was shared by looking.
    world.ok(&["team", "push"]);
    assert_eq!(store.units(), 0);
    let ran = world.carry(&["team", "preview", A]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("its project is not shared"), "{}", ran.stderr);
}

#[test]
fn people_read_the_conversation_and_what_is_masked_in_it() {
    let (world, _store) = with_store();
    let ran = world.ok(&["team", "preview", A, "--mode", "full"]);
    assert!(ran.stdout.contains("shared as full"), "{}", ran.stdout);
    assert!(ran.stdout.contains("You") && ran.stdout.contains("Agent"), "{}", ran.stdout);
    assert!(ran.stdout.contains("masked"), "{}", ran.stdout);
    let list = world.ok(&["team", "preview", "--mode", "full"]);
    let last = list.stdout.lines().last().expect("a line").to_owned();
    assert!(last.contains("to share (") && last.contains("0 to withdraw"), "{last}");
    // What goes with it, whatever the mode.
    for ran in [&ran, &list] {
        let line =
            ran.stderr.lines().find(|line| line.starts_with("With whatever leaves, in every mode: ")).expect("a line");
        assert!(line.contains("the login") && line.contains(env!("CARGO_PKG_VERSION")), "{line}");
    }
}

#[test]
fn what_would_be_withdrawn_is_listed() {
    let (world, store) = pushed();
    world.ok(&["team", "unshare", "--all", "--no-push"]);
    let would = json(&world, &["team", "preview"]);
    assert_eq!(would.len() as u64, store.units());
    assert!(would.iter().all(|item| item["type"] == "team-withdrawal"));
}

#[test]
fn a_project_can_be_looked_at_alone() {
    let (world, _store) = with_store();
    world.ok(&["team", "share", "--all", "--mode", "full"]);
    let all = json(&world, &["team", "preview"]);
    let project = all[0]["project"].as_str().expect("text");
    let some = json(&world, &["team", "preview", "--project", project]);
    assert!(!some.is_empty() && some.len() < all.len());
    assert!(some.iter().all(|item| item["project"] == project));
    let ran = world.ok(&["team", "preview", "--project", "no-such-project"]);
    assert_eq!(ran.stderr, "Nothing would leave of such a project.\n");
    let ran = world.carry(&["--json", "team", "preview", "no-such-session"]);
    assert_eq!((ran.code, &values(&ran)[0]["type"]), (1, &"error".into()));
}
