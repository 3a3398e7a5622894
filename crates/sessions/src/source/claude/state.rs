//! What a reading needs of the one before. Bounded: it does not grow with the session.

use serde::{Deserialize, Serialize};

/// Calls without results that are remembered.
const PENDING_MAX: usize = 64;

/// How the last answer stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stop {
    /// There is none, or it does not say, or something else.
    #[default]
    Other,
    /// The agent ended its turn.
    EndTurn,
}

/// Where a session (the file's, or a fork in it) stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Thread {
    /// Its id; empty for the file's own.
    pub(super) fork: String,
    /// The next ordinal.
    pub(super) ordinal: u32,
    /// Which facts were said.
    pub(super) seen: u8,
    /// Calls of the last answer without results, hashed.
    pub(super) pending: Vec<u64>,
    /// How the last answer stopped.
    pub(super) stop: Stop,
    /// Whether something was typed after it.
    pub(super) is_asked: bool,
    /// The last answer, when it was said already: pieces of it may still come.
    pub(super) answer: Option<Answer>,
}

impl Thread {
    /// A call without result.
    pub(super) fn expect(&mut self, call: &str) {
        let call = short(call.as_bytes());
        if self.pending.len() < PENDING_MAX && !self.pending.contains(&call) {
            self.pending.push(call);
        }
    }

    /// Its result.
    pub(super) fn settle(&mut self, call: &str) {
        let call = short(call.as_bytes());
        self.pending.retain(|known| *known != call);
    }
}

/// An answer that was said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Answer {
    /// Its id, hashed.
    pub(super) id: u64,
    /// Its place.
    pub(super) ordinal: u32,
    /// Its blocks, hashed, the newest ones.
    pub(super) blocks: Vec<u64>,
    /// Its output tokens.
    pub(super) output: Option<u64>,
}

/// The answer whose pieces are being put together when a reading ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Unclosed {
    /// Where its first piece stands in the file.
    pub(super) at: u64,
    /// Its place.
    pub(super) ordinal: u32,
}

/// The state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// Whether there is a session at all.
    pub(super) is_open: bool,
    /// The thread of the last entry.
    pub(super) thread: Thread,
    /// Whether there are others.
    pub(super) has_forks: bool,
    /// Whether the order of the file counts.
    pub(super) is_linear: bool,
    /// The newest entries of the newest turn.
    pub(super) recent: Vec<u128>,
    /// The last entry.
    pub(super) tip: u128,
    /// How good the name is that the session has.
    pub(super) name_rank: u8,
    /// The ordinal of the file's own session that came last.
    pub(super) last: Option<u32>,
    /// The answer that is not closed yet.
    pub(super) unclosed: Option<Unclosed>,
}

/// A short hash, to recognise things by.
pub(super) fn short(bytes: &[u8]) -> u64 {
    let mut short = [0; 8];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..8]);
    u64::from_le_bytes(short)
}
