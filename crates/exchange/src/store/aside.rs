//! Files that no row knows.
//!
//! A process died between a file and its row, or the database is older than the files, or a row of it is damaged: which of
//! these it was cannot be told, so that nothing is removed for it. An own segment that goes on where the log ends is taken in
//! again; all else is set aside and stays for the grace period. What the store itself let go of goes at once, as that is known.

use std::path::PathBuf;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::Connection;

use super::{Store, StoreError, places};

/// Notes, while the store is open, of which files the rows went. A process that dies forgets it, and the files are set aside.
const WATCH: &str = "
CREATE TEMP TABLE let_go (folder TEXT NOT NULL, file TEXT NOT NULL, PRIMARY KEY (folder, file)) WITHOUT ROWID;
CREATE TEMP TRIGGER let_go_segment AFTER DELETE ON main.segments BEGIN
  INSERT OR IGNORE INTO let_go VALUES (old.log, old.file); END;
CREATE TEMP TRIGGER let_go_superseded AFTER DELETE ON main.superseded BEGIN
  INSERT OR IGNORE INTO let_go VALUES (old.log, old.file); END;
CREATE TEMP TRIGGER let_go_later AFTER DELETE ON main.later BEGIN
  INSERT OR IGNORE INTO let_go VALUES (old.log, old.file); END;
CREATE TEMP TRIGGER let_go_pending AFTER DELETE ON main.pending BEGIN
  INSERT OR IGNORE INTO let_go VALUES ('pending', old.file); END;
";

/// A file that no row knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// Where it lies.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: u64,
    /// Since when it lies aside; `None` while it lies where it was.
    pub since: Option<Timestamp>,
}

/// Begins to note which files are let go of.
pub(super) fn watch(db: &Connection) -> Result<(), StoreError> {
    Ok(db.execute_batch(WATCH)?)
}

/// Whether a row knows a file.
fn is_known(db: &Connection, (folder, file): &(String, String)) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM segments WHERE log = ?1 AND file = ?2)
                   OR EXISTS (SELECT 1 FROM superseded WHERE log = ?1 AND file = ?2)
                   OR EXISTS (SELECT 1 FROM later WHERE log = ?1 AND file = ?2)
                   OR (?1 = 'pending' AND EXISTS (SELECT 1 FROM pending WHERE file = ?2))";
    Ok(db.prepare_cached(sql)?.query_row((folder, file), |row| row.get(0))?)
}

impl Store {
    /// Looks once for files that no row knows: removes those that were being written when a process died, takes own segments
    /// in again that go on where the log ends, and sets all others aside. Does nothing while anybody writes files. Says how
    /// many were set aside.
    ///
    /// # Errors
    /// [`StoreError`]; the next call goes on.
    pub fn tidy(&mut self) -> Result<usize, StoreError> {
        if self.is_tidy {
            return Ok(0);
        }
        let Some(alone) = self.places.try_alone()? else { return Ok(0) };
        self.let_files_go()?;
        self.places.remove_temporary()?;
        let unknown = self.unknown()?;
        drop(alone);
        if !unknown.is_empty() {
            self.take_in_again(&unknown)?;
        }
        // Whoever writes by now may be about to note one of them.
        let Some(_alone) = self.places.try_alone()? else { return Ok(0) };
        let mut n_aside = 0;
        for file in unknown {
            if !is_known(self.db.conn(), &file)? {
                tracing::warn!(file = %self.places.path(&file).display(), "a file that nothing here knows is set aside");
                self.places.set_aside(&file, self.now)?;
                n_aside += 1;
            }
        }
        self.is_tidy = true;
        Ok(n_aside)
    }

    /// The files that no row knows, those that were set aside first. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn aside(&self) -> Result<Vec<Aside>, StoreError> {
        let aside = self.places.aside()?.into_iter();
        let mut all: Vec<_> = aside.map(|(path, bytes, since)| Aside { path, bytes, since: Some(since) }).collect();
        for file in self.unknown()? {
            let path = self.places.path(&file);
            let bytes = std::fs::symlink_metadata(&path).map_or(0, |data| data.len());
            all.push(Aside { path, bytes, since: None });
        }
        Ok(all)
    }

    /// The folder of files that were set aside.
    pub fn aside_dir(&self) -> PathBuf {
        self.places.aside_dir()
    }

    /// Removes what has lain aside longer than `grace`. Says how many files that were.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_aside(&mut self, grace: Duration, now: Timestamp) -> Result<usize, StoreError> {
        let mut n_dropped = 0;
        for (path, _, since) in self.places.aside()? {
            if since <= now.before(grace) {
                places::remove(&path)?;
                n_dropped += 1;
            }
        }
        Ok(n_dropped)
    }

    fn unknown(&self) -> Result<Vec<(String, String)>, StoreError> {
        let mut unknown = Vec::new();
        for file in self.places.all()? {
            if !is_known(self.db.conn(), &file)? {
                unknown.push(file);
            }
        }
        Ok(unknown)
    }

    /// Removes the files that were let go of and that no other row knows. Only for who is alone.
    fn let_files_go(&self) -> Result<(), StoreError> {
        let let_go = {
            let mut rows = self.db.conn().prepare_cached("SELECT folder, file FROM temp.let_go")?;
            let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<(String, String)>, _>>()?
        };
        for file in let_go {
            if !is_known(self.db.conn(), &file)? {
                places::remove(&self.places.path(&file))?;
            }
            self.db.conn().prepare_cached("DELETE FROM temp.let_go WHERE folder = ?1 AND file = ?2")?.execute(file)?;
        }
        Ok(())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        let has_let_go = "SELECT EXISTS (SELECT 1 FROM temp.let_go)";
        // What is left is set aside by a later exchange.
        if self.db.conn().query_row(has_let_go, [], |row| row.get(0)) == Ok(true)
            && let Ok(Some(_alone)) = self.places.try_alone()
        {
            let _ = self.let_files_go();
        }
    }
}
