//! The fixtures, compared with what is expected of them.

use super::*;

/// The message as flat text, tool calls as marks.
fn flat(message: &Message) -> String {
    let mut parts = Vec::new();
    for block in &message.blocks {
        match block {
            Block::Text(text) => parts.push(text.clone()),
            Block::Thinking(text) => parts.push(format!("[Thinking]\n{text}\n[/Thinking]")),
            Block::Call(call) => parts.push(mark(&call.name, &serde_json::from_str(&call.input).unwrap())),
            Block::Image(_) | Block::Other { .. } => {}
        }
    }
    parts.join("\n")
}

fn mark(name: &str, input: &Value) -> String {
    let field = |name: &str| input[name].as_str().unwrap_or_default();
    match name {
        "Read" | "Write" | "Edit" => format!("[{name}: {}]", field("file_path")),
        "Bash" if field("description").is_empty() => format!("[Bash]\n$ {}", field("command")),
        "Bash" => format!("[Bash: {}]\n$ {}", field("description"), field("command")),
        "Grep" => format!("[Grep: {}]", field("pattern")),
        "Task" => format!("[Task: {} ({})]", field("description"), field("subagent_type")),
        name => format!("[Tool: {name}]"),
    }
}

fn at(value: &Value) -> Option<i64> {
    Some(wire::timestamp(value.as_str()?)?.as_millis())
}

fn compare_message(id: &str, ours: &Message, told: &Told, theirs: &Value) {
    let ordinal = &theirs["ordinal"];
    let what = format!("{id} {ordinal}");
    // Bytes that are no text are kept as marks here, and dropped there.
    assert_eq!(flat(ours).replace('\u{fffd}', ""), theirs["content"].as_str().unwrap(), "{what}");
    assert_eq!(ours.role.to_string(), theirs["role"].as_str().unwrap(), "{what}");
    assert_eq!(ours.is_system, theirs["is_system"] == 1, "{what}");
    assert_eq!(ours.subtype.as_deref(), theirs["source_subtype"].as_str(), "{what}");
    assert_eq!(ours.key.as_deref(), theirs["source_uuid"].as_str(), "{what}");
    assert_eq!(ours.at.map(|at| at.as_millis()), at(&theirs["timestamp"]), "{what}");
    assert_eq!(ours.model.as_deref(), theirs["model"].as_str(), "{what}");
    let provider = ours.provider_id.as_ref();
    assert_eq!(provider.map(|id| id.message.as_str()), theirs["claude_message_id"].as_str(), "{what}");
    assert_eq!(provider.map(|id| id.request.as_str()), theirs["claude_request_id"].as_str(), "{what}");
    assert_eq!(ours.usage.and_then(|usage| usage.output), theirs["output_tokens"].as_u64(), "{what}");
    assert_eq!(ours.usage.and_then(|usage| usage.context()), theirs["context_tokens"].as_u64(), "{what}");
    let none = Vec::new();
    let theirs = theirs["tool_calls"].as_array().unwrap_or(&none);
    assert_eq!(calls(ours).count(), theirs.len(), "{what}");
    for (call, theirs) in calls(ours).zip(theirs) {
        assert_eq!(call.index as u64, theirs["call_index"].as_u64().unwrap(), "{what}");
        assert_eq!(call.name, theirs["tool_name"].as_str().unwrap(), "{what}");
        assert_eq!(call.id, theirs["tool_use_id"].as_str().unwrap(), "{what}");
        assert_eq!(call.file.as_deref(), theirs["file_path"].as_str(), "{what}");
        let category = if call.name == "MultiEdit" { "Other" } else { call.category.as_str() };
        assert_eq!(category, theirs["category"].as_str().unwrap(), "{what}");
        let json: Value = serde_json::from_str(&call.input).unwrap();
        assert_eq!(json, serde_json::from_str::<Value>(theirs["input_json"].as_str().unwrap()).unwrap(), "{what}");
        assert_eq!(call.subagent.as_ref().map(|id| id.0.as_str()), theirs["subagent_session_id"].as_str(), "{what}");
        let events = theirs["result_events"].as_array().unwrap_or(&none);
        let ours = told.results.get(&(ours.ordinal, call.index)).map_or(&[][..], Vec::as_slice);
        assert_eq!(ours.len(), events.len(), "{what}");
        for (event, theirs) in ours.iter().zip(events) {
            assert_eq!(event.source, theirs["source"].as_str().unwrap(), "{what}");
            assert_eq!(event.status == ResultStatus::Failed, theirs["status"] == "errored", "{what}");
            assert_eq!(event.content_bytes, theirs["content_length"].as_u64().unwrap_or(0), "{what}");
            // Outputs of reading files are not kept there.
            if !theirs["content"].as_str().unwrap_or_default().is_empty() {
                assert_eq!(event.content, theirs["content"].as_str().unwrap(), "{what}");
            }
            assert_eq!(event.at.map(|at| at.as_millis()), at(&theirs["timestamp"]), "{what}");
            assert_eq!(
                event.subagent.as_ref().map(|id| id.0.as_str()),
                theirs["subagent_session_id"].as_str(),
                "{what}"
            );
        }
    }
}

