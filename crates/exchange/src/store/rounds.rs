//! How rounds with remotes went, and what is done there only now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::home::Home;

use super::rows::{int, number, parsed};
use super::{Store, StoreError};
use crate::name::LogId;

/// How far apart rounds are that collection counts.
pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
/// How often a round is noted that went as well as the one before and moved nothing.
const NOTED_EVERY: Duration = Duration::from_secs(60);
/// Characters of a reason that are kept.
const WHY_CHARS: usize = 400;

/// One half of a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Taking in.
    Pull,
    /// Saying and putting.
    Push,
}

/// How one half of the rounds with a remote went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Went {
    /// When it last went well.
    pub ok: Option<Timestamp>,
    /// How often it went well. Rounds within a minute of a noted one that move nothing are not counted.
    pub n_ok: u64,
    /// When it last failed, and why.
    pub failed: Option<(Timestamp, String)>,
    /// How often it failed.
    pub n_failed: u64,
    /// How often since it last went well.
    pub n_failures: u64,
}

/// How the rounds with one remote went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoundRow {
    /// The remote.
    pub remote: String,
    /// Taking in.
    pub pull: Went,
    /// Saying and putting.
    pub push: Went,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
        }
    }
}

impl Store {
    /// Notes how one half of a round went; `failed` says why it did not go well.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_round(
        &mut self,
        remote: &str,
        way: Way,
        failed: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = went(self.db.conn(), remote, way)?;
        let (at, key) = (now.as_millis(), (remote, way.as_str()));
        let Some(why) = failed else {
            let is_news = before.n_failures > 0 || before.ok.is_none_or(|ok| now < ok || now.since(ok) >= NOTED_EVERY);
            return if is_news { self.note_moved(remote, way, now) } else { Ok(()) };
        };
        let why: String = why.chars().take(WHY_CHARS).collect();
        let sql = "INSERT INTO rounds (remote, way, n_ok, failed_ms, why, n_failed, failures)
                   VALUES (?1, ?2, 0, ?3, ?4, 1, 1)
                   ON CONFLICT (remote, way) DO UPDATE SET failed_ms = excluded.failed_ms, why = excluded.why,
                       n_failed = n_failed + 1, failures = failures + 1";
        self.db.write(|tx| Ok(tx.prepare_cached(sql)?.execute((key.0, key.1, at, why)).map(drop)?))
    }

    /// Notes that one half of a round went well and moved something, whenever the one before was.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_moved(&mut self, remote: &str, way: Way, now: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT INTO rounds (remote, way, ok_ms, n_ok, n_failed, failures) VALUES (?1, ?2, ?3, 1, 0, 0)
                   ON CONFLICT (remote, way) DO UPDATE SET ok_ms = excluded.ok_ms, n_ok = n_ok + 1, failures = 0";
        self.db.write(|tx| Ok(tx.prepare_cached(sql)?.execute((remote, way.as_str(), now.as_millis())).map(drop)?))
    }

    /// How rounds went, by remote.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rounds(&self) -> Result<Vec<RoundRow>, StoreError> {
        all(self.db.conn())
    }

    /// Counts a round with a remote that was made at least an hour after the last one that counted. Says how many there
    /// were, and whether this one is the first of its hour. A clock that jumps counts once.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn tick(&mut self, remote: &str, now: Timestamp) -> Result<(u64, bool), StoreError> {
        let sql = "SELECT n, at_ms FROM hours WHERE remote = ?1";
        let row = self
            .db
            .conn()
            .prepare_cached(sql)?
            .query_row([remote], |row| Ok((number(row, 0)?, Timestamp::from_millis(row.get(1)?))));
        let (n, is_new) = match row.optional()? {
            None => (0, true),
            // A clock that was set back begins its hour anew.
            Some((n, at)) if now < at => (n, true),
            Some((n, at)) if now.since(at) >= HOUR => (n + 1, true),
            Some((n, _)) => (n, false),
        };
        if is_new {
            let sql = "INSERT INTO hours (remote, n, at_ms, swept_ms) VALUES (?1, ?2, ?3, ?4)
                       ON CONFLICT (remote) DO UPDATE SET n = excluded.n, at_ms = excluded.at_ms";
            let row = (remote, int(n), now.as_millis(), i64::MIN);
            self.db.write(|tx| Ok::<_, StoreError>(tx.prepare_cached(sql)?.execute(row).map(drop)?))?;
        }
        Ok((n, is_new))
    }

    /// Whether temporary files at a remote were not looked for within a day; from now on they were.
    pub(crate) fn is_sweep_due(&mut self, remote: &str, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "UPDATE hours SET swept_ms = ?2 WHERE remote = ?1 AND (swept_ms <= ?3 OR swept_ms > ?2)";
        let before = now.before(24 * HOUR).as_millis();
        self.db.write(|tx| Ok(tx.prepare_cached(sql)?.execute((remote, now.as_millis(), before))? > 0))
    }

    /// When what a log's head names was last compared with what is at a remote.
    pub(crate) fn compared(&self, remote: &str, log: LogId) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at_ms FROM compared WHERE remote = ?1 AND log = ?2";
        let row = self.db.conn().prepare_cached(sql)?.query_row((remote, log.to_string()), |row| row.get(0));
        Ok(row.optional()?.map(Timestamp::from_millis))
    }

    /// Notes that what a log's head names was compared with what is at a remote.
    pub(crate) fn note_compared(&mut self, remote: &str, log: LogId, now: Timestamp) -> Result<(), StoreError> {
        let sql = "INSERT OR REPLACE INTO compared (remote, log, at_ms) VALUES (?1, ?2, ?3)";
        self.db.write(|tx| Ok(tx.prepare_cached(sql)?.execute((remote, log.to_string(), now.as_millis())).map(drop)?))
    }

    /// When something that another device asks for was last looked after at a remote.
    pub(crate) fn answered(&self, remote: &str, want: &str) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT at_ms FROM answered WHERE remote = ?1 AND want = ?2";
        let row = self.db.conn().prepare_cached(sql)?.query_row((remote, want), |row| row.get(0));
        Ok(row.optional()?.map(Timestamp::from_millis))
    }

    /// Notes that it was looked after; what was so long ago is forgotten.
    pub(crate) fn note_answered(&mut self, remote: &str, want: &str, now: Timestamp) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO answered (remote, want, at_ms) VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute((remote, want, now.as_millis()))?;
            let before = now.before(30 * 24 * HOUR).as_millis();
            Ok(tx.prepare_cached("DELETE FROM answered WHERE at_ms < ?1")?.execute([before]).map(drop)?)
        })
    }

    /// Notes whether a log waits to be passed on to a remote because its files are held only in other pieces.
    pub(crate) fn note_carried(&mut self, remote: &str, log: LogId, waits: bool) -> Result<(), StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM carried WHERE remote = ?1 AND log = ?2)";
        if self.db.conn().prepare_cached(sql)?.query_row((remote, log.to_string()), |row| row.get::<_, bool>(0))?
            == waits
        {
            return Ok(());
        }
        let sql = match waits {
            true => "INSERT OR IGNORE INTO carried (remote, log) VALUES (?1, ?2)",
            false => "DELETE FROM carried WHERE remote = ?1 AND log = ?2",
        };
        self.db.write(|tx| Ok(tx.prepare_cached(sql)?.execute((remote, log.to_string())).map(drop)?))
    }

    /// Whether a log waits to be passed on to a remote.
    pub(crate) fn is_carried(&self, remote: &str, log: LogId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM carried WHERE remote = ?1 AND log = ?2)";
        Ok(self.db.conn().prepare_cached(sql)?.query_row((remote, log.to_string()), |row| row.get(0))?)
    }

    /// How many hours of rounds with a remote were counted.
    pub(crate) fn hours(&self, remote: &str) -> Result<u64, StoreError> {
        let sql = "SELECT n FROM hours WHERE remote = ?1";
        let row = self.db.conn().prepare_cached(sql)?.query_row([remote], |row| number(row, 0));
        Ok(row.optional()?.unwrap_or(0))
    }

    /// Since when no head names what this device put: paths, with the time and the hours of the remote.
    pub(crate) fn faded(&self, remote: &str) -> Result<BTreeMap<String, (Timestamp, u64)>, StoreError> {
        let sql = "SELECT name, since_ms, since_hour FROM faded WHERE remote = ?1";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows =
            rows.query_map([remote], |row| Ok((row.get(0)?, (Timestamp::from_millis(row.get(1)?), number(row, 2)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes what no head names from now on, and what one names again.
    pub(crate) fn note_faded(
        &mut self,
        remote: &str,
        fades: &[String],
        returns: &[String],
        at: (Timestamp, u64),
    ) -> Result<(), StoreError> {
        if fades.is_empty() && returns.is_empty() {
            return Ok(());
        }
        self.db.write(|tx| {
            for name in fades {
                let sql = "INSERT OR IGNORE INTO faded (remote, name, since_ms, since_hour) VALUES (?1, ?2, ?3, ?4)";
                tx.prepare_cached(sql)?.execute((remote, name, at.0.as_millis(), int(at.1)))?;
            }
            for name in returns {
                tx.prepare_cached("DELETE FROM faded WHERE remote = ?1 AND name = ?2")?.execute((remote, name))?;
            }
            Ok(())
        })
    }

    /// Whether this device put a file there.
    pub(crate) fn has_put(&self, remote: &str, path: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM put WHERE remote = ?1 AND name = ?2)";
        Ok(self.db.conn().prepare_cached(sql)?.query_row((remote, path), |row| row.get(0))?)
    }

    /// The logs that wait to be passed on to other remotes than this one.
    pub(crate) fn carried_elsewhere(&self, remote: &str) -> Result<Vec<LogId>, StoreError> {
        let mut rows = self.db.conn().prepare_cached("SELECT DISTINCT log FROM carried WHERE remote <> ?1")?;
        let rows = rows.query_map([remote], |row| parsed(row, 0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Compares what is kept here with a remote from the ground up in the next round: what may go there has changed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn look_again(&mut self, remote: &str) -> Result<(), StoreError> {
        self.db.write(|tx| {
            for table in ["published", "compared", "answered"] {
                tx.prepare_cached(&format!("DELETE FROM {table} WHERE remote = ?1"))?.execute([remote])?;
            }
            Ok(())
        })
    }

    /// Forgets everything about a remote that is not used any more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_remote(&mut self, remote: &str) -> Result<(), StoreError> {
        self.db.write(|tx| forget(tx, remote).map(drop))
    }

    /// Says where a remote is now, before anything that is noted of it is believed. Where it was elsewhere before, all of that
    /// is forgotten: nothing is taken to be at the new place for having been at the old one. So is what was noted while nobody
    /// had said where: a round that was under way when the remote was removed or moved may have noted it of the old place. Says
    /// whether anything was forgotten.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_place(&mut self, remote: &str, place: &str) -> Result<bool, StoreError> {
        let sql = "SELECT place FROM places WHERE remote = ?1";
        let known =
            self.db.conn().prepare_cached(sql)?.query_row([remote], |row| row.get::<_, String>(0)).optional()?;
        if known.as_deref() == Some(place) {
            return Ok(false);
        }
        self.db.write(|tx| {
            let n_forgotten = forget(tx, remote)?;
            let sql = "INSERT OR REPLACE INTO places (remote, place) VALUES (?1, ?2)";
            tx.prepare_cached(sql)?.execute((remote, place))?;
            Ok::<_, StoreError>(n_forgotten > 0)
        })
    }
}

/// All that is noted of a remote goes. Says how many rows that were.
fn forget(tx: &Connection, remote: &str) -> Result<usize, StoreError> {
    let mut n_rows = 0;
    let tables = [
        "put",
        "published",
        "rejects",
        "places",
        "rounds",
        "hours",
        "faded",
        "compared",
        "answered",
        "carried",
        "lost",
    ];
    for table in tables {
        n_rows += tx.prepare_cached(&format!("DELETE FROM {table} WHERE remote = ?1"))?.execute([remote])?;
    }
    Ok(n_rows)
}

/// How rounds went, for whoever only looks: makes nothing.
///
/// # Errors
/// [`StoreError`].
pub fn look_at_rounds(home: &Home) -> Result<Vec<RoundRow>, StoreError> {
    match super::status::open(home)? {
        Some(db) => all(db.conn()),
        None => Ok(Vec::new()),
    }
}

fn all(db: &Connection) -> Result<Vec<RoundRow>, StoreError> {
    let mut rows = db.prepare_cached("SELECT DISTINCT remote FROM rounds ORDER BY remote")?;
    let remotes = rows.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let rows = remotes.into_iter().map(|remote| {
        let (pull, push) = (went(db, &remote, Way::Pull)?, went(db, &remote, Way::Push)?);
        Ok(RoundRow { remote, pull, push })
    });
    rows.collect()
}

fn went(db: &Connection, remote: &str, way: Way) -> Result<Went, StoreError> {
    let sql = "SELECT ok_ms, n_ok, failed_ms, why, n_failed, failures FROM rounds WHERE remote = ?1 AND way = ?2";
    let row = db.prepare_cached(sql)?.query_row((remote, way.as_str()), |row| {
        let at = |at: usize| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(at)?.map(Timestamp::from_millis));
        let why: Option<String> = row.get(3)?;
        Ok(Went {
            ok: at(0)?,
            n_ok: number(row, 1)?,
            failed: at(2)?.zip(why),
            n_failed: number(row, 4)?,
            n_failures: number(row, 5)?,
        })
    });
    Ok(row.optional()?.unwrap_or_default())
}
