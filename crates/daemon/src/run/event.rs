//! Everything that can wake the daemon.

use std::sync::mpsc::Sender;

use carry_code::upkeep::{UpkeepError, UpkeepReport};
use carry_code::watch;
use carry_kernel::id::TreeId;

use super::exchange;
use super::link::{Found, LinkId, Role};
use super::pool::Ended;
use super::remotes;
use super::sessions;
use super::slot::Key;
use super::team;
use crate::handle::{Answer, Request};

/// What happened.
#[derive(Debug)]
pub(super) enum Event {
    /// The watcher says something.
    Watch(watch::Event),
    /// A tree is watched now, or cannot be, and why.
    Watching {
        tree: TreeId,
        /// The number of the attempt: answers to earlier ones mean nothing.
        attempt: u64,
        outcome: Result<(), String>,
    },
    /// A thread begins what it was given for a tree.
    Begun(TreeId),
    /// A capture takes a step.
    Progress { tree: TreeId, step: String, done: u64, total: u64 },
    /// A capture ended.
    Ended(Box<Ended>),
    /// Upkeep of a tree ended; `Err` holds a panic's message.
    Kept(TreeId, Box<Result<Result<UpkeepReport, UpkeepError>, String>>),
    /// Where a tree's lines go, or why nobody can tell.
    Remotes { tree: TreeId, found: Result<Found, String> },
    /// A cycle takes a step.
    Stepped { key: Key, step: String },
    /// An exchange ended.
    Exchanged { link: LinkId, role: Role, outcome: Box<exchange::Outcome> },
    /// Something changed where agents keep their sessions.
    SessionsHeard(sessions::Heard),
    /// How the places of sessions are watched now.
    SessionsArmed(sessions::Armed),
    /// A pass over the sessions ended.
    SessionsPassed(sessions::Outcome),
    /// A push to a team store ended.
    PushedToStore { store: String, outcome: Box<team::Outcome> },
    /// There may be news at a remote.
    RemoteStirred(String),
    /// An exchange with a remote ended; the last one is made while the daemon stops.
    RoundEnded { remote: String, is_last: bool, outcome: Box<remotes::Outcome> },
    /// Whether the network costs money, if anybody knows.
    Metered(Option<bool>),
    /// Somebody asks.
    Asked { request: Request, reply: Sender<Answer> },
    /// The system, or the user through it, says something.
    Signal(Signal),
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    /// End gracefully.
    Stop,
    /// Look again.
    Reload,
}

impl Event {
    /// For the log.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Watch(_) => "watch",
            Self::Watching { .. } => "watching",
            Self::Begun(_) => "begun",
            Self::Progress { .. } => "progress",
            Self::Ended(_) => "ended",
            Self::Kept(..) => "kept",
            Self::Remotes { .. } => "remotes",
            Self::Stepped { .. } => "stepped",
            Self::Exchanged { .. } => "exchanged",
            Self::SessionsHeard(_) => "sessions-heard",
            Self::SessionsArmed(_) => "sessions-armed",
            Self::SessionsPassed(_) => "sessions-passed",
            Self::PushedToStore { .. } => "pushed-to-store",
            Self::RemoteStirred(_) => "remote-stirred",
            Self::RoundEnded { .. } => "round-ended",
            Self::Metered(_) => "metered",
            Self::Asked { .. } => "asked",
            Self::Signal(_) => "signal",
        }
    }
}
