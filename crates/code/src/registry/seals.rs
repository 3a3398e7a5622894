//! Our own seals as they lie on remotes, and what was left out beneath them.
//!
//! Seals are no part of the user's repository; but the next one must count on from the last, and must be known to Git when
//! it works out what the remote has already.

use std::collections::HashSet;

use carry_kernel::db::DbError;

use super::Registry;
use crate::git::ObjectId;
use crate::line::LineName;

/// A seal of ours on a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSeal {
    /// The remote's URL.
    pub url: String,
    /// The whole commit.
    pub raw: Vec<u8>,
    /// The greatest count that was ever seen there. The seal's own may be less, when the remote was rolled back.
    pub count: u64,
}

impl Registry {
    /// The seals of a line, by the URL of the remote that has them.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn seals(&self, line: &LineName) -> Result<Vec<KnownSeal>, DbError> {
        let sql = "SELECT url, raw, count FROM seals WHERE ref = ? ORDER BY url";
        let mut query = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let rows = query.query_map([line.ref_name()], |row| {
            let count: i64 = row.get(2)?;
            Ok(KnownSeal { url: row.get(0)?, raw: row.get(1)?, count: u64::try_from(count).unwrap_or(0) })
        });
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// Notes the seal of a line that the remote at `url` has, and its count.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_seal(&mut self, url: &str, line: &LineName, raw: &[u8], count: u64) -> Result<(), DbError> {
        let failed = self.db.failed();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.db.write(|tx| {
            tx.execute(
                "INSERT INTO seals (url, ref, raw, count) VALUES (?, ?, ?, ?)
                 ON CONFLICT (url, ref) DO UPDATE SET raw = excluded.raw, count = max(count, excluded.count)",
                (url, line.ref_name(), raw, count),
            )
            .map(drop)
            .map_err(&failed)
        })
    }

    /// Snapshots that were left out of what is published of a line at `url`.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn left_out(&self, url: &str, line: &LineName) -> Result<HashSet<ObjectId>, DbError> {
        let sql = "SELECT snapshot FROM left_out WHERE url = ? AND ref = ?";
        let mut query = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let rows = query.query_map((url, line.ref_name()), |row| row.get::<_, String>(0));
        let ids: Vec<String> = rows.and_then(Iterator::collect).map_err(self.db.failed())?;
        Ok(ids.iter().filter_map(|id| ObjectId::from_hex(id.as_bytes()).ok()).collect())
    }

    /// Sets that.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_left_out(&mut self, url: &str, line: &LineName, snapshots: &HashSet<ObjectId>) -> Result<(), DbError> {
        let failed = self.db.failed();
        let name = line.ref_name();
        self.db.write(|tx| {
            tx.execute("DELETE FROM left_out WHERE url = ? AND ref = ?", (url, &name)).map_err(&failed)?;
            for id in snapshots {
                let sql = "INSERT INTO left_out (url, ref, snapshot) VALUES (?, ?, ?)";
                tx.execute(sql, (url, &name, id.to_string())).map_err(&failed)?;
            }
            Ok(())
        })
    }
}
