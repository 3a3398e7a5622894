//! Messages, with the outputs of their calls.

use carry_kernel::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::number::{heard, heard_stamp, say, say_time};
use super::{PayloadError, UnsayableError};
use crate::archive::{StoredMessage, StoredResult};
use crate::model::{
    Block, CallRef, Category, Image, Message, NativeId, ProviderId, ResultEvent, ResultStatus, Role, ToolCall, Usage,
};

/// What a part of a message is called that this version cannot read.
const LATER_PART: &str = "a part that needs a later version";
/// The same of a whole message.
const LATER_MESSAGE: &str = "a message that needs a later version";
/// What such a message is.
const UNREADABLE: &str = "unreadable";

/// Blocks are written as they are, and read one by one: one that cannot be read takes no other with it.
#[derive(Serialize, Deserialize)]
#[serde(bound(serialize = "B: Serialize", deserialize = "B: Deserialize<'de>"))]
struct WireMessage<B> {
    ordinal: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    role: WireRole,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subtype: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    system: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    abandoned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    effort: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provider: Option<WireProvider>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    usage: Option<WireUsage>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    blocks: Vec<B>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    results: Vec<WireResult>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireRole {
    User,
    Assistant,
}

#[derive(Serialize, Deserialize)]
struct WireProvider {
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    request: String,
}

#[derive(Default, Serialize, Deserialize)]
pub(super) struct WireUsage {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reasoning: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_read: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cache_write_1h: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost_micros: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireBlock {
    Text(String),
    Thinking(String),
    Call(WireCall),
    Image(WireImage),
    Other(WireOther),
}

#[derive(Serialize, Deserialize)]
struct WireCall {
    #[serde(default)]
    index: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    id: String,
    name: String,
    category: String,
    input: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    skill: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subagent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    file: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireImage {
    media: String,
    bytes: u64,
    hash: String,
}

#[derive(Serialize, Deserialize)]
struct WireOther {
    kind: String,
    json: String,
}

#[derive(Serialize, Deserialize)]
struct WireResult {
    call: u32,
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    status: Option<WireStatus>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at_ms: Option<i64>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    content: String,
    content_bytes: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    images: Vec<WireImage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subagent: Option<String>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WireStatus {
    Running,
    Completed,
    Failed,
}

/// The JSON of a message with its outputs.
pub(in crate::stream::content) fn encode_message(stored: &StoredMessage) -> Result<String, UnsayableError> {
    let message = &stored.message;
    let wire = WireMessage {
        ordinal: message.ordinal,
        key: message.key.clone(),
        role: match message.role {
            Role::User => WireRole::User,
            Role::Assistant => WireRole::Assistant,
        },
        subtype: message.subtype.clone(),
        system: message.is_system,
        abandoned: message.is_abandoned,
        at_ms: say_time(message.at.map(Timestamp::as_millis), "a message's time")?,
        model: message.model.clone(),
        effort: message.effort.clone(),
        provider: message
            .provider_id
            .as_ref()
            .map(|id| WireProvider { message: id.message.clone(), request: id.request.clone() }),
        usage: message.usage.as_ref().map(WireUsage::of).transpose()?,
        blocks: message.blocks.iter().map(WireBlock::of).collect::<Result<_, _>>()?,
        results: stored.results.iter().map(WireResult::of).collect::<Result<_, _>>()?,
    };
    Ok(serde_json::to_string(&wire).expect("texts and numbers are always JSON"))
}

/// The message that `json` says.
pub(in crate::stream::content) fn decode_message(json: &str) -> Result<StoredMessage, PayloadError> {
    let wire: WireMessage<Box<RawValue>> = serde_json::from_str(json)?;
    let ordinal = wire.ordinal;
    let message = Message {
        ordinal,
        key: wire.key,
        role: match wire.role {
            WireRole::User => Role::User,
            WireRole::Assistant => Role::Assistant,
        },
        subtype: wire.subtype,
        is_system: wire.system,
        is_abandoned: wire.abandoned,
        at: heard_stamp(wire.at_ms, "at_ms")?,
        model: wire.model,
        effort: wire.effort,
        provider_id: wire.provider.map(|id| ProviderId { message: id.message, request: id.request }),
        usage: wire.usage.map(WireUsage::heard).transpose()?,
        blocks: wire.blocks.iter().map(|raw| block(raw.get())).collect(),
    };
    let mut results = Vec::with_capacity(wire.results.len());
    for result in wire.results {
        results.push(result.heard(ordinal)?);
    }
    // Events of one call are counted in the order in which they are said.
    results.sort_by_key(|result: &StoredResult| place(result));
    for events in results.chunk_by_mut(|one, next| place(one) == place(next)) {
        (0..).zip(events).for_each(|(event, result)| result.event = event);
    }
    Ok(StoredMessage { n: 0, message, results })
}

/// The block that `json` says. One that cannot be read is kept as it came, and shown as such.
fn block(json: &str) -> Block {
    let read = serde_json::from_str::<WireBlock>(json).map_err(PayloadError::from).and_then(WireBlock::heard);
    read.unwrap_or_else(|_| Block::Other { kind: LATER_PART.to_owned(), json: json.to_owned() })
}

/// Whether all parts of a message that was heard could be read.
pub(in crate::stream::content) fn is_whole(heard: &StoredMessage) -> bool {
    let is_later = |block: &Block| matches!(block, Block::Other { kind, .. } if kind == LATER_PART);
    !heard.message.blocks.iter().any(is_later)
}

/// What stands in the place of a message of which only the number can be read.
pub(in crate::stream::content) fn unreadable_message(json: &str) -> Result<StoredMessage, PayloadError> {
    let message = Message {
        ordinal: ordinal_of(json)?,
        key: None,
        role: Role::Assistant,
        subtype: Some(UNREADABLE.to_owned()),
        is_system: false,
        is_abandoned: false,
        at: None,
        model: None,
        effort: None,
        provider_id: None,
        usage: None,
        blocks: vec![Block::Other { kind: LATER_MESSAGE.to_owned(), json: json.to_owned() }],
    };
    Ok(StoredMessage { n: 0, message, results: Vec::new() })
}

/// Which message `json` says, without reading the rest.
pub(in crate::stream::content) fn ordinal_of(json: &str) -> Result<u32, PayloadError> {
    #[derive(Deserialize)]
    struct Head {
        ordinal: u32,
    }
    Ok(serde_json::from_str::<Head>(json)?.ordinal)
}

fn place(stored: &StoredResult) -> u32 {
    match stored.result.call {
        CallRef::At { index, .. } => index,
        CallRef::Id(_) => 0,
    }
}

impl WireUsage {
    pub(super) fn of(usage: &Usage) -> Result<Self, UnsayableError> {
        let count = |count| say(count, "a count of tokens");
        Ok(Self {
            input: count(usage.input)?,
            output: count(usage.output)?,
            reasoning: count(usage.reasoning)?,
            cache_read: count(usage.cache_read)?,
            cache_write: count(usage.cache_write)?,
            cache_write_1h: count(usage.cache_write_1h)?,
            cost_micros: say(usage.cost_micros, "a cost")?,
        })
    }

