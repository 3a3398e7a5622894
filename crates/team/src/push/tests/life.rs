//! The whole life of sessions, at random.

use carry_redact::AllowList;
use carry_sessions::archive::StoredMessage;
use carry_sessions::curation::Edit;
use proptest::prelude::*;

use super::rig::{Rig, long};
use super::*;
use crate::fixture::{named, value};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const MODES: [&str; 6] = ["full", "prompts", "metadata", "aggregates", "off", "full"];
const CLASSES: [Class; 6] =
    [Class::Unreachable, Class::Contended, Class::Refused, Class::Full, Class::Busy, Class::Internal];

#[derive(Clone, Debug)]
enum Op {
    Begin(usize, u32, u32),
    Append(usize, u32),
    Rewrite(usize, u32, u32),
    Shorten(usize, u32),
    LateResult(usize, u32),
    Secret(usize, u32, usize),
    Edit(usize, Edit),
    Delete(usize),
    Share(usize),
    Allow(bool),
    Fault(u64, usize, bool),
    Push,
    PushFully,
    LoseState,
    Backup,
    Restore,
    Wait,
}

fn op() -> impl Strategy<Value = Op> {
    let session = 0..NAMES.len();
    let edit = prop_oneof![
        any::<bool>().prop_map(Edit::Star),
        proptest::option::of("[a-c]{1,3}").prop_map(Edit::Rename),
        ("[a-b]", any::<bool>()).prop_map(|(label, on)| Edit::Label(label, on)),
        (0..4u32, proptest::option::of("[a-c]{0,3}")).prop_map(|(at, note)| Edit::Pin(format!("#{at}"), note)),
        any::<bool>().prop_map(Edit::Trash),
    ];
    prop_oneof![
        4 => (session.clone(), 0..3u32, 1..90u32).prop_map(|(at, seed, count)| Op::Begin(at, seed, count)),
        4 => (session.clone(), 1..40u32).prop_map(|(at, count)| Op::Append(at, count)),
        2 => (session.clone(), 0..90u32, 0..3u32).prop_map(|(at, ordinal, seed)| Op::Rewrite(at, ordinal, seed)),
        2 => (session.clone(), 0..90u32).prop_map(|(at, count)| Op::Shorten(at, count)),
        2 => (session.clone(), 0..90u32).prop_map(|(at, ordinal)| Op::LateResult(at, ordinal)),
        2 => (session.clone(), 0..90u32, 0..3usize).prop_map(|(at, ordinal, n)| Op::Secret(at, ordinal, n)),
        4 => (session.clone(), edit).prop_map(|(at, edit)| Op::Edit(at, edit)),
        1 => session.prop_map(Op::Delete),
        2 => (0..MODES.len()).prop_map(Op::Share),
        1 => any::<bool>().prop_map(Op::Allow),
        4 => (1..25u64, 0..CLASSES.len(), any::<bool>()).prop_map(|(step, class, after)| Op::Fault(step, class, after)),
        6 => Just(Op::Push),
        1 => Just(Op::PushFully),
        1 => Just(Op::LoseState),
        1 => Just(Op::Backup),
        1 => Just(Op::Restore),
        1 => Just(Op::Wait),
    ]
}

/// Does what a user, an agent, and fate do.
struct Life {
    rig: Rig,
    sessions: Vec<Option<Vec<StoredMessage>>>,
    backup: Option<std::collections::BTreeMap<(usize, String), crate::memory::Unit>>,
}

impl Life {
    fn new() -> Self {
        let mut rig = Rig::new();
        rig.share("*=full");
        Self { rig, sessions: vec![Some(Vec::new()); NAMES.len()], backup: None }
    }

    /// Changes a session that has begun, and has it read.
    fn change(&mut self, at: usize, change: impl FnOnce(&mut Vec<StoredMessage>)) {
        let Some(messages) = self.sessions[at].as_mut() else { return };
        change(messages);
        if !messages.is_empty() {
            self.rig.fixture.put(NAMES[at], messages);
        }
    }

    fn has(&self, at: usize) -> bool {
        self.sessions[at].as_ref().is_some_and(|messages| !messages.is_empty())
    }

    fn act(&mut self, op: Op) {
        match op {
            Op::Begin(at, seed, count) => self.change(at, |messages| *messages = long(seed, count)),
            Op::Append(at, count) if self.has(at) => self.change(at, |messages| {
                let begun = messages.len();
                messages.extend(long(0, begun as u32 + count).into_iter().skip(begun));
            }),
            Op::Rewrite(at, ordinal, seed) => self.change(at, |messages| {
                if let Some(message) = messages.get_mut(ordinal as usize) {
                    *message = answer(ordinal, &format!("rewritten {seed}"));
                }
            }),
            Op::Shorten(at, count) => self.change(at, |messages| messages.truncate((count as usize).max(1))),
            Op::LateResult(at, ordinal) => self.change(at, |messages| {
                if let Some(message) = messages.get_mut(ordinal as usize).filter(|message| !message.results.is_empty())
                {
                    let event = message.results.len() as u32;
                    message.results.push(crate::fixture::output(ordinal, 0, event, "late"));
                }
            }),
            Op::Secret(at, ordinal, n) => self.change(at, |messages| {
                if let Some(message) = messages.get_mut(ordinal as usize) {
                    *message = prompt(ordinal, &named(n));
                }
                if let Some(message) = messages.last_mut() {
                    *message = prompt(message.message.ordinal, &format!("once more {}", value(n)));
                }
            }),
            Op::Edit(at, edit) if self.has(at) => self.rig.edit(NAMES[at], &edit),
            Op::Delete(at) if self.has(at) => {
                self.rig.delete(NAMES[at]);
                self.sessions[at] = None;
            }
            Op::Share(mode) => self.rig.share(&format!("*={}", MODES[mode])),
            Op::Allow(on) => {
                let values = if on { vec![value(1)] } else { Vec::new() };
                self.rig.allow(AllowList { values, ..AllowList::default() });
            }
            Op::Fault(step, class, after) => {
                let when = if after { When::After } else { When::Before };
                self.rig.store.fail_at(step, CLASSES[class], when);
            }
            // Whether it succeeds is for the faults to say.
            Op::Push => drop(self.rig.push()),
            Op::PushFully => drop(self.rig.run(Depth::Full, false)),
            Op::LoseState => self.rig.lose_state(),
            Op::Backup => self.backup = Some(self.rig.store.units()),
            Op::Restore => {
                if let Some(backup) = &self.backup {
                    self.rig.store.tamper(|units| units.clone_from(backup));
                }
            }
            Op::Wait => self.rig.now.set(self.rig.now.get() + 60_000),
            Op::Append(..) | Op::Edit(..) | Op::Delete(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_next_good_push_makes_the_store_what_a_fresh_one_is(ops in proptest::collection::vec(op(), 1..40)) {
        let mut life = Life::new();
        for op in ops {
            life.act(op);
        }
        life.rig.store.heal();
        // What was set aside is tried again when its time has come.
        life.rig.now.set(life.rig.now.get() + 2 * 3_600_000);
        let report = life.rig.push().unwrap();
        prop_assert_eq!(report.failed, []);
        life.rig.assert_settled();
    }
}
