use carry_redact::{Key, Rules};
use proptest::prelude::*;

use super::*;
use crate::fixture;
use crate::mask::{is_joined, mask};
use crate::model::{Image, Role};

fn redactor() -> Redactor {
    Redactor::new(Rules::builtin(), Key::new([7; 32]))
}

/// Texts that are secrets alone, together, or only because another says so.
fn fragment(n: u8) -> String {
    let bare = |n: u8| format!("F{n:03}xvDIpq0{}O3xJK", u32::from(n) * 7919 % 9973);
    match n % 12 {
        0 => format!("the token is {}_0Kb5Jc8", "ghp"),
        1 => "TqWv3Zx7Rm2Ld9".to_owned(),
        2 => "Fs4Hy6Ng1Pa3uEi and on".to_owned(),
        3 => format!("{}_0Kb5Jc8TqWv3Zx7Rm2Ld9Fs4Hy6Ng1Pa3uEi", "ghp"),
        4 => format!("password={}", bare(n / 12 % 3)),
        5 => format!("password={}", &bare(n / 12 % 3)[..9]),
        6 => bare(n / 12 % 3)[9..].to_owned(),
        7 | 8 => format!("see {} there", bare(n / 12 % 3)),
        9 => String::new(),
        10 => "grüße".to_owned(),
        _ => "nothing".to_owned(),
    }
}

/// Whether the user speaks, kinds of blocks and what they say, and outputs: of which call, and what they say.
type Rough = (bool, Vec<(u8, u8)>, Vec<(u32, u8)>);

fn messages() -> impl Strategy<Value = Vec<StoredMessage>> {
    let block = (0u8..16, any::<u8>());
    let output = (0u32..2, any::<u8>());
    let message = (any::<bool>(), prop::collection::vec(block, 0..4), prop::collection::vec(output, 0..4));
    prop::collection::vec(message, 0..14).prop_map(|messages| {
        let message = |(ordinal, (is_user, blocks, outputs)): (u32, Rough)| {
            let role = if is_user { Role::User } else { Role::Assistant };
            let block = |(kind, n): (u8, u8)| match kind {
                0..12 => Block::Text(fragment(n)),
                12..14 => Block::Thinking(fragment(n)),
                14 => Block::Call(fixture::bash(&fragment(n))),
                _ => Block::Image(Image { media: "image/png".to_owned(), bytes: 1, hash: "00".to_owned() }),
            };
            let mut stored = fixture::message(ordinal, role, blocks.into_iter().map(block).collect());
            let mut outputs: Vec<_> = outputs;
            outputs.sort_by_key(|(index, _)| *index);
            stored.results = (0..)
                .zip(outputs)
                .map(|(event, (index, n))| {
                    let mut output = fixture::output(ordinal, event, &fragment(n));
                    output.result.call = crate::model::CallRef::At { ordinal, index };
                    output
                })
                .collect();
            stored
        };
        (0..).zip(messages).map(message).collect()
    })
}

