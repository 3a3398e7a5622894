//! Edits that have a place in a log.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::db::rusqlite::{self, Connection, Row};
use carry_kernel::hlc::Hlc;
use serde_json::Value;

use super::Name;
use crate::hash::Digest;
use crate::name::LogId;
use crate::register::{self, Branch, Forks, Seen};

/// A branch of a forked log: its first record, and the first bytes of that record's digest.
pub(super) type BranchName = (u64, [u8; 4]);

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) log: LogId,
    pub(super) track: u32,
    pub(super) seq: u64,
    /// The record's digest.
    pub(super) r: Digest,
    /// The branch of a forked log.
    pub(super) branch: Option<BranchName>,
}

/// Notes that a record which is no edit makes void what its log said before under `key`. It is kept as an edit of a register
/// that no target has, whose name this gives.
pub(super) fn put_void(conn: &Connection, key: &[u8], place: Place) -> rusqlite::Result<Name> {
    let name = void_name(key);
    put(conn, &name, place, Hlc::default(), &Value::Null, &Seen::default())?;
    Ok(name)
}

/// Puts an edit where it belongs; the same again changes nothing.
pub(super) fn put(
    conn: &Connection,
    name: &Name,
    place: Place,
    at: Hlc,
    value: &Value,
    seen: &Seen,
) -> rusqlite::Result<()> {
    // A record stands at one place only.
    let sql = "DELETE FROM register_edits WHERE log = ?1 AND track = ?2 AND seq = ?3";
    let log = place.log.to_string();
    conn.prepare_cached(sql)?.execute((&log, place.track, int(place.seq)))?;
    let sql =
        "INSERT INTO register_edits (target, field, item, log, track, seq, r, branch_first, branch_r4, at, value, seen)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let (target, field, item) = name.columns();
    conn.prepare_cached(sql)?.execute(rusqlite::params![
        target,
        field,
        item,
        log,
        place.track,
        int(place.seq),
        place.r.as_bytes(),
        place.branch.map(|(first, _)| int(first)),
        place.branch.map(|(_, r4)| r4),
        at.to_string(),
        value.to_string(),
        seen.to_json().to_string(),
    ])?;
    Ok(())
}

pub(super) fn void_name(key: &[u8]) -> Name {
    let hex = key.iter().map(|byte| format!("{byte:02x}")).collect();
    Name { target: String::new(), field: String::new(), item: hex }
}

/// Removes a log's edits after a record, and says of which registers.
pub(super) fn take_back(conn: &Connection, log: LogId, track: u32, after: u64) -> rusqlite::Result<BTreeSet<Name>> {
    let place = (log.to_string(), track, int(after));
    let sql = "SELECT target, field, item FROM register_edits WHERE log = ?1 AND track = ?2 AND seq > ?3";
    let names =
        conn.prepare_cached(sql)?.query_map((&place.0, place.1, place.2), name_of)?.collect::<rusqlite::Result<_>>()?;
    conn.execute("DELETE FROM register_edits WHERE log = ?1 AND track = ?2 AND seq > ?3", place)?;
    Ok(names)
}

/// The registers that have edits.
pub(super) fn names(conn: &Connection) -> rusqlite::Result<BTreeSet<Name>> {
    let mut names = conn.prepare_cached("SELECT DISTINCT target, field, item FROM register_edits")?;
    let names = names.query_map([], name_of)?;
    names.collect()
}

/// The stamp of the newest edit of a register that this home said: in one of these logs, up to this record.
pub(super) fn newest_said(
    conn: &Connection,
    name: &Name,
    said: &BTreeMap<LogId, u64>,
) -> rusqlite::Result<Option<Hlc>> {
    let newest = said.iter().map(|(log, last)| newest_of(conn, name, Some(*log), *last));
    newest.collect::<rusqlite::Result<Vec<_>>>().map(|all| all.into_iter().flatten().max())
}

/// The stamp of the newest edit of a register in the logs of this device, a copy's with its keys included.
pub(super) fn newest_own(conn: &Connection, name: &Name) -> rusqlite::Result<Option<Hlc>> {
    newest_of(conn, name, None, u64::MAX)
}

fn newest_of(conn: &Connection, name: &Name, log: Option<LogId>, last: u64) -> rusqlite::Result<Option<Hlc>> {
    // Where a log was forked, what a copy of this home wrote stands on another track.
    let sql = "SELECT max(e.at) FROM register_edits e JOIN register_logs l ON l.log = e.log AND l.is_own
               WHERE e.target = ?1 AND e.field = ?2 AND e.item = ?3 AND e.track = 0 AND (?4 IS NULL OR e.log = ?4)
               AND e.seq <= ?5";
    let (target, field, item) = name.columns();
    let row = (target, field, item, log.map(|log| log.to_string()), int(last));
    let at: Option<String> = conn.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
    Ok(at.and_then(|at| at.parse().ok()))
}

