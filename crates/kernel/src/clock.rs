//! Time as an argument: [`Timestamp`] is a value, [`Clock`] is where the shell reads it.
//!
//! Two clocks matter. The *wall* clock says when something happened and may jump; the *steady*
//! clock says how long something took, keeps counting through sleep where the system can, and
//! never goes back. Timers, leases and backoff use the steady one.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z. Negative before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

/// 0001-01-01T00:00:00.000Z in milliseconds: many programs know no year before.
const WRITTEN_MIN: i64 = -62_135_596_800_000;
/// 9999-12-30T22:00:00.000Z in milliseconds: a day is left for those who show it in their own time zone.
const WRITTEN_MAX: i64 = 253_402_207_200_000;

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// From whole seconds since the epoch, saturating.
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn as_secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This time plus `d`, saturating at the end of time.
    #[must_use]
    pub fn after(self, d: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// This time minus `d`, saturating at the beginning of time.
    #[must_use]
    pub fn before(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not after.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// RFC 3339 in UTC with milliseconds, e.g. `2026-11-20T10:55:00.000Z`. A time outside the years 1 to 9999, which only a clock or a
    /// file that lies says, is written as the first or the last that every reader takes.
    pub fn to_rfc3339(self) -> String {
        let within = self.0.clamp(WRITTEN_MIN, WRITTEN_MAX);
        let time = jiff::Timestamp::from_millisecond(within).expect("both bounds are within its range");
        format!("{time:.3}")
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(t: SystemTime) -> Self {
        match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Self(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Err(e) => Self(i64::try_from(e.duration().as_millis()).map_or(i64::MIN, |ms| -ms)),
        }
    }
}

/// Where a shell reads the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The wall clock; may jump either way.
    fn now(&self) -> Timestamp;
    /// The steady clock: never goes back, origin unspecified, comparable only within this boot.
    fn steady(&self) -> Timestamp;
}

/// The machine's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
    fn now(&self) -> Timestamp {
        SystemTime::now().into()
    }

    fn steady(&self) -> Timestamp {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let id = rustix::time::ClockId::Boottime;
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let id = rustix::time::ClockId::Monotonic;
        let t = rustix::time::clock_gettime(id);
        Timestamp(t.tv_sec.saturating_mul(1000).saturating_add(t.tv_nsec / 1_000_000))
    }
}

/// A clock that moves only when told to. Both clocks show the same time.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that shows `at`.
    pub fn new(at: Timestamp) -> Self {
        Self(AtomicI64::new(at.0))
    }

    /// Moves both clocks forward.
    pub fn advance(&self, d: Duration) {
        self.0.fetch_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Sets both clocks.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.0, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn steady(&self) -> Timestamp {
        self.now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_clock_says_is_written_as_rfc_3339() {
        let written = |ms: i64| Timestamp(ms).to_rfc3339();
        assert_eq!(written(1_795_172_100_000), "2026-11-20T10:55:00.000Z");
        assert_eq!(written(-1), "1969-12-31T23:59:59.999Z");
        for before in [i64::MIN, WRITTEN_MIN - 1, WRITTEN_MIN] {
            assert_eq!(written(before), "0001-01-01T00:00:00.000Z");
        }
        for after in [i64::MAX, WRITTEN_MAX + 1, WRITTEN_MAX] {
            assert_eq!(written(after), "9999-12-30T22:00:00.000Z");
        }
    }
}
