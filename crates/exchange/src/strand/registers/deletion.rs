//! Deletion for good: at once where nothing is exchanged, and through an undo window where something is.
//!
//! Of devices that exchange, one says that it means to delete (an intent), hides the target, and makes that final when the
//! window is over by its own clock. Others act on what is final only. An undo that the author knows before then cancels
//! the intent; one that comes later comes too late. Every step is a record that stays, as proof of who deleted what.

use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, Params};
use carry_kernel::db::{Db, DbError};
use carry_kernel::hlc::Hlc;

use super::edits::{Place, int, parsed};
use super::refused::check_target;
use super::{RegisterError, Registers, SET, Set, pending, replace, say};
use crate::clock;
use crate::hash::Digest;
use crate::name::LogId;

mod audit;

pub use audit::{Deleted, DeletedHow, deletions};

/// How long a due intent waits for news from others before it becomes final without any.
const UNHEARD: Duration = Duration::from_secs(24 * 60 * 60);

/// A step of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Intent,
    Undo,
    Final,
}

impl Op {
    const ALL: [(Self, i64, &'static str); 3] =
        [(Self::Intent, 0, "intent"), (Self::Undo, 1, "undo"), (Self::Final, 2, "final")];

    pub(super) fn as_str(self) -> &'static str {
        Self::ALL.into_iter().find(|(op, ..)| *op == self).map_or("", |(.., name)| name)
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(.., known)| *known == name).map(|(op, ..)| op)
    }

    fn number(self) -> i64 {
        Self::ALL.into_iter().find(|(op, ..)| *op == self).map_or(0, |(_, number, _)| number)
    }

    fn numbered(number: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known, _)| *known == number).map(|(op, ..)| op)
    }
}

/// One step, before or after it has a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) id: String,
    pub(super) target: String,
    pub(super) at: Hlc,
    pub(super) due_ms: Option<u64>,
}

/// What became of a wish to delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone.
    Done,
    /// It is hidden, and goes at this time, unless that is taken back.
    Pending(Timestamp),
    /// It was deleted before.
    WasDone,
}

/// What became of a wish to take a deletion back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undeletion {
    /// It is back.
    Done,
    /// Nobody means to delete it.
    NotPending,
    /// It is gone already.
    TooLate,
}

impl Registers {
    /// Deletes a target for good: at once where nothing was ever exchanged or the window is zero, else when that is over. Until
    /// then it is hidden, and [`Registers::undelete`] takes it back.
    ///
    /// # Errors
    /// [`RegisterError`]; then nothing changes.
    pub fn delete(
        &self,
        conn: &Connection,
        target: &str,
        window: Duration,
        device: &str,
        now: Timestamp,
    ) -> Result<Deletion, RegisterError> {
        check_target(target)?;
        if is_deleted(conn, target)? {
            return Ok(Deletion::WasDone);
        }
        if window.is_zero() || !pending::is_in_use(conn)? {
            self.finish(conn, target, device, now)?;
            return Ok(Deletion::Done);
        }
        if let Some(intent) = own_intents(conn, Some(target))?.first() {
            return Ok(Deletion::Pending(time(intent.due_ms)));
        }
        let due = now.after(window);
        let due_ms = u64::try_from(due.as_millis()).ok();
        let (id, at) = (new_id(conn, target, device)?, stamp(conn, device, now)?);
        add(conn, &Step { op: Op::Intent, id, target: target.to_owned(), at, due_ms }, device)?;
        hide(conn, target)?;
        Ok(Deletion::Pending(time(due_ms)))
    }

    /// Takes back that a target is to be deleted, on whichever device that was said.
    ///
    /// # Errors
    /// SQLite's.
    pub fn undelete(
        &self,
        conn: &Connection,
        target: &str,
        device: &str,
        now: Timestamp,
    ) -> rusqlite::Result<Undeletion> {
        if is_deleted(conn, target)? {
            return Ok(Undeletion::TooLate);
        }
        let open = intents(conn, target)?;
        for intent in &open {
            let at = stamp(conn, device, now)?;
            let undo = Step { op: Op::Undo, id: intent.id.clone(), target: target.to_owned(), at, due_ms: None };
            add(conn, &undo, device)?;
        }
        hide(conn, target)?;
        Ok(if open.is_empty() { Undeletion::NotPending } else { Undeletion::Done })
    }

