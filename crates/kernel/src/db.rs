//! SQLite as every strand uses it: one file a strand, WAL, forward-only migrations.
//!
//! A file written by a newer program is refused, never guessed at. Writers take the lock at once
//! (`BEGIN IMMEDIATE`) and wait for each other up to [`BUSY_MS`].
//!
//! Commits are written, not synced (`synchronous=NORMAL`): they survive the death of the process and
//! never tear, but the last ones may be missing after a power loss. Whoever reports a commit as
//! durable calls [`Db::sync`] first.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use rusqlite;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior, ffi};

use crate::disk::{self, DiskError};

mod turn;

/// How long a writer waits for another, in milliseconds.
pub const BUSY_MS: u32 = 10_000;

/// Pause between attempts at what SQLite's own waiting does not cover, in milliseconds.
const RETRY_MS: u32 = 10;

/// The log is cut to this many bytes once it has been taken over, so that one large write does not
/// occupy the disk for good.
const LOG_BYTES_KEPT: u64 = 16 * 1024 * 1024;

/// Statements that each connection keeps prepared: more than any strand has, so that none is parsed again and again.
const STATEMENTS_KEPT: usize = 256;

/// Every SQLite file begins with a header of this size.
const HEADER_BYTES: u64 = 100;

/// Whether no other process opens what this one does.
static IS_ALONE: AtomicBool = AtomicBool::new(false);

/// From now on no other process can open a database that this one has open: its connections keep each other apart in memory, not
/// with several calls of the system for each statement. For a program that makes its databases itself, like a simulator.
pub fn alone() {
    IS_ALONE.store(true, Ordering::Relaxed);
}

/// A strand's schema: what makes version n+1 out of version n, from an empty file on.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Identifies the file as ours and this strand's (SQLite's `application_id`).
    pub application_id: i32,
    /// One SQL script a version. Never edited once released; only appended to.
    pub migrations: &'static [&'static str],
}

/// Why a database could not be used.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A newer Carry wrote the file.
    #[error("{} was written by a newer Carry (format {found}, this one knows {known})", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// An older Carry wrote the file, and it was opened only for reading.
    #[error("{} was written by an older Carry (format {found}, this one knows {known})", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file is something else's.
    #[error("{} is not a database of this kind", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// SQLite failed.
    #[error("database {} failed", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The file or its folder could not be made.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// While there is one, all reads see one state of the database, and take one lock together instead of one each. Nothing is
/// written meanwhile.
#[derive(Debug)]
#[must_use = "it ends when it is dropped"]
pub struct Snapshot<'db>(Option<&'db Connection>);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.0 {
            // Nothing was written, so nothing can be lost. What could not be ended here ends with the connection.
            let _ = conn.prepare_cached("COMMIT").and_then(|mut end| end.execute([]));
        }
    }
}

/// An open database. Not shared between threads: each opens its own.
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    conn: Connection,
    takes_turns: bool,
}

