//! Rows of usage that belongs to no message.

use std::collections::HashSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, params};

use crate::model::UsageEvent;

pub(in super::super) fn has_usage(conn: &Connection, session: i64, event: &UsageEvent) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM usage_events WHERE session = ?1 AND source = ?2 AND dedup = ?3")?.exists((
        session,
        &event.source,
        &event.dedup,
    ))
}

/// Writes what was used; says whether that changed anything.
pub(in super::super) fn put_usage(
    conn: &Connection,
    session: i64,
    event: &UsageEvent,
    cost: Option<u64>,
) -> rusqlite::Result<bool> {
    let number = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let usage = &event.usage;
    let changed = conn
        .prepare_cached(
        "INSERT INTO usage_events (session, source, dedup, at_ms, model, input_tokens, output_tokens, cache_read_tokens,
         cache_write_tokens, cache_write_1h_tokens, cost_micros) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
         ON CONFLICT (session, source, dedup) DO UPDATE SET at_ms = ?4, model = ?5, input_tokens = ?6, output_tokens = ?7,
         cache_read_tokens = ?8, cache_write_tokens = ?9, cache_write_1h_tokens = ?10, cost_micros = ?11
         WHERE (at_ms, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens,
         cost_micros) IS NOT (?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        session,
        event.source,
        event.dedup,
        event.at.map(Timestamp::as_millis),
        event.model,
        number(usage.input),
        number(usage.output),
        number(usage.cache_read),
        number(usage.cache_write),
        number(usage.cache_write_1h),
        number(cost),
    ])?;
    Ok(changed > 0)
}

/// Deletes usage that was not said again. Returns how many rows went.
pub(in super::super) fn delete_usage(
    conn: &Connection,
    session: i64,
    said: &HashSet<(String, String)>,
) -> rusqlite::Result<u64> {
    let mut gone = 0;
    let known: Vec<(String, String)> = conn
        .prepare_cached("SELECT source, dedup FROM usage_events WHERE session = ?1")?
        .query_map([session], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for key in known.into_iter().filter(|key| !said.contains(key)) {
        conn.prepare_cached("DELETE FROM usage_events WHERE session = ?1 AND source = ?2 AND dedup = ?3")?
            .execute((session, &key.0, &key.1))?;
        gone += 1;
    }
    Ok(gone)
}
