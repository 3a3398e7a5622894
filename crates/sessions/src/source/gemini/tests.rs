//! Tests of reading Gemini CLI's sessions.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::model::{Block, RelationKind, ResultStatus, Role};
use crate::source::fixture::{self, Model, calls, id_of, places, read_all, text, unit, units};
use crate::source::trial::{assert_splits_agree, in_pieces, put, whole};

const NAME: &str = "tmp/orchard/chats/session-2026-03-16T08-00-s.jsonl";

fn jsonl(lines: &[Value]) -> Vec<u8> {
    let head = json!({"sessionId": "s", "startTime": "2026-03-16T09:40:00Z", "kind": "main"});
    [&[head], lines].concat().iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

fn said(id: &str, kind: &str, content: &str) -> Value {
    json!({"id": id, "timestamp": "2026-03-16T09:40:01Z", "type": kind, "content": content})
}

#[test]
fn sessions_are_read_as_expected() {
    let model = read_all(&Gemini, &places());
    let expected = fixture::expected("gemini");
    assert_eq!(expected.len(), 3);
    for (id, wanted) in &expected {
        let told = model.session(id);
        assert_eq!(told.facts.name, None);
        assert_eq!(told.facts.termination, None);
        assert_eq!(told.facts.project.as_deref(), Some("orchard-api"), "{id}");
        assert_eq!(told.facts.cwd.as_deref(), Some("/home/dana/code/orchard-api"), "{id}");
        assert_eq!(Some(told.span().unwrap().0), json::time(wanted["started_at"].as_str().unwrap()));
        let messages = wanted["messages"].as_array().unwrap();
        assert_eq!(told.messages.len(), messages.len(), "{id}");
        for (message, wanted) in told.messages.values().zip(messages) {
            assert_eq!(u64::from(message.ordinal), wanted["ordinal"].as_u64().unwrap());
            assert_eq!(message.role.to_string(), wanted["role"].as_str().unwrap());
            assert_eq!(message.at, json::time(wanted["timestamp"].as_str().unwrap()));
            assert_eq!(message.model.as_deref(), wanted["model"].as_str());
            assert!(wanted["content"].as_str().unwrap().contains(&text(message)));
            let usage = wanted["token_usage"].as_str().map(|usage| serde_json::from_str::<Value>(usage).unwrap());
            assert_eq!(message.usage.is_some(), usage.is_some());
            if let (Some(usage), Some(wanted)) = (message.usage, usage) {
                assert_eq!(usage.input, wanted["input_tokens"].as_u64());
                assert_eq!(usage.output, wanted["output_tokens"].as_u64());
                assert_eq!(usage.cache_read, wanted["cache_read_input_tokens"].as_u64());
            }
            let none = Vec::new();
            let tools = wanted["tool_calls"].as_array().unwrap_or(&none);
            assert_eq!(calls(message).count(), tools.len());
            for (call, wanted) in calls(message).zip(tools) {
                assert_eq!(call.name, wanted["tool_name"].as_str().unwrap());
                assert_eq!(call.category.as_str(), wanted["category"].as_str().unwrap());
                assert_eq!(call.id, wanted["tool_use_id"].as_str().unwrap());
                assert_eq!(call.input, wanted["input_json"].as_str().unwrap());
                assert_eq!(call.file.as_deref(), wanted["file_path"].as_str());
                let result = &told.results[&(message.ordinal, call.index)][0];
                assert_eq!(result.content_bytes, wanted["result_content_length"].as_u64().unwrap());
                assert_eq!(result.status, ResultStatus::Completed);
                if let Some(content) = wanted["result_content"].as_str() {
                    assert_eq!(result.content, content);
                }
            }
        }
    }
    let thinking = &model.session(&id_of("G1")).messages[&1].blocks[0];
    assert_eq!(*thinking, Block::Thinking("Plan\nOpen the file first.".to_owned()));
}

#[test]
fn a_rewound_message_is_kept_as_given_up() {
    let model = read_all(&Gemini, &places());
    let told = model.session(&id_of("G3"));
    assert!(told.messages[&2].is_abandoned);
    assert_eq!(
        told.current().iter().map(|message| text(message)).collect::<Vec<_>>(),
        ["Name the module", "orchard", "Use grove"]
    );
}

#[test]
fn every_fixture_of_lines_reads_the_same_in_pieces() {
    for unit in units(&Gemini, &places()).iter().filter(|unit| unit.path.extension().unwrap() == "jsonl") {
        assert_splits_agree(&Gemini, NAME, &std::fs::read(&unit.path).unwrap());
    }
}

#[test]
fn a_message_written_again_replaces_itself_and_its_result_is_said_once() {
    let call = |status: &str, result: Value| {
        json!({"id": "g", "type": "gemini", "content": "x", "tokens": {"input": 10, "output": 1, "thoughts": 2},
            "toolCalls": [{"id": "c", "name": "run_shell_command", "args": {"command": "ls"}, "status": status, "result": result}]})
    };
    let answer = |text: &str| json!([{"functionResponse": {"response": {"output": text}}}]);
    let lines = [
        said("u", "user", "go"),
        call("executing", Value::Null),
        call("success", answer("done")),
        call("success", answer("done")),
        json!({"id": "h", "type": "gemini", "content": "y", "tokens": {"input": 25, "output": 1}}),
    ];
    let (model, _) = whole(&Gemini, NAME, &jsonl(&lines));
    let told = model.session("s");
    assert_eq!(told.messages.len(), 3);
    assert_eq!(told.results[&(1, 0)].iter().map(|event| &*event.content).collect::<Vec<_>>(), ["done"]);
    assert_eq!(told.messages[&1].usage.unwrap().output, Some(3));
    assert_eq!(told.messages[&2].usage.unwrap().input, Some(15));
    assert_splits_agree(&Gemini, NAME, &jsonl(&lines));
}

#[test]
fn a_compression_takes_nothing_away() {
    let lines = [
        said("a", "user", "one"),
        said("b", "gemini", "two"),
        json!({"$set": {"lastUpdated": "2026-03-16T10:00:00Z", "messages": [said("b", "gemini", "cut"), said("z", "user", "summary")]}}),
        said("c", "user", "three"),
    ];
    let (model, _) = whole(&Gemini, NAME, &jsonl(&lines));
    let told = model.session("s");
    assert_eq!(told.messages.values().map(text).collect::<Vec<_>>(), ["one", "two", "summary", "three"]);
    assert_eq!(told.span().unwrap().1, json::time("2026-03-16T10:00:00Z").unwrap());
    assert_splits_agree(&Gemini, NAME, &jsonl(&lines));
}

#[test]
fn going_back_far_or_changing_an_old_message_reads_everything_again() {
    let mut lines: Vec<Value> = (0..300).map(|n| said(&format!("m{n}"), "user", &n.to_string())).collect();
    lines.push(json!({"$rewindTo": "m200"}));
    lines.push(said("m3", "user", "changed"));
    lines.push(said("new", "user", "new"));
    let bytes = jsonl(&lines);
    let ends: Vec<usize> = memchr::memchr_iter(b'\n', &bytes).map(|at| at + 1).collect();
    let (expected, _) = whole(&Gemini, NAME, &bytes);
    let told = expected.session("s");
    assert_eq!(told.current().len(), 201);
    assert_eq!(text(&told.messages[&3]), "changed");
    for (split, again) in [(300, 1), (301, 1), (302, 0)] {
        let (model, count) = in_pieces(&Gemini, NAME, &bytes, &[ends[split], ends[ends.len() - 2]]);
        assert_eq!(model, expected);
        assert_eq!(count, again, "{split}");
    }
}

#[test]
fn a_document_is_read_as_a_whole_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let document = |messages: &[Value]| json!({"sessionId": "s", "messages": messages}).to_string();
    let path = folder.path().join("tmp/p/chats/session-1.json");
    put(&path, document(&[said("a", "user", "one")]).as_bytes());
    let mut model = Model::default();
    let (end, _) = model.read(&Gemini, &unit(&path), Mode::Whole).unwrap();
    put(&path, document(&[said("a", "user", "one"), said("b", "gemini", "two"), json!({"type": 5})]).as_bytes());
    let (_, was_again) = model.read(&Gemini, &unit(&path), Mode::From(end.checkpoint)).unwrap();
    assert!(was_again);
    assert_eq!(model.session("s").messages.len(), 2);
    assert_eq!(model.raw, std::fs::read(&path).unwrap());
    put(&path, b"{\"sessionId\": \"s\", \"messages\": [{\"id\"");
    let mut model = Model::default();
    let end = Gemini.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
    assert!(end.is_unfinished && end.skipped.is_some() && model.sessions.is_empty());
}

