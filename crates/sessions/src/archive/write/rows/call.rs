//! Rows of calls, with what their outputs said of them.

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use crate::model::{Block, Category, Message, NativeId};
use crate::search::words::hash;

/// A call that lies in the archive.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Call {
    /// A number for the agent's id of it.
    pub(in super::super) id: u64,
    pub(in super::super) category: Category,
    pub(in super::super) status: u64,
    pub(in super::super) results: u32,
}

impl Call {
    /// A call without results.
    pub(in super::super) fn new(id: &str, category: Category) -> Self {
        Self { id: hash(id.as_bytes()), category, status: 0, results: 0 }
    }

    /// Whether the agent calls it so.
    pub(in super::super) fn is_called(&self, id: &str) -> bool {
        self.id == hash(id.as_bytes())
    }

    pub(in super::super) fn load(conn: &Connection, session: i64, place: (u32, u32)) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT category, status, results, id FROM calls WHERE session = ?1 AND ordinal = ?2 AND idx = ?3",
        )?
        .query_row((session, place.0, place.1), |row| {
            let category: String = row.get(0)?;
            let category = Category::named(&category).unwrap_or(Category::Other);
            let id = hash(row.get_ref(3)?.as_bytes_or_null()?.unwrap_or_default());
            Ok(Self { id, category, status: row.get::<_, i64>(1)? as u64, results: row.get(2)? })
        })
        .optional()
    }

    /// The status before the result `event`: of a call that is read anew, none.
    pub(in super::super) fn status_before(&self, event: u32) -> u64 {
        if event == 0 { 0 } else { self.status }
    }
}

/// Writes the calls of a message; of one that `replaces` another, those that it has no longer go.
pub(super) fn put_calls(conn: &Connection, session: i64, message: &Message, replaces: bool) -> rusqlite::Result<()> {
    for block in &message.blocks {
        let Block::Call(call) = block else { continue };
        conn.prepare_cached(
            "INSERT INTO calls (session, ordinal, idx, id, name, category, file, skill, subagent)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (session, ordinal, idx) DO UPDATE SET id = excluded.id, name = excluded.name,
             category = excluded.category, file = excluded.file, skill = excluded.skill, subagent = excluded.subagent",
        )?
        .execute(params![
            session,
            message.ordinal,
            call.index,
            (!call.id.is_empty()).then_some(&call.id),
            call.name,
            call.category.as_str(),
            call.file,
            call.skill,
            call.subagent.as_ref().map(|id| &id.0),
        ])?;
    }
    if replaces {
        conn.prepare_cached("DELETE FROM calls WHERE session = ?1 AND ordinal = ?2 AND idx >= ?3")?.execute((
            session,
            message.ordinal,
            calls_of(message),
        ))?;
    }
    Ok(())
}

/// The first place behind a message's calls.
pub(in super::super) fn calls_of(message: &Message) -> u32 {
    let indexes = message.blocks.iter().filter_map(|block| match block {
        Block::Call(call) => Some(call.index),
        _ => None,
    });
    indexes.max().map_or(0, |last| last.saturating_add(1))
}

/// The newest call of this id.
pub(in super::super) fn call_place(conn: &Connection, session: i64, id: &str) -> rusqlite::Result<Option<(u32, u32)>> {
    conn.prepare_cached(
        "SELECT ordinal, idx FROM calls WHERE session = ?1 AND id = ?2 ORDER BY ordinal DESC, idx DESC LIMIT 1",
    )?
    .query_row((session, id), |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
}

pub(in super::super) fn set_call(
    conn: &Connection,
    session: i64,
    place: (u32, u32),
    status: u64,
    results: u32,
) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE calls SET status = ?4, results = ?5 WHERE session = ?1 AND ordinal = ?2 AND idx = ?3")?
        .execute(params![session, place.0, place.1, status as i64, results])?;
    Ok(())
}

/// Takes what outputs said of a message's calls back. Returns how many of them had failed.
pub(in super::super) fn reset_calls(conn: &Connection, session: i64, ordinal: u32) -> rusqlite::Result<i64> {
    let failed = conn
        .prepare_cached("SELECT count(*) FROM calls WHERE session = ?1 AND ordinal = ?2 AND status = 3")?
        .query_row((session, ordinal), |row| row.get(0))?;
    conn.prepare_cached("UPDATE calls SET status = 0, results = 0 WHERE session = ?1 AND ordinal = ?2")?
        .execute((session, ordinal))?;
    Ok(failed)
}

/// Notes which session a call started, where the call itself does not say.
pub(in super::super) fn set_subagent(
    conn: &Connection,
    session: i64,
    place: (u32, u32),
    subagent: &NativeId,
) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE calls SET subagent = ?4 WHERE session = ?1 AND ordinal = ?2 AND idx = ?3 AND subagent IS NULL",
    )?
    .execute(params![session, place.0, place.1, subagent.0])?;
    Ok(())
}
