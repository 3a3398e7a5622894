use carry_sessions::archive::StoredResult;
use carry_sessions::model::{CallRef, ResultEvent, ResultStatus};

use super::*;

fn stored(ordinal: u32, role: Role, at: i64, text: &str) -> StoredMessage {
    let message = Message {
        ordinal,
        key: None,
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: Some(Timestamp::from_secs(at)),
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks: vec![Block::Text(text.to_owned())],
    };
    StoredMessage { n: i64::from(ordinal), message, results: Vec::new() }
}

fn result(at: i64) -> StoredResult {
    let result = ResultEvent {
        call: CallRef::At { ordinal: 0, index: 0 },
        source: "tool_result".to_owned(),
        status: ResultStatus::Completed,
        at: Some(Timestamp::from_secs(at)),
        content: String::new(),
        images: Vec::new(),
        content_bytes: 0,
        subagent: None,
    };
    StoredResult { n: 1, event: 0, result }
}

/// Number, first and last ordinal, start and end in seconds.
fn shape(messages: &[StoredMessage]) -> Vec<(u32, u32, u32, i64, i64)> {
    let mut turns = Vec::new();
    messages.iter().for_each(|message| take(&mut turns, message));
    let second = |at: Option<Timestamp>| at.map_or(-1, Timestamp::as_secs);
    let shape = |turn: &Turn| {
        (turn.number, *turn.ordinals.start(), *turn.ordinals.end(), second(turn.started), second(turn.ended))
    };
    turns.iter().map(shape).collect()
}

#[test]
fn a_turn_goes_from_prompt_to_prompt() {
    let messages = [
        stored(0, Role::Assistant, 5, "hello"),
        stored(1, Role::User, 10, "do"),
        stored(2, Role::Assistant, 20, "done"),
        stored(5, Role::User, 30, "again"),
    ];
    assert_eq!(shape(&messages), [(1, 1, 2, 10, 20), (2, 5, 5, 30, 30)]);
}

#[test]
fn what_a_program_says_begins_no_turn_and_what_was_given_up_belongs_to_none() {
    let mut system = stored(2, Role::User, 15, "reminder");
    system.message.is_system = true;
    let mut abandoned = stored(3, Role::User, 18, "no, rather");
    abandoned.message.is_abandoned = true;
    let mut results_only = stored(4, Role::User, 19, "");
    results_only.message.blocks.clear();
    let messages = [stored(1, Role::User, 10, "do"), system, abandoned, results_only];
    assert_eq!(shape(&messages), [(1, 1, 4, 10, 19)]);
}

#[test]
fn a_result_that_comes_late_makes_the_turn_longer() {
    let mut answer = stored(2, Role::Assistant, 20, "running");
    answer.results.push(result(50));
    assert_eq!(shape(&[stored(1, Role::User, 10, "do"), answer]), [(1, 1, 2, 10, 50)]);
}

#[test]
fn a_prompt_is_one_bounded_line() {
    let text = |text: &str| prompt(&stored(0, Role::User, 0, text).message);
    assert_eq!(text(" two\n\n lines\there "), "two lines here");
    assert_eq!(text(&"ä".repeat(1000)).chars().count(), PROMPT_CHARS_MAX);
    assert_eq!(text(&"ab ".repeat(1000)).chars().count(), PROMPT_CHARS_MAX - 1);
}
