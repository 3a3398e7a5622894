//! Heads that came after those that are followed, and are not.

use super::rows::number;
use super::{Store, StoreError};
use crate::name::LogId;

impl Store {
    /// Whether a log that counts and was not revoked has a later head that is of a later version or that its author made wrong.
    pub(crate) fn has_unfollowed_head(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (
                       SELECT 1 FROM logs l JOIN heads_seen h ON h.log = l.log
                       WHERE l.state IN ('own', 'former', 'approved') AND h.verdict IN ('newer', 'wrong') AND h.n > (
                           SELECT coalesce(min(n), 0) FROM heads_seen WHERE log = l.log AND verdict = 'followed'))";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    }

    /// The smallest number of the heads of a log that are followed, one of each way; 0 for none.
    pub(crate) fn smallest_followed(&self, log: LogId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(min(n), 0) FROM heads_seen WHERE log = ?1 AND verdict = 'followed'";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| number(row, 0))?)
    }
}
