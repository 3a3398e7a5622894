//! What goes through the exchange: what was said of our lines, and what came of others'.

use std::path::{Path, PathBuf};

use carry_exchange::name::LogId;
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{OptionalExtension as _, Row, Transaction};
use carry_kernel::db::{Db, DbError, rusqlite};

use super::{Registry, bytes_of};
use crate::git::{ObjectId, path_of};
use crate::line::{Branch, LineName};
use crate::stream::LineStanding;

/// A snapshot that a log of ours brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidSnapshot {
    /// The line, by its ref.
    pub(crate) line: String,
    /// Its number, from 0.
    pub(crate) n: u64,
    /// The commit.
    pub(crate) snapshot: ObjectId,
    /// What its pack needs.
    pub(crate) needs: Vec<ObjectId>,
    /// Packs that must be unpacked one after the other to come to it, itself included.
    pub(crate) depth: u32,
}

/// How one of our lines stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SaidLine {
    /// The line.
    pub(crate) line: LineName,
    /// Its repository.
    pub(crate) common_dir: PathBuf,
    /// Its branch.
    pub(crate) branch: Branch,
    /// The log in which it was said last.
    pub(crate) log: String,
    /// The snapshot that was looked at last.
    pub(crate) snapshot: ObjectId,
    /// Whether it was marked as finished then.
    pub(crate) finished: bool,
    /// When that was.
    pub(crate) tried: Timestamp,
    /// What became of it.
    pub(crate) state: LineStanding,
}

/// The newest record of a line that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Came {
    /// The log.
    pub(crate) log: LogId,
    /// Which of its ways.
    pub(crate) track: u32,
    /// The record's key.
    pub(crate) key: Vec<u8>,
    /// The record's number.
    pub(crate) seq: u64,
    /// The log's name here.
    pub(crate) alias: String,
    /// What it says.
    pub(crate) payload: Vec<u8>,
    /// Why it was not looked at.
    pub(crate) problem: Option<String>,
}

/// What became of such a line in one repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The repository.
    pub(crate) common_dir: PathBuf,
    /// The ref.
    pub(crate) ref_name: String,
    /// What the ref was moved to for it.
    pub(crate) value: Option<ObjectId>,
    /// Why it was not taken.
    pub(crate) problem: Option<String>,
    /// Whether it is to be tried again.
    pub(crate) again: bool,
}

/// A line that stayed though its log does not count any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    /// The repository.
    pub(crate) common_dir: PathBuf,
    /// The ref.
    pub(crate) ref_name: String,
    /// Why.
    pub(crate) why: String,
}

/// What is known of a repository here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KnownRepository {
    /// What it is called in the exchange; none until something was said of it.
    pub(crate) id: Option<String>,
    /// The HEADs that were looked at.
    pub(crate) heads: Vec<ObjectId>,
    /// The roots that were found then.
    pub(crate) roots: Vec<ObjectId>,
}

impl Registry {
    /// The database, for the outbox.
    pub(crate) fn db(&mut self) -> &mut Db {
        &mut self.db
    }