/// The same, said the long way: all runs of the whole session first, then each text, then each text again.
fn all_at_once(redactor: &Redactor, mut messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let mut values = Values::default();
    let mut texts = Vec::new();
    for stored in &mut messages {
        let role = stored.message.role;
        for block in &mut stored.message.blocks {
            let kind = joined::kind_of(role, block);
            match block {
                Block::Text(text) | Block::Thinking(text) => texts.push((kind, Some(text))),
                Block::Call(_) | Block::Image(_) | Block::Other { .. } => texts.push((None, None)),
            }
        }
    }
    for run in texts.chunk_by_mut(|one, next| one.0.is_some() && one.0 == next.0) {
        let mut run: Vec<&mut String> = run.iter_mut().filter_map(|(_, text)| text.as_deref_mut()).collect();
        joined::across(redactor, &mut values, &mut run);
    }
    for stored in &mut messages {
        joined::outputs(redactor, &mut values, &mut stored.results);
    }
    for stored in &mut messages {
        Look { redactor, values: Some(&mut values), findings: Vec::new() }.stored(stored);
    }
    let knowing = redactor.clone().knowing(&values.all.into_iter().collect::<Vec<_>>());
    for stored in &mut messages {
        Look { redactor: &knowing, values: None, findings: Vec::new() }.stored(stored);
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn message_by_message_gives_what_all_at_once_gives(messages in messages()) {
        let redactor = redactor();
        let safe = mask(&redactor, fixture::session(), messages.clone(), Vec::new(), Vec::new());
        prop_assert_eq!(safe.messages, all_at_once(&redactor, messages));
    }

    #[test]
    fn a_session_may_be_cut_wherever_no_run_goes_over(messages in messages()) {
        let redactor = redactor();
        let mut whole = Masker::new(&redactor);
        let mut cut = Masker::new(&redactor);
        let (mut of_whole, mut of_cut) = (Vec::new(), Vec::new());
        for (at, message) in messages.iter().enumerate() {
            whole.take(message.clone(), &mut of_whole);
            cut.take(message.clone(), &mut of_cut);
            if messages.get(at + 1).is_some_and(|next| !is_joined(message, next)) {
                cut.end(&mut of_cut);
                prop_assert!(cut.held().is_none());
            }
            prop_assert_eq!(whole.held().is_some(), of_whole.len() <= at);
        }
        whole.end(&mut of_whole);
        cut.end(&mut of_cut);
        prop_assert_eq!(of_cut.len(), messages.len());
        prop_assert_eq!(format!("{of_cut:?}"), format!("{of_whole:?}"));
        prop_assert_eq!(cut.values(), whole.values());
    }
}

fn take_all(masker: &mut Masker<'_>, messages: impl IntoIterator<Item = StoredMessage>) -> Vec<Looked> {
    let mut done = Vec::new();
    messages.into_iter().for_each(|message| masker.take(message, &mut done));
    done
}

fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

#[test]
fn what_a_run_holds_back_comes_out_with_its_end() {
    let redactor = redactor();
    let mut masker = Masker::new(&redactor);
    let call = || Block::Call(fixture::bash("ls"));
    let first = fixture::message(0, Role::Assistant, vec![call(), text("a")]);
    let silent = fixture::message(1, Role::User, Vec::new());
    let second = fixture::message(2, Role::Assistant, vec![text("b"), call(), text("c")]);
    assert!(take_all(&mut masker, [first.clone(), silent.clone()]).is_empty());
    let weight = first.weight() + silent.weight();
    assert_eq!(masker.held(), Some((0, weight)));
    assert_eq!(take_all(&mut masker, [second.clone()]).len(), 2, "the call ended the run");
    assert_eq!(masker.held(), Some((2, second.weight())));
    let last = fixture::message(3, Role::User, vec![call()]);
    assert_eq!(take_all(&mut masker, [last]).len(), 2);
    assert_eq!(masker.held(), None);
}

#[test]
fn what_runs_across_messages_is_found_in_the_first() {
    let redactor = redactor();
    let mut masker = Masker::new(&redactor);
    let said = |ordinal, n| fixture::message(ordinal, Role::Assistant, vec![text(&fragment(n))]);
    let mut done = take_all(&mut masker, [said(4, 0), said(5, 1), said(6, 2), said(7, 11)]);
    masker.end(&mut done);
    let counts: Vec<usize> = done.iter().map(|looked| looked.findings.len()).collect();
    assert_eq!(counts, [1, 0, 0, 0]);
    assert_eq!(masker.values().len(), 2, "the whole, and what the first text has of it");
}

#[test]
fn borders_are_open_only_between_texts_of_one_kind() {
    let of = |role, blocks| fixture::message(0, role, blocks);
    let said = of(Role::Assistant, vec![text("a")]);
    let asked = of(Role::User, vec![text("a")]);
    let thought = of(Role::Assistant, vec![Block::Thinking("a".to_owned())]);
    let called = of(Role::Assistant, vec![text("a"), Block::Call(fixture::bash("ls"))]);
    let silent = of(Role::User, Vec::new());
    for (before, after, expected) in [
        (&said, &said, true),
        (&said, &asked, false),
        (&said, &thought, false),
        (&thought, &thought, true),
        (&said, &called, true),
        (&called, &said, false),
        (&silent, &said, true),
        (&said, &silent, true),
        (&silent, &silent, true),
        (&called, &silent, false),
    ] {
        assert_eq!(is_joined(before, after), expected, "{before:?} {after:?}");
    }
}

#[test]
fn nothing_is_looked_for_again_when_nothing_was_found() {
    let redactor = redactor();
    let mut masker = Masker::new(&redactor);
    let mut done = take_all(&mut masker, [fixture::message(0, Role::User, vec![text("hello")])]);
    masker.end(&mut done);
    let knowing = masker.knowing();
    assert!(knowing.redactor.is_none());
    let before = done[0].message.clone();
    knowing.look(&mut done[0]);
    assert_eq!(done[0].message, before);
}
