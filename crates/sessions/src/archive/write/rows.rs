//! The rows of one session: reading them back, writing them, and counting them anew.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Row, params};
use carry_kernel::hlc::Hlc;

use super::super::body;
use super::super::digest::{Sum, status_number};
use super::super::session_state::{Counted, State};
use super::Tools;
use crate::curation::{self, RegisterName, Set, pending};
use crate::model::{Block, Category, Message, NativeId, ResultEvent, Role, SessionId, Usage, UsageEvent};
use crate::project::Project;
use crate::search::words::hash;

/// Bits of `messages.flags`.
pub(in crate::archive) const SYSTEM: i64 = 1;
pub(in crate::archive) const ABANDONED: i64 = 2;
const THINKING: i64 = 4;
const CALLS: i64 = 8;
const IMAGES: i64 = 16;

/// The device of registers that another archive's user set. It sorts before every device's.
const IMPORTED: &str = "";

macro_rules! message_columns {
    () => {
        "(n, session, ordinal, key, role, flags, subtype, at_ms, model, usage_key, input_tokens, output_tokens,
         cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_micros, digest, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
    };
}

macro_rules! result_columns {
    () => {
        "(n, session, ordinal, idx, event, source, status, at_ms, content_bytes, subagent, digest, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
    };
}

/// A message that lies in the archive.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) n: i64,
    pub(super) digest: Vec<u8>,
    pub(super) flags: i64,
}

impl Before {
    pub(super) fn load(conn: &Connection, session: i64, ordinal: u32) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached("SELECT n, digest, flags FROM messages WHERE session = ?1 AND ordinal = ?2")?
            .query_row((session, ordinal), |row| Ok(Self { n: row.get(0)?, digest: row.get(1)?, flags: row.get(2)? }))
            .optional()
    }
}

/// Writes a message with its calls and words. Returns about how many bytes that holds.
pub(super) fn put_message(
    conn: &Connection,
    tools: &mut Tools,
    session: i64,
    message: &Message,
    digest: &[u8; 32],
    cost: Option<u64>,
    before: Option<&Before>,
) -> rusqlite::Result<usize> {
    let has = |wanted: fn(&Block) -> bool| message.blocks.iter().any(wanted);
    let mut flags = if message.is_system { SYSTEM } else { 0 } | before.map_or(0, |before| before.flags & ABANDONED);
    flags |= if has(|block| matches!(block, Block::Thinking(_))) { THINKING } else { 0 };
    flags |= if has(|block| matches!(block, Block::Call(_))) { CALLS } else { 0 };
    flags |= if has(|block| matches!(block, Block::Image(_))) { IMAGES } else { 0 };
    let usage = message.usage.unwrap_or_default();
    let usage_key = message.provider_id.as_ref().filter(|_| message.usage.is_some()).map(|id| {
        let hash = blake3::hash(format!("{}\0{}", id.message, id.request).as_bytes());
        i64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
    });
    let number = |count: Option<u64>| count.map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let sql = match before {
        Some(_) => concat!("REPLACE INTO messages ", message_columns!()),
        None => concat!("INSERT INTO messages ", message_columns!()),
    };
    let n = match before {
        Some(before) => before.n,
        None => tools.number(conn)?,
    };
    let body = tools.codec.message(message);
    let bytes = body.len();
    conn.prepare_cached(sql)?.execute(params![
        n,
        session,
        message.ordinal,
        message.key,
        i64::from(message.role == Role::Assistant),
        flags,
        message.subtype,
        message.at.map(Timestamp::as_millis),
        message.model,
        usage_key,
        number(usage.input),
        number(usage.output),
        number(usage.cache_read),
        number(usage.cache_write),
        number(usage.cache_write_1h),
        number(cost),
        digest,
        body,
    ])?;
    put_calls(conn, session, message, before.is_some())?;
    let words = tools.pages.take(conn, session, n, |words| {
        let mut length = 0;
        for block in &message.blocks {
            match block {
                Block::Text(text) | Block::Thinking(text) => {
                    words.add(text);
                    length += text.len();
                }
                Block::Call(call) => {
                    words.add(&call.name);
                    words.add_json(&call.input);
                    length += call.input.len();
                }
                Block::Other { json, .. } => {
                    words.add_json(json);
                    length += json.len();
                }
                Block::Image(_) => {}
            }
        }
        length
    })?;
    Ok(bytes + words)
}

