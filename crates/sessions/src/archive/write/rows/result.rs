//! Rows of what calls put out.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use super::super::super::digest::status_number;
use super::super::Tools;
use crate::model::ResultEvent;

macro_rules! result_columns {
    () => {
        "(n, session, ordinal, idx, event, source, status, at_ms, content_bytes, subagent, digest, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    };
}

/// A result that lies in the archive.
#[derive(Debug)]
pub(in super::super) struct ResultBefore {
    n: i64,
    pub(in super::super) digest: Vec<u8>,
}

impl ResultBefore {
    pub(in super::super) fn load(
        conn: &Connection,
        session: i64,
        place: (u32, u32),
        event: u32,
    ) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached(
            "SELECT n, digest FROM results WHERE session = ?1 AND ordinal = ?2 AND idx = ?3 AND event = ?4",
        )?
        .query_row((session, place.0, place.1, event), |row| Ok(Self { n: row.get(0)?, digest: row.get(1)? }))
        .optional()
    }
}

#[expect(clippy::too_many_arguments, reason = "a row has as many parts")]
pub(in super::super) fn put_result(
    conn: &Connection,
    tools: &mut Tools,
    session: i64,
    place: (u32, u32),
    event: u32,
    result: &ResultEvent,
    digest: &[u8; 32],
    before: Option<ResultBefore>,
) -> rusqlite::Result<usize> {
    let sql = match before {
        Some(_) => concat!("REPLACE INTO results ", result_columns!()),
        None => concat!("INSERT INTO results ", result_columns!()),
    };
    let n = match &before {
        Some(before) => before.n,
        None => tools.number(conn)?,
    };
    let body = tools.codec.result(result);
    let bytes = body.len();
    conn.prepare_cached(sql)?.execute(params![
        n,
        session,
        place.0,
        place.1,
        event,
        result.source,
        status_number(result.status) as i64,
        result.at.map(Timestamp::as_millis),
        result.content_bytes as i64,
        result.subagent.as_ref().map(|id| &id.0),
        digest,
        body,
    ])?;
    let words = tools.pages.take(conn, session, n, |words| {
        words.add(&result.content);
        result.content.len()
    })?;
    Ok(bytes + words)
}

/// Deletes the results of a message's calls from `from` on. Returns their places and digests.
pub(in super::super) fn drop_results(
    conn: &Connection,
    session: i64,
    ordinal: u32,
    from: u32,
) -> rusqlite::Result<Vec<(u32, u32, Vec<u8>)>> {
    let found: Vec<(i64, u32, u32, Vec<u8>)> = conn
        .prepare_cached("SELECT n, idx, event, digest FROM results WHERE session = ?1 AND ordinal = ?2 AND idx >= ?3")?
        .query_map((session, ordinal, from), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?
        .collect::<Result<_, _>>()?;
    for (n, ..) in &found {
        conn.prepare_cached("DELETE FROM results WHERE n = ?1")?.execute([n])?;
    }
    Ok(found.into_iter().map(|(_, idx, event, digest)| (idx, event, digest)).collect())
}
