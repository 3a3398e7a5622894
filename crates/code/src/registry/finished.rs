//! Which snapshots of this device's lines are finished: their work went into a commit, so that nobody needs to take it over.
//!
//! A mark says nothing of what was captured after it. Whether it still holds is for whoever reads the line to see; see
//! [`crate::tips::is_finished`].

use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{Error, Row};
use carry_kernel::id::TreeId;

use super::Registry;
use crate::git::ObjectId;
use crate::line::Branch;

#[cfg(test)]
mod tests;

impl Registry {
    /// Marks `snapshot`, the newest of `tree` on `branch`, as finished. A line has one mark, the last one set.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_finished(&mut self, tree: &TreeId, branch: &Branch, snapshot: ObjectId) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO finished (tree, branch, snapshot) VALUES (?, ?, ?)",
                (tree.as_str(), branch.to_trailer(), snapshot.to_string()),
            )
            .map(drop)
            .map_err(&failed)
        })
    }

    /// Takes the mark of `tree` on `branch` back.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn clear_finished(&mut self, tree: &TreeId, branch: &Branch) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            tx.execute("DELETE FROM finished WHERE tree = ? AND branch = ?", (tree.as_str(), branch.to_trailer()))
                .map(drop)
                .map_err(&failed)
        })
    }

    /// The marks of a tree, one a branch.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn finished(&self, tree: &TreeId) -> Result<Vec<(Branch, ObjectId)>, DbError> {
        let failed = self.db.failed();
        let sql = "SELECT branch, snapshot FROM finished WHERE tree = ? ORDER BY branch";
        let mut query = self.db.conn().prepare_cached(sql).map_err(&failed)?;
        let rows = query.query_map([tree.as_str()], mark).map_err(&failed)?;
        rows.filter_map(Result::transpose).collect::<Result<_, _>>().map_err(&failed)
    }
}

/// What cannot be read is no mark: work is then shown once more, not hidden.
fn mark(row: &Row<'_>) -> Result<Option<(Branch, ObjectId)>, Error> {
    let (branch, snapshot): (String, String) = (row.get(0)?, row.get(1)?);
    Ok(Branch::from_trailer(branch.as_str().into()).zip(ObjectId::from_hex(snapshot.as_bytes()).ok()))
}
