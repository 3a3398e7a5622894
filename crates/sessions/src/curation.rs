//! What the user says about sessions: stars, pins, names, labels, trash.
//!
//! Each is a register: a field of a session, its value, and the stamp of the edit. The newest stamp wins, device ids break ties;
//! taking back is a value like any other, so that it can be exchanged. Registers outlive their session: one that was
//! deleted for good never returns, even when its file changes.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Row};
use carry_kernel::hlc::Hlc;

use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

/// One edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Star, or take the star back.
    Star(bool),
    /// A name of the user's, or back to the agent's.
    Rename(Option<String>),
    /// Put a label on, or take it off.
    Label(String, bool),
    /// Pin a message (by key, or `#ordinal`) with a note (may be empty), or take the pin out.
    Pin(String, Option<String>),
    /// Into the trash, or out of it.
    Trash(bool),
}

/// A register as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    /// The session.
    pub session: SessionId,
    /// star, name, label, pin, trash, deleted.
    pub field: String,
    /// The label, the message; else empty.
    pub item: String,
    /// `None`: taken back.
    pub value: Option<String>,
    /// When.
    pub hlc: Hlc,
    /// By which device.
    pub device: String,
}

/// A pinned message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The message's key or `#ordinal`.
    pub message: String,
    /// The note, may be empty.
    pub note: String,
    /// When.
    pub at: Hlc,
}

impl Archive {
    /// Makes an edit; says whether it changed anything.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn curate(
        &mut self,
        session: &SessionId,
        edit: &Edit,
        device: &str,
        now: Timestamp,
    ) -> Result<bool, ArchiveError> {
        let (field, item, value) = match edit {
            Edit::Star(on) => ("star", "", on.then(|| SET.to_owned())),
            Edit::Rename(name) => ("name", "", name.clone().filter(|name| !name.trim().is_empty())),
            Edit::Label(label, on) => ("label", label.as_str(), on.then(|| SET.to_owned())),
            Edit::Pin(message, note) => ("pin", message.as_str(), note.clone()),
            Edit::Trash(on) => ("trash", "", on.then(|| SET.to_owned())),
        };
        let failed = self.db.failed();
        self.db.write(|tx| Ok(set(tx, session, field, item, value.as_deref(), device, now).map_err(failed)?))
    }

    /// Takes over registers from elsewhere (another archive, another device); says how many won.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn merge_registers(&mut self, registers: &[Register]) -> Result<usize, ArchiveError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            let mut won = 0;
            for register in registers {
                won += put(tx, register).map_err(&failed)?;
            }
            Ok(won)
        })
    }

    /// All registers, of one session or of all.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn registers(&self, session: Option<&SessionId>) -> Result<Vec<Register>, ArchiveError> {
        let failed = self.db.failed();
        let mut query = self
            .db
            .conn()
            .prepare_cached(
                "SELECT session, field, item, value, hlc, device FROM curation WHERE ?1 IS NULL OR session = ?1
                 ORDER BY session, field, item",
            )
            .map_err(&failed)?;
        let rows = query.query_map([session.map(SessionId::as_str)], register).map_err(&failed)?;
        Ok(rows.collect::<Result<_, _>>().map_err(failed)?)
    }

    /// The sessions that were deleted for good.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn deleted(&self) -> Result<Vec<SessionId>, ArchiveError> {
        let sql = "SELECT session FROM curation WHERE field = 'deleted' AND value IS NOT NULL ORDER BY session";
        let failed = self.db.failed();
        let mut query = self.db.conn().prepare_cached(sql).map_err(&failed)?;
        let rows = query.query_map([], |row| row.get(0).map(SessionId::stored)).map_err(&failed)?;
        Ok(rows.collect::<Result<_, _>>().map_err(failed)?)
    }

    /// The pins of a session, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn pins(&self, session: &SessionId) -> Result<Vec<Pin>, ArchiveError> {
        let registers = self.registers(Some(session))?.into_iter().filter(|register| register.field == "pin");
        let mut pins: Vec<Pin> = registers
            .filter_map(|register| Some(Pin { message: register.item, note: register.value?, at: register.hlc }))
            .collect();
        pins.sort_by(|a, b| (a.at, &a.message).cmp(&(b.at, &b.message)));
        Ok(pins)
    }

    /// Deletes a session for good: rows, words and raw bytes (which stay when other sessions came from the same unit). It is
    /// never archived again. Its children stay.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn delete_for_good(&mut self, session: &SessionId, device: &str, now: Timestamp) -> Result<bool, ArchiveError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            let deleted = || -> rusqlite::Result<bool> {
                let row: Option<(i64, Option<i64>)> = tx
                    .query_row("SELECT n, unit FROM sessions WHERE id = ?1", [session.as_str()], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()?;
                let was_known = set(tx, session, "deleted", "", Some(SET), device, now)?;
                // What the user said about it is not kept either; that it is deleted is.
                tx.execute("DELETE FROM curation WHERE session = ?1 AND field <> 'deleted'", [session.as_str()])?;
                let Some((n, unit)) = row else { return Ok(was_known) };
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
                    tx.execute(sql, [n])?;
                }
                // The unit's row stays, so that an unchanged file is not read again.
                tx.execute(
                    "DELETE FROM raw WHERE unit = ?1 AND NOT EXISTS (SELECT 1 FROM sessions WHERE unit = ?1)",
                    [unit],
                )?;
                Ok(true)
            };
            Ok(deleted().map_err(failed)?)
        })
    }
}

