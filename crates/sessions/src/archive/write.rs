//! Writing to the archive: what readings of units say becomes rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use super::body::Codec;
use super::page::Pages;
use super::raw::RawWriter;
use super::session_state::State;
use super::{Archive, ArchiveError};
use crate::model::{Agent, NativeId, SessionId};
use crate::project::Disk;
use crate::source::{Checkpoint, Mode, Odd, Op, ReadEnd, Sink, SinkError, Stamp, Unit};

mod marks;
mod rows;
mod session;

pub(super) use rows::{MESSAGE_COLUMNS, message_of, recount};
use session::OpenSession;
pub(crate) use session::{ReceivedName, ReceivedSession, Receiver};

/// The log is taken over every 64 MiB.
const LOG_IN_BULK: &str = "PRAGMA wal_autocheckpoint = 16384";

/// So much is written in small batches at first.
const FIRST_BYTES: usize = 32 * 1024 * 1024;

/// How large those are.
const FIRST_BATCH_BYTES: usize = 4 * 1024 * 1024;

/// The source whose sessions give way to those of any other.
const WEAK_SOURCE: &str = "agentsview";

/// How outputs of calls that a session does not have are counted, and what goes on a message that it does not have.
const STRAY: &str = "stray";

/// A unit as the archive knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// The row.
    pub id: i64,
    /// The source's name.
    pub source: String,
    /// Where it is.
    pub path: PathBuf,
    /// How it looked when it was read.
    pub stamp: Stamp,
    /// The version of the source that read it.
    pub version: u32,
    /// From where to go on.
    pub checkpoint: Checkpoint,
    /// Whether the last reading came to its end.
    pub is_complete: bool,
    /// Whether its last line was still being written.
    pub is_unfinished: bool,
    /// Lines that could not be read.
    pub malformed: u64,
    /// Records that nobody knows, and other odd things, counted by kind.
    pub odd: Vec<(String, u64)>,
    /// Why it is no session.
    pub skipped: Option<String>,
    /// Why it could not be read.
    pub error: Option<String>,
    /// Since when it is gone.
    pub missing: Option<Timestamp>,
}

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

/// A unit of which its agent took away bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// A session of it.
    pub session: String,
    /// Bytes that it had.
    pub before: u64,
    /// Bytes that it has.
    pub after: u64,
    /// Whether units like it only grow, so that any other change takes something away.
    pub should_only_grow: bool,
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

/// A unit that is being read.
#[derive(Debug)]
struct OpenUnit {
    id: i64,
    agent: Agent,
    stamp: Stamp,
    version: u32,
    is_whole: bool,
    is_weak: bool,
    raw: RawWriter,
    raw_bytes: usize,
    malformed: u64,
    odd: BTreeMap<String, u64>,
    sessions: Vec<OpenSession>,
    by_name: HashMap<(Agent, NativeId), usize>,
    current: Option<usize>,
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

    /// Begins a reading of `unit` by the source of this name and version. Ends with [`Writer::end_unit`] or
    /// [`Writer::fail_unit`].
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn begin_unit(
        &mut self,
        source: &str,
        agent: Agent,
        version: u32,
        unit: &Unit,
        mode: &Mode,
    ) -> Result<(), ArchiveError> {
        self.begin()?;
        let failed = self.archive.db.failed();
        let conn = self.archive.db.conn();
        let begun = begin_unit(conn, source, agent, version, unit, mode).map_err(failed)?;
        self.unit = Some(begun);
        Ok(())
    }

