//! Registers: one value that several devices may edit, folded to the same state in whatever order the edits arrive.
//!
//! Each edit names the edits that its register had when it was made, one of each log, by place and digest. That alone decides
//! what supersedes what: an edit goes when a later one of its own log is there, or one that names it. A name does something
//! only where the edit that it names is there. So nobody can speak of what is not written yet: its digest cannot be foretold,
//! and a name of a place ahead is the name of nothing.
//!
//! The state is the newest edit of each log, which is a join: order, repetition and gaps do not matter, and it is the same
//! whether void edits were received or dropped before. Edits that had not seen each other are all live; when their values
//! differ, that is a conflict, which any later edit settles, since that names them. Where the edit that is named has not come
//! yet, an earlier one of its log stays live until it comes: for a while a conflict too many, and never one too few.
//!
//! A register belongs to one stream, so that places in it are plain sequence numbers. Where a log was forked, each branch
//! counts as a log of its own: see [`Lineage`].

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::hlc::Hlc;

use crate::limits::SEEN_MAX;
use crate::name::LogId;

mod edit;
mod lineage;
mod seen;

pub use edit::{EditError, EditPayload};
pub use lineage::{Branch, Forks, Lineage};
pub use seen::Seen;

/// One edit, as a register takes it. Log, place and digest are its name.
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
    newest: BTreeMap<Lineage, Newest<V>>,
}

/// The newest edit of a lineage. Those before it are void, and so is what they said they had seen.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Newest<V> {
    edit: Edit<V>,
    /// The lineages that its own comes from, and how far it has them. None where nothing was forked.
    comes_from: Vec<(Lineage, u64)>,
}

impl<V> Default for Register<V> {
    fn default() -> Self {
        Self { newest: BTreeMap::new() }
    }
}

impl<V> Register<V> {
    /// Takes in an edit and says whether anything changed. `forks` says to which branch a record belongs; when it learns of
    /// a fork, or of more records of a branch, the registers of that log are folded anew.
    ///
    /// Of two edits with one name, as only the author of both can make them, the first counts: who folds several puts them in
    /// an order that is the same everywhere.
    pub fn apply(&mut self, edit: Edit<V>, forks: &Forks) -> bool {
        let lineage = forks.lineage(edit.log, edit.seq, edit.r4);
        let newest = self.newest.get(&lineage).map(|newest| (newest.edit.seq, newest.edit.r4));
        if !forks.counts(lineage) || newest.is_some_and(|newest| newest >= (edit.seq, edit.r4)) {
            return false;
        }
        let comes_from = forks.comes_from(lineage);
        self.newest.insert(lineage, Newest { edit, comes_from });
        true
    }

    /// What an edit made now by `log` has seen: the newest edit of each lineage, those of that log left out. What edits name
    /// that are there is not passed on where it is not there itself: they go on saying it, if it is true.
    ///
    /// Of more than [`SEEN_MAX`] those come first that would be live if `log` had said nothing, then the farthest; what is left
    /// out can make a conflict too many, never one too few.
    pub fn seen(&self, log: LogId) -> Seen {
        let mut places: Vec<_> = self.newest.iter().filter(|(lineage, _)| lineage.log != log).collect();
        if places.len() > SEEN_MAX {
            let superseded = self.superseded(Some(log));
            places.sort_by_key(|(lineage, newest)| (superseded.contains(lineage), Reverse(newest.edit.seq)));
            places.truncate(SEEN_MAX);
        }
        places.into_iter().map(|(lineage, newest)| (lineage.log, newest.edit.seq, newest.edit.r4)).collect()
    }

    /// The live edit that is shown: the one with the greatest stamp, then log, then branch. `None` before the first edit.
    pub fn shown(&self) -> Option<&Edit<V>> {
        self.live().max_by_key(|(lineage, edit)| (edit.at, *lineage)).map(|(_, edit)| edit)
    }

    /// The live edits, by lineage. None only where there is no edit at all.
    pub fn live(&self) -> impl Iterator<Item = (Lineage, &Edit<V>)> {
        let superseded = self.superseded(None);
        let live = self.newest.iter().filter(move |(lineage, _)| !superseded.contains(lineage));
        live.map(|(lineage, newest)| (*lineage, &newest.edit))
    }

    /// The lineages whose newest edit is superseded; what the edits of `apart` say is left aside.
    ///
    /// An edit is superseded if it is void, or a chain of names leads to it from one that nobody names. Edits that only name
    /// each other in a circle are live: honest ones never do, as each names what was there before it.
    fn superseded(&self, apart: Option<LogId>) -> BTreeSet<Lineage> {
        // The usual register: nothing to compare.
        if self.newest.len() < 2 {
            return BTreeSet::new();
        }
        let reached = self.newest.values().flat_map(|newest| &newest.comes_from);
        let is_void =
            |(lineage, last): &&(Lineage, u64)| self.newest.get(lineage).is_some_and(|it| it.edit.seq <= *last);
        let void: BTreeSet<Lineage> = reached.filter(is_void).map(|(lineage, _)| *lineage).collect();
        let counted = || self.newest.iter().filter(|(lineage, _)| !void.contains(lineage));
        let names: BTreeMap<_, _> =
            counted().map(|(lineage, Newest { edit, .. })| ((edit.log, edit.seq, edit.r4), *lineage)).collect();
        let named_by = |lineage: Lineage| {
            let seen = self.newest.get(&lineage).filter(|_| apart != Some(lineage.log)).map(|newest| &newest.edit.seen);
            seen.into_iter().flat_map(Seen::iter).filter_map(|name| names.get(&name).copied())
        };
        let named: BTreeSet<Lineage> = counted().flat_map(|(lineage, _)| named_by(*lineage)).collect();
        let mut todo: Vec<Lineage> =
            counted().map(|(lineage, _)| *lineage).filter(|lineage| !named.contains(lineage)).collect();
        let mut superseded = void.clone();
        while let Some(lineage) = todo.pop() {
            todo.extend(named_by(lineage).filter(|named| superseded.insert(*named)));
        }
        superseded
    }
}

impl<V: PartialEq> Register<V> {
    /// Whether there are live edits with different values.
    pub fn is_conflict(&self) -> bool {
        let mut values = self.live().map(|(_, edit)| &edit.value);
        values.next().is_some_and(|first| values.any(|other| other != first))
    }

    /// Whether setting `value` would change what is shown or settle a conflict. An edit that does neither is not written.
    pub fn would_change(&self, value: &V) -> bool {
        self.is_conflict() || self.shown().is_none_or(|edit| edit.value != *value)
    }
}

#[cfg(test)]
mod tests;
