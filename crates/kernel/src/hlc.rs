//! Hybrid logical clock: time stamps that never go back, even when the clock does.
//!
//! Text form: `<wall ms, 13 decimal digits>-<counter, 4 hex digits>`; it sorts as it orders.
//!
//! Clocks may lie, ours and others'. A wall clock past [`WALL_MS_MAX`] is not believed, so that there
//! is always room for a next stamp; a stamp from elsewhere that is more than [`AHEAD_MAX`] ahead of
//! our clock keeps its place after ours but does not pull ours along.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// The last wall time taken from a clock, in the year 2255. Thirteen digits hold another 30 years,
/// which leaves more stamps than anyone can count up to.
pub const WALL_MS_MAX: u64 = 9_000_000_000_000;

/// How far ahead of our clock a stamp from elsewhere may be to be followed: a wrong time zone or date
/// line is forgiven, a wrong year is not.
pub const AHEAD_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// One stamp. Ordered by wall time, then counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hlc {
    /// Milliseconds since the epoch.
    pub wall_ms: u64,
    /// Breaks ties within one millisecond, or while the wall clock stands behind.
    pub counter: u16,
}

/// Text that is not a stamp.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is not a time stamp of the form <ms>-<counter>")]
pub struct HlcError(pub String);

impl Hlc {
    /// The next stamp after `self` at wall time `now`: `now` if the clock has moved on, else `self`
    /// with its counter raised (and the wall part raised when the counter is full). A `now` before
    /// the epoch or past [`WALL_MS_MAX`] counts as a clock that has not moved on.
    #[must_use]
    pub fn tick(self, now: Timestamp) -> Self {
        let now_ms = u64::try_from(now.as_millis()).ok().filter(|ms| *ms <= WALL_MS_MAX).unwrap_or(0);
        if now_ms > self.wall_ms {
            return Self { wall_ms: now_ms, counter: 0 };
        }
        match self.counter.checked_add(1) {
            Some(counter) => Self { counter, ..self },
            None => Self { wall_ms: self.wall_ms.saturating_add(1), counter: 0 },
        }
    }

    /// The next stamp after `self`, and after `seen`, which came from elsewhere.
    ///
    /// A `seen` more than [`AHEAD_MAX`] ahead of `now` is not followed: the result is then
    /// `self.tick(now)`, and `seen` stays ordered after our stamps until our clock gets there. The bound
    /// is taken from `now` alone; were it taken from `self`, a liar could pull us ahead day by day.
    #[must_use]
    pub fn observe(self, seen: Self, now: Timestamp) -> Self {
        let bound = u64::try_from(now.after(AHEAD_MAX).as_millis()).unwrap_or(0).min(WALL_MS_MAX);
        let last = if seen.wall_ms <= bound { self.max(seen) } else { self };
        last.tick(now)
    }
}

impl fmt::Display for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}-{:04x}", self.wall_ms, self.counter)
    }
}
impl std::str::FromStr for Hlc {
    type Err = HlcError;
    fn from_str(text: &str) -> Result<Self, HlcError> {
        let parsed = text.split_once('-').and_then(|(wall, counter)| {
            let digits = wall.len() == 13 && wall.bytes().all(|b| b.is_ascii_digit());
            // One stamp has one text, so upper case and signs are refused.
            if !digits || !crate::id::is_hex(counter, 4) {
                return None;
            }
            Some(Self { wall_ms: wall.parse().ok()?, counter: u16::from_str_radix(counter, 16).ok()? })
        });
        parsed.ok_or_else(|| HlcError(text.chars().take(100).collect()))
    }
}
impl TryFrom<String> for Hlc {
    type Error = HlcError;
    fn try_from(text: String) -> Result<Self, HlcError> {
        text.parse()
    }
}
impl From<Hlc> for String {
    fn from(h: Hlc) -> Self {
        h.to_string()
    }
}

#[cfg(test)]
mod tests;
