//! Databases of running programs: opened for reading only, never created, checkpointed or locked for long.
//!
//! A database in WAL mode needs its `-shm` file even for reading. Where the log is missing or empty there is nothing in it, and
//! the file alone is read as it lies (`immutable`), so that nothing is made beside it; the stamp before and after then says
//! whether somebody wrote meanwhile. Many sessions lie in one file: each is a unit of its own, with the path
//! `<database>#<session>`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::db::rusqlite::types::ValueRef;
use carry_kernel::db::rusqlite::{self, Connection, OpenFlags, Row};
use serde_json::{Map, Value};

use super::{ReadError, Stamp, files};

/// How long a reader waits for a writer.
const BUSY: Duration = Duration::from_secs(5);

/// A foreign database, in one read transaction.
#[derive(Debug)]
pub(super) struct ForeignDb {
    /// For queries.
    pub(super) conn: Connection,
    path: PathBuf,
    /// The stamp when it was opened without looking at a log.
    alone: Option<Stamp>,
}

impl ForeignDb {
    /// Opens `path` and begins to read.
    pub(super) fn open(path: &Path) -> Result<Self, ReadError> {
        let stamp = files::stamp_of(path, 0).map_err(|source| ReadError::Io { path: path.to_owned(), source })?;
        let has_log = has_log(path);
        let mode = if has_log { "mode=ro" } else { "immutable=1" };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failed = |source: rusqlite::Error| ReadError::Database { path: path.to_owned(), source: Box::new(source) };
        let conn = Connection::open_with_flags(uri(path, mode), flags).map_err(failed)?;
        conn.busy_timeout(BUSY).map_err(failed)?;
        conn.execute_batch("PRAGMA query_only = 1; PRAGMA trusted_schema = 0; BEGIN").map_err(failed)?;
        // The first look takes the snapshot, and fails here where the file is no database.
        conn.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(())).map_err(failed)?;
        Ok(Self { conn, path: path.to_owned(), alone: (!has_log).then_some(stamp) })
    }

    /// For `map_err`.
    pub(super) fn failed(&self) -> impl Fn(rusqlite::Error) -> ReadError + use<> {
        let path = self.path.clone();
        move |source| ReadError::Database { path: path.clone(), source: Box::new(source) }
    }

    /// The columns of `table`; none when there is no such table.
    pub(super) fn columns(&self, table: &str) -> Result<Vec<String>, ReadError> {
        let failed = self.failed();
        let mut query = self.conn.prepare("SELECT name FROM pragma_table_info(?1)").map_err(&failed)?;
        let names = query.query_map([table], |row| row.get(0)).map_err(&failed)?;
        names.collect::<Result<_, _>>().map_err(failed)
    }

    /// Fails when the file was written to while it was read without a lock.
    pub(super) fn end(self) -> Result<(), ReadError> {
        let now = files::stamp_of(&self.path, 0).map_err(|source| ReadError::Io { path: self.path.clone(), source })?;
        let has_log = has_log(&self.path);
        if self.alone.is_some_and(|before| before != now || has_log) {
            let source =
                std::io::Error::new(std::io::ErrorKind::Interrupted, "it was written to meanwhile; it is read again");
            return Err(ReadError::Io { path: self.path, source });
        }
        Ok(())
    }
}

/// The stamp of a database: its own, and in `beside` its log's.
pub(super) fn db_stamp(path: &Path) -> std::io::Result<Stamp> {
    let mut stamp = files::stamp_of(path, 0)?;
    if let Ok(log) = files::stamp_of(&beside(path, "-wal"), 0) {
        stamp.beside = hash64(&[&log.size.to_le_bytes(), &log.mtime_ns.to_le_bytes()]);
    }
    Ok(stamp)
}

/// The stamp of a session in the database with stamp `db`; `freshness` is whatever changes when the session does. Another file in
/// the place of the database may hold anything.
pub(super) fn row_stamp(db: &Stamp, session: &str, freshness: &[&[u8]]) -> Stamp {
    Stamp {
        size: 0,
        mtime_ns: 0,
        ctime_ns: 0,
        inode: hash64(&[session.as_bytes()]),
        device: db.device,
        beside: hash64(&[&db.inode.to_le_bytes(), &hash64(freshness).to_le_bytes()]),
    }
}

/// The unit of a session in a database.
pub(super) fn row_path(db: &Path, session: &str) -> PathBuf {
    let mut text = db.as_os_str().to_owned();
    text.push("#");
    text.push(session);
    PathBuf::from(text)
}

/// The database and the session of such a unit.
pub(super) fn split_row_path(path: &Path) -> Option<(PathBuf, String)> {
    let bytes = path.as_os_str().as_bytes();
    let at = memchr::memrchr(b'#', bytes)?;
    let session = std::str::from_utf8(&bytes[at + 1..]).ok()?.to_owned();
    Some((PathBuf::from(OsString::from_vec(bytes[..at].to_vec())), session))
}

/// A number for parts; the same parts give the same number. Never negative, so that SQLite can hold it.
pub(super) fn hash64(parts: &[&[u8]]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first) >> 1
}

/// Whether a log of either kind lies there: one to be read, too, or the journal of somebody who writes right now, who may have
/// written half of it to the file.
fn has_log(path: &Path) -> bool {
    ["-wal", "-journal"].iter().any(|suffix| std::fs::metadata(beside(path, suffix)).is_ok_and(|log| log.len() > 0))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut text = path.as_os_str().to_owned();
    text.push(suffix);
    PathBuf::from(text)
}

/// `file:` with what SQLite would take for something else escaped.
fn uri(path: &Path, mode: &str) -> OsString {
    let mut out = b"file:".to_vec();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'%' | b'?' | b'#' => out.extend(format!("%{byte:02x}").bytes()),
            byte => out.push(*byte),
        }
    }
    out.push(b'?');
    out.extend(mode.bytes());
    OsString::from_vec(out)
}

/// A row as JSON, by column.
pub(super) fn object_of(row: &Row<'_>) -> Value {
    let names: Vec<String> = row.as_ref().column_names().map(str::to_owned).collect();
    let mut object = Map::new();
    for (at, name) in names.into_iter().enumerate() {
        let value = match row.get_ref(at) {
            Ok(ValueRef::Integer(number)) => number.into(),
            Ok(ValueRef::Real(number)) => number.into(),
            Ok(ValueRef::Text(text) | ValueRef::Blob(text)) => String::from_utf8_lossy(text).into_owned().into(),
            Ok(ValueRef::Null) | Err(_) => Value::Null,
        };
        object.insert(name, value);
    }
    Value::Object(object)
}
