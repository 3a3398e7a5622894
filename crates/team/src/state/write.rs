//! Writing down what a push found and did. Each function is one transaction.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use carry_kernel::backoff::{Backoff, Policy};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _, Transaction};
use carry_kernel::disk::DiskError;
use carry_kernel::fault;
use carry_kernel::lease::Owner;

use super::{Pushed, State, packed};
use crate::sink::{Opened, Stored};
use crate::unit::Digest;

/// How long a unit that failed waits: ten seconds, then twice as long each time, an hour at most.
const RETRY: Policy = Policy {
    first: Duration::from_secs(10),
    max: Duration::from_secs(3600),
    factor: 2.0,
    jitter: 0.0,
    ceiling: RETRY_CEILING,
};
const RETRY_CEILING: u32 = 10;

/// When a unit that another device put is asked for again, unless it changes.
const ELSEWHERE: Duration = Duration::from_secs(3600);

/// Why a unit is not pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetAside<'s> {
    /// It failed, for this reason.
    Failed(&'s str),
    /// The device with this origin put it.
    Elsewhere(&'s str),
}

impl State {
    /// This home's name in a store: 32 hex digits, made at the first use, and anew in a copy of the home.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn holder(&mut self, store: &str) -> Result<String, DbError> {
        let failed = |error| DbError::from(DiskError::at("make a name for this home in", self.db.path())(error));
        let holder = random_name().map_err(failed)?;
        let failed = |error| DbError::from(DiskError::at("make a key in", self.db.path())(error));
        let key = random::<32>().map_err(failed)?;
        let place = self.place()?;
        self.write(|tx| {
            tx.execute(
                "INSERT OR IGNORE INTO stores (name, holder, place, key) VALUES (?1, ?2, ?3, ?4)",
                (store, &holder, &place, key),
            )?;
            tx.execute(
                "UPDATE stores SET holder = ?2, place = ?3 WHERE name = ?1 AND place <> ?3",
                (store, &holder, &place),
            )?;
            tx.query_row("SELECT holder FROM stores WHERE name = ?1", [store], |row| row.get(0))
        })
    }

    /// Which file this is: on which machine, and there by its number.
    fn place(&self) -> Result<String, DbError> {
        let path = self.db.path();
        let meta = path.metadata().map_err(DiskError::at("look at", path))?;
        Ok(format!("{}/{}/{}", Owner::this_process().host, meta.dev(), meta.ino()))
    }

    /// Notes what a store says it is. When it is another one than before, nothing that was known is true of it; says whether it was.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn opened(&mut self, store: &str, opened: &Opened) -> Result<bool, DbError> {
        let Opened { store_id, owner } = opened;
        let sql = "SELECT store_id, owner FROM stores WHERE name = ?1";
        let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, Option<String>>(1)?));
        let before = self.db.conn().query_row(sql, [store], read).optional().map_err(self.db.failed())?;
        let (id_before, owner_before) = before.unwrap_or_default();
        if id_before.as_ref() == Some(store_id) && owner_before.as_ref() == Some(owner) {
            return Ok(false);
        }
        let is_another =
            id_before.is_some_and(|before| before != *store_id) || owner_before.is_some_and(|before| before != *owner);
        self.write(|tx| {
            if is_another {
                for table in ["units", "buckets", "failures", "elsewhere"] {
                    tx.execute(&format!("DELETE FROM {table} WHERE store = ?1"), [store])?;
                }
                tx.execute(
                    "UPDATE stores SET pushed_ms = NULL, error = NULL, error_ms = NULL WHERE name = ?1",
                    [store],
                )?;
            }
            tx.execute("UPDATE stores SET store_id = ?2, owner = ?3 WHERE name = ?1", (store, store_id, owner))
        })?;
        Ok(is_another)
    }

    /// Takes the store's word for what is in it: units that it does not have are forgotten, of others no more is believed than it says.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn believe(&mut self, store: &str, roots: &BTreeMap<String, Stored>) -> Result<(), DbError> {
        let known: BTreeMap<_, _> = self.roots(store)?.into_iter().collect();
        self.write(|tx| {
            for key in known.keys().filter(|key| !roots.contains_key(*key)) {
                forget(tx, store, key)?;
            }
            for (key, stored) in roots {
                let root = stored.root.map(|root| root.0);
                if known.get(key).is_some_and(|known| known.map(|root| root.0) == root) {
                    continue;
                }
                forget(tx, store, key)?;
                tx.prepare_cached(
                    "INSERT INTO units (store, key, mask, mode, root, masked) VALUES (?1, ?2, ?3, ?4, ?5, '{}')",
                )?
                .execute((store, key, &stored.mask, stored.mode.as_str(), root))?;
            }
            Ok(())
        })
    }

    /// Notes units that the store has committed. Whatever was wrong with them is over. Buckets are written only if they changed.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn record(&mut self, store: &str, units: &[(String, Pushed)]) -> Result<(), DbError> {
        self.write(|tx| {
            for (key, unit) in units {
                let masked = serde_json::to_string(&unit.masked).unwrap_or_else(|_| "{}".to_owned());
                tx.prepare_cached(
                    "INSERT OR REPLACE INTO units (store, key, input, mask, mode, root, head, masked)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )?
                .execute((
                    store,
                    key,
                    unit.input,
                    &unit.mask,
                    unit.mode.as_str(),
                    unit.root.0,
                    unit.head,
                    masked,
                ))?;
                tx.prepare_cached(
                    "INSERT INTO buckets (store, key, packed) VALUES (?1, ?2, ?3)
                     ON CONFLICT (store, key) DO UPDATE SET packed = excluded.packed WHERE packed <> excluded.packed",
                )?
                .execute((store, key, packed::pack(unit.shape, &unit.known)))?;
                for table in ["failures", "elsewhere"] {
                    tx.prepare_cached(&format!("DELETE FROM {table} WHERE store = ?1 AND key = ?2"))?
                        .execute((store, key))?;
                }
            }
            Ok(())
        })?;
        self.point("team.recorded")
    }

    /// Notes that units are no longer in the store.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove(&mut self, store: &str, keys: &[String]) -> Result<(), DbError> {
        self.write(|tx| {
            for key in keys {
                forget(tx, store, key)?;
                for table in ["failures", "elsewhere"] {
                    tx.prepare_cached(&format!("DELETE FROM {table} WHERE store = ?1 AND key = ?2"))?
                        .execute((store, key))?;
                }
            }
            Ok(())
        })
    }

    /// Sets a unit aside: it is tried again when its time has come, or when it has changed. Each time it waits longer.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_aside(
        &mut self,
        store: &str,
        key: &str,
        input: &Digest,
        why: SetAside<'_>,
        now: Timestamp,
    ) -> Result<(), DbError> {
        self.write(|tx| match why {
            SetAside::Failed(why) => {
                let sql = "SELECT attempts FROM failures WHERE store = ?1 AND key = ?2";
                let before: Option<u32> =
                    tx.prepare_cached(sql)?.query_row((store, key), |row| row.get(0)).optional()?;
                let attempts = before.unwrap_or(0).saturating_add(1);
                tx.execute(
                    "INSERT OR REPLACE INTO failures (store, key, input, why, attempts, retry_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    (store, key, input, why, attempts, now.after(wait(attempts)).as_millis()),
                )
            }
            SetAside::Elsewhere(origin) => {
                forget(tx, store, key)?;
                tx.execute("DELETE FROM failures WHERE store = ?1 AND key = ?2", (store, key))?;
                tx.execute(
                    "INSERT OR REPLACE INTO elsewhere (store, key, origin, input, retry_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (store, key, origin, input, now.after(ELSEWHERE).as_millis()),
                )
            }
        })?;
        Ok(())
    }

    /// Notes that a push ended well.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn pushed_well(&mut self, store: &str, now: Timestamp) -> Result<(), DbError> {
        self.write(|tx| {
            tx.execute(
                "UPDATE stores SET pushed_ms = ?2, error = NULL, error_ms = NULL WHERE name = ?1",
                (store, now.as_millis()),
            )
            .map(drop)
        })
    }

    /// Notes that a push failed, and why. One that ends well takes it back.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn push_failed(&mut self, store: &str, why: &str, now: Timestamp) -> Result<(), DbError> {
        self.write(|tx| {
            let sql = "UPDATE stores SET error = ?2, error_ms = ?3 WHERE name = ?1";
            tx.execute(sql, (store, why, now.as_millis())).map(drop)
        })
    }

    /// Passes a point at which tests make the world fail.
    ///
    /// # Errors
    /// What a test asked for.
    pub(crate) fn point(&self, name: &str) -> Result<(), DbError> {
        Ok(fault::point(name).map_err(DiskError::at("write", self.db.path()))?)
    }

    fn write<T>(&mut self, work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| work(tx).map_err(failed))
    }
}

/// 32 random hex digits.
fn random_name() -> io::Result<String> {
    Ok(format!("{:032x}", u128::from_le_bytes(random()?)))
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        let cause = error.raw_os_error().map(io::Error::from_raw_os_error);
        cause.unwrap_or_else(|| io::Error::other(error.to_string()))
    })?;
    Ok(bytes)
}

/// How long to wait after so many failures in a row.
fn wait(attempts: u32) -> Duration {
    let mut backoff = Backoff::new(RETRY, 0);
    (1..attempts.min(RETRY_CEILING)).for_each(|_| {
        backoff.fail(None);
    });
    backoff.fail(None)
}

fn forget(tx: &Transaction<'_>, store: &str, key: &str) -> rusqlite::Result<()> {
    for table in ["units", "buckets"] {
        tx.prepare_cached(&format!("DELETE FROM {table} WHERE store = ?1 AND key = ?2"))?.execute((store, key))?;
    }
    Ok(())
}
