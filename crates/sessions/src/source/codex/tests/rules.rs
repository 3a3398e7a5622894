//! Rules that the fixtures do not show.

use super::*;

#[test]
fn what_only_its_provider_can_read_is_not_kept() {
    let secret = format!("{}AAajnYV8gG", ENCRYPTED);
    let model = read(&[
        item(
            json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "Plan"}], "encrypted_content": secret}),
        ),
        item(json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": secret}]})),
        said("assistant", "Done"),
        said("assistant", &secret),
    ]);
    let told = model.session("s");
    assert_eq!(told.messages[&0].blocks, [Block::Thinking("Plan".to_owned()), Block::Text("Done".to_owned())]);
    assert!(!format!("{:?}", told.messages).contains(ENCRYPTED));
}

#[test]
fn a_rename_changes_the_stamp_and_the_name() {
    let home = tempfile::tempdir().unwrap();
    let path = put(&home.path().join(NAME), &session(&[said("user", "hi")]));
    let index = home.path().join("session_index.jsonl");
    let root = Root { path: home.path().join("sessions"), is_default: true };
    let look = || {
        let (mut stamps, mut model) = (Vec::new(), Model::default());
        Codex.discover(&root, &mut |unit| stamps.push(unit.stamp), &mut |_, error| panic!("{error}"));
        Codex.read(&unit(&path), &Mode::Whole, &mut model).unwrap();
        (stamps[0].beside, model.session("s").facts.name.clone())
    };
    assert_eq!(look(), (0, None));
    put(&index, b"{\"id\":\"s\",\"thread_name\":\"one\"}\nnot json\n{\"id\":\"other\",\"thread_name\":\"x\"}\n");
    let (first, name) = look();
    assert_eq!(name.as_deref(), Some("one"));
    append(&index, b"{\"id\":\"s\",\"thread_name\":\"two\"}\n");
    let (second, name) = look();
    assert_eq!(name.as_deref(), Some("two"));
    assert!(first != 0 && second != 0 && first != second);
}

#[test]
fn agents_started_at_the_same_time_are_told_apart() {
    let lines = [
        call("spawn_agent", "a", json!({"message": "one"})),
        call("spawn_agent", "b", json!({"message": "two"})),
        event(json!({"type": "token_count", "info": {"last_token_usage": {"input_tokens": 5, "output_tokens": 2}}})),
        output("a", json!("{\"agent_id\":\"child-a\"}")),
        event(json!({"type": "collab_agent_spawn_end", "call_id": "b", "new_thread_id": "child-b"})),
        output("b", json!("{\"agent_id\":\"child-b\"}")),
        said(
            "user",
            "<subagent_notification>\n{\"agent_id\":\"child-b\",\"status\":{\"errored\":\"no\"}}\n</subagent_notification>",
        ),
        said("user", "go on"),
    ];
    let model = read(&lines);
    let told = model.session("s");
    let agents: Vec<_> = told.messages.values().flat_map(calls).map(|call| call.subagent.clone().unwrap().0).collect();
    assert_eq!(agents, ["child-a", "child-b"]);
    assert_eq!(told.messages[&1].usage.unwrap().output, Some(2));
    let noticed = &told.results[&(1, 0)];
    let noticed = noticed.iter().find(|event| event.source == "subagent_notification").unwrap();
    assert_eq!((noticed.content.as_str(), noticed.status), ("no", ResultStatus::Failed));
    assert_eq!(told.messages.values().filter(|message| message.role == Role::User).count(), 1);
    assert_splits_agree(&Codex, NAME, &session(&lines));
}

#[test]
fn turns_made_before_a_fork_began_belong_to_its_parent() {
    let turn = |id: &str| event(json!({"type": "task_started", "turn_id": id}));
    let head = json!({"timestamp": "2026-03-14T15:30:00Z", "type": "session_meta", "payload": {
        "id": "s", "timestamp": "2026-03-14T15:30:00Z", "forked_from_id": "p"}});
    let replayed = json!({"timestamp": "2026-03-14T15:30:00Z", "type": "session_meta", "payload": {"id": "p"}});
    let lines = [
        head,
        replayed,
        turn("019cec74-0000-7000-8000-000000000000"),
        said("user", "theirs"),
        event(json!({"type": "token_count", "info": {"last_token_usage": {"output_tokens": 9}}})),
        turn("019cfc79-1ed5-7189-9c57-36289dcd2763"),
        said("user", "ours"),
    ];
    let (model, _) = whole(&Codex, NAME, &jsonl(&lines));
    let told = model.session("s");
    assert_eq!(told.messages.values().map(text).collect::<Vec<_>>(), ["ours"]);
    assert!(told.usage.is_empty());
    assert_eq!(told.relation.as_ref().unwrap().kind, RelationKind::Fork);
    assert_splits_agree(&Codex, NAME, &jsonl(&lines));
}

