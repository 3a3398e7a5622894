use super::*;
use crate::model::{Category, Facts, Relation, ToolCall};

fn minute(n: i64) -> Timestamp {
    Timestamp::from_secs(n * 60)
}

fn session(native: &str) -> Op {
    Op::Session { agent: None, native: NativeId(native.to_owned()), relation: None }
}

fn message(role: Role, at: i64, blocks: Vec<Block>) -> Message {
    Message {
        ordinal: 0,
        key: None,
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: Some(minute(at)),
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks,
    }
}

fn said(role: Role, at: i64) -> Op {
    Op::Message(Box::new(message(role, at, vec![Block::Text("text".to_owned())])))
}

fn call() -> Block {
    Block::Call(ToolCall {
        index: 0,
        id: "1".to_owned(),
        name: "Bash".to_owned(),
        category: Category::Bash,
        input: "{}".to_owned(),
        skill: None,
        subagent: None,
        file: None,
    })
}

fn termination(termination: Termination) -> Op {
    Op::Facts(Box::new(Facts { termination: Some(termination), ..Facts::default() }))
}

/// The sessions that wait after these ops, heard at minute 100.
fn waiting(ops: &[Op]) -> Vec<String> {
    let mut turns = Turns::new(minute(100));
    ops.iter().for_each(|op| turns.hear(Agent::Claude, op));
    turns.close();
    turns.ended.into_keys().map(|(_, native)| native.0).collect()
}

#[test]
fn an_answer_without_calls_ends_the_turn() {
    assert_eq!(waiting(&[session("a"), said(Role::User, 98), said(Role::Assistant, 99)]), ["a"]);
}

#[test]
fn a_prompt_a_call_or_a_result_at_the_end_does_not() {
    let calls = Op::Message(Box::new(message(Role::Assistant, 99, vec![call()])));
    let result = Op::Result(Box::new(crate::model::ResultEvent {
        call: crate::model::CallRef::Id("1".to_owned()),
        source: "tool_result".to_owned(),
        status: crate::model::ResultStatus::Completed,
        at: None,
        content: String::new(),
        images: Vec::new(),
        content_bytes: 0,
        subagent: None,
    }));
    for last in [said(Role::User, 99), calls, result] {
        assert_eq!(waiting(&[session("a"), said(Role::Assistant, 98), last.clone()]), [""; 0], "{last:?}");
    }
    let more = Op::Extend { ordinal: 0, blocks: vec![call()], usage: None };
    assert_eq!(waiting(&[session("a"), said(Role::Assistant, 98), more]), [""; 0]);
}

#[test]
fn what_the_source_says_counts_more() {
    let pending = termination(Termination::ToolCallPending);
    assert_eq!(waiting(&[session("a"), said(Role::Assistant, 99), pending]), [""; 0]);
    let awaiting = termination(Termination::AwaitingUser);
    assert_eq!(waiting(&[session("a"), said(Role::User, 99), awaiting.clone()]), ["a"]);
    // It was said of an earlier end.
    assert_eq!(waiting(&[session("a"), awaiting, said(Role::User, 99)]), [""; 0]);
}

#[test]
fn an_interruption_ends_the_turn() {
    let stepped_in = Message { subtype: Some("interrupted".to_owned()), ..message(Role::User, 99, Vec::new()) };
    assert_eq!(waiting(&[session("a"), Op::Message(Box::new(stepped_in))]), ["a"]);
}

#[test]
fn what_ended_long_ago_or_belongs_to_another_agent_is_no_end() {
    assert_eq!(waiting(&[session("a"), said(Role::Assistant, 80)]), [""; 0]);
    let relation = Relation { kind: RelationKind::Subagent, parent: NativeId("p".to_owned()), call: None };
    let subagent = Op::Session { agent: None, native: NativeId("s".to_owned()), relation: Some(relation) };
    assert_eq!(waiting(&[subagent, said(Role::Assistant, 99)]), [""; 0]);
    let abandoned = Message { is_abandoned: true, ..message(Role::Assistant, 99, Vec::new()) };
    assert_eq!(waiting(&[session("a"), Op::Message(Box::new(abandoned))]), [""; 0]);
}

#[test]
fn each_session_of_a_container_ends_by_itself() {
    let ops = [session("a"), said(Role::Assistant, 99), session("b"), said(Role::User, 99), session("c")];
    assert_eq!(waiting(&ops), ["a"]);
}
