use carry_kernel::clock::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::model::{CallRef, Category, NativeId, ProviderId, ToolCall};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn message() -> Message {
    Message {
        ordinal: 7,
        key: Some("key".to_owned()),
        role: Role::Assistant,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: Some(Timestamp::from_millis(1_700_000_000_123)),
        model: Some("model".to_owned()),
        effort: Some("high".to_owned()),
        provider_id: Some(ProviderId { message: "msg".to_owned(), request: "req".to_owned() }),
        usage: Some(Usage { input: Some(1), output: Some(0), ..Usage::default() }),
        blocks: vec![
            Block::Text("text".to_owned()),
            Block::Thinking("hm".to_owned()),
            Block::Call(ToolCall {
                index: 0,
                id: "id".to_owned(),
                name: "Bash".to_owned(),
                category: Category::Bash,
                input: "{}".to_owned(),
                skill: None,
                subagent: Some(NativeId("sub".to_owned())),
                file: None,
            }),
            Block::Image(image()),
            Block::Other { kind: "kind".to_owned(), json: "{}".to_owned() },
        ],
    }
}

fn image() -> Image {
    Image { media: "image/png".to_owned(), bytes: 5, hash: "ab".repeat(32) }
}

fn result() -> ResultEvent {
    ResultEvent {
        call: CallRef::Id("id".to_owned()),
        source: "tool_result".to_owned(),
        status: ResultStatus::Failed,
        at: Some(Timestamp::from_millis(-1)),
        content: "out".to_owned(),
        images: vec![image()],
        content_bytes: 3,
        subagent: None,
    }
}

#[test]
fn digests_are_what_they_were() {
    // They are exchanged: whoever changes one of these raises VERSION.
    let (message, result) = (message_digest(&message()), result_digest(&result()));
    let mut sum = Sum::default();
    sum.add(7, None, &message);
    sum.add(7, Some((0, 0)), &result);
    let session = session_digest(&[Some("a"), None, Some("")], sum);
    assert_eq!(
        [message, result, session].map(|digest| hex(&digest)),
        [
            "af9088e7aca34a660a73136c9bd49117bb036541d003d96b4ba53ff61411dabe",
            "7a32a2c212e5a28e31bec78b1a9f4009d8767cf1b9315fe6a2bc97ebfd3905f1",
            "55dddb37bdadd63f5671f944a69136817e124d5b421bf37bb2c51c14fc764798",
        ]
    );
}

#[test]
fn every_field_of_a_message_counts_but_its_branch() {
    let digest = message_digest(&message());
    assert_eq!(message_digest(&Message { is_abandoned: true, ..message() }), digest);
    let changes: [fn(&mut Message); 19] = [
        |m| m.ordinal = 8,
        |m| m.key = None,
        |m| m.key = Some(String::new()),
        |m| m.role = Role::User,
        |m| m.subtype = Some(String::new()),
        |m| m.is_system = true,
        |m| m.at = None,
        |m| m.model = None,
        |m| m.effort = None,
        |m| m.provider_id = None,
        |m| m.provider_id.as_mut().unwrap().request.clear(),
        |m| m.usage = None,
        |m| m.usage.as_mut().unwrap().output = None,
        |m| m.usage.as_mut().unwrap().cost_micros = Some(0),
        |m| drop(m.blocks.pop()),
        |m| m.blocks.swap(0, 1),
        |m| m.blocks[1] = Block::Text("hm".to_owned()),
        |m| m.blocks[4] = Block::Other { kind: "kin".to_owned(), json: "d{}".to_owned() },
        |m| m.blocks.clear(),
    ];
    let mut seen = vec![digest];
    for change in changes {
        let mut changed = message();
        change(&mut changed);
        let digest = message_digest(&changed);
        assert!(!seen.contains(&digest), "{changed:?}");
        seen.push(digest);
    }
}

#[test]
fn every_field_of_a_result_counts_but_its_place() {
    let digest = result_digest(&result());
    assert_eq!(result_digest(&ResultEvent { call: CallRef::At { ordinal: 1, index: 2 }, ..result() }), digest);
    let changes: [fn(&mut ResultEvent); 7] = [
        |r| r.source.clear(),
        |r| r.status = ResultStatus::Completed,
        |r| r.at = None,
        |r| r.content.clear(),
        |r| r.content_bytes = 4,
        |r| r.images.clear(),
        |r| r.subagent = Some(NativeId(String::new())),
    ];
    for change in changes {
        let mut changed = result();
        change(&mut changed);
        assert_ne!(result_digest(&changed), digest, "{changed:?}");
    }
}

#[test]
fn places_of_rows_count() {
    let of = |ordinal, place| {
        let mut sum = Sum::default();
        sum.add(ordinal, place, b"digest");
        sum
    };
    let all = [of(0, None), of(1, None), of(0, Some((0, 0))), of(0, Some((1, 0))), of(0, Some((0, 1)))];
    for (at, one) in all.iter().enumerate() {
        assert!(!all[at + 1..].contains(one));
    }
}

#[test]
fn sums_carry_and_borrow() {
    let row = row_words(0, None, b"digest");
    let mut sum = Sum([u64::MAX; 4]);
    sum.add(0, None, b"digest");
    // All ones is minus one.
    let mut expected = row;
    expected[0] -= 1;
    assert_eq!(sum, Sum(expected));
    sum.take(0, None, b"digest");
    assert_eq!(sum, Sum([u64::MAX; 4]));
    let mut low = Sum([u64::MAX - row[0], u64::MAX - row[1], 0, 0]);
    low.add(0, None, b"digest");
    assert_eq!(low, Sum([u64::MAX, u64::MAX, row[2], row[3]]));
    let mut over = Sum([(u64::MAX - row[0]) + 1, u64::MAX - row[1], 0, 0]);
    over.add(0, None, b"digest");
    assert_eq!(over, Sum([0, 0, row[2] + 1, row[3]]));
}

#[test]
fn a_sum_has_thirty_two_bytes() {
    assert_eq!(Sum::of_bytes(&[0; 31]), None);
    assert_eq!(Sum::of_bytes(&[0; 33]), None);
    assert_eq!(Sum::of_bytes(&[0; 32]), Some(Sum::default()));
}

type RowAt = (u32, Option<(u32, u32)>, Vec<u8>);

fn rows() -> impl Strategy<Value = Vec<RowAt>> {
    let place = prop::option::of((any::<u32>(), any::<u32>()));
    prop::collection::vec((any::<u32>(), place, prop::collection::vec(any::<u8>(), 0..40)), 0..20)
}

fn sum_of<'a>(rows: impl IntoIterator<Item = &'a RowAt>) -> Sum {
    let mut sum = Sum::default();
    rows.into_iter().for_each(|(ordinal, place, digest)| sum.add(*ordinal, *place, digest));
    sum
}

proptest! {
    #[test]
    fn the_order_of_rows_does_not_matter(rows in rows()) {
        let sum = sum_of(&rows);
        prop_assert_eq!(sum_of(rows.iter().rev()), sum);
        prop_assert_eq!(Sum::of_bytes(&sum.to_bytes()), Some(sum));
    }

    #[test]
    fn a_row_that_goes_leaves_nothing(rows in rows(), start: [u64; 4], ordinal: u32) {
        let mut sum = Sum(start);
        rows.iter().for_each(|(ordinal, place, digest)| sum.add(*ordinal, *place, digest));
        sum.add_abandoned(ordinal);
        rows.iter().for_each(|(ordinal, place, digest)| sum.take(*ordinal, *place, digest));
        sum.take_abandoned(ordinal);
        prop_assert_eq!(sum, Sum(start));
    }
}
