//! Edits that have a place in a log, and what registers show.
//!
//! A register's state is never kept: it is folded from its edits, of which there are few, so that what was wrongly taken in
//! can be taken back, and a log that turns out to be forked can be folded anew. What it shows is kept in `curation`.

use std::collections::BTreeSet;

use carry_exchange::hash::Digest;
use carry_exchange::limits::NUMBER_MAX;
use carry_exchange::name::LogId;
use carry_exchange::register::{self, Branch, Forks, Seen};
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Row};
use carry_kernel::hlc::Hlc;
use serde_json::Value;

use super::name::RegisterName;
use super::pending::{self, Pending};
use super::{deletion, masked};

/// A branch of a forked log: its first record, and the first bytes of that record's digest.
pub(crate) type BranchName = (u64, [u8; 4]);

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) log: LogId,
    pub(crate) track: u32,
    pub(crate) seq: u64,
    /// The record's digest.
    pub(crate) r: Digest,
    /// The branch of a forked log.
    pub(crate) branch: Option<BranchName>,
}

/// What a register says and why.
#[derive(Clone, Debug)]
pub(crate) struct State {
    register: register::Register<Value>,
    pending: Option<(LogId, Pending)>,
    seen: Seen,
}

/// One of the live edits of a register.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Said {
    /// As it was exchanged; of an own edit that waits, as it was said.
    pub(crate) value: Value,
    pub(crate) at: Hlc,
    /// Who said it: the device's id if it is this one, empty for what was imported here, else the log.
    pub(crate) device: String,
    /// The log, unless the edit waits.
    pub(crate) log: Option<LogId>,
}

impl State {
    /// The state of a register with what waits to be exchanged.
    pub(crate) fn read(conn: &Connection, name: &RegisterName) -> rusqlite::Result<Self> {
        let (mut register, forks) = fold(conn, name)?;
        let seen = register.seen(nobody());
        let pending = match pending::find(conn, name)? {
            None => None,
            Some(pending) => {
                let log = own_log(conn)?.unwrap_or_else(nobody);
                // It comes after everything of this log.
                register.apply(
                    register::Edit {
                        log,
                        seq: NUMBER_MAX,
                        r4: [0; 4],
                        at: pending.at,
                        value: pending.value.clone().into(),
                        seen: pending.seen.clone(),
                    },
                    &forks,
                );
                Some((log, pending))
            }
        };
        Ok(Self { register, pending, seen })
    }

    /// All that an edit made now has seen, own logs included. What waits has no place that could be named.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.register.is_conflict()
    }

    /// The live edits, the one that is shown first.
    pub(crate) fn live(&self, conn: &Connection) -> rusqlite::Result<Vec<Said>> {
        let mut live: Vec<_> = self.register.live().collect();
        live.sort_by_key(|(lineage, edit)| std::cmp::Reverse((edit.at, *lineage)));
        live.into_iter().map(|(_, edit)| self.said(conn, edit)).collect()
    }

    fn said(&self, conn: &Connection, edit: &Edit) -> rusqlite::Result<Said> {
        let waits = |(own, _): &&(LogId, Pending)| *own == edit.log && edit.seq == NUMBER_MAX;
        let (device, log) = match self.pending.as_ref().filter(waits) {
            Some((_, pending)) => (pending.device.clone(), None),
            None => (device_of(conn, edit.log)?, Some(edit.log)),
        };
        Ok(Said { value: edit.value.clone(), at: edit.at, device, log })
    }
}

/// A log that nobody writes: an edit that waits while the own log is not known is counted to it.
fn nobody() -> LogId {
    LogId::of_key(&[0; 32])
}

fn own_log(conn: &Connection) -> rusqlite::Result<Option<LogId>> {
    let sql = "SELECT value FROM meta WHERE key = 'curation.log'";
    let log: Option<String> = conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(log.and_then(|log| log.parse().ok()))
}

/// Who writes a log: this device's id, or the log itself.
fn device_of(conn: &Connection, log: LogId) -> rusqlite::Result<String> {
    let sql = "SELECT alias FROM curation_logs WHERE log = ?1 AND is_own";
    let own: Option<String> = conn.prepare_cached(sql)?.query_row([log.to_string()], |row| row.get(0)).optional()?;
    Ok(own.unwrap_or_else(|| log.to_string()))
}

