//! Which rows may hold what is looked for: from the index, or, where it cannot help, all of the newest sessions.

use std::collections::{HashMap, HashSet};

use carry_kernel::db::rusqlite::{self, OptionalExtension as _, params_from_iter};

use super::Query;
use super::query::Meaning;
use crate::archive::Archive;
use crate::archive::row::TABLES;
use crate::list::{Conditions, newest_first};
use crate::model::Role;

/// Pages of the index that are looked at to find those of the filter's sessions.
const PROPOSED_MAX: usize = 20_000;

/// Rows that are compared with the text where the index does not help.
const SCANNED_MAX: usize = 20_000;

/// A row to compare with the query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) n: i64,
    pub(super) session: i64,
    pub(super) ordinal: u32,
    /// Results only: the call.
    pub(super) call: Option<u32>,
    pub(super) role: Role,
    /// Messages only: whether its results are to be looked at, too.
    pub(super) with_results: bool,
}

/// Takes a candidate; says whether it wants more.
pub(super) type Take<'t> = dyn FnMut(Candidate) -> rusqlite::Result<bool> + 't;

/// Proposes candidates, newest first, until there are no more, `take` wants no more, or too many were looked at: then it says `true`.
///
/// # Errors
/// SQLite's.
pub(super) fn propose(
    archive: &Archive,
    query: &Query,
    meaning: &Meaning,
    take: &mut Take<'_>,
) -> rusqlite::Result<bool> {
    let conditions = Conditions::of(&query.filter);
    match meaning.index_query(query) {
        Some(question) => indexed(archive, query, &conditions, &question, take),
        None => scanned(archive, query, &conditions, take),
    }
}

fn indexed(
    archive: &Archive,
    query: &Query,
    conditions: &Conditions,
    question: &str,
    take: &mut Take<'_>,
) -> rusqlite::Result<bool> {
    let conn = archive.db.conn();
    let mut messages =
        conn.prepare_cached("SELECT n, session, ordinal, NULL, role, flags FROM messages WHERE n BETWEEN ? AND ?")?;
    let mut results = conn.prepare_cached(
        "SELECT r.n, r.session, r.ordinal, r.idx, m.role, m.flags FROM results r \
         JOIN messages m ON m.session = r.session AND m.ordinal = r.ordinal WHERE r.n BETWEEN ? AND ?",
    )?;
    let sql = format!("SELECT 1 FROM {TABLES} WHERE {} AND s.n = ?", conditions.shown());
    let mut chosen = conn.prepare_cached(&sql)?;
    let mut known: HashMap<i64, bool> = HashMap::new();
    let mut looked_at = 0;
    // A row that changed has a page of its own besides.
    let mut proposed: HashSet<i64> = HashSet::new();
    let mut covers = conn.prepare_cached("SELECT session, first, last FROM pages WHERE id = ?")?;
    let mut pages = conn.prepare_cached("SELECT rowid FROM words WHERE words MATCH ? ORDER BY rowid DESC")?;
    let mut pages = pages.query([question])?;
    let mut rows: Vec<(Candidate, i64)> = Vec::new();
    while let Some(row) = pages.next()? {
        let covered = covers
            .query_row([row.get::<_, i64>(0)?], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
            })
            .optional()?;
        let Some((session, first, last)) = covered else { continue };
        let is_chosen = match known.get(&session) {
            Some(is_chosen) => *is_chosen,
            None => {
                let last = rusqlite::types::Value::Integer(session);
                let is_chosen = chosen.exists(params_from_iter(conditions.values().iter().chain([&last])))?;
                known.insert(session, is_chosen);
                is_chosen
            }
        };
        looked_at += 1;
        if looked_at == PROPOSED_MAX {
            return Ok(true);
        }
        if !is_chosen {
            continue;
        }
        for statement in [&mut messages, &mut results] {
            let mut found = statement.query((first, last))?;
            while let Some(row) = found.next()? {
                let role = if row.get::<_, i64>(4)? == 0 { Role::User } else { Role::Assistant };
                let (n, session, ordinal, call) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
                rows.push((Candidate { n, session, ordinal, call, role, with_results: false }, row.get(5)?));
            }
        }
        rows.sort_unstable_by_key(|(candidate, _)| std::cmp::Reverse(candidate.n));
        for (candidate, flags) in rows.drain(..) {
            // Numbers of rows that are gone are given again, maybe to another session.
            if candidate.session != session || !proposed.insert(candidate.n) || !is_wanted(query, candidate.role, flags)
            {
                continue;
            }
            if !take(candidate)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn scanned(archive: &Archive, query: &Query, conditions: &Conditions, take: &mut Take<'_>) -> rusqlite::Result<bool> {
    let conn = archive.db.conn();
    let sql = format!("SELECT s.n FROM {TABLES} WHERE {} ORDER BY {}", conditions.shown(), newest_first());
    let mut sessions = conn.prepare_cached(&sql)?;
    let mut sessions = sessions.query(params_from_iter(conditions.values()))?;
    let mut messages =
        conn.prepare_cached("SELECT ordinal, role, flags, n FROM messages WHERE session = ? ORDER BY ordinal DESC")?;
    let mut count = 0;
    while let Some(row) = sessions.next()? {
        let session: i64 = row.get(0)?;
        let mut messages = messages.query([session])?;
        while let Some(row) = messages.next()? {
            let role = if row.get::<_, i64>(1)? == 0 { Role::User } else { Role::Assistant };
            if !is_wanted(query, role, row.get(2)?) {
                continue;
            }
            if count == SCANNED_MAX {
                return Ok(true);
            }
            count += 1;
            let (n, ordinal) = (row.get(3)?, row.get(0)?);
            if !take(Candidate { n, session, ordinal, call: None, role, with_results: true })? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a message is of the role asked for; branches that were given up are shown on request.
fn is_wanted(query: &Query, role: Role, flags: i64) -> bool {
    const ABANDONED: i64 = 2;
    query.role.is_none_or(|wanted| wanted == role) && (query.filter.all || flags & ABANDONED == 0)
}
