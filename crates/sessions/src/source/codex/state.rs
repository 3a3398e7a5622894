//! What is kept between two readings of a session that grows. Bounded: lists forget their oldest entries.

use std::collections::VecDeque;

use carry_kernel::clock::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Block, Category, Message, NativeId, Role, ToolCall, Usage};

/// Bytes of blocks that wait for their message.
pub(super) const WAITING_BYTES_MAX: usize = 64 * 1024;
/// Bytes of one call that waits for the agent it starts.
const SPAWN_BYTES_MAX: usize = 16 * 1024;
/// Calls that wait for the agent that they start.
const SPAWNS_MAX: usize = 8;
/// Pairs of ids that are remembered, per list.
const PAIRS_MAX: usize = 64;
/// Prompts whose places are remembered, for rewinds.
const PROMPTS_MAX: usize = 256;

/// Where reading stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    /// The session.
    pub(super) native: Option<String>,
    /// The session it belongs to, and whether as its fork (else as its subagent).
    pub(super) parent: Option<(String, bool)>,
    /// Whether the head of the session was read.
    pub(super) has_head: bool,
    pub(super) has_cwd: bool,
    /// The session whose history stands at the beginning of this one.
    pub(super) fork: Option<String>,
    /// When this one began, in milliseconds.
    pub(super) began: Option<i64>,
    /// Whether what is read belongs to the other session.
    pub(super) is_replay: bool,
    /// Whether a turn of its own began: nothing after it belongs to the other.
    pub(super) is_own: bool,
    pub(super) has_turns: bool,
    /// The next message's place.
    pub(super) next: u32,
    pub(super) model: Option<String>,
    pub(super) effort: Option<String>,
    /// The agent's last message since the last prompt, and whether its usage is known.
    pub(super) answer: Option<(u32, bool)>,
    pub(super) is_answered: bool,
    /// Totals and last step of the last count of tokens.
    pub(super) counted: Option<([u64; 4], [u64; 4])>,
    pub(super) turn: Turn,
    /// The last call, while it has no output.
    pub(super) open_call: Option<String>,
    /// Blocks that wait for the message they belong to.
    pub(super) waiting: Vec<Waiting>,
    pub(super) spawns: VecDeque<Spawn>,
    /// Agents and the calls that started them.
    pub(super) agents: Pairs,
    /// Processes that run on, and the calls that started them.
    pub(super) processes: Pairs,
    /// Calls that talk to a process, and the calls that started it.
    pub(super) talks: Pairs,
    /// Places of prompts.
    pub(super) prompts: VecDeque<u32>,
    /// A hash of the first prompt.
    pub(super) first: Option<u64>,
    pub(super) was_aborted: bool,
    /// Least and greatest time, in milliseconds.
    pub(super) times: Option<(i64, i64)>,
}

/// How the last turn stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Turn {
    /// Nothing says.
    #[default]
    Unknown,
    /// It began, or was aborted.
    Open,
    /// It came to its end.
    Ended,
}

/// A block that waits for its message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Waiting {
    /// Reasoning.
    Thinking(String),
    /// Anything else.
    Other(String, String),
}

/// A call that starts an agent, as long as it does not say which.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Spawn {
    pub(super) ordinal: u32,
    pub(super) at: Option<i64>,
    pub(super) model: Option<String>,
    pub(super) effort: Option<String>,
    pub(super) before: Vec<Waiting>,
    pub(super) after: Vec<Waiting>,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: String,
    pub(super) usage: Option<[u64; 4]>,
}

/// Pairs of ids; the newest are remembered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pairs(VecDeque<(String, String)>);

impl Pairs {
    /// Remembers that `from` leads to `to`. Ids too long to be ids are not remembered.
    pub(super) fn insert(&mut self, from: &str, to: &str) {
        if from.is_empty() || to.is_empty() || from.len().max(to.len()) > 256 {
            return;
        }
        self.0.retain(|(known, _)| known != from);
        if self.0.len() == PAIRS_MAX {
            self.0.pop_front();
        }
        self.0.push_back((from.to_owned(), to.to_owned()));
    }

    /// Where `from` leads.
    pub(super) fn get(&self, from: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == from).map(|(_, to)| to.as_str())
    }
}

impl Waiting {
    /// Its size in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Thinking(text) => text.len(),
            Self::Other(kind, json) => kind.len() + json.len(),
        }
    }

    /// As a block.
    pub(super) fn block(self) -> Block {
        match self {
            Self::Thinking(text) => Block::Thinking(text),
            Self::Other(kind, json) => Block::Other { kind, json },
        }
    }
}

impl Spawn {
    /// As a message that names the agent.
    pub(super) fn message(&self, agent: &str) -> Message {
        let call = ToolCall {
            index: 0,
            id: self.id.clone(),
            name: self.name.clone(),
            category: Category::of(&self.name),
            input: self.input.clone(),
            skill: None,
            subagent: Some(NativeId(agent.to_owned())),
            file: None,
        };
        let before = self.before.iter().cloned().map(Waiting::block);
        let after = self.after.iter().cloned().map(Waiting::block);
        Message {
            ordinal: self.ordinal,
            key: None,
            role: Role::Assistant,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at: self.at.map(Timestamp::from_millis),
            model: self.model.clone(),
            effort: self.effort.clone(),
            provider_id: None,
            usage: self.usage.map(usage),
            blocks: before.chain([Block::Call(call)]).chain(after).collect(),
        }
    }
}

/// Input, cached input, output and reasoning of a step as usage.
pub(super) fn usage([input, cached, output, reasoning]: [u64; 4]) -> Usage {
    Usage {
        input: Some(input.saturating_sub(cached)),
        output: Some(output),
        reasoning: Some(reasoning),
        cache_read: Some(cached),
        ..Usage::default()
    }
}

impl State {
    /// Counts a time.
    pub(super) fn saw(&mut self, at: Option<Timestamp>) {
        if let Some(ms) = at.map(Timestamp::as_millis) {
            let (least, greatest) = self.times.unwrap_or((ms, ms));
            self.times = Some((least.min(ms), greatest.max(ms)));
        }
    }

    /// Remembers a prompt's place.
    pub(super) fn prompted(&mut self, ordinal: u32) {
        if self.prompts.len() == PROMPTS_MAX {
            self.prompts.pop_front();
        }
        self.prompts.push_back(ordinal);
    }

    /// Remembers a call that starts an agent.
    pub(super) fn spawning(&mut self, spawn: Spawn) {
        let before: usize = spawn.before.iter().map(Waiting::bytes).sum();
        if spawn.input.len() + before + spawn.id.len() + spawn.name.len() > SPAWN_BYTES_MAX {
            return;
        }
        if self.spawns.len() == SPAWNS_MAX {
            self.spawns.pop_front();
        }
        self.spawns.push_back(spawn);
    }
}
