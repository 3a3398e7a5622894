//! How a team store stands, as far as this device knows: nothing is connected for it.

use carry_kernel::clock::Timestamp;
use carry_kernel::status::Row;
use carry_kernel::worker::{Phase, Status};
use carry_sessions::archive::Archive;
use carry_team::preview::Preview;
use carry_team::push::{self, worker_name};
use carry_team::settings::{Address, Settings, StoreSettings};
use carry_team::state::{State, StoreRow};

use super::address::Typed;
use crate::failure::Failure;
use crate::text;
use crate::wire::Shell;

/// A store as it stands.
pub(super) struct Stand {
    pub(super) store: StoreSettings,
    /// What is known of it.
    pub(super) row: StoreRow,
    /// What the running daemon's worker says.
    pub(super) worker: Option<Status>,
    /// Units that the next push would look at; `None` when there is no archive.
    pub(super) pending: Option<u64>,
}

/// What all stores have in common.
pub(super) struct Looked {
    pub(super) settings: Settings,
    pub(super) archive: Option<Archive>,
    state: Option<State>,
}

impl Looked {
    /// Opens what there is. Writes nothing.
    pub(super) fn open(shell: &Shell) -> Result<Self, Failure> {
        Ok(Self {
            settings: shell.team(),
            archive: Archive::open_read_only(&shell.home)?,
            state: State::open_read_only(&shell.home)?,
        })
    }

    /// How a store stands. `rows` are those of the running daemon's workers.
    pub(super) fn stand(&self, shell: &Shell, store: &StoreSettings, rows: &[Row]) -> Result<Stand, Failure> {
        let row = self.state.as_ref().map(|state| state.store(&store.name)).transpose()?.unwrap_or_default();
        let name = worker_name(&store.name);
        let worker = rows.iter().find(|row| row.worker == name).map(|row| row.status.clone());
        let pending = self.pending(shell, store)?;
        Ok(Stand { store: store.clone(), row, worker, pending })
    }

    fn pending(&self, shell: &Shell, store: &StoreSettings) -> Result<Option<u64>, Failure> {
        let Some(archive) = &self.archive else { return Ok(None) };
        let redactor = push::redactor(&shell.home, &self.settings)?;
        let preview = Preview { archive, state: self.state.as_ref(), store, redactor: &redactor };
        Ok(Some(preview.pending(shell.now())?))
    }
}

impl Stand {
    /// Where the store is, for people: never with a password.
    pub(super) fn place(&self, shell: &Shell) -> String {
        match &self.store.address {
            Address::Url(url) => {
                Typed::parse(url).map_or_else(|_| "its URL cannot be understood".to_owned(), |typed| typed.shown)
            }
            Address::File(file) => format!("the URL in {}", shell.folder(file)),
        }
    }

    /// Places that were masked in what is in the store.
    pub(super) fn masked(&self) -> u64 {
        self.row.masked.values().sum()
    }

    /// When that was.
    pub(super) fn error_at(&self) -> Option<Timestamp> {
        let worker = self.worker.as_ref().filter(|worker| worker.message.is_some());
        let of_hand = || self.row.error.as_ref().map(|(_, at)| *at);
        worker.map_or_else(of_hand, |worker| worker.last_failure)
    }

    /// What is in the store: `3 sessions, sums of 1 project`.
    pub(super) fn content(&self) -> String {
        content(&self.row)
    }

    /// Until when the daemon waits after a failure.
    pub(super) fn backoff(&self) -> Option<Timestamp> {
        self.worker.as_ref().and_then(|worker| worker.backoff_until)
    }

    /// What went wrong last, while it is not mended.
    pub(super) fn error(&self) -> Option<&str> {
        let of_worker = self.worker.as_ref().and_then(|worker| worker.message.as_deref());
        of_worker.or(self.row.error.as_ref().map(|(why, _)| why.as_str()))
    }

    /// What the daemon does for it.
    pub(super) fn phase(&self) -> &'static str {
        match self.worker.as_ref().map(|worker| &worker.phase) {
            None => "no daemon pushes to it",
            Some(Phase::Idle) => "idle",
            Some(Phase::Working(_)) => "pushing",
            Some(Phase::Failed(_) | Phase::Backoff) => "failing",
            Some(Phase::Healthy) => "healthy",
            Some(Phase::Paused) => "paused",
            Some(Phase::Disabled) => "switched off",
        }
    }
}

/// What is in a store: `3 sessions, sums of 1 project`.
pub(super) fn content(row: &StoreRow) -> String {
    let sessions = text::count(row.units - row.sums, "session");
    match row.sums {
        0 => sessions,
        n => format!("{sessions}, sums of {}", text::count(n, "project")),
    }
}
