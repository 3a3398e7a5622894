//! What the fixtures hold, compared with what is expected of them.

use super::*;

/// Sessions that hold what is expected of them, to the message.
const EQUAL: [&str; 5] = ["K1", "K2", "K3", "K4", "K5"];

#[test]
fn every_session_is_found_once() {
    let found = units(&Codex, &places());
    assert_eq!(found.len(), 7);
    assert!(found.iter().all(|unit| unit.stamp.size > 0));
    for root in Codex.roots(&places()) {
        for unit in found.iter().filter(|unit| unit.path.starts_with(&root.path)) {
            assert_eq!(Codex.unit_of(&root, &unit.path).as_ref(), Some(&unit.path));
        }
        assert_eq!(Codex.unit_of(&root, &root.path.join("notes.jsonl")), None);
    }
}

#[test]
fn sessions_are_read_as_expected() {
    let model = read_all(&Codex, &places());
    let expected = fixture::expected("codex");
    for short in EQUAL {
        let id = id_of(short);
        let (told, wanted) = (model.session(&id), &expected[&id]);
        assert_eq!(told.facts.cwd.as_deref(), wanted["cwd"].as_str(), "{short}");
        assert_eq!(told.facts.branch.as_deref(), wanted["git_branch"].as_str(), "{short}");
        assert_eq!(told.facts.name.as_deref(), wanted["session_name"].as_str(), "{short}");
        assert_eq!(told.facts.kind.as_deref(), wanted["session_kind"].as_str(), "{short}");
        let termination = match wanted["termination_status"].as_str().unwrap() {
            "awaiting_user" => Termination::AwaitingUser,
            _ => Termination::ToolCallPending,
        };
        assert_eq!(told.facts.termination, Some(termination), "{short}");
        let (least, greatest) = told.span().unwrap();
        for (time, key) in [(least, "started_at"), (greatest, "ended_at")] {
            assert_eq!(Some(time), json::time(wanted[key].as_str().unwrap()), "{short} {key}");
        }
        let messages = wanted["messages"].as_array().unwrap();
        assert_eq!(told.messages.len(), messages.len(), "{short}");
        for (message, wanted) in told.messages.values().zip(messages) {
            message_agrees(message, wanted, short);
            for (call, wanted) in calls(message).zip(wanted["tool_calls"].as_array().unwrap_or(&Vec::new())) {
                let none = Vec::new();
                let events = wanted["result_events"].as_array().unwrap_or(&none);
                let results = told.results.iter().filter(|((ordinal, _), _)| *ordinal == message.ordinal);
                let contents: Vec<&str> =
                    results.flat_map(|(_, results)| results).map(|event| &*event.content).collect();
                if call.index == 0 {
                    let wanted: Vec<&str> = events.iter().map(|event| event["content"].as_str().unwrap()).collect();
                    assert_eq!(contents, wanted, "{short} {}", call.id);
                }
            }
        }
    }
}

