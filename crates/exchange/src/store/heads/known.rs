//! Whether a head need not be fetched, by its name.

use std::collections::BTreeSet;

use carry_kernel::db::rusqlite;

use super::READER;
use crate::name::{LogId, ObjectId, ObjectName};
use crate::store::rows::{digest, int, number, track};
use crate::store::{Store, StoreError};

impl Store {
    /// Whether a head need not be fetched: it was seen, or signed here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn knows_head(&self, name: &ObjectName) -> Result<bool, StoreError> {
        let &ObjectName::Head { log, n, id } = name else { return Ok(false) };
        let sql = "SELECT digest FROM heads_seen WHERE log = ?1 AND n = ?2 AND NOT (verdict = 'newer' AND reader IS NOT ?3 OR verdict = 'wrong' AND ifnull(reader, ?3) <> ?3)
                   UNION SELECT digest FROM heads_signed WHERE log = ?1 AND n = ?2";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(n), READER), |row| digest(row, 0))?;
        let digests = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(digests.into_iter().any(|digest| ObjectId::of(digest) == id))
    }

    /// The heads of a log that need not be fetched, of those with these numbers.
    pub(crate) fn known_heads(
        &self,
        log: LogId,
        first: u64,
        last: u64,
    ) -> Result<BTreeSet<(u64, ObjectId)>, StoreError> {
        let sql = "SELECT n, digest FROM heads_seen WHERE log = ?1 AND n BETWEEN ?2 AND ?3
                       AND NOT (verdict = 'newer' AND reader IS NOT ?4 OR verdict = 'wrong' AND ifnull(reader, ?4) <> ?4)
                   UNION ALL SELECT n, digest FROM heads_signed WHERE log = ?1 AND n BETWEEN ?2 AND ?3";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(first), int(last), READER), |row| {
            Ok((number(row, 0)?, ObjectId::of(digest(row, 1)?)))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// On which way of its log a head lies that was verified, and whether it needs a later version; `None` for one that was
    /// not seen, or is refused.
    pub(crate) fn head_track(&self, name: &ObjectName) -> Result<Option<(u32, bool)>, StoreError> {
        let &ObjectName::Head { log, n, id } = name else { return Ok(None) };
        // What was signed here lies on the way on which a former log goes on.
        let sql = "SELECT digest, track, verdict FROM heads_seen WHERE log = ?1 AND n = ?2
                   UNION ALL SELECT digest, 0, 'old' FROM heads_signed WHERE log = ?1 AND n = ?2";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(n)), |row| {
            Ok((digest(row, 0)?, track(row, 1)?, row.get::<_, String>(2)?))
        })?;
        for row in rows {
            let (digest, track, verdict) = row?;
            if ObjectId::of(digest) == id && verdict != "shrunk" && verdict != "wrong" {
                return Ok(Some((track, verdict == "newer")));
            }
        }
        Ok(None)
    }
}
