//! What this device knows to be in each store: one SQLite file, `team.db`.
//!
//! It is a memory, not the truth: a push compares it with the store (by [`crate::sink::Summary`]) and takes the store's word. A
//! unit's row is written after the store has committed that unit; a crash between the two costs one comparison.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _, Row};
use carry_kernel::db::{Db, DbError};
use carry_kernel::home::Home;

use crate::plan;
use crate::share::Mode;
use crate::unit::{Digest, Root};
use carry_sessions::mask::pieces;

mod packed;
mod schema;
mod write;

pub use write::SetAside;

/// The name of the strand's database.
const STRAND: &str = "team";

/// The open database.
#[derive(Debug)]
pub struct State {
    db: Db,
}

/// A unit that was pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pushed {
    /// What it was made of.
    pub input: Digest,
    /// The mask's stamp ([`carry_redact::Redactor::stamp`]).
    pub mask: String,
    /// The version of [`crate::shape`].
    pub shape: u32,
    /// How much was shared.
    pub mode: Mode,
    /// Its root.
    pub root: Root,
    /// The digest of its head.
    pub head: Digest,
    /// Its buckets, for the next time.
    pub known: pieces::Known,
    /// Places that were masked, by rule.
    pub masked: BTreeMap<String, u64>,
}

/// A unit that could not be pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// What it was made of then.
    pub input: Digest,
    /// Why, one sentence.
    pub why: String,
    /// How often in a row.
    pub attempts: u32,
    /// Not before then.
    pub retry_at: Timestamp,
}

/// A store's totals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreRow {
    /// The store's own name, once it was opened.
    pub store_id: Option<String>,
    /// The owner there.
    pub owner: Option<String>,
    /// This home's name there, made at the first use.
    pub holder: String,
    /// When a push last ended well.
    pub pushed_at: Option<Timestamp>,
    /// Why the last push that was asked for by hand failed, and when, while none has gone well since.
    pub error: Option<(String, Timestamp)>,
    /// Units in it.
    pub units: u64,
    /// Of these the ones that are sums of a project.
    pub sums: u64,
    /// Places masked in these, by rule.
    pub masked: BTreeMap<String, u64>,
    /// Units set aside, with the reason: key, failure.
    pub failed: Vec<(String, Failed)>,
    /// Units that another device of the same owner put: key, its origin.
    pub elsewhere: Vec<(String, String)>,
}

