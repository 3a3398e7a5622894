//! Rows of messages: what stands in their columns, their marks, and the words under which they are found.

use std::ops::RangeInclusive;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Row, params};

use super::super::super::body;
use super::super::Tools;
use super::call::put_calls;
use crate::model::{Block, Message, Role, Usage};

/// Bits of `messages.flags`.
const SYSTEM: i64 = 1;
pub(in crate::archive) const ABANDONED: i64 = 2;
const THINKING: i64 = 4;
const CALLS: i64 = 8;
const IMAGES: i64 = 16;

macro_rules! message_columns {
    () => {
        "(n, session, ordinal, key, role, flags, subtype, at_ms, model, usage_key, input_tokens, output_tokens,
         cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_micros, digest, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)"
    };
}

/// A message that lies in the archive.
#[derive(Debug)]
pub(in super::super) struct Before {
    pub(in super::super) n: i64,
    pub(in super::super) digest: Vec<u8>,
    pub(in super::super) flags: i64,
}

impl Before {
    pub(in super::super) fn load(conn: &Connection, session: i64, ordinal: u32) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached("SELECT n, digest, flags FROM messages WHERE session = ?1 AND ordinal = ?2")?
            .query_row((session, ordinal), |row| Ok(Self { n: row.get(0)?, digest: row.get(1)?, flags: row.get(2)? }))
            .optional()
    }
}

/// Writes a message with its calls and words. Returns about how many bytes that holds.
pub(in super::super) fn put_message(
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

/// A message as it lies there; `None` when there is none, or its body is damaged.
pub(in super::super) fn load_message(
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

/// What [`message_of`] needs, in this order: to find columns by their names takes longer than to read them.
pub(in crate::archive) const MESSAGE_COLUMNS: &str = "n, ordinal, key, role, flags, subtype, at_ms, model, input_tokens, \
    output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_micros, digest, body";

/// The message in a row; `None` when its body is damaged.
pub(in crate::archive) fn message_of(row: &Row<'_>) -> rusqlite::Result<Option<Message>> {
    let Some(body) = body::read_message(row.get_ref(15)?.as_blob()?) else { return Ok(None) };
    let flags: i64 = row.get(4)?;
    let count = |column: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(|count| u64::try_from(count).unwrap_or(0)))
    };
    let usage = Usage {
        input: count(8)?,
        output: count(9)?,
        reasoning: body.reasoning,
        cache_read: count(10)?,
        cache_write: count(11)?,
        cache_write_1h: count(12)?,
        cost_micros: body.cost,
    };
    Ok(Some(Message {
        ordinal: row.get(1)?,
        key: row.get(2)?,
        role: if row.get::<_, i64>(3)? == 1 { Role::Assistant } else { Role::User },
        subtype: row.get(5)?,
        is_system: flags & SYSTEM != 0,
        is_abandoned: flags & ABANDONED != 0,
        at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        model: row.get(7)?,
        effort: body.effort,
        provider_id: body.provider_id,
        usage: body.has_usage.then_some(usage),
        blocks: body.blocks,
    }))
}

/// Messages whose mark may change, with the mark they have.
pub(in super::super) fn abandoned_flags(
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

pub(in super::super) fn set_abandoned(
    conn: &Connection,
    session: i64,
    ordinal: u32,
    is_abandoned: bool,
) -> rusqlite::Result<()> {
    let sql = if is_abandoned {
        "UPDATE messages SET flags = flags | 2 WHERE session = ?1 AND ordinal = ?2"
    } else {
        "UPDATE messages SET flags = flags & ~2 WHERE session = ?1 AND ordinal = ?2"
    };
    conn.prepare_cached(sql)?.execute((session, ordinal))?;
    Ok(())
}