    /// Deletes a target for good, and says so to others if anything was ever exchanged. Says whether anything changed.
    ///
    /// # Errors
    /// [`RegisterError`]; then nothing changes.
    pub fn delete_at_once(
        &self,
        conn: &Connection,
        target: &str,
        device: &str,
        now: Timestamp,
    ) -> Result<bool, RegisterError> {
        check_target(target)?;
        Ok(self.finish(conn, target, device, now)?)
    }

    fn finish(&self, conn: &Connection, target: &str, device: &str, now: Timestamp) -> rusqlite::Result<bool> {
        if is_deleted(conn, target)? {
            return Ok(false);
        }
        let at = stamp(conn, device, now)?;
        if pending::is_in_use(conn)? {
            let intent = own_intents(conn, Some(target))?.into_iter().next();
            let id = intent.map_or_else(|| new_id(conn, target, device), |intent| Ok(intent.id))?;
            add(conn, &Step { op: Op::Final, id, target: target.to_owned(), at, due_ms: None }, device)?;
        }
        self.erase(conn, target, at, device)?;
        Ok(true)
    }

    /// Carries out the deletions of this device whose window is over: those that were due when others were `heard` last, and
    /// those that have been due for a day without news. Says how many.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn finish_deletions(&self, db: &mut Db, heard: Option<Timestamp>, now: Timestamp) -> Result<usize, DbError> {
        let failed = db.failed();
        // Looked at first: to write may mean to wait for a pass.
        if own_intents(db.conn(), None).map_err(&failed)?.iter().all(|intent| !intent.is_due(now)) {
            return Ok(0);
        }
        db.write(|tx| self.finish_due(tx, heard, now).map_err(failed))
    }

    fn finish_due(&self, conn: &Connection, heard: Option<Timestamp>, now: Timestamp) -> rusqlite::Result<usize> {
        let mut n_finished = 0;
        for intent in own_intents(conn, None)?.iter().filter(|intent| intent.is_due(now)) {
            let ripe = intent.ripe_ms.map_or(now, Timestamp::from_millis);
            let was_heard = heard.is_some_and(|heard| intent.is_due(heard));
            if was_heard || now >= ripe.after(UNHEARD) {
                self.finish(conn, &intent.target, &intent.device, now)?;
                n_finished += 1;
            } else if intent.ripe_ms.is_none() {
                let sql = "UPDATE register_deletions SET ripe_ms = ?2 WHERE n = ?1";
                conn.execute(sql, (intent.n, now.as_millis()))?;
            }
        }
        Ok(n_finished)
    }

    /// Takes in a step that has a place, ours or another's.
    pub(super) fn take_in(
        &self,
        conn: &Connection,
        step: &Step,
        place: Place,
        is_own: bool,
        device: &str,
    ) -> rusqlite::Result<()> {
        let at = (place.log.to_string(), place.track, int(place.seq), place.r.first4());
        let sql = "UPDATE register_deletions SET log = ?1, track = ?2, seq = ?3, r4 = ?4, waits = 0
                   WHERE n = (SELECT n FROM register_deletions WHERE op = ?5 AND id = ?6 AND target = ?7 AND is_own AND log IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM register_deletions WHERE log = ?1 AND track = ?2 AND seq = ?3)";
        let (op, target) = (step.op.number(), &step.target);
        let row = (&at.0, at.1, at.2, at.3, op, &step.id, target);
        if !(is_own && conn.prepare_cached(sql)?.execute(row)? > 0) {
            let sql = "INSERT OR REPLACE INTO register_deletions
                           (op, id, target, at, due_ms, is_own, device, waits, log, track, seq, r4)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, ?8, ?9, ?10, ?11)";
            let due_ms = step.due_ms.map(int);
            conn.prepare_cached(sql)?.execute(rusqlite::params![
                op,
                step.id,
                target,
                step.at.to_string(),
                due_ms,
                is_own,
                device,
                at.0,
                at.1,
                at.2,
                at.3,
            ])?;
        }
        if step.op == Op::Final && !is_deleted(conn, &step.target)? {
            self.erase(conn, &step.target, step.at, device)?;
        }
        hide(conn, &step.target)
    }

    /// Removes all there is of a target, but that it was deleted.
    fn erase(&self, conn: &Connection, target: &str, at: Hlc, device: &str) -> rusqlite::Result<()> {
        say::forget_in_outbox(conn, &self.stream, target)?;
        replace(conn, &Set { target, field: "deleted", item: "", value: Some(SET) }, at, device)?;
        for sql in [
            // What was said about it is not kept either, nor said to anybody who has not heard it yet.
            "DELETE FROM registers WHERE target = ?1 AND field <> 'deleted'",
            "DELETE FROM register_pending WHERE target = ?1",
            "DELETE FROM register_masked WHERE target = ?1",
            "DELETE FROM register_conflicts WHERE target = ?1",
            "DELETE FROM register_edits WHERE target = ?1",
        ] {
            conn.execute(sql, [target])?;
        }
        self.meaning.erase(conn, target)
    }
}

