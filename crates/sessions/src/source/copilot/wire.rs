//! What Copilot CLI writes, as far as we read it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::json::{Num, Str};

/// A line.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) data: Option<Data<'a>>,
}

/// What an event holds, whatever its type.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Data<'a> {
    // The start of a session.
    #[serde(borrow)]
    pub(super) session_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) copilot_version: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) start_time: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) context: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) selected_model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) new_model: Option<Str<'a>>,
    // Messages.
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) source: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_requests: Option<&'a RawValue>,
    pub(super) output_tokens: Option<Num>,
    #[serde(borrow)]
    pub(super) model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) summary_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    // Tools.
    #[serde(borrow)]
    pub(super) tool_call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) tool_name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    pub(super) success: Option<bool>,
    #[serde(borrow)]
    pub(super) result: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    // The end of a session.
    #[serde(borrow)]
    pub(super) model_metrics: Option<&'a RawValue>,
    #[serde(rename = "totalNanoAiu")]
    pub(super) total_nano_aiu: Option<Num>,
}

/// Where a session runs.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Context<'a> {
    #[serde(borrow)]
    pub(super) cwd: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) branch: Option<Str<'a>>,
}

/// A call that the model asks for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(borrow)]
    pub(super) tool_call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// What a tool answered, or why it did not.
#[derive(Debug, Deserialize)]
pub(super) struct Answer<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
}

/// What names the file or the skill in a call.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Arguments<'a> {
    #[serde(borrow)]
    pub(super) path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) file_path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) skill: Option<Str<'a>>,
}

/// Usage by model.
pub(super) type Metrics<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// A model's usage.
#[derive(Debug, Deserialize)]
pub(super) struct Metric {
    pub(super) usage: Option<Tokens>,
    #[serde(rename = "totalNanoAiu")]
    pub(super) total_nano_aiu: Option<Num>,
}

/// Tokens; the input holds what was read from the cache.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    pub(super) input_tokens: Option<Num>,
    pub(super) output_tokens: Option<Num>,
    pub(super) cache_read_tokens: Option<Num>,
    pub(super) cache_write_tokens: Option<Num>,
}
