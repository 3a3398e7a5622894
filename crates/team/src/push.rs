//! A push: from the archive to a store.

use std::path::Path;
use std::sync::atomic::AtomicBool;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::home::Home;
use carry_kernel::secret::{self, SecretError};
use carry_redact::{Key, Redactor};
use carry_sessions::archive::{Archive, ArchiveError};
use carry_sessions::mask::{self, MaskError};

use crate::plan::Why;
use crate::settings::{Settings, StoreSettings};
use crate::sink::{Client, Sink, SinkError, Traffic};
use crate::state::State;
use carry_sessions::mask::pieces::MaskingError;

pub(crate) mod candidates;
mod cycle;
pub(crate) mod shaping;
mod standing;
mod totals;
mod unit;

use cycle::Cycle;

/// The name of a store's lease and row on the status board: `team/<store>`.
pub fn worker_name(store: &str) -> String {
    format!("team/{store}")
}

/// Why a push ended early.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The store failed.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Masking could not be set up.
    #[error(transparent)]
    Mask(#[from] MaskError),
    /// What is known of the store cannot be read or written.
    #[error(transparent)]
    State(#[from] DbError),
}

/// What a push needs.
pub struct Push<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// What is known of the store.
    pub state: &'a mut State,
    /// The store.
    pub sink: &'a mut dyn Sink,
    /// Its settings.
    pub store: &'a StoreSettings,
    /// The redactor (see [`redactor`]).
    pub redactor: &'a Redactor,
    /// Who pushes. `holder` is taken from the state.
    pub client: Client,
    /// What time it is.
    pub now: &'a dyn Fn() -> Timestamp,
    /// Set to end after the unit at hand.
    pub cancel: &'a AtomicBool,
    /// Told of progress.
    pub progress: &'a dyn Fn(Progress),
}

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// What has changed, as this device knows it; the store is compared by its summary.
    Changed,
    /// Everything is masked and compared anew, row by row, with what the store has when it is read back. What the store has of this
    /// device and the archive does not know is taken out.
    Full,
}

/// How far a push is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Units looked at.
    pub done: u64,
    /// Units to look at.
    pub of: u64,
}

/// One unit that was pushed, withdrawn or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The unit.
    pub key: String,
    /// Why.
    pub why: Why,
    /// Rows written and taken out.
    pub put: u64,
    /// See `put`.
    pub taken: u64,
}

/// What a push did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Units that changed in the store.
    pub done: Vec<Done>,
    /// Units that were looked at and are as they should be.
    pub same: u64,
    /// Units that failed, with the reason.
    pub failed: Vec<(String, String)>,
    /// Units that another device of this owner put.
    pub elsewhere: Vec<(String, String)>,
    /// Units that the store has of this device, and this archive knows nothing of: another copy of this home may. A full push
    /// takes them out.
    pub unknown: Vec<String>,
    /// Whether the store was not as remembered (another one, or brought back from a backup), and was compared.
    pub was_repaired: bool,
    /// Whether it was cancelled.
    pub was_stopped: bool,
    /// Places masked in what was pushed.
    pub masked: u64,
    /// What went over the wire.
    pub traffic: Traffic,
}

impl Push<'_> {
    /// Pushes. With `dry` nothing is written anywhere, no claim is taken, and the report says what would be.
    ///
    /// # Errors
    /// [`PushError`].
    pub fn run(self, depth: Depth, dry: bool) -> Result<Report, PushError> {
        let before = self.sink.traffic();
        let mut report = Cycle::new(self, depth, dry)?.run()?;
        report.traffic = report.traffic.since(before);
        Ok(report)
    }
}

impl Traffic {
    /// What has gone over the wire since it was `before`.
    fn since(self, before: Self) -> Self {
        Self {
            queries: self.queries.saturating_sub(before.queries),
            rows_written: self.rows_written.saturating_sub(before.rows_written),
            rows_removed: self.rows_removed.saturating_sub(before.rows_removed),
            bytes: self.bytes.saturating_sub(before.bytes),
        }
    }
}

/// Why one unit did not get there.
#[derive(Debug)]
pub(crate) enum UnitError {
    /// It is set aside; the others go on.
    Aside {
        /// Why.
        why: String,
        /// Whether it could not be masked.
        is_unmasked: bool,
    },
    /// Something else stands in the store than was thought.
    Moved,
    /// The device with this origin put it.
    Elsewhere(String),
    /// The push was cancelled.
    Stopped,
    /// Nothing can go on.
    Fatal(PushError),
}

impl From<SinkError> for UnitError {
    fn from(error: SinkError) -> Self {
        if error.class.is_of_unit() {
            Self::Aside { why: error.message, is_unmasked: false }
        } else {
            Self::Fatal(error.into())
        }
    }
}

impl From<ArchiveError> for UnitError {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Damaged { .. } => Self::Aside { why: error.to_string(), is_unmasked: false },
            error => Self::Fatal(error.into()),
        }
    }
}

impl From<MaskingError> for UnitError {
    fn from(error: MaskingError) -> Self {
        match error {
            MaskingError::Archive(error) => error.into(),
            error => Self::Aside { why: error.to_string(), is_unmasked: true },
        }
    }
}

impl From<DbError> for UnitError {
    fn from(error: DbError) -> Self {
        Self::Fatal(error.into())
    }
}

/// The redactor for team stores: the team's key if there is one, else the device's.
///
/// # Errors
/// [`MaskError`].
pub fn redactor(home: &Home, settings: &Settings) -> Result<Redactor, MaskError> {
    let key = match &settings.mask_key_file {
        Some(path) => team_key(path)?,
        None => mask::key(home)?,
    };
    mask::redactor_with(key, &settings.allow)
}

/// The team's key. Whoever has it can try whether a secret is a guessed one, so the file must be the owner's alone.
fn team_key(path: &Path) -> Result<Key, SecretError> {
    Ok(Key::new(secret::load_private(path)?))
}

#[cfg(test)]
pub(crate) mod tests;
