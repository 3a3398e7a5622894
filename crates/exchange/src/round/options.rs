//! How a round is made: which way, with what, how much, and what it tidies after.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::name::StreamName;
use crate::plan::Budget;
use crate::store::Statement;

/// Which way an exchange goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Take in, then say and put.
    #[default]
    Both,
    /// Take in only.
    Pull,
    /// Say and put only.
    Push,
}

/// What is collected at the remote after an exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collect {
    /// Nothing.
    Nothing,
    /// What no head names any more since the grace period that the heads state.
    #[default]
    AfterGrace,
    /// The same after this grace period, whatever the number of rounds.
    After(Duration),
}

/// How an exchange is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// The name by which this device knows the remote; what was put there is noted under it.
    pub remote: String,
    /// Which way.
    pub direction: Direction,
    /// The streams that may go there and are taken from there; `None` for all.
    pub streams: Option<BTreeSet<StreamName>>,
    /// Whether nobody but the owner's devices can read there: then also what may not be passed on in the clear is passed on.
    pub is_private: bool,
    /// What heads say besides what the store knows.
    pub statement: Statement,
    /// How much is moved at most, and whether parts of files can be read there.
    pub budget: Budget,
    /// What is collected after.
    pub collect: Collect,
    /// Whether everything is planned and nothing done: nothing is written here or there.
    pub is_dry_run: bool,
}
