//! Heads that only a later version of the program can read, once another version runs.

use carry_kernel::clock::Timestamp;

use super::kept::forget_newer;
use super::{READER, Seen};
use crate::hash::Digest;
use crate::name::{LogId, ObjectName};
use crate::store::fault::point;
use crate::store::read::describe;
use crate::store::rows::{digest, number, parsed};
use crate::store::{Store, StoreError};

/// A head that was kept for a later version: its log, number, digest and, unless they were let go, bytes.
type KeptHead = (LogId, u64, Digest, Option<Vec<u8>>);

impl Store {
    /// Looks again at heads that needed a later version when another version of the program saw them: this one may read them.
    /// Of those whose bytes were let go the remote is asked again. A row is replaced when its head is taken in, and until then
    /// it counts as before; one that is damaged, or that the store cannot take in, keeps no store from opening.
    pub(in crate::store) fn reconsider_heads(&mut self, now: Timestamp) {
        let heads = match self.heads_of_other_versions() {
            Ok(heads) => heads,
            Err(error) => {
                tracing::warn!(error = %describe(&error), "heads that were kept cannot be looked at again");
                return;
            }
        };
        for (log, n, digest, bytes) in heads {
            let done = match bytes {
                Some(bytes) => self.see_head(&ObjectName::head(log, n, digest), &bytes, now).map(Some),
                None => Ok(None),
            };
            let done = point("exchange.head.reconsidered").map_err(StoreError::from).and(done);
            // What stands for nothing that could still be read here: where the head is, it is found again.
            let is_let_go = match &done {
                Ok(None | Some(Seen::Unclear | Seen::Foreign { .. })) | Err(StoreError::Head(_)) => true,
                Ok(Some(_)) | Err(_) => false,
            };
            match done {
                Ok(Some(seen)) => {
                    tracing::info!(%log, n, ?seen, "a head was looked at again by another version of the program");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%log, n, error = %describe(&error), "a head that was kept cannot be taken in");
                }
            }
            // In the own log it stays for what it says: that there is something there that this version cannot read.
            if is_let_go
                && log != self.log
                && let Err(error) = self.db.write(|tx| forget_newer(tx, log, digest))
            {
                tracing::warn!(%log, n, error = %describe(&error), "a head that was kept cannot be let go");
            }
        }
    }

    /// Heads that another version of the program could not read. Damaged rows are left out.
    fn heads_of_other_versions(&self) -> Result<Vec<KeptHead>, StoreError> {
        let sql = "SELECT log, n, digest, bytes FROM heads_seen
                   WHERE verdict = 'newer' AND reader IS NOT ?1 ORDER BY log, n";
        let mut rows = self.db.conn().prepare(sql)?;
        let rows = rows.query_map([READER], |row| {
            let (log, n, digest): (LogId, _, _) = (parsed(row, 0)?, number(row, 1)?, digest(row, 2)?);
            Ok((log, n, digest, row.get::<_, Option<Vec<u8>>>(3)?))
        })?;
        let mut heads = Vec::new();
        for row in rows {
            match row {
                Ok(head) => heads.push(head),
                Err(error) => tracing::warn!(%error, "the row of a head that was kept is damaged"),
            }
        }
        Ok(heads)
    }
}
