//! One session of that archive.

use std::collections::HashMap;

use carry_kernel::db::rusqlite::ToSql;
use serde_json::Value;

use super::{ForeignDb, ReadError, Sink, hand_over, object_of, split_id, text_of};
use crate::model::{
    Block, CallRef, Category, Facts, Message, ProviderId, Relation, RelationKind, ResultEvent, ResultStatus, Role,
    Termination, ToolCall, Usage, UsageEvent,
};
use crate::source::Op;
use crate::source::json::time;
use crate::source::values::{file_of, number_of};

/// Says everything about the session `id`; `false` when it is not there, or nothing was said in it.
pub(super) fn read(db: &ForeignDb, id: &str, sink: &mut dyn Sink) -> Result<bool, ReadError> {
    let Some(session) = rows(db, "sessions", "id", "rowid", id)?.pop() else { return Ok(false) };
    let messages = rows(db, "messages", "session_id", "ordinal", id)?;
    if messages.is_empty() {
        return Ok(false);
    }
    let agent = text_of(&session, "agent").unwrap_or_else(|| "claude".to_owned());
    let (agent_of, native) = split_id(id, &agent);
    sink.op(Op::Session { agent: Some(agent_of), native, relation: relation_of(&session, &agent) })?;
    hand_over(sink, "sessions", &session)?;
    sink.op(Op::Facts(Box::new(facts_of(&session))))?;

    let mut calls = Calls::of(db, id)?;
    let mut events = Events::of(db, id)?;
    for row in messages {
        hand_over(sink, "messages", &row)?;
        let row_id = row["id"].as_i64().unwrap_or_default();
        let ordinal = u32::try_from(row["ordinal"].as_u64().unwrap_or_default()).unwrap_or(u32::MAX);
        let made = calls.by_message.remove(&row_id).unwrap_or_default();
        let (blocks, results) = blocks_of(&row, ordinal, &made, &mut events, &agent, sink)?;
        sink.op(Op::Message(Box::new(message_of(&row, ordinal, blocks))))?;
        for result in results {
            sink.op(Op::Result(Box::new(result)))?;
        }
    }
    for row in rows(db, "usage_events", "session_id", "rowid", id)? {
        hand_over(sink, "usage_events", &row)?;
        sink.op(Op::Usage(Box::new(usage_event(&row))))?;
    }
    let links: Vec<Value> =
        text_of(&session, "pr_links").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    for url in links.iter().filter_map(|link| text_of(link, "url")) {
        sink.op(Op::PullRequest { url, ordinal: None })?;
    }
    curate(db, id, &session, sink)?;
    Ok(true)
}

/// The rows of `table` whose `column` is `key`, in the order of `order`; none when there is no such table.
fn rows(db: &ForeignDb, table: &str, column: &str, order: &str, key: &str) -> Result<Vec<Value>, ReadError> {
    if db.columns(table)?.is_empty() {
        return Ok(Vec::new());
    }
    let failed = db.failed();
    let sql = format!("SELECT * FROM {table} WHERE {column} = ?1 ORDER BY {order}");
    let mut query = db.conn.prepare_cached(&sql).map_err(&failed)?;
    let found = query.query_map([&key as &dyn ToSql], |row| Ok(object_of(row))).map_err(&failed)?;
    found.collect::<Result<_, _>>().map_err(failed)
}

fn relation_of(session: &Value, agent: &str) -> Option<Relation> {
    let parent = text_of(session, "parent_session_id")?;
    let kind = match session["relationship_type"].as_str() {
        Some("subagent") => RelationKind::Subagent,
        Some("fork") => RelationKind::Fork,
        _ => RelationKind::Continuation,
    };
    Some(Relation { kind, parent: split_id(&parent, agent).1, call: None })
}

fn facts_of(session: &Value) -> Facts {
    Facts {
        cwd: text_of(session, "cwd"),
        branch: text_of(session, "git_branch"),
        name: text_of(session, "session_name"),
        project: text_of(session, "project").filter(|name| name != "unknown"),
        entrypoint: text_of(session, "entrypoint"),
        kind: text_of(session, "session_kind"),
        label: text_of(session, "agent_label"),
        version: text_of(session, "source_version"),
        termination: match session["termination_status"].as_str() {
            Some("truncated") => Some(Termination::Truncated),
            Some("tool_call_pending") => Some(Termination::ToolCallPending),
            Some("awaiting_user") => Some(Termination::AwaitingUser),
            Some("clean") => Some(Termination::Clean),
            _ => None,
        },
        is_automated: session["is_automated"].as_i64().map(|flag| flag != 0),
        times: ["started_at", "ended_at"].iter().filter_map(|name| time(session[*name].as_str()?)).collect(),
        ..Facts::default()
    }
}

/// Tool calls by the row of their message, in order.
struct Calls {
    by_message: HashMap<i64, Vec<Value>>,
}

