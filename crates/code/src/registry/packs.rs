//! What is known of object stores: the packs we wrote, how far they are durable, how much ours take.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::DbError;
use carry_kernel::db::rusqlite::{OptionalExtension as _, Transaction};

use super::{Registry, bytes_of, place};

impl Registry {
    /// Remembers a pack that Carry wrote into the object store `common_dir`, so that it can be folded later.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn note_pack(&mut self, common_dir: &Path, pack: &Path, bytes: u64) -> Result<(), DbError> {
        let failed = self.db.failed();
        let name = pack.strip_prefix(common_dir).unwrap_or(pack);
        self.db.write(|tx| {
            tx.execute(
                "INSERT INTO packs (common_dir, path, bytes) VALUES (?, ?, ?)
                 ON CONFLICT (common_dir, path) DO UPDATE SET bytes = excluded.bytes",
                (bytes_of(common_dir), bytes_of(name), i64::try_from(bytes).unwrap_or(i64::MAX)),
            )
            .map_err(&failed)
            .map(drop)
        })
    }

    /// Our packs in `common_dir` with their sizes, oldest first; ones that are gone are forgotten (unless the whole
    /// object store is: it may be unplugged).
    ///
    /// # Errors
    /// [`DbError`].
    pub fn packs(&mut self, common_dir: &Path) -> Result<Vec<(PathBuf, u64)>, DbError> {
        let failed = self.db.failed();
        if !common_dir.is_dir() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, PathBuf, u64)> = {
            let sql = "SELECT seq, path, bytes FROM packs WHERE common_dir = ? ORDER BY seq";
            let mut query = self.db.conn().prepare(sql).map_err(&failed)?;
            let rows = query.query_map([bytes_of(common_dir)], |row| {
                let name: Vec<u8> = row.get(1)?;
                let bytes: i64 = row.get(2)?;
                Ok((row.get(0)?, common_dir.join(OsStr::from_bytes(&name)), u64::try_from(bytes).unwrap_or(0)))
            });
            rows.and_then(Iterator::collect).map_err(&failed)?
        };
        let (gone, there): (Vec<_>, Vec<_>) = rows.into_iter().partition(|(_, path, _)| place::is_gone(path));
        if !gone.is_empty() {
            self.db.write(|tx| {
                for (seq, ..) in &gone {
                    tx.execute("DELETE FROM packs WHERE seq = ?", [seq]).map_err(&failed)?;
                }
                Ok::<_, DbError>(())
            })?;
        }
        Ok(there.into_iter().map(|(_, path, bytes)| (path, bytes)).collect())
    }

    /// Up to when the loose objects of `common_dir` are known to be on stable storage.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn durable_until(&self, common_dir: &Path) -> Result<Option<Timestamp>, DbError> {
        let mut query =
            self.db.conn().prepare("SELECT until FROM durable WHERE common_dir = ?").map_err(self.db.failed())?;
        let until = query.query_row([bytes_of(common_dir)], |row| row.get(0)).optional().map_err(self.db.failed())?;
        Ok(until.map(Timestamp::from_millis))
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn set_durable_until(&mut self, common_dir: &Path, until: Timestamp) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO durable (common_dir, until) VALUES (?, ?)",
                (bytes_of(common_dir), until.as_millis()),
            )
            .map_err(&failed)
            .map(drop)
        })
    }

    /// Bytes of all kept snapshots of the trees that share `common_dir`, and of all trees.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn bytes_used(&self, common_dir: &Path) -> Result<(u64, u64), DbError> {
        // Added up here: SQLite's own sum fails when it overflows.
        let mut query = self.db.conn().prepare("SELECT common_dir = ?, bytes FROM trees").map_err(self.db.failed())?;
        let rows = query.query_map([bytes_of(common_dir)], |row| Ok((row.get(0)?, row.get(1)?)));
        let rows: Vec<(bool, i64)> = rows.and_then(Iterator::collect).map_err(self.db.failed())?;
        Ok(rows.into_iter().fold((0, 0), |(here, all), (is_here, bytes)| {
            let bytes = u64::try_from(bytes).unwrap_or(0);
            (if is_here { u64::saturating_add(here, bytes) } else { here }, u64::saturating_add(all, bytes))
        }))
    }
}

/// Carries what is known of an object store over to where it lies now. Whatever was known of another at that place is
/// of no use any more.
pub(super) fn move_store(
    tx: &Transaction<'_>,
    from: &Path,
    to: &Path,
) -> Result<(), carry_kernel::db::rusqlite::Error> {
    let (from, to) = (bytes_of(from), bytes_of(to));
    tx.execute("UPDATE trees SET common_dir = ?2 WHERE common_dir = ?1", (from, to))?;
    tx.execute("UPDATE OR REPLACE packs SET common_dir = ?2 WHERE common_dir = ?1", (from, to))?;
    for table in ["links", "published"] {
        tx.execute(&format!("UPDATE OR REPLACE {table} SET common_dir = ?2 WHERE common_dir = ?1"), (from, to))?;
    }
    tx.execute("UPDATE OR REPLACE durable SET common_dir = ?2 WHERE common_dir = ?1", (from, to))?;
    tx.execute("UPDATE unanswered SET common_dir = ?2 WHERE common_dir = ?1", (from, to))?;
    Ok(())
}
