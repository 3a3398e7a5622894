//! Own edits and steps of deletions whose places in a log are gone: they wait to be said again.

use std::collections::BTreeSet;

use carry_kernel::db::rusqlite::{self, Connection};
use serde_json::Value;

use super::edits::{self, int, parsed, seen};
use super::{Name, masked, pending};
use crate::hash::Digest;
use crate::limits::SEEN_MAX;
use crate::name::LogId;
use crate::register::Seen;

/// Makes all that the own log `log` said after a record wait again, as it was said, and takes it out of its place. Says of which
/// registers.
pub(super) fn wait(conn: &Connection, log: LogId, after: u64, device: &str) -> rusqlite::Result<BTreeSet<Name>> {
    let sql = "SELECT target, field, item, at, value, seen FROM register_edits
               WHERE log = ?1 AND track = 0 AND seq > ?2 AND target <> '' ORDER BY seq DESC";
    let rows = {
        let mut rows = conn.prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(after)), |row| {
            let name = Name { target: row.get(0)?, field: row.get(1)?, item: row.get(2)? };
            Ok((name, row.get::<_, String>(3)?, parsed::<Value>(row, 4)?, seen(row, 5)?))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()?
    };
    for (name, at, value, had_seen) in rows {
        // In another log neither stands after what was said in this one before it.
        let before = newest(conn, &name, log, after)?;
        let with =
            |seen: Seen| -> Seen { if seen.len() < SEEN_MAX { seen.iter().chain(before).collect() } else { seen } };
        let (target, field, item) = name.columns();
        // One that waits is later, and so is one of a later record.
        if let Some(waits) = pending::find(conn, &name)? {
            let sql = "UPDATE register_pending SET seen = ?4 WHERE target = ?1 AND field = ?2 AND item = ?3";
            conn.prepare_cached(sql)?.execute((target, field, item, with(waits.seen).to_json().to_string()))?;
            continue;
        }
        let value = masked::local(conn, &name)?.value(&value);
        let sql = "INSERT INTO register_pending (target, field, item, value, at, device, seen)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let seen = with(had_seen).to_json().to_string();
        conn.prepare_cached(sql)?.execute((target, field, item, value, at, device, seen))?;
    }
    let sql = "UPDATE register_deletions SET log = NULL, track = NULL, seq = NULL, r4 = NULL, waits = 1
               WHERE log = ?1 AND track = 0 AND seq > ?2 AND is_own";
    conn.prepare_cached(sql)?.execute((log.to_string(), int(after)))?;
    edits::take_back(conn, log, 0, after)
}

/// The newest edit of a register that is left in a log.
fn newest(conn: &Connection, name: &Name, log: LogId, after: u64) -> rusqlite::Result<Option<(LogId, u64, [u8; 4])>> {
    let sql = "SELECT seq, r FROM register_edits WHERE target = ?1 AND field = ?2 AND item = ?3
               AND log = ?4 AND track = 0 AND seq <= ?5 ORDER BY seq DESC LIMIT 1";
    let (target, field, item) = name.columns();
    let mut rows = conn.prepare_cached(sql)?;
    let mut rows = rows.query((target, field, item, log.to_string(), int(after)))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let seq = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
    Ok(Some((log, seq, Digest::from_bytes(row.get(1)?).first4())))
}
