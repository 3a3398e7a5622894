//! Where a remote was when something was noted of it, for whoever only looks.

use carry_kernel::db::rusqlite::OptionalExtension as _;

use super::{Store, StoreError};

impl Store {
    /// Where a remote was when it was last exchanged with: what is noted of it is of that place. Changes nothing, unlike
    /// [`note_place`](Self::note_place).
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn noted_place(&self, remote: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT place FROM places WHERE remote = ?1";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([remote], |row| row.get(0)).optional()?)
    }
}
