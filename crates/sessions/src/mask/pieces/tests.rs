use std::collections::BTreeMap;

use crate::mask::{self, Safe};
use crate::model::{Block, Role};
use proptest::prelude::*;

use crate::archive::Archive;
use carry_redact::WITHHELD;

use super::first_look::{Limits, PIECE_BYTES};
use super::fixture::{Fixture, answer, bash, named, output, prompt, redactor, said, token, value};
use super::process::Pieces;
use super::*;

mod borders;
mod edits;

/// What hashes are keyed with.
const KEY: [u8; 32] = [3; 32];

/// A masked session, and what to remember of it.
#[derive(Clone, Debug, Default)]
struct Outcome {
    messages: BTreeMap<Bucket, Vec<StoredMessage>>,
    findings: usize,
    known: Known,
    messages_read: u64,
    is_whole: bool,
    vanished: Vec<Bucket>,
    head: Option<MaskedHead>,
    /// How many buckets each piece had.
    pieces: Vec<usize>,
}

/// Masks the session of this id, on top of what was made of it before.
fn masked(fixture: &Fixture, before: Option<&Outcome>, piece_bytes: usize) -> Result<Outcome, MaskingError> {
    let redactor = redactor();
    let unmasked = MaskedHead {
        session: fixture.session("one"),
        pins: Vec::new(),
        links: Vec::new(),
        texts: Vec::new(),
        findings: Vec::new(),
    };
    let limits = Limits { piece_bytes, ..Limits::default() };
    let known = before.map(|before| &before.known);
    let mut masking = Masking::begin_with(&fixture.archive, unmasked, &redactor, &KEY, known, limits)?;
    let mut outcome = before.cloned().unwrap_or_default();
    outcome.findings = masking.head().findings.len();
    outcome.pieces.clear();
    let expected: Vec<Bucket> = masking.buckets().collect();
    let mut came = Vec::new();
    while let Some(piece) = masking.next_piece()? {
        outcome.findings += piece.findings.len();
        outcome.pieces.push(piece.buckets.len());
        for (bucket, messages) in piece.buckets {
            came.push(bucket);
            masking.set_shaped(bucket, *blake3::hash(format!("{messages:?}").as_bytes()).as_bytes());
            outcome.messages.insert(bucket, messages);
        }
    }
    assert_eq!(came, expected);
    assert!(masking.next_piece().unwrap().is_none());
    outcome.messages_read = masking.messages_read();
    outcome.is_whole = masking.is_whole();
    outcome.vanished = masking.vanished().to_vec();
    outcome.head = Some(masking.head().clone());
    outcome.vanished.iter().for_each(|bucket| drop(outcome.messages.remove(bucket)));
    outcome.known = masking.finish();
    Ok(outcome)
}

/// The session masked as a whole.
fn at_once(fixture: &Fixture) -> Safe {
    mask::mask(&redactor(), fixture.session("one"), fixture.messages("one"), Vec::new(), Vec::new())
}

/// Panics unless `outcome` is what masking the whole session gives.
fn assert_same(outcome: &Outcome, safe: &Safe) {
    let messages: Vec<&StoredMessage> = outcome.messages.values().flatten().collect();
    assert_eq!(messages, safe.messages.iter().collect::<Vec<_>>());
    assert!(
        outcome
            .messages
            .iter()
            .all(|(bucket, messages)| { messages.iter().all(|stored| Bucket::of(stored.message.ordinal) == *bucket) })
    );
    let head = outcome.head.as_ref().unwrap();
    assert_eq!(head.session, safe.session);
    assert_eq!(outcome.findings, safe.findings.len());
}

/// A conversation of so many short messages in which nobody says a secret.
fn conversation(count: u32) -> Vec<StoredMessage> {
    let one = |ordinal: u32| match ordinal.is_multiple_of(2) {
        true => prompt(ordinal, &format!("question {ordinal}")),
        false => answer(ordinal, &format!("answer {ordinal}")),
    };
    (0..count).map(one).collect()
}

#[test]
fn after_an_append_to_a_long_session_only_its_end_is_read() {
    let mut fixture = Fixture::new();
    let mut messages = conversation(2_000);
    fixture.put("one", &messages);
    let first = masked(&fixture, None, PIECE_BYTES).unwrap();
    assert!(first.is_whole);
    assert_eq!((first.messages_read, first.pieces.as_slice()), (2_000, &[63][..]));
    assert_eq!(masked(&fixture, Some(&first), PIECE_BYTES).unwrap().messages_read, 0);

    messages.extend([prompt(2_000, "more"), answer(2_001, "of it")]);
    fixture.put("one", &messages);
    let second = masked(&fixture, Some(&first), PIECE_BYTES).unwrap();
    assert!(!second.is_whole);
    // The last bucket, the one before it, and a look over the border before that.
    assert!(second.messages_read <= 2 * 32 + 8, "{}", second.messages_read);
    assert_same(&second, &at_once(&fixture));
    assert_eq!(second.known, masked(&fixture, None, PIECE_BYTES).unwrap().known);
}

