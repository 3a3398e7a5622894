//! What a command can ask of a daemon, in process or over the socket.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use carry_kernel::worker::Status;
use serde::{Deserialize, Serialize};

/// One question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// How it is.
    Status,
    /// Capture these trees now (all when empty) and answer when that is durable.
    Capture {
        /// The trees.
        trees: Vec<TreeId>,
        /// Trust the watcher instead of looking at every file.
        watched: bool,
    },
    /// Registered trees or configuration changed: look again.
    Reload,
    /// A command changed the archive of sessions: whatever goes by it is to follow.
    SessionsChanged,
    /// End gracefully.
    Stop,
}

/// One answer. A capture first yields any number of `Progress`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", content = "of", rename_all = "kebab-case")]
pub enum Answer {
    /// To `Status`.
    Status(Box<DaemonStatus>),
    /// What a running capture does.
    Progress {
        /// Of which tree.
        tree: TreeId,
        /// The step.
        step: String,
        /// How many …
        done: u64,
        /// … of how many; 0 if unknown.
        total: u64,
    },
    /// To `Capture`: one result a tree.
    Captured(Vec<CaptureResult>),
    /// To `Reload`, `SessionsChanged` and `Stop`.
    Done,
    /// The question could not be answered; a full sentence.
    Failed {
        /// What is wrong.
        message: String,
    },
}

/// How a daemon is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Since when (wall clock).
    pub started: Timestamp,
    /// Folders watched.
    pub watches: usize,
    /// Each tree's worker, by tree id.
    pub workers: BTreeMap<String, Status>,
    /// The workers that push and ask remotes, by the name of their row on the status board: `push/<repository>/<remote>`,
    /// `radar/…`.
    #[serde(default)]
    pub links: BTreeMap<String, Status>,
    /// The workers that push to team stores, by the name of their row on the status board: `team/<store>`.
    #[serde(default)]
    pub team: BTreeMap<String, Status>,
    /// The workers that exchange with remotes, by the name of their row on the status board: `exchange/<remote>`.
    #[serde(default)]
    pub remotes: BTreeMap<String, Status>,
    /// The worker that archives sessions with agents.
    #[serde(default)]
    pub sessions: Option<Status>,
    /// What is wrong with the user's configuration file, while it cannot be read or parsed.
    #[serde(default)]
    pub config: Option<ConfigProblem>,
}

/// A configuration file that says nothing to a daemon until it is mended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigProblem {
    /// Since when (wall clock): when the file was written so, or when the daemon found out, whichever was first.
    pub since: Timestamp,
    /// The file.
    pub file: String,
    /// Where in it, from 1.
    pub line: usize,
    /// What is wrong, in a full sentence.
    pub message: String,
    /// Whether the daemon read other settings before, and goes by these. Else it goes by what is built in, and captures and
    /// archives nothing.
    pub has_earlier: bool,
}

/// What a capture of one tree came to, as it crosses the socket. `snapshot` is a commit id in hex.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureResult {
    /// The tree.
    pub tree: TreeId,
    /// The newest snapshot, if there is one.
    pub snapshot: Option<String>,
    /// Whether it is new.
    pub new: bool,
    /// Its first line.
    pub subject: Option<String>,
    /// Paths left out, as `(path with odd bytes as %xx, reason)`.
    pub skipped: Vec<(String, String)>,
    /// Why it failed; a full sentence.
    pub error: Option<String>,
    /// Of what kind that is, if a command knows what to do about it: one of [`reason`].
    #[serde(default)]
    pub reason: Option<String>,
}

/// Kinds of failures of a capture, as they cross the socket.
pub mod reason {
    /// The budget is used up.
    pub const OVER_BUDGET: &str = "over-budget";
    /// The disk is full.
    pub const DISK_FULL: &str = "disk-full";
    /// The repository belongs to somebody else.
    pub const UNTRUSTED: &str = "untrusted";
    /// The folder is not there.
    pub const MISSING: &str = "missing";
    /// The configuration says that it is not to be captured.
    pub const SWITCHED_OFF: &str = "switched-off";
    /// The user paused it.
    pub const PAUSED: &str = "paused";
}

/// Why a daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    /// None is running.
    #[error("no daemon is running")]
    NotRunning,
    /// The connection broke or the answer makes no sense.
    #[error("the daemon did not answer properly")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The daemon as commands see it; the same over the socket and in process.
pub trait Handle {
    /// Asks, hands every `Progress` to `progress`, returns the final answer.
    ///
    /// # Errors
    /// [`HandleError`].
    fn ask(&self, request: &Request, progress: &mut dyn FnMut(&Answer)) -> Result<Answer, HandleError>;
}
