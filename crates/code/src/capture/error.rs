//! Why a capture failed.

use crate::refs::RefError;

/// Why a capture failed. The working tree and the user's Git state are untouched; the next capture starts afresh.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// The working tree could not be opened.
    #[error(transparent)]
    Open(#[from] crate::repo::OpenError),
    /// Nothing more may be written.
    #[error("the budget is used up: {used} of {ceiling} bytes")]
    OverBudget {
        /// Used.
        used: u64,
        /// Allowed.
        ceiling: u64,
    },
    /// The disk is (nearly) full.
    #[error("only {free} bytes are free on the repository's file system")]
    DiskFull {
        /// Free bytes.
        free: u64,
    },
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] carry_kernel::disk::DiskError),
    /// The line could not be moved.
    #[error(transparent)]
    Ref(#[from] RefError),
    /// The line could not be read.
    #[error(transparent)]
    History(#[from] crate::history::HistoryError),
    /// Git's own data could not be read.
    #[error("cannot read {what}")]
    Git {
        /// What.
        what: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database failed.
    #[error(transparent)]
    Db(#[from] carry_kernel::db::DbError),
    /// The identity could not be read.
    #[error(transparent)]
    Device(#[from] carry_kernel::device::DeviceError),
    /// The lease was lost, the capture was cancelled, or the device has a new identity by now.
    #[error("the capture was cancelled")]
    Cancelled,
    /// A file of settings cannot be parsed, so that nobody knows what is not to be captured.
    #[error("nothing is captured until the configuration is mended: {problem}")]
    Configuration {
        /// The file, the place, and what is wrong.
        problem: String,
    },
    /// Objects the snapshot needs kept vanishing.
    #[error("{n} objects vanished from the repository while it was captured")]
    Vanished {
        /// How many.
        n: usize,
    },
}

impl CaptureError {
    /// Whether it may be gone when everything is read afresh: Git packs objects and removes files at any moment.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Ref(RefError::Moved { .. }) | Self::History(_) | Self::Git { .. } => true,
            Self::Disk(error) => error.source.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }
}
