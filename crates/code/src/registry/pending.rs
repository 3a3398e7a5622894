//! What the next snapshot of a working tree has seen, when that is another than what the one before it had: after a handoff
//! more, after its undo less.

use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::OptionalExtension as _;
use carry_kernel::id::TreeId;

use super::Registry;
use crate::line::Branch;
use crate::seen::Seen;

impl Registry {
    /// What the next snapshot of `tree` on `branch` has seen besides itself; `None` when it builds on the one before.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn pending_seen(&self, tree: &TreeId, branch: &Branch) -> Result<Option<Seen>, DbError> {
        let sql = "SELECT seen FROM pending_seen WHERE tree = ? AND branch = ?";
        let mut query = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let text: Option<String> = query
            .query_row((tree.as_str(), branch.to_trailer()), |row| row.get(0))
            .optional()
            .map_err(self.db.failed())?;
        Ok(text.map(|text| Seen::parse(&text)))
    }

    /// Sets that; `None` takes it back.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_pending_seen(&mut self, tree: &TreeId, branch: &Branch, seen: Option<&Seen>) -> Result<(), DbError> {
        let failed = self.db.failed();
        let key = (tree.as_str().to_owned(), branch.to_trailer());
        self.db.write(|tx| {
            match seen {
                Some(seen) => tx.execute(
                    "INSERT OR REPLACE INTO pending_seen (tree, branch, seen) VALUES (?, ?, ?)",
                    (&key.0, &key.1, seen.to_string()),
                ),
                None => tx.execute("DELETE FROM pending_seen WHERE tree = ? AND branch = ?", (&key.0, &key.1)),
            }
            .map(drop)
            .map_err(&failed)
        })
    }
    /// Takes it back after a snapshot that was made with `used`, unless it was set to something else meanwhile.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn used_pending_seen(&mut self, tree: &TreeId, branch: &Branch, used: &Seen) -> Result<(), DbError> {
        let failed = self.db.failed();
        let key = (tree.as_str().to_owned(), branch.to_trailer(), used.to_string());
        self.db.write(|tx| {
            let sql = "DELETE FROM pending_seen WHERE tree = ? AND branch = ? AND seen = ?";
            tx.execute(sql, (&key.0, &key.1, &key.2)).map(drop).map_err(&failed)
        })
    }
}
