//! Tests of reading Claude Code's sessions.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::model::{Block, Message, RelationKind, ResultStatus, Termination};
use crate::source::Odd;
use crate::source::fixture::{Model, Told, calls, expected, fixtures, id_of, places, read_all, text, unit, units};

mod hostile;
mod parity;
mod splits;

/// Reads these lines as the session `s`.
fn read_lines(lines: &[Value]) -> Model {
    let bytes: Vec<u8> = lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect();
    read_bytes(&bytes)
}

fn read_bytes(bytes: &[u8]) -> Model {
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder.path().join("s.jsonl"), bytes);
    let mut model = Model::default();
    Claude.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
    model
}

fn put(path: &Path, bytes: &[u8]) -> PathBuf {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
    path.to_owned()
}

fn append(path: &Path, bytes: &[u8]) {
    std::fs::OpenOptions::new().append(true).open(path).unwrap().write_all(bytes).unwrap();
}

fn user(uuid: &str, parent: &str, content: Value) -> Value {
    json!({"type": "user", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": {"role": "user", "content": content}})
}

fn assistant(uuid: &str, parent: &str, id: &str, content: Value) -> Value {
    json!({"type": "assistant", "uuid": uuid, "parentUuid": parent, "sessionId": "s", "message": {
        "id": id, "role": "assistant", "model": "m", "content": content, "stop_reason": null, "usage": {"output_tokens": 1}}})
}

fn said(uuid: &str, parent: &str) -> Value {
    assistant(uuid, parent, &format!("msg-{uuid}"), json!([{"type": "text", "text": uuid}]))
}

fn texts(told: &Told) -> Vec<String> {
    told.messages.values().map(text).collect()
}

#[test]
fn output_of_parallel_calls_is_no_rewind() {
    let call = |id: &str| json!([{"type": "tool_use", "id": id, "name": "Bash", "input": {"command": id}}]);
    let output = |id: &str| json!([{"type": "tool_result", "tool_use_id": id, "content": format!("of {id}")}]);
    let model = read_lines(&[
        user("u1", "", json!("go")),
        assistant("a1", "u1", "m1", call("t1")),
        assistant("a2", "a1", "m1", call("t2")),
        user("r1", "a1", output("t1")),
        user("r2", "a2", output("t2")),
        said("a3", "r2"),
        user("u2", "a3", json!("more")),
    ]);
    let told = model.session("s");
    assert_eq!(model.sessions.len(), 1);
    assert!(told.messages.values().all(|message| !message.is_abandoned));
    assert_eq!(told.results.keys().copied().collect::<Vec<_>>(), [(1, 0), (1, 1)]);
    assert_eq!(told.messages.keys().copied().collect::<Vec<_>>(), [0, 1, 4, 5]);
}

#[test]
fn pieces_after_an_output_extend_the_answer() {
    let call = |id: &str| json!([{"type": "tool_use", "id": id, "name": "Bash", "input": {}}]);
    let output = |id: &str| json!([{"type": "tool_result", "tool_use_id": id, "content": "x"}]);
    let model = read_lines(&[
        user("u1", "", json!("go")),
        assistant("a1", "u1", "m1", call("t1")),
        user("r1", "a1", output("t1")),
        assistant("a2", "a1", "m1", call("t2")),
        assistant("a2", "a1", "m1", call("t2")),
        user("r2", "a2", output("t2")),
    ]);
    let told = model.session("s");
    assert_eq!(
        calls(&told.messages[&1]).map(|call| (call.index, call.id.as_str())).collect::<Vec<_>>(),
        [(0, "t1"), (1, "t2")]
    );
    assert_eq!(told.results.keys().copied().collect::<Vec<_>>(), [(1, 0), (1, 1)]);
    assert_eq!(told.messages.len(), 2);
}

#[test]
fn pieces_that_repeat_earlier_ones_count_once() {
    let words = |text: &str| json!([{"type": "text", "text": text}]);
    let both = json!([{"type": "text", "text": "hello there"}, {"type": "tool_use", "id": "t", "name": "Read", "input": {"file_path": "a"}}]);
    let model = read_lines(&[
        user("u1", "", json!("go")),
        assistant("a1", "u1", "m1", words("hello")),
        assistant("a2", "a1", "m1", words("hello there")),
        assistant("a3", "a2", "m1", both),
    ]);
    let message = &model.session("s").messages[&1];
    assert_eq!(text(message), "hello there");
    assert_eq!(calls(message).next().unwrap().file.as_deref(), Some("a"));
    assert_eq!((message.key.as_deref(), message.usage.unwrap().output), (Some("a3"), Some(1)));
}

#[test]
fn a_branch_taken_up_again_counts_again() {
    let model = read_lines(&[
        user("u1", "", json!("one")),
        said("a1", "u1"),
        user("u2", "a1", json!("two")),
        said("a2", "u2"),
        user("u3", "a1", json!("instead")),
        said("a3", "u3"),
        user("u4", "a2", json!("back to two")),
    ]);
    let abandoned = model.session("s").messages.values().filter(|message| message.is_abandoned).map(text);
    assert_eq!(abandoned.collect::<Vec<_>>(), ["instead", "a3"]);
}

#[test]
fn what_goes_on_in_a_branch_left_for_a_fork_stays_there() {
    let mut lines = vec![user("u0", "", json!("start")), said("a0", "u0")];
    for n in 1..=4 {
        lines.push(user(&format!("u{n}"), &format!("a{}", n - 1), json!(format!("turn {n}"))));
        lines.push(said(&format!("a{n}"), &format!("u{n}")));
    }
    lines.extend([
        user("f1", "a0", json!("fork")),
        said("f2", "f1"),
        user("u5", "a4", json!("turn 5")),
        said("f3", "f2"),
    ]);
    let model = read_lines(&lines);
    assert_eq!(texts(model.session("s")).last().unwrap(), "turn 5");
    let fork = model.session("s-f1");
    assert_eq!(texts(fork), ["fork", "f2", "f3"]);
    let relation = fork.relation.as_ref().unwrap();
    assert_eq!((relation.kind, relation.parent.0.as_str()), (RelationKind::Fork, "s"));
    assert_eq!(fork.facts.resume.as_deref(), Some("s"));
}

#[test]
fn once_a_parent_is_unknown_the_order_of_the_file_counts() {
    let model = read_lines(&[
        user("u1", "", json!("one")),
        said("a1", "u1"),
        user("u2", "gone", json!("two")),
        user("u3", "a1", json!("three")),
    ]);
    assert!(model.session("s").messages.values().all(|message| !message.is_abandoned));
}

#[test]
fn texts_of_the_program_are_told_from_what_was_typed() {
    let subtype = |content: &str| {
        let model = read_lines(&[user("u0", "", json!("typed")), user("u1", "u0", json!(content))]);
        let last = model.session("s").messages.values().nth(1).cloned();
        last.map(|message| (message.subtype.clone().unwrap_or_default(), message.is_system, text(&message)))
    };
    let system = |name: &str, text: &str| Some((name.to_owned(), true, text.to_owned()));
    let typed = |text: &str| Some((String::new(), false, text.to_owned()));
    assert_eq!(subtype("[Request interrupted by user for tool use]").unwrap().0, "interrupted");
    assert_eq!(
        subtype("<system-reminder>x</system-reminder>"),
        system("system_reminder", "<system-reminder>x</system-reminder>")
    );
    assert_eq!(subtype("<system-reminder>x</system-reminder>\nhello"), typed("hello"));
    assert_eq!(subtype("<task-notification>x"), system("task_notification", "<task-notification>x"));
    assert_eq!(subtype("Stop hook feedback: no").unwrap().0, "stop_hook");
    assert_eq!(subtype("<local-command-stderr>x</local-command-stderr>"), None);
    assert_eq!(subtype("<command-name>/x</command-name><command-args> a  b </command-args>"), typed("/x a  b"));
    assert_eq!(subtype("<b>typed</b>"), typed("<b>typed</b>"));
}

#[test]
fn an_editor_envelope_becomes_a_hidden_message() {
    let content = json!("<ide_opened_file>a.rs</ide_opened_file>\nfix it");
    let model = read_lines(&[user("u1", "", content)]);
    let messages: Vec<&Message> = model.session("s").messages.values().collect();
    assert_eq!(messages[0].key.as_deref(), Some("u1:ide-context"));
    assert_eq!((messages[0].subtype.as_deref(), messages[0].is_system), (Some("ide_opened_file"), true));
    assert_eq!((text(messages[1]).as_str(), messages[1].is_system), ("fix it", false));
}

#[test]
fn names_count_by_their_kind_whatever_the_order() {
    let name = |lines: &[Value]| {
        let mut all = vec![user("u1", "", json!("hello"))];
        all.extend_from_slice(lines);
        read_lines(&all).session("s").facts.name.clone()
    };
    let custom = json!({"type": "custom-title", "customTitle": "custom"});
    let made = json!({"type": "ai-title", "aiTitle": "made"});
    let summary = json!({"type": "summary", "summary": "sum", "leafUuid": "u1"});
    let foreign = json!({"type": "summary", "summary": "sum", "leafUuid": "other"});
    assert_eq!(name(&[custom.clone(), made.clone()]).as_deref(), Some("custom"));
    assert_eq!(name(&[made.clone(), summary.clone()]).as_deref(), Some("made"));
    assert_eq!(name(&[summary]).as_deref(), Some("sum"));
    assert_eq!(name(&[foreign]), None);
}

#[test]
fn an_output_in_a_file_is_read_only_from_the_sessions_own_folder() {
    let folder = tempfile::tempdir().unwrap();
    put(&folder.path().join("s/tool-results/own.txt"), b"the whole output");
    put(&folder.path().join("secret.txt"), b"secret");
    std::os::unix::fs::symlink(folder.path().join("secret.txt"), folder.path().join("s/tool-results/link.txt"))
        .unwrap();
    let output = |path: String| {
        let call = json!([{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]);
        let mut result = user("r1", "a1", json!([{"type": "tool_result", "tool_use_id": "t", "content": "preview"}]));
        result["toolUseResult"] = json!({"persistedOutputPath": path});
        let lines = [user("u1", "", json!("go")), assistant("a1", "u1", "m1", call), result];
        let bytes = lines.map(|line| format!("{line}\n")).concat();
        let path = put(&folder.path().join("s.jsonl"), bytes.as_bytes());
        let mut model = Model::default();
        Claude.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
        model.session("s").results[&(1, 0)][0].content.clone()
    };
    // The folder may have moved since the line was written; the name counts.
    assert_eq!(output("/home/dana/.claude/projects/p/s/tool-results/own.txt".to_owned()), "the whole output");
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for path in [
        at("s/tool-results/link.txt"),
        at("secret.txt"),
        at("s/tool-results/../../secret.txt"),
        at("t/tool-results/own.txt"),
    ] {
        assert_eq!(output(path), "preview");
    }
}

#[test]
fn units_are_found_once_and_paths_belong_to_them() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("projects");
    let main = put(&root.join("p/aa-bb.jsonl"), b"{}\n");
    let agent = put(&root.join("p/aa-bb/subagents/workflows/w1/agent-1.jsonl"), b"{}\n");
    put(&root.join("p/agent-2.jsonl"), b"{}\n");
    put(&root.join("p/notes.txt"), b"");
    let output = put(&root.join("p/aa-bb/tool-results/x.txt"), b"");
    std::os::unix::fs::symlink(root.join("p/aa-bb/subagents"), root.join("p/aa-bb/subagents/loop")).unwrap();
    std::os::unix::fs::symlink(root.join("p"), root.join("q")).unwrap();
    let places = Places { environment: vec![("CLAUDE_CONFIG_DIR".into(), folder.path().into())], ..Places::default() };
    let found = units(&Claude, &places);
    let inodes: std::collections::HashSet<u64> = found.iter().map(|unit| unit.stamp.inode).collect();
    assert_eq!((found.len(), inodes.len()), (2, 2), "{found:?}");
    let root = &Claude.roots(&places)[0];
    assert_eq!(Claude.unit_of(root, &main), Some(main.clone()));
    assert_eq!(Claude.unit_of(root, &agent), Some(agent.clone()));
    assert_eq!(Claude.unit_of(root, &agent.with_extension("meta.json")), Some(agent));
    assert_eq!(Claude.unit_of(root, &output), Some(main));
    assert_eq!(Claude.unit_of(root, &root.path.join("p/notes.txt")), None);
}

#[test]
fn times_are_read_with_and_without_zone() {
    let millis = |text: &str| wire::timestamp(text).map(carry_kernel::clock::Timestamp::as_millis);
    assert_eq!(millis("2026-03-14T09:00:01.250Z"), Some(1_773_478_801_250));
    assert_eq!(millis("2024-02-29T00:00:00.000Z"), Some(1_709_164_800_000));
    for same in ["2026-03-14T09:00:01.250000Z", "2026-03-14 09:00:01.25", "2026-03-14T10:00:01.250+01:00"] {
        assert_eq!(millis(same), Some(1_773_478_801_250), "{same}");
    }
    assert_eq!(millis("yesterday"), None);
}
