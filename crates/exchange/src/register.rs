//! Registers: one value that several devices may edit, folded to the same state in whatever order the edits arrive.
//!
//! Each edit says what its register had seen when it was made, as a small version vector, and that alone decides what
//! supersedes what. The state is a join over the set of edits: order, repetition and gaps do not matter. Edits that had not
//! seen each other are all live; when their values differ, that is a conflict, which any later edit settles, since that
//! has seen them.
//!
//! A register belongs to one stream, so that places in it are plain sequence numbers. Where a log was forked, each branch
//! counts as a log of its own: see [`Lineage`].

use std::collections::BTreeMap;

use carry_kernel::hlc::Hlc;

use crate::limits::SEEN_MAX;
use crate::name::LogId;

mod edit;
mod lineage;
mod seen;

pub use edit::{EditError, EditPayload};
pub use lineage::{Branch, Forks, Lineage};
pub use seen::Seen;

/// One edit, as a register takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<V> {
    /// The log it stands in.
    pub log: LogId,
    /// Its place in the stream.
    pub seq: u64,
    /// The first bytes of its record's digest.
    pub r4: [u8; 4],
    /// Its stamp, which breaks ties.
    pub at: Hlc,
    /// What it sets.
    pub value: V,
    /// What its register had seen.
    pub seen: Seen,
}

/// A register's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register<V> {
    /// How far each lineage is known: these edits and all before them are taken in or superseded.
    known: BTreeMap<Lineage, Place>,
    /// The edits that none of the known ones had seen; at most one a lineage.
    live: BTreeMap<Lineage, Live<V>>,
}

/// A place in a lineage, and which record stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    seq: u64,
    r4: [u8; 4],
}

/// An edit that nothing supersedes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live<V> {
    /// Its place in its lineage.
    pub seq: u64,
    /// Its stamp.
    pub at: Hlc,
    /// What it set.
    pub value: V,
}

impl<V> Default for Register<V> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), live: BTreeMap::new() }
    }
}

impl<V> Register<V> {
    /// Takes in an edit and says whether anything changed. `forks` says to which branch a record belongs; when it learns of
    /// a fork, or of more records of a branch, the registers of that log are folded anew.
    ///
    /// Every live edit that it had seen goes, and all that it knew is known here, also when its place was known already:
    /// so the state is a join of what the edits say, whatever they say, and two devices that took in the same edits have the
    /// same state. It becomes its lineage's live edit only if its place was not known.
    pub fn apply(&mut self, edit: Edit<V>, forks: &Forks) -> bool {
        let own = forks.lineage(edit.log, edit.seq, edit.r4);
        if !forks.counts(own) {
            return false;
        }
        let is_new = self.known.get(&own).is_none_or(|place| place.seq < edit.seq);
        let mut knew = forks.past(own, edit.seq, edit.r4);
        // Its own log's place is its own: what it says of that log beside is not believed.
        for (log, seq, r4) in edit.seen.iter().filter(|(log, ..)| *log != edit.log) {
            if let Some((lineage, seq, r4)) = forks.lineage_seen(log, seq, r4) {
                knew.extend(forks.past(lineage, seq, r4));
            }
        }
        let mut is_changed = is_new;
        for (lineage, seq, r4) in knew {
            // A repeated edit does not supersede itself.
            let is_itself = |live: &Live<V>| lineage == own && live.seq == edit.seq;
            if self.live.get(&lineage).is_some_and(|live| live.seq <= seq && !is_itself(live)) {
                self.live.remove(&lineage);
                is_changed = true;
            }
            let place = self.known.entry(lineage).or_insert(Place { seq: 0, r4: [0; 4] });
            if *place < (Place { seq, r4 }) {
                *place = Place { seq, r4 };
                is_changed = true;
            }
        }
        if is_new {
            self.live.insert(own, Live { seq: edit.seq, at: edit.at, value: edit.value });
        }
        is_changed
    }

    /// What an edit made now by `log` has seen: everything that is known, that log left out. Of more than [`SEEN_MAX`]
    /// places those with a live edit come first, then the farthest; what is left out can make a conflict too many, never one too few.
    pub fn seen(&self, log: LogId) -> Seen {
        let mut places: Vec<_> = self.known.iter().filter(|(lineage, _)| lineage.log != log).collect();
        if places.len() > SEEN_MAX {
            places.sort_by_key(|(lineage, place)| (!self.live.contains_key(lineage), u64::MAX - place.seq));
            places.truncate(SEEN_MAX);
        }
        places.into_iter().map(|(lineage, place)| (lineage.log, place.seq, place.r4)).collect()
    }

    /// The live edit that is shown: the one with the greatest stamp, then log, then branch. `None` before the first edit.
    pub fn shown(&self) -> Option<&Live<V>> {
        self.live.iter().max_by_key(|(lineage, live)| (live.at, **lineage)).map(|(_, live)| live)
    }

    /// The live edits, by lineage.
    pub fn live(&self) -> impl Iterator<Item = (Lineage, &Live<V>)> {
        self.live.iter().map(|(lineage, live)| (*lineage, live))
    }
}

impl<V: PartialEq> Register<V> {
    /// Whether there are live edits with different values.
    pub fn is_conflict(&self) -> bool {
        let mut values = self.live.values().map(|live| &live.value);
        values.next().is_some_and(|first| values.any(|other| other != first))
    }

    /// Whether setting `value` would change what is shown or settle a conflict. An edit that does neither is not written.
    pub fn would_change(&self, value: &V) -> bool {
        self.is_conflict() || self.shown().is_none_or(|live| live.value != *value)
    }
}

#[cfg(test)]
mod tests;
