//! The stream `sessions`: what was said in sessions, masked.
//!
//! Each device tells of the sessions that it reads itself, and takes in what others tell of theirs. A session's account is a
//! *generation*: facts, and messages by ordinal, each said anew when it changes. When what was said does not hold any more (the
//! file was rewritten, a secret turned up in what was said before), a new generation takes the place of the old one.
//!
//! ```text
//!   archive ── changed sessions ──> masked ──> differs from what was said? ──> outbox ──> own log
//!   other logs ──> newest word of each lineage on each message ──> the generation that is shown ──> archive
//! ```
//!
//! What was said, by whoever, is kept as one row a message and lineage (`said`), own records' too: an archive that was
//! rebuilt learns from its own log what it said, and says it not again. Of the lineages' newest words the one with the greatest
//! stamp counts; of generations that nothing replaced, the longest is shown. All of that is the same in whatever order records
//! come. A session that is read here shows what its file says, whatever others say of it.
//!
//! The format is described in `docs/formats/exchange-sessions.md`.

use std::collections::BTreeSet;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::record::Record;
use carry_exchange::store::{LogState, Store, StoreError};
use carry_exchange::strand::outbox::Pushed;
use carry_exchange::strand::{Batch, Offered, Origin, Strand, StrandError, outbox};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::home::Home;
use carry_redact::Redactor;

use super::Unread;
use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

mod burst;
mod devices;
mod fold;
mod forget;
mod incomplete;
mod offer;
mod payload;
mod plan;
mod retract;
mod said;
mod show;
#[cfg(test)]
mod tests;
mod unsayable;
mod void;
mod winner;

use burst::Told;
pub(crate) use devices::BROUGHT_BY;
pub(crate) use forget::forget;
pub use incomplete::{Incomplete, run_in_words};
pub use unsayable::Unsayable;

/// The stream's name.
pub const STREAM: &str = "sessions";

/// Bounds of what is said.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Messages of one record at most.
    pub burst_messages: usize,
    /// Bytes of messages after which a record is closed.
    pub burst_bytes: usize,
    /// Bytes of a text from which on it is split into pieces. A piece, escaped, must fit into a record.
    pub piece_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { burst_messages: 64, burst_bytes: 64 * 1024, piece_bytes: 384 * 1024 }
    }
}

/// The stream's strand: the archive, and what masks what leaves it.
#[derive(Debug)]
pub struct ContentStrand {
    archive: Archive,
    redactor: Redactor,
    limits: Limits,
    stream: StreamName,
    /// What lies in the outbox since this process put it there.
    pushed: Pushed<Told>,
}

/// Why the stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ContentError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The archive's database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A statement on it failed.
    #[error("the archive's database failed")]
    Sqlite(#[from] carry_kernel::db::rusqlite::Error),
    /// The exchange failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ContentStrand {
    /// Opens the archive of `home`, made when missing. `origin` is this device's id, see [`Archive::open`].
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(home: &Home, origin: &str, redactor: Redactor, limits: Limits) -> Result<Self, ArchiveError> {
        Ok(Self::over(Archive::open(home, origin)?, redactor, limits))
    }

    /// One over an archive that is open.
    pub fn over(archive: Archive, redactor: Redactor, limits: Limits) -> Self {
        let stream = STREAM.parse().expect("a name of the form that streams have");
        Self { archive, redactor, limits, stream, pushed: Pushed::default() }
    }

    /// The archive.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// The archive, to write to it.
    pub fn archive_mut(&mut self) -> &mut Archive {
        &mut self.archive
    }

    /// Folds what this device said itself and this archive does not know: it was rebuilt, or its records moved to another log.
    fn catch_up(&mut self, store: &mut Store) -> Result<(), StrandError> {
        let is_own = |state| matches!(state, LogState::Own | LogState::Former);
        let own: Vec<LogId> = store.logs()?.into_iter().filter(|row| is_own(row.state)).map(|row| row.log).collect();
        for log in own {
            let held = store.held(log, 0)?.remove(&self.stream).unwrap_or_default();
            let origin = Origin { log, track: 0, stream: self.stream.clone() };
            if !held.difference(&self.applied(&origin)?).is_empty() {
                store.deliver(self)?;
                break;
            }
        }
        Ok(())
    }
}

fn knows(kind: u16, version: u16) -> bool {
    matches!(kind, payload::SESSION | payload::MESSAGES) && version == payload::VERSION
}

/// What of a record cannot be read. Pieces are not put together for that.
pub(super) fn unread(record: &Record) -> Unread {
    let nothing = Unread { n_records: 1, ..Unread::default() };
    if !knows(record.kind, record.kind_version) {
        return Unread::default();
    }
    let is_named = std::str::from_utf8(&record.key).is_ok_and(|key| SessionId::parse(key).is_some());
    match payload::Payload::decode(record.kind, &record.payload) {
        Ok(payload) if is_named => match payload.body {
            payload::Body::Session(json) if payload::decode_facts(&json).is_err() => nothing,
            payload::Body::Messages(messages) => {
                let mut unread = Unread::default();
                for json in &messages {
                    match payload::decode_message(json) {
                        Ok(read) if payload::is_whole(&read) => {}
                        // What has no number has no place, and is not shown.
                        Err(_) if payload::ordinal_of(json).is_err() => unread.n_records += 1,
                        Ok(_) | Err(_) => unread.n_messages += 1,
                    }
                }
                unread
            }
            _ => Unread::default(),
        },
        _ => nothing,
    }
}

impl Strand for ContentStrand {
    fn stream(&self) -> &StreamName {
        &self.stream
    }

    fn offer(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, StrandError> {
        // What was handed over to the outbox before a crash comes first: it counts as said.
        let n_before = self.drain(store, now)?;
        self.catch_up(store)?;
        let mut offered = self.say(store, bytes, now)?;
        offered.n_records += n_before;
        Ok(offered)
    }

    fn knows(&self, kind: u16, version: u16) -> bool {
        knows(kind, version)
    }

    fn applied(&mut self, origin: &Origin) -> Result<Ranges, StrandError> {
        Ok(outbox::applied(self.archive.db.conn(), origin)?)
    }

    fn origins(&mut self) -> Result<Vec<Origin>, StrandError> {
        Ok(outbox::origins(self.archive.db.conn(), &self.stream)?)
    }

    fn fold(&mut self, batch: &Batch<'_>) -> Result<(), StrandError> {
        Ok(self.fold_batch(batch)?)
    }

    fn retract(&mut self, origin: &Origin, after: u64) -> Result<(), StrandError> {
        Ok(self.take_back(origin, after)?)
    }

    fn void(&self, of_one_key: &[Record]) -> BTreeSet<u64> {
        void::void(of_one_key)
    }
}
