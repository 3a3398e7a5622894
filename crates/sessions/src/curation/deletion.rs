//! Deletion for good: at once where nothing is exchanged, and through an undo window where something is.

use std::time::Duration;

use carry_exchange::name::LogId;
use carry_exchange::strand::registers::{self, DeletedHow, Deletion, Undeletion};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::{REGISTERS, refused};
use crate::archive::{Archive, ArchiveError, PREFIX_MIN};
use crate::model::SessionId;

/// A session that was deleted for good, or is meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The session.
    pub session: SessionId,
    /// How far it is.
    pub how: DeletedHow,
    /// When that was said, by its author's clock.
    pub at: Hlc,
    /// The device, as it is called here; the log for one that is not known by another name.
    pub device: String,
    /// Whether that is this device.
    pub is_own: bool,
    /// The record: its log and its place in the stream `curation`. `None` for what is not said to others yet, or never was.
    pub record: Option<(LogId, u64)>,
}

impl Archive {
    /// Deletes a session for good at once: rows, words and raw bytes (which stay when other sessions came from the same unit). It
    /// is never archived again, here or on a device that this one exchanges with. Its children stay.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn delete_for_good(&mut self, session: &SessionId, device: &str, now: Timestamp) -> Result<bool, ArchiveError> {
        let refused = refused(self.db.failed());
        self.db.write(|tx| REGISTERS.delete_at_once(tx, session.as_str(), device, now).map_err(refused))
    }

    /// Whether anything of this archive was ever exchanged, so that a deletion goes on all devices that do.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn is_exchanged(&self) -> Result<bool, ArchiveError> {
        Ok(registers::is_in_use(self.db.conn()).map_err(self.db.failed())?)
    }

    /// Deletes a session for good: at once where nothing was ever exchanged or the window is zero, else when that is over. Until
    /// then it is hidden, and [`Archive::undelete`] takes it back.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn delete(
        &mut self,
        session: &SessionId,
        window: Duration,
        device: &str,
        now: Timestamp,
    ) -> Result<Deletion, ArchiveError> {
        let refused = refused(self.db.failed());
        self.db.write(|tx| REGISTERS.delete(tx, session.as_str(), window, device, now).map_err(refused))
    }

    /// Takes back that a session is to be deleted, on whichever device that was said.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn undelete(&mut self, session: &SessionId, device: &str, now: Timestamp) -> Result<Undeletion, ArchiveError> {
        let failed = self.db.failed();
        self.db.write(|tx| Ok(REGISTERS.undelete(tx, session.as_str(), device, now).map_err(failed)?))
    }

    /// Carries out the deletions of this device whose window is over: those that were due when others were `heard` last, and
    /// those that have been due for a day without news. Says how many.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn finish_deletions(&mut self, heard: Option<Timestamp>, now: Timestamp) -> Result<usize, ArchiveError> {
        Ok(REGISTERS.finish_deletions(&mut self.db, heard, now)?)
    }

    /// All deletions for good and all that are meant, the oldest first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn deletions(&self) -> Result<Vec<Deleted>, ArchiveError> {
        let found = registers::deletions(self.db.conn()).map_err(self.db.failed())?;
        let deleted = |found: registers::Deleted| Deleted {
            session: SessionId::stored(found.target),
            how: found.how,
            at: found.at,
            device: found.device,
            is_own: found.is_own,
            record: found.record,
        };
        Ok(found.into_iter().map(deleted).collect())
    }

    /// The sessions of which a deletion is known and whose id is `spec` or begins so. Nothing else is left of one that is gone.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn deleted_as(&self, spec: &str) -> Result<Vec<SessionId>, ArchiveError> {
        let spec = spec.trim();
        let mut ids: Vec<SessionId> = self.deletions()?.into_iter().map(|one| one.session).collect();
        ids.retain(|id| spec.len() >= PREFIX_MIN && id.as_str().starts_with(spec));
        ids.sort();
        ids.dedup();
        Ok(ids)
    }
}

/// Removes the rows of a session that was deleted for good.
pub(super) fn erase(conn: &Connection, session: &str) -> rusqlite::Result<()> {
    crate::stream::content::forget(conn, &SessionId::stored(session.to_owned()))?;
    let row: Option<(i64, Option<i64>)> = conn
        .query_row("SELECT n, unit FROM sessions WHERE id = ?1", [session], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((n, unit)) = row else { return Ok(()) };
    for sql in [
        "DELETE FROM words WHERE rowid IN (SELECT id FROM pages WHERE session = ?1)",
        "DELETE FROM pages WHERE session = ?1",
        "DELETE FROM messages WHERE session = ?1",
        "DELETE FROM results WHERE session = ?1",
        "DELETE FROM calls WHERE session = ?1",
        "DELETE FROM links WHERE session = ?1",
        "DELETE FROM usage_events WHERE session = ?1",
        "DELETE FROM sessions WHERE n = ?1",
    ] {
        conn.execute(sql, [n])?;
    }
    // The unit's row stays, so that an unchanged file is not read again.
    conn.execute("DELETE FROM raw WHERE unit = ?1 AND NOT EXISTS (SELECT 1 FROM sessions WHERE unit = ?1)", [unit])?;
    Ok(())
}
