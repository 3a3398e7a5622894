//! Which stamp the next record gets. Stamps break ties among edits that had not seen each other and are displayed; they
//! never delay, refuse or identify a record, so every device folds alike whatever its clock.
//!
//! This differs from [`Hlc::tick`] and [`Hlc::observe`] in one thing: a clock that was far ahead and was set right is
//! believed again. Stamps may then go back, which is harmless here, since what is newer is never decided by them.

use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::{Hlc, WALL_MS_MAX};

/// How far ahead of the clock a stamp may be to be gone on from.
pub const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// A stamp for the next record of this device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Next {
    /// The stamp.
    pub at: Hlc,
    /// How far the last stamp was ahead, when it was too far to be gone on from: the clock was wrong then or is now.
    pub went_back: Option<Duration>,
}

/// The stamp after `last` at wall time `now`: `now` if that is later; else the next after `last`, if that is at most
/// [`AHEAD_MAX`] ahead; else `now` again.
///
/// A `now` before the epoch or past [`WALL_MS_MAX`] is no time: the next after `last` is taken.
pub fn next(last: Hlc, now: Timestamp) -> Next {
    let Some(now_ms) = believed(now) else { return Next { at: last.tick(now), went_back: None } };
    let ahead = Duration::from_millis(last.wall_ms.saturating_sub(now_ms));
    if ahead > AHEAD_MAX {
        return Next { at: Hlc { wall_ms: now_ms, counter: 0 }, went_back: Some(ahead) };
    }
    Next { at: last.tick(now), went_back: None }
}

/// The stamp to go on from after seeing one from elsewhere: the later of the two, but none that is more than [`AHEAD_MAX`]
/// ahead of `now`. The bound is taken from the clock alone, so that nobody can pull it along step by step.
#[must_use]
pub fn observe(last: Hlc, seen: Hlc, now: Timestamp) -> Hlc {
    let Some(now_ms) = believed(now) else { return last };
    let is_near = Duration::from_millis(seen.wall_ms.saturating_sub(now_ms)) <= AHEAD_MAX;
    if is_near { last.max(seen) } else { last }
}

/// The milliseconds of a wall clock that may be right.
fn believed(now: Timestamp) -> Option<u64> {
    u64::try_from(now.as_millis()).ok().filter(|ms| *ms <= WALL_MS_MAX)
}

#[cfg(test)]
mod tests;
