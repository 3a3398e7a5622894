//! Random sessions that change, masked in pieces and anew.

use super::*;

/// Something that somebody says in the course of a session, over one or several messages.
#[derive(Clone, Debug)]
enum Say {
    /// So many short messages, by turns.
    Talk(u8),
    /// So many answers that form a run.
    Monologue(u8),
    /// A token, in so many messages of one speaker with as many silent ones between each.
    Token { is_user: bool, parts: u8, silent: u8 },
    /// A token in two blocks of a message.
    Blocks,
    /// A token over two outputs of a call.
    Outputs,
    /// A value, and that it is a secret.
    Named(u8),
    /// The same, in two messages.
    NamedApart(u8),
    /// A value, bare.
    Bare(u8),
    /// A value as an output of a call.
    BareOutput(u8),
    /// Nothing for so many ordinals.
    Gap(u8),
}

fn say() -> impl Strategy<Value = Say> {
    let value = || 0u8..3;
    prop_oneof![
        6 => (1u8..70).prop_map(Say::Talk),
        2 => (1u8..40).prop_map(Say::Monologue),
        3 => (any::<bool>(), 1u8..4, 0u8..20)
            .prop_map(|(is_user, parts, silent)| Say::Token { is_user, parts, silent }),
        1 => Just(Say::Blocks),
        1 => Just(Say::Outputs),
        1 => value().prop_map(Say::Named),
        1 => value().prop_map(Say::NamedApart),
        3 => value().prop_map(Say::Bare),
        2 => value().prop_map(Say::BareOutput),
        1 => (1u8..80).prop_map(Say::Gap),
    ]
}

/// The token in so many pieces.
fn parts(count: u8) -> Vec<String> {
    let token = token();
    let length = token.len().div_ceil(usize::from(count.max(1)));
    token.as_bytes().chunks(length).map(|part| String::from_utf8(part.to_vec()).unwrap()).collect()
}

fn text(text: &str) -> Block {
    Block::Text(text.to_owned())
}

/// A call with these outputs.
fn called(ordinal: u32, outputs: &[String]) -> StoredMessage {
    let mut stored = said(ordinal, Role::Assistant, vec![text("so"), Block::Call(bash(ordinal, 0, "ls"))]);
    stored.results = (0..).zip(outputs).map(|(event, content)| output(ordinal, 0, event, content)).collect();
    stored
}

/// The messages of it, from this ordinal on, and the next ordinal.
fn spoken(say: &Say, mut next: u32) -> (Vec<StoredMessage>, u32) {
    let mut messages = Vec::new();
    let mut add = |message: &dyn Fn(u32) -> StoredMessage| {
        messages.push(message(next));
        next += 1;
    };
    match say {
        Say::Talk(count) => (0..*count).for_each(|n| match n % 2 {
            0 => add(&|at| prompt(at, "go on")),
            _ => add(&|at| answer(at, "done")),
        }),
        Say::Monologue(count) => (0..*count).for_each(|_| add(&|at| answer(at, "and then"))),
        Say::Token { is_user, parts: count, silent } => {
            let role = if *is_user { Role::User } else { Role::Assistant };
            for part in parts(*count) {
                add(&|at| said(at, role, vec![text(&part)]));
                (0..*silent).for_each(|_| add(&|at| said(at, Role::User, Vec::new())));
            }
        }
        Say::Blocks => add(&|at| said(at, Role::User, parts(2).iter().map(|part| text(part)).collect())),
        Say::Outputs => add(&|at| called(at, &parts(2))),
        Say::Named(n) => add(&|at| prompt(at, &named((*n).into()))),
        Say::NamedApart(n) => {
            let named = named((*n).into());
            let (one, other) = named.split_at(20);
            add(&|at| answer(at, one));
            add(&|at| answer(at, other));
        }
        Say::Bare(n) => add(&|at| prompt(at, &format!("see {} there", value((*n).into())))),
        Say::BareOutput(n) => add(&|at| called(at, &[value((*n).into()), "more".to_owned()])),
        Say::Gap(count) => next += u32::from(*count),
    }
    (messages, next)
}

fn all_spoken(says: &[Say], from: u32) -> Vec<StoredMessage> {
    let mut next = from;
    let mut all = Vec::new();
    for say in says {
        let (messages, after) = spoken(say, next);
        all.extend(messages);
        next = after;
    }
    all
}

