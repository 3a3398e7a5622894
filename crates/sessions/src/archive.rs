//! The archive: one SQLite file with all sessions, parsed and raw.
//!
//! One writer at a time; readers need no lock. What a reading of a unit says becomes rows in batches; the unit's checkpoint
//! commits with the last of them, so that a reading that was cut off is done again and gives the same rows. Rows are compared
//! by digest before they are written: reading the same bytes again writes nothing.

use carry_exchange::strand::registers::RegisterError;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{Connection, ErrorCode, OptionalExtension as _};
use carry_kernel::db::{BUSY_MS, Db, DbError};
use carry_kernel::disk::DiskError;
use carry_kernel::home::Home;

use crate::model::{Agent, NativeId, RelationKind, SessionId, Termination};

mod body;
mod brief;
mod digest;
mod dump;
pub(crate) mod facts;
#[cfg(test)]
pub(crate) mod fixture;
mod links;
mod outline;
pub(crate) mod page;
mod raw;
mod read;
pub(crate) mod row;
mod schema;
#[cfg(test)]
pub(crate) use schema::SCHEMA;
mod session_state;
mod verify;
mod weight;
mod write;
pub(crate) mod zip;

pub use brief::Brief;
pub use digest::{message_digest, result_digest};
pub use outline::{OutlineRow, Snapshot};
pub(crate) use read::stored;
pub use read::{FindError, PREFIX_MIN, StoredMessage, StoredResult};
pub(crate) use write::WEAK_SOURCE;
pub use write::{Cut, UnitRow, Writer, WriterLimits, Written};
pub(crate) use write::{ReceivedName, ReceivedSession, Receiver};

/// Why the archive could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// SQLite failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// Whoever takes bytes from the archive failed.
    #[error("cannot hand out bytes of the archive")]
    Out {
        /// Why.
        source: std::io::Error,
    },
    /// What is to be said of a session could not be kept, or exchanged.
    #[error(transparent)]
    Refused(RegisterError),
    /// Something in the archive is not what it must be.
    #[error("the archive is damaged: {what}")]
    Damaged {
        /// What.
        what: String,
    },
}

/// The name of the strand's database.
const STRAND: &str = "sessions";

/// Sixteen MiB of pages in memory.
const TUNING: &str = "PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY;";

/// Writing has about so many different statements, each of which is prepared once.
const STATEMENTS_KEPT: usize = 96;

/// An open archive.
#[derive(Debug)]
pub struct Archive {
    pub(crate) db: Db,
    pub(crate) origin: String,
}

/// A session as lists show it, curation included.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionRow {
    /// The row; only good within this archive.
    pub n: i64,
    /// Our id.
    pub id: SessionId,
    /// Where it was first archived.
    pub origin: String,
    /// The agent.
    pub agent: Agent,
    /// The agent's own id.
    pub native: NativeId,
    /// The session it belongs to, and how.
    pub parent: Option<(NativeId, RelationKind)>,
    /// The project, for people.
    pub project: String,
    /// What tells two projects of one name apart: normalised remote, root path, or the name.
    pub project_key: String,
    /// The working directory.
    pub cwd: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The name to show: the user's, else the agent's, else nothing.
    pub name: Option<String>,
    /// Whether the name is the user's.
    pub is_renamed: bool,
    /// The first prompt, one line, at most 300 characters.
    pub first_prompt: Option<String>,
    /// How it was started.
    pub entrypoint: Option<String>,
    /// `bg`, `non-interactive`, …
    pub kind: Option<String>,
    /// The agent's version.
    pub version: Option<String>,
    /// The id to resume with, when it is not the native one.
    pub resume: Option<String>,
    /// How it stands.
    pub termination: Option<Termination>,
    /// Whether a program ran it.
    pub is_automated: bool,
    /// The least and the greatest time in it.
    pub started: Option<Timestamp>,
    /// See `started`.
    pub ended: Option<Timestamp>,
    /// Messages, without abandoned ones.
    pub messages: u32,
    /// Of these, what the user wrote.
    pub user_messages: u32,
    /// Messages of branches that were given up.
    pub abandoned: u32,
    /// Tool calls.
    pub calls: u32,
    /// Of these, failed.
    pub failures: u32,
    /// The model of the newest answer.
    pub model: Option<String>,
    /// Tokens; `None` when nobody counted.
    pub input_tokens: Option<u64>,
    /// See `input_tokens`.
    pub output_tokens: Option<u64>,
    /// See `input_tokens`.
    pub cache_read_tokens: Option<u64>,
    /// See `input_tokens`.
    pub cache_write_tokens: Option<u64>,
    /// The fullest the context was, in tokens.
    pub peak_context: Option<u64>,
    /// What it cost, in micro-dollars.
    pub cost_micros: Option<u64>,
    /// Lines that could not be read.
    pub malformed: u32,
    /// Digest of everything that would be sent.
    pub digest: [u8; 32],
    /// Grows with each change of the digest.
    pub revision: u64,
    /// Where it came from.
    pub path: Option<std::path::PathBuf>,
    /// Since when the source has it no longer.
    pub missing: Option<Timestamp>,
    /// Starred.
    pub is_starred: bool,
    /// In the trash, or about to be deleted for good.
    pub is_trashed: bool,
    /// Labels, sorted.
    pub labels: Vec<String>,
}

