//! Opens the store, and makes it once.

use carry_kernel::db::rusqlite::OptionalExtension as _;
use carry_kernel::db::{Db, rusqlite};

use super::aside;
use super::incarnation::{self, Decision};
use super::places::Places;
use super::schema::SCHEMA;
use super::verified::Verified;
use super::{Room, Setup, Store, StoreError};
use crate::hash::Digest;
use crate::name::LogId;

impl Store {
    /// Opens the store below the home, makes it once, and goes on under a new key when the home was copied. Files that no row
    /// knows are left for [`Store::tidy`].
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open(setup: Setup) -> Result<Self, StoreError> {
        let Setup { home, device, fingerprint, mut entropy, now } = setup;
        let places = Places::new(&home);
        let mut db = Db::open(&home.database("exchange"), SCHEMA)?;
        // Heads are signed and records numbered here: a commit that was reported must survive a power loss.
        db.conn().execute_batch("PRAGMA synchronous = FULL")?;
        aside::watch(db.conn())?;
        let (log, kept) = match current(db.conn())? {
            Some(found) => found,
            None => {
                let (log, _) = incarnation::new_key(&places, &mut *entropy)?;
                db.write(|tx| begin(tx, log, fingerprint, now.as_millis()))?;
                current(db.conn())?.ok_or_else(|| StoreError::damaged("the exchange's database", "it has no log"))?
            }
        };
        let key = incarnation::load_key(&places, log)?;
        let (opened, room) = (Decision::GoOn, Room::default());
        let verified = Verified::default();
        let mut store =
            Self { db, places, device, identity: None, log, key, entropy, opened, room, verified, now, is_tidy: false };
        let sql = "SELECT EXISTS (SELECT 1 FROM heads_signed WHERE log = ?1)";
        let is_published = store.db.conn().query_row(sql, [log.to_string()], |row| row.get(0))?;
        let renewals = incarnation::renewals(store.db.conn())?;
        store.opened = incarnation::decide(kept, fingerprint, is_published, &renewals, now);
        match store.opened {
            Decision::GoOn => {}
            Decision::Renew(reason) => store.renew(reason, Some(fingerprint), now)?,
            Decision::Adopt | Decision::TooMany => {
                let sql = "UPDATE self SET fingerprint = ?1 WHERE log = ?2";
                store
                    .db
                    .write(|tx| Ok::<_, StoreError>(tx.execute(sql, (fingerprint.as_bytes(), log.to_string()))?))?;
            }
        }
        store.reconsider_heads(now);
        store.reconsider_segments();
        Ok(store)
    }

    /// The log that this device writes.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Follows another process that went on under a new key.
    pub(super) fn refresh(&mut self) -> Result<(), StoreError> {
        if let Some((log, _)) = current(self.db.conn())?
            && log != self.log
        {
            (self.log, self.key) = (log, incarnation::load_key(&self.places, log)?);
        }
        Ok(())
    }
}

/// The own log, and the fingerprint of the place where it is written.
pub(super) fn current(db: &rusqlite::Connection) -> Result<Option<(LogId, Digest)>, StoreError> {
    let sql = "SELECT log, fingerprint FROM self";
    let row = db.query_row(sql, [], |row| Ok((super::rows::parsed(row, 0)?, super::rows::digest(row, 1)?)));
    Ok(row.optional()?)
}

/// Writes the first log, unless another process was first.
fn begin(tx: &rusqlite::Transaction<'_>, log: LogId, fingerprint: Digest, now: i64) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO self (one, log, fingerprint, wall_ms, counter) VALUES (1, ?1, ?2, 0, 0)";
    if tx.execute(sql, (log.to_string(), fingerprint.as_bytes()))? == 1 {
        let alias = &log.to_string()[..8];
        let sql = "INSERT INTO logs (log, alias, state, since_ms) VALUES (?1, ?2, 'own', ?3)";
        tx.execute(sql, (log.to_string(), alias, now))?;
    }
    Ok(())
}
