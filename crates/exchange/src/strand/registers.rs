//! A strand made of registers: what people and agents say about things, field by field, and the deletion of things for good.
//!
//! A [`Name`] says which register: a field of a target, and for sets the element. A value is text, or nothing when it was
//! taken back. The table `registers` has what is shown; a strand puts [`SQL`] into one of its migrations, beside that of the
//! [outbox], and reads it as it likes. What fields mean is their [`Meaning`]'s to say.
//! A file has the registers of one stream.
//!
//! Before anything is exchanged an edit is a row of that table and nothing else. From then on every edit is kept with what it
//! had seen, and what is shown follows from the edits alone, in whatever order they came; those that did not know of each other
//! are [`Conflict`]s. An edit is made at once and never waits for anybody: the [strand](RegisterStrand) masks it and gives it a
//! place later. Records are those of `docs/formats/exchange-registers.md`.

use std::fmt;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use crate::clock;
use crate::name::StreamName;

mod again;
mod conflicts;
mod deletion;
mod edits;
mod masked;
mod name;
mod payload;
mod pending;
mod refused;
mod say;
mod state;
mod strand;

pub use conflicts::{Conflict, ConflictValue, conflict_count};
pub use deletion::{Deleted, DeletedHow, Deletion, Undeletion, deletions};
pub use name::Name;
pub use pending::{is_in_use, unsaid};
pub use refused::RegisterError;
pub use state::{Said, State};
pub use strand::{Keep, Mask, RegisterStrand};

#[cfg(doc)]
use super::outbox;

/// The tables, for a strand's migration. It stays as it is: what is added later is another constant, for another migration.
pub const SQL: &str = include_str!("registers/registers.sql");

/// The value of registers that are only set or not.
pub const SET: &str = "1";

/// Fields of every target that are not said by edits: that it is gone for good, and that this device means to delete it.
const OF_DELETION: [&str; 2] = ["deleted", "deleting"];

/// What the registers of a stream mean to those who keep them.
pub trait Meaning: fmt::Debug + Send + Sync {
    /// Whether a field's registers are shown. Edits of others are kept, so that a later version finds them.
    fn shows(&self, field: &str) -> bool {
        let _ = field;
        true
    }

    /// What is shown of a register, named as here, is this from now on; `None`: it was taken back, or nobody says anything of it.
    /// Called in the transaction that changes it, for whoever keeps it in tables of their own, too. When a target is deleted
    /// for good, [`Meaning::erase`] is called in its place.
    ///
    /// # Errors
    /// SQLite's.
    fn shown(&self, conn: &Connection, name: &Name, value: Option<&str>) -> rusqlite::Result<()> {
        let _ = (conn, name, value);
        Ok(())
    }

    /// Removes all else there is of a target that was deleted for good, in the transaction that notes it.
    ///
    /// # Errors
    /// SQLite's.
    fn erase(&self, conn: &Connection, target: &str) -> rusqlite::Result<()> {
        let _ = (conn, target);
        Ok(())
    }

    /// Whether what was taken back may be read from elsewhere again: then that it was taken back is remembered, also where nobody
    /// had heard of it.
    ///
    /// # Errors
    /// SQLite's.
    fn reads_again(&self, conn: &Connection) -> rusqlite::Result<bool> {
        let _ = conn;
        Ok(false)
    }
}

/// Every field means the same, and nothing but registers is kept.
impl Meaning for () {}

/// The registers of one stream. It holds none: it knows how they are kept.
#[derive(Clone, Debug)]
pub struct Registers {
    stream: StreamName,
    meaning: &'static dyn Meaning,
}

/// A value for a register, named as here.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    /// What is spoken of.
    pub target: &'a str,
    /// Which of its fields.
    pub field: &'a str,
    /// The element of a set; else empty.
    pub item: &'a str,
    /// The value; `None` takes it back.
    pub value: Option<&'a str>,
}

impl Set<'_> {
    fn name(&self) -> Name {
        Name::new(self.target, self.field, self.item)
    }
}

impl Registers {
    /// Those of a stream.
    pub fn new(stream: StreamName, meaning: &'static dyn Meaning) -> Self {
        Self { stream, meaning }
    }

    /// Sets a register, whatever it has now; `false` when it has that value already and nobody says otherwise, or when its target
    /// was deleted for good.
    ///
    /// # Errors
    /// [`RegisterError`] for what could not be exchanged; then nothing changes.
    pub fn set(&self, conn: &Connection, set: &Set<'_>, device: &str, now: Timestamp) -> Result<bool, RegisterError> {
        set.check()?;
        if deletion::is_deleted(conn, set.target)? {
            return Ok(false);
        }
        let before: Option<(Option<String>, String, String)> = conn
            .prepare_cached("SELECT value, hlc, device FROM registers WHERE target = ?1 AND field = ?2 AND item = ?3")?
            .query_row((set.target, set.field, set.item), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let is_same = before.as_ref().and_then(|(value, ..)| value.as_deref()) == set.value;
        if is_same && !(is_in_use(conn)? && conflicts::is_conflict(conn, &set.name())?) {
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
        self.set_at(conn, set, hlc, device)?;
        Ok(true)
    }

    /// Sets a register with a stamp of its own, as something said elsewhere has it; whether it has that value is not looked at.
    /// What cannot be exchanged is shown here all the same.
    ///
    /// # Errors
    /// SQLite's.
    pub fn set_at(&self, conn: &Connection, set: &Set<'_>, at: Hlc, device: &str) -> rusqlite::Result<()> {
        if is_in_use(conn)? {
            return self.note(conn, &set.name(), set.value, at, device);
        }
        replace(conn, set, at, device)?;
        self.meaning.shown(conn, &set.name(), set.value)
    }

    fn shows(&self, field: &str) -> bool {
        !OF_DELETION.contains(&field) && self.meaning.shows(field)
    }
}

/// The newest stamp of this device among what is shown.
fn newest(conn: &Connection, device: &str) -> rusqlite::Result<Hlc> {
    let sql = "SELECT max(hlc) FROM registers WHERE device = ?1";
    let newest: Option<String> = conn.prepare_cached(sql)?.query_row([device], |row| row.get(0))?;
    Ok(newest.and_then(|hlc| hlc.parse().ok()).unwrap_or_default())
}

/// Puts a register in place of what stands there.
fn replace(conn: &Connection, set: &Set<'_>, at: Hlc, device: &str) -> rusqlite::Result<()> {
    let sql = "REPLACE INTO registers (target, field, item, value, hlc, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (set.target, set.field, set.item, set.value, at.to_string(), device);
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

#[cfg(test)]
mod tests;