/// Notes what a log is called here.
pub(super) fn note_log(conn: &Connection, log: LogId, alias: &str, is_own: bool) -> rusqlite::Result<()> {
    let sql = "INSERT INTO register_logs (log, alias, is_own) VALUES (?1, ?2, ?3)
               ON CONFLICT (log) DO UPDATE SET alias = excluded.alias, is_own = excluded.is_own
               WHERE (alias, is_own) IS NOT (excluded.alias, excluded.is_own)";
    conn.prepare_cached(sql)?.execute((log.to_string(), alias, is_own)).map(drop)
}

/// The registers with edits of a log.
pub(super) fn names_of(conn: &Connection, log: LogId) -> rusqlite::Result<BTreeSet<Name>> {
    let mut names = conn.prepare_cached("SELECT DISTINCT target, field, item FROM register_edits WHERE log = ?1")?;
    let names = names.query_map([log.to_string()], name_of)?;
    names.collect()
}

/// Notes where a log was forked, and says whether any of it was not known.
pub(super) fn note_branches(conn: &Connection, log: LogId, branches: &[Branch]) -> rusqlite::Result<bool> {
    let mut is_new = false;
    for branch in branches {
        let sql = "INSERT INTO register_branches (log, first, r4, parent_first, parent_r4)
                   VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO UPDATE SET parent_first = excluded.parent_first, parent_r4 = excluded.parent_r4
                   WHERE (parent_first, parent_r4) IS NOT (excluded.parent_first, excluded.parent_r4)";
        let parent = (branch.parent.map(|(first, _)| int(first)), branch.parent.map(|(_, r4)| r4));
        let row = (log.to_string(), int(branch.first), branch.r4, parent.0, parent.1);
        is_new |= conn.prepare_cached(sql)?.execute(row)? > 0;
    }
    Ok(is_new)
}

/// The newest edits of a register, by log and branch. On which branches they stand is added to `forks`.
pub(super) fn edits(conn: &Connection, name: &Name, forks: &mut Forks) -> rusqlite::Result<Vec<Edit>> {
    // Of what one log says on one branch the last counts: no more of it is read. Not by track: how those are numbered is not
    // the same everywhere, and of two edits with one name the first counts.
    let sql = "SELECT e.log, e.seq, e.r, e.branch_first, e.branch_r4, e.at, e.value, e.seen
               FROM (SELECT log, track, max(seq) AS seq FROM register_edits
                     WHERE target = ?1 AND field = ?2 AND item = ?3 GROUP BY log, track, branch_first, branch_r4) n
               JOIN register_edits e ON e.target = ?1 AND e.field = ?2 AND e.item = ?3
                   AND e.log = n.log AND e.track = n.track AND e.seq = n.seq
               ORDER BY e.log, e.seq, e.r";
    let mut rows = conn.prepare_cached(sql)?;
    let mut rows = rows.query(name.columns())?;
    let mut edits = Vec::new();
    while let Some(row) = rows.next()? {
        let (edit, branch) = edit_of(row)?;
        if let Some(branch) = branch {
            forks.place(edit.log, branch, edit.seq, edit.r4);
        }
        edits.push(edit);
    }
    Ok(edits)
}

pub(super) fn forks(conn: &Connection) -> rusqlite::Result<Forks> {
    let mut forks = Forks::default();
    let sql = "SELECT log, first, r4, parent_first, parent_r4 FROM register_branches";
    let mut rows = conn.prepare_cached(sql)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let parent = branch_of(row, 3)?;
        let branch = Branch { parent, first: number(row, 1)?, r4: row.get(2)? };
        forks.add(parsed(row, 0)?, branch);
    }
    Ok(forks)
}

pub(super) type Edit = register::Edit<Value>;

fn edit_of(row: &Row<'_>) -> rusqlite::Result<(Edit, Option<BranchName>)> {
    let edit = Edit {
        log: parsed(row, 0)?,
        seq: number(row, 1)?,
        r4: Digest::from_bytes(row.get(2)?).first4(),
        at: parsed(row, 5)?,
        value: parsed(row, 6)?,
        seen: seen(row, 7)?,
    };
    Ok((edit, branch_of(row, 3)?))
}

fn branch_of(row: &Row<'_>, at: usize) -> rusqlite::Result<Option<BranchName>> {
    let first: Option<i64> = row.get(at)?;
    Ok(match first {
        Some(first) => Some((u64::try_from(first).unwrap_or(0), row.get(at + 1)?)),
        None => None,
    })
}

pub(super) fn name_of(row: &Row<'_>) -> rusqlite::Result<Name> {
    Ok(Name { target: row.get(0)?, field: row.get(1)?, item: row.get(2)? })
}

/// A column with text that is one of ours.
pub(super) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(at)?.as_str()?.parse().map_err(|error| damaged(at, error))
}

/// A column with places that were seen.
pub(super) fn seen(row: &Row<'_>, at: usize) -> rusqlite::Result<Seen> {
    Seen::from_json(&parsed(row, at)?).map_err(|error| damaged(at, error))
}

fn damaged(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
}

fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