/// Whether a target was deleted for good.
pub(super) fn is_deleted(conn: &Connection, target: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM registers WHERE target = ?1 AND field = 'deleted' AND item = '' AND value IS NOT NULL";
    conn.prepare_cached(sql)?.exists([target])
}

/// Takes a step of this device down.
fn add(conn: &Connection, step: &Step, device: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO register_deletions (op, id, target, at, due_ms, is_own, device, waits) VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, 1)";
    let due_ms = step.due_ms.map(int);
    let row = (step.op.number(), &step.id, &step.target, step.at.to_string(), due_ms, device);
    conn.prepare_cached(sql)?.execute(row).map(drop)
}

/// Removes a log's steps after a record; says whether a final one was among them.
pub(super) fn take_back(conn: &Connection, log: LogId, track: u32, after: u64) -> rusqlite::Result<bool> {
    let sql = "SELECT DISTINCT target, op FROM register_deletions WHERE log = ?1 AND track = ?2 AND seq > ?3";
    let place = (log.to_string(), track, int(after));
    let gone: Vec<(String, i64)> = {
        let mut rows = conn.prepare_cached(sql)?;
        let rows = rows.query_map((&place.0, place.1, place.2), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<_>>()?
    };
    conn.execute("DELETE FROM register_deletions WHERE log = ?1 AND track = ?2 AND seq > ?3", place)?;
    let mut lost_final = false;
    for (target, op) in gone {
        let has_other = "SELECT 1 FROM register_deletions WHERE target = ?1 AND op = 2";
        if Op::numbered(op) == Some(Op::Final) && !conn.prepare_cached(has_other)?.exists([&target])? {
            // It may be archived again. What was removed comes back only from where it is still kept.
            conn.execute("DELETE FROM registers WHERE target = ?1 AND field = 'deleted'", [&target])?;
            lost_final = true;
        }
        hide(conn, &target)?;
    }
    Ok(lost_final)
}

/// The steps that wait to be handed to the exchange, by row.
pub(super) fn waiting(conn: &Connection) -> rusqlite::Result<Vec<(i64, Step)>> {
    let sql = "SELECT n, op, id, target, at, due_ms FROM register_deletions WHERE waits ORDER BY n";
    let mut rows = conn.prepare_cached(sql)?;
    let rows = rows.query_map([], |row| {
        let op = Op::numbered(row.get(1)?).unwrap_or(Op::Undo);
        let due_ms: Option<i64> = row.get(5)?;
        let due_ms = due_ms.and_then(|due| u64::try_from(due).ok());
        let target = row.get(3)?;
        Ok((row.get(0)?, Step { op, id: row.get(2)?, target, at: parsed(row, 4)?, due_ms }))
    })?;
    rows.collect()
}

/// Notes that a step was handed over.
pub(super) fn handed_over(conn: &Connection, n: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE register_deletions SET waits = 0 WHERE n = ?1")?.execute([n]).map(drop)
}

/// An intent that is neither undone nor final.
#[derive(Debug)]
struct Open {
    n: i64,
    id: String,
    target: String,
    at: Hlc,
    due_ms: Option<u64>,
    ripe_ms: Option<i64>,
    device: String,
}

impl Open {
    fn is_due(&self, now: Timestamp) -> bool {
        time(self.due_ms) <= now
    }
}

/// The open intents of this device, of one target or of all, oldest first.
fn own_intents(conn: &Connection, target: Option<&str>) -> rusqlite::Result<Vec<Open>> {
    match target {
        Some(target) => open(conn, "op = 0 AND is_own AND target = ?1", [target]),
        None => open(conn, "op = 0 AND is_own", []),
    }
}

/// The open intents about a target, oldest first.
fn intents(conn: &Connection, target: &str) -> rusqlite::Result<Vec<Open>> {
    open(conn, "op = 0 AND target = ?1", [target])
}

/// Intents that are neither undone nor final.
fn open(conn: &Connection, which: &str, target: impl Params) -> rusqlite::Result<Vec<Open>> {
    let sql = format!(
        "SELECT n, id, target, at, due_ms, ripe_ms, device FROM register_deletions d WHERE {which}
         AND NOT EXISTS (SELECT 1 FROM register_deletions u WHERE u.id = d.id AND u.op = 1 AND u.target = d.target)
         AND NOT EXISTS (SELECT 1 FROM register_deletions f WHERE f.target = d.target AND f.op = 2) ORDER BY n"
    );
    let mut rows = conn.prepare_cached(&sql)?;
    let rows = rows.query_map(target, |row| {
        let due_ms: Option<i64> = row.get(4)?;
        Ok(Open {
            n: row.get(0)?,
            id: row.get(1)?,
            target: row.get(2)?,
            at: parsed(row, 3)?,
            due_ms: due_ms.and_then(|due| u64::try_from(due).ok()),
            ripe_ms: row.get(5)?,
            device: row.get(6)?,
        })
    })?;
    rows.collect()
}

/// Hides a target that this device means to delete, and shows it again when it no longer does.
fn hide(conn: &Connection, target: &str) -> rusqlite::Result<()> {
    let open = own_intents(conn, Some(target))?;
    match open.first().filter(|_| !is_deleted(conn, target).unwrap_or(true)) {
        Some(intent) => {
            let set = Set { target, field: "deleting", item: "", value: Some(SET) };
            replace(conn, &set, intent.at, &intent.device)
        }
        None => {
            let sql = "DELETE FROM registers WHERE target = ?1 AND field = 'deleting'";
            conn.prepare_cached(sql)?.execute([target]).map(drop)
        }
    }
}

/// A stamp after all that this device said.
fn stamp(conn: &Connection, device: &str, now: Timestamp) -> rusqlite::Result<Hlc> {
    let sql = "SELECT max(at) FROM register_deletions WHERE is_own";
    let newest: Option<String> = conn.query_row(sql, [], |row| row.get(0))?;
    let newest = newest.and_then(|at| at.parse().ok()).unwrap_or_default();
    Ok(clock::next(super::newest(conn, device)?.max(newest), now).at)
}

/// A name for an intent that nobody else gives.
fn new_id(conn: &Connection, target: &str, device: &str) -> rusqlite::Result<String> {
    let sql = "SELECT count(*) FROM register_deletions WHERE target = ?1";
    let n: i64 = conn.query_row(sql, [target], |row| row.get(0))?;
    let said: String = conn.query_row("SELECT ifnull(max(at), '') FROM register_deletions", [], |row| row.get(0))?;
    let parts = [target, device, &n.to_string(), &said].map(|part| format!("{}:{part}", part.len()));
    let digest = Digest::of(&[b"carry deletion 1\n", parts.concat().as_bytes()]);
    Ok(digest.as_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

fn time(due_ms: Option<u64>) -> Timestamp {
    // One that names no time is never due.
    Timestamp::from_millis(due_ms.map_or(i64::MAX, int))
}