fn message_agrees(message: &Message, wanted: &Value, short: &str) {
    let at = format!("{short} {}", message.ordinal);
    assert_eq!(u64::from(message.ordinal), wanted["ordinal"].as_u64().unwrap(), "{at}");
    assert_eq!(message.role.to_string(), wanted["role"].as_str().unwrap(), "{at}");
    assert_eq!(message.at, json::time(wanted["timestamp"].as_str().unwrap()), "{at}");
    assert_eq!(message.effort.as_deref(), wanted["reasoning_effort"].as_str(), "{at}");
    let none = Vec::new();
    let tools = wanted["tool_calls"].as_array().unwrap_or(&none);
    if tools.is_empty() {
        assert_eq!(text(message), wanted["content"].as_str().unwrap(), "{at}");
    }
    let usage = wanted["token_usage"].as_str().map(|usage| serde_json::from_str::<Value>(usage).unwrap());
    assert_eq!(message.usage.is_some(), usage.is_some(), "{at}");
    if let (Some(usage), Some(wanted)) = (message.usage, usage) {
        assert_eq!(usage.input, wanted["input_tokens"].as_u64(), "{at}");
        assert_eq!(usage.output, wanted["output_tokens"].as_u64(), "{at}");
        assert_eq!(usage.cache_read, wanted["cache_read_input_tokens"].as_u64(), "{at}");
    }
    assert_eq!(calls(message).count(), tools.len(), "{at}");
    for (call, wanted) in calls(message).zip(tools) {
        assert_eq!(u64::from(call.index), wanted["call_index"].as_u64().unwrap(), "{at}");
        assert_eq!(call.id, wanted["tool_use_id"].as_str().unwrap(), "{at}");
        assert_eq!(call.name, wanted["tool_name"].as_str().unwrap(), "{at}");
        assert_eq!(call.category.as_str(), wanted["category"].as_str().unwrap(), "{at}");
        assert_eq!(call.input, wanted["input_json"].as_str().unwrap(), "{at}");
        assert_eq!(call.file.as_deref(), wanted["file_path"].as_str(), "{at}");
        let agent = call.subagent.as_ref().map(|agent| format!("codex:{agent}"));
        assert_eq!(agent.as_deref(), wanted["subagent_session_id"].as_str(), "{at}");
    }
}

#[test]
fn a_subagent_and_a_fork_have_their_parent() {
    let model = read_all(&Codex, &places());
    for (short, kind) in [("K2", RelationKind::Subagent), ("K3", RelationKind::Fork)] {
        let relation = model.session(&id_of(short)).relation.clone().unwrap();
        assert_eq!((relation.kind, relation.parent.0), (kind, id_of("K1")));
    }
    assert_eq!(model.session(&id_of("K1")).relation, None);
    let waited = &model.session(&id_of("K1")).results[&(6, 0)][0];
    assert_eq!((waited.source.as_str(), waited.status), ("wait_output", ResultStatus::Completed));
    assert_eq!(waited.subagent.as_ref().unwrap().0, id_of("K2"));
}

#[test]
fn a_session_without_envelopes_is_read() {
    let model = read_all(&Codex, &places());
    let told = model.session(&id_of("K6"));
    assert_eq!(told.messages.values().map(text).collect::<Vec<_>>(), ["old style prompt", "old style answer"]);
    assert_eq!(told.facts.branch.as_deref(), Some("main"));
}

#[test]
fn shell_calls_searches_and_lists_of_parts_are_kept() {
    let model = read_all(&Codex, &places());
    let told = model.session(&id_of("K7"));
    let names: Vec<&str> = told.messages.values().flat_map(calls).map(|call| &*call.name).collect();
    assert_eq!(names, ["local_shell", "web_search", "exec_command", "write_stdin"]);
    assert!(calls(&told.messages[&1]).next().unwrap().input.contains("git commit -m 'smoke'"));
    assert_eq!(told.results[&(1, 0)][0].content, "[main 59105b0] smoke\n 1 file changed");
    let command = &told.results[&(3, 0)];
    assert!(command[0].content.starts_with("Chunk ID: 1a2b3c\n"));
    assert_eq!(command[0].status, ResultStatus::Running);
    assert_eq!((command[1].source.as_str(), command[1].status), ("write_stdin_output", ResultStatus::Completed));
    assert_eq!(told.messages.values().filter(|message| message.role == Role::User).count(), 1);
    assert_eq!(model.odd_count(Odd::Unknown), 1);
}

#[test]
fn every_fixture_reads_the_same_in_pieces() {
    for unit in units(&Codex, &places()) {
        let name = unit.path.strip_prefix(fixtures().join("home/.codex")).unwrap().to_str().unwrap().to_owned();
        assert_splits_agree(&Codex, &name, &std::fs::read(&unit.path).unwrap());
    }
}

#[test]
fn an_unfinished_line_is_left_and_a_bad_one_counted() {
    let mut model = Model::default();
    let end = Codex.read(&unit(&fixture_of("K5")), &Mode::Whole, &mut model).unwrap();
    assert!(end.is_unfinished);
    assert_eq!(model.odd_count(Odd::Malformed), 1);
}
