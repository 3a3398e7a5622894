//! The logs that are known, and which of them count.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::Snapshot;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use super::rows::{Lane, number, parsed};
use super::trust::count_heirs;
use super::{Limit, Store, StoreError};
use crate::limits::LOGS_MAX;
use crate::name::{LogId, StreamName};

/// Logs that nobody approved and of which anything is kept.
pub const UNAPPROVED_LOGS: u64 = 64;

/// Whether a log counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// This device writes it.
    Own,
    /// This device wrote it.
    Former,
    /// Its records are folded.
    Approved,
    /// A little of it is kept apart, and nothing folded or passed on.
    Unapproved,
    /// It counts up to a position.
    Revoked,
}

/// One log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRow {
    /// The log.
    pub log: LogId,
    /// Its name on this device.
    pub alias: String,
    /// Whether it counts.
    pub state: LogState,
    /// The log it goes on from, as the earlier key says.
    pub vouched_by: Option<LogId>,
    /// The log that was revoked when this one, which goes on from it, was revoked with it.
    pub revoked_by: Option<LogId>,
    /// When it was met first, by this device's clock.
    pub since: Timestamp,
}

impl LogState {
    /// How it stands in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Former => "former",
            Self::Approved => "approved",
            Self::Unapproved => "unapproved",
            Self::Revoked => "revoked",
        }
    }

    /// Whether its records are folded, as far as they count.
    pub fn counts(self) -> bool {
        self != Self::Unapproved
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        let all = [Self::Own, Self::Former, Self::Approved, Self::Unapproved, Self::Revoked];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

impl Store {
    /// All logs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn logs(&self) -> Result<Vec<LogRow>, StoreError> {
        all(self.db.conn())
    }

    /// Whether a log counts; `None` when it was never met.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn state(&self, log: LogId) -> Result<Option<LogState>, StoreError> {
        let sql = "SELECT state FROM logs WHERE log = ?1";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let mut rows = rows.query([log.to_string()])?;
        rows.next()?.map(|row| state_of(row, 0, log)).transpose()
    }

    /// The states of all logs.
    pub(super) fn states(&self) -> Result<BTreeMap<LogId, LogState>, StoreError> {
        let mut rows = self.db.conn().prepare_cached("SELECT log, state FROM logs")?;
        let mut rows = rows.query([])?;
        let mut states = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let log = parsed(row, 0)?;
            states.insert(log, state_of(row, 1, log)?);
        }
        Ok(states)
    }

    /// Begins to read several things of the store at one moment.
    pub(crate) fn snapshot(&self) -> Result<Snapshot<'_>, StoreError> {
        Ok(self.db.snapshot()?)
    }

    /// Names a log on this device: 1 to 64 characters of `a-z`, `0-9` and `-`, unlike all others.
    ///
    /// # Errors
    /// [`StoreError::Alias`] when it cannot be this.
    pub fn set_alias(&mut self, log: LogId, alias: &str) -> Result<(), StoreError> {
        let fits = (1..=64).contains(&alias.len())
            && alias.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !alias.starts_with('-')
            && !alias.ends_with('-');
        let wrong = || StoreError::Alias(alias.chars().take(100).collect());
        if !fits {
            return Err(wrong());
        }
        self.db.write(|tx| {
            let sql = "SELECT EXISTS (SELECT 1 FROM logs WHERE alias = ?1 AND log <> ?2)";
            if tx.prepare_cached(sql)?.query_row((alias, log.to_string()), |row| row.get(0))? {
                return Err(wrong());
            }
            let n =
                tx.prepare_cached("UPDATE logs SET alias = ?1 WHERE log = ?2")?.execute((alias, log.to_string()))?;
            if n == 0 { Err(StoreError::UnknownLog(log)) } else { Ok(()) }
        })
    }

    /// The last record of a lane that counts; `None` for all.
    pub(super) fn counts_to(&self, lane: &Lane) -> Result<Option<u64>, StoreError> {
        match self.state(lane.log)? {
            None | Some(LogState::Unapproved) => return Ok(Some(0)),
            Some(LogState::Own | LogState::Former | LogState::Approved) => return Ok(None),
            Some(LogState::Revoked) => {}
        }
        let place = (lane.log.to_string(), lane.stream.as_str());
        let sql = "SELECT last, chain FROM revoked WHERE log = ?1 AND stream = ?2";
        let row = self
            .db
            .conn()
            .prepare_cached(sql)?
            .query_row(place, |row| Ok((number(row, 0)?, super::rows::digest(row, 1)?)));
        let Some((last, chain)) = row.optional()? else { return Ok(Some(0)) };
        let is_named = match self.chain_at(lane, last)? {
            Some(found) => found == chain,
            None => {
                let sql = "SELECT DISTINCT track FROM ranges WHERE log = ?1 AND stream = ?2 AND track <> ?3";
                let mut others = self.db.conn().prepare_cached(sql)?;
                let place = (lane.log.to_string(), lane.stream.as_str(), lane.track);
                let others = others.query_map(place, |row| super::rows::track(row, 0))?;
                let mut is_others = false;
                for track in others.collect::<rusqlite::Result<Vec<_>>>()? {
                    is_others |= self.chain_at(&Lane { track, ..lane.clone() }, last)? == Some(chain);
                }
                !is_others
            }
        };
        if is_named {
            return Ok(Some(last));
        }
        // Another way of a forked log was named: this one counts as far as it may be the same.
        let sql = "SELECT min(first) FROM forks WHERE log = ?1 AND stream = ?2 AND track = ?3";
        let place = (lane.log.to_string(), lane.stream.as_str(), lane.track);
        let first: Option<i64> = self.db.conn().prepare_cached(sql)?.query_row(place, |row| row.get(0))?;
        let shared = first.and_then(|first| u64::try_from(first - 1).ok()).unwrap_or(0);
        Ok(Some(shared.min(last)))
    }

    /// Notes that a log was met. One that goes on from a known log inherits what that one is.
    pub(super) fn meet(&mut self, log: LogId, from: Option<LogId>, now: Timestamp) -> Result<(), StoreError> {
        let inherited = match from {
            Some(from) => self.state(from)?.map(inherit),
            None => None,
        };
        let alias = self.free_alias(log)?;
        self.db.write(|tx| {
            let count = |sql: &str| tx.prepare_cached(sql)?.query_row([], |row| number(row, 0));
            let sql = "SELECT state FROM logs WHERE log = ?1";
            let known =
                tx.prepare_cached(sql)?.query_row([log.to_string()], |row| row.get::<_, String>(0)).optional()?;
            let state = inherited.unwrap_or(LogState::Unapproved);
            match known.as_deref().and_then(LogState::from_text) {
                None => {
                    let n_unapproved = count("SELECT count(*) FROM logs WHERE state = 'unapproved'")?;
                    if state == LogState::Unapproved && n_unapproved >= UNAPPROVED_LOGS {
                        return Err(StoreError::Full(Limit::Waiting));
                    }
                    if count("SELECT count(*) FROM logs")? >= LOGS_MAX as u64 {
                        return Err(StoreError::Full(Limit::Logs));
                    }
                    let from = from.map(|from| from.to_string());
                    let sql = "INSERT INTO logs (log, alias, state, vouched_by, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
                    tx.prepare_cached(sql)?.execute((
                        log.to_string(),
                        &alias,
                        state.as_str(),
                        from,
                        now.as_millis(),
                    ))?;
                    if state.counts() {
                        count_heirs(tx, log)?;
                    }
                }
                Some(LogState::Unapproved) if state != LogState::Unapproved => {
                    let sql = "UPDATE logs SET state = ?2, vouched_by = ?3 WHERE log = ?1";
                    let from = from.map(|from| from.to_string());
                    tx.prepare_cached(sql)?.execute((log.to_string(), state.as_str(), from))?;
                    // Heads come in any order: what goes on from this log may have come before it.
                    count_heirs(tx, log)?;
                }
                Some(_) => {
                    if let Some(from) = from {
                        let sql = "UPDATE logs SET vouched_by = ?2 WHERE log = ?1 AND vouched_by IS NULL";
                        tx.prepare_cached(sql)?.execute((log.to_string(), from.to_string()))?;
                    }
                }
            }
            Ok(())
        })
    }

    /// Whether one more log that nobody approved can be met.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn has_room_for_strangers(&self) -> Result<bool, StoreError> {
        let sql = "SELECT count(*), count(*) FILTER (WHERE state = 'unapproved') FROM logs";
        let (n, n_unapproved) =
            self.db.conn().prepare_cached(sql)?.query_row([], |row| Ok((number(row, 0)?, number(row, 1)?)))?;
        Ok(n < LOGS_MAX as u64 && n_unapproved < UNAPPROVED_LOGS)
    }

    /// The last record of a stream that is wanted of a log; `None` for all. What comes after a revocation is not fetched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn wanted_to(&self, log: LogId, track: u32, stream: &StreamName) -> Result<Option<u64>, StoreError> {
        match self.state(log)? {
            Some(LogState::Revoked) => self.counts_to(&Lane { log, track, stream: stream.clone() }),
            _ => Ok(None),
        }
    }

    /// Eight digits of the log; more where those are taken.
    pub(super) fn free_alias(&self, log: LogId) -> Result<String, StoreError> {
        let text = log.to_string();
        let sql = "SELECT EXISTS (SELECT 1 FROM logs WHERE alias = ?1)";
        for digits in [8, 16] {
            if !self.db.conn().prepare_cached(sql)?.query_row([&text[..digits]], |row| row.get::<_, bool>(0))? {
                return Ok(text[..digits].to_owned());
            }
        }
        Ok(text)
    }
}

