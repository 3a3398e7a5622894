//! The way back: what a JSON value says.
//!
//! What [`message_json`](super::message_json) and its like write is read. Fields nobody knows are passed over, those that are
//! missing have no value; what cannot be is an error. Not everything is in the JSON: rows of the archive are zero afterwards. Inputs
//! and other blocks that were JSON come back as the same value, not always as the same text; written again, they are the same.

use carry_kernel::clock::Timestamp;
use serde_json::{Map, Value};

use super::json;
use crate::archive::{StoredMessage, StoredResult};
use crate::model::{
    Block, CallRef, Category, Image, Message, NativeId, ProviderId, ResultEvent, ResultStatus, Role, ToolCall, Usage,
};

#[cfg(test)]
mod tests;

/// What in a value is not as it should be.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the field {field:?} is not {expected}")]
pub struct JsonError {
    /// The field.
    pub field: &'static str,
    /// What it should be.
    pub expected: &'static str,
}

/// The message of a value, with its results.
///
/// # Errors
/// [`JsonError`].
pub fn message_of_json(value: &Value) -> Result<StoredMessage, JsonError> {
    let fields = Fields::of(value, "message")?;
    let provider_id = fields.object("provider_id")?.map(|id| {
        Ok(ProviderId { message: id.text("message")?, request: id.option_text("request")?.unwrap_or_default() })
    });
    let usage = fields.object("usage")?.map(|usage| self::usage(&usage));
    let message = Message {
        ordinal: fields.small("ordinal")?,
        key: fields.option_text("key")?,
        role: match fields.text("role")?.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(JsonError { field: "role", expected: "user or assistant" }),
        },
        subtype: fields.option_text("subtype")?,
        is_system: fields.flag("system")?,
        is_abandoned: fields.flag("abandoned")?,
        at: fields.time("time")?,
        model: fields.option_text("model")?,
        effort: fields.option_text("effort")?,
        provider_id: provider_id.transpose()?,
        usage: usage.transpose()?,
        blocks: fields.list("blocks")?.iter().map(block).collect::<Result<_, _>>()?,
    };
    let results = fields.list("results")?.iter().map(result_of_json).collect::<Result<_, _>>()?;
    Ok(StoredMessage { n: 0, message, results })
}

/// The result of a value. One whose call nobody knows is of a call without id.
///
/// # Errors
/// [`JsonError`].
pub fn result_of_json(value: &Value) -> Result<StoredResult, JsonError> {
    let fields = Fields::of(value, "results")?;
    let call = match (fields.option_small("message")?, fields.option_small("call")?) {
        (Some(ordinal), Some(index)) => CallRef::At { ordinal, index },
        _ => CallRef::Id(String::new()),
    };
    let content = fields.option_text("content")?.unwrap_or_default();
    let result = ResultEvent {
        call,
        source: fields.option_text("source")?.unwrap_or_default(),
        status: match fields.option_text("status")?.as_deref() {
            Some("running") => ResultStatus::Running,
            Some("completed") => ResultStatus::Completed,
            Some("failed") => ResultStatus::Failed,
            _ => ResultStatus::Unknown,
        },
        at: fields.time("time")?,
        images: fields.list("images")?.iter().map(image).collect::<Result<_, _>>()?,
        content_bytes: fields.number("bytes")?.unwrap_or(content.len() as u64),
        content,
        subagent: fields.option_text("subagent")?.map(NativeId),
    };
    Ok(StoredResult { n: 0, event: fields.option_small("event")?.unwrap_or(0), result })
}

/// The text of an input (or of another block) that is written as this value: text that is no JSON as it is, all else as JSON.
pub fn input_text(value: &Value) -> String {
    match value {
        Value::String(text) if json::parsed(text).is_none() => text.clone(),
        value => value.to_string(),
    }
}

fn block(value: &Value) -> Result<Block, JsonError> {
    let fields = Fields::of(value, "blocks")?;
    let held = |name: &str| input_text(fields.0.get(name).unwrap_or(&Value::Null));
    Ok(match fields.text("type")?.as_str() {
        "text" => Block::Text(fields.text("text")?),
        "thinking" => Block::Thinking(fields.text("text")?),
        "call" => Block::Call(ToolCall {
            index: fields.small("index")?,
            id: fields.option_text("id")?.unwrap_or_default(),
            name: fields.option_text("name")?.unwrap_or_default(),
            category: fields
                .option_text("category")?
                .and_then(|name| Category::named(&name))
                .unwrap_or(Category::Other),
            input: held("input"),
            skill: fields.option_text("skill")?,
            subagent: fields.option_text("subagent")?.map(NativeId),
            file: fields.option_text("file")?,
        }),
        "image" => Block::Image(image(value)?),
        "other" => Block::Other { kind: fields.option_text("kind")?.unwrap_or_default(), json: held("value") },
        // Of a version to come.
        kind => Block::Other { kind: kind.to_owned(), json: value.to_string() },
    })
}