impl Archive {
    /// Opens the archive of `home` for writing, makes it when missing. `origin` (this device's id) is kept from the first time
    /// on: sessions keep their ids when the device's own id changes.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open(home: &Home, origin: &str) -> Result<Self, ArchiveError> {
        let mut db = Db::open(&home.database(STRAND), schema::SCHEMA)?;
        db.take_turns();
        let failed = db.failed();
        let conn = db.conn();
        conn.execute_batch(TUNING).map_err(&failed)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let known = |conn: &Connection| {
            conn.query_row("SELECT value FROM meta WHERE key = 'origin'", [], |row| row.get(0)).optional()
        };
        // Looked at first: to write may mean to wait for a pass.
        let origin = match known(conn).map_err(&failed)? {
            Some(origin) => origin,
            None => {
                let sql = "INSERT OR IGNORE INTO meta (key, value) VALUES ('origin', ?1)";
                conn.execute(sql, [origin]).map_err(&failed)?;
                known(conn).map_err(failed)?.unwrap_or_else(|| origin.to_owned())
            }
        };
        Ok(Self { db, origin })
    }

    /// Opens an existing archive for reading; `None` when there is none.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn open_read_only(home: &Home) -> Result<Option<Self>, ArchiveError> {
        let Some(db) = Db::open_read_only(&home.database(STRAND), schema::SCHEMA)? else { return Ok(None) };
        let found = db.conn().query_row("SELECT value FROM meta WHERE key = 'origin'", [], |row| row.get(0)).optional();
        let origin = found.map_err(db.failed())?.unwrap_or_default();
        Ok(Some(Self { db, origin }))
    }

    /// The same archive for reading, over another connection.
    pub(crate) fn open_beside(&self) -> Result<Self, ArchiveError> {
        let db = Db::open_read_only(self.db.path(), schema::SCHEMA)?;
        let db = db.ok_or_else(|| ArchiveError::Damaged { what: "its file is gone".to_owned() })?;
        Ok(Self { db, origin: self.origin.clone() })
    }

    /// Where its own sessions were first archived.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The units known, for planning a pass and for `sources`.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn units(&self) -> Result<Vec<UnitRow>, ArchiveError> {
        Ok(write::units(self.db.conn(), None).map_err(self.db.failed())?)
    }

    /// Those at these paths.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn units_at<'p>(
        &self,
        paths: impl IntoIterator<Item = &'p std::path::Path>,
    ) -> Result<Vec<UnitRow>, ArchiveError> {
        let mut units = Vec::new();
        for path in paths {
            units.extend(write::units(self.db.conn(), Some(path)).map_err(self.db.failed())?);
        }
        Ok(units)
    }

    /// Takes a long log over into the file: whoever opens the archive reads all of the log first. Waits for no reader.
    fn take_over_log(&self) -> Result<(), ArchiveError> {
        let failed = self.db.failed();
        let conn = self.db.conn();
        conn.busy_timeout(std::time::Duration::ZERO).map_err(&failed)?;
        let done = conn.execute_batch("PRAGMA wal_autocheckpoint = 1000; PRAGMA wal_checkpoint(TRUNCATE);");
        conn.busy_timeout(std::time::Duration::from_millis(BUSY_MS.into())).map_err(&failed)?;
        match done {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(()),
            other => Ok(other.map_err(failed)?),
        }
    }

    /// A writer. There is one at a time: others wait in SQLite.
    pub fn writer(&mut self, now: Timestamp, limits: WriterLimits) -> Writer<'_> {
        Writer::new(self, now, limits)
    }
}
