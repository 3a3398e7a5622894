//! What rounds with remotes remember: what was put where, how far was published, and what could not be used.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use super::rows::{digest, int, number, parsed};
use super::{Rejection, Store, StoreError, heard};
use crate::name::{Entry, Folder, LogId, ObjectName, StreamName};

/// Rejections that are remembered of one remote, newest first: what is forgotten is tried again.
const REJECTS_KEPT: i64 = 10_000;

/// Something that this device put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Its path at the remote; that of a replica differs from the object's own.
    pub path: String,
    /// Its bytes.
    pub bytes: u64,
    /// When, by this device's clock.
    pub at: Timestamp,
}

/// A file at a remote that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// What the remote says of its state: size and time, or a tag. When that changes it is tried again.
    pub stamp: String,
    /// Why.
    pub why: Rejection,
    /// Since when it is so, in this state.
    pub since: Timestamp,
    /// When it was looked at last.
    pub last: Timestamp,
}

impl Store {
    /// Notes that this device put a file. Only what is noted here may be collected there. That others may have read it since is
    /// known for good, however much is forgotten of the remote.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_put(&mut self, remote: &str, path: &str, bytes: u64, now: Timestamp) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO put (remote, name, bytes, at_ms) VALUES (?1, ?2, ?3, ?4)";
            tx.prepare_cached(sql)?.execute((remote, path, int(bytes), now.as_millis()))?;
            heard::note_path(tx, path)
        })
    }

    /// Notes that a file that this device put is gone again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_put(&mut self, remote: &str, path: &str) -> Result<(), StoreError> {
        self.db.write(|tx| {
            Ok(tx
                .prepare_cached("DELETE FROM put WHERE remote = ?1 AND name = ?2")?
                .execute((remote, path))
                .map(drop)?)
        })
    }

    /// What this device put to a remote.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn puts(&self, remote: &str) -> Result<Vec<Put>, StoreError> {
        let sql = "SELECT name, bytes, at_ms FROM put WHERE remote = ?1 ORDER BY name";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([remote], |row| {
            Ok(Put { path: row.get(0)?, bytes: number(row, 1)?, at: Timestamp::from_millis(row.get(2)?) })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What this device put to one folder of a remote.
    pub(crate) fn puts_in(&self, remote: &str, folder: Folder) -> Result<Vec<Put>, StoreError> {
        let sql = "SELECT name, bytes, at_ms FROM put WHERE remote = ?1 AND name > ?2 AND name < ?3 ORDER BY name";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        // The character after the one that ends the folder.
        let rows = rows.query_map((remote, format!("{folder}/"), format!("{folder}0")), |row| {
            Ok(Put { path: row.get(0)?, bytes: number(row, 1)?, at: Timestamp::from_millis(row.get(2)?) })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The bytes of a file that this device put, if it did and did not remove it.
    pub(crate) fn put_bytes(&self, remote: &str, path: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT bytes FROM put WHERE remote = ?1 AND name = ?2";
        Ok(self.db.conn().prepare_cached(sql)?.query_row((remote, path), |row| number(row, 0)).optional()?)
    }

    /// The name of a head of an own log that this device signed.
    pub(crate) fn signed_name(&self, log: LogId, n: u64) -> Result<Option<ObjectName>, StoreError> {
        let sql = "SELECT digest FROM heads_signed WHERE log = ?1 AND n = ?2";
        let row = self.db.conn().prepare_cached(sql)?.query_row((log.to_string(), int(n)), |row| digest(row, 0));
        Ok(row.optional()?.map(|digest| ObjectName::head(log, n, digest)))
    }

    /// The stamps of what could not be used in one folder of a remote, by path.
    pub(crate) fn rejected_in(&self, remote: &str, folder: Folder) -> Result<BTreeMap<String, String>, StoreError> {
        let sql = "SELECT name, stamp FROM rejects WHERE remote = ?1 AND name > ?2 AND name < ?3";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows =
            rows.query_map((remote, format!("{folder}/"), format!("{folder}0")), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes that a head of a log, and all it rests on, is at a remote. Never goes back.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn note_published(&mut self, remote: &str, log: LogId, n: u64) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let sql = "INSERT INTO published (remote, log, n) VALUES (?1, ?2, ?3)
                       ON CONFLICT (remote, log) DO UPDATE SET n = max(n, excluded.n)";
            Ok(tx.prepare_cached(sql)?.execute((remote, log.to_string(), int(n))).map(drop)?)
        })
    }

    /// The newest head of a log that was seen whole at a remote.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn published(&self, remote: &str, log: LogId) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT n FROM published WHERE remote = ?1 AND log = ?2";
        let row = self.db.conn().prepare_cached(sql)?.query_row((remote, log.to_string()), |row| number(row, 0));
        Ok(row.optional()?)
    }

    /// Notes that a file at a remote could not be used in the state that `stamp` describes.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn reject(
        &mut self,
        remote: &str,
        path: &str,
        stamp: &str,
        why: &Rejection,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let sql = "INSERT INTO rejects (remote, name, stamp, kind, why, first_ms, last_ms)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6) ON CONFLICT (remote, name) DO UPDATE SET
                           first_ms = iif(stamp = excluded.stamp, min(first_ms, excluded.first_ms), excluded.first_ms),
                           stamp = excluded.stamp, kind = excluded.kind, why = excluded.why, last_ms = excluded.last_ms";
            let (kind, words) = why.as_row();
            tx.prepare_cached(sql)?.execute((remote, path, stamp, kind, words, now.as_millis()))?;
            let sql = "DELETE FROM rejects WHERE remote = ?1 AND name IN (
                           SELECT name FROM rejects WHERE remote = ?1 ORDER BY last_ms DESC LIMIT -1 OFFSET ?2)";
            Ok(tx.prepare_cached(sql)?.execute((remote, REJECTS_KEPT)).map(drop)?)
        })
    }

    /// Whether something more can be noted of a remote without forgetting something else.
    pub(crate) fn has_room_for_rejected(&self, remote: &str) -> Result<bool, StoreError> {
        let sql = "SELECT count(*) < ?2 FROM rejects WHERE remote = ?1";
        Ok(self.db.conn().prepare_cached(sql)?.query_row((remote, REJECTS_KEPT), |row| row.get(0))?)
    }

    /// What was noted of a file at a remote. Whoever finds another stamp there tries it again.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn rejected(&self, remote: &str, path: &str) -> Result<Option<Rejected>, StoreError> {
        let sql = "SELECT stamp, kind, why, first_ms, last_ms FROM rejects WHERE remote = ?1 AND name = ?2";
        let row = self.db.conn().prepare_cached(sql)?.query_row((remote, path), |row| rejected(row, 0));
        Ok(row.optional()?)
    }

    /// Whether a segment of a stream was not there before this time, and is not there still.
    pub(crate) fn was_absent(
        &self,
        remote: &str,
        log: LogId,
        stream: &StreamName,
        before: Timestamp,
    ) -> Result<bool, StoreError> {
        let folder = Folder::Log(log);
        let sql = "SELECT name FROM rejects
                   WHERE remote = ?1 AND name > ?2 AND name < ?3 AND kind = ?4 AND first_ms < ?5";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let (kind, _) = Rejection::Absent.as_row();
        let key = (remote, format!("{folder}/"), format!("{folder}0"), kind, before.as_millis());
        let paths = rows.query_map(key, |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(paths.iter().any(|path| {
            let name = path.rsplit_once('/').map_or("", |(_, name)| name);
            matches!(Entry::read(folder, name), Entry::Object(ObjectName::Segment { stream: of, .. }, _) if of == *stream)
        }))
    }

    /// What could not be used anywhere for a kind of reason: paths, and when it was found so last.
    pub(crate) fn rejected_for(&self, why: &Rejection) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let mut rows = self.db.conn().prepare_cached("SELECT name, last_ms FROM rejects WHERE kind = ?1")?;
        let rows = rows.query_map([why.as_row().0], |row| Ok((row.get(0)?, Timestamp::from_millis(row.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// All that could not be used anywhere: paths, and what was noted.
    pub(crate) fn all_rejected(&self) -> Result<Vec<(String, Rejected)>, StoreError> {
        let sql = "SELECT name, stamp, kind, why, first_ms, last_ms FROM rejects ORDER BY name, remote";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, rejected(row, 1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Notes that a file could be used after all.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn forget_rejected(&mut self, remote: &str, path: &str) -> Result<(), StoreError> {
        self.db.write(|tx| {
            Ok(tx
                .prepare_cached("DELETE FROM rejects WHERE remote = ?1 AND name = ?2")?
                .execute((remote, path))
                .map(drop)?)
        })
    }

    /// The remotes of which anything is remembered.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remotes(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT remote FROM put UNION SELECT remote FROM published UNION SELECT remote FROM rejects";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([], |row| parsed(row, 0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Heads seen that contradict what is known and are not followed, by log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn refused_heads(&self) -> Result<Vec<ObjectName>, StoreError> {
        let sql = "SELECT log, n, digest FROM heads_seen WHERE verdict IN ('shrunk', 'newer', 'wrong') ORDER BY log, n";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([], |row| {
            Ok(ObjectName::head(parsed(row, 0)?, number(row, 1)?, super::rows::digest(row, 2)?))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// What five columns of a row say, from `at` on.
fn rejected(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Rejected> {
    let time = |at| row.get(at).map(Timestamp::from_millis);
    let why = Rejection::of_row(row, at + 1)?;
    Ok(Rejected { stamp: row.get(at)?, why, since: time(at + 3)?, last: time(at + 4)? })
}

/// Forgets what was noted of all that could have been an object, everywhere: it is looked at anew.
pub(super) fn forget_rejected_of(tx: &rusqlite::Connection, object: &ObjectName) -> Result<(), StoreError> {
    let folder = object.folder();
    let mut rows = tx.prepare_cached("SELECT DISTINCT name FROM rejects WHERE name > ?1 AND name < ?2")?;
    let rows = rows.query_map((format!("{folder}/"), format!("{folder}0")), |row| row.get::<_, String>(0))?;
    for path in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        let name = path.rsplit_once('/').map_or("", |(_, name)| name);
        if matches!(Entry::read(folder, name), Entry::Object(of, _) if of == *object) {
            tx.prepare_cached("DELETE FROM rejects WHERE name = ?1")?.execute([&path])?;
        }
    }
    Ok(())
}
