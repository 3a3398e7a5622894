//! Own files that a remote lacks and that cannot be put there, because the copy kept here is damaged or gone: what rounds found,
//! for whoever looks at how things stand without asking a remote.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite;
use carry_kernel::home::Home;

use super::rows::parsed;
use super::{Store, StoreError};
use crate::name::{LogId, ObjectName};

/// Characters of a reason that are kept.
const WHY_CHARS: usize = 400;

/// An own file that a remote lacks, and that is not as it was written here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostRow {
    /// The remote.
    pub remote: String,
    /// The file.
    pub object: ObjectName,
    /// How the copy kept here is wrong.
    pub why: String,
    /// When that was found first.
    pub since: Timestamp,
}

impl Store {
    /// Notes which files of an own log a remote lacks and cannot be given. `is_all` says that everything the log names was
    /// compared, so that what is not among them is lost no more.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn note_lost(
        &mut self,
        remote: &str,
        log: LogId,
        found: &[(ObjectName, String)],
        is_all: bool,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let known = self.lost_of(remote, log)?;
        let is_found = |name: &ObjectName| found.iter().any(|(object, _)| object == name);
        let gone: Vec<_> = known.iter().filter(|row| is_all && !is_found(&row.object)).collect();
        let is_known = |name: &ObjectName, why: &str| known.iter().any(|row| row.object == *name && row.why == why);
        let found = found.iter().map(|(name, why)| (name, why.chars().take(WHY_CHARS).collect::<String>()));
        let found: Vec<_> = found.filter(|(name, why)| !is_known(name, why)).collect();
        if gone.is_empty() && found.is_empty() {
            return Ok(());
        }
        self.db.write(|tx| {
            for row in gone {
                let sql = "DELETE FROM lost WHERE remote = ?1 AND name = ?2";
                tx.prepare_cached(sql)?.execute((remote, row.object.to_string()))?;
            }
            for (name, why) in found {
                let sql = "INSERT INTO lost (remote, log, name, why, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)
                           ON CONFLICT (remote, name) DO UPDATE SET why = excluded.why";
                let row = (remote, log.to_string(), name.to_string(), why, now.as_millis());
                tx.prepare_cached(sql)?.execute(row)?;
            }
            Ok(())
        })
    }

    /// Notes that a file is at a remote: it is not lost there.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn note_found(&mut self, remote: &str, object: &ObjectName) -> Result<(), StoreError> {
        let key = (remote, object.to_string());
        let sql = "SELECT EXISTS (SELECT 1 FROM lost WHERE remote = ?1 AND name = ?2)";
        if !self.db.conn().prepare_cached(sql)?.query_row((key.0, &key.1), |row| row.get(0))? {
            return Ok(());
        }
        let sql = "DELETE FROM lost WHERE remote = ?1 AND name = ?2";
        self.db.write(|tx| Ok(tx.prepare_cached(sql)?.execute((key.0, &key.1)).map(drop)?))
    }

    /// The files of an own log that a remote lacks and cannot be given, as far as is noted.
    pub(crate) fn lost_of(&self, remote: &str, log: LogId) -> Result<Vec<LostRow>, StoreError> {
        let sql = "SELECT remote, name, why, since_ms FROM lost WHERE remote = ?1 AND log = ?2 ORDER BY name";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((remote, log.to_string()), row_of)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// What rounds found to be lost, by remote, for whoever only looks: makes nothing.
///
/// # Errors
/// [`StoreError`].
pub fn look_at_lost(home: &Home) -> Result<Vec<LostRow>, StoreError> {
    match super::status::open(home)? {
        Some(db) => read(db.conn()),
        None => Ok(Vec::new()),
    }
}

fn read(db: &rusqlite::Connection) -> Result<Vec<LostRow>, StoreError> {
    let mut rows = db.prepare_cached("SELECT remote, name, why, since_ms FROM lost ORDER BY remote, name")?;
    let rows = rows.query_map([], row_of)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn row_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<LostRow> {
    let since = Timestamp::from_millis(row.get(3)?);
    Ok(LostRow { remote: row.get(0)?, object: parsed(row, 1)?, why: row.get(2)?, since })
}
