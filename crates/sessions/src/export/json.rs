//! One JSON value. Its shape is that of `docs/json.md`.

use std::os::unix::ffi::OsStrExt as _;

use carry_kernel::clock::Timestamp;
use serde_json::{Value, json};

use super::Document;
use crate::archive::{SessionRow, StoredMessage, StoredResult};
use crate::curation::Pin;
use crate::git_links::GitLink;
use crate::model::{Block, Image, RelationKind, Termination, ToolCall, Usage};
use crate::stream::content::Incomplete;

/// The version of the shape.
const FORMAT: u32 = 1;

/// One JSON value (see `docs/json.md`).
pub fn json(document: &Document) -> Value {
    let mut session = session(&document.session);
    if let Value::Object(session) = &mut session {
        session.shift_remove("type");
        session.insert("incomplete".to_owned(), incomplete(document.incomplete.as_ref()));
    }
    json!({
        "type": "session-export",
        "format": FORMAT,
        "mask": document.mask,
        "session": session,
        "pins": document.pins.iter().map(pin).collect::<Vec<_>>(),
        "links": document.links.iter().map(link).collect::<Vec<_>>(),
        "messages": document.messages.iter().map(message).collect::<Vec<_>>(),
    })
}

/// What of a session is missing here; `null` where nothing is.
pub fn incomplete(missing: Option<&Incomplete>) -> Value {
    missing.map_or(Value::Null, |missing| {
        json!({
            "messages": missing.messages.iter().map(|run| [*run.start(), *run.end()]).collect::<Vec<_>>(),
            "facts": missing.lacks_facts,
            "end": missing.may_go_on,
            "log": missing.log.to_string(),
            "records": missing.n_records,
        })
    })
}

/// A session, as `carry sessions list --json` prints it.
pub fn session(session: &SessionRow) -> Value {
    let mut value = json!({
        "type": "session",
        "id": session.id.as_str(),
        "agent": session.agent.as_str(),
        "native": session.native.0,
        "origin": session.origin,
        "parent": session.parent.as_ref().map(|(parent, _)| &parent.0),
        "relation": session.parent.as_ref().map(|(_, kind)| match kind {
            RelationKind::Subagent => "subagent",
            RelationKind::Fork => "fork",
            RelationKind::Continuation => "continuation",
        }),
        "project": session.project,
        "project_key": session.project_key,
        "cwd": session.cwd,
        "branch": session.branch,
        "name": session.name,
        "renamed": session.is_renamed,
        "first_prompt": session.first_prompt,
        "entrypoint": session.entrypoint,
        "kind": session.kind,
        "version": session.version,
        "termination": session.termination.map(|termination| match termination {
            Termination::Truncated => "truncated",
            Termination::ToolCallPending => "tool_call_pending",
            Termination::AwaitingUser => "awaiting_user",
            Termination::Clean => "clean",
        }),
        "automated": session.is_automated,
        "started": time(session.started),
        "ended": time(session.ended),
        "messages": session.messages,
        "user_messages": session.user_messages,
        "abandoned": session.abandoned,
        "calls": session.calls,
        "failures": session.failures,
        "model": session.model,
        "input_tokens": session.input_tokens,
        "output_tokens": session.output_tokens,
        "cache_read_tokens": session.cache_read_tokens,
        "cache_write_tokens": session.cache_write_tokens,
        "peak_context": session.peak_context,
        "cost": session.cost_micros.map(dollars),
        "malformed": session.malformed,
        "digest": hex(&session.digest),
        "revision": session.revision,
        "path": session.path.as_ref().map(|path| path_text(path)),
        "missing": time(session.missing),
        "starred": session.is_starred,
        "trashed": session.is_trashed,
        "labels": session.labels,
    });
    if let Value::Object(members) = &mut value {
        members.insert("device".to_owned(), session.origin.as_str().into());
    }
    value
}

