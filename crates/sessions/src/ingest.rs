//! Passes: what changed since the last one is read and archived.
//!
//! Planning is pure: [`plan`] compares the units that were found with those the archive knows, and says which to read and
//! how. [`Pass::run`] discovers, plans, reads and writes, newest knowledge last, so that rows come in the order of time.
//!
//! A pass is interrupted between units and inside large ones; what it had not finished it begins anew next time. A unit that
//! cannot be read never stops the rest.

use std::path::PathBuf;

use carry_kernel::clock::Timestamp;

use crate::archive::{Cut, WriterLimits, Written};
use crate::source::{Mode, Places, Source};

mod discover;
mod listen;
mod plan;
mod run;
mod turns;

pub use plan::{Plan, Reader, Reading, plan};
pub use turns::TurnEnd;

/// The lease under which passes are run: one writer at a time across all processes.
pub const LEASE: &str = "sessions/ingest";

/// How far a pass is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Units read, and to read.
    pub units: (u64, u64),
    /// Bytes read, and to read.
    pub bytes: (u64, u64),
}

/// What a pass did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Units found, by source.
    pub found: Vec<(String, u64)>,
    /// Units that were read.
    pub read: u64,
    /// Units in which nothing had changed.
    pub unchanged: u64,
    /// Known units that are gone.
    pub missing: u64,
    /// Units that could not be read, and why.
    pub failed: Vec<(PathBuf, String)>,
    /// What could not be listed, and why.
    pub unlisted: Vec<(PathBuf, String)>,
    /// What was written.
    pub written: Written,
    /// Whether it was stopped before its end.
    pub was_stopped: bool,
    /// Units whose last line is still being written.
    pub unfinished: Vec<PathBuf>,
    /// Units that shrank, or that should only grow and were rewritten. What they held is kept.
    pub cut: Vec<(PathBuf, Cut)>,
    /// Turns that ended: repositories in which an agent stopped working, with the session and when.
    pub turns_ended: Vec<TurnEnd>,
}

/// What a pass is given.
pub struct Pass<'a> {
    /// The sources, in order.
    pub sources: &'a [Box<dyn Source>],
    /// Where they look.
    pub places: &'a Places,
    /// Look only at these paths (from a watcher); `None` looks at everything.
    pub only: Option<&'a [PathBuf]>,
    /// The time.
    pub now: Timestamp,
    /// Limits of the writer.
    pub limits: WriterLimits,
    /// Told now and then.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Asked now and then.
    pub should_stop: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Pass<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pass").field("only", &self.only).field("now", &self.now).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
