//! A strand made of registers: what people and agents say about things, field by field, and the deletion of things for good.
//!
//! A [`Name`] says which register: a field of a target, and for sets the element. A value is text, or nothing when it was
//! taken back. The table `registers` has what is shown; a strand puts [`SQL`] into one of its migrations, beside that of the
//! [outbox], and reads it as it likes. What a kind of register means is its [`Host`]'s.
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
mod say;
mod state;
mod strand;

pub use conflicts::{Conflict, ConflictValue, conflict_count};
pub use deletion::{Deleted, DeletedHow, Deletion, Undeletion, deletions};
pub use name::Name;
pub use pending::is_in_use;
pub use state::{Said, State};
pub use strand::{Keep, Mask, RegisterStrand};

#[cfg(doc)]
use super::outbox;

/// The tables, for a strand's migration.
pub const SQL: &str = include_str!("registers/registers.sql");

/// The value of registers that are only set or not.
pub const SET: &str = "1";

/// Fields of every target that are not said by edits: that it is gone for good, and that this device means to delete it.
const OF_DELETION: [&str; 2] = ["deleted", "deleting"];

/// What the registers of a stream mean to those who keep them.
pub trait Host: fmt::Debug + Send + Sync {
    /// Whether a field's registers are shown. Edits of others are kept, so that a later version finds them.
    fn shows(&self, field: &str) -> bool {
        let _ = field;
        true
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

/// A host to which every field means the same, and which keeps nothing but registers.
impl Host for () {}

/// The registers of one stream. It holds none: it knows how they are kept.
#[derive(Clone, Debug)]
pub struct Registers {
    stream: StreamName,
    host: &'static dyn Host,
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

impl Registers {
    /// Those of a stream.
    pub fn new(stream: StreamName, host: &'static dyn Host) -> Self {
        Self { stream, host }
    }

    /// Sets a register, whatever it has now; `false` when it has that value already and nobody says otherwise. A value of more
    /// than [`VALUE_BYTES_MAX`](crate::limits::VALUE_BYTES_MAX) is shown here and never exchanged: it is for the caller to
    /// refuse it.
    ///
    /// # Errors
    /// SQLite's.
    pub fn set(&self, conn: &Connection, set: &Set<'_>, device: &str, now: Timestamp) -> rusqlite::Result<bool> {
        let before: Option<(Option<String>, String, String)> = conn
            .prepare_cached("SELECT value, hlc, device FROM registers WHERE target = ?1 AND field = ?2 AND item = ?3")?
            .query_row((set.target, set.field, set.item), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        let name = Name::new(set.target, set.field, set.item);
        let is_same = before.as_ref().and_then(|(value, ..)| value.as_deref()) == set.value;
        let is_exchanged = is_in_use(conn)?;
        if is_same && !(is_exchanged && conflicts::is_conflict(conn, &name)?) {
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
            true => self.note(conn, &name, set.value, hlc, device)?,
            false => replace(conn, set, hlc, device)?,
        }
        Ok(true)
    }

    fn shows(&self, field: &str) -> bool {
        !OF_DELETION.contains(&field) && self.host.shows(field)
    }
}

/// The newest stamp of this device among what is shown.
fn newest(conn: &Connection, device: &str) -> rusqlite::Result<Hlc> {
    let sql = "SELECT max(hlc) FROM registers WHERE device = ?1";
    let newest: Option<String> = conn.prepare_cached(sql)?.query_row([device], |row| row.get(0))?;
    Ok(newest.and_then(|hlc| hlc.parse().ok()).unwrap_or_default())
}

/// Puts a register in place of what stands there, with a stamp of its own: before anything is exchanged, where
/// [`Registers::note`] has to be told since.
///
/// # Errors
/// SQLite's.
pub fn replace(conn: &Connection, set: &Set<'_>, at: Hlc, device: &str) -> rusqlite::Result<()> {
    let sql = "REPLACE INTO registers (target, field, item, value, hlc, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (set.target, set.field, set.item, set.value, at.to_string(), device);
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

#[cfg(test)]
mod tests;
