//! Who put what, so that nobody removes what is another's.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use carry_kernel::db::rusqlite::{OptionalExtension as _, Row, params};
use carry_kernel::db::{Db, DbError, Schema};

use super::usage::{FILE_BYTES_MIN, Used};

const SCHEMA: Schema = Schema { application_id: 0x4372_7968, migrations: &[include_str!("ledger.sql")] };

/// The database of who put what. Calls block.
#[derive(Debug)]
pub(super) struct Ledger(Mutex<Db>);

/// One thing that was put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) credential: String,
    pub(super) bytes: u64,
}

impl Ledger {
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        Db::open(path, SCHEMA).map(|db| Self(Mutex::new(db)))
    }

    fn db(&self) -> MutexGuard<'_, Db> {
        // A transaction that a panic cut off was rolled back.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What each credential uses.
    pub(super) fn used(&self) -> Result<HashMap<String, Used>, DbError> {
        let db = self.db();
        let read = || {
            let query = "SELECT credential, SUM(MAX(bytes, ?1)), COUNT(*) FROM put GROUP BY credential";
            let mut query = db.conn().prepare(query)?;
            let number = |row: &Row<'_>, at| row.get(at).map(|n: i64| u64::try_from(n).unwrap_or(0));
            let least = i64::try_from(FILE_BYTES_MIN).unwrap_or(0);
            let rows = query
                .query_map([least], |row| Ok((row.get(0)?, Used { bytes: number(row, 1)?, files: number(row, 2)? })))?;
            rows.collect::<Result<HashMap<String, Used>, _>>()
        };
        read().map_err(db.failed())
    }

    /// What is known of a path.
    pub(super) fn entry(&self, path: &str) -> Result<Option<Entry>, DbError> {
        let db = self.db();
        let query = "SELECT credential, bytes FROM put WHERE path = ?1";
        let found = db.conn().query_row(query, [path], |row| {
            Ok(Entry { credential: row.get(0)?, bytes: u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0) })
        });
        found.optional().map_err(db.failed())
    }

    /// Writes down what is about to be put, or what stood there before; `None` forgets the path.
    pub(super) fn set(&self, path: &str, entry: Option<&Entry>) -> Result<(), DbError> {
        let mut db = self.db();
        let failed = db.failed();
        db.write(|tx| {
            match entry {
                Some(Entry { credential, bytes }) => tx.execute(
                    "INSERT OR REPLACE INTO put (path, credential, bytes) VALUES (?1, ?2, ?3)",
                    params![path, credential, i64::try_from(*bytes).unwrap_or(i64::MAX)],
                ),
                None => tx.execute("DELETE FROM put WHERE path = ?1", [path]),
            }
            .map(drop)
            .map_err(failed)
        })
    }
}
