//! What needs two strands: a session's turns beside the snapshots that were taken meanwhile.
//!
//! A [`Turn`] goes from what the user typed to the last thing that was said before the user typed again. [`turn_diff`] finds
//! the snapshots of the working tree around it: their trees differ by what was done in this turn.

mod changes;
mod place;
mod turns;

pub use changes::{TimelineError, TurnDiff, tree_around, turn_diff};
pub use place::{CAPTURE_DELAY_MAX, Placed, place};
pub use turns::{Turn, turns};
