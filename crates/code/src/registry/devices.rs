//! Devices whose lines were seen or that exchange, and whether the user approved or revoked them.

use carry_exchange::name::LogId;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Params, Row, Transaction};

use super::Registry;

#[cfg(test)]
mod tests;

/// What is read of a device.
const COLUMNS: &str =
    "id, key, label, first_seen, approved, shown, revoked, (SELECT log FROM vouched WHERE vouched.device = devices.id)";

/// A device that is not this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    /// A device id, or `pulsar/<slug>`.
    pub id: String,
    /// Its public key, pinned when first seen; none for git-pulsar.
    pub key: Option<[u8; 32]>,
    /// Its label.
    pub label: String,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When the user approved it.
    pub approved: Option<Timestamp>,
    /// Whether the user was told that it is unknown.
    pub shown: bool,
    /// Whether the user revoked it: it is trusted again only when it is approved by name.
    pub is_revoked: bool,
    /// The log for whose sake it was approved, where no person approved it by name since.
    pub vouched_by: Option<LogId>,
}

impl KnownDevice {
    /// Whether something is left to say of it when a log that introduces it is approved or revoked: see
    /// [`Registry::follow_log`].
    pub fn is_moved_by(&self, word: Word, device: &Introduced<'_>) -> bool {
        let is_open = self.approved.is_none() && !self.is_revoked;
        let is_vouched = word == Word::Approved && self.vouched_by.is_some();
        self.id == device.id && self.key == Some(device.key) && (self.label != device.label || is_open && !is_vouched)
    }

    /// Whether a person approved it, and not a log that speaks for it.
    pub fn is_approved_by_name(&self) -> bool {
        self.approved.is_some() && self.vouched_by.is_none()
    }
}

/// A device as a log that it writes introduces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduced<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its public key, which signed the log's.
    pub key: [u8; 32],
    /// What it calls itself.
    pub label: &'a str,
}

/// What the user said of the log that introduces a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It counts.
    Approved,
    /// It counts no more.
    Revoked,
}

