//! Worker status that another process can read: rows in the kernel's database.
//!
//! The daemon writes, `carry status` reads, also while no daemon lives: a row says who wrote it and when, and the
//! reader judges from that whether it describes the present. Nothing here decides anything.

use rusqlite::params;

use crate::clock::Timestamp;
use crate::db::{Db, DbError, rusqlite};
use crate::home::Home;
use crate::kernel_db::SCHEMA;
use crate::worker::{Phase, Reason, Status};

/// The table of worker states.
#[derive(Debug)]
pub struct StatusBoard {
    db: Db,
}

/// One row. Times are wall-clock.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// Unique name, e.g. `code/5f3a09bc11de`.
    pub worker: String,
    /// When it was written.
    pub updated: Timestamp,
    /// The process that wrote it; a row of a dead process describes the past.
    pub pid: u32,
    /// The state.
    pub status: Status,
}

impl StatusBoard {
    /// Opens the board, making it when missing.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open(home: &Home) -> Result<Self, DbError> {
        Ok(Self { db: Db::open(&home.kernel_database(), SCHEMA)? })
    }

    /// Opens the board for reading; `None` when there is none yet.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn open_read_only(home: &Home) -> Result<Option<Self>, DbError> {
        Ok(Db::open_read_only(&home.kernel_database(), SCHEMA)?.map(|db| Self { db }))
    }

    /// Replaces a worker's row. Times in `status` must be wall-clock: see [`Status::on_wall_clock`].
    ///
    /// # Errors
    /// [`DbError`].
    pub fn publish(&mut self, worker: &str, status: &Status, pid: u32, now: Timestamp) -> Result<(), DbError> {
        let failed = self.db.failed();
        let text = serde_json::to_string(status).expect("a status has only text keys and plain values");
        self.db.write(|tx| {
            tx.execute(
                "INSERT OR REPLACE INTO worker_status (worker, updated, pid, status) VALUES (?1, ?2, ?3, ?4)",
                params![worker, now.as_millis(), pid, text],
            )
            .map(drop)
            .map_err(&failed)
        })
    }

    /// Removes a worker's row.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn remove(&mut self, worker: &str) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db
            .write(|tx| tx.execute("DELETE FROM worker_status WHERE worker = ?1", [worker]).map(drop).map_err(&failed))
    }

    /// All rows, by name. One that cannot be understood, because another version wrote it, does not hide the rest:
    /// it comes with a status that says so.
    ///
    /// # Errors
    /// [`DbError`].
    pub fn rows(&self) -> Result<Vec<Row>, DbError> {
        let read = |row: &rusqlite::Row<'_>| {
            let text: String = row.get(3)?;
            Ok(Row {
                worker: row.get(0)?,
                updated: Timestamp::from_millis(row.get(1)?),
                pid: row.get(2)?,
                status: serde_json::from_str(&text).unwrap_or_else(|_| unreadable()),
            })
        };
        let rows = || -> rusqlite::Result<Vec<Row>> {
            let mut select =
                self.db.conn().prepare("SELECT worker, updated, pid, status FROM worker_status ORDER BY worker")?;
            select.query_map([], read)?.collect()
        };
        rows().map_err(self.db.failed())
    }
}

fn unreadable() -> Status {
    Status {
        reason: Some(Reason::InvalidData),
        message: Some("Another version of Carry wrote this status.".to_owned()),
        ..Status::new(Phase::Idle)
    }
}

#[cfg(test)]
mod tests;
