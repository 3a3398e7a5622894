//! A worker's state as others see it.

use serde::{Deserialize, Serialize};

use super::{Phase, Reason};
use crate::clock::Timestamp;
use crate::gate::Gate;

/// A worker's state as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// What it does.
    #[serde(flatten)]
    pub phase: Phase,
    /// When the last cycle succeeded.
    pub last_success: Option<Timestamp>,
    /// When the last cycle failed.
    pub last_failure: Option<Timestamp>,
    /// Why.
    pub reason: Option<Reason>,
    /// For people.
    pub message: Option<String>,
    /// In a row.
    pub consecutive_failures: u32,
    /// Until when it waits after a failure.
    pub backoff_until: Option<Timestamp>,
    /// Whether something waits to be done.
    pub dirty: bool,
    /// Gates that are shut.
    pub gates: Vec<Gate>,
    /// Cycles that ended well, since start.
    pub cycles: u64,
    /// Cycles that ended badly, since start.
    pub failures: u64,
    /// Panics among them.
    pub panics: u64,
}

impl Status {
    /// A worker in `phase` that has done nothing yet.
    pub fn new(phase: Phase) -> Self {
        Self {
            phase,
            last_success: None,
            last_failure: None,
            reason: None,
            message: None,
            consecutive_failures: 0,
            backoff_until: None,
            dirty: false,
            gates: Vec::new(),
            cycles: 0,
            failures: 0,
            panics: 0,
        }
    }

    /// The same with its times on the wall clock, which shows `wall` when the steady one shows `steady`.
    #[must_use]
    pub fn on_wall_clock(mut self, steady: Timestamp, wall: Timestamp) -> Self {
        let shift = wall.as_millis().saturating_sub(steady.as_millis());
        let convert = |time: Timestamp| Timestamp::from_millis(time.as_millis().saturating_add(shift));
        self.last_success = self.last_success.map(convert);
        self.last_failure = self.last_failure.map(convert);
        self.backoff_until = self.backoff_until.map(convert);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_move_to_the_wall_clock() {
        let at = Timestamp::from_secs;
        let steady = Status { last_success: Some(at(10)), backoff_until: Some(at(25)), ..Status::new(Phase::Backoff) };
        let wall = steady.on_wall_clock(at(20), at(1_000_000));
        assert_eq!(
            (wall.last_success, wall.last_failure, wall.backoff_until),
            (Some(at(999_990)), None, Some(at(1_000_005)))
        );
    }
}