/// Puts an edit where it belongs; the same again changes nothing.
pub(crate) fn put(
    conn: &Connection,
    name: &RegisterName,
    place: Place,
    at: Hlc,
    value: &Value,
    seen: &Seen,
) -> rusqlite::Result<()> {
    // A record stands at one place only.
    let sql = "DELETE FROM curation_edits WHERE log = ?1 AND track = ?2 AND seq = ?3";
    let log = place.log.to_string();
    conn.prepare_cached(sql)?.execute((&log, place.track, int(place.seq)))?;
    let sql = "INSERT INTO curation_edits (session, field, item, log, track, seq, r, branch_first, branch_r4, at, value, seen)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let (session, field, item) = name.columns();
    conn.prepare_cached(sql)?.execute(rusqlite::params![
        session,
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

/// Notes that a record which is no edit makes void what its log said before under `key`. It is kept as an edit of a register
/// that no session has, whose name this gives.
pub(crate) fn put_void(conn: &Connection, key: &[u8], place: Place) -> rusqlite::Result<RegisterName> {
    let name = void_name(key);
    put(conn, &name, place, Hlc::default(), &Value::Null, &Seen::default())?;
    Ok(name)
}

fn void_name(key: &[u8]) -> RegisterName {
    let hex = key.iter().map(|byte| format!("{byte:02x}")).collect();
    RegisterName { session: super::SessionId::stored(String::new()), field: String::new(), item: hex }
}

/// Those of `touched` that can be shown: in the place of names that [`put_void`] gave stand the registers with their keys.
pub(crate) fn to_show(conn: &Connection, touched: BTreeSet<RegisterName>) -> rusqlite::Result<BTreeSet<RegisterName>> {
    let (voids, mut touched): (BTreeSet<_>, BTreeSet<_>) =
        touched.into_iter().partition(|name| name.session.as_str().is_empty());
    if !voids.is_empty() {
        touched.extend(names(conn)?.into_iter().filter(|name| voids.contains(&void_name(name.key().as_bytes()))));
    }
    Ok(touched)
}

/// Removes a log's edits after a record, and says of which registers.
pub(crate) fn take_back(
    conn: &Connection,
    log: LogId,
    track: u32,
    after: u64,
) -> rusqlite::Result<BTreeSet<RegisterName>> {
    let place = (log.to_string(), track, int(after));
    let sql = "SELECT session, field, item FROM curation_edits WHERE log = ?1 AND track = ?2 AND seq > ?3";
    let names =
        conn.prepare_cached(sql)?.query_map((&place.0, place.1, place.2), name_of)?.collect::<rusqlite::Result<_>>()?;
    conn.execute("DELETE FROM curation_edits WHERE log = ?1 AND track = ?2 AND seq > ?3", place)?;
    Ok(names)
}

/// The registers that have edits.
pub(crate) fn names(conn: &Connection) -> rusqlite::Result<BTreeSet<RegisterName>> {
    let mut names = conn.prepare_cached("SELECT DISTINCT session, field, item FROM curation_edits")?;
    let names = names.query_map([], name_of)?;
    names.collect()
}

/// The stamp of the newest edit of a register in `log`, or in all logs of this device.
pub(crate) fn newest_own(conn: &Connection, name: &RegisterName, log: Option<LogId>) -> rusqlite::Result<Option<Hlc>> {
    // What a copy of this home wrote stands on another track.
    let sql = "SELECT max(e.at) FROM curation_edits e JOIN curation_logs l ON l.log = e.log AND l.is_own
               WHERE e.session = ?1 AND e.field = ?2 AND e.item = ?3 AND e.track = 0 AND (?4 IS NULL OR e.log = ?4)";
    let (session, field, item) = name.columns();
    let row = (session, field, item, log.map(|log| log.to_string()));
    let at: Option<String> = conn.prepare_cached(sql)?.query_row(row, |row| row.get(0))?;
    Ok(at.and_then(|at| at.parse().ok()))
}

/// Whether the edits that have a place agree that a register has this value. One without any has none.
pub(crate) fn agree_on(conn: &Connection, name: &RegisterName, value: Option<&str>) -> rusqlite::Result<bool> {
    let (register, _) = fold(conn, name)?;
    let value = Value::from(value);
    let mut live = register.live().map(|(_, live)| &live.value).peekable();
    let is_untouched = live.peek().is_none();
    Ok(!register.is_conflict() && live.all(|said| *said == value) && (!is_untouched || value.is_null()))
}

/// Notes what a log is called here.
pub(crate) fn note_log(conn: &Connection, log: LogId, alias: &str, is_own: bool) -> rusqlite::Result<()> {
    let sql = "INSERT INTO curation_logs (log, alias, is_own) VALUES (?1, ?2, ?3)
               ON CONFLICT (log) DO UPDATE SET alias = excluded.alias, is_own = excluded.is_own
               WHERE (alias, is_own) IS NOT (excluded.alias, excluded.is_own)";
    conn.prepare_cached(sql)?.execute((log.to_string(), alias, is_own)).map(drop)
}

/// Notes where a log was forked, and says whether any of it was not known.
pub(crate) fn note_branches(conn: &Connection, log: LogId, branches: &[Branch]) -> rusqlite::Result<bool> {
    let mut is_new = false;
    for branch in branches {
        let sql = "INSERT INTO curation_branches (log, first, r4, parent_first, parent_r4)
                   VALUES (?1, ?2, ?3, ?4, ?5)
                   ON CONFLICT DO UPDATE SET parent_first = excluded.parent_first, parent_r4 = excluded.parent_r4
                   WHERE (parent_first, parent_r4) IS NOT (excluded.parent_first, excluded.parent_r4)";
        let parent = (branch.parent.map(|(first, _)| int(first)), branch.parent.map(|(_, r4)| r4));
        let row = (log.to_string(), int(branch.first), branch.r4, parent.0, parent.1);
        is_new |= conn.prepare_cached(sql)?.execute(row)? > 0;
    }
    Ok(is_new)
}

/// Brings what `curation` shows of a register, and whether it is a conflict, up to date.
pub(crate) fn show(conn: &Connection, name: &RegisterName) -> rusqlite::Result<()> {
    if !name.is_known() {
        return Ok(());
    }
    let is_deleted = deletion::is_deleted(conn, &name.session)?;
    let state = State::read(conn, name)?;
    let sql = match state.is_conflict() && !is_deleted {
        true => "INSERT OR IGNORE INTO curation_conflicts (session, field, item) VALUES (?1, ?2, ?3)",
        false => "DELETE FROM curation_conflicts WHERE session = ?1 AND field = ?2 AND item = ?3",
    };
    conn.prepare_cached(sql)?.execute(name.columns())?;
    if is_deleted {
        return Ok(());
    }
    let local = masked::local(conn, name)?;
    let (session, field, item) = (name.session.as_str(), name.field.as_str(), local.item());
    let Some(shown) = state.live(conn)?.into_iter().next() else {
        let sql = "DELETE FROM curation WHERE session = ?1 AND field = ?2 AND item = ?3";
        return conn.prepare_cached(sql)?.execute((session, field, item)).map(drop);
    };
    // Who said it stays as it was noted when it is the same edit.
    let sql = "INSERT INTO curation (session, field, item, value, hlc, device) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT DO UPDATE SET value = excluded.value, hlc = excluded.hlc, device = excluded.device
               WHERE (value, hlc) IS NOT (excluded.value, excluded.hlc)";
    let value = local.value(&shown.value);
    conn.prepare_cached(sql)?.execute((session, field, item, value, shown.at.to_string(), shown.device)).map(drop)
}

/// The fold over the edits that have a place.
fn fold(conn: &Connection, name: &RegisterName) -> rusqlite::Result<(register::Register<Value>, Forks)> {
    let mut forks = forks(conn)?;
    let mut edits = edits(conn, name, &mut forks)?;
    let voids = self::edits(conn, &void_name(name.key().as_bytes()), &mut forks)?;
    let place = |edit: &Edit| (forks.lineage(edit.log, edit.seq, edit.r4), edit.seq);
    edits.retain(|edit| !voids.iter().any(|void| forks.is_before(place(edit), place(void))));
    let mut register = register::Register::default();
    for edit in edits {
        register.apply(edit, &forks);
    }
    Ok((register, forks))
}

/// The edits of a register. On which branches they stand is added to `forks`.
fn edits(conn: &Connection, name: &RegisterName, forks: &mut Forks) -> rusqlite::Result<Vec<Edit>> {
    // Not by track: how those are numbered is not the same everywhere, and of two edits with one name the first counts.
    let sql = "SELECT log, seq, r, branch_first, branch_r4, at, value, seen FROM curation_edits
               WHERE session = ?1 AND field = ?2 AND item = ?3 ORDER BY log, seq, r";
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

fn forks(conn: &Connection) -> rusqlite::Result<Forks> {
    let mut forks = Forks::default();
    let sql = "SELECT log, first, r4, parent_first, parent_r4 FROM curation_branches";
    let mut rows = conn.prepare_cached(sql)?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let parent = branch_of(row, 3)?;
        let branch = Branch { parent, first: number(row, 1)?, r4: row.get(2)? };
        forks.add(parsed(row, 0)?, branch);
    }
    Ok(forks)
}

type Edit = register::Edit<Value>;

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

fn name_of(row: &Row<'_>) -> rusqlite::Result<RegisterName> {
    Ok(RegisterName { session: super::SessionId::stored(row.get(0)?), field: row.get(1)?, item: row.get(2)? })
}

/// A column with text that is one of ours.
pub(crate) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    row.get_ref(at)?.as_str()?.parse().map_err(|error| damaged(at, error))
}

/// A column with places that were seen.
pub(crate) fn seen(row: &Row<'_>, at: usize) -> rusqlite::Result<Seen> {
    Seen::from_json(&parsed(row, at)?).map_err(|error| damaged(at, error))
}

fn damaged(at: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(at, rusqlite::types::Type::Text, Box::new(error))
}

fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0))
}

pub(crate) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