/// The value of registers that are only set or not.
const SET: &str = "1";

/// Sets a register with a stamp after every other; `false` when it has that value already.
fn set(
    conn: &Connection,
    session: &SessionId,
    field: &str,
    item: &str,
    value: Option<&str>,
    device: &str,
    now: Timestamp,
) -> rusqlite::Result<bool> {
    let before: Option<Option<String>> = conn
        .prepare_cached("SELECT value FROM curation WHERE session = ?1 AND field = ?2 AND item = ?3")?
        .query_row((session.as_str(), field, item), |row| row.get(0))
        .optional()?;
    if before.unwrap_or_default().as_deref() == value {
        return Ok(false);
    }
    let newest: Option<String> = conn.query_row("SELECT max(hlc) FROM curation", [], |row| row.get(0))?;
    let newest: Hlc = newest.and_then(|hlc| hlc.parse().ok()).unwrap_or_default();
    // Our own stamps follow each other, whatever the clock says; one from elsewhere that lies far ahead is passed, too, since an
    // edit made after seeing it must win.
    let hlc = newest.tick(now);
    let register = Register {
        session: session.clone(),
        field: field.to_owned(),
        item: item.to_owned(),
        value: value.map(str::to_owned),
        hlc,
        device: device.to_owned(),
    };
    Ok(put(conn, &register)? > 0)
}

/// Puts a register where it is newer than what stands there.
fn put(conn: &Connection, register: &Register) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "INSERT INTO curation (session, field, item, value, hlc, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (session, field, item) DO UPDATE SET value = excluded.value, hlc = excluded.hlc, device = excluded.device
         WHERE (excluded.hlc, excluded.device) > (curation.hlc, curation.device)",
    )?
    .execute((
        register.session.as_str(),
        &register.field,
        &register.item,
        &register.value,
        register.hlc.to_string(),
        &register.device,
    ))
}

fn register(row: &Row<'_>) -> rusqlite::Result<Register> {
    let hlc: String = row.get(4)?;
    Ok(Register {
        session: SessionId::stored(row.get(0)?),
        field: row.get(1)?,
        item: row.get(2)?,
        value: row.get(3)?,
        hlc: hlc.parse().unwrap_or_default(),
        device: row.get(5)?,
    })
}

#[cfg(test)]
mod tests;
