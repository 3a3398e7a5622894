//! Writing to the archive: what readings of units say becomes rows.

use std::collections::HashSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, params};
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::body::Codec;
use super::page::Pages;
use super::session_state::State;
use super::{Archive, ArchiveError};
use crate::model::{Agent, NativeId, SessionId};
use crate::project::Disk;
use crate::source::{Odd, Op, Sink, SinkError};

mod marks;
mod reading;
mod rows;
mod session;
mod unit;

pub use reading::Cut;
pub(super) use rows::{MESSAGE_COLUMNS, message_of, recount};
use session::OpenSession;
pub(crate) use session::{ReceivedName, ReceivedSession, Receiver};
use unit::OpenUnit;
pub use unit::UnitRow;
pub(super) use unit::units;

/// The log is taken over every 64 MiB.
const LOG_IN_BULK: &str = "PRAGMA wal_autocheckpoint = 16384";

/// So much is written in small batches at first.
const FIRST_BYTES: usize = 32 * 1024 * 1024;

/// How large those are.
const FIRST_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The source whose sessions give way to those of any other.
pub(crate) const WEAK_SOURCE: &str = "agentsview";

/// How outputs of calls that a session does not have are counted, and what goes on a message that it does not have.
const STRAY: &str = "stray";

/// When a batch is written.
#[derive(Clone, Copy, Debug)]
pub struct WriterLimits {
    /// Bytes of text and raw that are held back at most.
    pub batch_bytes: usize,
    /// Pictures above this many bytes are kept by hash only.
    pub blob_bytes_max: usize,
    /// Outputs of tools of the category Read are kept.
    pub keeps_reads: bool,
}

impl Default for WriterLimits {
    fn default() -> Self {
        Self { batch_bytes: 32 * 1024 * 1024, blob_bytes_max: 16 * 1024 * 1024, keeps_reads: true }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Rows that were new.
    pub inserted: u64,
    /// Rows that changed.
    pub updated: u64,
    /// Rows that went.
    pub deleted: u64,
    /// Bytes of raw text taken in that were not there before.
    pub raw_bytes: u64,
    /// Sessions whose digest changed.
    pub sessions: u64,
}

/// Takes readings of units, one after the other, and writes them in batches: one transaction for many units, many for a
/// large one. Dropping it without [`Writer::finish`] gives up what was not committed.
#[derive(Debug)]
pub struct Writer<'a> {
    archive: &'a mut Archive,
    limits: WriterLimits,
    now_ms: i64,
    is_open: bool,
    /// Much is written: the log grows further before it is taken over, so that pages that change often are written once.
    is_bulk: bool,
    held: usize,
    committed: usize,
    /// Sessions that were deleted for good.
    deleted: HashSet<String>,
    unit: Option<OpenUnit>,
    tools: Tools,
}

/// What writing rows needs besides the database.
#[derive(Debug)]
struct Tools {
    codec: Codec,
    pages: Pages,
    /// The number of the next new row; not known at the start of a transaction.
    next: Option<i64>,
    disk: Disk,
    written: Written,
}

impl Tools {
    fn new() -> Self {
        Self {
            codec: Codec::new(),
            pages: Pages::default(),
            next: None,
            disk: Disk::default(),
            written: Written::default(),
        }
    }

    /// The number of a new message or result. They count together, so that a page covers what follows each other.
    fn number(&mut self, conn: &Connection) -> rusqlite::Result<i64> {
        let n = match self.next {
            Some(n) => n,
            None => conn
                .prepare_cached(
                    "SELECT max(ifnull((SELECT max(n) FROM messages), 0), ifnull((SELECT max(n) FROM results), 0)) + 1",
                )?
                .query_row([], |row| row.get(0))?,
        };
        self.next = Some(n + 1);
        Ok(n)
    }
}

impl<'a> Writer<'a> {
    pub(super) fn new(archive: &'a mut Archive, now: Timestamp, limits: WriterLimits) -> Self {
        let tools = Tools::new();
        let now_ms = now.as_millis();
        Self {
            archive,
            limits,
            now_ms,
            is_open: false,
            is_bulk: false,
            held: 0,
            committed: 0,
            deleted: HashSet::new(),
            unit: None,
            tools,
        }
    }

    /// Commits when enough is held back: early at first, so that a pass that is killed soon leaves something.
    fn flush_if_full(&mut self) -> Result<(), ArchiveError> {
        let full = match self.committed < FIRST_BYTES {
            true => self.limits.batch_bytes.min(FIRST_BATCH_BYTES),
            false => self.limits.batch_bytes,
        };
        if self.held >= full { self.flush() } else { Ok(()) }
    }

