//! The words of a bucket.

use super::*;

fn words(messages: &[StoredMessage]) -> Vec<String> {
    let rows = rows(Mode::Full, Bucket(0), messages);
    let words = rows.into_iter().find_map(|row| match row.body {
        Body::Words(words) => Some(words),
        _ => None,
    });
    words.unwrap_or_default()
}

#[test]
fn words_are_there_once_and_in_order() {
    let found = words(&[text_message(0, "pear apple Pear"), text_message(1, "apple fig")]);
    assert_eq!(found, ["apple", "fig", "pear"]);
    assert_eq!(rows(Mode::Full, Bucket(0), &[text_message(0, "…")]).len(), 1);
}

#[test]
fn words_beyond_the_bound_are_left_out_the_last_ones_first() {
    let many = |from: usize| (from..from + 60_000).map(|n| format!("word{n:06} ")).collect::<String>();
    let messages = [text_message(0, &many(0)), text_message(1, &many(60_000)), text_message(2, "late")];
    let found = words(&messages);
    let bytes: usize = found.iter().map(String::len).sum();
    assert!(bytes <= WORDS_BYTES_MAX && bytes + 10 > WORDS_BYTES_MAX, "{bytes}");
    assert_eq!(found.first().map(String::as_str), Some("word000000"));
    assert!(!found.iter().any(|word| word == "late"));
    assert_eq!(words(&messages), found);
}

#[test]
fn escapes_of_an_input_are_no_letters() {
    let mut stored = text_message(0, "");
    stored.message.blocks = vec![Block::Call(ToolCall { input: "{\"a\":\"one\\ntwo\"}".to_owned(), ..call() })];
    assert_eq!(words(&[stored]), ["a", "one", "two"]);
}