#[test]
fn a_long_session_with_secrets_reads_those_and_its_end() {
    let mut fixture = Fixture::new();
    let mut messages = conversation(2_000);
    messages[100] = prompt(100, &named(1));
    messages[1_500] = prompt(1_500, &format!("see {} again", value(1)));
    fixture.put("one", &messages);
    let first = masked(&fixture, None, PIECE_BYTES).unwrap();
    messages.push(prompt(2_000, &format!("and {} again", value(1))));
    fixture.put("one", &messages);
    let second = masked(&fixture, Some(&first), PIECE_BYTES).unwrap();
    assert!(!second.is_whole && second.messages_read < 5 * 32, "{}", second.messages_read);
    assert_same(&second, &at_once(&fixture));
    assert!(!format!("{:?}", second.messages[&Bucket::of(2_000)]).contains(&value(1)));

    messages.push(answer(2_001, &named(2)));
    fixture.put("one", &messages);
    let third = masked(&fixture, Some(&second), PIECE_BYTES).unwrap();
    assert!(third.is_whole, "another value may stand anywhere");
    assert_same(&third, &at_once(&fixture));
}

#[test]
fn what_fits_into_a_piece_is_read_once_and_the_rest_twice() {
    let mut fixture = Fixture::new();
    fixture.put("one", &conversation(320));
    let fits = masked(&fixture, None, PIECE_BYTES).unwrap();
    assert_eq!((fits.messages_read, fits.pieces.len()), (320, 1));
    let bucket: usize = conversation(32).iter().map(StoredMessage::weight).sum();
    let streamed = masked(&fixture, None, bucket * 5 / 2).unwrap();
    assert_eq!((streamed.messages_read, streamed.pieces), (640, vec![2; 5]));
    assert_eq!(streamed.known, fits.known);
}

#[test]
fn pieces_are_of_the_archive_as_it_was_when_masking_began() {
    let mut fixture = Fixture::new();
    let mut messages = conversation(320);
    fixture.put("one", &messages);
    let reader = Archive::open_read_only(&fixture.home).unwrap().unwrap();
    let redactor = redactor();
    let head = MaskedHead {
        session: fixture.session("one"),
        pins: Vec::new(),
        links: Vec::new(),
        texts: Vec::new(),
        findings: Vec::new(),
    };
    let before = at_once(&fixture).messages;
    let limits = Limits { piece_bytes: 1, ..Limits::default() };
    let mut masking = Masking::begin_with(&reader, head, &redactor, &KEY, None, limits).unwrap();
    // The writer goes on: what it says is a secret stands bare in what comes next, too.
    messages[300] = prompt(300, &named(1));
    messages[310] = prompt(310, &value(1));
    messages.truncate(315);
    fixture.put("one", &messages);
    let mut pieces = Vec::new();
    while let Some(piece) = masking.next_piece().unwrap() {
        pieces.extend(piece.buckets.into_iter().flat_map(|(_, messages)| messages));
    }
    assert_eq!(pieces, before);
    // Nothing is held any more.
    assert_eq!(reader.messages(fixture.session("one").n, 0, usize::MAX).unwrap().len(), 315);
}

#[test]
fn hashes_mean_nothing_under_another_key() {
    let mut fixture = Fixture::new();
    fixture.put("one", &conversation(100));
    let (redactor, session) = (redactor(), fixture.session("one"));
    let begin = |key: &[u8; 32], known: Option<&Known>| {
        Masking::begin(&fixture.archive, &session, &[], &[], Vec::new(), &redactor, key, known).unwrap()
    };
    let mut masking = begin(&KEY, None);
    while masking.next_piece().unwrap().is_some() {}
    let known = masking.finish();
    assert_eq!(begin(&KEY, Some(&known)).buckets().count(), 0);
    assert!(begin(&[4; 32], Some(&known)).is_whole());
}

#[test]
fn a_session_without_messages_has_a_head() {
    let mut fixture = Fixture::new();
    fixture.put("one", &[]);
    let outcome = masked(&fixture, None, PIECE_BYTES).unwrap();
    assert!(outcome.is_whole && outcome.messages.is_empty() && outcome.known.buckets.is_empty());
    assert_same(&outcome, &at_once(&fixture));
}

