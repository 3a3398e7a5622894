//! Bytes that nobody meant.

use proptest::prelude::*;

use super::*;

#[test]
fn odd_lines_are_counted_and_the_rest_is_read() {
    let deep = format!(
        "{{\"type\":\"response_item\",\"payload\":{{\"type\":\"function_call\",\"call_id\":\"d\",\"name\":\"x\",\"arguments\":{}{}}}}}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let deepest = format!("{}{}\n", "{\"a\":".repeat(100_000), "1}".to_owned() + &"}".repeat(99_999));
    let mut bytes = session(&[]);
    for line in [
        &b"\0\0\0\n"[..],
        b"[1]\n",
        b"\"x\"\n",
        b"{\"type\":\"response_item\",\"payload\":7}\n",
        deep.as_bytes(),
        deepest.as_bytes(),
    ] {
        bytes.extend_from_slice(line);
    }
    bytes.extend_from_slice(b"{\"type\":\"response_item\",\"payload\":{\"type\":\"message\",\"role\":\"user\",\"content\":\"caf\xe9 \\u0000\\ud83d\"}}\n");
    bytes.extend(jsonl(&[said("user", "end")]));
    let (model, _) = whole(&Codex, NAME, &bytes);
    let told = model.session("s");
    let texts: Vec<String> = told.messages.values().filter(|message| message.role == Role::User).map(text).collect();
    assert_eq!(texts, ["caf\u{FFFD} \u{FFFD}", "end"]);
    assert_eq!(model.odd_count(Odd::Malformed), 3);
    assert_eq!(model.odd_count(Odd::NotUtf8), 1);
    assert_eq!(model.odd_count(Odd::Control), 1);
}

#[test]
fn a_line_that_is_too_long_is_passed_over() {
    let mut bytes = session(&[]);
    bytes.extend(std::iter::repeat_n(b'x', crate::source::lines::LINE_BYTES_MAX + 10));
    bytes.push(b'\n');
    bytes.extend(jsonl(&[said("user", "end")]));
    let (model, _) = whole(&Codex, NAME, &bytes);
    assert_eq!(model.odd_count(Odd::TooLong), 1);
    assert_eq!(model.session("s").messages.len(), 1);
}

#[test]
fn the_state_stays_small() {
    let mut lines = Vec::new();
    for n in 0..2000 {
        let id = format!("c{n}");
        lines.push(call("spawn_agent", &id, json!({"message": "x".repeat(10_000)})));
        lines.push(said("user", &format!("<skill>{}", "y".repeat(5_000))));
        lines.push(output(&id, json!(format!("Process running with session ID {n}\nOutput:\n"))));
    }
    let (_, end) = whole(&Codex, NAME, &session(&lines));
    assert!(end.checkpoint.state.len() < 512 * 1024, "{}", end.checkpoint.state.len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_bytes_make_it_panic(at in any::<prop::sample::Index>(), with in prop::collection::vec(any::<u8>(), 0..12), which in 0..7usize) {
        let unit = units(&Codex, &places()).swap_remove(which);
        let mut bytes = std::fs::read(&unit.path).unwrap();
        let at = at.index(bytes.len());
        let end = (at + with.len()).min(bytes.len());
        bytes.splice(at..end, with);
        let (expected, _) = whole(&Codex, NAME, &bytes);
        let (model, _) = in_pieces(&Codex, NAME, &bytes, &[at.min(bytes.len())]);
        prop_assert_eq!(model, expected);
    }
}

#[test]
fn steps_without_messages_are_said_as_they_come() {
    let count = |n: u64| event(json!({"type": "token_count", "info": {"total_token_usage": {"output_tokens": n}}}));
    let lines: Vec<Value> = (1..500).map(count).collect();
    let model = read(&lines);
    assert_eq!(model.session("s").usage.len(), 499);
    assert!(model.session("s").usage.values().all(|event| event.usage.output == Some(1)));
}
