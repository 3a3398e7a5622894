//! The rows in which heads that were seen are kept, and what follows from them.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use super::{OLD_KEPT, READER, ROWS_KEPT};
use crate::hash::Digest;
use crate::head::{Head, SignedHead};
use crate::name::{LogId, ObjectName};
use crate::store::StoreError;
use crate::store::rows::{self, Lane, digest, int, number, track};

/// Lets go of the row of a head that another version of the program could not read.
pub(super) fn forget_newer(tx: &rusqlite::Connection, log: LogId, digest: Digest) -> Result<(), StoreError> {
    let sql = "DELETE FROM heads_seen WHERE log = ?1 AND digest = ?2
               AND (verdict = 'newer' AND reader IS NOT ?3 OR verdict = 'wrong' AND ifnull(reader, ?3) <> ?3)";
    tx.prepare_cached(sql)?.execute((log.to_string(), digest.as_bytes(), READER))?;
    Ok(())
}

/// One row to write.
pub(super) struct HeadRow<'a> {
    pub(super) log: LogId,
    pub(super) digest: Digest,
    pub(super) n: u64,
    pub(super) track: u32,
    pub(super) verdict: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) now: Timestamp,
}

impl HeadRow<'_> {
    pub(super) fn insert(&self, tx: &rusqlite::Connection) -> Result<(), StoreError> {
        let sql = "INSERT OR IGNORE INTO heads_seen (log, digest, n, track, verdict, bytes, at_ms, reader)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, iif(?5 IN ('newer', 'wrong'), ?8, NULL))";
        tx.prepare_cached(sql)?.execute((
            self.log.to_string(),
            self.digest.as_bytes(),
            int(self.n),
            self.track,
            self.verdict,
            self.bytes,
            self.now.as_millis(),
            READER,
        ))?;
        Ok(())
    }
}

/// Notes what a followed head says of the chains.
pub(in crate::store) fn add_marks(tx: &rusqlite::Connection, head: &Head, track: u32) -> Result<(), StoreError> {
    for (stream, state) in &head.streams {
        let lane = Lane { log: head.log(), track, stream: stream.clone() };
        rows::add_mark(tx, &lane, state.last, state.chain)?;
    }
    Ok(())
}

/// A head on a way that was followed once.
pub(in crate::store) fn seen(
    tx: &rusqlite::Connection,
    log: LogId,
    track: u32,
    digest: Digest,
) -> Result<Option<SignedHead>, StoreError> {
    let sql = "SELECT n, bytes FROM heads_seen WHERE log = ?1 AND track = ?2 AND digest = ?3
               AND verdict IN ('followed', 'old') AND bytes IS NOT NULL";
    let row = tx
        .prepare_cached(sql)?
        .query_row((log.to_string(), track, digest.as_bytes()), |row| Ok((number(row, 0)?, row.get::<_, Vec<u8>>(1)?)));
    let Some((n, bytes)) = row.optional()? else { return Ok(None) };
    let read = SignedHead::read(&ObjectName::head(log, n, digest), &bytes);
    read.map(Some).map_err(|e| StoreError::damaged_row(format!("head {n} of {log}"), crate::store::read::describe(&e)))
}

/// The heads of a way that are kept and were not refused, newest first.
pub(in crate::store) fn kept_on(
    tx: &rusqlite::Connection,
    log: LogId,
    track: u32,
) -> Result<Vec<SignedHead>, StoreError> {
    let sql = "SELECT digest FROM heads_seen WHERE log = ?1 AND track = ?2 AND verdict IN ('followed', 'old')
               AND bytes IS NOT NULL ORDER BY n DESC, digest";
    let mut rows = tx.prepare_cached(sql)?;
    let rows = rows.query_map((log.to_string(), track), |row| digest(row, 0))?;
    let all = rows.collect::<rusqlite::Result<Vec<_>>>()?.into_iter();
    all.filter_map(|digest| seen(tx, log, track, digest).transpose()).collect()
}

/// Lets a way follow the newest of its heads that was not refused.
pub(in crate::store) fn follow_newest(tx: &rusqlite::Connection, log: LogId, track: u32) -> Result<(), StoreError> {
    let sql = "SELECT digest FROM heads_seen WHERE log = ?1 AND track = ?2 AND verdict IN ('followed', 'old')
               AND bytes IS NOT NULL ORDER BY n DESC LIMIT 1";
    let found = tx.prepare_cached(sql)?.query_row((log.to_string(), track), |row| digest(row, 0)).optional()?;
    if let Some(digest) = found {
        let sql = "UPDATE heads_seen SET verdict = 'followed' WHERE log = ?1 AND digest = ?2";
        tx.prepare_cached(sql)?.execute((log.to_string(), digest.as_bytes()))?;
        if let Some(head) = seen(tx, log, track, digest)? {
            add_marks(tx, head.head(), track)?;
        }
    }
    Ok(())
}

/// Lets go of the bytes of old heads, and of the oldest rows.
pub(super) fn prune(tx: &rusqlite::Connection, log: LogId) -> Result<(), StoreError> {
    let beyond = |kept: u64| {
        let sql = "SELECT n FROM heads_seen WHERE log = ?1 AND verdict <> 'followed' ORDER BY n DESC LIMIT 1 OFFSET ?2";
        tx.prepare_cached(sql)?.query_row((log.to_string(), int(kept)), |row| row.get::<_, i64>(0)).optional()
    };
    if let Some(n) = beyond(OLD_KEPT)? {
        let sql = "UPDATE heads_seen SET bytes = NULL
                   WHERE log = ?1 AND n <= ?2 AND verdict IN ('old', 'shrunk') AND bytes IS NOT NULL";
        tx.prepare_cached(sql)?.execute((log.to_string(), n))?;
    }
    if let Some(n) = beyond(ROWS_KEPT)? {
        let sql = "DELETE FROM heads_seen WHERE log = ?1 AND n <= ?2 AND verdict <> 'followed'";
        tx.prepare_cached(sql)?.execute((log.to_string(), n))?;
    }
    Ok(())
}

pub(super) fn is_seen(db: &rusqlite::Connection, log: LogId, digest: Digest) -> Result<bool, StoreError> {
    // One that another version could not read is read again; one that contradicts itself has no reader.
    let sql = "SELECT EXISTS (SELECT 1 FROM heads_seen WHERE log = ?1 AND digest = ?2
                       AND NOT (verdict = 'newer' AND reader IS NOT ?3 OR verdict = 'wrong' AND ifnull(reader, ?3) <> ?3))
                   OR EXISTS (SELECT 1 FROM heads_signed WHERE log = ?1 AND digest = ?2)";
    let row = (log.to_string(), digest.as_bytes(), READER);
    Ok(db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
}

/// The heads of a log that are followed, by track.
pub(in crate::store) fn followed_digests(
    db: &rusqlite::Connection,
    log: LogId,
) -> Result<Vec<(u32, Digest)>, StoreError> {
    let sql = "SELECT track, digest FROM heads_seen WHERE log = ?1 AND verdict = 'followed' ORDER BY track";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map([log.to_string()], |row| Ok((track(row, 0)?, digest(row, 1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
