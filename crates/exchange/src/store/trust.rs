//! Who counts from now on, and who no more: approving, revoking and forgetting logs, and what goes on from them.
//!
//! A device that renews its key goes on in a new log that the earlier key vouches for. Such an heir is trusted as the log that
//! it goes on from, until it is decided otherwise for itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use super::fault::point;
use super::rows::{digest, int, number, parsed};
use super::{Limit, Store, StoreError};
use crate::hash::Digest;
use crate::limits::LOGS_MAX;
use crate::name::{LogId, StreamName};
use crate::wait::is_near;

/// For how long a log that was forgotten is not met again by itself.
pub const FORGOTTEN_FOR: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// Forgotten logs that are remembered, newest first.
const FORGOTTEN_KEPT: i64 = 1024;

/// A log that was forgotten, and what it was called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The log.
    pub log: LogId,
    /// Its name here.
    pub alias: String,
    /// The id of the device. Without a `key` it proves nothing.
    pub device: Option<String>,
    /// What the device called itself.
    pub label: Option<String>,
    /// The device's key, which did sign the log.
    pub key: Option<[u8; 32]>,
    /// When it was forgotten.
    pub at: Timestamp,
}

/// The last record of each stream that counts, and the chain after it.
pub(super) type Positions = BTreeMap<StreamName, (u64, Digest)>;

impl Store {
    /// Counts a log from now on, and what goes on from it. Also takes a revocation back, with those that came with it; what was
    /// revoked for itself stays so.
    ///
    /// # Errors
    /// [`StoreError::Full`] when as many logs are known as can be.
    pub fn approve(&mut self, log: LogId, now: Timestamp) -> Result<(), StoreError> {
        self.check_foreign(log)?;
        let alias = self.free_alias(log)?;
        self.db.write(|tx| {
            let text = log.to_string();
            note(tx, log, &alias, now)?;
            // A former log of this device counts anyway.
            let sql = "UPDATE logs SET state = 'approved', revoked_by = NULL
                       WHERE log = ?1 AND state NOT IN ('own', 'former')";
            tx.prepare_cached(sql)?.execute([&text])?;
            point("exchange.trust.approved")?;
            tx.prepare_cached("DELETE FROM revoked WHERE log = ?1")?.execute([&text])?;
            // What the log itself was called is still known until a head of it says so again.
            tx.prepare_cached("DELETE FROM forgotten WHERE vouched_by = ?1")?.execute([&text])?;
            count_heirs(tx, log)
        })
    }