#[test]
fn an_agent_that_a_session_started_has_its_parent() {
    let head = json!({"sessionId": "child", "kind": "subagent"});
    let bytes = format!("{head}\n{}\n", said("a", "user", "look"));
    let (model, _) = whole(&Gemini, "tmp/p/chats/parent-id/child.jsonl", bytes.as_bytes());
    let relation = model.session("child").relation.clone().unwrap();
    assert_eq!((relation.kind, &*relation.parent.0), (RelationKind::Subagent, "parent-id"));
    let (model, _) = whole(&Gemini, NAME, &jsonl(&[]));
    assert_eq!(model.session("s").relation, None);
}

#[test]
fn projects_are_found_by_hash_by_name_and_by_mark() {
    let home = tempfile::tempdir().unwrap();
    let hash = "8a5edab282632443219e051e4ade2d1d5bbc671c781051bf1437897cbdfea0f1";
    let at = |folder: &str| project::of(&home.path().join(folder).join("chats/session-1.jsonl"));
    put(&home.path().join("trustedFolders.json"), b"{\"/\": \"TRUST_FOLDER\", \"/w/api\": 1}");
    assert_eq!(at(&format!("tmp/{hash}")).path.as_deref(), Some("/"));
    assert_eq!(at("tmp/unknown"), project::Project { path: None, name: Some("unknown".to_owned()) });
    put(&home.path().join("projects.json"), b"{\"projects\": {\"/w/shop\": \"short\"}}");
    assert_eq!(at("tmp/short"), project::Project { path: Some("/w/shop".to_owned()), name: Some("shop".to_owned()) });
    put(&home.path().join("tmp/marked/.project_root"), b"/w/marked-one\n");
    assert_eq!(at("tmp/marked").name.as_deref(), Some("marked-one"));
    assert_eq!(at(&format!("tmp/{}", "0".repeat(64))), project::Project::default());
}