fn compare(id: &str, told: &Told, theirs: &Value) {
    let current = told.current();
    let messages = theirs["messages"].as_array().unwrap();
    assert_eq!(current.len(), messages.len(), "{id}: {:?}", texts(told));
    // What a rewind gave up is kept and numbered here, dropped there.
    let has_abandoned = current.len() != told.messages.len();
    for (ours, theirs) in current.iter().zip(messages) {
        if !has_abandoned {
            assert_eq!(u64::from(ours.ordinal), theirs["ordinal"].as_u64().unwrap(), "{id}");
        }
        compare_message(id, ours, told, theirs);
    }
    let facts = &told.facts;
    assert_eq!(facts.cwd.as_deref(), theirs["cwd"].as_str(), "{id}");
    assert_eq!(facts.branch.as_deref(), theirs["git_branch"].as_str(), "{id}");
    assert_eq!(facts.version.as_deref(), theirs["source_version"].as_str(), "{id}");
    assert_eq!(facts.kind.as_deref(), theirs["session_kind"].as_str(), "{id}");
    if let Some(name) = theirs["session_name"].as_str() {
        assert_eq!(facts.name.as_deref(), Some(name), "{id}");
    }
    let relation = told
        .relation
        .as_ref()
        .map(|relation| (relation.parent.0.as_str(), format!("{:?}", relation.kind).to_lowercase()));
    let (parent, kind) = (theirs["parent_session_id"].as_str(), theirs["relationship_type"].as_str());
    assert_eq!(relation.as_ref().map(|(parent, _)| *parent), parent, "{id}");
    assert_eq!(relation.as_ref().map(|(_, kind)| kind.as_str()), kind, "{id}");
    let (least, greatest) = told.span().unwrap();
    assert_eq!(Some(least.as_millis()), at(&theirs["started_at"]), "{id}");
    assert_eq!(Some(greatest.as_millis()), at(&theirs["ended_at"]), "{id}");
    let termination = match facts.termination.unwrap() {
        Termination::Truncated => "truncated",
        Termination::ToolCallPending => "tool_call_pending",
        Termination::AwaitingUser => "awaiting_user",
        Termination::Clean => "clean",
    };
    assert_eq!(termination, theirs["termination_status"].as_str().unwrap_or("clean"), "{id}");
}

#[test]
fn the_fixtures_read_as_expected() {
    let model = read_all(&Claude, &places());
    let expected = expected("claude");
    let ours: Vec<&String> = model.sessions.keys().map(|(_, id)| id).collect();
    assert_eq!(ours, expected.keys().collect::<Vec<_>>());
    for (id, theirs) in &expected {
        compare(id, model.session(id), theirs);
    }
    // The cut last line of C is no malformed one.
    assert_eq!(model.odd_count(Odd::Malformed), 3);
}

#[test]
fn what_a_short_rewind_gave_up_is_kept_and_marked() {
    let model = read_all(&Claude, &places());
    let told = model.session(&id_of("E2"));
    let abandoned: Vec<(u32, String)> = told
        .messages
        .values()
        .filter(|message| message.is_abandoned)
        .map(|message| (message.ordinal, text(message)))
        .collect();
    assert_eq!(abandoned, [(2, "to grove (typo)".to_owned()), (3, "ok groove".to_owned())]);
    assert_eq!(told.messages.len(), 6);
}