/// A link.
pub fn link(link: &GitLink) -> Value {
    json!({
        "kind": super::link_kind(link.kind),
        "target": link.target,
        "evidence": super::evidence(link.evidence),
        "repo": link.repo,
        "number": link.number,
        "branch": link.branch,
        "subject": link.subject,
        "full_sha": link.full_sha,
        "supersedes": link.supersedes,
        "superseded_by": link.superseded_by,
        "message": link.ordinal,
        "call": link.index,
    })
}

/// A message with the results of its calls.
pub fn message(stored: &StoredMessage) -> Value {
    let message = &stored.message;
    json!({
        "ordinal": message.ordinal,
        "key": message.key,
        "role": message.role.to_string(),
        "subtype": message.subtype,
        "system": message.is_system,
        "abandoned": message.is_abandoned,
        "time": time(message.at),
        "model": message.model,
        "effort": message.effort,
        "provider_id": message.provider_id.as_ref().map(|id| json!({"message": id.message, "request": id.request})),
        "usage": message.usage.as_ref().map(usage),
        "blocks": message.blocks.iter().map(block).collect::<Vec<_>>(),
        "results": stored.results.iter().map(result).collect::<Vec<_>>(),
    })
}

fn block(block: &Block) -> Value {
    match block {
        Block::Text(text) => json!({"type": "text", "text": text}),
        Block::Thinking(text) => json!({"type": "thinking", "text": text}),
        Block::Call(call) => self::call(call),
        Block::Image(picture) => image(picture),
        Block::Other { kind, json: held } => json!({"type": "other", "kind": kind, "value": value(held)}),
    }
}

fn call(call: &ToolCall) -> Value {
    json!({
        "type": "call",
        "index": call.index,
        "id": call.id,
        "name": call.name,
        "category": call.category.as_str(),
        "input": value(&call.input),
        "skill": call.skill,
        "subagent": call.subagent.as_ref().map(|id| &id.0),
        "file": call.file,
    })
}

/// Values that hold more in each other are text: whoever reads the whole must be able to.
const NESTED_MAX: u32 = 64;

/// JSON text as the value it is; what does not parse, or is nested too deeply, as text.
pub(super) fn value(json: &str) -> Value {
    parsed(json).unwrap_or_else(|| Value::String(json.to_owned()))
}

/// JSON text as the value it is.
pub(super) fn parsed(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok().filter(|value| is_flat(value, NESTED_MAX))
}

/// Whether a value holds at most `rest` others in each other.
fn is_flat(value: &Value, rest: u32) -> bool {
    let Some(rest) = rest.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_flat(item, rest)),
        Value::Object(fields) => fields.values().all(|field| is_flat(field, rest)),
        _ => true,
    }
}

fn image(image: &Image) -> Value {
    json!({"type": "image", "media": image.media, "bytes": image.bytes, "hash": image.hash})
}

fn result(stored: &StoredResult) -> Value {
    let result = &stored.result;
    let (ordinal, index) = match &result.call {
        crate::model::CallRef::At { ordinal, index } => (Some(ordinal), Some(index)),
        crate::model::CallRef::Id(_) => (None, None),
    };
    json!({
        "message": ordinal,
        "call": index,
        "event": stored.event,
        "source": result.source,
        "status": super::status(result.status),
        "time": time(result.at),
        "content": result.content,
        "bytes": result.content_bytes,
        "images": result.images.iter().map(image).collect::<Vec<_>>(),
        "subagent": result.subagent.as_ref().map(|id| &id.0),
    })
}

fn usage(usage: &Usage) -> Value {
    json!({
        "input": usage.input,
        "output": usage.output,
        "reasoning": usage.reasoning,
        "cache_read": usage.cache_read,
        "cache_write": usage.cache_write,
        "cache_write_1h": usage.cache_write_1h,
        "cost": usage.cost_micros.map(dollars),
    })
}

/// A pin.
pub fn pin(pin: &Pin) -> Value {
    json!({"message": pin.message, "note": pin.note})
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_rfc3339)
}

/// Micro-dollars as dollars.
pub(super) fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A path as text: what is not UTF-8 as `%xx`, and `%` itself, too.
fn path_text(path: &std::path::Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        text.extend(chunk.invalid().iter().map(|byte| format!("%{byte:02x}")));
    }
    text
}
