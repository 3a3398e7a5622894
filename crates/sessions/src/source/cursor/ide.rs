//! The editor's chats: `state.vscdb`, a table of keys and JSON values. `composerData:<id>` is a chat, `bubbleId:<chat>:<bubble>` one
//! message of it.

use std::path::Path;

use carry_kernel::db::rusqlite::OptionalExtension as _;
use serde_json::Value;

use super::{
    CallRef, Odd, Op, ReadEnd, ReadError, ResultStatus, Role, Sink, call, clean, file_of, message, result, text_of,
};
use crate::model::{Block, Facts, NativeId, Usage};
use crate::source::foreign_db::{ForeignDb, db_stamp, row_path, row_stamp};
use crate::source::values::{number_of, time_value};
use crate::source::{Checkpoint, Unit};

/// Values above this many bytes are not read.
const VALUE_BYTES_MAX: i64 = 64 * 1024 * 1024;

/// Lists the chats that hold anything.
pub(super) fn discover(db: &Path, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
    let listed = || -> Result<Vec<Unit>, ReadError> {
        let stamp = db_stamp(db).map_err(|source| ReadError::Io { path: db.to_owned(), source })?;
        let foreign = ForeignDb::open(db)?;
        if foreign.columns("cursorDiskKV")?.is_empty() {
            return Ok(Vec::new());
        }
        let failed = foreign.failed();
        let mut query = foreign
            .conn
            .prepare("SELECT substr(key, 14), length(value), hex(substr(value, -256)) FROM cursorDiskKV WHERE key >= 'composerData:' AND key < 'composerData;' AND value IS NOT NULL")
            .map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        let mut units = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let (id, size, tail): (String, i64, String) =
                (row.get(0).map_err(&failed)?, row.get(1).map_err(&failed)?, row.get(2).map_err(&failed)?);
            // Bubbles change without their chat: how many there are, and how long, belongs to the freshness.
            let bubbles: (i64, Option<i64>) = foreign
                .conn
                .prepare_cached("SELECT count(*), sum(length(value)) FROM cursorDiskKV WHERE key >= ?1 AND key < ?2")
                .and_then(|mut count| count.query_row(range(&id), |row| Ok((row.get(0)?, row.get(1)?))))
                .map_err(&failed)?;
            let freshness = format!("{size} {tail} {bubbles:?}");
            units.push(Unit { path: row_path(db, &id), stamp: row_stamp(&stamp, &id, &[freshness.as_bytes()]) });
        }
        drop(rows);
        drop(query);
        foreign.end()?;
        Ok(units)
    };
    match listed() {
        Ok(units) => units.into_iter().for_each(found),
        Err(error) => problem(db, std::io::Error::other(error)),
    }
}

fn range(id: &str) -> [String; 2] {
    [format!("bubbleId:{id}:"), format!("bubbleId:{id};")]
}

