//! Which way of a forked log a record stands on.
//!
//! A log is forked when two verified chains of one stream agree up to a record `F` and differ at the next: its home was
//! copied, and both copies wrote. Nothing is wrong with either, so both count: the records up to `F` are the trunk, and those
//! after it belong to branches, each named by its first record. A branch can fork again.

use std::collections::{BTreeMap, BTreeSet};

use crate::limits::BRANCHES_MAX;
use crate::name::LogId;

/// A log, or one branch of a forked one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lineage {
    /// The log.
    pub log: LogId,
    /// The first record of the branch, and the first bytes of its digest; none for the trunk, and where nothing is forked.
    pub branch: Option<(u64, [u8; 4])>,
}

/// Where a branch begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Branch {
    /// The branch that it leaves; none for the trunk.
    pub parent: Option<(u64, [u8; 4])>,
    /// Its first record: the one after the last in common.
    pub first: u64,
    /// The first bytes of that record's digest.
    pub r4: [u8; 4],
}

/// The forks that are known of one stream of every log.
#[derive(Clone, Debug, Default)]
pub struct Forks(BTreeMap<LogId, Tree>);

/// One log's branches.
#[derive(Clone, Debug, Default)]
struct Tree {
    branches: BTreeMap<(u64, [u8; 4]), Branch>,
    /// The records that are held of branches, and on which they stand.
    places: BTreeMap<(u64, [u8; 4]), (u64, [u8; 4])>,
    /// The branches that count.
    counted: BTreeSet<(u64, [u8; 4])>,
}

impl Lineage {
    /// The trunk of `log`.
    pub const fn trunk(log: LogId) -> Self {
        Self { log, branch: None }
    }
}

impl Forks {
    /// Notes a branch of `log`. Of more than [`BRANCHES_MAX`] those with the smallest digests count, so that every device
    /// that knows them all counts the same.
    pub fn add(&mut self, log: LogId, branch: Branch) {
        let tree = self.0.entry(log).or_default();
        let name = (branch.first, branch.r4);
        tree.branches.insert(name, branch);
        tree.places.insert(name, name);
        let mut names: Vec<_> = tree.branches.keys().copied().collect();
        names.sort_by_key(|(first, r4)| (*r4, *first));
        tree.counted = names.into_iter().take(BRANCHES_MAX).collect();
    }

    /// Notes that record `seq` of `log` with digest `r4…` stands on the branch that begins with `branch`.
    pub fn place(&mut self, log: LogId, branch: (u64, [u8; 4]), seq: u64, r4: [u8; 4]) {
        self.0.entry(log).or_default().places.insert((seq, r4), branch);
    }

    /// Whether edits of this lineage are folded.
    pub fn counts(&self, lineage: Lineage) -> bool {
        match (self.0.get(&lineage.log), lineage.branch) {
            // One that nobody has noted yet is folded: it may well be the first record of a fork that is being found.
            (Some(tree), Some(branch)) => !tree.branches.contains_key(&branch) || tree.counted.contains(&branch),
            (None, _) | (_, None) => true,
        }
    }

    /// The lineage of a record that is held. One after a fork whose branch was not noted counts as a branch of its own.
    pub fn lineage(&self, log: LogId, seq: u64, r4: [u8; 4]) -> Lineage {
        let Some(tree) = self.0.get(&log) else { return Lineage::trunk(log) };
        match tree.places.get(&(seq, r4)) {
            Some(branch) => Lineage { log, branch: Some(*branch) },
            None if tree.trunk_end().is_none_or(|end| seq <= end) => Lineage::trunk(log),
            None => Lineage { log, branch: Some((seq, r4)) },
        }
    }

    /// Whether the record `seq` of `lineage` stands before `later`, which knows of it: on the same lineage, or on one that the
    /// later one's comes from.
    pub fn is_before(&self, (lineage, seq): (Lineage, u64), later: (Lineage, u64)) -> bool {
        match lineage == later.0 {
            true => seq < later.1,
            false => self.comes_from(later.0).into_iter().any(|(past, last)| past == lineage && seq <= last),
        }
    }

    /// The lineages that this one comes from, each with the last record in common: who stands on a branch has seen the trunk
    /// before it.
    pub(super) fn comes_from(&self, lineage: Lineage) -> Vec<(Lineage, u64)> {
        let mut past = Vec::new();
        let (Some(tree), Some(mut at)) = (self.0.get(&lineage.log), lineage.branch) else { return past };
        loop {
            let Some(branch) = tree.branches.get(&at) else {
                // A record whose branch was not noted: certainly it comes from the trunk.
                past.extend(tree.trunk_end().map(|end| (Lineage::trunk(lineage.log), end)));
                return past;
            };
            past.push((Lineage { log: lineage.log, branch: branch.parent }, branch.first.saturating_sub(1)));
            match branch.parent {
                // A branch begins after the one that it leaves, so this ends, whatever was noted as whose parent.
                Some(parent) if parent.0 < branch.first => at = parent,
                Some(_) | None => return past,
            }
        }
    }
}

impl Tree {
    /// The last record before the branch that leaves the trunk first.
    fn trunk_end(&self) -> Option<u64> {
        let leaves = self.branches.values().filter(|branch| branch.parent.is_none()).map(|branch| branch.first).min();
        leaves.map(|first| first.saturating_sub(1))
    }
}
