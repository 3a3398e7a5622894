//! Which snapshots show what a turn did. Pure.

use std::time::Duration;

use carry_kernel::clock::Timestamp;

/// A turn's last change is captured at most so much later: a capture waits for quiet, and takes a moment.
pub const CAPTURE_DELAY_MAX: Duration = Duration::from_secs(30);

/// The two snapshots around a turn, by their place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// How it was before.
    pub before: usize,
    /// How it was after.
    pub after: usize,
    /// Whether a snapshot was taken before the turn and one in it. Else something else may be among what differs, or
    /// something missing.
    pub exact: bool,
}

/// Finds the snapshots around a turn. `times` are those of the snapshots, oldest first; `next` is when the following turn
/// began. `None` when there are no snapshots from which anything could be said.
///
/// Before is the last one up to the start. After is the last one taken in the turn, or so soon after it that it belongs to
/// it; without one, the first that follows before the next turn, and without that, nothing changed as far as we know.
pub fn place(times: &[Timestamp], started: Timestamp, ended: Timestamp, next: Option<Timestamp>) -> Option<Placed> {
    let until = ended.max(started).after(CAPTURE_DELAY_MAX);
    let until = next.map_or(until, |next| until.min(next.max(started)));
    // The first after each bound.
    let n_before = times.partition_point(|time| *time <= started);
    let n_until = times.partition_point(|time| *time <= until);
    let is_taken_within = n_until > n_before;
    let follows = times.get(n_until).filter(|time| next.is_none_or(|next| **time <= next)).map(|_| n_until);
    let before = n_before.checked_sub(1);
    let after = if is_taken_within { n_until.checked_sub(1) } else { follows.or(before) };
    // Without one before, the first in the turn holds at least a part of what it did.
    let first = before.or(is_taken_within.then_some(n_before))?;
    let after = after.unwrap_or(first);
    Some(Placed { before: first, after, exact: before.is_some() && is_taken_within })
}

#[cfg(test)]
mod tests;
