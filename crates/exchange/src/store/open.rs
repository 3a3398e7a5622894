//! Opens the store, and makes it once.

use std::collections::BTreeMap;
use std::io;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::OptionalExtension as _;
use carry_kernel::db::{Db, rusqlite};
use carry_kernel::home::Home;
use carry_kernel::id::DeviceId;
use ed25519_dalek::{Signer as _, SigningKey};

use super::aside;
use super::incarnation::{self, Decision, Reason};
use super::places::Places;
use super::schema::SCHEMA;
use super::verified::Verified;
use super::{Room, Setup, Store, StoreError};
use crate::hash::Digest;
use crate::head::Vouch;
use crate::name::LogId;
use crate::streams::Streams;

impl Store {
    /// Opens the store below the home, makes it once, and goes on under a new key when the home was copied, or when its database
    /// was lost and the key was not. Files that no row knows are left for [`Store::tidy`].
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
                let earlier = earlier_logs(&places)?;
                let (log, key) = incarnation::new_key(&places, &mut *entropy)?;
                db.write(|tx| begin(tx, (log, &key), fingerprint, &earlier, now.as_millis()))?;
                current(db.conn())?
                    .ok_or_else(|| StoreError::damaged_row("the exchange's database", "it has no log"))?
            }
        };
        let key = incarnation::load_key(&places, log)?;
        let (opened, room, streams) = (Decision::GoOn, Room::default(), Streams::default());
        let verified = Verified::default();
        let mut store = Self {
            db,
            places,
            device,
            identity: None,
            log,
            key,
            entropy,
            opened,
            room,
            streams,
            verified,
            now,
            is_tidy: false,
        };
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

    /// The store for whoever only looks: makes nothing, changes nothing, and goes on under no new key, also where the home lies
    /// elsewhere than it did. Whatever would write fails. `None` where nothing was ever exchanged.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_read_only(home: &Home, device: DeviceId, now: Timestamp) -> Result<Option<Self>, StoreError> {
        let Some(db) = super::status::open(home)? else { return Ok(None) };
        let Some((log, _)) = current(db.conn())? else { return Ok(None) };
        let places = Places::new(home);
        Ok(Some(Self {
            key: incarnation::load_key(&places, log)?,
            db,
            places,
            device,
            identity: None,
            log,
            entropy: Box::new(|_: &mut [u8]| Err(io::ErrorKind::Unsupported.into())),
            opened: Decision::GoOn,
            room: Room::default(),
            streams: Streams::default(),
            verified: Verified::default(),
            now,
            is_tidy: false,
        }))
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

/// The logs that this home wrote before its database was lost, the last one first: those of which a key and a folder are there.
fn earlier_logs(places: &Places) -> Result<Vec<(LogId, SigningKey)>, StoreError> {
    let mut logs = places.keys()?;
    logs.retain(|(log, _)| places.log_dir(*log).is_dir());
    logs.sort_by_key(|(log, since)| std::cmp::Reverse((*since, *log)));
    // One whose key is damaged is a stranger's to the new log.
    Ok(logs.into_iter().filter_map(|(log, _)| Some((log, incarnation::load_key(places, log).ok()?))).collect())
}

/// Writes the first log, unless another process was first. The last one before it, if there is any, speaks for it.
fn begin(
    tx: &rusqlite::Transaction<'_>,
    (log, key): (LogId, &SigningKey),
    fingerprint: Digest,
    earlier: &[(LogId, SigningKey)],
    now: i64,
) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO self (one, log, fingerprint, wall_ms, counter) VALUES (1, ?1, ?2, 0, 0)";
    if tx.execute(sql, (log.to_string(), fingerprint.as_bytes()))? == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO logs (log, alias, state, vouched_by, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)";
    let last = earlier.first().map(|(log, _)| log.to_string());
    tx.execute(sql, (log.to_string(), &log.to_string()[..8], "own", last, now))?;
    for (old, _) in earlier {
        tx.execute(sql, (old.to_string(), &old.to_string()[..16], "former", None::<String>, now))?;
    }
    if let Some((_, old)) = earlier.first() {
        let sign = |message: &[u8]| old.sign(message).to_bytes();
        let vouch = Vouch::new(old.verifying_key().to_bytes(), BTreeMap::new(), key.verifying_key().as_bytes(), &sign);
        incarnation::note_vouch(tx, log, now, Reason::Lost, &vouch)?;
    }
    Ok(())
}