    /// Counts a log that waits, and what goes on from it, for what a person said elsewhere; says whether it does. One of which
    /// something was said here meanwhile, as that it is revoked, stays as it is.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn approve_waiting(&mut self, log: LogId) -> Result<bool, StoreError> {
        self.db.write(|tx| {
            let text = log.to_string();
            let sql = "UPDATE logs SET state = 'approved', revoked_by = NULL WHERE log = ?1 AND state = 'unapproved'";
            if tx.prepare_cached(sql)?.execute([&text])? == 0 {
                return Ok(false);
            }
            tx.prepare_cached("DELETE FROM forgotten WHERE vouched_by = ?1")?.execute([&text])?;
            count_heirs(tx, log)?;
            Ok(true)
        })
    }

    /// Counts a log only up to these positions from now on. Of several revocations the smallest position of each stream holds.
    /// What goes on from it and counted is revoked with it, each at what its newest head names: what was said before stays.
    ///
    /// # Errors
    /// [`StoreError`]; the own log cannot be revoked.
    pub fn revoke(
        &mut self,
        log: LogId,
        at: &BTreeMap<StreamName, (u64, Digest)>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.check_foreign(log)?;
        let alias = self.free_alias(log)?;
        self.db.write(|tx| {
            let text = log.to_string();
            note(tx, log, &alias, now)?;
            let sql = "SELECT state = 'revoked' FROM logs WHERE log = ?1";
            let was_revoked: bool = tx.prepare_cached(sql)?.query_row([&text], |row| row.get(0))?;
            let known = positions(tx, log)?;
            let smallest = at.iter().filter_map(|(stream, at)| match known.get(stream) {
                Some(before) if before.0 <= at.0 => Some((stream.clone(), *before)),
                // A stream that an earlier revocation left out does not count at all.
                None if was_revoked => None,
                _ => Some((stream.clone(), *at)),
            });
            set_positions(tx, log, &smallest.collect())?;
            let sql = "UPDATE logs SET state = 'revoked', revoked_by = NULL WHERE log = ?1 AND state <> 'own'";
            tx.prepare_cached(sql)?.execute([&text])?;
            point("exchange.trust.revoked")?;
            for heir in heirs(tx, log)? {
                let sql = "UPDATE logs SET state = 'revoked', revoked_by = ?2 WHERE log = ?1 AND state = 'approved'";
                if tx.prepare_cached(sql)?.execute((heir.to_string(), &text))? > 0 {
                    set_positions(tx, heir, &newest(tx, heir)?)?;
                }
            }
            Ok(())
        })
    }

    /// How far a log has said something, as far as is known here: what its newest head names. Of a forked one that on its first way.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn said(&self, log: LogId) -> Result<BTreeMap<StreamName, (u64, Digest)>, StoreError> {
        newest(self.db.conn(), log)
    }

    /// Forgets a log that nobody approved, or that was revoked with another, with all that is kept of it. For
    /// [`FORGOTTEN_FOR`] it is not met again, unless it is approved by its id.
    ///
    /// # Errors
    /// [`StoreError`]; a log that counts, or was revoked for itself, is not forgotten.
    pub fn forget(&mut self, log: LogId, now: Timestamp) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let text = log.to_string();
            let sql = "SELECT state = 'unapproved' OR (state = 'revoked' AND revoked_by IS NOT NULL)
                       FROM logs WHERE log = ?1";
            let may_go = tx.prepare_cached(sql)?.query_row([&text], |row| row.get::<_, bool>(0)).optional()?;
            if !may_go.ok_or(StoreError::UnknownLog(log))? {
                return Err(StoreError::Refused(
                    "only a log that is not approved, or that was revoked with another, can be forgotten",
                ));
            }
            let head =
                super::status::followed(tx, log)?.into_iter().map(|(_, head, _)| head).max_by_key(|head| head.head().n);
            let head = head.as_ref().map(|head| head.head());
            let author = head.and_then(|head| head.author.as_ref());
            let sql = "INSERT OR REPLACE INTO forgotten (log, vouched_by, at_ms, alias, device, label, key)
                       SELECT log, vouched_by, ?2, alias, ?3, ?4, ?5 FROM logs WHERE log = ?1";
            tx.prepare_cached(sql)?.execute((
                &text,
                now.as_millis(),
                head.map(|head| head.device.as_str()),
                author.and_then(|author| author.label.as_deref()),
                author.map(|author| author.key),
            ))?;
            let sql = "DELETE FROM forgotten WHERE log IN (
                           SELECT log FROM forgotten ORDER BY at_ms DESC, log LIMIT -1 OFFSET ?1)";
            tx.prepare_cached(sql)?.execute([FORGOTTEN_KEPT])?;
            for table in [
                "segments",
                "later",
                "unpacked",
                "ranges",
                "marks",
                "attached",
                "heads_seen",
                "lists",
                "logs",
                "forks",
                "folded_as",
                "revoked",
                "deferred",
                "waiting",
                "holds",
                "refused",
                "published",
                "compared",
                "carried",
            ] {
                tx.prepare_cached(&format!("DELETE FROM {table} WHERE log = ?1"))?.execute([&text])?;
            }
            Ok(())
        })?;
        // Where somebody writes just now, its files go as those of all rows that went: when the store closes, or aside.
        if let Some(_alone) = self.places.try_alone()? {
            let dir = self.places.log_dir(log);
            match std::fs::remove_dir_all(&dir) {
                Ok(()) => {}
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(super::incarnation::disk_error("remove", &dir)(e)),
            }
        }
        Ok(())
    }

    /// Whether a log was forgotten so lately that it is not met again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn is_forgotten(&self, log: LogId, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT at_ms FROM forgotten WHERE log = ?1 AND NOT EXISTS (SELECT 1 FROM logs WHERE log = ?1)";
        let row = self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| row.get(0));
        Ok(row.optional()?.is_some_and(|at| is_near(Timestamp::from_millis(at), FORGOTTEN_FOR, now)))
    }

    /// The logs that were forgotten and are not met again yet.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forgotten(&self, now: Timestamp) -> Result<Vec<Forgotten>, StoreError> {
        let sql = "SELECT log, alias, device, label, key, at_ms FROM forgotten
                   WHERE NOT EXISTS (SELECT 1 FROM logs WHERE logs.log = forgotten.log) ORDER BY alias";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([], forgotten_of)?;
        let mut all = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        all.retain(|one| is_near(one.at, FORGOTTEN_FOR, now));
        Ok(all)
    }

    fn check_foreign(&self, log: LogId) -> Result<(), StoreError> {
        if log == self.log {
            return Err(StoreError::Refused("the log that this device writes always counts"));
        }
        Ok(())
    }
}

