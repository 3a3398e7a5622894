//! What the user says about sessions: stars, pins, names, labels, trash.
//!
//! Each is a register: a field of a session, its value, and the stamp of the edit. Taking back is a value like any other, so
//! that it can be exchanged. Registers outlive their session: one that was deleted for good never returns, even when its
//! file changes.
//!
//! The table `curation` has what is shown. Where devices exchange what they say (the stream `curation`), every edit is kept
//! with what it had seen, and what is shown follows from them; edits that did not know of each other are [`Conflict`]s.

use carry_exchange::clock;
use carry_exchange::limits::VALUE_BYTES_MAX;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Row};
use carry_kernel::hlc::Hlc;

use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

pub(crate) mod again;
mod conflicts;
pub(crate) mod deletion;
pub(crate) mod edits;
pub(crate) mod masked;
mod name;
pub(crate) mod pending;

pub use conflicts::{Conflict, ConflictValue};
pub use deletion::{Deleted, DeletedHow, Deletion, Undeletion};
pub use name::{FIELDS, RegisterName};

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
    /// star, name, label, pin, trash, deleted; deleting while that can be taken back.
    pub field: String,
    /// The label, the message; else empty.
    pub item: String,
    /// `None`: taken back.
    pub value: Option<String>,
    /// When.
    pub hlc: Hlc,
    /// By which device: the id of this one, the log of another, empty for what was imported here.
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
        check_size(value.as_deref())?;
        let failed = self.db.failed();
        let edit = Set { session, field, item, value: value.as_deref() };
        self.db.write(|tx| Ok(set(tx, &edit, device, now).map_err(failed)?))
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
}

/// The value of registers that are only set or not.
const SET: &str = "1";

/// A value for a register, named as here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Set<'a> {
    pub(crate) session: &'a SessionId,
    pub(crate) field: &'a str,
    pub(crate) item: &'a str,
    pub(crate) value: Option<&'a str>,
}

/// Sets a register, whatever it has now; `false` when it has that value already and nobody says otherwise.
fn set(conn: &Connection, set: &Set<'_>, device: &str, now: Timestamp) -> rusqlite::Result<bool> {
    let before: Option<(Option<String>, String, String)> = conn
        .prepare_cached("SELECT value, hlc, device FROM curation WHERE session = ?1 AND field = ?2 AND item = ?3")?
        .query_row((set.session.as_str(), set.field, set.item), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let name = RegisterName::new(set.session, set.field, set.item);
    let is_same = before.as_ref().and_then(|(value, ..)| value.as_deref()) == set.value;
    let is_exchanged = pending::is_in_use(conn)?;
    if is_same && !(is_exchanged && conflicts::is_one(conn, &name)?) {
        return Ok(false);
    }
    let mut hlc = clock::next(newest(conn, device)?, now).at;
    // Our own stamps of one register follow each other, whatever the clock says. One from elsewhere is not passed: an edit
    // made after seeing it wins without.
    if let Some((_, before, by)) = &before
        && (by == device || by.is_empty())
        && let Ok(before) = before.parse::<Hlc>()
        && before >= hlc
    {
        hlc = before.tick(Timestamp::default());
    }
    match is_exchanged {
        true => pending::note(conn, &name, set.value, hlc, device)?,
        false => replace(conn, set, hlc, device)?,
    }
    Ok(true)
}

/// The newest stamp of this device among what is shown.
fn newest(conn: &Connection, device: &str) -> rusqlite::Result<Hlc> {
    let sql = "SELECT max(hlc) FROM curation WHERE device = ?1";
    let newest: Option<String> = conn.prepare_cached(sql)?.query_row([device], |row| row.get(0))?;
    Ok(newest.and_then(|hlc| hlc.parse().ok()).unwrap_or_default())
}

/// Puts a register in place of what stands there.
pub(crate) fn replace(conn: &Connection, set: &Set<'_>, at: Hlc, device: &str) -> rusqlite::Result<()> {
    let sql = "REPLACE INTO curation (session, field, item, value, hlc, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (set.session.as_str(), set.field, set.item, set.value, at.to_string(), device);
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

/// Refuses what could not be exchanged.
fn check_size(value: Option<&str>) -> Result<(), ArchiveError> {
    match value.map(str::len).filter(|bytes| *bytes >= VALUE_BYTES_MAX) {
        Some(bytes) => Err(ArchiveError::TooLarge { bytes }),
        None => Ok(()),
    }
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