    /// Commits what is held back.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn flush(&mut self) -> Result<(), ArchiveError> {
        if !self.is_open {
            return Ok(());
        }
        if self.held >= self.limits.batch_bytes && !self.is_bulk {
            self.is_bulk = true;
            self.archive.db.conn().execute_batch(LOG_IN_BULK).map_err(self.archive.db.failed())?;
        }
        let path = self.archive.db.path();
        self.tools.pages.close(self.archive.db.conn()).map_err(self.archive.db.failed())?;
        fault::point("sessions.batch").map_err(DiskError::at("write", path))?;
        self.archive.db.conn().execute_batch("COMMIT").map_err(self.archive.db.failed())?;
        self.committed = self.committed.saturating_add(self.held);
        (self.is_open, self.held) = (false, 0);
        self.archive.db.let_others_write();
        fault::point("sessions.committed").map_err(DiskError::at("write", path))?;
        if self.unit.is_some() {
            self.begin()?;
        }
        Ok(())
    }

    /// Commits and says what was written.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn finish(mut self) -> Result<Written, ArchiveError> {
        self.flush()?;
        if self.is_bulk {
            self.archive.take_over_log()?;
        }
        Ok(self.tools.written)
    }

    fn begin(&mut self) -> Result<(), ArchiveError> {
        if self.is_open {
            return Ok(());
        }
        let failed = self.archive.db.failed();
        let conn = self.archive.db.conn();
        conn.execute_batch("BEGIN IMMEDIATE").map_err(&failed)?;
        self.is_open = true;
        // Another process may have written since.
        self.tools.next = None;
        let deleted = || -> rusqlite::Result<HashSet<String>> {
            let sql = "SELECT session FROM curation WHERE field = 'deleted' AND value IS NOT NULL";
            conn.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        self.deleted = deleted().map_err(failed)?;
        Ok(())
    }

    fn take(&mut self, op: Op) -> rusqlite::Result<()> {
        let conn = self.archive.db.conn();
        let Some(unit) = &mut self.unit else { return Ok(()) };
        match op {
            Op::Session { agent, native, relation } => {
                let agent = agent.unwrap_or(unit.agent);
                let at = match unit.by_name.get(&(agent, native.clone())) {
                    Some(at) => *at,
                    None => {
                        let id = SessionId::new(&self.archive.origin, agent, &native);
                        let is_deleted = self.deleted.contains(id.as_str());
                        let owner = session::Owner { unit: unit.id, is_weak: unit.is_weak };
                        let reading = session::Reading { is_whole: unit.is_whole, is_deleted, now_ms: self.now_ms };
                        let open = OpenSession::open(conn, &self.archive.origin, agent, &native, owner, reading)?;
                        unit.sessions.push(open);
                        unit.by_name.insert((agent, native), unit.sessions.len() - 1);
                        unit.sessions.len() - 1
                    }
                };
                unit.current = Some(at);
                unit.sessions[at].relate(relation);
            }
            Op::Odd { kind, .. } => {
                let name = match kind {
                    Odd::Malformed => "malformed",
                    Odd::TooLong => "too_long",
                    Odd::NotUtf8 => "not_utf8",
                    Odd::Control => "control",
                    Odd::Unknown => "unknown",
                };
                unit.malformed += u64::from(matches!(kind, Odd::Malformed | Odd::TooLong));
                *unit.odd.entry(name.to_owned()).or_default() += 1;
            }
            Op::Blob { hash, media, bytes } => {
                self.held += bytes.len();
                let kept = (bytes.len() <= self.limits.blob_bytes_max).then_some(&bytes);
                conn.prepare_cached("INSERT OR IGNORE INTO blobs (hash, media, size, bytes) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![hash, media, bytes.len() as i64, kept])?;
            }
            op => {
                if let Some(session) = unit.current.and_then(|at| unit.sessions.get_mut(at)) {
                    let strays = session.strays;
                    self.held += session.take(conn, &mut self.tools, op, self.limits.keeps_reads)?;
                    if session.strays > strays {
                        *unit.odd.entry(STRAY.to_owned()).or_default() += 1;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Sink for Writer<'_> {
    fn op(&mut self, op: Op) -> Result<(), SinkError> {
        self.take(op).map_err(|error| ArchiveError::from(self.archive.db.failed()(error)))?;
        Ok(self.flush_if_full()?)
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let Some(unit) = &mut self.unit else { return Ok(()) };
        if unit.is_weak && unit.current.is_some_and(|at| unit.sessions[at].is_ignored()) {
            // The agent's own file is there: another archive's rows of it are not kept, too.
            return Ok(());
        }
        let taken = unit.raw.take(self.archive.db.conn(), bytes);
        unit.raw_bytes += taken.map_err(|e| ArchiveError::from(self.archive.db.failed()(e)))?;
        self.held += bytes.len() / 4;
        Ok(())
    }

    fn token(&mut self, agent: Agent, native: &NativeId) -> Option<String> {
        let known = State::load(self.archive.db.conn(), &self.archive.origin, agent, native).ok().flatten();
        known.and_then(|state| state.token)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if self.is_open {
            // What fails here is undone when the file is closed.
            let _ = self.archive.db.conn().execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
pub(super) mod tests;
