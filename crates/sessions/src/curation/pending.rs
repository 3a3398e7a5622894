//! Edits of this device that have no place in its log yet.
//!
//! What an edit had seen is noted when it is made, in its own transaction: it is the same however late the edit is handed to
//! the exchange, and whatever came in between. Before anything was ever exchanged nothing is noted; when that begins, what
//! is there becomes edits that had seen nothing, with the stamps they bear.

use carry_exchange::limits::WALL_MS_MAX;
use carry_exchange::register::Seen;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::edits::{self, State};
use super::name::RegisterName;
use super::{deletion, masked};

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// As it was said here.
    pub(crate) value: Option<String>,
    pub(crate) at: Hlc,
    pub(crate) device: String,
    /// All that the register had seen, own logs included.
    pub(crate) seen: Seen,
}

/// Whether anything was exchanged yet.
pub(crate) fn is_in_use(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM meta WHERE key = 'curation.exchanged'")?.exists([])
}

/// From now on edits are noted. Those that are there become the first; says whether that was now.
pub(crate) fn begin(conn: &Connection) -> rusqlite::Result<bool> {
    if is_in_use(conn)? {
        return Ok(false);
    }
    conn.execute("INSERT INTO meta (key, value) VALUES ('curation.exchanged', 1)", [])?;
    if !may_have_imports(conn)? {
        // Set and taken back before anybody could hear of it: there is nothing to say.
        conn.execute("DELETE FROM curation WHERE value IS NULL AND field NOT IN ('deleted', 'deleting')", [])?;
    }
    conn.execute(
        "INSERT OR IGNORE INTO curation_pending (session, field, item, value, at, device, seen)
         SELECT session, field, item, value, hlc, device, '[]' FROM curation WHERE field NOT IN ('deleted', 'deleting')",
        [],
    )?;
    Ok(true)
}

/// Whether another archive's user may have said something here. What is taken back of that has to be remembered: it is read again.
fn may_have_imports(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM units WHERE source = ?1")?.exists([crate::archive::WEAK_SOURCE])
}

/// Whether an edit takes back one that waits, which nobody was told of yet, so that nothing is left to be said.
fn takes_back_what_waits(conn: &Connection, name: &RegisterName, value: Option<&str>) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM curation_pending WHERE session = ?1 AND field = ?2 AND item = ?3 AND outbox IS NULL";
    let waits = conn.prepare_cached(sql)?.exists(name.columns())?;
    // One that stands in the outbox will be said, and an edit made since took its place here: that it is void must be said, too.
    let is_said_already = conn.prepare_cached("SELECT 1 FROM outbox WHERE stream = 'curation'")?.exists([])?;
    Ok(waits && !is_said_already && edits::agree_on(conn, name, value)? && !may_have_imports(conn)?)
}

/// Notes an edit of a register, named as here, with all that the register has seen, and shows it. An earlier one that still
/// waits is void; both are where the register is as everybody has it again.
pub(crate) fn note(
    conn: &Connection,
    local: &RegisterName,
    value: Option<&str>,
    at: Hlc,
    device: &str,
) -> rusqlite::Result<()> {
    if deletion::is_deleted(conn, &local.session)? {
        return Ok(());
    }
    let name = masked::exchanged(conn, local)?;
    if takes_back_what_waits(conn, &name, value)? {
        forget(conn, &name)?;
        return edits::show(conn, &name);
    }
    // Of one register, what is said later here has a later stamp, so that one can tell what was said before.
    let last = edits::newest_own(conn, &name, None)?.max(find(conn, &name)?.map(|pending| pending.at));
    let next = last.map(|last| last.tick(Timestamp::default())).filter(|next| next.wall_ms <= WALL_MS_MAX);
    let at = next.map_or(at, |next| at.max(next));
    let seen = State::read(conn, &name)?.seen().to_json().to_string();
    let (session, field, item) = name.columns();
    let sql = "INSERT OR REPLACE INTO curation_pending (session, field, item, value, at, device, seen)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    conn.prepare_cached(sql)?.execute((session, field, item, value, at.to_string(), device, seen))?;
    edits::show(conn, &name)
}

/// What waits of a register.
pub(crate) fn find(conn: &Connection, name: &RegisterName) -> rusqlite::Result<Option<Pending>> {
    let sql = "SELECT value, at, device, seen FROM curation_pending WHERE session = ?1 AND field = ?2 AND item = ?3";
    let row = conn.prepare_cached(sql)?.query_row(name.columns(), |row| {
        let at: String = row.get(1)?;
        let at = at.parse().unwrap_or_default();
        Ok(Pending { value: row.get(0)?, at, device: row.get(2)?, seen: edits::seen(row, 3)? })
    });
    row.optional()
}

/// Forgets what waits of a register.
pub(crate) fn forget(conn: &Connection, name: &RegisterName) -> rusqlite::Result<()> {
    let sql = "DELETE FROM curation_pending WHERE session = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.execute(name.columns()).map(drop)
}

/// Notes why it cannot be exchanged. It is shown here all the same.
pub(crate) fn refuse(conn: &Connection, name: &RegisterName, problem: &str) -> rusqlite::Result<()> {
    let (session, field, item) = name.columns();
    let sql = "UPDATE curation_pending SET problem = ?4 WHERE session = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.execute((session, field, item, problem)).map(drop)
}

/// Notes that it stands in the outbox, as an edit of the register that is exchanged. It goes on counting until it has a
/// place; an edit made until then takes its place here and is handed over after it.
pub(crate) fn handed_over(
    conn: &Connection,
    name: &RegisterName,
    exchanged: &RegisterName,
    outbox: u64,
) -> rusqlite::Result<()> {
    let (session, field, item) = name.columns();
    let sql = "UPDATE OR REPLACE curation_pending SET item = ?4, outbox = ?5
               WHERE session = ?1 AND field = ?2 AND item = ?3";
    conn.prepare_cached(sql)?.execute((session, field, item, &exchanged.item, edits::int(outbox))).map(drop)
}