    /// Whether a line came through the exchange.
    ///
    /// # Errors
    /// [`DbError`].
    pub(crate) fn came_by_exchange(&self, line: &LineName) -> Result<bool, DbError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM came_places WHERE ref = ?1 AND value IS NOT NULL)";
        self.db.conn().query_row(sql, [line.ref_name()], |row| row.get(0)).map_err(self.db.failed())
    }

    /// What is known of a repository.
    pub(crate) fn exchange_repository(&self, common_dir: &Path) -> Result<Option<KnownRepository>, DbError> {
        let sql = "SELECT id, heads, roots FROM exchange_repositories WHERE common_dir = ?1";
        let row = self.db.conn().query_row(sql, [bytes_of(common_dir)], |row| {
            let (heads, roots): (String, String) = (row.get(1)?, row.get(2)?);
            Ok(KnownRepository { id: row.get(0)?, heads: ids(&heads), roots: ids(&roots) })
        });
        row.optional().map_err(self.db.failed())
    }

    /// Notes that. A name that was given stays.
    pub(crate) fn note_exchange_repository(
        &mut self,
        common_dir: &Path,
        id: Option<&str>,
        heads: &[ObjectId],
        roots: &[ObjectId],
    ) -> Result<(), DbError> {
        let sql = "INSERT INTO exchange_repositories (common_dir, id, heads, roots) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (common_dir) DO UPDATE
                   SET id = COALESCE(id, excluded.id), heads = excluded.heads, roots = excluded.roots";
        self.run(sql, (bytes_of(common_dir), id, text(heads), text(roots)))
    }

    /// What a log of ours brings of all lines whose refs begin with `prefix`, by line and number.
    pub(crate) fn said(&self, log: LogId, prefix: &str) -> Result<Vec<SaidSnapshot>, DbError> {
        let sql = "SELECT ref, n, snapshot, needs, depth FROM said
                   WHERE log = ?1 AND substr(ref, 1, length(?2)) = ?2 ORDER BY ref, n";
        let mut rows = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let rows = rows.query_map((log.to_string(), prefix), |row| {
            Ok(SaidSnapshot {
                line: row.get(0)?,
                n: number(row, 1)?,
                snapshot: id(row, 2)?,
                needs: ids(&row.get::<_, String>(3)?),
                depth: row.get(4)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// How our lines stand.
    pub(crate) fn said_lines(&self) -> Result<Vec<SaidLine>, DbError> {
        let sql = "SELECT ref, common_dir, branch, log, snapshot, finished, tried, state FROM said_lines ORDER BY ref";
        let mut rows = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let rows = rows.query_map([], |row| {
            let (name, branch, state): (String, String, String) = (row.get(0)?, row.get(2)?, row.get(7)?);
            let (Some(line), Some(branch)) = (LineName::from_ref(&name), Branch::from_trailer(branch.as_str().into()))
            else {
                return Ok(None);
            };
            Ok(Some(SaidLine {
                line,
                common_dir: path(row, 1)?,
                branch,
                log: row.get(3)?,
                snapshot: id(row, 4)?,
                finished: row.get(5)?,
                tried: Timestamp::from_millis(row.get(6)?),
                // What a newer Carry wrote is looked at anew.
                state: serde_json::from_str(&state).unwrap_or(LineStanding::Failed { message: String::new() }),
            }))
        });
        let rows = rows.map_err(self.db.failed())?.filter_map(Result::transpose).collect::<Result<_, _>>();
        rows.map_err(self.db.failed())
    }

    /// Notes how a line of ours stands.
    pub(crate) fn note_said_line(&mut self, line: &SaidLine) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| put_said_line(tx, line).map_err(&failed))
    }

    /// Everything that came, by log, way and key.
    pub(crate) fn came(&self) -> Result<Vec<Came>, DbError> {
        let sql = "SELECT log, track, key, seq, alias, payload, problem FROM came ORDER BY log, track, key";
        let mut rows = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        rows.query_map([], came).and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// What became of it where.
    pub(crate) fn places_of(&self, came: &Came) -> Result<Vec<Place>, DbError> {
        let sql = "SELECT common_dir, ref, value, problem, again FROM came_places
                   WHERE log = ?1 AND track = ?2 AND key = ?3 ORDER BY common_dir";
        let mut rows = self.db.conn().prepare_cached(sql).map_err(self.db.failed())?;
        let rows = rows.query_map((came.log.to_string(), came.track, &came.key), |row| {
            Ok(Place {
                common_dir: path(row, 0)?,
                ref_name: row.get(1)?,
                value: row.get::<_, Option<String>>(2)?.and_then(|hex| ObjectId::from_hex(hex.as_bytes()).ok()),
                problem: row.get(3)?,
                again: row.get(4)?,
            })
        });
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// Repositories that the user said are the one called `id` in `log`.
    pub(crate) fn bound(&self, log: LogId, id: &str) -> Result<Vec<PathBuf>, DbError> {
        let mut rows = self
            .db
            .conn()
            .prepare_cached("SELECT common_dir FROM bound WHERE log = ?1 AND id = ?2 ORDER BY common_dir")
            .map_err(self.db.failed())?;
        let rows = rows.query_map((log.to_string(), id), |row| path(row, 0));
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    /// Says so of one that was just made: what came to an earlier one in the same place did not come to this one.
    pub(crate) fn bind(&mut self, log: LogId, id: &str, common_dir: &Path) -> Result<(), DbError> {
        self.run("DELETE FROM came_places WHERE common_dir = ?1", [bytes_of(common_dir)])?;
        let sql = "INSERT OR IGNORE INTO bound (log, id, common_dir) VALUES (?1, ?2, ?3)";
        self.run(sql, (log.to_string(), id, bytes_of(common_dir)))
    }

    /// Takes that back, and forgets the repository.
    pub(crate) fn unbind(&mut self, common_dir: &Path) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| {
            for table in ["bound", "came_places", "exchange_repositories"] {
                let sql = format!("DELETE FROM {table} WHERE common_dir = ?1");
                tx.execute(&sql, [bytes_of(common_dir)]).map_err(&failed)?;
            }
            Ok(())
        })
    }

    /// Lines that stayed though their log does not count any more.
    pub(crate) fn left_lines(&self) -> Result<Vec<Left>, DbError> {
        let mut rows = self
            .db
            .conn()
            .prepare_cached("SELECT common_dir, ref, why FROM left_lines ORDER BY common_dir, ref")
            .map_err(self.db.failed())?;
        let rows =
            rows.query_map([], |row| Ok(Left { common_dir: path(row, 0)?, ref_name: row.get(1)?, why: row.get(2)? }));
        rows.and_then(Iterator::collect).map_err(self.db.failed())
    }

    pub(super) fn run(&mut self, sql: &str, values: impl rusqlite::Params) -> Result<(), DbError> {
        let failed = self.db.failed();
        self.db.write(|tx| tx.execute(sql, values).map(drop).map_err(&failed))
    }
}

/// Notes a snapshot that a log brings, in the transaction that says so.
pub(crate) fn put_said(tx: &Transaction<'_>, log: LogId, said: &SaidSnapshot) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO said (log, ref, n, snapshot, needs, depth) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let n = i64::try_from(said.n).unwrap_or(i64::MAX);
    let row = (log.to_string(), &said.line, n, said.snapshot.to_string(), text(&said.needs), said.depth);
    tx.execute(sql, row).map(drop)
}

/// Forgets one that nothing needs any more.
pub(crate) fn drop_said(tx: &Transaction<'_>, log: LogId, said: &SaidSnapshot) -> rusqlite::Result<()> {
    let n = i64::try_from(said.n).unwrap_or(i64::MAX);
    let sql = "DELETE FROM said WHERE log = ?1 AND ref = ?2 AND n = ?3";
    tx.execute(sql, (log.to_string(), &said.line, n)).map(drop)
}

/// Notes how a line stands, in the transaction that says it.
pub(crate) fn put_said_line(tx: &Transaction<'_>, line: &SaidLine) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO said_lines (ref, common_dir, branch, log, snapshot, finished, tried, state)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let row = (
        line.line.ref_name(),
        bytes_of(&line.common_dir),
        line.branch.to_trailer(),
        &line.log,
        line.snapshot.to_string(),
        line.finished,
        line.tried.as_millis(),
        serde_json::to_string(&line.state).expect("text always fits JSON"),
    );
    tx.execute(sql, row).map(drop)
}

/// The number of the newest record of a key that came.
pub(crate) fn seq_of(db: &rusqlite::Connection, log: LogId, track: u32, key: &[u8]) -> rusqlite::Result<Option<u64>> {
    let sql = "SELECT seq FROM came WHERE log = ?1 AND track = ?2 AND key = ?3";
    db.query_row(sql, (log.to_string(), track, key), |row| number(row, 0)).optional()
}

/// Notes what came and what became of it, in the transaction that folds.
pub(crate) fn put_came(tx: &Transaction<'_>, row: &Came, places: &[Place]) -> rusqlite::Result<()> {
    // Another process may have folded a newer one since this one was looked at.
    if seq_of(tx, row.log, row.track, &row.key)?.is_some_and(|known| known > row.seq) {
        return Ok(());
    }
    let log = row.log.to_string();
    let seq = i64::try_from(row.seq).unwrap_or(i64::MAX);
    tx.execute(
        "INSERT OR REPLACE INTO came (log, track, key, seq, alias, payload, problem) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        (&log, row.track, &row.key, seq, &row.alias, &row.payload, &row.problem),
    )?;
    let before = "SELECT common_dir, value FROM came_places WHERE log = ?1 AND track = ?2 AND key = ?3";
    let before: Vec<(Vec<u8>, Option<String>)> = tx
        .prepare_cached(before)?
        .query_map((&log, row.track, &row.key), |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    tx.execute("DELETE FROM came_places WHERE log = ?1 AND track = ?2 AND key = ?3", (&log, row.track, &row.key))?;
    for place in places {
        let dir = bytes_of(&place.common_dir);
        // What it was moved to before may be where it still is.
        let value = place.value.map(|id| id.to_string());
        let value =
            value.or_else(|| before.iter().find(|(known, _)| known == dir).and_then(|(_, value)| value.clone()));
        tx.execute(
            "INSERT INTO came_places (log, track, key, common_dir, ref, value, problem, again)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (&log, row.track, &row.key, dir, &place.ref_name, value, &place.problem, place.again),
        )?;
    }
    Ok(())
}

/// Forgets all that came of one way of a log, in the transaction that takes it back. What other logs said of the same lines
/// is looked at again.
pub(crate) fn drop_came(tx: &Transaction<'_>, log: LogId, track: u32) -> rusqlite::Result<()> {
    let log = log.to_string();
    tx.execute(
        "UPDATE came_places SET again = 1 WHERE ref IN (
             SELECT ref FROM came_places WHERE log = ?1 AND track = ?2) AND NOT (log = ?1 AND track = ?2)",
        (&log, track),
    )?;
    tx.execute("DELETE FROM came_places WHERE log = ?1 AND track = ?2", (&log, track))?;
    tx.execute("DELETE FROM came WHERE log = ?1 AND track = ?2", (&log, track)).map(drop)
}

/// Notes a line that stayed.
pub(crate) fn put_left(tx: &Transaction<'_>, log: LogId, left: &Left) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO left_lines (common_dir, ref, log, why) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, (bytes_of(&left.common_dir), &left.ref_name, log.to_string(), &left.why)).map(drop)
}

fn came(row: &Row<'_>) -> rusqlite::Result<Came> {
    let log: String = row.get(0)?;
    let log = log.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(0, TEXT, Box::new(e)))?;
    Ok(Came {
        log,
        track: row.get(1)?,
        key: row.get(2)?,
        seq: number(row, 3)?,
        alias: row.get(4)?,
        payload: row.get(5)?,
        problem: row.get(6)?,
    })
}

/// What a column of text is that holds none of what it should.
pub(super) const TEXT: rusqlite::types::Type = rusqlite::types::Type::Text;

pub(super) fn path(row: &Row<'_>, column: usize) -> rusqlite::Result<PathBuf> {
    Ok(path_of(&row.get::<_, Vec<u8>>(column)?).to_owned())
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|n| u64::try_from(n).unwrap_or(0))
}

fn id(row: &Row<'_>, column: usize) -> rusqlite::Result<ObjectId> {
    let hex: String = row.get(column)?;
    ObjectId::from_hex(hex.as_bytes()).map_err(|e| rusqlite::Error::FromSqlConversionFailure(column, TEXT, Box::new(e)))
}

fn ids(text: &str) -> Vec<ObjectId> {
    text.split(' ').filter_map(|hex| ObjectId::from_hex(hex.as_bytes()).ok()).collect()
}

fn text(ids: &[ObjectId]) -> String {
    ids.iter().map(ObjectId::to_string).collect::<Vec<_>>().join(" ")
}
