//! What has been missing here for long, though heads name it.

use std::collections::BTreeMap;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection};
use carry_kernel::home::Home;

use super::read::followed;
use super::{LogStatus, Status, open};
use crate::head::SignedHead;
use crate::name::{Entry, Folder, LogId, ObjectName, StreamName};
use crate::ranges::Ranges;
use crate::store::rows::int;
use crate::store::{LogState, Rejection, StoreError};

/// How long something is absent before it is asked for: a sync tool may take so long.
pub(crate) const ABSENT_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Records of one stream that have been missing here for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// Whose they are.
    pub log: LogId,
    /// Their stream.
    pub stream: StreamName,
    /// The records.
    pub missing: Ranges,
    /// When one of them was looked for and not found first.
    pub since: Timestamp,
}

/// What followed heads of logs that count name, and what was not there, or damaged, when it was looked for, and again a day later
/// or more. For whoever only looks: makes nothing.
///
/// # Errors
/// [`StoreError`].
pub fn look_at_overdue(home: &Home, status: &Status) -> Result<Vec<Overdue>, StoreError> {
    let Some(db) = open(home)? else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for log in &status.logs {
        if matches!(log.row.state, LogState::Approved | LogState::Former) && log.n_missing() > 0 {
            all.extend(of(db.conn(), log)?);
        }
    }
    Ok(all)
}

fn of(db: &Connection, log: &LogStatus) -> Result<Vec<Overdue>, StoreError> {
    let id = log.row.log;
    let mut found: BTreeMap<&StreamName, (Ranges, Timestamp)> = BTreeMap::new();
    let mut add = |stream, missing: Ranges, since: Timestamp| {
        if missing.is_empty() {
            return;
        }
        let (ranges, first) = found.entry(stream).or_insert_with(|| (Ranges::new(), since));
        (*ranges, *first) = (ranges.union(&missing), since.min(*first));
    };
    for (object, since) in sought(db, id)? {
        if log.wrong.iter().any(|(wrong, _)| *wrong == object) {
            continue;
        }
        match object {
            ObjectName::Segment { stream, first, last, .. } => {
                if let Some((stream, state)) = log.streams.get_key_value(&stream) {
                    add(stream, state.missing.intersection(&Ranges::of(first, last)), since);
                }
            }
            // Without its list it is not known which files a head names.
            ObjectName::List { .. } => {
                let is_named = |head: &SignedHead| {
                    head.head().list.as_ref().is_some_and(|list| ObjectName::list(id, list.digest) == object)
                };
                if followed(db, id)?.iter().any(|(_, head, _)| is_named(head)) {
                    log.streams.iter().for_each(|(stream, state)| add(stream, state.missing.clone(), since));
                }
            }
            ObjectName::Head { .. } => {}
        }
    }
    let overdue =
        found.into_iter().map(|(stream, (missing, since))| Overdue { log: id, stream: stream.clone(), missing, since });
    Ok(overdue.collect())
}

/// The objects of a log that were looked for in vain for long, and since when.
fn sought(db: &Connection, log: LogId) -> Result<Vec<(ObjectName, Timestamp)>, StoreError> {
    let folder = Folder::Log(log);
    let sql = "SELECT name, first_ms FROM rejects
               WHERE name > ?1 AND name < ?2 AND kind IN (?3, ?4) AND last_ms - first_ms >= ?5";
    let mut rows = db.prepare_cached(sql)?;
    let kinds = [Rejection::Absent, Rejection::Damaged(String::new())].map(|why| why.as_row().0);
    let long = int(u64::try_from(ABSENT_FOR.as_millis()).unwrap_or(u64::MAX));
    let key = (format!("{folder}/"), format!("{folder}0"), kinds[0], kinds[1], long);
    let rows = rows.query_map(key, |row| Ok((row.get::<_, String>(0)?, Timestamp::from_millis(row.get(1)?))))?;
    let mut sought = Vec::new();
    for row in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        let (path, since) = row;
        let name = path.rsplit_once('/').map_or("", |(_, name)| name);
        if let Entry::Object(object, _) = Entry::read(folder, name) {
            sought.push((object, since));
        }
    }
    Ok(sought)
}