#[test]
fn pictures_become_blobs_and_pull_requests_links() {
    let model = read_all(&Claude, &places());
    let told = model.session(&id_of("I"));
    let [Block::Text(_), Block::Image(image)] = told.messages[&0].blocks.as_slice() else { panic!("no picture") };
    assert_eq!((image.media.as_str(), model.blobs[&image.hash].1 as u64), ("image/png", image.bytes));
    assert_eq!(told.results[&(1, 0)][0].images, std::slice::from_ref(image));
    assert_eq!(told.pull_requests, [("https://github.com/orchard-labs/orchard-api/pull/330".to_owned(), Some(9))]);
    assert_eq!(model.odd_count(Odd::Unknown), 1);
    assert_eq!(model.session(&id_of("A")).facts.name.as_deref(), Some("Rate limiter for harvest endpoint"));
    let subagent = model.session(&id_of("A_subagent"));
    assert_eq!(subagent.facts.label.as_deref(), Some("Explore"));
    assert_eq!(subagent.facts.name.as_deref(), Some("Find callers"));
}

#[test]
fn a_file_with_nothing_but_a_probe_is_no_session() {
    let path = fixture("F");
    let mut model = Model::default();
    let end = Claude.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
    assert_eq!((end.skipped, model.sessions.len()), (Some("no content"), 0));
    assert_eq!(model.raw, std::fs::read(&path).unwrap());

    // It becomes one, with the probe, when something is said.
    let folder = tempfile::tempdir().unwrap();
    let copy = put(&folder.path().join("f.jsonl"), &model.raw);
    let before = Claude.read(&unit(&copy), &Mode::Whole, &mut Model::default()).unwrap();
    append(&copy, format!("{}\n", user("u9", "", json!("hello"))).as_bytes());
    let (_, is_whole) = model.read(&Claude, &unit(&copy), Mode::From(before.checkpoint)).unwrap();
    assert!(is_whole);
    assert_eq!(texts(model.session("f")), ["/usage", "hello"]);
}

#[test]
fn an_output_that_comes_later_attaches_to_its_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = put(&folder.path().join("h.jsonl"), &std::fs::read(fixture("H")).unwrap());
    let mut model = Model::default();
    let (end, _) = model.read(&Claude, &unit(&path), Mode::Whole).unwrap();
    let before = model.session("h").clone();
    assert_eq!(before.facts.termination, Some(Termination::ToolCallPending));
    let call = calls(&before.messages[&1]).next().unwrap().id.clone();
    let result = json!([{"type": "tool_result", "tool_use_id": call, "content": "body {}"}]);
    append(&path, format!("{}\n", user("r", "", result)).as_bytes());
    let (_, is_whole) = model.read(&Claude, &unit(&path), Mode::From(end.checkpoint)).unwrap();
    let told = model.session("h");
    assert!(!is_whole);
    assert_eq!(told.messages, before.messages);
    assert_eq!(told.results[&(1, 0)][0].content, "body {}");
    assert_eq!(told.facts.termination, Some(Termination::Clean));
}

#[test]
fn a_cut_or_rewritten_file_is_read_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(fixture("A")).unwrap();
    let path = put(&folder.path().join("a.jsonl"), &whole);
    let first = Claude.read(&unit(&path), &Mode::Whole, &mut Model::default()).unwrap();
    let tenth = memchr::memchr_iter(b'\n', &whole).nth(9).unwrap() + 1;
    put(&path, &whole[..tenth]);
    let mut model = Model::default();
    let (cut, is_whole) = model.read(&Claude, &unit(&path), Mode::From(first.checkpoint.clone())).unwrap();
    assert!(is_whole && model.session("a").messages.len() < 6);
    put(&path, &whole);
    let (_, is_whole) = model.read(&Claude, &unit(&path), Mode::From(cut.checkpoint)).unwrap();
    assert!(!is_whole);
    assert_eq!(model.session("a").messages.len(), 16);

    let mut changed = whole.clone();
    let place = memchr::memmem::find(&changed, b"Run tests").unwrap();
    changed[place..place + 9].copy_from_slice(b"Ran tests");
    put(&path, &changed);
    assert!(model.read(&Claude, &unit(&path), Mode::From(first.checkpoint)).unwrap().1);
}

/// The file of a fixture.
pub(super) fn fixture(name: &str) -> PathBuf {
    let id = id_of(name);
    let all = units(&Claude, &places());
    all.into_iter().find(|unit| unit.path.file_stem().unwrap() == id.as_str()).unwrap().path
}

#[test]
fn the_fixtures_lie_in_the_repository() {
    assert_eq!(units(&Claude, &places()).len(), 10);
    assert!(fixtures().join("home/.claude/projects").is_dir());
}
