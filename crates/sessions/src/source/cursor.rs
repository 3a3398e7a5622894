//! Cursor: transcripts of its agent, `~/.cursor/projects/<folder>/agent-transcripts/`, as lines of JSON or as text; and the
//! editor's own chats, in a SQLite file.
//!
//! Transcripts bear no times: that of the file counts for all of it. Where a session has both forms, the lines win.

use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use serde_json::Value;

use super::values::{clean, file_of, text_of};
use super::{Mode, Odd, Op, Places, ReadEnd, ReadError, Root, Sink, Source, Unit, files, foreign_db, lines};
use crate::model::{
    Agent, Block, CallRef, Category, Facts, Message, NativeId, ResultEvent, ResultStatus, Role, ToolCall,
};

mod ide;
mod transcript;

/// Reads Cursor's transcripts and chats.
#[derive(Clone, Copy, Debug)]
pub struct Cursor;

/// The editor's database.
const IDE_FILE: &str = "state.vscdb";

impl Source for Cursor {
    fn name(&self) -> &'static str {
        "cursor"
    }

    fn agent(&self) -> Agent {
        Agent::Cursor
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let asked = places.variable("CURSOR_PROJECTS_DIR").map(Path::to_owned);
        let default = vec![places.home.join(".cursor/projects")];
        let mut roots = files::roots(places, Agent::Cursor, default, asked.into_iter().collect());
        match places.variable("CURSOR_IDE_DIR") {
            Some(path) => roots.push(Root { path: path.to_owned(), is_default: false }),
            None => roots.extend(
                [".config/Cursor/User/globalStorage", "Library/Application Support/Cursor/User/globalStorage"]
                    .map(|path| Root { path: places.home.join(path), is_default: true }),
            ),
        }
        roots
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let ide = root.path.join(IDE_FILE);
        if ide.is_file() {
            return ide::discover(&ide, found, problem);
        }
        let mut each = |path, metadata: &_| found(Unit { path, stamp: files::stamp(metadata, 0) });
        files::walk(&root.path, 3, &mut each, problem, &is_transcript);
    }

    fn unit_of(&self, _root: &Root, path: &Path) -> Option<PathBuf> {
        is_transcript(path).then(|| path.to_owned())
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        if let Some((db, session)) = foreign_db::split_row_path(&unit.path).filter(|(db, _)| db.ends_with(IDE_FILE)) {
            mode.needs_whole(unit)?;
            return ide::read(&db, &session, sink);
        }
        let is_text = unit.path.extension().is_some_and(|extension| extension == "txt");
        if is_text {
            mode.needs_whole(unit)?;
        }
        let native = unit.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        sink.op(Op::Session { agent: None, native: NativeId(native.to_owned()), relation: None })?;
        let written = Timestamp::from_millis(unit.stamp.mtime_ns.div_euclid(1_000_000));
        let facts = Facts { project: project_of(&unit.path), times: vec![written], ..Facts::default() };
        sink.op(Op::Facts(Box::new(facts)))?;
        if is_text {
            return transcript::read(unit, sink);
        }
        read_lines(unit, mode, sink)
    }
}

/// `<projects>/<folder>/agent-transcripts/<id>.jsonl`, `.txt` without lines of the same id, or one folder deeper.
fn is_transcript(path: &Path) -> bool {
    let is_below = path.ancestors().skip(1).take(2).any(|folder| folder.ends_with("agent-transcripts"));
    let is_lines = path.extension().is_some_and(|extension| extension == "jsonl");
    let is_text = path.extension().is_some_and(|extension| extension == "txt");
    let has_lines = || {
        let lines = path.with_extension("jsonl");
        let nested = path.with_extension("").join(lines.file_name().unwrap_or_default());
        lines.exists() || nested.exists()
    };
    is_below && (is_lines || (is_text && !has_lines()))
}

/// The folder's name between `projects` and `agent-transcripts`.
fn project_of(path: &Path) -> Option<String> {
    let transcripts = path.ancestors().find(|folder| folder.ends_with("agent-transcripts"))?;
    Some(transcripts.parent()?.file_name()?.to_str()?.to_owned())
}

