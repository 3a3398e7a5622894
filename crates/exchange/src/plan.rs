//! What an exchange moves, decided from data alone: [`plan_pull`] compares what is held with what heads name, and
//! [`plan_push`] what heads name with what a remote shows.
//!
//! The plan speaks of records and bytes; fetching, checking and putting is the shell's. A plan may be made anew at any time:
//! nothing in it is remembered.

use crate::name::StreamName;

mod blocks;
mod pull;
mod push;

pub use blocks::{Part, plan_blocks};
pub use pull::{Budget, Fetch, How, Known, PullPlan, Source, plan_pull};
pub use push::{Blocked, Closure, Copy, Object, PushPlan, Put, Shown, Whose, plan_push};

/// Streams in the order in which they are wanted: what rules and what is small comes first.
const ORDER: &[&str] = &["control", "curation", "memory", "sessions", "code"];

/// Whether this version knows what a stream is for, whether or not it takes part in it.
pub(crate) fn is_known(stream: &StreamName) -> bool {
    ORDER.contains(&stream.as_str())
}

/// The place of a stream in that order; streams that this version does not know come last.
pub(crate) fn rank(stream: &StreamName) -> usize {
    ORDER.iter().position(|name| *name == stream.as_str()).unwrap_or(ORDER.len())
}

#[cfg(test)]
mod tests;
