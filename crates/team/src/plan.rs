//! What a push has to do. Pure.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::WALL_MS_MAX;

use crate::share::Mode;
use crate::sink::Held;
use crate::unit::{Digest, Place, Row, UnitKey};

#[cfg(test)]
mod tests;

/// Nothing is set aside for longer than this: see [`plan`].
const RETRY_AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A unit that should be in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The unit.
    pub key: UnitKey,
    /// How much of it is shared.
    pub mode: Mode,
    /// Hash of everything it is made of (archive's digest, metadata, curation, links, project, mode, shape's version), without
    /// the mask's version.
    pub input: Digest,
    /// For reports: when it last went on.
    pub ended: Option<Timestamp>,
}

/// What is known of a unit that was pushed, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The input when it was last pushed; `None`: never, or no longer believed.
    pub input: Option<Digest>,
    /// The mask's version then.
    pub mask: String,
    /// Set aside until then, after a failure of its own.
    pub retry_at: Option<Timestamp>,
    /// The input at that failure: one that has changed since is tried at once.
    pub failed_input: Option<Digest>,
}

impl Known {
    /// Whether this home remembers having put it there.
    pub fn is_made(&self) -> bool {
        self.input.is_some()
    }
}

/// Why a unit is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// It is not to be shared any more.
    Withdraw,
    /// It has changed.
    Changed,
    /// It was never pushed.
    New,
    /// It failed, and its time has come.
    Retry,
    /// It was masked by another version of the rules.
    Remask,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The unit (by [`UnitKey::to_text`]).
    pub key: String,
    /// Why.
    pub why: Why,
}

/// What is to be done, in order: withdrawals first, then what has changed, newest first, then what is new, then the rest. A
/// unit that is wanted with mode off is not wanted.
pub fn plan(wanted: &[Wanted], known: &BTreeMap<String, Known>, mask: &str, now: Timestamp) -> Vec<Step> {
    let mut by_key: BTreeMap<String, &Wanted> = BTreeMap::new();
    for unit in wanted.iter().filter(|unit| unit.mode != Mode::Off) {
        let first = by_key.entry(unit.key.to_text()).or_insert(unit);
        // Two of one key cannot be. Should they, the order they come in decides nothing.
        if (unit.mode, unit.input) < (first.mode, first.input) {
            *first = unit;
        }
    }
    let mut steps: Vec<(Why, Reverse<Option<Timestamp>>, &String)> = Vec::new();
    for key in known.keys().filter(|key| !by_key.contains_key(*key)) {
        steps.push((Why::Withdraw, Reverse(None), key));
    }
    for (key, unit) in &by_key {
        if let Some(why) = why(unit, known.get(key), mask, now) {
            steps.push((why, Reverse(unit.ended.filter(is_date)), key));
        }
    }
    steps.sort_unstable();
    steps.into_iter().map(|(why, _, key)| Step { key: key.clone(), why }).collect()
}

/// Whether a time can be meant: one from a broken clock is not the newest.
fn is_date(at: &Timestamp) -> bool {
    u64::try_from(at.as_millis()).is_ok_and(|ms| ms <= WALL_MS_MAX)
}

/// Why a unit that is wanted is looked at, if it is.
fn why(unit: &Wanted, known: Option<&Known>, mask: &str, now: Timestamp) -> Option<Why> {
    let Some(known) = known else { return Some(Why::New) };
    if let Some(retry_at) = known.retry_at
        && known.failed_input.is_none_or(|input| input == unit.input)
    {
        // A clock that was set back must not make it wait for years.
        let is_due = retry_at <= now || retry_at > now.after(RETRY_AHEAD_MAX);
        return is_due.then_some(Why::Retry);
    }
    match known.input {
        None => Some(Why::New),
        Some(input) if input != unit.input => Some(Why::Changed),
        Some(_) if known.mask != mask => Some(Why::Remask),
        Some(_) => None,
    }
}

/// What must change in a store that holds `held`, for it to hold `rows` in these buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delta {
    /// New or different, in the order of their places.
    pub put: Vec<Row>,
    /// Gone, in order.
    pub take: Vec<Place>,
}

/// Compares. `held` and `rows` must be of the same buckets. Of rows of one place the last counts.
pub fn delta(held: &Held, rows: Vec<Row>) -> Delta {
    let rows: BTreeMap<Place, Row> = rows.into_iter().map(|row| (row.place, row)).collect();
    let take = held.rows.keys().filter(|place| !rows.contains_key(place)).copied().collect();
    let put = rows.into_values().filter(|row| held.rows.get(&row.place) != Some(&row.digest)).collect();
    Delta { put, take }
}
