//! The bytes of what is held, to be put somewhere or passed on.

use std::fs::File;
use std::path::PathBuf;

use carry_kernel::db::rusqlite;

use super::rows::{digest, int};
use super::{Store, StoreError, places};
use crate::name::{ObjectId, ObjectName};

/// The bytes of one object.
#[derive(Debug)]
pub enum ObjectBytes {
    /// In memory.
    Memory(Vec<u8>),
    /// In a file, from its beginning. They were verified when they came; who receives them verifies them again.
    File(File),
}

/// Where the bytes of one object are, for whoever puts them somewhere.
#[derive(Debug)]
pub enum ObjectPlace {
    /// In memory.
    Memory(Vec<u8>),
    /// In the file of this path.
    File(PathBuf),
}

/// The segments that are held whole under the name of a file. SQLite would go through all of a log by itself, which may be thousands.
const HELD: &str = "SELECT digest FROM segments INDEXED BY segments_by_file
                    WHERE log = ?1 AND file = ?2 AND blocks IS NULL
                    UNION ALL SELECT digest FROM later WHERE log = ?1 AND file = ?2";

impl Store {
    /// The bytes of an object that is held whole; `None` when it is not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn open_object(&self, name: &ObjectName) -> Result<Option<ObjectBytes>, StoreError> {
        match self.find_object(name)? {
            None => Ok(None),
            Some(ObjectPlace::Memory(bytes)) => Ok(Some(ObjectBytes::Memory(bytes))),
            Some(ObjectPlace::File(path)) => Ok(Some(ObjectBytes::File(places::open(&path)?))),
        }
    }

    /// Where an object is that is held whole; `None` when it is not. The file may be damaged or gone by now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find_object(&self, name: &ObjectName) -> Result<Option<ObjectPlace>, StoreError> {
        match name {
            ObjectName::Head { log, n, id } => {
                let sql = "SELECT digest, bytes FROM heads_signed WHERE log = ?1 AND n = ?2 AND bytes IS NOT NULL
                           UNION ALL
                           SELECT digest, bytes FROM heads_seen WHERE log = ?1 AND n = ?2 AND bytes IS NOT NULL";
                self.blob(sql, (log.to_string(), int(*n)), *id)
            }
            ObjectName::List { log, id } => {
                self.blob("SELECT digest, bytes FROM lists WHERE log = ?1", [log.to_string()], *id)
            }
            ObjectName::Segment { log, stream, first, last, id } => {
                let sql = "SELECT digest, file FROM segments
                           WHERE log = ?1 AND stream = ?2 AND first = ?3 AND last = ?4 AND blocks IS NULL
                           UNION ALL SELECT digest, file FROM superseded
                           WHERE log = ?1 AND stream = ?2 AND first = ?3 AND last = ?4
                           UNION ALL SELECT digest, file FROM later
                           WHERE log = ?1 AND stream = ?2 AND first = ?3 AND last = ?4";
                let place = (log.to_string(), stream.as_str(), int(*first), int(*last));
                let mut rows = self.db.conn().prepare_cached(sql)?;
                let rows = rows.query_map(place, |row| Ok((digest(row, 0)?, row.get::<_, String>(1)?)))?;
                for row in rows {
                    let (digest, file) = row?;
                    if ObjectId::of(digest) == *id {
                        return Ok(Some(ObjectPlace::File(self.places.file(*log, &file))));
                    }
                }
                Ok(None)
            }
        }
    }

    fn blob<P: rusqlite::Params>(&self, sql: &str, params: P, id: ObjectId) -> Result<Option<ObjectPlace>, StoreError> {
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let mut rows = rows.query(params)?;
        while let Some(row) = rows.next()? {
            if ObjectId::of(digest(row, 0)?) == id {
                return Ok(Some(ObjectPlace::Memory(row.get(1)?)));
            }
        }
        Ok(None)
    }

    /// Whether an object is held whole.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn has_object(&self, name: &ObjectName) -> Result<bool, StoreError> {
        let ObjectName::Segment { log, id, .. } = name else { return Ok(self.find_object(name)?.is_some()) };
        let path = name.path();
        let file = path.rsplit_once('/').map_or(path.as_str(), |(_, file)| file);
        let mut rows = self.db.conn().prepare_cached(HELD)?;
        let found = rows.query_map((log.to_string(), file), |row| digest(row, 0))?;
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(found.into_iter().any(|digest| ObjectId::of(digest) == *id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::SCHEMA;

    #[test]
    fn a_segment_is_looked_up_by_its_name_however_many_a_log_has() {
        let dir = tempfile::tempdir().unwrap();
        let db = carry_kernel::db::Db::open(&dir.path().join("exchange.db"), SCHEMA).unwrap();
        let mut plan = db.conn().prepare(&format!("EXPLAIN QUERY PLAN {HELD}")).unwrap();
        let steps = plan.query_map(("log", "file"), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).filter(|step| step.contains("SEARCH")).collect();
        assert!(steps.len() == 2 && steps.iter().all(|step| step.contains("log=? AND file=?")), "{steps:?}");
    }
}
