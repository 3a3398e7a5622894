//! What authors signed and made wrong, as far as it matters still.

use std::collections::BTreeSet;

use carry_kernel::db::rusqlite::{self, Connection};

use super::read::followed;
use crate::head::segments;
use crate::name::{Entry, Folder, LogId, ObjectName};
use crate::store::rows::{digest, int, number};
use crate::store::sign::find_list;
use crate::store::verified::Verified;
use crate::store::{Rejection, StoreError};

/// Objects of one log that are named at most.
const NAMED_MAX: usize = 16;

/// What could not be used anywhere, by its name. There may be very much of it, and it is asked for each log.
const REFUSED: &str = "SELECT name, kind, why FROM rejects WHERE name > ?1 AND name < ?2 ORDER BY name, remote";

/// What of a log is as its author made it and cannot be used: heads, unless a later one is followed, and what followed heads name.
pub(super) fn of(db: &Connection, log: LogId) -> Result<Vec<(ObjectName, String)>, StoreError> {
    let sql = "SELECT n, digest, why FROM heads_seen h WHERE log = ?1 AND verdict = 'wrong' AND n > (
                   SELECT coalesce(max(n), 0) FROM heads_seen WHERE log = ?1 AND verdict = 'followed')
               ORDER BY n DESC LIMIT ?2";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map((log.to_string(), int(NAMED_MAX as u64)), |row| {
        let why: Option<String> = row.get(2)?;
        Ok((ObjectName::head(log, number(row, 0)?, digest(row, 1)?), why.unwrap_or_default()))
    })?;
    let mut wrong = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let refused = refused(db, Folder::Log(log))?;
    if refused.is_empty() {
        return Ok(wrong);
    }
    let named = named(db, log)?;
    let mut seen = BTreeSet::new();
    for (object, why) in refused {
        if named.contains(&object) && seen.insert(object.clone()) && wrong.len() < NAMED_MAX {
            wrong.push((object, why));
        }
    }
    Ok(wrong)
}

/// What some remote has in a folder as its author made it.
fn refused(db: &Connection, folder: Folder) -> Result<Vec<(ObjectName, String)>, StoreError> {
    let mut rows = db.prepare_cached(REFUSED)?;
    let rows = rows.query_map((format!("{folder}/"), format!("{folder}0")), |row| {
        Ok((row.get::<_, String>(0)?, Rejection::of_row(row, 1)?))
    })?;
    let mut refused = Vec::new();
    for row in rows {
        let (path, why) = row?;
        let name = path.rsplit_once('/').map_or("", |(_, name)| name);
        if let (Rejection::Wrong(why) | Rejection::WrongHeader(why), Entry::Object(object, _)) =
            (why, Entry::read(folder, name))
        {
            refused.push((object, why));
        }
    }
    Ok(refused)
}

/// What the followed heads of a log name and is not held.
fn named(db: &Connection, log: LogId) -> Result<BTreeSet<ObjectName>, StoreError> {
    let mut named = BTreeSet::new();
    for (_, head, _) in followed(db, log)? {
        let list = match &head.head().list {
            None => None,
            Some(list) => match find_list(db, &Verified::default(), log, list) {
                Ok(Some(found)) => Some(found),
                Ok(None) | Err(StoreError::Damaged { .. }) => {
                    named.insert(ObjectName::list(log, list.digest));
                    continue;
                }
                Err(error) => return Err(error),
            },
        };
        for (stream, segments) in segments(head.head(), list.as_deref()).unwrap_or_default() {
            named.extend(segments.iter().map(|segment| segment.name(log, &stream)));
        }
    }
    let mut held = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM segments WHERE log = ?1 AND file = ?2)")?;
    let mut missing = BTreeSet::new();
    for object in named {
        let file = object.path().rsplit('/').next().unwrap_or_default().to_owned();
        if !held.query_row((log.to_string(), file), |row| row.get::<_, bool>(0))? {
            missing.insert(object);
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_looked_up_by_name_however_much_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let db = carry_kernel::db::Db::open(&dir.path().join("exchange.db"), crate::store::SCHEMA).unwrap();
        let mut plan = db.conn().prepare(&format!("EXPLAIN QUERY PLAN {REFUSED}")).unwrap();
        let steps = plan.query_map(("a", "b"), |row| row.get::<_, String>(3)).unwrap();
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        assert!(matches!(&steps[..], [one] if one.contains("name>? AND name<?")), "{steps:?}");
    }
}
