//! Tests of reading Codex's sessions.

use serde_json::{Value, json};

use super::*;
use crate::model::{Block, Message, RelationKind, ResultStatus, Role, Termination};
use crate::source::fixture::{Model, calls, fixtures, id_of, places, read_all, text, unit, units};
use crate::source::trial::{append, assert_splits_agree, in_pieces, put, whole};
use crate::source::{Odd, fixture};

mod hostile;
mod parity;
mod rules;

const NAME: &str = "sessions/2026/03/14/rollout-2026-03-14T14-30-00-s.jsonl";

/// Lines of a session `s` with a head before them.
fn session(lines: &[Value]) -> Vec<u8> {
    let head = json!({"timestamp": "2026-03-14T14:30:00Z", "type": "session_meta", "payload": {
        "id": "s", "timestamp": "2026-03-14T14:30:00Z", "cwd": "/w", "originator": "codex_cli_rs", "source": "cli"}});
    jsonl(&[&[head], lines].concat())
}

fn jsonl(lines: &[Value]) -> Vec<u8> {
    lines.iter().flat_map(|line| format!("{line}\n").into_bytes()).collect()
}

fn item(payload: Value) -> Value {
    json!({"timestamp": "2026-03-14T14:30:01Z", "type": "response_item", "payload": payload})
}

fn event(payload: Value) -> Value {
    json!({"timestamp": "2026-03-14T14:30:01Z", "type": "event_msg", "payload": payload})
}

fn said(role: &str, text: &str) -> Value {
    item(json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]}))
}

fn call(name: &str, id: &str, arguments: Value) -> Value {
    item(json!({"type": "function_call", "name": name, "call_id": id, "arguments": arguments.to_string()}))
}

fn output(id: &str, output: Value) -> Value {
    item(json!({"type": "function_call_output", "call_id": id, "output": output}))
}

fn read(lines: &[Value]) -> Model {
    whole(&Codex, NAME, &session(lines)).0
}

fn fixture_of(name: &str) -> PathBuf {
    let id = id_of(name);
    let found = units(&Codex, &places()).into_iter().find(|unit| unit.path.to_string_lossy().contains(&id));
    found.unwrap().path
}