#[test]
fn odd_lines_are_counted_and_the_rest_is_read() {
    let mut bytes = jsonl(&[json!({"id": "i", "type": "info", "content": "x"}), json!({"id": "n", "type": "news"})]);
    bytes.extend(format!("{}{}\n", "{\"a\":".repeat(100_000), "1}".to_owned() + &"}".repeat(99_999)).bytes());
    bytes.extend(
        format!("{{\"type\":\"user\",\"id\":\"d\",\"content\":{}{}}}\n", "[".repeat(100_000), "]".repeat(100_000))
            .bytes(),
    );
    bytes.extend_from_slice(
        b"\0\0\n{\"type\":\"user\",\"content\":\"\xff\\u0007\"}\n{\"$rewindTo\":\"nobody\"}\n{\"$set\":4}\n",
    );
    let (model, _) = whole(&Gemini, NAME, &bytes);
    let told = model.session("s");
    assert_eq!(told.messages.values().map(text).collect::<Vec<_>>(), ["\u{FFFD}"]);
    assert!(told.messages.values().all(|message| message.role == Role::User));
    assert_eq!(model.odd_count(Odd::Malformed), 1);
    assert_eq!(model.odd_count(Odd::Control), 1);
    assert_eq!(model.odd_count(Odd::Unknown), 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_make_it_panic(at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..12), which in 0..3usize) {
        let unit = units(&Gemini, &places()).swap_remove(which);
        let mut bytes = std::fs::read(&unit.path).unwrap();
        let at = at.index(bytes.len());
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at..end, with);
        let name = if unit.path.extension().unwrap() == "json" { "tmp/p/chats/session-1.json" } else { NAME };
        let (expected, _) = whole(&Gemini, name, &bytes);
        let (model, _) = in_pieces(&Gemini, name, &bytes, &[at.min(bytes.len())]);
        if name == NAME {
            prop_assert_eq!(model, expected);
        }
    }
}
