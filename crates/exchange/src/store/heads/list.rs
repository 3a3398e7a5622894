//! The lists that followed heads refer to.

use carry_kernel::db::rusqlite;

use super::LISTS_KEPT;
use crate::hash::Digest;
use crate::head::{ListRef, SignedHead};
use crate::list::List;
use crate::name::{LogId, ObjectName};
use crate::store::fault::point;
use crate::store::rows::{digest, int, number};
use crate::store::{Store, StoreError};

impl Store {
    /// Takes in the list that a followed head refers to.
    ///
    /// # Errors
    /// [`StoreError::List`] says what is wrong with the bytes.
    pub fn accept_list(&mut self, log: LogId, reference: &ListRef, bytes: &[u8]) -> Result<(), StoreError> {
        List::read(bytes, log, reference)?;
        let named: Vec<ListRef> =
            self.followed_of(log)?.iter().filter_map(|followed| followed.head.head().list).collect();
        if !named.contains(reference) {
            return Err(StoreError::UnknownLog(log));
        }
        self.check_said(log, bytes.len() as u64)?;
        let older = {
            let sql = "SELECT n, digest, bytes FROM heads_seen WHERE log = ?1 AND verdict = 'old' AND bytes IS NOT NULL
                       ORDER BY n DESC LIMIT ?2";
            let mut rows = self.db.conn().prepare_cached(sql)?;
            let rows = rows.query_map((log.to_string(), int(LISTS_KEPT)), |row| {
                Ok((number(row, 0)?, digest(row, 1)?, row.get::<_, Vec<u8>>(2)?))
            })?;
            let heads = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            let read = heads.iter().filter_map(|(n, digest, bytes)| {
                SignedHead::read(&ObjectName::head(log, *n, *digest), bytes).ok()?.head().list
            });
            read.collect::<Vec<ListRef>>()
        };
        let kept = |digest: Digest| named.iter().chain(&older).any(|list| list.digest == digest);
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO lists (log, digest, bytes) VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute((log.to_string(), reference.digest.as_bytes(), bytes))?;
            let mut held = tx.prepare_cached("SELECT digest FROM lists WHERE log = ?1")?;
            let held =
                held.query_map([log.to_string()], |row| digest(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            for old in held.into_iter().filter(|held| !kept(*held)) {
                tx.prepare_cached("DELETE FROM lists WHERE log = ?1 AND digest = ?2")?
                    .execute((log.to_string(), old.as_bytes()))?;
            }
            point("exchange.list.noted")?;
            Ok::<_, StoreError>(())
        })?;
        self.share(log)?;
        for followed in self.followed_of(log)? {
            let names_it = followed.head.head().list.is_some_and(|list| list.digest == reference.digest);
            if names_it && let Some(why) = self.contradiction(&followed.head)? {
                return Err(self.refuse_head(&followed.head, &why)?);
            }
        }
        self.drop_unnamed_later(log)
    }
}
