//! Tests of reading Copilot CLI's sessions.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Block, Message, ResultStatus, Role, Termination};
use crate::source::Odd;
use crate::source::fixture::{Model, calls, text, unit};
use crate::source::trial::{assert_splits_agree, in_pieces, put, whole};

const NAME: &str = "session-state/s/events.jsonl";

fn event(kind: &str, data: Value) -> Value {
    json!({"type": kind, "id": format!("e-{kind}"), "timestamp": "2026-06-02T10:00:00.000Z", "parentId": null, "data": data})
}

fn jsonl(lines: &[Value]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

/// A session with every type of event that counts.
fn session() -> Vec<Value> {
    vec![
        event(
            "session.start",
            json!({"sessionId": "s", "copilotVersion": "1.0.4", "startTime": "2026-06-02T09:59:00Z",
            "selectedModel": "claude-sonnet-4.5", "context": {"cwd": "/w/api", "branch": "main"}}),
        ),
        event("user.message", json!({"content": "Fix it", "transformedContent": "<x>Fix it</x>"})),
        event("user.message", json!({"content": "how to", "source": "skill-review"})),
        event("assistant.turn_start", json!({"turnId": "0"})),
        event("assistant.reasoning", json!({"content": "Look first."})),
        event(
            "assistant.message",
            json!({"content": "Looking", "reasoningText": "Look first.", "outputTokens": 30, "toolRequests": [
            {"toolCallId": "t1", "name": "view", "arguments": {"path": "src/a.rs"}},
            {"toolCallId": "t2", "name": "bash", "arguments": {"command": "make"}}]}),
        ),
        event(
            "tool.execution_start",
            json!({"toolCallId": "t1", "toolName": "view", "arguments": {"path": "src/a.rs"}}),
        ),
        event(
            "tool.execution_complete",
            json!({"toolCallId": "t1", "success": true, "result": {"content": "fn a() {}"}}),
        ),
        event(
            "tool.execution_complete",
            json!({"toolCallId": "t2", "success": false, "error": {"message": "no rule", "code": "failure"}}),
        ),
        event(
            "tool.execution_start",
            json!({"toolCallId": "t3", "toolName": "report_intent", "arguments": {"intent": "x"}}),
        ),
        event("tool.execution_complete", json!({"toolCallId": "t3", "success": true, "result": {"content": "ok"}})),
        event("session.model_change", json!({"newModel": "gpt-5"})),
        event("assistant.message", json!({"content": "Done", "outputTokens": 5, "toolRequests": []})),
        event("assistant.turn_end", json!({"turnId": "0"})),
    ]
}

fn shutdown(data: Value) -> Value {
    event("session.shutdown", data)
}

fn read(lines: &[Value]) -> Model {
    whole(&Copilot, NAME, &jsonl(lines)).0
}

#[test]
fn a_session_is_read() {
    let model = read(&session());
    let told = model.session("s");
    assert_eq!(told.facts.cwd.as_deref(), Some("/w/api"));
    assert_eq!(told.facts.branch.as_deref(), Some("main"));
    assert_eq!(told.facts.version.as_deref(), Some("1.0.4"));
    assert_eq!(told.facts.termination, Some(Termination::AwaitingUser));
    let roles: Vec<Role> = told.messages.values().map(|message: &Message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Assistant, Role::Assistant]);
    let answer = &told.messages[&1];
    assert_eq!(answer.blocks[0], Block::Thinking("Look first.".to_owned()));
    assert_eq!((text(answer).as_str(), answer.model.as_deref()), ("Looking", Some("claude-sonnet-4-5")));
    assert_eq!(answer.usage.unwrap().output, Some(30));
    let tools: Vec<_> = calls(answer).map(|call| (&*call.name, call.category.as_str(), call.file.as_deref())).collect();
    assert_eq!(tools, [("view", "Read", Some("src/a.rs")), ("bash", "Bash", None)]);
    assert_eq!(calls(answer).nth(1).unwrap().input, r#"{"command":"make"}"#);
    let results: Vec<_> =
        told.results.iter().map(|(call, events)| (*call, &*events[0].content, events[0].status)).collect();
    assert_eq!(
        results,
        [
            ((1, 0), "fn a() {}", ResultStatus::Completed),
            ((1, 1), "no rule", ResultStatus::Failed),
            ((2, 0), "ok", ResultStatus::Completed),
        ]
    );
    assert_eq!(told.messages[&3].model.as_deref(), Some("gpt-5"));
    assert!(model.odd.is_empty() && told.strays.is_empty());
}

#[test]
fn it_reads_the_same_in_pieces() {
    let mut lines = session();
    lines.push(shutdown(json!({"modelMetrics": {"gpt-5": {"usage": {"outputTokens": 9}}}})));
    assert_splits_agree(&Copilot, NAME, &jsonl(&lines));
}

#[test]
fn the_end_says_what_messages_did_not() {
    let mut lines = session();
    lines.push(shutdown(json!({"totalNanoAiu": 5, "modelMetrics": {
        "claude-sonnet-4.5": {"totalNanoAiu": 1_510_000_000u64, "usage": {"inputTokens": 100, "outputTokens": 42, "cacheReadTokens": 60, "cacheWriteTokens": 7}},
        "gpt-5": {"usage": {"inputTokens": 3, "outputTokens": 5}}}})));
    let model = read(&lines);
    let told = model.session("s");
    assert_eq!(told.facts.termination, Some(Termination::Clean));
    let events: Vec<_> = told.usage.values().map(|event| (event.model.as_deref().unwrap(), event.usage)).collect();
    assert_eq!(events.len(), 2);
    let (name, usage) = events[0];
    assert_eq!(name, "claude-sonnet-4-5");
    assert_eq!(
        (usage.input, usage.output, usage.cache_read, usage.cache_write),
        (Some(40), Some(12), Some(60), Some(7))
    );
    assert_eq!(usage.cost_micros, Some(15_100));
    assert_eq!((events[1].1.output, events[1].1.cost_micros), (Some(0), None));
}

#[test]
fn a_cost_without_model_counts_once_and_not_before_there_were_costs() {
    let mut end = shutdown(json!({"totalNanoAiu": 300_000, "modelMetrics": {}}));
    let micros = |end: &Value| {
        let model = read(&[session(), vec![end.clone()]].concat());
        model.session("s").usage.values().filter_map(|event| event.usage.cost_micros).collect::<Vec<_>>()
    };
    assert_eq!(micros(&end), [3]);
    end["timestamp"] = json!("2026-05-31T23:59:59Z");
    assert!(micros(&end).is_empty());
}

#[test]
fn a_call_without_result_is_pending() {
    let model = read(&session()[..7]);
    assert_eq!(model.session("s").facts.termination, Some(Termination::ToolCallPending));
}

#[test]
fn both_places_are_found_and_the_workspace_names_the_session() {
    let home = tempfile::tempdir().unwrap();
    let places = Places { home: home.path().to_owned(), ..Places::default() };
    let root = Copilot.roots(&places).remove(0);
    let flat = put(&root.path.join("a.jsonl"), &jsonl(&session()));
    let deep = put(&root.path.join("s/events.jsonl"), &jsonl(&session()));
    put(&root.path.join("s/checkpoints/other.jsonl"), b"{}");
    let look = || {
        let mut found = Vec::new();
        Copilot.discover(&root, &mut |unit| found.push(unit), &mut |_, error| panic!("{error}"));
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    };
    assert_eq!(look().iter().map(|unit| &unit.path).collect::<Vec<_>>(), [&flat, &deep]);
    assert_eq!(look()[1].stamp.beside, 0);
    let yaml = put(&root.path.join("s/workspace.yaml"), b"id: s\nname: \"Fix: it\"\ncwd: /w\n");
    assert_ne!(look()[1].stamp.beside, 0);
    assert_eq!(Copilot.unit_of(&root, &yaml), Some(deep.clone()));
    let mut model = Model::default();
    Copilot.read(&unit(&deep), &Mode::Whole, &mut model).unwrap();
    assert_eq!(model.session("s").facts.name.as_deref(), Some("Fix: it"));
    let yamls = [
        ("name: plain # note", Some("plain")),
        ("name: 'it''s'", Some("it's")),
        ("other: x\nname: |", None),
        ("name: ''", None),
        ("name: '", Some("'")),
    ];
    for (yaml, name) in yamls {
        put(&root.path.join("s/workspace.yaml"), yaml.as_bytes());
        assert_eq!(name_of(&deep).as_deref(), name, "{yaml}");
    }
}

#[test]
fn odd_lines_are_counted_and_the_rest_is_read() {
    let mut bytes = jsonl(&[event("brand.new", json!({}))]);
    bytes.extend(format!("{}{}\n", "{\"data\":".repeat(100_000), "1}".to_owned() + &"}".repeat(99_999)).bytes());
    bytes.extend_from_slice(b"\0\n{\"type\":\"user.message\",\"data\":{\"content\":\"\xff\"}}\n");
    let (model, _) = whole(&Copilot, "session-state/named.jsonl", &bytes);
    assert_eq!(text(&model.session("named").messages[&0]), "\u{FFFD}");
    assert_eq!(model.odd_count(Odd::Malformed), 1);
    assert_eq!(model.odd_count(Odd::Unknown), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_bytes_make_it_panic(at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..12)) {
        let mut bytes = jsonl(&session());
        let at = at.index(bytes.len());
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at..end, with);
        let (expected, _) = whole(&Copilot, NAME, &bytes);
        let (model, _) = in_pieces(&Copilot, NAME, &bytes, &[at.min(bytes.len())]);
        prop_assert_eq!(model, expected);
    }
}