impl Registry {
    /// All, by id.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn devices(&self) -> Result<Vec<KnownDevice>, DbError> {
        let failed = self.db.failed();
        let sql = format!("SELECT {COLUMNS} FROM devices ORDER BY id");
        let mut query = self.db.conn().prepare_cached(&sql).map_err(&failed)?;
        let rows = query.query_map([], device);
        rows.and_then(Iterator::collect).map_err(&failed)
    }

    /// One; `None` when it was never seen.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn device(&self, id: &str) -> Result<Option<KnownDevice>, DbError> {
        let failed = self.db.failed();
        let sql = format!("SELECT {COLUMNS} FROM devices WHERE id = ?");
        let mut query = self.db.conn().prepare_cached(&sql).map_err(&failed)?;
        query.query_row([id], device).optional().map_err(&failed)
    }

    /// Notes that a device was seen with this key and label; says whether it is new. The key of a known one never changes,
    /// and one that comes with another key does not change the label either.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_device(
        &mut self,
        id: &str,
        key: Option<[u8; 32]>,
        label: &str,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let failed = self.db.failed();
        let key = key.as_ref().map(|key| &key[..]);
        self.db.write(|tx| {
            let added = tx
                .execute(
                    "INSERT INTO devices (id, key, label, first_seen) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
                    (id, key, label, now.as_millis()),
                )
                .map_err(&failed)?;
            if added == 0 {
                tx.execute("UPDATE devices SET label = ? WHERE id = ? AND key IS ? AND label <> ?1", (label, id, key))
                    .map_err(&failed)?;
            }
            Ok(added > 0)
        })
    }

    /// What was said of a log holds for the device that it introduces, if nothing was said of that; says whether it does now. A
    /// device that is known under another key is another one. An approval counts once: whoever takes it back means it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn follow_log(
        &mut self,
        log: LogId,
        word: Word,
        device: &Introduced<'_>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let known = self.device(device.id)?;
        if !known.is_none_or(|known| known.is_moved_by(word, device)) {
            return Ok(false);
        }
        self.follow_known(log, word, device, now)
    }

    /// The same, whatever was read before.
    fn follow_known(
        &mut self,
        log: LogId,
        word: Word,
        device: &Introduced<'_>,
        now: Timestamp,
    ) -> Result<bool, DbError> {
        let failed = self.db.failed();
        // Judged again where nobody else writes: the user may say something of the device just now.
        self.db.write(|tx| {
            note(tx, device, now).map_err(&failed)?;
            let at = now.as_millis();
            let done = match word {
                Word::Approved => {
                    let sql = "INSERT OR IGNORE INTO vouched (device, log)
                               SELECT id, ?3 FROM devices WHERE id = ?1 AND key = ?2 AND approved IS NULL AND revoked = 0";
                    let is_first = tx.execute(sql, (device.id, device.key, log.to_string())).map_err(&failed)? > 0;
                    let sql = "UPDATE devices SET approved = ?3
                               WHERE id = ?1 AND key = ?2 AND approved IS NULL AND revoked = 0";
                    is_first && tx.execute(sql, (device.id, device.key, at)).map_err(&failed)? > 0
                }
                Word::Revoked => {
                    let sql = "UPDATE devices SET revoked = 1
                               WHERE id = ?1 AND key = ?2 AND approved IS NULL AND revoked = 0";
                    tx.execute(sql, (device.id, device.key)).map_err(&failed)? > 0
                }
            };
            Ok(done)
        })
    }

    /// Approves one by name, also one that was revoked, and one that counted for the sake of a log: from then on it does by
    /// itself. `false` when it is not known. One that is approved already stays so since when it was.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn approve_device(&mut self, id: &str, now: Timestamp) -> Result<bool, DbError> {
        self.approve_where(id, now, "1")
    }

    /// The same, but for one that is revoked: that stays so, and it is `false`.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn approve_unless_revoked(&mut self, id: &str, now: Timestamp) -> Result<bool, DbError> {
        self.approve_where(id, now, "revoked = 0")
    }

    fn approve_where(&mut self, id: &str, now: Timestamp, condition: &str) -> Result<bool, DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            let sql = format!(
                "UPDATE devices SET approved = COALESCE(approved, ?2), revoked = 0 WHERE id = ?1 AND {condition}"
            );
            let is_done = tx.execute(&sql, (id, now.as_millis())).map_err(&failed)? > 0;
            if is_done {
                tx.execute("DELETE FROM vouched WHERE device = ?", [id]).map_err(&failed)?;
            }
            Ok(is_done)
        })
    }

    /// Takes the approval back that a device has for the sake of this log; `false` when it has none, as since a person approved
    /// it by name.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn revoke_vouched(&mut self, id: &str, log: LogId) -> Result<bool, DbError> {
        self.change_device(
            "UPDATE devices SET approved = NULL, revoked = 1 WHERE id = ?1 AND revoked = 0
                 AND EXISTS (SELECT 1 FROM vouched WHERE vouched.device = ?1 AND log = ?2)",
            (id, log.to_string()),
        )
    }

    /// Takes the approval back, and what might give it one by itself; `false` when it is not known.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn revoke_device(&mut self, id: &str) -> Result<bool, DbError> {
        self.change_device("UPDATE devices SET approved = NULL, revoked = 1 WHERE id = ?", [id])
    }

    /// Notes that the user was told of it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn show_device(&mut self, id: &str) -> Result<(), DbError> {
        self.change_device("UPDATE devices SET shown = 1 WHERE id = ?", [id]).map(drop)
    }

    fn change_device(&mut self, sql: &str, values: impl Params) -> Result<bool, DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| tx.execute(sql, values).map(|rows| rows > 0).map_err(&failed))
    }
}

/// Notes a device, or what it calls itself now; never another key.
fn note(tx: &Transaction<'_>, device: &Introduced<'_>, now: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO devices (id, key, label, first_seen) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (id) DO UPDATE SET label = excluded.label WHERE key IS excluded.key AND label <> excluded.label";
    tx.execute(sql, (device.id, device.key, device.label, now.as_millis())).map(drop)
}

fn device(row: &Row<'_>) -> Result<KnownDevice, Error> {
    let wrong = |_| Error::InvalidColumnType(7, "log".to_owned(), Type::Text);
    let vouched_by = row.get::<_, Option<String>>(7)?.map(|log| log.parse().map_err(wrong)).transpose()?;
    let key: Option<Vec<u8>> = row.get(1)?;
    let key = key.map(|key| key.try_into()).transpose();
    Ok(KnownDevice {
        id: row.get(0)?,
        key: key.map_err(|_| Error::InvalidColumnType(1, "key".to_owned(), Type::Blob))?,
        label: row.get(2)?,
        first_seen: Timestamp::from_millis(row.get(3)?),
        approved: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        shown: row.get(5)?,
        is_revoked: row.get(6)?,
        vouched_by,
    })
}