#[test]
fn history_that_nothing_tells_apart_is_kept() {
    let head = json!({"type": "session_meta", "payload": {"id": "s", "timestamp": "2026-03-14T15:30:00Z", "forked_from_id": "p"}});
    let (model, _) = whole(&Codex, NAME, &jsonl(&[head, said("user", "maybe theirs"), said("assistant", "yes")]));
    assert_eq!(model.session("s").messages.len(), 2);
}

#[test]
fn turns_that_were_rolled_back_are_kept_as_given_up() {
    let lines = [
        said("user", "one"),
        said("assistant", "1"),
        said("user", "two"),
        said("assistant", "2"),
        event(json!({"type": "thread_rolled_back", "num_turns": 1})),
        said("user", "three"),
    ];
    let model = read(&lines);
    let told = model.session("s");
    assert_eq!(told.current().iter().map(|message| text(message)).collect::<Vec<_>>(), ["one", "1", "three"]);
    assert_eq!(told.messages.len(), 5);
    assert_splits_agree(&Codex, NAME, &session(&lines));
}

#[test]
fn the_first_prompt_written_again_after_an_abort_is_not_two() {
    let model =
        read(&[said("user", "go"), event(json!({"type": "turn_aborted"})), said("user", "go"), said("user", "go")]);
    assert_eq!(model.session("s").messages.len(), 2);
    assert_eq!(model.session("s").facts.termination, Some(Termination::ToolCallPending));
}

#[test]
fn a_step_that_left_no_message_is_counted_and_a_repeat_is_not() {
    let count = |total: u64, step: u64| {
        event(json!({"type": "token_count", "info": {
            "total_token_usage": {"output_tokens": total}, "last_token_usage": {"output_tokens": step}}}))
    };
    let lines = [said("assistant", "a"), count(5, 5), count(5, 5), count(7, 2), said("assistant", "b"), count(10, 3)];
    let model = read(&lines);
    let told = model.session("s");
    let said: u64 = told.messages.values().filter_map(|message| message.usage?.output).sum();
    let other: u64 = told.usage.values().filter_map(|event| event.usage.output).sum();
    assert_eq!((said, other), (8, 2));
    assert_splits_agree(&Codex, NAME, &session(&lines));
}

#[test]
fn pictures_are_kept_by_hash() {
    let url = "data:image/png;base64,aGVsbG8=";
    let model = read(&[
        item(json!({"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "see"}, {"type": "input_image", "image_url": url}]})),
        call("view_image", "v", json!({"path": "a.png"})),
        output("v", json!([{"type": "input_image", "image_url": url}])),
    ]);
    let hash = blake3::hash(b"hello").to_hex().to_string();
    assert_eq!(model.blobs[&hash], ("image/png".to_owned(), 5));
    let told = model.session("s");
    assert!(matches!(&told.messages[&0].blocks[1], Block::Image(image) if image.hash == hash && image.bytes == 5));
    assert_eq!(told.results[&(1, 0)][0].images[0].hash, hash);
}

#[test]
fn a_patch_of_very_many_files_does_not_multiply() {
    let patch: String = (0..20_000).map(|file| format!("*** Add File: f{file}\n+x\n")).collect();
    let model =
        read(&[item(json!({"type": "custom_tool_call", "name": "apply_patch", "call_id": "p", "input": patch}))]);
    let told = model.session("s");
    assert_eq!(calls(&told.messages[&0]).count(), 20_000);
    let bytes: usize = calls(&told.messages[&0]).map(|call| call.input.len()).sum();
    assert_eq!(bytes, patch.len());
}

#[test]
fn summaries_and_aborts_stay_with_the_message_they_precede() {
    let model = read(&[
        said("user", "<turn_aborted>\nstopped\n</turn_aborted>"),
        said("user", "on"),
        json!({"type": "compacted", "payload": {"message": "Summary: all well."}}),
        said("assistant", "ok"),
    ]);
    let told = model.session("s");
    assert_eq!(told.messages.values().map(text).collect::<Vec<_>>(), ["on", "ok"]);
    let kind = |message: &Message| match &message.blocks[0] {
        Block::Other { kind, .. } => kind.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(told.messages.values().map(kind).collect::<Vec<_>>(), ["turn_aborted", "compacted"]);
}
