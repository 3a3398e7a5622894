//! From commits, pull requests and files to conversations, and to what the working tree did.

use super::{A, A_SUBAGENT, archived, id_of, json, restoring};
use crate::world::World;

#[test]
fn a_commit_leads_to_the_conversation_that_made_it() {
    let world = archived();
    for commit in ["4c90c17a8fcdb18a89b1e427f0f3926d4d6471ab", "4c90c17", "aa9b7ab"] {
        let found = json(&world, &["sessions", "for", commit]);
        assert!(
            found.iter().any(|one| one["session"]["native"] == A && one["link"]["evidence"] == "created"),
            "{commit}: {found:?}"
        );
    }
    assert_eq!(world.ok(&["sessions", "for", "0123456789abcdef"]).stdout, "");
}

#[test]
fn a_pull_request_leads_to_the_conversation_that_made_it() {
    let world = archived();
    for spec in ["https://github.com/orchard-labs/orchard-api/pull/321", "#321", "321"] {
        let found = json(&world, &["sessions", "for", spec]);
        assert_eq!(found.first().map(|one| &one["session"]["native"]), Some(&A.into()), "{spec}: {found:?}");
    }
}

#[test]
fn a_revision_of_the_repository_is_resolved() {
    let world = World::with_commit();
    let head = world.git(&["rev-parse", "HEAD"]).trim().to_owned();
    let id = "0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d4";
    let record = |uuid: &str, kind: &str, message: serde_json::Value| {
        let line = serde_json::json!({
            "type": kind, "sessionId": id, "uuid": uuid, "cwd": world.repo(), "timestamp": "2026-11-20T10:00:00.000Z",
            "message": message,
        });
        format!("{line}\n")
    };
    let call = serde_json::json!({"role": "assistant", "content": [
        {"type": "tool_use", "id": "t1", "name": "Bash", "input": {"command": "git commit -m first"}}]});
    let output = serde_json::json!({"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "t1", "content": format!("[main (root-commit) {}] first\n 2 files changed", &head[..7])}]});
    let text = record("a0", "user", serde_json::json!({"role": "user", "content": "Commit it."}))
        + &record("a1", "assistant", call)
        + &record("a2", "user", output);
    restoring::write(&world.home().join(format!(".claude/projects/-repo/{id}.jsonl")), &text);
    world.ok(&["sessions", "index"]);
    for spec in ["HEAD", "main", &head] {
        let found = json(&world, &["sessions", "for", spec]);
        assert_eq!(found.first().map(|one| &one["session"]["native"]), Some(&id.into()), "{spec}");
    }
    let ran = world.ok(&["sessions", "for", "HEAD"]);
    assert!(ran.stdout.contains("made "), "{}", ran.stdout);
}

#[test]
fn a_file_leads_to_the_conversations_that_touched_it_subagents_with_their_parents() {
    let world = archived();
    let shown = json(&world, &["sessions", "show", A_SUBAGENT]);
    let file = shown
        .iter()
        .flat_map(|message| message["blocks"].as_array().cloned().unwrap_or_default())
        .find_map(|block| block["file"].as_str().map(str::to_owned))
        .expect("the subagent reads a file");
    let found = json(&world, &["sessions", "for", "--as", "file", &file]);
    let subagent = id_of(&world, A_SUBAGENT);
    assert!(found.iter().any(|one| one["session"]["native"] == A && one["subagent"] == subagent.as_str()), "{found:?}");
}

#[test]
fn diff_shows_what_the_working_tree_did_during_a_turn() {
    let world = World::with_commit();
    world.ok(&["up"]);
    world.ok(&["daemon", "stop"]);
    let at = |snapshot: &str| {
        let log = json(&world, &["log"]);
        let one = log.iter().find(|one| one["commit"] == snapshot).expect("the snapshot");
        one["time"].as_str().expect("a time").to_owned()
    };
    let before = at(&world.snapshot());
    world.file("made.txt", "by the agent\n");
    let after = at(&world.snapshot());
    let id = "0b51c9de-7a53-4c1f-9d6e-2f60a1b7c3d4";
    let record = |uuid: &str, role: &str, time: &str| {
        let line = serde_json::json!({
            "type": role, "sessionId": id, "uuid": uuid, "cwd": world.repo(), "timestamp": time,
            "message": {"role": role, "content": "Make it."},
        });
        format!("{line}\n")
    };
    let text = record("a0", "user", &before) + &record("a1", "assistant", &after);
    restoring::write(&world.home().join(format!(".claude/projects/-repo/{id}.jsonl")), &text);
    world.ok(&["sessions", "index"]);
    let turns = json(&world, &["sessions", "diff", id, "--turns"]);
    assert_eq!((&turns[0]["type"], &turns[0]["number"]), (&"session-turn".into(), &1.into()));
    for arguments in [&["sessions", "diff", id, "1"][..], &["sessions", "diff", id]] {
        let diff = json(&world, arguments);
        assert_eq!(diff[0]["changes"], serde_json::json!([{"path": "made.txt", "status": "added"}]), "{diff:?}");
    }
    assert!(world.ok(&["sessions", "diff", id, "1"]).stdout.contains("+by the agent"));
    let ran = world.carry(&["sessions", "diff", id, "7"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("--turns"), "{}", ran.stderr);
}
