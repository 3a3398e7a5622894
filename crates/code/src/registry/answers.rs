//! Packs without needs that other devices ask for: those that were attached, and those that could not be made.

use std::path::PathBuf;
use std::str::FromStr;

use carry_exchange::name::LogId;
use carry_exchange::record::AttachmentId;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::{DbError, rusqlite};

use super::exchange::{TEXT, path};
use super::{Registry, bytes_of};
use crate::line::Branch;
use crate::stream::LineStanding;

/// One that could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnansweredRow {
    /// The log of ours that it is asked of.
    pub(crate) log: LogId,
    /// What is asked for.
    pub(crate) id: AttachmentId,
    /// The repository.
    pub(crate) common_dir: PathBuf,
    /// The branch; none of a commit that is no snapshot.
    pub(crate) branch: Option<Branch>,
    /// The logs that ask, ascending.
    pub(crate) asked_by: Vec<LogId>,
    /// How often it was tried.
    pub(crate) failures: u32,
    /// When it was tried last.
    pub(crate) tried: Timestamp,
    /// The version of the program that tried.
    pub(crate) version: String,
    /// Why it could not be made.
    pub(crate) state: LineStanding,
}

impl Registry {
    /// Whether a pack was attached because it was asked for.
    pub(crate) fn is_answered(&self, log: LogId, id: &AttachmentId) -> Result<bool, DbError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM answered WHERE log = ?1 AND id = ?2)";
        let place = (log.to_string(), id.as_str());
        let known = self.db.conn().prepare_cached(sql).and_then(|mut known| known.query_row(place, |row| row.get(0)));
        known.map_err(self.db.failed())
    }

    /// Those that could not be made.
    pub(crate) fn unanswered(&self) -> Result<Vec<UnansweredRow>, DbError> {
        let sql = "SELECT log, id, common_dir, branch, asked_by, failures, tried, version, state FROM unanswered
                   ORDER BY log, id";
        let mut rows = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let rows = rows.query_map([], |row| {
            let (branch, by, state): (Option<String>, String, String) = (row.get(3)?, row.get(4)?, row.get(8)?);
            Ok(UnansweredRow {
                log: parsed(&row.get::<_, String>(0)?)?,
                id: parsed(&row.get::<_, String>(1)?)?,
                common_dir: path(row, 2)?,
                branch: branch.and_then(|branch| Branch::from_trailer(branch.as_str().into())),
                asked_by: by.split(' ').filter_map(|log| log.parse().ok()).collect(),
                failures: row.get(5)?,
                tried: Timestamp::from_millis(row.get(6)?),
                version: row.get(7)?,
                // What a newer Carry wrote is looked at anew.
                state: serde_json::from_str(&state).unwrap_or(LineStanding::Failed { message: String::new() }),
            })
        });
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// Notes one that could not be made.
    pub(crate) fn note_unanswered(&mut self, row: &UnansweredRow) -> Result<(), DbError> {
        let sql = "INSERT OR REPLACE INTO unanswered
                       (log, id, common_dir, branch, asked_by, failures, tried, version, state)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let row = (
            row.log.to_string(),
            row.id.as_str(),
            bytes_of(&row.common_dir),
            row.branch.as_ref().map(Branch::to_trailer),
            row.asked_by.iter().map(LogId::to_string).collect::<Vec<_>>().join(" "),
            row.failures,
            row.tried.as_millis(),
            &row.version,
            serde_json::to_string(&row.state).expect("text always fits JSON"),
        );
        self.run(sql, row)
    }

    /// Forgets one that nobody asks for any more.
    pub(crate) fn forget_unanswered(&mut self, log: LogId, id: &AttachmentId) -> Result<(), DbError> {
        self.run("DELETE FROM unanswered WHERE log = ?1 AND id = ?2", (log.to_string(), id.as_str()))
    }

    /// Notes that one was attached, and has a line of the repository called `repository` said again with the next offer, so that
    /// it goes with it.
    pub(crate) fn note_answered(&mut self, log: LogId, id: &AttachmentId, repository: &str) -> Result<(), DbError> {
        let failed = self.db.failed();
        let log = log.to_string();
        self.db.write(|tx| {
            let note = || -> rusqlite::Result<()> {
                tx.execute("INSERT OR REPLACE INTO answered (log, id) VALUES (?1, ?2)", (&log, id.as_str()))?;
                tx.execute("DELETE FROM unanswered WHERE log = ?1 AND id = ?2", (&log, id.as_str()))?;
                let sql = "UPDATE said_lines SET log = '' WHERE ref = (
                               SELECT ref FROM said_lines WHERE log = ?1 AND common_dir IN (
                                   SELECT common_dir FROM exchange_repositories WHERE id = ?2) ORDER BY ref LIMIT 1)";
                tx.execute(sql, (&log, repository)).map(drop)
            };
            note().map_err(&failed)
        })
    }
}

fn parsed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(text: &str) -> rusqlite::Result<T> {
    text.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, TEXT, Box::new(e)))
}