/// What happens to a session between two pushes.
#[derive(Clone, Debug)]
enum Edit {
    /// It goes on.
    Append(Vec<Say>),
    /// Messages from this one on become others.
    Rewrite(u16, Say),
    /// It ends there.
    Shorten(u16),
    /// So many messages from there on vanish.
    Lose(u16, u8),
    /// A call has another output.
    Late(u16, u8),
    /// A message belongs to a branch that was given up, or does again.
    Abandon(u16),
    /// It gets a name.
    Name(u8),
    /// Nothing.
    Rest,
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        3 => prop::collection::vec(say(), 1..4).prop_map(Edit::Append),
        4 => (any::<u16>(), say()).prop_map(|(at, say)| Edit::Rewrite(at, say)),
        1 => any::<u16>().prop_map(Edit::Shorten),
        2 => (any::<u16>(), 1u8..80).prop_map(|(at, count)| Edit::Lose(at, count)),
        2 => (any::<u16>(), 0u8..4).prop_map(|(at, what)| Edit::Late(at, what)),
        1 => any::<u16>().prop_map(Edit::Abandon),
        1 => (0u8..4).prop_map(Edit::Name),
        1 => Just(Edit::Rest),
    ]
}

/// A session that changes.
#[derive(Default)]
struct Told {
    messages: Vec<StoredMessage>,
    name: Option<String>,
}

impl Told {
    fn apply(&mut self, edit: &Edit) {
        let place = |at: u16, of: usize| usize::from(at) * of / (usize::from(u16::MAX) + 1);
        let messages = &mut self.messages;
        let next = messages.last().map_or(0, |last| last.message.ordinal + 1);
        match edit {
            Edit::Append(says) => messages.extend(all_spoken(says, next)),
            Edit::Rewrite(at, say) => {
                let at = place(*at, messages.len());
                let from = messages.get(at).map_or(next, |stored| stored.message.ordinal);
                let (new, after) = spoken(say, from);
                messages.retain(|stored| !(from..after).contains(&stored.message.ordinal));
                messages.extend(new);
                messages.sort_by_key(|stored| stored.message.ordinal);
            }
            Edit::Shorten(at) => messages.truncate(place(*at, messages.len())),
            Edit::Lose(at, count) => {
                let at = place(*at, messages.len());
                messages.drain(at..messages.len().min(at + usize::from(*count)));
            }
            Edit::Late(at, what) => {
                let content = match what {
                    0 => "nothing".to_owned(),
                    1 => parts(2)[1].clone(),
                    what => value(usize::from(*what) - 2),
                };
                let mut calls: Vec<_> = messages.iter_mut().filter(|stored| !stored.results.is_empty()).collect();
                let at = place(*at, calls.len());
                if let Some(stored) = calls.get_mut(at) {
                    let event = stored.results.len() as u32;
                    stored.results.push(output(stored.message.ordinal, 0, event, &content));
                }
            }
            Edit::Abandon(at) => {
                let at = place(*at, messages.len());
                if let Some(stored) = messages.get_mut(at) {
                    stored.message.is_abandoned ^= true;
                }
            }
            Edit::Name(n) => self.name = (*n > 0).then(|| format!("{}name", named(usize::from(*n) - 1))),
            Edit::Rest => {}
        }
    }

    fn put(&self, fixture: &mut Fixture) {
        let facts = crate::model::Facts { name: self.name.clone(), ..Default::default() };
        fixture.put_with("one", facts, &self.messages);
    }
}

fn piece_bytes() -> impl Strategy<Value = usize> {
    prop_oneof![Just(1usize), 10_000usize..60_000, Just(PIECE_BYTES)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn pieces_of_any_size_give_what_the_whole_gives(
        says in prop::collection::vec(say(), 0..12),
        piece_bytes in piece_bytes(),
    ) {
        let mut fixture = Fixture::new();
        fixture.put("one", &all_spoken(&says, 0));
        let safe = at_once(&fixture);
        let outcome = masked(&fixture, None, piece_bytes).unwrap();
        prop_assert!(outcome.is_whole);
        assert_same(&outcome, &safe);
    }

    #[test]
    fn what_has_changed_alone_gives_what_all_of_it_gives(
        says in prop::collection::vec(say(), 0..12),
        edits in prop::collection::vec((edit(), piece_bytes()), 1..6),
    ) {
        let mut fixture = Fixture::new();
        let mut told = Told { messages: all_spoken(&says, 0), name: None };
        told.put(&mut fixture);
        let mut outcome = masked(&fixture, None, PIECE_BYTES).unwrap();
        for (edit, piece_bytes) in edits {
            told.apply(&edit);
            told.put(&mut fixture);
            outcome = masked(&fixture, Some(&outcome), piece_bytes).unwrap();
            assert_same(&outcome, &at_once(&fixture));
            let anew = masked(&fixture, None, PIECE_BYTES).unwrap();
            prop_assert_eq!(&outcome.known, &anew.known);
        }
    }
}
