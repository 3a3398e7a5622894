//! A reading of a unit, from its begin to its end, and what becomes of units that are not read.

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use carry_kernel::db::rusqlite::{self, OptionalExtension as _, params};

use super::{Writer, unit};
use crate::archive::ArchiveError;
use crate::model::Agent;
use crate::source::{Mode, ReadEnd, Unit};

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

impl Writer<'_> {
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
        let begun = unit::begin(conn, source, agent, version, unit, mode).map_err(failed)?;
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

    /// The reading was interrupted, by a stop or because it must be done anew as a whole: what was said may stay, and the
    /// unit counts as one whose reading was cut off.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn interrupt_unit(&mut self) -> Result<(), ArchiveError> {
        self.close_unit(None)
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
}
