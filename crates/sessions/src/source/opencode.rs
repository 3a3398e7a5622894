//! OpenCode: sessions, messages and parts, as files below `storage/` or as rows of `opencode.db`; both hold the same JSON.
//!
//! A session is a unit. Its parts change while it runs without the session's own record changing, so that its stamp covers them.
//! Where a session lies in both places, the database wins.

use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use serde_json::Value;

use super::values::{clean, file_of, number_of, text_of, time_value};
use super::{Mode, Odd, Op, Places, ReadEnd, ReadError, Root, Sink, Source, Unit, files, foreign_db, json};
use crate::model::{
    Agent, Block, CallRef, Category, Facts, Message, NativeId, Relation, RelationKind, ResultEvent, ResultStatus, Role,
    ToolCall, Usage,
};

mod database;
mod storage;

/// Reads OpenCode's sessions.
#[derive(Clone, Copy, Debug)]
pub struct OpenCode;

const DB_FILE: &str = "opencode.db";

impl Source for OpenCode {
    fn name(&self) -> &'static str {
        "opencode"
    }

    fn agent(&self) -> Agent {
        Agent::OpenCode
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let data = places.variable("XDG_DATA_HOME").map_or_else(|| places.home.join(".local/share"), Path::to_owned);
        let asked = places.variable("OPENCODE_DIR").map(Path::to_owned);
        files::roots(places, Agent::OpenCode, vec![data.join("opencode")], asked.into_iter().collect())
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let mut in_database = std::collections::HashSet::new();
        let db = root.path.join(DB_FILE);
        if db.is_file() {
            database::discover(
                &db,
                &mut |unit| {
                    in_database.extend(foreign_db::split_row_path(&unit.path).map(|(_, session)| session));
                    found(unit);
                },
                problem,
            );
        }
        storage::discover(
            &root.path.join("storage"),
            &mut |unit| {
                let id = unit.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
                if !in_database.contains(id) {
                    found(unit);
                }
            },
            problem,
        );
    }

    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf> {
        storage::session_of(&root.path.join("storage"), path)
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        mode.needs_whole(unit)?;
        let stored = match foreign_db::split_row_path(&unit.path).filter(|(db, _)| db.ends_with(DB_FILE)) {
            Some((db, session)) => database::read(&db, &session, sink)?,
            None => storage::read(&unit.path, sink)?,
        };
        let Some(stored) = stored else {
            return Ok(ReadEnd { skipped: Some("no session"), ..ReadEnd::default() });
        };
        say(&stored, sink)?;
        Ok(ReadEnd { skipped: stored.messages.is_empty().then_some("no messages"), ..ReadEnd::default() })
    }
}

/// A session as it is stored, in either place.
struct Stored {
    id: String,
    session: Value,
    /// The folder of its project, when the project is not the one for everything.
    worktree: Option<String>,
    /// In the order of time.
    messages: Vec<StoredMessage>,
}

struct StoredMessage {
    id: String,
    data: Value,
    parts: Vec<Value>,
}

fn say(stored: &Stored, sink: &mut dyn Sink) -> Result<(), ReadError> {
    let session = &stored.session;
    let parent = text_of(session, "parentID").or_else(|| text_of(session, "parent_id"));
    let relation = parent.map(|id| Relation { kind: RelationKind::Subagent, parent: NativeId(id), call: None });
    sink.op(Op::Session { agent: None, native: NativeId(stored.id.clone()), relation })?;
    let times = ["created", "updated"].iter().filter_map(|name| time_value(session["time"].get(*name)?));
    let columns = ["time_created", "time_updated"].iter().filter_map(|name| time_value(session.get(*name)?));
    let facts = Facts {
        cwd: text_of(session, "directory").or_else(|| stored.worktree.clone()),
        name: text_of(session, "title").filter(|title| !is_default_title(title)),
        version: text_of(session, "version"),
        times: times.chain(columns).collect(),
        ..Facts::default()
    };
    sink.op(Op::Facts(Box::new(facts)))?;
    for (ordinal, message) in (0u32..).zip(&stored.messages) {
        say_message(message, ordinal, sink)?;
    }
    Ok(())
}

/// What OpenCode calls a session before it has a title.
fn is_default_title(title: &str) -> bool {
    ["New session - ", "Child session - "].iter().any(|prefix| title.starts_with(prefix))
}