#[test]
fn pins_and_links_are_masked_with_what_messages_tell() {
    let mut fixture = Fixture::new();
    fixture.put("one", &[prompt(0, "so"), answer(1, &named(1))]);
    let pin = |note: String| Pin { message: "#0".to_owned(), note, at: carry_kernel::hlc::Hlc::default() };
    let (redactor, session) = (redactor(), fixture.session("one"));
    let pins = [pin(format!("this {}", value(1))), pin(format!("and {}", token()))];
    let mut masking =
        Masking::begin(&fixture.archive, &session, &pins, &[], Vec::new(), &redactor, &KEY, None).unwrap();
    let shown = format!("{:?}", masking.head());
    assert!(!shown.contains(&value(1)) && !shown.contains(&token()), "{shown}");
    assert!(shown.contains("[REDACTED:known:"), "{shown}");
    while masking.next_piece().unwrap().is_some() {}
    let known = masking.finish();
    let again =
        Masking::begin(&fixture.archive, &session, &[], &[], Vec::new(), &redactor, &KEY, Some(&known)).unwrap();
    assert!(again.is_whole(), "a value of a pin is gone");
}

#[test]
fn too_many_secrets_are_an_error_however_they_are_spread() {
    let mut fixture = Fixture::new();
    let messages: Vec<StoredMessage> = (0..71)
        .map(|ordinal| {
            let named: Vec<String> = (0..300).map(|n| named(ordinal as usize * 300 + n)).collect();
            prompt(ordinal, &named.concat())
        })
        .collect();
    fixture.put("one", &messages);
    for piece_bytes in [PIECE_BYTES, 1] {
        let error = masked(&fixture, None, piece_bytes).unwrap_err();
        assert!(matches!(error, MaskingError::TooMany { unchecked: 1300.. }), "{error}");
    }
    fixture.put("one", &messages[..60]);
    assert!(masked(&fixture, None, 1).is_ok());
}

#[test]
fn what_cannot_be_looked_through_is_an_error() {
    let mut fixture = Fixture::new();
    let mut messages = conversation(70);
    // Longer than what is looked through.
    messages[41] = answer(41, &"a".repeat(carry_redact::FIELD_BYTES_MAX + 1));
    fixture.put("one", &messages);
    for piece_bytes in [PIECE_BYTES, 1] {
        let error = masked(&fixture, None, piece_bytes).unwrap_err();
        assert!(matches!(error, MaskingError::TooLarge { ordinal: 41 }), "{error}");
    }
    let mut session = fixture.session("one");
    session.name = Some("a".repeat(carry_redact::FIELD_BYTES_MAX + 1));
    fixture.put("one", &conversation(70));
    let redactor = redactor();
    let error = Masking::begin(&fixture.archive, &session, &[], &[], Vec::new(), &redactor, &KEY, None).err().unwrap();
    assert!(matches!(error, MaskingError::HeadTooLarge), "{error}");
}

#[test]
fn a_run_that_never_ends_is_not_held_in_memory() {
    let mut fixture = Fixture::new();
    let mut messages: Vec<StoredMessage> = (0..200).map(|ordinal| answer(ordinal, &"word ".repeat(100))).collect();
    fixture.put("one", &messages);
    let redactor = redactor();
    let begin = |fixture: &Fixture, held_bytes| {
        let session = fixture.session("one");
        let head = MaskedHead { session, pins: Vec::new(), links: Vec::new(), texts: Vec::new(), findings: Vec::new() };
        let limits = Limits { piece_bytes: 1, held_bytes };
        Masking::begin_with(&fixture.archive, head, &redactor, &KEY, None, limits)
            .map(|masking| masking.messages_read())
    };
    let error = begin(&fixture, 50_000).unwrap_err();
    assert!(matches!(error, MaskingError::TooLarge { ordinal: 0 }), "{error}");
    // A call now and then ends it.
    for ordinal in (0..200).step_by(40) {
        messages[ordinal].message.blocks.insert(0, Block::Call(bash(ordinal as u32, 0, "ls")));
    }
    fixture.put("one", &messages);
    assert_eq!(begin(&fixture, 80_000).unwrap(), 200);
}

#[test]
fn after_an_error_nothing_comes_any_more() {
    let mut fixture = Fixture::new();
    fixture.put("one", &conversation(100));
    let (redactor, session) = (redactor(), fixture.session("one"));
    let mut masking = Masking::begin(&fixture.archive, &session, &[], &[], Vec::new(), &redactor, &KEY, None).unwrap();
    let Pieces::Kept(kept) = &mut masking.pieces else { panic!("it fits") };
    let withheld = redactor.text(&token()).findings.into_iter().map(|found| Finding { rule: WITHHELD, ..found });
    kept[1].1[3].findings.extend(withheld);
    assert!(matches!(masking.next_piece(), Err(MaskingError::TooLarge { ordinal: 35 })));
    assert!(masking.next_piece().is_err());
    assert!(masking.finish().buckets.len() < 2);
}
