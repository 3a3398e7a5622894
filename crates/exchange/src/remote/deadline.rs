//! When a call must end.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carry_kernel::clock::{Clock, Timestamp};

use super::error::{RemoteError, Stop};

/// When a call must end: when somebody says so, at a time, or both, or not before it is done.
#[derive(Clone, Copy, Default)]
pub struct Deadline<'a> {
    cancel: Option<&'a AtomicBool>,
    until: Option<(&'a dyn Clock, Timestamp)>,
    looks: Option<&'a (dyn Fn() + Sync)>,
}

impl<'a> Deadline<'a> {
    /// None.
    pub const NONE: Self = Self { cancel: None, until: None, looks: None };

    /// Ends as soon as `cancel` is set.
    #[must_use]
    pub fn on(self, cancel: &'a AtomicBool) -> Self {
        Self { cancel: Some(cancel), ..self }
    }

    /// Ends when `clock`'s steady time reaches `at`.
    #[must_use]
    pub fn at(self, clock: &'a dyn Clock, at: Timestamp) -> Self {
        Self { until: Some((clock, at)), ..self }
    }

    /// Calls `looked` each time it is looked at: a sign that the call goes on, as it looks between pieces.
    #[must_use]
    pub fn telling(self, looked: &'a (dyn Fn() + Sync)) -> Self {
        Self { looks: Some(looked), ..self }
    }

    /// Goes on, or says why not.
    ///
    /// # Errors
    /// [`RemoteError::Cancelled`] at `place`.
    pub fn check(&self, place: &str) -> Result<(), RemoteError> {
        match self.passed() {
            None => Ok(()),
            Some(why) => Err(RemoteError::Cancelled { place: place.to_owned(), why }),
        }
    }

    /// Why it must end, if it must.
    pub fn passed(&self) -> Option<Stop> {
        if let Some(looked) = self.looks {
            looked();
        }
        if self.cancel.is_some_and(|cancel| cancel.load(Ordering::Relaxed)) {
            return Some(Stop::Asked);
        }
        (self.left() == Some(Duration::ZERO)).then_some(Stop::Deadline)
    }

    /// The time left, for a socket's time-outs; `None` where there is no end.
    pub fn left(&self) -> Option<Duration> {
        self.until.map(|(clock, at)| at.since(clock.steady()))
    }
}

impl fmt::Debug for Deadline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline").field("passed", &self.passed()).field("left", &self.left()).finish()
    }
}
