//! Edits of this device that have no place in its log yet.
//!
//! What an edit had seen is noted when it is made, in its own transaction: it is the same however late the edit is handed to
//! the exchange, and whatever came in between. Before anything was ever exchanged nothing is noted; when that begins, what
//! is there becomes edits that had seen nothing, with the stamps they bear.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::{Name, Registers, deletion, edits, masked};
use crate::limits::WALL_MS_MAX;
use crate::register::Seen;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// As it was said here.
    pub(super) value: Option<String>,
    pub(super) at: Hlc,
    pub(super) device: String,
    /// All that the register had seen, own logs included.
    pub(super) seen: Seen,
}

/// Whether anything was exchanged yet.
///
/// # Errors
/// SQLite's.
pub fn is_in_use(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM register_self")?.exists([])
}

impl Registers {
    /// From now on edits are noted. Those that are there become the first.
    pub(super) fn begin(&self, conn: &Connection) -> rusqlite::Result<()> {
        if is_in_use(conn)? {
            return Ok(());
        }
        conn.execute("INSERT INTO register_self (one, is_caught_up) VALUES (1, 0)", [])?;
        if !self.meaning.reads_again(conn)? {
            // Set and taken back before anybody could hear of it: there is nothing to say.
            conn.execute("DELETE FROM registers WHERE value IS NULL AND field NOT IN ('deleted', 'deleting')", [])?;
        }
        conn.execute(
            "INSERT OR IGNORE INTO register_pending (target, field, item, value, at, device, seen)
             SELECT target, field, item, value, hlc, device, '[]' FROM registers
             WHERE field NOT IN ('deleted', 'deleting')",
            [],
        )?;
        Ok(())
    }

    /// Whether an edit takes back one that waits, which nobody was told of yet, so that nothing is left to be said.
    fn takes_back_what_waits(&self, conn: &Connection, name: &Name, value: Option<&str>) -> rusqlite::Result<bool> {
        let sql = "SELECT 1 FROM register_pending WHERE target = ?1 AND field = ?2 AND item = ?3 AND outbox IS NULL";
        let waits = conn.prepare_cached(sql)?.exists(name.columns())?;
        // One that stands in the outbox will be said, and an edit made since took its place here: that it is void must be said,
        // too.
        let sql = "SELECT 1 FROM outbox WHERE stream = ?1";
        let is_said_already = conn.prepare_cached(sql)?.exists([self.stream.as_str()])?;
        Ok(waits && !is_said_already && self.agree_on(conn, name, value)? && !self.meaning.reads_again(conn)?)
    }

    /// Notes an edit of a register, named as here, with all that the register has seen, and shows it. An earlier one that still
    /// waits is void; both are where the register is as everybody has it again.
    pub(super) fn note(
        &self,
        conn: &Connection,
        local: &Name,
        value: Option<&str>,
        at: Hlc,
        device: &str,
    ) -> rusqlite::Result<()> {
        if deletion::is_deleted(conn, &local.target)? {
            return Ok(());
        }
        let name = masked::exchanged(conn, local)?;
        if self.takes_back_what_waits(conn, &name, value)? {
            forget(conn, &name)?;
            return self.show(conn, &name);
        }
        // Of one register, what is said later here has a later stamp, so that one can tell what was said before.
        let last = edits::newest_own(conn, &name)?.max(find(conn, &name)?.map(|pending| pending.at));
        let next = last.map(|last| last.tick(Timestamp::default())).filter(|next| next.wall_ms <= WALL_MS_MAX);
        let at = next.map_or(at, |next| at.max(next));
        let seen = self.state(conn, &name)?.seen().to_json().to_string();
        let (target, field, item) = name.columns();
        let sql = "INSERT OR REPLACE INTO register_pending (target, field, item, value, at, device, seen)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        conn.prepare_cached(sql)?.execute((target, field, item, value, at.to_string(), device, seen))?;
        self.show(conn, &name)
    }
}

/// What waits of a register.
pub(super) fn find(conn: &Connection, name: &Name) -> rusqlite::Result<Option<Pending>> {
    let sql = "SELECT value, at, device, seen FROM register_pending WHERE target = ?1 AND field = ?2 AND item = ?3";
    let row = conn.prepare_cached(sql)?.query_row(name.columns(), |row| {
        let at: String = row.get(1)?;
        let at = at.parse().unwrap_or_default();
        Ok(Pending { value: row.get(0)?, at, device: row.get(2)?, seen: edits::seen(row, 3)? })
    });
    row.optional()
}

/// Forgets what waits of a register.
pub(super) fn forget(conn: &Connection, name: &Name) -> rusqlite::Result<()> {
    let sql = "DELETE FROM register_pending WHERE target = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.execute(name.columns()).map(drop)
}

/// The edits that cannot be exchanged, and why not, by register. They are shown here all the same, and void once another is made.
///
/// # Errors
/// SQLite's.
pub fn unsaid(conn: &Connection) -> rusqlite::Result<Vec<(Name, String)>> {
    let sql = "SELECT target, field, item, problem FROM register_pending WHERE problem IS NOT NULL
               ORDER BY target, field, item";
    conn.prepare_cached(sql)?.query_map([], |row| Ok((edits::name_of(row)?, row.get(3)?)))?.collect()
}

/// Notes why it cannot be exchanged. It is shown here all the same.
pub(super) fn refuse(conn: &Connection, name: &Name, problem: &str) -> rusqlite::Result<()> {
    let (target, field, item) = name.columns();
    let sql = "UPDATE register_pending SET problem = ?4 WHERE target = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.execute((target, field, item, problem)).map(drop)
}

/// Notes that it stands in the outbox, as an edit of the register that is exchanged. It goes on counting until it has a
/// place; an edit made until then takes its place here and is handed over after it.
pub(super) fn handed_over(conn: &Connection, name: &Name, exchanged: &Name, outbox: u64) -> rusqlite::Result<()> {
    let (target, field, item) = name.columns();
    let sql = "UPDATE OR REPLACE register_pending SET item = ?4, outbox = ?5
               WHERE target = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.execute((target, field, item, &exchanged.item, edits::int(outbox))).map(drop)
}
