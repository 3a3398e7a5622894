//! What Gemini CLI writes, as far as we read it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::json::{Num, Str};

/// A whole session as one document.
#[derive(Debug, Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow, rename = "sessionId")]
    pub(super) session_id: Option<Str<'a>>,
    #[serde(borrow, rename = "startTime")]
    pub(super) start_time: Option<Str<'a>>,
    #[serde(borrow, rename = "lastUpdated")]
    pub(super) last_updated: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) summary: Option<Str<'a>>,
    #[serde(borrow, default)]
    pub(super) messages: Vec<&'a RawValue>,
}

/// A line: the header, a message, or a change. Also a message of a document.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    // The header, and what changes of it.
    #[serde(borrow, rename = "sessionId")]
    pub(super) session_id: Option<Str<'a>>,
    #[serde(borrow, rename = "startTime")]
    pub(super) start_time: Option<Str<'a>>,
    #[serde(borrow, rename = "lastUpdated")]
    pub(super) last_updated: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) summary: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) messages: Option<&'a RawValue>,
    // Changes.
    #[serde(borrow, rename = "$set")]
    pub(super) set: Option<&'a RawValue>,
    #[serde(borrow, rename = "$rewindTo")]
    pub(super) rewind_to: Option<Str<'a>>,
    // A message.
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Str<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) thoughts: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tokens: Option<&'a RawValue>,
    #[serde(borrow, rename = "toolCalls")]
    pub(super) tool_calls: Option<&'a RawValue>,
}

/// A part of a message or of a result.
#[derive(Debug, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, rename = "inlineData")]
    pub(super) inline_data: Option<InlineData<'a>>,
    #[serde(borrow, rename = "functionResponse")]
    pub(super) function_response: Option<FunctionResponse<'a>>,
}

/// A picture.
#[derive(Debug, Deserialize)]
pub(super) struct InlineData<'a> {
    #[serde(borrow, rename = "mimeType")]
    pub(super) mime_type: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Str<'a>>,
}

/// What a tool answered.
#[derive(Debug, Deserialize)]
pub(super) struct FunctionResponse<'a> {
    #[serde(borrow)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) parts: Option<&'a RawValue>,
}

/// The answer itself.
#[derive(Debug, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// Reasoning.
#[derive(Debug, Deserialize)]
pub(super) struct Thought<'a> {
    #[serde(borrow)]
    pub(super) subject: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) description: Option<&'a RawValue>,
}

/// Tokens; input and cached are totals.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Tokens {
    pub(super) input: Option<Num>,
    pub(super) output: Option<Num>,
    pub(super) cached: Option<Num>,
    pub(super) thoughts: Option<Num>,
}

/// A call with its result.
#[derive(Debug, Deserialize)]
pub(super) struct Call<'a> {
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) args: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) status: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
}

/// What names the file or the skill in a call.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Arguments<'a> {
    #[serde(borrow)]
    pub(super) file_path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) absolute_path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
}