impl Calls {
    fn of(db: &ForeignDb, session: &str) -> Result<Self, ReadError> {
        let mut by_message: HashMap<i64, Vec<Value>> = HashMap::new();
        for row in rows(db, "tool_calls", "session_id", "id", session)? {
            by_message.entry(row["message_id"].as_i64().unwrap_or_default()).or_default().push(row);
        }
        for calls in by_message.values_mut() {
            // Older files do not number them: the order of their rows counts.
            calls.sort_by_key(|call| call["call_index"].as_i64().unwrap_or_default());
        }
        Ok(Self { by_message })
    }
}

/// Result events by (ordinal, call index), in order.
struct Events {
    by_call: HashMap<(i64, i64), Vec<Value>>,
}

impl Events {
    fn of(db: &ForeignDb, session: &str) -> Result<Self, ReadError> {
        let mut by_call: HashMap<(i64, i64), Vec<Value>> = HashMap::new();
        for row in rows(db, "tool_result_events", "session_id", "event_index", session)? {
            let number = |name: &str| row[name].as_i64().unwrap_or_default();
            by_call.entry((number("tool_call_message_ordinal"), number("call_index"))).or_default().push(row);
        }
        Ok(Self { by_call })
    }
}

fn blocks_of(
    row: &Value,
    ordinal: u32,
    made: &[Value],
    events: &mut Events,
    agent: &str,
    sink: &mut dyn Sink,
) -> Result<(Vec<Block>, Vec<ResultEvent>), ReadError> {
    let (mut blocks, mut results) = (Vec::new(), Vec::new());
    blocks.extend(thinking_of(row).map(Block::Thinking));
    blocks.extend(dialogue_of(row, !made.is_empty()).map(Block::Text));
    for (index, call) in (0u32..).zip(made) {
        hand_over(sink, "tool_calls", call)?;
        let name = text_of(call, "tool_name").unwrap_or_default();
        let input = text_of(call, "input_json").unwrap_or_else(|| "{}".to_owned());
        let parsed: Value = serde_json::from_str(&input).unwrap_or(Value::Null);
        let numbered = call["call_index"].as_i64().unwrap_or_else(|| index.into());
        let subagent = text_of(call, "subagent_session_id").map(|id| split_id(&id, agent).1);
        let said = events.by_call.remove(&(ordinal.into(), numbered)).unwrap_or_default();
        for event in &said {
            hand_over(sink, "tool_result_events", event)?;
            results.push(event_of(event, ordinal, index, agent));
        }
        if said.is_empty() {
            results.extend(inline_result(call, ordinal, index));
        }
        blocks.push(Block::Call(ToolCall {
            index,
            id: text_of(call, "tool_use_id").unwrap_or_default(),
            category: Category::of(&name),
            name,
            file: text_of(call, "file_path").or_else(|| file_of(&parsed)),
            input,
            skill: text_of(call, "skill_name"),
            subagent,
        }));
    }
    Ok((blocks, results))
}

/// Reasoning: its own column, or what stands between the marks in the flattened text.
fn thinking_of(row: &Value) -> Option<String> {
    text_of(row, "thinking_text").or_else(|| {
        let content = row["content"].as_str()?;
        let (_, rest) = content.split_once("[Thinking]\n")?;
        rest.split_once("\n[/Thinking]").map(|(thinking, _)| thinking.to_owned())
    })
}

/// What was said: its own column, or the flattened text without reasoning and, where calls have rows of their own, without the
/// marks of calls.
fn dialogue_of(row: &Value, has_calls: bool) -> Option<String> {
    if let Some(text) = text_of(row, "dialogue_text") {
        return Some(text);
    }
    let content = row["content"].as_str()?;
    if row.get("dialogue_text").is_some() && has_calls {
        return None;
    }
    let said = match content.split_once("[/Thinking]") {
        Some((before, after)) if before.starts_with("[Thinking]") => after.trim_start_matches('\n'),
        _ => content,
    };
    let text = if has_calls { without_marks(said) } else { said.to_owned() };
    (!text.trim().is_empty()).then_some(text)
}

/// Cuts the flattened text at the first mark of a call: calls follow what was said.
fn without_marks(text: &str) -> String {
    const MARKS: [&str; 9] = ["[Read", "[Write", "[Edit", "[Bash", "[Grep", "[Glob", "[Task", "[Skill", "[Tool"];
    let is_mark =
        |line: &&str| MARKS.iter().any(|mark| line.strip_prefix(mark).is_some_and(|rest| rest.starts_with([':', ']'])));
    text.lines().take_while(|line| !is_mark(line)).collect::<Vec<_>>().join("\n")
}

fn event_of(event: &Value, ordinal: u32, index: u32, agent: &str) -> ResultEvent {
    let content = text_of(event, "content").unwrap_or_default();
    ResultEvent {
        call: CallRef::At { ordinal, index },
        source: text_of(event, "source").unwrap_or_else(|| "tool_result".to_owned()),
        status: match event["status"].as_str() {
            Some("completed") => ResultStatus::Completed,
            Some("errored") => ResultStatus::Failed,
            Some("running") => ResultStatus::Running,
            _ => ResultStatus::Unknown,
        },
        at: event["timestamp"].as_str().and_then(time),
        content_bytes: number_of(event, "content_length").unwrap_or(content.len() as u64),
        content,
        images: Vec::new(),
        subagent: text_of(event, "subagent_session_id").map(|id| split_id(&id, agent).1),
    }
}

