//! What Codex writes, as far as we read it.
//!
//! One flat shape holds the fields of every record, so that a line is parsed in one pass; what differs in type between
//! records stays raw until it is needed. `encrypted_content` is never among them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::source::json::{Num, Str};

/// A line: an envelope, or (before there were envelopes) the bare record.
#[derive(Debug, Deserialize)]
pub(super) struct Line<'a> {
    #[serde(borrow)]
    pub(super) timestamp: Option<Str<'a>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) payload: Option<Record<'a>>,
}

/// A record, whatever its type.
#[derive(Debug, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) timestamp: Option<Str<'a>>,
    // Messages.
    #[serde(borrow)]
    pub(super) role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) summary: Option<&'a RawValue>,
    // Calls and outputs.
    #[serde(borrow)]
    pub(super) name: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) call_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) action: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) output: Option<&'a RawValue>,
    // The head of a session.
    #[serde(borrow)]
    pub(super) cwd: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) originator: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) cli_version: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) source: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) git: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) forked_from_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) parent_thread_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) agent_role: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) agent_nickname: Option<Str<'a>>,
    // Turns and events.
    #[serde(borrow)]
    pub(super) turn_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) model: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) effort: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) info: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) new_thread_id: Option<Str<'a>>,
    pub(super) num_turns: Option<Num>,
    #[serde(borrow)]
    pub(super) thread_name: Option<Str<'a>>,
}

/// The repository in the head of a session.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Git<'a> {
    #[serde(borrow)]
    pub(super) commit_hash: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) branch: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) repository_url: Option<Str<'a>>,
}

/// Where a session came from, when that is no plain word.
#[derive(Debug, Deserialize)]
pub(super) struct Origin<'a> {
    #[serde(borrow)]
    pub(super) subagent: Option<Subagent<'a>>,
}

/// A session that another started.
#[derive(Debug, Deserialize)]
pub(super) struct Subagent<'a> {
    #[serde(borrow)]
    pub(super) thread_spawn: Option<Spawn<'a>>,
}

/// How it was started.
#[derive(Debug, Deserialize)]
pub(super) struct Spawn<'a> {
    #[serde(borrow)]
    pub(super) parent_thread_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) agent_nickname: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) agent_role: Option<Str<'a>>,
}

/// A part of a message or of an output.
#[derive(Debug, Deserialize)]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) image_url: Option<&'a RawValue>,
}

/// Tokens so far, and of the last step.
#[derive(Debug, Deserialize)]
pub(super) struct Info {
    pub(super) total_token_usage: Option<Tokens>,
    pub(super) last_token_usage: Option<Tokens>,
}

/// Tokens.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Tokens {
    pub(super) input_tokens: Option<Num>,
    pub(super) cached_input_tokens: Option<Num>,
    pub(super) output_tokens: Option<Num>,
    pub(super) reasoning_output_tokens: Option<Num>,
}

/// An output in JSON.
#[derive(Debug, Deserialize)]
pub(super) struct Output<'a> {
    // A command's.
    pub(super) metadata: Option<Metadata>,
    // An older writer's form of every output.
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    pub(super) success: Option<bool>,
    // That of `spawn_agent`.
    #[serde(borrow)]
    pub(super) agent_id: Option<Str<'a>>,
    // That of `wait_agent`: how each agent stands.
    #[serde(borrow)]
    pub(super) status: Option<&'a RawValue>,
}

/// How a command ended.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) exit_code: Option<i64>,
}

/// How another agent stands, as it is told to the one that started it.
#[derive(Debug, Deserialize)]
pub(super) struct Notice<'a> {
    #[serde(borrow)]
    pub(super) agent_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) agent_path: Option<Str<'a>>,
    #[serde(borrow)]
    pub(super) status: Option<&'a RawValue>,
}
