//! What a worker is doing, and what it may do next.

use serde::{Deserialize, Serialize};

/// What a worker is doing. `working` and `failed` name the step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase", content = "step")]
pub enum Phase {
    /// Never ran yet, or nothing to do.
    Idle,
    /// In a cycle, at this step.
    Working(String),
    /// The last cycle failed at this step; about to back off.
    Failed(String),
    /// Waiting after a failure.
    Backoff,
    /// The last cycle succeeded.
    Healthy,
    /// The user said so.
    Paused,
    /// Configuration or a permanent condition switched it off.
    Disabled,
}

impl Phase {
    /// Whether this phase may be followed by `next`. A test walks the whole table.
    ///
    /// | from ＼ to | idle | working | failed | backoff | healthy | paused | disabled |
    /// |---|---|---|---|---|---|---|---|
    /// | idle     | – | ✓ | – | – | – | ✓ | ✓ |
    /// | working  | ✓ | ✓ | ✓ | – | ✓ | ✓ | ✓ |
    /// | failed   | – | – | – | ✓ | – | – | – |
    /// | backoff  | – | ✓ | – | – | – | ✓ | ✓ |
    /// | healthy  | – | ✓ | – | – | – | ✓ | ✓ |
    /// | paused   | ✓ | – | – | ✓ | – | – | ✓ |
    /// | disabled | ✓ | – | – | – | – | ✓ | – |
    ///
    /// Working follows working from step to step. Working becomes idle when a cycle was cancelled, and paused or
    /// disabled when that was why. A failure always becomes a wait first, so that no way leads around it. A
    /// worker that is resumed while a wait still lasts goes on waiting; one that is enabled starts afresh.
    pub fn may_become(&self, next: &Self) -> bool {
        use Phase::{Backoff, Disabled, Failed, Healthy, Idle, Paused, Working};
        match self {
            Idle | Backoff | Healthy => matches!(next, Working(_) | Paused | Disabled),
            Working(_) => matches!(next, Idle | Working(_) | Failed(_) | Healthy | Paused | Disabled),
            Failed(_) => matches!(next, Backoff),
            Paused => matches!(next, Idle | Backoff | Disabled),
            Disabled => matches!(next, Idle | Paused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_as_documented() {
        let step = || "step".to_owned();
        let phases = [
            Phase::Idle,
            Phase::Working(step()),
            Phase::Failed(step()),
            Phase::Backoff,
            Phase::Healthy,
            Phase::Paused,
            Phase::Disabled,
        ];
        // Rows and columns in the order above.
        let table = [".x...xx", "xxx.xxx", "...x...", ".x...xx", ".x...xx", "x..x..x", "x....x."];
        for (from, row) in phases.iter().zip(table) {
            for (to, cell) in phases.iter().zip(row.chars()) {
                assert_eq!(from.may_become(to), cell == 'x', "{from:?} to {to:?}");
            }
        }
    }
}