/// The state of a log as a row has it.
pub(super) fn state_of(row: &rusqlite::Row<'_>, at: usize, log: LogId) -> Result<LogState, StoreError> {
    let state = row.get_ref(at)?.as_str().ok().and_then(LogState::from_text);
    state.ok_or_else(|| StoreError::damaged_row(format!("the row of log {log}"), "its state is none"))
}

/// All logs.
pub(super) fn all(db: &rusqlite::Connection) -> Result<Vec<LogRow>, StoreError> {
    let mut rows = db.prepare_cached("SELECT log, alias, state, vouched_by, since_ms, revoked_by FROM logs")?;
    let rows = rows.query_map([], |row| {
        let by: (Option<String>, Option<String>) = (row.get(3)?, row.get(5)?);
        Ok((parsed(row, 0)?, row.get(1)?, row.get::<_, String>(2)?, by, row.get(4)?))
    })?;
    let logs = rows.map(|row| {
        let (log, alias, state, by, since): (LogId, String, String, (Option<String>, Option<String>), i64) = row?;
        let state = LogState::from_text(&state)
            .ok_or_else(|| StoreError::damaged_row(format!("the row of log {log}"), "its state is none"))?;
        let vouched_by = by.0.map(|log| log.parse()).transpose()?;
        let revoked_by = by.1.map(|log| log.parse()).transpose()?;
        Ok(LogRow { log, alias, state, vouched_by, revoked_by, since: Timestamp::from_millis(since) })
    });
    logs.collect()
}

/// What a log that goes on from one of this state is. A key that does not count vouches for nobody: what it names waits like
/// all strangers, within their bounds.
fn inherit(state: LogState) -> LogState {
    match state {
        LogState::Own | LogState::Former | LogState::Approved => LogState::Approved,
        LogState::Unapproved | LogState::Revoked => LogState::Unapproved,
    }
}