impl Db {
    /// Opens `path`, makes it when missing (0600, folder 0700), and brings it to the newest schema
    /// in one transaction. The permissions of an existing file are left alone.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(path: &Path, schema: Schema) -> Result<Self, DbError> {
        create_private(path)?;
        refuse_stump(path, &fs::metadata(path).map_err(DiskError::at("open", path))?)?;
        let mut db = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Looked at before anything is written: a file that is not ours stays as it is.
        let found = db.version(schema)?;
        db.use_log()?;
        if found != schema.newest() {
            db.migrate(schema)?;
        }
        db.batch("PRAGMA foreign_keys = ON;")?;
        Ok(db)
    }

    /// Opens an existing file for reading; `None` when there is no file, or one that nothing was
    /// written to yet. Never creates or migrates.
    ///
    /// # Errors
    /// [`DbError`]; [`DbError::Older`] for a file that [`Db::open`] would migrate.
    pub fn open_read_only(path: &Path, schema: Schema) -> Result<Option<Self>, DbError> {
        match fs::metadata(path) {
            Ok(found) => refuse_stump(path, &found)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(DiskError::at("open", path)(e).into()),
        }
        let db = Self::connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let (found, known) = (db.version(schema)?, schema.newest());
        match found {
            0 if known > 0 => Ok(None),
            _ if found < known => Err(DbError::Older { path: db.path, found, known }),
            _ => Ok(Some(db)),
        }
    }

    /// Runs `work` in one immediate transaction; commits if it returns `Ok`, else rolls back.
    ///
    /// # Errors
    /// What `work` returns, or the commit's failure.
    pub fn write<T, E: From<DbError>>(
        &mut self,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let failed = self.failed();
        let _turn = self.takes_turns.then(|| turn::ask(&self.path));
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let result = work(&tx)?;
        crate::fault::point("db.write.done").map_err(|e| DbError::from(DiskError::at("write", &self.path)(e)))?;
        tx.commit().map_err(&failed)?;
        Ok(result)
    }

    /// From now on [`Db::write`] is let through by those who write for long and [`Db::let_others_write`].
    pub fn take_turns(&mut self) {
        self.takes_turns = true;
    }

    /// Called between two of many transactions that follow each other at once: waits until those who asked have written, a few
    /// seconds at most. SQLite's own waiting looks now and then, and would hardly ever find the file free.
    pub fn let_others_write(&self) {
        turn::give(&self.path);
    }

    /// Puts every commit made so far on stable storage. One sync of the log: cheaper than a
    /// checkpoint, and it waits for no reader or writer.
    ///
    /// # Errors
    /// [`DbError::Disk`] if the log cannot be synced.
    pub fn sync(&self) -> Result<(), DbError> {
        let file = fs::canonicalize(&self.path).map_err(DiskError::at("sync", &self.path))?;
        let mut log = OsString::from(&file);
        log.push("-wal");
        let log = PathBuf::from(log);
        // Opening the log by hand is safe: SQLite's locks lie on the other two files.
        match File::open(&log).and_then(|f| f.sync_all()) {
            Ok(()) => {}
            // No log: the database itself holds everything, and SQLite synced it before removing the log.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(DiskError::at("sync", &log)(e).into()),
        }
        if let Some(dir) = file.parent() {
            disk::sync_dir(dir)?;
        }
        Ok(())
    }

    /// Begins to read several things at one moment. In a snapshot, or in a transaction, it is that which goes on.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn snapshot(&self) -> Result<Snapshot<'_>, DbError> {
        if !self.conn.is_autocommit() {
            return Ok(Snapshot(None));
        }
        let begun = self.conn.prepare_cached("BEGIN DEFERRED").and_then(|mut begin| begin.execute([]));
        begun.map_err(self.failed())?;
        Ok(Snapshot(Some(&self.conn)))
    }

    /// The connection, for reading.
    pub fn conn(&self) -> &Connection {
        &self.conn
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For `map_err`: says which file an SQLite failure is about.
    pub fn failed(&self) -> impl Fn(rusqlite::Error) -> DbError + use<> {
        let path = self.path.clone();
        move |source| sqlite_error(&path, source)
    }

    fn connect(path: &Path, access: OpenFlags) -> Result<Self, DbError> {
        let access = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = if IS_ALONE.load(Ordering::Relaxed) {
            Connection::open_with_flags_and_vfs(path, access, "unix-excl")
        } else {
            Connection::open_with_flags(path, access)
        };
        let conn = conn.map_err(|e| sqlite_error(path, e))?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let db = Self { path: path.to_owned(), conn, takes_turns: false };
        db.conn.busy_timeout(Duration::from_millis(BUSY_MS.into())).map_err(db.failed())?;
        // The last one to close would fold the log into the file, with five syncs: more than a whole capture needs. The
        // log is folded when it has grown, and read like the rest until then.
        let no_fold = rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
        db.conn.set_db_config(no_fold, true).map_err(db.failed())?;
        // Without this SQLite plans a statement anew each time a value is bound that might tell it how much there is to find.
        // There are no statistics that it could look that up in.
        let is_stable = rusqlite::config::DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG;
        db.conn.set_db_config(is_stable, true).map_err(db.failed())?;
        // Foreign keys are off while migrations run, so that they can rebuild tables.
        db.batch(&format!(
            "PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = OFF; PRAGMA journal_size_limit = {LOG_BYTES_KEPT};"
        ))?;
        Ok(db)
    }

    /// The format of the file, 0 for an empty one. Refuses what is not ours, or newer than we know.
    fn version(&self, schema: Schema) -> Result<i64, DbError> {
        let number = |sql: &str| self.conn.query_row(sql, [], |row| row.get::<_, i64>(0)).map_err(self.failed());
        // One read transaction, or another process's migration falls between the questions.
        self.batch("SAVEPOINT look")?;
        let (id, found) = (number("PRAGMA application_id")?, number("PRAGMA user_version")?);
        let empty = id == 0 && found == 0 && number("SELECT count(*) FROM sqlite_schema")? == 0;
        self.batch("RELEASE look")?;
        if found < 0 || !(empty || id == i64::from(schema.application_id)) {
            return Err(DbError::Foreign { path: self.path.clone() });
        }
        let known = schema.newest();
        if found > known {
            return Err(DbError::Newer { path: self.path.clone(), found, known });
        }
        Ok(found)
    }

    /// Switches to write-ahead logging. SQLite does not wait for others while it changes the mode of
    /// a fresh file, so we do.
    fn use_log(&self) -> Result<(), DbError> {
        let mut left = BUSY_MS / RETRY_MS;
        loop {
            let mode = self.conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
            match mode {
                Err(e) if left > 0 && is_busy(&e) => {
                    left -= 1;
                    std::thread::sleep(Duration::from_millis(RETRY_MS.into()));
                }
                // A file system that cannot share memory stays with a rollback journal: slower, as safe.
                other => return other.map(drop).map_err(self.failed()),
            }
        }
    }

    /// Brings the file to the newest schema, or changes nothing.
    fn migrate(&mut self, schema: Schema) -> Result<(), DbError> {
        let failed = self.failed();
        self.conn.execute_batch("BEGIN IMMEDIATE").map_err(&failed)?;
        let done = self.migrate_locked(schema).and_then(|()| self.conn.execute_batch("COMMIT").map_err(&failed));
        if done.is_err() {
            // The first failure is the one to report; a rollback that fails happens when the file is closed.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done
    }

    fn migrate_locked(&self, schema: Schema) -> Result<(), DbError> {
        // Read again: another process may have migrated while we waited for the lock.
        let found = self.version(schema)?;
        let done = usize::try_from(found).unwrap_or(usize::MAX);
        for script in schema.migrations.iter().skip(done) {
            self.batch(script)?;
        }
        let dangling = self.conn.prepare("PRAGMA foreign_key_check").and_then(|mut s| s.exists([]));
        if dangling.map_err(self.failed())? {
            let code = ffi::Error::new(ffi::SQLITE_CONSTRAINT_FOREIGNKEY);
            let message = "a migration left rows that refer to nothing".to_owned();
            return Err(self.failed()(rusqlite::Error::SqliteFailure(code, Some(message))));
        }
        self.batch(&format!(
            "PRAGMA application_id = {}; PRAGMA user_version = {};",
            schema.application_id,
            schema.newest()
        ))
    }

    fn batch(&self, sql: &str) -> Result<(), DbError> {
        self.conn.execute_batch(sql).map_err(self.failed())
    }
}

impl Schema {
    /// The format its last migration leads to.
    pub fn newest(&self) -> i64 {
        i64::try_from(self.migrations.len()).expect("a handful of migrations")
    }
}

/// Makes an empty file for the user alone when there is none.
/// It never opens an existing file: closing it again would drop the locks of other threads.
fn create_private(path: &Path) -> Result<(), DbError> {
    match fs::metadata(path) {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            disk::create_new(path, &[])?;
        }
        Err(e) => return Err(DiskError::at("open", path)(e).into()),
    }
    Ok(())
}

/// Refuses a file too short for SQLite's header. SQLite itself takes one of a single byte for empty.
fn refuse_stump(path: &Path, found: &fs::Metadata) -> Result<(), DbError> {
    match found.len() {
        1..HEADER_BYTES => Err(DbError::Foreign { path: path.to_owned() }),
        _ => Ok(()),
    }
}

/// Whether waiting may help.
fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

fn sqlite_error(path: &Path, source: rusqlite::Error) -> DbError {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => DbError::Foreign { path: path.to_owned() },
        _ => DbError::Sqlite { path: path.to_owned(), source },
    }
}

#[cfg(test)]
mod tests;