fn image(value: &Value) -> Result<Image, JsonError> {
    let fields = Fields::of(value, "images")?;
    let media = fields.option_text("media")?.unwrap_or_default();
    let hash = fields.option_text("hash")?.unwrap_or_default();
    Ok(Image { media, bytes: fields.number("bytes")?.unwrap_or(0), hash })
}

fn usage(fields: &Fields<'_>) -> Result<Usage, JsonError> {
    Ok(Usage {
        input: fields.number("input")?,
        output: fields.number("output")?,
        reasoning: fields.number("reasoning")?,
        cache_read: fields.number("cache_read")?,
        cache_write: fields.number("cache_write")?,
        cache_write_1h: fields.number("cache_write_1h")?,
        cost_micros: fields.micros("cost")?,
    })
}

/// The fields of an object.
struct Fields<'v>(&'v Map<String, Value>);

impl<'v> Fields<'v> {
    fn of(value: &'v Value, field: &'static str) -> Result<Self, JsonError> {
        value.as_object().map(Self).ok_or(JsonError { field, expected: "an object" })
    }

    /// A field's value; `None` when it has none.
    fn get(&self, field: &str) -> Option<&'v Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A field as `read` makes it.
    fn read<T>(
        &self,
        field: &'static str,
        expected: &'static str,
        read: impl FnOnce(&'v Value) -> Option<T>,
    ) -> Result<Option<T>, JsonError> {
        self.get(field).map(|value| read(value).ok_or(JsonError { field, expected })).transpose()
    }

    fn option_text(&self, field: &'static str) -> Result<Option<String>, JsonError> {
        self.read(field, "text", |value| value.as_str().map(str::to_owned))
    }

    fn text(&self, field: &'static str) -> Result<String, JsonError> {
        self.option_text(field)?.ok_or(JsonError { field, expected: "text" })
    }

    fn flag(&self, field: &'static str) -> Result<bool, JsonError> {
        Ok(self.read(field, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn number(&self, field: &'static str) -> Result<Option<u64>, JsonError> {
        self.read(field, "a whole number", Value::as_u64)
    }

    fn option_small(&self, field: &'static str) -> Result<Option<u32>, JsonError> {
        self.read(field, "a whole number below 2^32", |value| value.as_u64().and_then(|number| number.try_into().ok()))
    }

    fn small(&self, field: &'static str) -> Result<u32, JsonError> {
        self.option_small(field)?.ok_or(JsonError { field, expected: "a whole number below 2^32" })
    }

    fn time(&self, field: &'static str) -> Result<Option<Timestamp>, JsonError> {
        self.read(field, "a time", |value| time(value.as_str()?))
    }

    fn micros(&self, field: &'static str) -> Result<Option<u64>, JsonError> {
        self.read(field, "an amount of dollars", |value| micros(value.as_f64()?))
    }

    fn object(&self, field: &'static str) -> Result<Option<Self>, JsonError> {
        self.read(field, "an object", |value| value.as_object().map(Self))
    }

    fn list(&self, field: &'static str) -> Result<&'v [Value], JsonError> {
        let list = self.read(field, "a list", |value| value.as_array().map(Vec::as_slice))?;
        Ok(list.unwrap_or_default())
    }
}

/// A time as [`Timestamp::to_rfc3339`] writes it.
fn time(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|time| Timestamp::from_millis(time.as_millisecond()))
}

/// Dollars as micro-dollars: the amount that is written so. Up to 2^33 dollars there is only one.
fn micros(dollars: f64) -> Option<u64> {
    if !(dollars.is_finite() && dollars >= 0.0) {
        return None;
    }
    let near = (dollars * 1e6).round();
    let around = [near, near - 1.0, near + 1.0, near - 2.0, near + 2.0, near.next_down(), near.next_up()];
    let written = around.into_iter().map(|micros| micros as u64).find(|micros| json::dollars(*micros) == dollars);
    Some(written.unwrap_or(near as u64))
}
