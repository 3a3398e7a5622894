//! Who deleted what, when, and by which record.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, Row};
use carry_kernel::hlc::Hlc;

use super::super::edits::parsed;
use crate::name::LogId;

/// A target that was deleted for good, or is meant to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The target.
    pub target: String,
    /// How far it is.
    pub how: DeletedHow,
    /// When that was said, by its author's clock.
    pub at: Hlc,
    /// The device, as it is called here; the log for one that is not known by another name.
    pub device: String,
    /// Whether that is this device.
    pub is_own: bool,
    /// The record: its log and its place in the stream. `None` for what is not said to others yet, or never was.
    pub record: Option<(LogId, u64)>,
}

/// How far a deletion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedHow {
    /// It is gone, here alone: nothing was exchanged then.
    Here,
    /// It is gone, on every device that hears of it.
    Everywhere,
    /// It goes at this time, if nobody takes that back; `None` when the record does not say.
    Pending(Option<Timestamp>),
    /// It was to be deleted, and that was taken back.
    Undone,
}

/// All deletions for good and all that are meant, the oldest first.
///
/// # Errors
/// SQLite's.
pub fn deletions(conn: &Connection) -> rusqlite::Result<Vec<Deleted>> {
    let sql = "
        SELECT d.target, CASE
                WHEN d.op = 2 THEN 2
                WHEN EXISTS (SELECT 1 FROM register_deletions u WHERE u.id = d.id AND u.target = d.target AND u.op = 1) THEN 1
                ELSE 0 END,
            d.at, coalesce(l.alias, nullif(d.device, ''), d.log), d.is_own, d.log, d.seq, d.due_ms
        FROM register_deletions d LEFT JOIN register_logs l ON l.log = d.log
        WHERE d.op = 2 OR d.op = 0 AND NOT EXISTS (SELECT 1 FROM register_deletions f WHERE f.target = d.target AND f.op = 2)
        UNION ALL
        SELECT c.target, 3, c.hlc, c.device, 1, NULL, NULL, NULL FROM registers c
        WHERE c.field = 'deleted' AND c.value IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM register_deletions f WHERE f.target = c.target AND f.op = 2)
        ORDER BY 3, 1";
    let mut query = conn.prepare_cached(sql)?;
    query.query_map([], deleted)?.collect()
}

fn deleted(row: &Row<'_>) -> rusqlite::Result<Deleted> {
    let due: Option<i64> = row.get(7)?;
    let how = match row.get(1)? {
        0 => DeletedHow::Pending(due.map(Timestamp::from_millis)),
        1 => DeletedHow::Undone,
        2 => DeletedHow::Everywhere,
        _ => DeletedHow::Here,
    };
    let at: String = row.get(2)?;
    let log: Option<String> = row.get(5)?;
    let seq: Option<i64> = row.get(6)?;
    let record = match log {
        Some(_) => Some((parsed(row, 5)?, seq.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))),
        None => None,
    };
    Ok(Deleted {
        target: row.get(0)?,
        how,
        at: at.parse().unwrap_or_default(),
        device: row.get(3)?,
        is_own: row.get(4)?,
        record,
    })
}
