use proptest::prelude::*;

use super::*;
use crate::model::{CallRef, ResultStatus, Role, Usage};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "\\PC{0,20}",
        any::<String>(),
        ("[a-z ]{1,20}", 1usize..200).prop_map(|(word, times)| word.repeat(times)),
    ]
}

fn image() -> impl Strategy<Value = Image> {
    (text(), any::<u64>(), "[0-9a-f]{64}").prop_map(|(media, bytes, hash)| Image { media, bytes, hash })
}

fn call() -> impl Strategy<Value = ToolCall> {
    let names = (text(), text(), text());
    let options = (prop::option::of(text()), prop::option::of(text()), prop::option::of(text()));
    (any::<u32>(), names, 0..Category::ALL.len(), options).prop_map(|(index, (id, name, input), category, options)| {
        let (skill, subagent, file) = options;
        let category = Category::ALL[category];
        ToolCall { index, id, name, category, input, skill, subagent: subagent.map(NativeId), file }
    })
}

fn block() -> impl Strategy<Value = Block> {
    prop_oneof![
        text().prop_map(Block::Text),
        text().prop_map(Block::Thinking),
        call().prop_map(Block::Call),
        image().prop_map(Block::Image),
        (text(), text()).prop_map(|(kind, json)| Block::Other { kind, json }),
    ]
}

fn message() -> impl Strategy<Value = MessageBody> {
    let provider = prop::option::of((text(), text()));
    // Counts are at most what a row can hold.
    let count = || prop::option::of(0..=i64::MAX as u64);
    let blocks = prop::collection::vec(block(), 0..8);
    (prop::option::of(text()), provider, count(), count(), any::<bool>(), blocks).prop_map(
        |(effort, provider, reasoning, cost, has_usage, blocks)| {
            let provider_id = provider.map(|(message, request)| ProviderId { message, request });
            // Without usage nothing was counted.
            let (reasoning, cost) = (reasoning.filter(|_| has_usage), cost.filter(|_| has_usage));
            MessageBody { effort, provider_id, reasoning, cost, has_usage, blocks }
        },
    )
}

fn result() -> impl Strategy<Value = ResultBody> {
    (text(), prop::collection::vec(image(), 0..4)).prop_map(|(content, images)| ResultBody { content, images })
}

/// A message with this body.
fn encoded(codec: &mut Codec, body: &MessageBody) -> Vec<u8> {
    let usage = Usage { reasoning: body.reasoning, cost_micros: body.cost, ..Usage::default() };
    let message = Message {
        ordinal: 0,
        key: None,
        role: Role::User,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: None,
        model: None,
        effort: body.effort.clone(),
        provider_id: body.provider_id.clone(),
        usage: body.has_usage.then_some(usage),
        blocks: body.blocks.clone(),
    };
    codec.message(&message).to_vec()
}

/// A result with this body.
fn encoded_result(codec: &mut Codec, body: &ResultBody) -> Vec<u8> {
    let result = ResultEvent {
        call: CallRef::Id(String::new()),
        source: String::new(),
        status: ResultStatus::Unknown,
        at: None,
        content: body.content.clone(),
        images: body.images.clone(),
        content_bytes: 0,
        subagent: None,
    };
    codec.result(&result).to_vec()
}

proptest! {
    #[test]
    fn messages_come_back(message in message(), other in message()) {
        let mut codec = Codec::new();
        let (first, second) = (encoded(&mut codec, &message), encoded(&mut codec, &other));
        prop_assert_eq!(read_message(&first), Some(message));
        prop_assert_eq!(read_message(&second), Some(other));
    }

    #[test]
    fn results_come_back(result in result()) {
        let body = encoded_result(&mut Codec::new(), &result);
        prop_assert_eq!(read_result(&body), Some(result));
    }

    #[test]
    fn cut_bodies_are_damaged(message in message(), result in result(), at: prop::sample::Index) {
        let mut codec = Codec::new();
        let body = encoded(&mut codec, &message);
        prop_assert_eq!(read_message(&body[..at.index(body.len())]), None);
        let body = encoded_result(&mut codec, &result);
        prop_assert_eq!(read_result(&body[..at.index(body.len())]), None);
    }

    #[test]
    fn damaged_bodies_are_read_or_not(message in message(), at: prop::sample::Index, bits in 1u8..) {
        let mut body = encoded(&mut Codec::new(), &message);
        let at = at.index(body.len());
        body[at] ^= bits;
        let _ = read_message(&body);
        let _ = read_result(&body);
    }

    #[test]
    fn any_bytes_are_read_or_not(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for form in [0, 1] {
            let body = [&[form], bytes.as_slice()].concat();
            let _ = read_message(&body);
            let _ = read_result(&body);
        }
    }
}

/// `number` as bodies write it.
fn written(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    Out(&mut bytes).number(number);
    bytes
}

#[test]
fn lengths_that_lie_are_damage() {
    for length in [1 << 60, u64::MAX, BODY_BYTES_MAX as u64 + 1, 1 << 31] {
        // Of the whole, of a text, and the number of pictures.
        let whole = [vec![1], written(length), zstd::bulk::compress(b"short", LEVEL).unwrap()].concat();
        assert_eq!(read_result(&whole), None);
        let text = [vec![0, VERSION], written(length), b"short".to_vec()].concat();
        assert_eq!(read_result(&text), None);
        let images = [vec![0, VERSION, 0], written(length)].concat();
        assert_eq!(read_result(&images), None);
    }
}

#[test]
fn numbers_that_never_end_are_damage() {
    assert_eq!(In(&[0xff; 100]).number(), None);
    assert_eq!(In(&written(u64::MAX)).number(), Some(u64::MAX));
}

#[test]
fn other_versions_are_not_guessed_at() {
    let mut body = encoded_result(&mut Codec::new(), &ResultBody::default());
    assert!(read_result(&body).is_some());
    body[1] = VERSION + 1;
    assert_eq!(read_result(&body), None);
}

#[test]
fn what_repeats_is_compressed_and_what_is_short_is_not() {
    let body = |content: &str| {
        encoded_result(&mut Codec::new(), &ResultBody { content: content.to_owned(), images: Vec::new() })
    };
    assert_eq!(body("short")[0], 0);
    let long = body(&"again ".repeat(1000));
    assert_eq!(long[0], 1);
    assert!(long.len() < 200, "{}", long.len());
}
