//! What others may have read of this device's own logs, because it was put somewhere once. That stays so when what is noted of the
//! place is forgotten.

use carry_kernel::db::rusqlite::{Connection, OptionalExtension as _};

use super::rows::{digest, int};
use super::{Store, StoreError};
use crate::name::{Entry, Form, LogId, ObjectId, ObjectName};

impl Store {
    /// Whether this device ever put a head or a segment of a log of its own anywhere, or found it there. Lists are not kept count
    /// of: they lie in the database and are never gone for themselves.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn was_heard(&self, object: &ObjectName) -> Result<bool, StoreError> {
        was_heard(self.db.conn(), object)
    }

    /// Notes that an object of an own log is somewhere. Of others' logs nothing is noted.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn note_heard(&mut self, object: &ObjectName) -> Result<(), StoreError> {
        if self.was_heard(object)? {
            return Ok(());
        }
        self.db.write(|tx| note(tx, object))
    }
}

fn was_heard(db: &Connection, object: &ObjectName) -> Result<bool, StoreError> {
    match object {
        ObjectName::Head { log, n, id } => {
            let sql = "SELECT digest FROM heads_signed WHERE log = ?1 AND n = ?2 AND is_heard";
            let mut rows = db.prepare_cached(sql)?;
            let found = rows.query_row((log.to_string(), int(*n)), |row| digest(row, 0)).optional()?;
            Ok(found.is_some_and(|digest| ObjectId::of(digest) == *id))
        }
        ObjectName::Segment { log, .. } => {
            let sql = "SELECT EXISTS (SELECT 1 FROM heard WHERE log = ?1 AND file = ?2)";
            Ok(db.prepare_cached(sql)?.query_row((log.to_string(), file_of(object)), |row| row.get(0))?)
        }
        ObjectName::List { .. } => Ok(false),
    }
}

/// Notes that what lies under a path was put somewhere, be it under its own name or as a replica.
pub(super) fn note_path(tx: &Connection, path: &str) -> Result<(), StoreError> {
    let Some((folder, name)) = path.rsplit_once('/') else { return Ok(()) };
    let Ok(folder) = folder.parse() else { return Ok(()) };
    match Entry::read(folder, name) {
        Entry::Object(object, Form::Itself | Form::Replica(_)) => note(tx, &object),
        _ => Ok(()),
    }
}

fn note(tx: &Connection, object: &ObjectName) -> Result<(), StoreError> {
    match object {
        ObjectName::Head { log, n, id } => {
            let sql = "SELECT digest FROM heads_signed WHERE log = ?1 AND n = ?2";
            let mut rows = tx.prepare_cached(sql)?;
            let found = rows.query_row((log.to_string(), int(*n)), |row| digest(row, 0)).optional()?;
            // Another home may have signed one of the same number.
            if found.is_some_and(|digest| ObjectId::of(digest) == *id) {
                let sql = "UPDATE heads_signed SET is_heard = 1 WHERE log = ?1 AND n = ?2";
                tx.prepare_cached(sql)?.execute((log.to_string(), int(*n)))?;
            }
        }
        ObjectName::Segment { log, .. } => {
            let sql = "INSERT OR IGNORE INTO heard (log, file)
                       SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM logs WHERE log = ?1 AND state IN ('own', 'former'))";
            tx.prepare_cached(sql)?.execute((log.to_string(), file_of(object)))?;
        }
        ObjectName::List { .. } => {}
    }
    Ok(())
}

/// Forgets it of what is kept no more of a log: it can neither be put nor be missed.
pub(super) fn prune(tx: &Connection, log: LogId) -> Result<(), StoreError> {
    let sql = "DELETE FROM heard WHERE log = ?1
               AND NOT EXISTS (SELECT 1 FROM segments s WHERE s.log = ?1 AND s.file = heard.file)
               AND NOT EXISTS (SELECT 1 FROM superseded s WHERE s.log = ?1 AND s.file = heard.file)";
    tx.prepare_cached(sql)?.execute([log.to_string()])?;
    Ok(())
}

/// The name of the file in which an object of an own log lies here.
fn file_of(object: &ObjectName) -> String {
    let path = object.path();
    path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name).to_owned()
}