/// What is remembered of a log that was forgotten once.
pub(super) fn remembered(db: &rusqlite::Connection, log: LogId) -> Result<Option<Forgotten>, StoreError> {
    let sql = "SELECT log, alias, device, label, key, at_ms FROM forgotten WHERE log = ?1";
    Ok(db.prepare_cached(sql)?.query_row([log.to_string()], forgotten_of).optional()?)
}

fn forgotten_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<Forgotten> {
    let at = Timestamp::from_millis(row.get(5)?);
    let (alias, device, label, key) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
    Ok(Forgotten { log: parsed(row, 0)?, alias, device, label, key, at })
}

/// Notes a log that a person decides about, perhaps before anything of it came, as when strangers took all places of those
/// that wait.
fn note(tx: &rusqlite::Connection, log: LogId, alias: &str, now: Timestamp) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO logs (log, alias, state, since_ms) VALUES (?1, ?2, 'unapproved', ?3)";
    let is_new = tx.prepare_cached(sql)?.execute((log.to_string(), alias, now.as_millis()))? > 0;
    if is_new && tx.prepare_cached("SELECT count(*) FROM logs")?.query_row([], |row| number(row, 0))? > LOGS_MAX as u64
    {
        return Err(StoreError::Full(Limit::Logs));
    }
    Ok(())
}

/// Counts all that goes on from a log that counts: what waits, and what was revoked with another. What was revoked for itself
/// ends the way down.
pub(super) fn count_heirs(tx: &rusqlite::Connection, log: LogId) -> Result<(), StoreError> {
    let (mut todo, mut seen) = (vec![log], BTreeSet::from([log]));
    while let Some(from) = todo.pop() {
        let sql = "SELECT log FROM logs WHERE vouched_by = ?1 AND (state <> 'revoked' OR revoked_by IS NOT NULL)";
        let mut rows = tx.prepare_cached(sql)?;
        let rows = rows.query_map([from.to_string()], |row| parsed(row, 0))?;
        for heir in rows.collect::<rusqlite::Result<Vec<LogId>>>()? {
            if !seen.insert(heir) {
                continue;
            }
            let sql = "UPDATE logs SET state = 'approved', revoked_by = NULL
                       WHERE log = ?1 AND state IN ('unapproved', 'revoked')";
            if tx.prepare_cached(sql)?.execute([heir.to_string()])? > 0 {
                tx.prepare_cached("DELETE FROM revoked WHERE log = ?1")?.execute([heir.to_string()])?;
            }
            todo.push(heir);
        }
    }
    Ok(())
}

/// All that goes on from a log.
fn heirs(tx: &rusqlite::Connection, log: LogId) -> Result<Vec<LogId>, StoreError> {
    let sql = "WITH RECURSIVE heirs(log) AS (
                   SELECT ?1 UNION SELECT l.log FROM logs l JOIN heirs h ON l.vouched_by = h.log
               )
               SELECT log FROM heirs WHERE log <> ?1";
    let mut rows = tx.prepare_cached(sql)?;
    let rows = rows.query_map([log.to_string()], |row| parsed(row, 0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// How far a revoked log counts.
pub(super) fn positions(tx: &rusqlite::Connection, log: LogId) -> Result<Positions, StoreError> {
    let mut rows = tx.prepare_cached("SELECT stream, last, chain FROM revoked WHERE log = ?1")?;
    let rows = rows.query_map([log.to_string()], |row| Ok((parsed(row, 0)?, (number(row, 1)?, digest(row, 2)?))))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn set_positions(tx: &rusqlite::Connection, log: LogId, at: &Positions) -> Result<(), StoreError> {
    tx.prepare_cached("DELETE FROM revoked WHERE log = ?1")?.execute([log.to_string()])?;
    for (stream, (last, chain)) in at {
        let row = (log.to_string(), stream.as_str(), int(*last), chain.as_bytes());
        tx.prepare_cached("INSERT INTO revoked (log, stream, last, chain) VALUES (?1, ?2, ?3, ?4)")?.execute(row)?;
    }
    Ok(())
}

/// What the newest head of a log names; of one with several ways, that on the lowest. That need not be the first: a head there may
/// have been refused.
fn newest(tx: &rusqlite::Connection, log: LogId) -> Result<Positions, StoreError> {
    let head = super::status::followed(tx, log)?.into_iter().min_by_key(|(track, ..)| *track).map(|(_, head, _)| head);
    let streams = head.map(|head| head.head().streams.clone()).unwrap_or_default();
    Ok(streams.into_iter().map(|(stream, state)| (stream, (state.last, state.chain))).collect())
}