fn say_message(stored: &StoredMessage, ordinal: u32, sink: &mut dyn Sink) -> Result<(), ReadError> {
    let data = &stored.data;
    let role = if data["role"].as_str() == Some("assistant") { Role::Assistant } else { Role::User };
    let at = data["time"].get("created").and_then(time_value);
    let (mut blocks, mut results) = (Vec::new(), Vec::new());
    for part in &stored.parts {
        say_part(part, ordinal, &mut blocks, &mut results, sink)?;
    }
    if blocks.is_empty() {
        return Ok(());
    }
    let model = text_of(data, "modelID").or_else(|| text_of(&data["model"], "modelID"));
    let message = Message {
        ordinal,
        key: Some(stored.id.clone()),
        role,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at,
        model,
        effort: None,
        provider_id: None,
        usage: data.get("tokens").filter(|tokens| tokens.is_object()).map(|tokens| usage_of(tokens, data)),
        blocks,
    };
    sink.op(Op::Message(Box::new(message)))?;
    for result in results {
        sink.op(Op::Result(Box::new(result)))?;
    }
    Ok(())
}

fn say_part(
    part: &Value,
    ordinal: u32,
    blocks: &mut Vec<Block>,
    results: &mut Vec<ResultEvent>,
    sink: &mut dyn Sink,
) -> Result<(), ReadError> {
    match part["type"].as_str().unwrap_or_default() {
        "text" => {
            let (text, had_control) = clean(text_of(part, "text").unwrap_or_default());
            if had_control {
                sink.op(Op::Odd { kind: Odd::Control, at: ordinal.into() })?;
            }
            if !text.trim().is_empty() {
                blocks.push(Block::Text(text));
            }
        }
        "reasoning" => blocks.extend(text_of(part, "text").map(|text| Block::Thinking(clean(text).0))),
        "tool" => {
            let state = &part["state"];
            let name = text_of(part, "tool").unwrap_or_default();
            let input = &state["input"];
            let calls = blocks.iter().filter(|block| matches!(block, Block::Call(_))).count();
            let index = u32::try_from(calls).unwrap_or(u32::MAX);
            let subagent = text_of(&state["metadata"], "sessionId").map(NativeId);
            blocks.push(Block::Call(ToolCall {
                index,
                id: text_of(part, "callID").unwrap_or_default(),
                category: Category::of(&name),
                name,
                input: if input.is_null() { "{}".to_owned() } else { input.to_string() },
                skill: None,
                subagent: subagent.clone(),
                file: file_of(input),
            }));
            results.extend(result_of(state, ordinal, index, subagent));
        }
        "file" => {
            let media = text_of(part, "mime").unwrap_or_default();
            let data = part["url"].as_str().and_then(|url| url.strip_prefix("data:")?.split_once(";base64,"));
            let image = match data.filter(|_| media.starts_with("image/")) {
                Some((_, data)) => json::picture(&media, data, sink)?,
                None => None,
            };
            match image {
                Some(image) => blocks.push(Block::Image(image)),
                None => blocks.push(Block::Other { kind: "file".to_owned(), json: part.to_string() }),
            }
        }
        // Bookkeeping of the agent: in the raw bytes, not in the conversation.
        "step-start" | "step-finish" | "snapshot" => {}
        kind => {
            if !matches!(kind, "patch" | "agent" | "compaction" | "subtask" | "retry") {
                sink.op(Op::Odd { kind: Odd::Unknown, at: ordinal.into() })?;
            }
            blocks.push(Block::Other { kind: kind.to_owned(), json: part.to_string() });
        }
    }
    Ok(())
}

fn result_of(state: &Value, ordinal: u32, index: u32, subagent: Option<NativeId>) -> Option<ResultEvent> {
    let status = match state["status"].as_str() {
        Some("completed") => ResultStatus::Completed,
        Some("error") => ResultStatus::Failed,
        Some("running") => ResultStatus::Running,
        _ => return None,
    };
    let content = text_of(state, "output").or_else(|| text_of(state, "error")).unwrap_or_default();
    if status == ResultStatus::Running && content.is_empty() {
        return None;
    }
    let (content, _) = clean(content);
    Some(ResultEvent {
        call: CallRef::At { ordinal, index },
        source: "tool_result".to_owned(),
        status,
        at: state["time"].get("end").and_then(time_value),
        content_bytes: content.len() as u64,
        content,
        images: Vec::new(),
        subagent,
    })
}

fn usage_of(tokens: &Value, data: &Value) -> Usage {
    let reasoning = number_of(tokens, "reasoning");
    let output = number_of(tokens, "output").map(|output| output.saturating_add(reasoning.unwrap_or(0)));
    // Dollars, as a fraction.
    let cost = data["cost"].as_f64().filter(|cost| *cost > 0.0 && *cost < 1e9);
    Usage {
        input: number_of(tokens, "input"),
        output,
        reasoning,
        cache_read: number_of(&tokens["cache"], "read"),
        cache_write: number_of(&tokens["cache"], "write"),
        cache_write_1h: None,
        cost_micros: cost.map(|cost| (cost * 1e6).round() as u64),
    }
}

/// When a record was made, for its place in the order.
fn created(data: &Value) -> Timestamp {
    data["time"].get("created").and_then(time_value).unwrap_or_default()
}

#[cfg(test)]
mod tests;
