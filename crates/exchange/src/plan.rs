//! What an exchange moves, decided from data alone: [`plan_pull`] compares what is held with what heads name, and
//! [`plan_push`] what heads name with what a remote shows.
//!
//! The plan speaks of records and bytes; fetching, checking and putting is the shell's. A plan may be made anew at any time:
//! nothing in it is remembered.

mod blocks;
mod pull;
mod push;

pub use blocks::{Part, plan_blocks};
pub use pull::{Budget, Fetch, How, Known, PullPlan, Source, plan_pull};
pub use push::{Blocked, Closure, Copy, Object, PushPlan, Put, Shown, Whose, plan_push};

#[cfg(test)]
mod tests;
