//! What a session's rows come to: its counts and its digest, taken anew.

use carry_kernel::db::rusqlite::{self, Connection};

use super::super::super::digest::Sum;
use super::super::super::session_state::{Counted, State};
use super::message::{ABANDONED, MESSAGE_COLUMNS, message_of};
use crate::model::Usage;

/// The sum of all rows of a session, by the digests that they bear.
pub(in super::super) fn sum(conn: &Connection, session: i64) -> rusqlite::Result<Sum> {
    let mut sum = Sum::default();
    let mut query = conn.prepare_cached("SELECT ordinal, flags, digest FROM messages WHERE session = ?1")?;
    let mut rows = query.query([session])?;
    while let Some(row) = rows.next()? {
        let ordinal = row.get(0)?;
        sum.add(ordinal, None, row.get_ref(2)?.as_blob()?);
        if row.get::<_, i64>(1)? & ABANDONED != 0 {
            sum.add_abandoned(ordinal);
        }
    }
    let mut query = conn.prepare_cached("SELECT ordinal, idx, event, digest FROM results WHERE session = ?1")?;
    let mut rows = query.query([session])?;
    while let Some(row) = rows.next()? {
        sum.add(row.get(0)?, Some((row.get(1)?, row.get(2)?)), row.get_ref(3)?.as_blob()?);
    }
    Ok(sum)
}

/// Takes counts, prompt, model and usage anew from the rows. Times only grow: they also come from elsewhere.
pub(in crate::archive) fn recount(conn: &Connection, state: &mut State) -> rusqlite::Result<()> {
    let fresh = State { n: state.n, ..State::default() };
    let mut counted = fresh;
    let mut messages =
        conn.prepare_cached(&format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE session = ?1 ORDER BY ordinal"))?;
    let mut rows = messages.query([state.n])?;
    while let Some(row) = rows.next()? {
        let Some(message) = message_of(row)? else { continue };
        let cost: Option<i64> = row.get("cost_micros")?;
        counted.count(Counted::of(&message, cost.and_then(|cost| u64::try_from(cost).ok())));
    }
    let mut events = conn.prepare_cached(
        "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_micros
         FROM usage_events WHERE session = ?1",
    )?;
    let mut rows = events.query([state.n])?;
    while let Some(row) = rows.next()? {
        let count = |at: usize| -> rusqlite::Result<Option<u64>> {
            Ok(row.get::<_, Option<i64>>(at)?.and_then(|count| u64::try_from(count).ok()))
        };
        let usage = Usage {
            input: count(0)?,
            output: count(1)?,
            cache_read: count(2)?,
            cache_write: count(3)?,
            cache_write_1h: count(4)?,
            ..Usage::default()
        };
        counted.use_up(Some(usage), count(5)?);
    }
    counted.failures = conn
        .prepare_cached("SELECT count(*) FROM calls WHERE session = ?1 AND status = 3")?
        .query_row([state.n], |row| row.get(0))?;
    *state = State {
        first_prompt: counted.first_prompt,
        first_prompt_ordinal: counted.first_prompt_ordinal,
        messages: counted.messages,
        user_messages: counted.user_messages,
        abandoned: counted.abandoned,
        calls: counted.calls,
        failures: counted.failures,
        model: counted.model,
        model_ordinal: counted.model_ordinal,
        input_tokens: counted.input_tokens,
        output_tokens: counted.output_tokens,
        cache_read_tokens: counted.cache_read_tokens,
        cache_write_tokens: counted.cache_write_tokens,
        peak_context: counted.peak_context,
        cost_micros: counted.cost_micros,
        ..std::mem::take(state)
    };
    Ok(())
}