fn inline_result(call: &Value, ordinal: u32, index: u32) -> Option<ResultEvent> {
    let content = text_of(call, "result_content").unwrap_or_default();
    let length = number_of(call, "result_content_length").unwrap_or(content.len() as u64);
    (length > 0 || !content.is_empty()).then(|| ResultEvent {
        call: CallRef::At { ordinal, index },
        source: "tool_result".to_owned(),
        status: ResultStatus::Unknown,
        at: None,
        content_bytes: length,
        content,
        images: Vec::new(),
        subagent: None,
    })
}

fn message_of(row: &Value, ordinal: u32, blocks: Vec<Block>) -> Message {
    let flag = |name: &str| row[name].as_i64().is_some_and(|flag| flag != 0);
    let provider_id = text_of(row, "claude_message_id")
        .map(|message| ProviderId { message, request: text_of(row, "claude_request_id").unwrap_or_default() });
    Message {
        ordinal,
        key: text_of(row, "source_uuid"),
        role: if row["role"].as_str() == Some("assistant") { Role::Assistant } else { Role::User },
        subtype: text_of(row, "source_subtype"),
        is_system: flag("is_system"),
        is_abandoned: false,
        at: row["timestamp"].as_str().and_then(time),
        model: text_of(row, "model"),
        effort: text_of(row, "reasoning_effort"),
        provider_id,
        usage: usage_of(row),
        blocks,
    }
}

/// Token numbers as JSON; older files have at most the output.
fn usage_of(row: &Value) -> Option<Usage> {
    let tokens: Value =
        text_of(row, "token_usage").and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null);
    let output = number_of(&tokens, "output_tokens").or_else(|| {
        number_of(row, "output_tokens").filter(|tokens| *tokens > 0 || row["has_output_tokens"].as_i64() == Some(1))
    });
    let hour = number_of(&tokens["cache_creation"], "ephemeral_1h_input_tokens");
    let written = number_of(&tokens, "cache_creation_input_tokens");
    let usage = Usage {
        input: number_of(&tokens, "input_tokens"),
        output,
        reasoning: None,
        cache_read: number_of(&tokens, "cache_read_input_tokens"),
        cache_write: written.map(|all| all.saturating_sub(hour.unwrap_or(0))),
        cache_write_1h: hour,
        cost_micros: None,
    };
    (usage != Usage::default()).then_some(usage)
}

fn usage_event(row: &Value) -> UsageEvent {
    let micros = number_of(row, "cost_microdollars");
    let dollars =
        row["cost_usd"].as_f64().filter(|cost| (0.0..1e9).contains(cost)).map(|cost| (cost * 1e6).round() as u64);
    UsageEvent {
        source: text_of(row, "source").unwrap_or_else(|| "session".to_owned()),
        dedup: text_of(row, "dedup_key").unwrap_or_else(|| row["id"].to_string()),
        at: row["occurred_at"].as_str().and_then(time),
        model: text_of(row, "model"),
        usage: Usage {
            input: number_of(row, "input_tokens"),
            output: number_of(row, "output_tokens"),
            reasoning: number_of(row, "reasoning_tokens"),
            cache_read: number_of(row, "cache_read_input_tokens"),
            cache_write: number_of(row, "cache_creation_input_tokens"),
            cache_write_1h: None,
            cost_micros: micros.or(dollars),
        },
    }
}

/// What its user said: stars, pins, labels, names, trash. A session whose file went away is not in anybody's trash.
fn curate(db: &ForeignDb, id: &str, session: &Value, sink: &mut dyn Sink) -> Result<(), ReadError> {
    let mut say = |field, item: String, value: String, at: &Value| {
        sink.op(Op::Curate { field, item, value, at: at.as_str().and_then(time) })
    };
    if let Some(name) = text_of(session, "display_name") {
        say("name", String::new(), name, &session["local_modified_at"])?;
    }
    if text_of(session, "deleted_at").is_some() && text_of(session, "deletion_cause").is_none() {
        say("trash", String::new(), "1".to_owned(), &session["deleted_at"])?;
    }
    for row in rows(db, "starred_sessions", "session_id", "rowid", id)? {
        say("star", String::new(), "1".to_owned(), &row["created_at"])?;
    }
    for row in rows(db, "session_labels", "session_id", "rowid", id)? {
        if let Some(label) = text_of(&row, "label") {
            say("label", label, "1".to_owned(), &row["created_at"])?;
        }
    }
    for row in rows(db, "pinned_messages", "session_id", "rowid", id)? {
        let note = text_of(&row, "note").unwrap_or_default();
        say("pin", format!("#{}", row["ordinal"].as_u64().unwrap_or_default()), note, &row["created_at"])?;
    }
    Ok(())
}
