use super::super::payload::{MESSAGES, Name, Piece, SESSION, VERSION};
use super::*;

fn record(seq: u64, generation: u8, body: Body) -> Record {
    let kind = match &body {
        Body::Session(_) | Body::Withdrawn | Body::Piece(Piece { ordinal: None, .. }) => SESSION,
        Body::Messages(_) | Body::Piece(_) => MESSAGES,
    };
    let of = Name { origin: "o".into(), agent: "claude".into(), native: "n".into() };
    let payload = Payload { of, generation: Generation([generation; 16]), replaces: Vec::new(), body };
    Record {
        flags: Flags::default(),
        seq,
        at: carry_kernel::hlc::Hlc::default(),
        kind,
        kind_version: VERSION,
        salt: [0; 16],
        key: b"0123456789abcdef".to_vec(),
        wants: Vec::new(),
        payload: payload.encode().unwrap(),
    }
}

fn burst(seq: u64, ordinals: &[u32]) -> Record {
    let message = |ordinal: &u32| format!(r#"{{"ordinal":{ordinal},"role":"user"}}"#);
    record(seq, 1, Body::Messages(ordinals.iter().map(message).collect()))
}

fn piece(seq: u64, ordinal: u32, set: u8, index: u32, count: u32) -> Record {
    let set = Generation([set; 16]);
    // The first is the message, the others are white space.
    let text = if index == 0 { format!(r#"{{"ordinal":{ordinal},"role":"user"}}"#) } else { " ".into() };
    record(seq, 1, Body::Piece(Piece { ordinal: Some(ordinal), set, index, count, text }))
}

#[track_caller]
fn check(records: &[Record], expected: &[u64]) {
    assert_eq!(void(records).into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_burst_is_void_when_all_of_it_was_said_again() {
    check(&[burst(1, &[0, 1]), burst(2, &[0])], &[]);
    check(&[burst(1, &[0, 1]), burst(2, &[0]), burst(3, &[1, 2])], &[1]);
    check(&[burst(1, &[0]), record(2, 2, Body::Messages(vec![r#"{"ordinal":0,"role":"user"}"#.into()]))], &[]);
}

#[test]
fn facts_are_void_when_they_were_said_again() {
    let facts = |seq, generation| record(seq, generation, Body::Session("{}".into()));
    check(&[facts(1, 1), facts(2, 1), facts(3, 2)], &[1]);
}

#[test]
fn pieces_count_when_all_are_there() {
    check(&[burst(1, &[5]), piece(2, 5, 1, 0, 2)], &[]);
    check(&[burst(1, &[5]), piece(2, 5, 1, 0, 2), piece(3, 5, 1, 1, 2)], &[1]);
    check(&[piece(1, 5, 1, 0, 2), piece(2, 5, 1, 1, 2), burst(3, &[5])], &[1, 2]);
    check(&[piece(1, 5, 1, 0, 2), piece(2, 5, 1, 1, 2), piece(3, 5, 2, 0, 2)], &[]);
    check(&[piece(1, 5, 1, 0, 1), piece(2, 5, 2, 0, 2), piece(3, 5, 2, 1, 2)], &[1]);
}

#[test]
fn what_cannot_be_read_or_must_be_kept_stays() {
    let mut odd = burst(1, &[0]);
    odd.payload = b"{}".to_vec();
    check(&[odd, burst(2, &[0])], &[]);
    let mut kept = burst(1, &[0]);
    kept.flags = Flags::KEEPS;
    check(&[kept, burst(2, &[0])], &[]);
}

#[test]
fn a_text_in_pieces_that_says_another_message_takes_no_ones_place() {
    let text = r#"{"ordinal":6,"role":"user"}"#;
    let piece = |seq, ordinal, index, text: &str| {
        let set = Generation([1; 16]);
        record(seq, 1, Body::Piece(Piece { ordinal: Some(ordinal), set, index, count: 2, text: text.into() }))
    };
    let of = |ordinal| [burst(1, &[ordinal]), piece(2, ordinal, 0, &text[..9]), piece(3, ordinal, 1, &text[9..])];
    check(&of(6), &[1]);
    check(&of(5), &[]);
    // Of a piece that stands there twice nobody knows which counts.
    check(&[of(6).to_vec(), vec![piece(4, 6, 1, "no")]].concat(), &[]);
}

#[test]
fn a_text_that_is_too_long_takes_no_ones_place() {
    let part = "x".repeat(super::super::payload::TEXT_BYTES_MAX / 2 + 1);
    let piece = |seq, index| {
        let set = Generation([1; 16]);
        record(seq, 1, Body::Piece(Piece { ordinal: Some(5), set, index, count: 2, text: part.clone() }))
    };
    check(&[burst(1, &[5]), piece(2, 0), piece(3, 1)], &[]);
}