    /// The reading came to its end; its checkpoint commits with its rows. Says what the unit had before, when it has that no
    /// longer.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn end_unit(&mut self, end: ReadEnd) -> Result<Option<Cut>, ArchiveError> {
        let Some(mut unit) = self.unit.take() else { return Ok(None) };
        let failed = self.archive.db.failed();
        let conn = self.archive.db.conn();
        let mut ended = || -> rusqlite::Result<Option<Cut>> {
            let generation = unit.raw.end(conn)?;
            if !unit.sessions.is_empty() && unit.sessions.iter().all(|session| session.is_deleted) {
                conn.prepare_cached("DELETE FROM raw WHERE unit = ?1")?.execute([unit.id])?;
            }
            for session in &mut unit.sessions {
                session.end(conn, &mut self.tools, unit.is_whole, unit.malformed, self.now_ms)?;
            }
            let odd = serde_json::to_string(&unit.odd).unwrap_or_default();
            let (stamp, checkpoint) = (&unit.stamp, &end.checkpoint);
            conn.prepare_cached(
                "UPDATE units SET size = ?2, mtime_ns = ?3, ctime_ns = ?4, inode = ?5, device = ?6, beside = ?7, version = ?8,
                 generation = ?9, offset = ?10, state = ?11, probes = ?12, is_complete = 1, is_unfinished = ?13,
                 malformed = ?14, odd = ?15, skipped = ?16, error = NULL, missing_ms = NULL WHERE id = ?1",
            )?
            .execute(params![
                unit.id,
                stamp.size as i64,
                stamp.mtime_ns,
                stamp.ctime_ns,
                stamp.inode as i64,
                stamp.device as i64,
                stamp.beside as i64,
                unit.version,
                generation,
                checkpoint.offset as i64,
                checkpoint.state,
                checkpoint.probes,
                end.is_unfinished,
                unit.malformed as i64,
                odd,
                end.skipped,
            ])?;
            let Some((before, after)) = unit.raw.cut() else { return Ok(None) };
            // Without a session nothing was lost that anybody could ask for.
            let session = conn
                .prepare_cached("SELECT id FROM sessions WHERE unit = ?1 ORDER BY n LIMIT 1")?
                .query_row([unit.id], |row| row.get(0))
                .optional()?;
            // Only files of lines are probed for whether they still begin with what was read.
            let should_only_grow = !checkpoint.probes.is_empty();
            Ok(session.map(|session| Cut { session, before, after, should_only_grow }))
        };
        let cut = ended().map_err(failed)?;
        self.tools.written.raw_bytes += unit.raw_bytes as u64;
        self.flush_if_full()?;
        Ok(cut)
    }

    /// The reading failed with `reason`: rows that were said stay, the unit is read again when it changes or at the next
    /// start of a pass that retries.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn fail_unit(&mut self, reason: &str) -> Result<(), ArchiveError> {
        self.close_unit(Some(reason))
    }

    /// Ends a reading that did not come to its end.
    fn close_unit(&mut self, reason: Option<&str>) -> Result<(), ArchiveError> {
        let Some(mut unit) = self.unit.take() else { return Ok(()) };
        let failed = self.archive.db.failed();
        let conn = self.archive.db.conn();
        let mut end = || -> rusqlite::Result<()> {
            for session in &mut unit.sessions {
                session.end(conn, &mut self.tools, false, unit.malformed, self.now_ms)?;
            }
            let stamp = &unit.stamp;
            conn.prepare_cached(
                "UPDATE units SET error = ?2, is_complete = 0, missing_ms = NULL, size = ?3, mtime_ns = ?4, ctime_ns = ?5,
                 inode = ?6, device = ?7, beside = ?8 WHERE id = ?1",
            )?
            .execute(params![
                unit.id,
                reason,
                stamp.size as i64,
                stamp.mtime_ns,
                stamp.ctime_ns,
                stamp.inode as i64,
                stamp.device as i64,
                stamp.beside as i64,
            ])?;
            Ok(())
        };
        Ok(end().map_err(failed)?)
    }

    /// Notes that a unit is gone; its sessions stay.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn unit_missing(&mut self, id: i64) -> Result<(), ArchiveError> {
        self.begin()?;
        let conn = self.archive.db.conn();
        let gone = || -> rusqlite::Result<()> {
            for sql in [
                "UPDATE units SET missing_ms = ?2 WHERE id = ?1 AND missing_ms IS NULL",
                "UPDATE sessions SET missing_ms = ?2 WHERE unit = ?1 AND missing_ms IS NULL",
            ] {
                conn.prepare_cached(sql)?.execute((id, self.now_ms))?;
            }
            Ok(())
        };
        Ok(gone().map_err(self.archive.db.failed())?)
    }

    /// A unit lies elsewhere now; nothing else about it changed. A unit that lay there before counts as gone, and keeps what it
    /// held.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn move_unit(&mut self, id: i64, path: &Path) -> Result<(), ArchiveError> {
        self.begin()?;
        let conn = self.archive.db.conn();
        let moved = || -> rusqlite::Result<()> {
            let path = path.as_os_str().as_bytes();
            // What lay there before is gone from the disk, not from here: it keeps its bytes under a name of its own.
            let replaced: Option<i64> = conn
                .prepare_cached("SELECT id FROM units WHERE path = ?1 AND id <> ?2")?
                .query_row((path, id), |row| row.get(0))
                .optional()?;
            if let Some(replaced) = replaced {
                let aside = [path, format!(".replaced-{replaced}").as_bytes()].concat();
                conn.prepare_cached("UPDATE units SET path = ?2, missing_ms = ifnull(missing_ms, ?3) WHERE id = ?1")?
                    .execute((replaced, aside, self.now_ms))?;
                conn.prepare_cached("UPDATE sessions SET missing_ms = ifnull(missing_ms, ?2) WHERE unit = ?1")?
                    .execute((replaced, self.now_ms))?;
            }
            conn.prepare_cached("UPDATE units SET path = ?2, missing_ms = NULL WHERE id = ?1")?.execute((id, path))?;
            conn.prepare_cached("UPDATE sessions SET missing_ms = NULL WHERE unit = ?1")?.execute([id])?;
            Ok(())
        };
        Ok(moved().map_err(self.archive.db.failed())?)
    }

    /// The reading was interrupted, by a stop or because it must be done anew as a whole: what was said may stay, and the
    /// unit counts as one whose reading was cut off.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn interrupt_unit(&mut self) -> Result<(), ArchiveError> {
        self.close_unit(None)
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