/// Reads one chat.
pub(super) fn read(db: &Path, id: &str, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
    let foreign = ForeignDb::open(db)?;
    let value = |key: &str| -> Result<Option<Value>, ReadError> {
        let text: Option<Vec<u8>> = foreign
            .conn
            .prepare_cached("SELECT CAST(value AS BLOB) FROM cursorDiskKV WHERE key = ?1 AND length(value) <= ?2")
            .and_then(|mut query| query.query_row((key, VALUE_BYTES_MAX), |row| row.get(0)).optional())
            .map_err(foreign.failed())?;
        Ok(text.and_then(|text| serde_json::from_str(&String::from_utf8_lossy(&text)).ok()))
    };
    let Some(chat) = value(&format!("composerData:{id}"))? else {
        return Ok(ReadEnd { skipped: Some("no chat"), ..ReadEnd::default() });
    };
    raw(sink, &format!("composerData:{id}"), &chat)?;
    sink.op(Op::Session { agent: None, native: NativeId(id.to_owned()), relation: None })?;
    let times = ["createdAt", "lastUpdatedAt"].iter().filter_map(|name| time_value(chat.get(*name)?)).collect();
    let facts = Facts { name: text_of(&chat, "name"), entrypoint: Some("ide".to_owned()), times, ..Facts::default() };
    sink.op(Op::Facts(Box::new(facts)))?;

    let inline = chat["conversation"].as_array().filter(|bubbles| !bubbles.is_empty());
    let headers = chat["fullConversationHeadersOnly"].as_array();
    let mut ordinal = 0;
    for header in inline.or(headers).map(Vec::as_slice).unwrap_or_default() {
        let mut bubble = header.clone();
        if inline.is_none() {
            let Some(bubble_id) = text_of(header, "bubbleId") else { continue };
            let key = format!("bubbleId:{id}:{bubble_id}");
            let Some(stored) = value(&key)? else {
                sink.op(Op::Odd { kind: Odd::Malformed, at: ordinal.into() })?;
                continue;
            };
            raw(sink, &key, &stored)?;
            bubble = stored;
        }
        say(&bubble, header, ordinal, sink)?;
        ordinal += 1;
    }
    foreign.end()?;
    let skipped = (ordinal == 0).then_some("no messages");
    Ok(ReadEnd { checkpoint: Checkpoint::default(), is_unfinished: false, skipped })
}

fn raw(sink: &mut dyn Sink, key: &str, value: &Value) -> Result<(), ReadError> {
    let mut line = serde_json::json!({"table": "cursorDiskKV", "row": {"key": key, "value": value}}).to_string();
    line.push('\n');
    Ok(sink.raw(line.as_bytes())?)
}

fn say(bubble: &Value, header: &Value, ordinal: u32, sink: &mut dyn Sink) -> Result<(), ReadError> {
    let kind = bubble["type"].as_u64().or_else(|| header["type"].as_u64());
    let role = if kind == Some(1) { Role::User } else { Role::Assistant };
    let mut blocks = Vec::new();
    if let Some(text) = text_of(&bubble["thinking"], "text") {
        blocks.push(Block::Thinking(clean(text).0));
    }
    if let Some(text) = text_of(bubble, "text") {
        blocks.push(Block::Text(clean(text).0));
    }
    let tool = &bubble["toolFormerData"];
    let mut output = None;
    if let Some(name) = text_of(tool, "name") {
        let input = text_of(tool, "rawArgs").or_else(|| text_of(tool, "params")).unwrap_or_else(|| "{}".to_owned());
        let parsed: Value = serde_json::from_str(&input).unwrap_or(Value::Null);
        blocks.push(call(0, text_of(tool, "toolCallId"), Some(name), input, file_of(&parsed)));
        let status = match tool["status"].as_str() {
            Some("completed") => ResultStatus::Completed,
            Some("error" | "cancelled") => ResultStatus::Failed,
            _ => ResultStatus::Unknown,
        };
        output = text_of(tool, "result").map(|text| result(CallRef::At { ordinal, index: 0 }, status, text));
    }
    if blocks.is_empty() {
        return Ok(());
    }
    let mut said = message(ordinal, role, blocks);
    said.key = text_of(bubble, "bubbleId");
    said.at = bubble.get("createdAt").or_else(|| bubble["timingInfo"].get("clientStartTime")).and_then(time_value);
    said.model = text_of(&bubble["modelInfo"], "modelName");
    let tokens = &bubble["tokenCount"];
    let counted = |name| number_of(tokens, name).filter(|tokens| *tokens > 0);
    if counted("inputTokens").is_some() || counted("outputTokens").is_some() {
        let (input, output) = (counted("inputTokens"), counted("outputTokens"));
        said.usage = Some(Usage { input, output, ..Usage::default() });
    }
    sink.op(Op::Message(Box::new(said)))?;
    if let Some(output) = output {
        sink.op(Op::Result(Box::new(output)))?;
    }
    Ok(())
}
