//! The nouns: sessions, messages, blocks, tool calls, results, usage.

use std::fmt;

use carry_kernel::clock::Timestamp;

mod agent;
mod category;
mod id;

pub use agent::Agent;
pub use category::Category;
pub use id::{NativeId, SessionId};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The human, or what was put in their place.
    User,
    /// The agent.
    Assistant,
}

/// One entry of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Its place in the session, from 0, as the source counts; gaps are allowed.
    pub ordinal: u32,
    /// The agent's own id of it (a uuid), when it has one.
    pub key: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What the entry is when nobody typed or said it: `compact_boundary`, `interrupted`, `continuation`, …
    /// A message with a subtype and `is_system` is hidden in counts of what users wrote.
    pub subtype: Option<String>,
    /// Put there by the program, not by human or model.
    pub is_system: bool,
    /// Belongs to a branch that was given up by a rewind: kept, shown on request, not counted.
    pub is_abandoned: bool,
    /// When it was written.
    pub at: Option<Timestamp>,
    /// The model that answered.
    pub model: Option<String>,
    /// How much it was asked to think.
    pub effort: Option<String>,
    /// The provider's ids of the answer and its request: one answer's usage is counted once across all sessions.
    pub provider_id: Option<ProviderId>,
    /// What it cost.
    pub usage: Option<Usage>,
    /// What it says, in order.
    pub blocks: Vec<Block>,
}

/// A provider's names for one answer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId {
    /// The answer.
    pub message: String,
    /// The request, empty when unknown.
    pub request: String,
}

/// A part of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Text, usually Markdown.
    Text(String),
    /// Reasoning that the agent shows.
    Thinking(String),
    /// A call of a tool.
    Call(ToolCall),
    /// A picture; its bytes lie in the archive under the hash, up to a cap.
    Image(Image),
    /// Anything else, as JSON: kept, shown as its type.
    Other {
        /// The agent's name for it.
        kind: String,
        /// What it holds.
        json: String,
    },
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Its place among the calls of the message, from 0. A patch of several files is one call a file.
    pub index: u32,
    /// The agent's id of the call. Not unique, may be empty.
    pub id: String,
    /// The tool, as the agent names it.
    pub name: String,
    /// What kind of tool.
    pub category: Category,
    /// The input, as JSON text.
    pub input: String,
    /// The skill that was called.
    pub skill: Option<String>,
    /// The session that the call started.
    pub subagent: Option<NativeId>,
    /// The file it reads or writes.
    pub file: Option<String>,
}

/// One output of a call; a call may have several over time.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultEvent {
    /// The call.
    pub call: CallRef,
    /// Where the record came from: `tool_result`, `function_call_output`, `wait_output`, …
    pub source: String,
    /// How it ended, if the record says.
    pub status: ResultStatus,
    /// When.
    pub at: Option<Timestamp>,
    /// The text.
    pub content: String,
    /// Pictures in it.
    pub images: Vec<Image>,
    /// Length of the content in bytes, also when the content itself is not kept.
    pub content_bytes: u64,
    /// The session that produced it, if another.
    pub subagent: Option<NativeId>,
}

/// Which call a result belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallRef {
    /// The newest call of the session with this id.
    Id(String),
    /// The call at this place.
    At {
        /// The message.
        ordinal: u32,
        /// Its place there.
        index: u32,
    },
}

/// How a call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResultStatus {
    /// The record does not say.
    #[default]
    Unknown,
    /// Still running.
    Running,
    /// Well.
    Completed,
    /// Badly.
    Failed,
}

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Its media type.
    pub media: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// BLAKE3 of its bytes, in hex.
    pub hash: String,
}

/// Tokens. Absent is not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Usage {
    /// Input that was not cached.
    pub input: Option<u64>,
    /// Output, reasoning included.
    pub output: Option<u64>,
    /// Of the output, reasoning.
    pub reasoning: Option<u64>,
    /// Input read from the cache.
    pub cache_read: Option<u64>,
    /// Input written to the cache for five minutes (or for as long as the provider says).
    pub cache_write: Option<u64>,
    /// Input written to the cache for an hour.
    pub cache_write_1h: Option<u64>,
    /// What the agent itself says it cost, in micro-dollars.
    pub cost_micros: Option<u64>,
}

impl Usage {
    /// Input + cache read + cache written: how full the context was. `None` when none of them is known.
    pub fn context(&self) -> Option<u64> {
        let parts = [self.input, self.cache_read, self.cache_write, self.cache_write_1h];
        parts.iter().any(Option::is_some).then(|| parts.iter().flatten().fold(0, |a: u64, b| a.saturating_add(*b)))
    }
}

/// Usage that belongs to no message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageEvent {
    /// Where it came from: `session`, `shutdown`, `web_search`, …
    pub source: String,
    /// One of these per session and source.
    pub dedup: String,
    /// When.
    pub at: Option<Timestamp>,
    /// The model.
    pub model: Option<String>,
    /// How much.
    pub usage: Usage,
}

/// How a session belongs to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// How.
    pub kind: RelationKind,
    /// The other.
    pub parent: NativeId,
    /// The id of the call that started it, when known.
    pub call: Option<String>,
}

/// How a session belongs to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RelationKind {
    /// A call of the parent started it.
    Subagent,
    /// It goes on from the middle of the parent.
    Fork,
    /// It goes on where the parent stopped.
    Continuation,
}

/// How a session stands at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Termination {
    /// The last line is still being written, or was cut.
    Truncated,
    /// The last call has no result.
    ToolCallPending,
    /// The agent ended its turn.
    AwaitingUser,
    /// None of these.
    Clean,
}

/// What a source knows about a session besides its messages. A field that is `None` says nothing; the archive keeps what it
/// had. Which of several values counts (first or last) is the source's decision: it sends only what counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The working directory.
    pub cwd: Option<String>,
    /// The branch.
    pub branch: Option<String>,
    /// The agent's name for it.
    pub name: Option<String>,
    /// A name for the project where there is no directory.
    pub project: Option<String>,
    /// The remote the agent recorded.
    pub remote: Option<String>,
    /// The commit the agent recorded at the start.
    pub start_commit: Option<String>,
    /// How it was started: `cli`, `sdk-…`, `codex_exec`, …
    pub entrypoint: Option<String>,
    /// `bg`, `non-interactive`, …
    pub kind: Option<String>,
    /// A free label of the agent (an agent's role, a mode).
    pub label: Option<String>,
    /// The agent's version.
    pub version: Option<String>,
    /// The agent's own id, where it differs from the native id (the id to resume with).
    pub resume: Option<String>,
    /// How it stands.
    pub termination: Option<Termination>,
    /// Whether a program, not a human, ran it.
    pub is_automated: Option<bool>,
    /// A time to count besides those of the messages (start, end).
    pub times: Vec<Timestamp>,
    /// How fresh the source's copy is; sources with many sessions compare it to skip unchanged ones.
    pub token: Option<String>,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        })
    }
}
