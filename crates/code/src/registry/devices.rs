//! Devices whose lines were seen, and whether the user approved them.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Params, Row};

use super::Registry;

#[cfg(test)]
mod tests;

/// What is read of a device.
const COLUMNS: &str = "id, key, label, first_seen, approved, shown";

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

    /// Approves one; `false` when it is not known. One that is approved already stays so since when it was.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn approve_device(&mut self, id: &str, now: Timestamp) -> Result<bool, DbError> {
        self.change_device("UPDATE devices SET approved = COALESCE(approved, ?) WHERE id = ?", (now.as_millis(), id))
    }

    /// Takes the approval back; `false` when it is not known.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn revoke_device(&mut self, id: &str) -> Result<bool, DbError> {
        self.change_device("UPDATE devices SET approved = NULL WHERE id = ?", [id])
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

fn device(row: &Row<'_>) -> Result<KnownDevice, Error> {
    let key: Option<Vec<u8>> = row.get(1)?;
    let key = key.map(|key| key.try_into()).transpose();
    Ok(KnownDevice {
        id: row.get(0)?,
        key: key.map_err(|_| Error::InvalidColumnType(1, "key".to_owned(), Type::Blob))?,
        label: row.get(2)?,
        first_seen: Timestamp::from_millis(row.get(3)?),
        approved: row.get::<_, Option<i64>>(4)?.map(Timestamp::from_millis),
        shown: row.get(5)?,
    })
}
