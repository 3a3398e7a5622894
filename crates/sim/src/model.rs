//! What was said, by whom, knowing what: kept apart from the program, and compared with what devices show in the end.
//!
//! The model knows nothing of logs, numbers or stamps. It notes when something is said, and what the home that says it has at
//! that moment; from that alone follows what supersedes what.

use std::collections::{BTreeMap, BTreeSet};

use crate::strand::Thing;

/// Ids from here on are what hostile devices say. None of them may ever be shown.
pub const HOSTILE: u64 = 1_000_000;

/// An edit that was made.
#[derive(Clone, Debug)]
pub struct Edited {
    /// Of which register.
    pub register: u8,
    /// What it set.
    pub value: u64,
    /// The edits of that register that the home knew then, and those that they knew.
    pub knew: BTreeSet<u64>,
    /// The family of the home: copies are of one family.
    pub family: usize,
}

/// A thing that was said.
#[derive(Clone, Debug)]
pub struct Said {
    /// The thing.
    pub thing: Thing,
    /// The things of its key that the same home had said before.
    pub before: BTreeSet<u64>,
    /// The family of the home.
    pub family: usize,
}

/// Everything that was said.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// Edits by id.
    pub edits: BTreeMap<u64, Edited>,
    /// Things by id.
    pub things: BTreeMap<u64, Said>,
    /// What may be gone: it was only in a home that was put back to an earlier state.
    pub may_be_lost: BTreeSet<u64>,
    /// Families of which a home was copied or put back, or went on in a new log: what they say may be shown beside what it
    /// would supersede.
    pub troubled: BTreeSet<usize>,
    /// What a device said after it was revoked, or so late that nobody had taken it in by then: it counts nowhere.
    pub void: BTreeSet<u64>,
    last_id: u64,
    last_hostile: u64,
}

impl Model {
    /// The next id.
    pub fn next_id(&mut self, is_hostile: bool) -> u64 {
        if is_hostile {
            self.last_hostile += 1;
            return HOSTILE + self.last_hostile;
        }
        self.last_id += 1;
        self.last_id
    }

    /// Notes an edit of a home that has these edits, of any register.
    pub fn edited(&mut self, id: u64, register: u8, value: u64, has: &BTreeSet<u64>, family: usize) {
        let mut knew = BTreeSet::new();
        for known in has {
            if let Some(edit) = self.edits.get(known).filter(|edit| edit.register == register) {
                knew.insert(*known);
                knew.extend(&edit.knew);
            }
        }
        self.edits.insert(id, Edited { register, value, knew, family });
    }

    /// Notes a thing of a home that had said these before.
    pub fn said(&mut self, thing: &Thing, earlier: &[u64], family: usize) {
        let before = earlier.iter().copied().filter(|id| {
            let same_key = |said: &Said| thing.key.is_some() && said.thing.key == thing.key;
            self.things.get(id).is_some_and(same_key)
        });
        let before = before.collect();
        self.things.insert(thing.id, Said { thing: thing.clone(), before, family });
    }

    /// Notes that a family was revoked, and what counts of what it said.
    pub fn revoke(&mut self, family: usize, counts: &BTreeSet<u64>) {
        let edits = self.edits.iter().map(|(id, edit)| (*id, edit.family));
        let all = edits.chain(self.things.iter().map(|(id, said)| (*id, said.family)));
        let void = all.filter(|(id, of)| *of == family && !counts.contains(id)).map(|(id, _)| id);
        let void: Vec<u64> = void.collect();
        self.void.extend(void);
    }

    /// Whether its author may have dropped it for the sake of something that does not count any more.
    pub fn was_dropped(&self, id: u64) -> bool {
        self.is_replaced(id, &self.void) || self.is_superseded(id, &self.void)
    }

    /// What must be there in the end.
    pub fn required(&self) -> BTreeSet<u64> {
        let all = self.edits.keys().chain(self.things.keys()).copied();
        let may_lack = |id: &u64| self.may_be_lost.contains(id) || self.void.contains(id) || self.was_dropped(*id);
        all.filter(|id| *id < HOSTILE && !may_lack(id)).collect()
    }

    /// The edits of a register, among those that are there, that no other of them knew.
    pub fn live(&self, register: u8, there: &BTreeSet<u64>) -> BTreeSet<u64> {
        let of: BTreeMap<u64, &Edited> = there
            .iter()
            .filter_map(|id| self.edits.get(id).map(|edit| (*id, edit)))
            .filter(|(_, edit)| edit.register == register)
            .collect();
        let known: BTreeSet<u64> = of.values().flat_map(|edit| edit.knew.iter().copied()).collect();
        of.into_keys().filter(|id| !known.contains(id)).collect()
    }

    /// Whether an edit is superseded by a later one of the same home that is there: then its author may drop it.
    pub fn is_superseded(&self, id: u64, there: &BTreeSet<u64>) -> bool {
        let Some(edit) = self.edits.get(&id) else { return false };
        let supersedes = |other: &Edited| other.family == edit.family && other.knew.contains(&id);
        there.iter().filter_map(|other| self.edits.get(other)).any(supersedes)
    }

    /// Whether a thing is replaced by one that is there.
    pub fn is_replaced(&self, id: u64, there: &BTreeSet<u64>) -> bool {
        let Some(said) = self.things.get(&id) else { return false };
        let mut others = there.iter().filter_map(|other| self.things.get(other));
        others.any(|other| other.replaces(said, id))
    }

    /// Whether a thing is removed by a tombstone that is there.
    pub fn is_removed(&self, id: u64, there: &BTreeSet<u64>) -> bool {
        there.iter().filter_map(|other| self.things.get(other)).any(|other| other.thing.removes == Some(id))
    }
}

impl Said {
    /// Whether this thing replaces another one.
    fn replaces(&self, other: &Self, id: u64) -> bool {
        let by_strand = self.thing.is_latest && other.thing.is_latest;
        let by_record = self.thing.replaces && !self.thing.is_latest;
        (by_record || by_strand) && self.before.contains(&id)
    }
}
