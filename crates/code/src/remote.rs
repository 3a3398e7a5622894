//! Git remotes: which ones a working tree is published to, and how Git is run against them.
//!
//! Git itself speaks to remotes, with the user's ssh, credential helpers and proxies. In the background it may not ask
//! anything; in front of a terminal it may.

use std::sync::atomic::AtomicBool;

use carry_kernel::config::Config;
use carry_kernel::worker::Reason;

use crate::line::Branch;
use crate::repo::Repo;

mod address;
mod choose;
mod failure;
mod list;
mod progress;
mod quarantine;
mod run;
#[cfg(test)]
mod tests;

pub use address::masked;
pub(crate) use address::{push_target, push_url, rewritten, shared_name};
pub use list::{Listing, ls_remote};
pub(crate) use quarantine::Quarantine;
pub(crate) use run::{Output, Run, command};

/// Where a remote can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// A path on this machine.
    Local,
    /// A server on this machine.
    Loopback,
    /// Over the network.
    Network,
}

/// A remote of one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// Its name, or its URL where the configuration names one.
    pub name: String,
    /// Where it fetches from, as configured, without what `insteadOf` makes of it.
    pub url: String,
    /// Where it is reached.
    pub reach: Reach,
}

impl Remote {
    /// Its URL for people and logs: without passwords, tokens and whatever else may be one.
    pub fn shown(&self) -> String {
        address::masked_url(&self.url)
    }

    /// Its name for people and logs; a URL stands here without what may be a password.
    pub fn shown_name(&self) -> String {
        address::masked_url(&self.name)
    }

    /// What everything that is kept about it is kept under: its URL without passwords and tokens, so that a new token
    /// makes no new place of it. An ssh user's name belongs to it.
    pub fn key(&self) -> String {
        address::key(&self.url)
    }

    /// Whether Git pushes to the place that it fetches from. What was agreed to is that place.
    ///
    /// # Errors
    /// [`RemoteError::Elsewhere`] when it does not.
    pub fn may_push(&self, repo: &Repo) -> Result<(), RemoteError> {
        match address::elsewhere(repo, self) {
            Some((fetched, pushed)) => Err(RemoteError::Elsewhere { remote: self.shown_name(), fetched, pushed }),
            None => Ok(()),
        }
    }

    /// What Git is told to fetch from: the name, so that the user's settings for it hold, or the URL.
    pub(crate) fn fetch_target(&self) -> &str {
        &self.name
    }
}

/// How a run against a remote behaves.
pub struct Io<'a> {
    /// Whether Git may ask for passwords.
    pub interactive: bool,
    /// Set by another thread to end it.
    pub cancel: &'a AtomicBool,
    /// Told of each step as it begins, and how far it is: step, done, total (0 if unknown).
    pub progress: &'a dyn Fn(&str, u64, u64),
}

/// Why a remote could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// Git said no, for this reason; `message` is what it said, without secrets.
    #[error("{remote}: {message}")]
    Failed {
        /// The remote's name.
        remote: String,
        /// The class.
        reason: Reason,
        /// What Git said, in one line.
        message: String,
    },
    /// It was ended from here.
    #[error("the exchange with {remote} was cancelled")]
    Cancelled {
        /// The remote's name.
        remote: String,
    },
    /// Git would push to another place than it fetches from.
    #[error(
        "{remote} is fetched from {fetched} and pushed to {pushed}; snapshots are not pushed where they are not fetched from. Name one of them in code.remotes."
    )]
    Elsewhere {
        /// The remote's name.
        remote: String,
        /// Where it is fetched from, without secrets.
        fetched: String,
        /// Where it is pushed to, without secrets.
        pushed: String,
    },
    /// The repository could not be read.
    #[error(transparent)]
    History(#[from] crate::history::HistoryError),
    /// A ref could not be moved.
    #[error(transparent)]
    Ref(#[from] crate::refs::RefError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] carry_kernel::disk::DiskError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] carry_kernel::db::DbError),
    /// The identity could not be renewed.
    #[error(transparent)]
    Device(#[from] carry_kernel::device::DeviceError),
}

impl RemoteError {
    /// The class, as workers and commands need it; `None` when it was cancelled.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Failed { reason, .. } => Some(*reason),
            Self::Cancelled { .. } => None,
            Self::Elsewhere { .. } => Some(Reason::PolicyForbidden),
            Self::History(_) => Some(Reason::InvalidData),
            Self::Ref(_) => Some(Reason::Busy),
            Self::Disk(_) => Some(Reason::StorageFull),
            Self::Db(_) | Self::Device(_) => Some(Reason::InternalError),
        }
    }
}

/// The remotes that lines of `repo` go to while `branch` is checked out, the first being the one drift is told of:
/// `code.remotes` and `core.remote_name`, else the branch's `pushRemote`, `remote.pushDefault`, the branch's upstream,
/// `origin`, the only one there is. Where the configuration names some and the repository has none of them, there is none.
pub fn of(repo: &Repo, config: &Config, branch: &Branch) -> Vec<Remote> {
    choose::of(repo, config, branch)
}

/// What is kept about the remote that Git calls `name` now is kept under this; `None` when there is none. See [`Remote::key`].
pub(crate) fn key_of(repo: &Repo, name: &str) -> Option<String> {
    choose::named(repo, name).map(|remote| remote.key())
}
