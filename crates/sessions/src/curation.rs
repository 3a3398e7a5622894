//! What the user says about sessions: stars, pins, names, labels, trash.
//!
//! Each is a [register](carry_exchange::strand::registers) of the stream `curation`: a field of a session, its value, and the stamp
//! of the edit. Taking back is a value like any other, so that it can be exchanged. Registers outlive their session: one that
//! was deleted for good never returns, even when its file changes. What is shown of them is read through the view `curation`.

use std::sync::LazyLock;

use carry_exchange::strand::registers::{Meaning, RegisterError, Registers, SET, Set};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{self, Connection, Row};
use carry_kernel::hlc::Hlc;

use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

mod conflicts;
mod deletion;
mod name;

pub use carry_exchange::strand::registers::{ConflictValue, DeletedHow, Deletion, Undeletion};
pub use conflicts::Conflict;
pub use deletion::Deleted;
pub use name::{FIELDS, RegisterName};

/// The name of the stream.
pub const STREAM: &str = "curation";

/// How what is said of sessions is kept and exchanged.
pub(crate) static REGISTERS: LazyLock<Registers> =
    LazyLock::new(|| Registers::new(STREAM.parse().expect("a stream's name"), &Curation));

/// What registers mean to an archive.
#[derive(Debug)]
struct Curation;

impl Meaning for Curation {
    fn shows(&self, field: &str) -> bool {
        FIELDS.contains(&field)
    }

    fn erase(&self, conn: &Connection, session: &str) -> rusqlite::Result<()> {
        deletion::erase(conn, session)
    }

    /// Another archive's user may have said something here, which is read again with that archive.
    fn reads_again(&self, conn: &Connection) -> rusqlite::Result<bool> {
        conn.prepare_cached("SELECT 1 FROM units WHERE source = ?1")?.exists([crate::archive::WEAK_SOURCE])
    }
}

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
        let edit = Set { target: session.as_str(), field, item, value: value.as_deref() };
        self.set(&edit, device, now)
    }

    fn set(&mut self, edit: &Set<'_>, device: &str, now: Timestamp) -> Result<bool, ArchiveError> {
        let refused = refused(self.db.failed());
        self.db.write(|tx| REGISTERS.set(tx, edit, device, now).map_err(refused))
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

/// What an error of a register is here.
fn refused(failed: impl Fn(rusqlite::Error) -> DbError) -> impl Fn(RegisterError) -> ArchiveError {
    move |error| match error {
        RegisterError::Sqlite(error) => failed(error).into(),
        other => ArchiveError::Refused(other),
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
