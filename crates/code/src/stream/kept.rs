//! Which snapshots that were said are kept, and which one the next pack stands on. Pure.
//!
//! The n-th pack of a line stands on the one whose number is n without its lowest bit set: 1 on 0, 2 on 0, 3 on 2, 4 on 0.
//! So a chain is as long as n has bits, whatever happens in between can be forgotten, and the first pack with all the history
//! is never made again. A pack between costs what changed since the one it stands on, a few times in all.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use carry_kernel::clock::Timestamp;

use crate::git::ObjectId;
use crate::registry::SaidSnapshot;
use crate::retention::{self, Item, Policy};

/// Packs that stand on each other at most. Readers follow 32.
pub(super) const CHAIN_MAX: u32 = 24;

/// What the next snapshot of a line stands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Next {
    /// Its number.
    pub(super) n: u64,
    /// The one it stands on; none for a pack that stands on nothing said before.
    pub(super) base: Option<SaidSnapshot>,
}

/// Decides for the line `name`. `said` is what the log brings of all lines of the repository; `is_here` says which of these
/// snapshots are still here.
pub(super) fn next(said: &[SaidSnapshot], name: &str, is_here: &dyn Fn(&SaidSnapshot) -> bool) -> Next {
    let fits = |one: &&SaidSnapshot| one.depth < CHAIN_MAX && is_here(one);
    let of_line: BTreeMap<u64, &SaidSnapshot> =
        said.iter().filter(|one| one.line == name).map(|one| (one.n, one)).collect();
    let n = of_line.last_key_value().map_or(0, |(last, _)| last + 1);
    let mut at = n;
    while at != 0 {
        at &= at - 1;
        if let Some(base) = of_line.get(&at).filter(|one| fits(one)) {
            return Next { n, base: Some((*base).clone()) };
        }
    }
    // Another branch, or another working tree: most files are the same.
    let others = said.iter().filter(|one| one.line != name || n != 0).filter(fits);
    Next { n, base: others.min_by_key(|one| (one.depth, std::cmp::Reverse(one.n), one.line.clone())).cloned() }
}

/// The snapshots that must stay for the newest of each line to be unpacked.
pub(super) fn spine(said: &[SaidSnapshot]) -> HashSet<ObjectId> {
    let by_id: BTreeMap<ObjectId, &SaidSnapshot> = said.iter().map(|one| (one.snapshot, one)).collect();
    let mut newest: BTreeMap<&str, &SaidSnapshot> = BTreeMap::new();
    for one in said {
        let known = newest.entry(&one.line).or_insert(one);
        if one.n > known.n {
            *known = one;
        }
    }
    let mut spine = HashSet::new();
    let mut todo: Vec<&SaidSnapshot> = newest.into_values().collect();
    while let Some(one) = todo.pop() {
        if spine.insert(one.snapshot) {
            todo.extend(one.needs.iter().filter_map(|id| by_id.get(id)));
        }
    }
    spine
}

/// Which of a line's said snapshots are kept, in the order given. `items` are newest first; `must` stay whatever their age.
/// At most `max` are, more only where more must.
pub(super) fn keep(
    items: &[Item],
    must: &HashSet<ObjectId>,
    policy: Policy,
    now: Timestamp,
    max: usize,
) -> Vec<ObjectId> {
    let mut policy = policy;
    let mut kept: Vec<ObjectId> = Vec::new();
    // Tightened four times, nothing but the last hour is left of any policy that anybody has.
    for _ in 0..8 {
        kept = retention::plan(items, must, &policy, now).keep.into_iter().map(|(id, _)| id).collect();
        if kept.len() <= max {
            return kept;
        }
        policy = policy.tightened();
    }
    // Too many within an hour: every other one goes, from the oldest on, until it fits.
    while kept.len() > max {
        let (mut out, mut odd) = (BTreeSet::new(), false);
        for id in kept.iter().skip(1).rev().filter(|id| !must.contains(*id)) {
            odd = !odd;
            if odd && kept.len() - out.len() > max {
                out.insert(*id);
            }
        }
        if out.is_empty() {
            break;
        }
        kept.retain(|id| !out.contains(id));
    }
    kept
}