fn begin_unit(
    conn: &Connection,
    source: &str,
    agent: Agent,
    version: u32,
    unit: &Unit,
    mode: &Mode,
) -> rusqlite::Result<OpenUnit> {
    let path = unit.path.as_os_str().as_bytes();
    let known: Option<(i64, i64, u64, Option<String>)> = conn
        .prepare_cached("SELECT id, generation, malformed, odd FROM units WHERE path = ?1")?
        .query_row([path], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64, row.get(3)?)))
        .optional()?;
    let (id, generation, malformed, odd) = match known {
        Some(known) => {
            conn.prepare_cached("UPDATE units SET is_complete = 0, source = ?2 WHERE id = ?1 AND is_complete = 1")?
                .execute((known.0, source))?;
            known
        }
        None => {
            conn.prepare_cached(
                "INSERT INTO units (source, path, size, mtime_ns, ctime_ns, inode, device, beside, version, generation, offset,
                 state, probes, is_complete, is_unfinished) VALUES (?1, ?2, 0, 0, 0, 0, 0, 0, ?3, 0, 0, x'', x'', 0, 0)",
            )?
            .execute(params![source, path, version])?;
            (conn.last_insert_rowid(), 0, 0, None)
        }
    };
    let (raw, is_whole) = match mode {
        Mode::Whole => (RawWriter::anew(conn, id, generation)?, true),
        Mode::From(checkpoint) => (RawWriter::at(conn, id, generation, checkpoint.offset)?, false),
    };
    let odd = odd.filter(|_| !is_whole).and_then(|odd| serde_json::from_str(&odd).ok()).unwrap_or_default();
    Ok(OpenUnit {
        id,
        agent,
        stamp: unit.stamp,
        version,
        is_whole,
        is_weak: source == WEAK_SOURCE,
        raw,
        raw_bytes: 0,
        malformed: if is_whole { 0 } else { malformed },
        odd,
        sessions: Vec::new(),
        by_name: HashMap::new(),
        current: None,
    })
}

/// The units of the archive, or the one at `path`.
pub(super) fn units(conn: &Connection, path: Option<&Path>) -> rusqlite::Result<Vec<UnitRow>> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT id, source, path, size, mtime_ns, ctime_ns, inode, device, beside, version, offset, state, probes,
         is_complete, is_unfinished, malformed, odd, skipped, error, missing_ms FROM units{}",
        if path.is_some() { " WHERE path = ?1" } else { "" }
    ))?;
    let path = path.map(|path| path.as_os_str().as_bytes());
    let rows = query.query_map(rusqlite::params_from_iter(path), |row| {
        let path: Vec<u8> = row.get(2)?;
        let odd: Option<String> = row.get(16)?;
        let odd: BTreeMap<String, u64> = odd.and_then(|odd| serde_json::from_str(&odd).ok()).unwrap_or_default();
        Ok(UnitRow {
            id: row.get(0)?,
            source: row.get(1)?,
            path: PathBuf::from(std::ffi::OsString::from_vec(path)),
            stamp: Stamp {
                size: row.get::<_, i64>(3)? as u64,
                mtime_ns: row.get(4)?,
                ctime_ns: row.get(5)?,
                inode: row.get::<_, i64>(6)? as u64,
                device: row.get::<_, i64>(7)? as u64,
                beside: row.get::<_, i64>(8)? as u64,
            },
            version: row.get(9)?,
            checkpoint: Checkpoint { offset: row.get::<_, i64>(10)? as u64, state: row.get(11)?, probes: row.get(12)? },
            is_complete: row.get(13)?,
            is_unfinished: row.get(14)?,
            malformed: row.get::<_, i64>(15)? as u64,
            odd: odd.into_iter().collect(),
            skipped: row.get(17)?,
            error: row.get(18)?,
            missing: row.get::<_, Option<i64>>(19)?.map(Timestamp::from_millis),
        })
    })?;
    rows.collect()
}

#[cfg(test)]
pub(super) mod tests;
