//! The rows of one session: reading them back, writing them, and counting them anew.

use std::collections::{HashMap, HashSet};

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};

use crate::project::Project;

mod call;
mod count;
mod curated;
mod message;
mod result;
mod usage;

pub(super) use call::{Call, call_place, calls_of, reset_calls, set_call, set_subagent};
pub(in crate::archive) use count::recount;
pub(super) use count::sum;
pub(super) use curated::{curate, take_back};
pub(in crate::archive) use message::{ABANDONED, MESSAGE_COLUMNS, message_of};
pub(super) use message::{Before, abandoned_flags, load_message, put_message, set_abandoned};
pub(super) use result::{ResultBefore, drop_results, put_result};
pub(super) use usage::{delete_usage, has_usage, put_usage};

/// Deletes what a whole reading did not say again. Returns how many rows went.
pub(super) fn delete_unsaid(
    conn: &Connection,
    session: i64,
    said: &HashSet<u32>,
    events: &HashMap<(u32, u32), u32>,
    usage: &HashSet<(String, String)>,
) -> rusqlite::Result<u64> {
    let mut gone = 0;
    let messages: Vec<(i64, u32)> = conn
        .prepare_cached("SELECT n, ordinal FROM messages WHERE session = ?1")?
        .query_map([session], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (n, ordinal) in messages.into_iter().filter(|(_, ordinal)| !said.contains(ordinal)) {
        conn.prepare_cached("DELETE FROM messages WHERE n = ?1")?.execute([n])?;
        conn.prepare_cached("DELETE FROM calls WHERE session = ?1 AND ordinal = ?2")?.execute((session, ordinal))?;
        gone += 1;
    }
    let results: Vec<(i64, u32, u32, u32)> = conn
        .prepare_cached("SELECT n, ordinal, idx, event FROM results WHERE session = ?1")?
        .query_map([session], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    for (n, ordinal, idx, event) in results {
        let count = events.get(&(ordinal, idx)).copied().unwrap_or(0);
        if event >= count {
            conn.prepare_cached("DELETE FROM results WHERE n = ?1")?.execute([n])?;
            if count == 0 {
                set_call(conn, session, (ordinal, idx), 0, 0)?;
            }
            gone += 1;
        }
    }
    gone += delete_usage(conn, session, usage)?;
    Ok(gone)
}

/// The row of a project, made when new. Looks before it writes: a statement that may have to be taken back makes FTS5 write out
/// what it holds.
pub(super) fn project(conn: &Connection, project: &Project) -> rusqlite::Result<i64> {
    let known: Option<(i64, bool)> = conn
        .prepare_cached(
            "SELECT id, name IS ?2 AND ifnull(?3, remote) IS remote AND ifnull(?4, root) IS root FROM projects WHERE key = ?1",
        )?
        .query_row((&project.key, &project.name, &project.remote, &project.root), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((id, true)) = known {
        return Ok(id);
    }
    conn.prepare_cached(
        "INSERT INTO projects (key, name, remote, root) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (key) DO UPDATE SET name = excluded.name, remote = ifnull(excluded.remote, remote),
         root = ifnull(excluded.root, root) RETURNING id",
    )?
    .query_row((&project.key, &project.name, &project.remote, &project.root), |row| row.get(0))
}