fn read_lines(unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
    let mut ordinal = match mode {
        Mode::Whole => 0,
        Mode::From(checkpoint) => {
            let state: [u8; 4] = checkpoint.state.as_slice().try_into().unwrap_or_default();
            u32::from_le_bytes(state)
        }
    };
    let mut is_unfinished = false;
    let mut checkpoint = lines::read(&unit.path, mode, sink, &mut |at, line, sink| {
        let bytes = match line {
            lines::Line::Whole(bytes) => bytes,
            lines::Line::TooLong(_) => {
                sink.op(Op::Odd { kind: Odd::TooLong, at })?;
                return Ok(true);
            }
            lines::Line::Unfinished(bytes) if serde_json::from_slice::<Value>(bytes).is_err() => {
                is_unfinished = true;
                return Ok(false);
            }
            lines::Line::Unfinished(bytes) => bytes,
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(true);
        }
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            sink.op(Op::Odd { kind: Odd::NotUtf8, at })?;
        }
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if value.is_object() => {
                entry(&value, ordinal, at, sink)?;
                ordinal = ordinal.saturating_add(1);
            }
            _ => sink.op(Op::Odd { kind: Odd::Malformed, at })?,
        }
        Ok(true)
    })?;
    checkpoint.state = ordinal.to_le_bytes().to_vec();
    Ok(ReadEnd { checkpoint, is_unfinished, skipped: None })
}

/// One line: a message with its blocks, its results said after it.
fn entry(value: &Value, ordinal: u32, at: u64, sink: &mut dyn Sink) -> Result<(), ReadError> {
    let role = match value["role"].as_str() {
        Some("assistant") => Role::Assistant,
        Some("user") => Role::User,
        _ => {
            sink.op(Op::Odd { kind: Odd::Unknown, at })?;
            return Ok(());
        }
    };
    let (mut blocks, mut results, mut calls) = (Vec::new(), Vec::new(), 0);
    let content = &value["message"]["content"];
    let whole = [serde_json::json!({"type": "text", "text": content})];
    let parts = content.as_array().map_or(if content.is_string() { &whole[..] } else { &[] }, Vec::as_slice);
    for part in parts {
        match part["type"].as_str().unwrap_or_default() {
            "text" => {
                let (text, had_control) = clean(typed(part["text"].as_str().unwrap_or_default(), role).to_owned());
                if had_control {
                    sink.op(Op::Odd { kind: Odd::Control, at })?;
                }
                if !text.trim().is_empty() {
                    blocks.push(Block::Text(text));
                }
            }
            "thinking" => blocks.extend(text_of(part, "thinking").map(|text| Block::Thinking(clean(text).0))),
            "tool_use" => {
                let input = &part["input"];
                let json = if input.is_null() { "{}".to_owned() } else { input.to_string() };
                blocks.push(call(calls, text_of(part, "id"), text_of(part, "name"), json, file_of(input)));
                calls += 1;
            }
            "tool_result" => {
                let content = match &part["content"] {
                    Value::String(text) => text.clone(),
                    Value::Array(parts) => {
                        parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
                    }
                    Value::Null => String::new(),
                    other => other.to_string(),
                };
                let is_failed = part["is_error"].as_bool().unwrap_or(false);
                let status = if is_failed { ResultStatus::Failed } else { ResultStatus::Unknown };
                results.push(result(CallRef::Id(text_of(part, "tool_use_id").unwrap_or_default()), status, content));
            }
            kind => blocks.push(Block::Other { kind: kind.to_owned(), json: part.to_string() }),
        }
    }
    if !blocks.is_empty() {
        sink.op(Op::Message(Box::new(message(ordinal, role, blocks))))?;
    }
    for result in results {
        sink.op(Op::Result(Box::new(result)))?;
    }
    Ok(())
}

/// What was typed, without the envelope around it.
fn typed(text: &str, role: Role) -> &str {
    let inner = || text.split_once("<user_query>")?.1.split_once("</user_query>").map(|(inner, _)| inner.trim());
    if role == Role::User { inner().unwrap_or(text) } else { text }
}

fn message(ordinal: u32, role: Role, blocks: Vec<Block>) -> Message {
    Message {
        ordinal,
        key: None,
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: None,
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks,
    }
}

fn call(index: u32, id: Option<String>, name: Option<String>, input: String, file: Option<String>) -> Block {
    let name = name.unwrap_or_default();
    let category = Category::of(&name);
    Block::Call(ToolCall {
        index,
        id: id.unwrap_or_default(),
        name,
        category,
        input,
        skill: None,
        subagent: None,
        file,
    })
}

fn result(call: CallRef, status: ResultStatus, content: String) -> ResultEvent {
    let content = clean(content).0;
    ResultEvent {
        call,
        source: "tool_result".to_owned(),
        status,
        at: None,
        content_bytes: content.len() as u64,
        content,
        images: Vec::new(),
        subagent: None,
    }
}

#[cfg(test)]
mod tests;
