//! A message and its results as bodies of rows.

use std::borrow::Cow;
use std::collections::BTreeMap;

use carry_sessions::archive::StoredMessage;
use carry_sessions::export::{input_text, message_json};
use carry_sessions::model::{Block, CallRef, ResultStatus, Role};
use serde_json::Value;

use super::{clean, storable, words};
use crate::share::Mode;
use crate::unit::{Body, Place};

/// Adds what the mode lets through of a message.
pub(super) fn shape(
    mode: Mode,
    stored: &StoredMessage,
    bodies: &mut BTreeMap<Place, Body>,
    words: &mut words::Collected,
) {
    match mode {
        Mode::Off | Mode::Aggregates | Mode::Metadata => {}
        Mode::Full => whole(stored, bodies, words),
        Mode::Prompts => {
            if let Some(prompt) = prompt(stored) {
                whole(&prompt, bodies, words);
            }
        }
    }
}

/// What a user wrote; `None` for all other messages.
fn prompt(stored: &StoredMessage) -> Option<StoredMessage> {
    let message = &stored.message;
    if message.role != Role::User || message.is_system {
        return None;
    }
    let texts = message.blocks.iter().filter(|block| matches!(block, Block::Text(_)));
    let blocks: Vec<Block> = texts.cloned().collect();
    let is_said = !blocks.is_empty();
    let message = carry_sessions::model::Message {
        ordinal: message.ordinal,
        key: message.key.clone(),
        role: message.role,
        subtype: message.subtype.clone(),
        is_system: false,
        is_abandoned: message.is_abandoned,
        at: message.at,
        model: message.model.clone(),
        effort: message.effort.clone(),
        provider_id: message.provider_id.clone(),
        usage: message.usage,
        blocks,
    };
    is_said.then_some(StoredMessage { n: 0, message, results: Vec::new() })
}

/// The same without times that no store can hold: what is written of them reads as another.
fn with_storable_times(stored: &StoredMessage) -> Cow<'_, StoredMessage> {
    let results = stored.results.iter().map(|stored| stored.result.at);
    if results.chain([stored.message.at]).all(|at| storable(at) == at) {
        return Cow::Borrowed(stored);
    }
    let mut stored = stored.clone();
    stored.message.at = storable(stored.message.at);
    for stored in &mut stored.results {
        stored.result.at = storable(stored.result.at);
    }
    Cow::Owned(stored)
}

fn whole(stored: &StoredMessage, bodies: &mut BTreeMap<Place, Body>, words: &mut words::Collected) {
    let stored = &*with_storable_times(stored);
    let message = &stored.message;
    let ordinal = message.ordinal;
    let mut value = message_json(stored);
    clean::value(&mut value);
    let results = value.as_object_mut().and_then(|fields| fields.shift_remove("results"));
    words_of(&value, words);
    let cleaned = |text: &Option<String>| {
        text.clone().map(|mut text| {
            clean::text(&mut text);
            text
        })
    };
    let body = Body::Message {
        role: match message.role {
            Role::User => 0,
            Role::Assistant => 1,
        },
        subtype: cleaned(&message.subtype),
        is_system: message.is_system,
        is_abandoned: message.is_abandoned,
        at: message.at,
        model: cleaned(&message.model),
        json: value.to_string(),
    };
    bodies.insert(Place::Message(ordinal), body);
    let Some(Value::Array(results)) = results else { return };
    for (stored, value) in stored.results.iter().zip(&results) {
        let CallRef::At { index, .. } = stored.result.call else { continue };
        if let Some(content) = value.get("content").and_then(Value::as_str) {
            words.add(content);
        }
        let body = Body::Result {
            status: match stored.result.status {
                ResultStatus::Unknown => 0,
                ResultStatus::Running => 1,
                ResultStatus::Completed => 2,
                ResultStatus::Failed => 3,
            },
            at: stored.result.at,
            json: value.to_string(),
        };
        bodies.insert(Place::Result { ordinal, index, event: stored.event }, body);
    }
}

/// Collects the words of texts, reasoning and inputs: those that a search looks for.
fn words_of(message: &Value, words: &mut words::Collected) {
    for block in message.get("blocks").and_then(Value::as_array).into_iter().flatten() {
        match block.get("type").and_then(Value::as_str) {
            Some("text" | "thinking") => words.add(block.get("text").and_then(Value::as_str).unwrap_or_default()),
            Some("call") => words.add_input(&input_text(block.get("input").unwrap_or(&Value::Null))),
            _ => {}
        }
    }
}