    pub(super) fn heard(self) -> Result<Usage, PayloadError> {
        let count = |count| heard(count, "usage");
        Ok(Usage {
            input: count(self.input)?,
            output: count(self.output)?,
            reasoning: count(self.reasoning)?,
            cache_read: count(self.cache_read)?,
            cache_write: count(self.cache_write)?,
            cache_write_1h: count(self.cache_write_1h)?,
            cost_micros: count(self.cost_micros)?,
        })
    }
}

impl WireBlock {
    fn of(block: &Block) -> Result<Self, UnsayableError> {
        Ok(match block {
            Block::Text(text) => Self::Text(text.clone()),
            Block::Thinking(text) => Self::Thinking(text.clone()),
            Block::Call(call) => Self::Call(WireCall {
                index: call.index,
                id: call.id.clone(),
                name: call.name.clone(),
                category: call.category.as_str().to_owned(),
                input: call.input.clone(),
                skill: call.skill.clone(),
                subagent: call.subagent.as_ref().map(|id| id.0.clone()),
                file: call.file.clone(),
            }),
            Block::Image(image) => Self::Image(WireImage::of(image)?),
            Block::Other { kind, json } => Self::Other(WireOther { kind: kind.clone(), json: json.clone() }),
        })
    }

    fn heard(self) -> Result<Block, PayloadError> {
        Ok(match self {
            Self::Text(text) => Block::Text(text),
            Self::Thinking(text) => Block::Thinking(text),
            Self::Call(call) => Block::Call(ToolCall {
                index: call.index,
                id: call.id,
                name: call.name,
                category: Category::named(&call.category).unwrap_or(Category::Other),
                input: call.input,
                skill: call.skill,
                subagent: call.subagent.map(NativeId),
                file: call.file,
            }),
            Self::Image(image) => Block::Image(image.heard()?),
            Self::Other(other) => Block::Other { kind: other.kind, json: other.json },
        })
    }
}

impl WireImage {
    fn of(image: &Image) -> Result<Self, UnsayableError> {
        let bytes = say(Some(image.bytes), "a picture's size")?.unwrap_or_default();
        Ok(Self { media: image.media.clone(), bytes, hash: image.hash.clone() })
    }

    fn heard(self) -> Result<Image, PayloadError> {
        let bytes = heard(Some(self.bytes), "image")?.unwrap_or_default();
        Ok(Image { media: self.media, bytes, hash: self.hash })
    }
}

impl WireResult {
    fn of(stored: &StoredResult) -> Result<Self, UnsayableError> {
        let result = &stored.result;
        Ok(Self {
            call: place(stored),
            source: result.source.clone(),
            status: match result.status {
                ResultStatus::Unknown => None,
                ResultStatus::Running => Some(WireStatus::Running),
                ResultStatus::Completed => Some(WireStatus::Completed),
                ResultStatus::Failed => Some(WireStatus::Failed),
            },
            at_ms: say_time(result.at.map(Timestamp::as_millis), "an output's time")?,
            content: result.content.clone(),
            content_bytes: say(Some(result.content_bytes), "an output's size")?.unwrap_or_default(),
            images: result.images.iter().map(WireImage::of).collect::<Result<_, _>>()?,
            subagent: result.subagent.as_ref().map(|id| id.0.clone()),
        })
    }

    fn heard(self, ordinal: u32) -> Result<StoredResult, PayloadError> {
        let result = ResultEvent {
            call: CallRef::At { ordinal, index: self.call },
            source: self.source,
            status: match self.status {
                None => ResultStatus::Unknown,
                Some(WireStatus::Running) => ResultStatus::Running,
                Some(WireStatus::Completed) => ResultStatus::Completed,
                Some(WireStatus::Failed) => ResultStatus::Failed,
            },
            at: heard_stamp(self.at_ms, "at_ms")?,
            content: self.content,
            images: self.images.into_iter().map(WireImage::heard).collect::<Result<_, _>>()?,
            content_bytes: heard(Some(self.content_bytes), "content_bytes")?.unwrap_or_default(),
            subagent: self.subagent.map(NativeId),
        };
        Ok(StoredResult { n: 0, event: 0, result })
    }
}
