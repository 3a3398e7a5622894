use proptest::prelude::*;
use serde_json::json;

use super::super::{Document, json as document_json, message_json};
use super::*;
use crate::fixture;

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zäöü \"\\\\\n\0{}]{0,12}", Just(String::new()), any::<String>()]
}

fn time() -> impl Strategy<Value = Option<Timestamp>> {
    let near = -100_000_000_000_000..300_000_000_000_000_i64;
    prop::option::of(prop_oneof![near, any::<i64>()].prop_map(Timestamp::from_millis))
}

fn cost() -> impl Strategy<Value = Option<u64>> {
    prop::option::of(prop_oneof![0..10_000_000_u64, 0..(1_u64 << 33) * 1_000_000])
}

/// JSON text, well-formed or not, spaced oddly, nested.
fn input() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        text().prop_map(Value::String),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(text(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop_oneof![
        tree.clone().prop_map(|value| value.to_string()),
        tree.prop_map(|value| format!(" {value:#}\n")),
        text(),
        Just("{\"a\":1,\"a\":2}".to_owned()),
        Just("[1e400]".to_owned()),
        Just("[-0, 1.0, 1E2, 18446744073709551616, 0.1e-7]".to_owned()),
        Just("\"{\\\"a\\\":1}\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        (60..140_usize).prop_map(|depth| "[".repeat(depth) + &"]".repeat(depth)),
    ]
}

fn image() -> impl Strategy<Value = Image> {
    (text(), any::<u64>(), text()).prop_map(|(media, bytes, hash)| Image { media, bytes, hash })
}

fn block() -> impl Strategy<Value = Block> {
    let optional = || prop::option::of(text());
    let call = (any::<u32>(), text(), text(), 0..9_usize, input(), optional(), optional(), optional());
    let call = call.prop_map(|(index, id, name, category, input, skill, subagent, file)| {
        let category = Category::ALL[category];
        Block::Call(ToolCall { index, id, name, category, input, skill, subagent: subagent.map(NativeId), file })
    });
    prop_oneof![
        text().prop_map(Block::Text),
        text().prop_map(Block::Thinking),
        call,
        image().prop_map(Block::Image),
        (text(), input()).prop_map(|(kind, json)| Block::Other { kind, json }),
    ]
}

fn result() -> impl Strategy<Value = StoredResult> {
    let status = prop_oneof![
        Just(ResultStatus::Unknown),
        Just(ResultStatus::Running),
        Just(ResultStatus::Completed),
        Just(ResultStatus::Failed),
    ];
    let images = prop::collection::vec(image(), 0..2);
    let told = (any::<u32>(), any::<u32>(), any::<u32>(), text(), status, time(), text(), images, any::<u64>());
    (told, prop::option::of(text())).prop_map(
        |((ordinal, index, event, source, status, at, content, images, content_bytes), subagent)| {
            let call = CallRef::At { ordinal, index };
            let subagent = subagent.map(NativeId);
            let result = ResultEvent { call, source, status, at, content, images, content_bytes, subagent };
            StoredResult { n: 0, event, result }
        },
    )
}

fn message() -> impl Strategy<Value = StoredMessage> {
    let optional = || prop::option::of(text());
    let number = || prop::option::of(any::<u64>());
    let usage = (number(), number(), number(), number(), number(), number(), cost());
    let usage = usage.prop_map(|(input, output, reasoning, cache_read, cache_write, cache_write_1h, cost_micros)| {
        Usage { input, output, reasoning, cache_read, cache_write, cache_write_1h, cost_micros }
    });
    let head = (any::<u32>(), optional(), any::<[bool; 3]>(), optional(), time(), optional(), optional());
    let ids = prop::option::of((text(), text()).prop_map(|(message, request)| ProviderId { message, request }));
    let lists = (prop::collection::vec(block(), 0..5), prop::collection::vec(result(), 0..3));
    (head, ids, prop::option::of(usage), lists).prop_map(|(head, provider_id, usage, (blocks, results))| {
        let (ordinal, key, [is_user, is_system, is_abandoned], subtype, at, model, effort) = head;
        let role = if is_user { Role::User } else { Role::Assistant };
        let message = Message {
            ordinal,
            key,
            role,
            subtype,
            is_system,
            is_abandoned,
            at,
            model,
            effort,
            provider_id,
            usage,
            blocks,
        };
        StoredMessage { n: 0, message, results }
    })
}

/// The message with its JSON texts and times in the form in which they are written.
fn written(mut stored: StoredMessage) -> StoredMessage {
    let within = |at: Option<Timestamp>| at.map(|at| super::time(&at.to_rfc3339()).expect("RFC 3339"));
    stored.message.at = within(stored.message.at);
    for result in &mut stored.results {
        result.result.at = within(result.result.at);
    }
    for block in &mut stored.message.blocks {
        match block {
            Block::Call(call) => call.input = input_text(&json::value(&call.input)),
            Block::Other { json: held, .. } => *held = input_text(&json::value(held)),
            _ => {}
        }
    }
    stored
}

/// As text and back, as it comes from a file.
fn through_text(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).expect("what was written can be read")
}

proptest! {
    #[test]
    fn a_message_comes_back_and_is_written_the_same_again(stored in message()) {
        let value = message_json(&stored);
        let back = message_of_json(&through_text(&value)).expect("a message");
        prop_assert_eq!(&back, &written(stored));
        prop_assert_eq!(message_json(&back).to_string(), value.to_string());
    }

    #[test]
    fn an_amount_beyond_what_numbers_tell_apart_is_still_written_the_same(amount in any::<u64>()) {
        let back = micros(json::dollars(amount)).expect("an amount");
        prop_assert_eq!(json::dollars(back), json::dollars(amount));
    }

    #[test]
    fn any_value_is_read_or_refused(stored in message(), at in any::<prop::sample::Index>(), odd in input()) {
        // One field is not what it should be.
        let mut value = message_json(&stored);
        let odd = json::value(&odd);
        let fields = value.as_object_mut().expect("an object");
        let at = at.index(fields.len());
        if let Some(field) = fields.values_mut().nth(at) {
            *field = odd.clone();
        }
        let _ = message_of_json(&value);
        for odd in [json!({ "blocks": [odd] }), json!([odd]), odd] {
            let _ = (message_of_json(&odd), result_of_json(&odd));
        }
    }
}

#[test]
fn what_is_missing_has_no_value_and_what_is_unknown_is_passed_over() {
    let value = json!({"ordinal": 3, "role": "user", "mood": "good", "blocks": [{"type": "video", "frames": 2}]});
    let back = message_of_json(&value).expect("a message");
    assert_eq!((back.message.ordinal, back.message.at, back.results.len()), (3, None, 0));
    let json = "{\"type\":\"video\",\"frames\":2}".to_owned();
    assert_eq!(back.message.blocks, [Block::Other { kind: "video".to_owned(), json }]);
}

#[test]
fn what_cannot_be_is_refused_with_its_field() {
    let refused = |value: Value| message_of_json(&value).expect_err("no message").field;
    assert_eq!(refused(json!(7)), "message");
    assert_eq!(refused(json!({"role": "user"})), "ordinal");
    assert_eq!(refused(json!({"ordinal": 4_294_967_296_u64, "role": "user"})), "ordinal");
    assert_eq!(refused(json!({"ordinal": -1, "role": "user"})), "ordinal");
    assert_eq!(refused(json!({"ordinal": 1, "role": "system"})), "role");
    assert_eq!(refused(json!({"ordinal": 1, "role": "user", "time": "soon"})), "time");
    assert_eq!(refused(json!({"ordinal": 1, "role": "user", "blocks": [1]})), "blocks");
    assert_eq!(refused(json!({"ordinal": 1, "role": "user", "usage": {"cost": -1.5}})), "cost");
}

#[test]
fn an_export_can_be_read_whatever_it_holds() {
    let deep = "[".repeat(120) + &"]".repeat(120);
    let call = ToolCall { input: deep, ..fixture::bash("") };
    let document = Document {
        session: fixture::session(),
        messages: vec![fixture::message(4, Role::Assistant, vec![Block::Call(call.clone())])],
        pins: Vec::new(),
        links: Vec::new(),
        mask: None,
        incomplete: None,
    };
    let back = through_text(&document_json(&document));
    let back = message_of_json(&back["messages"][0]).expect("a message");
    assert_eq!(back.message.blocks, [Block::Call(call)]);
}
