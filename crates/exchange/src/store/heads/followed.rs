//! The heads that are followed, the newest of each way, and what they name.

use carry_kernel::db::rusqlite;

use super::LISTS_KEPT;
use super::kept::seen;
use crate::head::{Segments, SignedHead, segments};
use crate::name::LogId;
use crate::store::logs::{LogState, state_of};
use crate::store::read::describe;
use crate::store::rows::{digest, int, number, parsed, track};
use crate::store::sign::find_list;
use crate::store::{Store, StoreError};

/// What the newest head of one way of a log names.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The log.
    pub log: LogId,
    /// Which of its ways; 0 unless it was forked.
    pub track: u32,
    /// Whether the log counts.
    pub state: LogState,
    /// The head.
    pub head: SignedHead,
    /// All segments; none while the head's list is not here.
    pub segments: Option<Segments>,
}

impl Store {
    /// What the newest heads name, of all logs but the own one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn followed(&self) -> Result<Vec<Followed>, StoreError> {
        let sql =
            "SELECT h.log, l.state, h.track, h.n, h.digest, h.bytes FROM heads_seen h JOIN logs l ON l.log = h.log
                   WHERE h.verdict = 'followed' AND h.log <> ?1 ORDER BY h.log, h.track";
        self.followed_rows(sql, self.log)
    }

    /// The same for one log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn followed_of(&self, log: LogId) -> Result<Vec<Followed>, StoreError> {
        let sql =
            "SELECT h.log, l.state, h.track, h.n, h.digest, h.bytes FROM heads_seen h JOIN logs l ON l.log = h.log
                   WHERE h.verdict = 'followed' AND h.log = ?1 ORDER BY h.track";
        self.followed_rows(sql, log)
    }

    /// The largest number of a head of a log that is followed; 0 for none.
    pub(crate) fn followed_n(&self, log: LogId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(n), 0) FROM heads_seen WHERE log = ?1 AND verdict = 'followed'";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| number(row, 0))?)
    }

    /// Heads of a way before the one that is followed, newest first, with what they name where their lists are here.
    pub(crate) fn older_heads(&self, log: LogId, way: u32) -> Result<Vec<(SignedHead, Segments)>, StoreError> {
        let sql =
            "SELECT digest FROM heads_seen WHERE log = ?1 AND track = ?2 AND verdict = 'old' AND bytes IS NOT NULL
                   ORDER BY n DESC LIMIT ?3";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), way, int(LISTS_KEPT)), |row| digest(row, 0))?;
        let mut older = Vec::new();
        for digest in rows.collect::<rusqlite::Result<Vec<_>>>()? {
            let Some(head) = seen(self.db.conn(), log, way, digest)? else { continue };
            if let Some(segments) = self.segments_of(&head)? {
                older.push((head, segments));
            }
        }
        Ok(older)
    }

    fn followed_rows(&self, sql: &str, log: LogId) -> Result<Vec<Followed>, StoreError> {
        let mut rows = self.db.conn().prepare_cached(sql)?;
        // While the rows are read all that is read besides takes no lock of its own.
        let mut rows = rows.query([log.to_string()])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let log: LogId = parsed(row, 0)?;
            let state = state_of(row, 1, log)?;
            let (track, n, digest, bytes) =
                (track(row, 2)?, number(row, 3)?, digest(row, 4)?, row.get::<_, Vec<u8>>(5)?);
            let head = self
                .verified
                .head(log, n, digest, &bytes)
                .map_err(|e| StoreError::damaged_row(format!("head {n} of {log}"), describe(&e)))?;
            let segments = self.segments_of(&head)?;
            all.push(Followed { log, track, state, head, segments });
        }
        Ok(all)
    }

    fn segments_of(&self, head: &SignedHead) -> Result<Option<Segments>, StoreError> {
        let log = head.head().log();
        let list = match head.head().list {
            None => None,
            Some(list) => match find_list(self.db.conn(), &self.verified, log, &list)? {
                None => return Ok(None),
                found => found,
            },
        };
        // A head and a list that do not fit each other are signed nonsense: nothing of it can be fetched.
        Ok(segments(head.head(), list.as_deref()).ok())
    }
}
