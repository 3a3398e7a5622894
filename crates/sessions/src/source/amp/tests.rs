use serde_json::json;

use super::*;
use crate::source::fixture::{Model, calls, places, text, unit, units};

fn thread() -> Value {
    json!({
        "v": 3, "id": "T-1", "created": 1_773_000_000_000_i64, "title": "Fix the gate",
        "env": {"initial": {"trees": [{"displayName": "orchard", "uri": "file:///home/dana/orchard"}]}},
        "messages": [
            {"role": "user", "messageId": 0, "content": [{"type": "text", "text": "open it"}], "meta": {"sentAt": 1_773_000_001_000_i64}},
            {"role": "assistant", "messageId": 1, "content": [
                {"type": "thinking", "thinking": "rust"},
                {"type": "text", "text": "Looking."},
                {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "/a"}},
            ], "usage": {"model": "gpt-5", "inputTokens": 3, "outputTokens": 5, "cacheCreationInputTokens": 7, "cacheReadInputTokens": 11}},
            {"role": "user", "messageId": 2, "content": [{"type": "tool_result", "toolUseID": "toolu_1", "run": {"status": "done", "result": {"output": "hinge"}}}]},
        ],
        "meta": {"traces": [{"endTime": "2026-03-09T00:00:00Z"}]},
    })
}

fn read(bytes: &[u8]) -> (Model, ReadEnd) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("T-1.json");
    carry_kernel::disk::write_atomic(&path, bytes).unwrap();
    let mut model = Model::default();
    let end = Amp.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
    (model, end)
}

#[test]
fn a_thread_becomes_a_session() {
    let (model, end) = read(thread().to_string().as_bytes());
    assert_eq!(end.skipped, None);
    let told = model.session("T-1");
    assert_eq!(told.facts.name.as_deref(), Some("Fix the gate"));
    assert_eq!(told.facts.cwd.as_deref(), Some("/home/dana/orchard"));
    assert_eq!(told.messages.len(), 2, "a message of results only is none");
    assert_eq!(text(&told.messages[&1]), "Looking.");
    assert_eq!(calls(&told.messages[&1]).next().unwrap().file.as_deref(), Some("/a"));
    assert_eq!(told.results[&(1, 0)][0].content, "hinge");
    assert_eq!(told.results[&(1, 0)][0].status, ResultStatus::Completed);
    let usage = told.messages[&1].usage.unwrap();
    assert_eq!(
        (usage.input, usage.cache_write, usage.cache_read),
        (Some(10), None, Some(11)),
        "writing the cache counts as input"
    );
    assert_eq!(model.raw, thread().to_string().into_bytes());
}

#[test]
fn what_is_no_thread_is_said_and_left() {
    for bytes in [&b"{\"messages\": ["[..], b"[]", b"\0\xff", b"", b"{}"] {
        let (model, end) = read(bytes);
        assert!(end.skipped.is_some(), "{bytes:?}");
        assert!(model.sessions.is_empty());
    }
    let deep = format!("{{\"messages\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read(deep.as_bytes()).1.skipped.is_some());
}

#[test]
fn unknown_parts_and_control_characters_are_counted_and_kept() {
    let mut value = thread();
    value["messages"][0]["content"] = json!([{"type": "text", "text": "a\u{0}b"}, {"type": "hologram", "x": 1}]);
    let (model, _) = read(value.to_string().as_bytes());
    assert_eq!(text(&model.session("T-1").messages[&0]), "ab");
    assert_eq!((model.odd_count(Odd::Control), model.odd_count(Odd::Unknown)), (1, 1));
    let kept = model.session("T-1").messages[&0]
        .blocks
        .iter()
        .any(|block| matches!(block, Block::Other { kind, .. } if kind == "hologram"));
    assert!(kept);
}

#[test]
fn only_threads_are_found() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["T-1.json", "T-2.json", "x.json", "T-3.txt"] {
        carry_kernel::disk::write_atomic(&dir.path().join(name), b"{}").unwrap();
    }
    let places = Places { environment: vec![("AMP_DIR".to_owned(), dir.path().to_owned())], ..places() };
    let found: Vec<_> =
        units(&Amp, &places).into_iter().map(|unit| unit.path.file_name().unwrap().to_owned()).collect();
    assert_eq!(found, ["T-1.json", "T-2.json"]);
}
