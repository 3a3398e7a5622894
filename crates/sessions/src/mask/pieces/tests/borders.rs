//! Secrets that run over the borders of buckets, while either side comes, goes and changes.

use super::*;

/// A hundred messages of one speaker, some of them others.
fn session(others: Vec<(std::ops::Range<u32>, Option<StoredMessage>)>) -> Vec<StoredMessage> {
    let mut messages: Vec<StoredMessage> = (0..100).map(|ordinal| answer(ordinal, "so ")).collect();
    for (ordinals, other) in others {
        messages.retain(|stored| !ordinals.contains(&stored.message.ordinal));
        messages.extend(other);
    }
    messages.sort_by_key(|stored| stored.message.ordinal);
    messages
}

fn part(ordinal: u32, is_first: bool) -> (std::ops::Range<u32>, Option<StoredMessage>) {
    let token = token();
    let (first, second) = token.split_at(17);
    (ordinal..ordinal + 1, Some(answer(ordinal, if is_first { first } else { second })))
}

fn asked(ordinal: u32) -> (std::ops::Range<u32>, Option<StoredMessage>) {
    (ordinal..ordinal + 1, Some(prompt(ordinal, "go on")))
}

fn silent(ordinals: std::ops::Range<u32>) -> impl Iterator<Item = (std::ops::Range<u32>, Option<StoredMessage>)> {
    ordinals.map(|ordinal| (ordinal..ordinal + 1, Some(said(ordinal, Role::User, Vec::new()))))
}

#[test]
fn a_secret_over_a_border_comes_and_goes_with_either_side() {
    let gone = |ordinals| (ordinals, None);
    // The parts stand at 31 and 32, then at 31 and 64 with nothing said in the bucket between.
    let near = || vec![part(31, true), part(32, false)];
    let far = || silent(32..64).chain([part(31, true), part(64, false)]).collect::<Vec<_>>();
    let with = |mut others: Vec<_>, more: Vec<_>| {
        others.extend(more);
        session(others)
    };
    let states = [
        session(Vec::new()),
        session(near()),
        session(vec![part(31, true)]),
        session(vec![part(32, false)]),
        with(near(), vec![asked(31)]),
        with(near(), vec![asked(32)]),
        with(near(), vec![gone(0..32)]),
        with(near(), vec![gone(32..64)]),
        with(near(), vec![asked(30), asked(33)]),
        session(far()),
        with(far(), vec![gone(32..64)]),
        with(far(), vec![asked(40)]),
        with(far(), vec![gone(0..32)]),
        with(far(), vec![gone(64..100)]),
    ];
    let mut found = 0;
    for (from, before) in states.iter().enumerate() {
        for (to, after) in states.iter().enumerate() {
            let mut fixture = Fixture::new();
            fixture.put("one", before);
            let first = masked(&fixture, None, PIECE_BYTES).unwrap();
            fixture.put("one", after);
            let second = masked(&fixture, Some(&first), PIECE_BYTES).unwrap();
            let safe = at_once(&fixture);
            assert!(second.messages.values().flatten().eq(&safe.messages), "from {from} to {to}");
            assert_same(&second, &safe);
            assert_eq!(second.known, masked(&fixture, None, 1).unwrap().known, "from {from} to {to}");
            found += safe.findings.len();
        }
    }
    assert_eq!(found, 4 * states.len(), "the secret is whole in four of these");
}

#[test]
fn what_is_left_out_ends_a_run() {
    let mut fixture = Fixture::new();
    let mut messages = conversation(96);
    for part in [part(31, true), part(65, false)] {
        let stored = part.1.unwrap();
        let at = stored.message.ordinal as usize;
        messages[at] = stored;
    }
    messages[2] = prompt(2, &named(1));
    messages[94] = prompt(94, &value(1));
    // The bucket between begins and ends with the user, and the next one with the second part.
    messages[63] = prompt(63, "go on");
    messages.remove(64);
    fixture.put("one", &messages);
    let first = masked(&fixture, None, PIECE_BYTES).unwrap();
    let second = masked(&fixture, Some(&first), PIECE_BYTES).unwrap();
    assert_eq!(second.pieces, [2], "the one between has not changed and holds no secret");
    assert_same(&second, &at_once(&fixture));
    assert_eq!(second.known, first.known);
}

#[test]
fn buckets_that_vanish_are_named() {
    let mut fixture = Fixture::new();
    let messages = conversation(100);
    fixture.put("one", &messages);
    let first = masked(&fixture, None, PIECE_BYTES).unwrap();
    fixture.put("one", &[&messages[..32], &messages[64..70]].concat());
    let second = masked(&fixture, Some(&first), PIECE_BYTES).unwrap();
    assert_eq!(second.vanished, [Bucket(1), Bucket(3)]);
    assert_eq!(second.known.buckets.keys().copied().collect::<Vec<_>>(), [Bucket(0), Bucket(2)]);
    assert_same(&second, &at_once(&fixture));
}