fn put_calls(conn: &Connection, session: i64, message: &Message, replaces: bool) -> rusqlite::Result<()> {
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
pub(super) fn calls_of(message: &Message) -> u32 {
    let indexes = message.blocks.iter().filter_map(|block| match block {
        Block::Call(call) => Some(call.index),
        _ => None,
    });
    indexes.max().map_or(0, |last| last.saturating_add(1))
}

/// Deletes the results of a message's calls from `from` on. Returns their places and digests.
pub(super) fn drop_results(
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

/// The sum of all rows of a session, by the digests that they bear.
pub(super) fn sum(conn: &Connection, session: i64) -> rusqlite::Result<Sum> {
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

/// A message as it lies there; `None` when there is none, or its body is damaged.
pub(super) fn load_message(
    conn: &Connection,
    session: i64,
    ordinal: u32,
) -> rusqlite::Result<Option<(Before, Message)>> {
    conn.prepare_cached(&format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE session = ?1 AND ordinal = ?2"))?
        .query_row((session, ordinal), |row| {
            let before = Before { n: row.get("n")?, digest: row.get("digest")?, flags: row.get("flags")? };
            Ok(message_of(row)?.map(|message| (before, message)))
        })
        .optional()
        .map(Option::flatten)
}

/// What [`message_of`] needs.
pub(in crate::archive) const MESSAGE_COLUMNS: &str = "n, ordinal, key, role, flags, subtype, at_ms, model, input_tokens, \
    output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_micros, digest, body";

/// The message in a row; `None` when its body is damaged.
pub(in crate::archive) fn message_of(row: &Row<'_>) -> rusqlite::Result<Option<Message>> {
    let Some(body) = body::read_message(row.get_ref("body")?.as_blob()?) else { return Ok(None) };
    let flags: i64 = row.get("flags")?;
    let count = |name: &str| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(name)?.map(|count| u64::try_from(count).unwrap_or(0)))
    };
    let usage = Usage {
        input: count("input_tokens")?,
        output: count("output_tokens")?,
        reasoning: body.reasoning,
        cache_read: count("cache_read_tokens")?,
        cache_write: count("cache_write_tokens")?,
        cache_write_1h: count("cache_write_1h_tokens")?,
        cost_micros: body.cost,
    };
    Ok(Some(Message {
        ordinal: row.get("ordinal")?,
        key: row.get("key")?,
        role: if row.get::<_, i64>("role")? == 1 { Role::Assistant } else { Role::User },
        subtype: row.get("subtype")?,
        is_system: flags & SYSTEM != 0,
        is_abandoned: flags & ABANDONED != 0,
        at: row.get::<_, Option<i64>>("at_ms")?.map(Timestamp::from_millis),
        model: row.get("model")?,
        effort: body.effort,
        provider_id: body.provider_id,
        usage: body.has_usage.then_some(usage),
        blocks: body.blocks,
    }))
}

/// A call that lies in the archive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// A number for the agent's id of it.
    pub(super) id: u64,
    pub(super) category: Category,
    pub(super) status: u64,
    pub(super) results: u32,
}

impl Call {
    /// A call without results.
    pub(super) fn new(id: &str, category: Category) -> Self {
        Self { id: hash(id.as_bytes()), category, status: 0, results: 0 }
    }

    /// Whether the agent calls it so.
    pub(super) fn is_called(&self, id: &str) -> bool {
        self.id == hash(id.as_bytes())
    }

    pub(super) fn load(conn: &Connection, session: i64, place: (u32, u32)) -> rusqlite::Result<Option<Self>> {
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
    pub(super) fn status_before(&self, event: u32) -> u64 {
        if event == 0 { 0 } else { self.status }
    }
}

/// The newest call of this id.
pub(super) fn call_place(conn: &Connection, session: i64, id: &str) -> rusqlite::Result<Option<(u32, u32)>> {
    conn.prepare_cached(
        "SELECT ordinal, idx FROM calls WHERE session = ?1 AND id = ?2 ORDER BY ordinal DESC, idx DESC LIMIT 1",
    )?
    .query_row((session, id), |row| Ok((row.get(0)?, row.get(1)?)))
    .optional()
}

pub(super) fn set_call(
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
pub(super) fn reset_calls(conn: &Connection, session: i64, ordinal: u32) -> rusqlite::Result<i64> {
    let failed = conn
        .prepare_cached("SELECT count(*) FROM calls WHERE session = ?1 AND ordinal = ?2 AND status = 3")?
        .query_row((session, ordinal), |row| row.get(0))?;
    conn.prepare_cached("UPDATE calls SET status = 0, results = 0 WHERE session = ?1 AND ordinal = ?2")?
        .execute((session, ordinal))?;
    Ok(failed)
}

/// Notes which session a call started, where the call itself does not say.
pub(super) fn set_subagent(
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

/// A result that lies in the archive.
#[derive(Debug)]
pub(super) struct ResultBefore {
    n: i64,
    pub(super) digest: Vec<u8>,
}

impl ResultBefore {
    pub(super) fn load(
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
pub(super) fn put_result(
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

pub(super) fn has_usage(conn: &Connection, session: i64, event: &UsageEvent) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM usage_events WHERE session = ?1 AND source = ?2 AND dedup = ?3")?.exists((
        session,
        &event.source,
        &event.dedup,
    ))
}

/// Writes what was used; says whether that changed anything.
pub(super) fn put_usage(
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

/// Deletes usage that was not said again. Returns how many rows went.
pub(super) fn delete_usage(conn: &Connection, session: i64, said: &HashSet<(String, String)>) -> rusqlite::Result<u64> {
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

/// Messages whose mark may change, with the mark they have.
pub(super) fn abandoned_flags(
    conn: &Connection,
    session: i64,
    ranges: impl Iterator<Item = RangeInclusive<u32>>,
    is_whole: bool,
) -> rusqlite::Result<Vec<(u32, bool)>> {
    let flag = |row: &Row<'_>| Ok((row.get(0)?, row.get::<_, i64>(1)? & ABANDONED != 0));
    let mut found: Vec<(u32, bool)> = Vec::new();
    if is_whole {
        let sql = "SELECT ordinal, flags FROM messages WHERE session = ?1 AND flags & 2 <> 0";
        found.extend(conn.prepare_cached(sql)?.query_map([session], flag)?.collect::<Result<Vec<_>, _>>()?);
    }
    for range in ranges {
        let sql = "SELECT ordinal, flags FROM messages WHERE session = ?1 AND ordinal BETWEEN ?2 AND ?3";
        let mut query = conn.prepare_cached(sql)?;
        found.extend(query.query_map((session, range.start(), range.end()), flag)?.collect::<Result<Vec<_>, _>>()?);
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

pub(super) fn set_abandoned(conn: &Connection, session: i64, ordinal: u32, is_abandoned: bool) -> rusqlite::Result<()> {
    let sql = if is_abandoned {
        "UPDATE messages SET flags = flags | 2 WHERE session = ?1 AND ordinal = ?2"
    } else {
        "UPDATE messages SET flags = flags & ~2 WHERE session = ?1 AND ordinal = ?2"
    };
    conn.prepare_cached(sql)?.execute((session, ordinal))?;
    Ok(())
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

/// What another archive's user said (`None`: took back): older than anything said here, unless it bears a later time. Of what came
/// from there before, the newest reading counts.
pub(super) fn curate(
    conn: &Connection,
    session: &SessionId,
    field: &str,
    item: &str,
    value: Option<&str>,
    at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let known: Option<(Option<String>, String, String)> = conn
        .prepare_cached("SELECT value, hlc, device FROM curation WHERE session = ?1 AND field = ?2 AND item = ?3")?
        .query_row((session.as_str(), field, item), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let mut hlc = Hlc::default().tick(at.unwrap_or_default());
    if let Some((known, stamp, device)) = known {
        let stamp: Hlc = stamp.parse().unwrap_or_default();
        if device == IMPORTED {
            if known.as_deref() == value {
                return Ok(());
            }
            hlc = hlc.max(stamp.tick(Timestamp::default()));
        } else if hlc <= stamp {
            return Ok(());
        }
    }
    match pending::is_in_use(conn)? {
        true => pending::note(conn, &RegisterName::new(session, field, item), value, hlc, IMPORTED),
        false => curation::replace(conn, &Set { session, field, item, value }, hlc, IMPORTED),
    }
}

/// What another archive's user said and no longer says is taken back; what was said here stays.
pub(super) fn take_back(
    conn: &Connection,
    session: &SessionId,
    said: &HashSet<(&'static str, String)>,
) -> rusqlite::Result<()> {
    let mut query = conn
        .prepare_cached("SELECT field, item FROM curation WHERE session = ?1 AND device = ?2 AND value IS NOT NULL")?;
    let known = query.query_map((session.as_str(), IMPORTED), |row| Ok((row.get(0)?, row.get(1)?)))?;
    for (field, item) in known.collect::<rusqlite::Result<Vec<(String, String)>>>()? {
        if !said.iter().any(|(known, of)| *known == field && *of == item) {
            curate(conn, session, &field, &item, None, None)?;
        }
    }
    Ok(())
}
