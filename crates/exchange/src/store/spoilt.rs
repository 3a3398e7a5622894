//! Files kept here that a round found damaged or gone, with the state in which they were: as long as they look the same, they are
//! not read again in every round.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::OptionalExtension as _;

use super::{ObjectPlace, Store, StoreError};
use crate::name::{LogId, ObjectName};
use crate::wait::is_over;

/// Such files that are remembered, newest first: what is forgotten is read again.
const SPOILT_KEPT: i64 = 1_000;
/// When one is read again though it looks the same: the reading may have been at fault.
const AGAIN_AFTER: Duration = Duration::from_secs(24 * 60 * 60);
/// Characters of a reason that are kept.
const WHY_CHARS: usize = 400;
/// The state of a file that is not there.
const GONE: &str = "gone";

/// What changes whenever somebody writes to a file, puts another in its place, or removes it.
///
/// # Errors
/// When the file system does not say.
pub(crate) fn state_of(path: &Path) -> io::Result<String> {
    match std::fs::metadata(path) {
        Ok(found) => Ok(format!(
            "{} {}.{} {}.{} {}",
            found.len(),
            found.mtime(),
            found.mtime_nsec(),
            found.ctime(),
            found.ctime_nsec(),
            found.ino()
        )),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(GONE.to_owned()),
        Err(e) => Err(e),
    }
}

impl Store {
    /// How the file of an object was found to be wrong in the state in which it still is, unless that was long ago.
    pub(crate) fn spoilt(
        &self,
        object: &ObjectName,
        state: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let sql = "SELECT why, at_ms FROM spoilt WHERE name = ?1 AND state = ?2";
        let row = self.db.conn().prepare_cached(sql)?.query_row((object.to_string(), state), |row| {
            Ok((row.get::<_, String>(0)?, Timestamp::from_millis(row.get(1)?)))
        });
        Ok(row.optional()?.filter(|(_, at)| !is_over(*at, AGAIN_AFTER, now)).map(|(why, _)| why))
    }

    /// Notes that a file was found to be wrong.
    pub(crate) fn note_spoilt(
        &mut self,
        object: &ObjectName,
        state: &str,
        why: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let why: String = why.chars().take(WHY_CHARS).collect();
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO spoilt (name, state, why, at_ms) VALUES (?1, ?2, ?3, ?4)";
            tx.prepare_cached(sql)?.execute((object.to_string(), state, why, now.as_millis()))?;
            let sql = "DELETE FROM spoilt WHERE name IN (
                           SELECT name FROM spoilt ORDER BY at_ms DESC LIMIT -1 OFFSET ?1)";
            Ok(tx.prepare_cached(sql)?.execute([SPOILT_KEPT]).map(drop)?)
        })
    }

    /// Notes that a file is good.
    pub(crate) fn forget_spoilt(&mut self, object: &ObjectName) -> Result<(), StoreError> {
        let name = object.to_string();
        let sql = "SELECT EXISTS (SELECT 1 FROM spoilt WHERE name = ?1)";
        if !self.db.conn().prepare_cached(sql)?.query_row([&name], |row| row.get(0))? {
            return Ok(());
        }
        self.db.write(|tx| Ok(tx.prepare_cached("DELETE FROM spoilt WHERE name = ?1")?.execute([&name]).map(drop)?))
    }

    /// Whether a file of an own log that is lost at a remote looks otherwise here than when it was found to be wrong: a good copy
    /// may have come.
    pub(crate) fn may_have_come_back(&self, remote: &str, log: LogId) -> Result<bool, StoreError> {
        for row in self.lost_of(remote, log)? {
            let Some(ObjectPlace::File(path)) = self.find_object(&row.object)? else { continue };
            let Ok(state) = state_of(&path) else { continue };
            let sql = "SELECT EXISTS (SELECT 1 FROM spoilt WHERE name = ?1 AND state = ?2)";
            let key = (row.object.to_string(), state);
            if !self.db.conn().prepare_cached(sql)?.query_row(key, |row| row.get::<_, bool>(0))? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