impl State {
    /// Opens it, makes it when missing.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(home: &Home) -> Result<Self, DbError> {
        Ok(Self { db: Db::open(&home.database(STRAND), schema::SCHEMA)? })
    }

    /// Opens it for reading; `None` when there is none.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open_read_only(home: &Home) -> Result<Option<Self>, DbError> {
        Ok(Db::open_read_only(&home.database(STRAND), schema::SCHEMA)?.map(|db| Self { db }))
    }

    /// The file.
    pub fn path(&self) -> &std::path::Path {
        self.db.path()
    }

    /// What is known of a store.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn store(&self, store: &str) -> Result<StoreRow, DbError> {
        let look = || {
            let conn = self.db.conn();
            let sql = "SELECT store_id, owner, holder, pushed_ms, error, error_ms FROM stores WHERE name = ?1";
            let mut found = conn
                .query_row(sql, [store], |row| {
                    let pushed_at = row.get::<_, Option<i64>>(3)?.map(Timestamp::from_millis);
                    let (store_id, owner, holder) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    let why = row.get::<_, Option<String>>(4)?;
                    let error = why.zip(row.get::<_, Option<i64>>(5)?.map(Timestamp::from_millis));
                    Ok(StoreRow { store_id, owner, holder, pushed_at, error, ..StoreRow::default() })
                })
                .optional()?
                .unwrap_or_default();
            let mut query = conn.prepare("SELECT masked, mode FROM units WHERE store = ?1")?;
            let mut rows = query.query([store])?;
            while let Some(row) = rows.next()? {
                found.units += 1;
                found.sums += u64::from(row.get_ref(1)?.as_str()? == Mode::Aggregates.as_str());
                for (rule, count) in counts(row.get_ref(0)?.as_str()?) {
                    *found.masked.entry(rule).or_default() += count;
                }
            }
            let sql = "SELECT key, input, why, attempts, retry_ms FROM failures WHERE store = ?1 ORDER BY key";
            found.failed = conn.prepare(sql)?.query_map([store], failed)?.collect::<Result<_, _>>()?;
            let sql = "SELECT key, origin FROM elsewhere WHERE store = ?1 ORDER BY key";
            let elsewhere = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            found.elsewhere = conn.prepare(sql)?.query_map([store], elsewhere)?.collect::<Result<_, _>>()?;
            Ok(found)
        };
        look().map_err(self.db.failed())
    }

    /// What is known of its units, for planning.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn known(&self, store: &str) -> Result<BTreeMap<String, plan::Known>, DbError> {
        let look = || {
            let conn = self.db.conn();
            let mut known = BTreeMap::new();
            let mut query = conn.prepare("SELECT key, input, mask FROM units WHERE store = ?1")?;
            let mut rows = query.query([store])?;
            while let Some(row) = rows.next()? {
                let unit = plan::Known { input: row.get(1)?, mask: row.get(2)?, retry_at: None, failed_input: None };
                known.insert(row.get(0)?, unit);
            }
            // A unit that is another device's waits as one that failed: it may be given up there.
            let sql = "SELECT key, input, retry_ms FROM failures WHERE store = ?1
                UNION ALL SELECT key, input, retry_ms FROM elsewhere WHERE store = ?1";
            let mut query = conn.prepare(sql)?;
            let mut rows = query.query([store])?;
            while let Some(row) = rows.next()? {
                let none = || plan::Known { input: None, mask: String::new(), retry_at: None, failed_input: None };
                let unit = known.entry(row.get(0)?).or_insert_with(none);
                unit.failed_input = Some(row.get(1)?);
                unit.retry_at = Some(Timestamp::from_millis(row.get(2)?));
            }
            Ok(known)
        };
        look().map_err(self.db.failed())
    }

    /// The roots of all units, in the order of their keys' bytes; `None` for one that had none that could be right.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn roots(&self, store: &str) -> Result<Vec<(String, Option<Root>)>, DbError> {
        let look = || {
            let mut query = self.db.conn().prepare("SELECT key, root FROM units WHERE store = ?1 ORDER BY key")?;
            let rows = query.query_map([store], |row| Ok((row.get(0)?, row.get::<_, Option<Digest>>(1)?.map(Root))))?;
            rows.collect::<Result<Vec<_>, _>>()
        };
        look().map_err(self.db.failed())
    }

    /// One unit; `None` also when what is known of it is no longer believed.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn pushed(&self, store: &str, key: &str) -> Result<Option<Pushed>, DbError> {
        let look = || {
            let sql = "SELECT u.input, u.mask, u.mode, u.root, u.head, u.masked, b.packed FROM units u
                JOIN buckets b USING (store, key) WHERE u.store = ?1 AND u.key = ?2 AND u.input IS NOT NULL
                AND u.root IS NOT NULL AND u.head IS NOT NULL";
            let read = |row: &Row<'_>| {
                let Some((shape, known)) = packed::unpack(row.get_ref(6)?.as_blob()?) else { return Ok(None) };
                let Some(mode) = Mode::named(row.get_ref(2)?.as_str()?) else { return Ok(None) };
                Ok(Some(Pushed {
                    input: row.get(0)?,
                    mask: row.get(1)?,
                    shape,
                    mode,
                    root: Root(row.get(3)?),
                    head: row.get(4)?,
                    known,
                    masked: counts(row.get_ref(5)?.as_str()?),
                }))
            };
            Ok(self.db.conn().prepare_cached(sql)?.query_row([store, key], read).optional()?.flatten())
        };
        look().map_err(self.db.failed())
    }

    /// How much of a unit is in the store and under which stamp of the mask, whether or not the rest is believed.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn shared(&self, store: &str, key: &str) -> Result<Option<(Mode, String)>, DbError> {
        let sql = "SELECT mode, mask FROM units WHERE store = ?1 AND key = ?2";
        let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get(1)?));
        let found =
            self.db.conn().prepare_cached(sql).and_then(|mut query| query.query_row([store, key], read).optional());
        // Of a mode that nobody knows, everything may be there.
        let mode = |name: String| Mode::named(&name).unwrap_or(Mode::Full);
        Ok(found.map_err(self.db.failed())?.map(|(name, mask)| (mode(name), mask)))
    }

    /// What hashes of raw rows are keyed with ([`pieces::Masking::begin`]); zeros before the first use of the store.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn key(&self, store: &str) -> Result<[u8; 32], DbError> {
        let sql = "SELECT key FROM stores WHERE name = ?1";
        let found = self.db.conn().query_row(sql, [store], |row| row.get(0)).optional();
        Ok(found.map_err(self.db.failed())?.unwrap_or_default())
    }
}

/// Counts by rule as they are kept; none when they cannot be read: they are for people.
fn counts(json: &str) -> BTreeMap<String, u64> {
    serde_json::from_str(json).unwrap_or_default()
}

fn failed(row: &Row<'_>) -> rusqlite::Result<(String, Failed)> {
    let retry_at = Timestamp::from_millis(row.get(4)?);
    Ok((row.get(0)?, Failed { input: row.get(1)?, why: row.get(2)?, attempts: row.get(3)?, retry_at }))
}

#[cfg(test)]
mod tests;
