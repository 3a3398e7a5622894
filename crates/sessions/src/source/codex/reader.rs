//! From lines to messages.

use std::borrow::Cow;
use std::path::Path;

use carry_kernel::clock::Timestamp;
use serde_json::value::RawValue;

use super::held::Held;
use super::replay::Turns;
use super::state::{State, Turn, Waiting};
use super::wire::{Git, Line, Origin, Record};
use super::{ENCRYPTED, index};
use crate::model::{Block, Facts, NativeId, Relation, RelationKind, Termination};
use crate::source::json::{self, Taken, clean, count, kept, string_or_json, text};
use crate::source::{Op, ReadError, Sink, SinkError};

mod calls;
mod messages;
mod steps;

/// The longest summary of a compaction that is kept as a block.
const SUMMARY_BYTES_MAX: usize = 32 * 1024;

/// User texts that nobody typed, by how they begin, and what to keep them as.
const INJECTED: [(&str, Option<&str>); 10] = [
    ("# AGENTS.md", None),
    ("<environment_context>", None),
    ("<user_instructions>", None),
    ("<INSTRUCTIONS>", None),
    ("<recommended_plugins>", None),
    ("<subagent_notification>", Some("subagent_notification")),
    ("<turn_aborted>", Some("turn_aborted")),
    ("<skill>", Some("skill")),
    ("<goal_context", Some("goal")),
    ("<codex_internal_context", Some("goal")),
];

/// Reads the lines of one file.
pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) state: State,
    pub(super) held: Held,
    turns: Turns,
    was_odd: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, state: State) -> Self {
        Self { path, state, held: Held::default(), turns: Turns::default(), was_odd: false }
    }

    /// Opens the session in `sink`, as far as it is known.
    pub(super) fn open(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let Some(native) = self.state.native.clone() else { return Ok(()) };
        let relation = self.state.parent.clone().map(|(parent, is_fork)| Relation {
            kind: if is_fork { RelationKind::Fork } else { RelationKind::Subagent },
            parent: NativeId(parent),
            call: None,
        });
        sink.op(Op::Session { agent: None, native: NativeId(native), relation })
    }

    /// Takes a line.
    pub(super) fn line(&mut self, line: &str, sink: &mut dyn Sink) -> Result<Taken, ReadError> {
        self.was_odd = false;
        let Ok(envelope) = serde_json::from_str::<Line<'_>>(line) else { return Ok(Taken::Unknown) };
        let taken = match envelope.payload {
            Some(payload) => {
                let at = json::time(text(&envelope.timestamp));
                match text(&envelope.kind) {
                    "session_meta" => self.head(&payload, at, sink)?,
                    "turn_context" => self.context(&payload, at, sink)?,
                    "response_item" => self.item(&payload, at, sink)?,
                    "event_msg" => self.event(&payload, at, sink)?,
                    "compacted" => self.compacted(&payload, at, sink)?,
                    _ => false,
                }
            }
            // Before there were envelopes: the head has no type, and items stand bare.
            None => {
                let Ok(record) = serde_json::from_str::<Record<'_>>(line) else { return Ok(Taken::Unknown) };
                let at = json::time(text(&record.timestamp));
                match text(&record.kind) {
                    "" if record.id.is_some() && record.timestamp.is_some() => self.head(&record, at, sink)?,
                    "" => line.contains("\"record_type\""),
                    _ => self.item(&record, at, sink)?,
                }
            }
        };
        Ok(match taken {
            false => Taken::Unknown,
            true if self.was_odd => Taken::Stripped,
            true => Taken::Known,
        })
    }

    /// Says how the session stands.
    pub(super) fn end(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.held.flush(sink)?;
        let state = &self.state;
        let Some(native) = &state.native else { return Ok(()) };
        let termination = match state.turn {
            Turn::Ended => Termination::AwaitingUser,
            Turn::Open => Termination::ToolCallPending,
            Turn::Unknown if state.open_call.is_some() => Termination::ToolCallPending,
            Turn::Unknown if state.is_answered => Termination::AwaitingUser,
            Turn::Unknown => Termination::Clean,
        };
        let times = state.times.map_or_else(Vec::new, |(least, greatest)| vec![least, greatest]);
        let facts = Facts {
            name: index::names(self.path).get(native).cloned(),
            termination: Some(termination),
            times: times.into_iter().map(Timestamp::from_millis).collect(),
            ..Facts::default()
        };
        sink.op(Op::Facts(Box::new(facts)))
    }

    /// The head of the session, or of the one whose history is replayed.
    fn head(&mut self, head: &Record<'_>, at: Option<Timestamp>, sink: &mut dyn Sink) -> Result<bool, SinkError> {
        self.state.saw(at);
        let id = kept(&head.id).filter(|id| !id.contains('~') && id.len() <= 256);
        if self.state.has_head {
            if let (Some(id), false) = (id, self.state.is_own)
                && self.state.native.as_ref() != Some(&id)
            {
                self.state.is_replay = true;
                if self.state.parent.is_none() {
                    self.state.parent = Some((id.clone(), true));
                    self.open(sink)?;
                }
                self.state.fork.get_or_insert(id);
            }
            return Ok(true);
        }
        self.state.has_head = true;
        if self.state.native.is_none() {
            self.state.native = id.or_else(|| index::id_in_name(self.path).map(str::to_owned));
        }
        let began = json::time(text(&head.timestamp));
        self.state.saw(began);
        self.state.began = began.or(at).map(Timestamp::as_millis);
        self.state.fork = kept(&head.forked_from_id);
        let source = head.source.map(RawValue::get).unwrap_or_default();
        let spawn = serde_json::from_str::<Origin<'_>>(source).ok().and_then(|origin| origin.subagent?.thread_spawn);
        let spawner = spawn.as_ref().and_then(|spawn| kept(&spawn.parent_thread_id));
        let spawner = spawner.or_else(|| kept(&head.parent_thread_id));
        let fork = self.state.fork.clone();
        self.state.parent = spawner.map(|parent| (parent, false)).or(fork.map(|parent| (parent, true)));
        self.open(sink)?;

        let git = head.git.and_then(|git| serde_json::from_str::<Git<'_>>(git.get()).ok()).unwrap_or_default();
        let role = spawn.as_ref().and_then(|spawn| kept(&spawn.agent_role).or_else(|| kept(&spawn.agent_nickname)));
        let is_exec = text(&head.originator) == "codex_exec" || source == "\"exec\"";
        let facts = Facts {
            cwd: kept(&head.cwd),
            branch: kept(&git.branch),
            remote: kept(&git.repository_url),
            start_commit: kept(&git.commit_hash),
            entrypoint: kept(&head.originator),
            kind: is_exec.then(|| "non-interactive".to_owned()),
            label: role.or_else(|| kept(&head.agent_role)).or_else(|| kept(&head.agent_nickname)),
            version: kept(&head.cli_version),
            ..Facts::default()
        };
        self.state.has_cwd = facts.cwd.is_some();
        sink.op(Op::Facts(Box::new(facts)))?;
        Ok(true)
    }

    /// Opens the session under the id in the file's name when nothing named it.
    fn ensure(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if self.state.native.is_some() {
            return Ok(());
        }
        self.state.native = Some(index::id_in_name(self.path).unwrap_or("unnamed").replace('~', "-"));
        self.open(sink)
    }

    /// A turn begins or goes on: history that belongs to another session ends with the first own turn.
    fn turn(&mut self, id: &str) {
        self.state.has_turns = true;
        if self.state.is_own {
            return;
        }
        let parent = self.state.fork.as_deref();
        let is_replay = parent
            .filter(|_| !id.is_empty())
            .and_then(|parent| self.turns.is_of_parent(id, self.state.began, parent, self.path));
        self.state.is_replay = is_replay == Some(true);
        self.state.is_own = !self.state.is_replay;
    }

    fn context(&mut self, context: &Record<'_>, at: Option<Timestamp>, sink: &mut dyn Sink) -> Result<bool, SinkError> {
        self.state.saw(at);
        self.turn(text(&context.turn_id));
        if !self.state.is_replay {
            self.state.model = kept(&context.model).or(self.state.model.take());
            self.state.effort = kept(&context.effort).or(self.state.effort.take());
            if !self.state.has_cwd
                && self.state.native.is_some()
                && let Some(cwd) = kept(&context.cwd)
            {
                self.state.has_cwd = true;
                self.held.later(Op::Facts(Box::new(Facts { cwd: Some(cwd), ..Facts::default() })), sink)?;
            }
        }
        Ok(true)
    }

    fn item(&mut self, item: &Record<'_>, at: Option<Timestamp>, sink: &mut dyn Sink) -> Result<bool, SinkError> {
        self.state.saw(at);
        let kind = text(&item.kind);
        if self.state.is_replay {
            // A writer that names no turns replays nothing that could be told from its own: keep it.
            let is_own = kind == "message" && text(&item.role) == "user" && !self.state.has_turns;
            if !is_own
                || self
                    .texts(item.content, sink)?
                    .iter()
                    .all(|block| matches!(block, Block::Text(text) if injected(text).is_some()))
            {
                return Ok(true);
            }
            self.state.is_replay = false;
            self.state.is_own = true;
        }
        self.ensure(sink)?;
        match kind {
            "message" => match text(&item.role) {
                "user" => self.prompt(item, at, sink)?,
                "assistant" => self.answer(item, at, sink)?,
                _ => {}
            },
            "reasoning" => self.reasoning(item, sink)?,
            "agent_message" => {
                let json = item.content.map_or_else(String::new, |content| content.get().to_owned());
                self.wait_for_message(Waiting::Other("agent_message".to_owned(), json), sink)?;
            }
            "function_call" | "custom_tool_call" | "local_shell_call" | "web_search_call" => {
                self.call(item, kind, at, sink)?
            }
            _ if kind.ends_with("_call_output") || kind == "tool_search_output" => self.output(item, kind, at, sink)?,
            _ if kind.ends_with("_call") => self.call(item, kind, at, sink)?,
            "compaction" | "compaction_summary" | "ghost_snapshot" => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn event(&mut self, event: &Record<'_>, at: Option<Timestamp>, sink: &mut dyn Sink) -> Result<bool, SinkError> {
        self.state.saw(at);
        let kind = text(&event.kind);
        if matches!(kind, "task_started" | "turn_started") {
            self.turn(text(&event.turn_id));
        }
        if self.state.is_replay {
            return Ok(true);
        }
        match kind {
            "task_started" | "turn_started" => self.state.turn = Turn::Open,
            "task_complete" | "turn_complete" => {
                self.settle_thinking(sink)?;
                self.state.turn = Turn::Ended;
            }
            "turn_aborted" => {
                self.settle_thinking(sink)?;
                self.state.turn = Turn::Open;
                self.state.was_aborted = true;
            }
            "token_count" => self.tokens(event, at, sink)?,
            "collab_agent_spawn_end" => {
                if let (Some(id), Some(agent)) = (kept(&event.call_id), kept(&event.new_thread_id)) {
                    self.spawned(&id, &agent, sink)?;
                }
            }
            "thread_rolled_back" => self.rolled_back(count(event.num_turns), sink)?,
            "thread_name_updated" => {
                if let (Some(name), true) = (kept(&event.thread_name), self.state.native.is_some()) {
                    self.held.later(Op::Facts(Box::new(Facts { name: Some(name), ..Facts::default() })), sink)?;
                }
            }
            "user_message"
            | "agent_message"
            | "agent_reasoning"
            | "agent_reasoning_raw_content"
            | "agent_reasoning_section_break"
            | "context_compacted"
            | "sub_agent_activity"
            | "error"
            | "warning"
            | "stream_error"
            | "background_event"
            | "turn_diff"
            | "plan_update"
            | "entered_review_mode"
            | "exited_review_mode"
            | "item_started"
            | "item_completed"
            | "thread_settings_applied"
            | "shutdown_complete"
            | "view_image_tool_call" => {}
            _ if [
                "exec_",
                "mcp_",
                "patch_apply_",
                "web_search_",
                "collab_",
                "image_generation_",
                "hook_",
                "thread_goal",
            ]
            .iter()
            .any(|known| kind.starts_with(known)) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn compacted(
        &mut self,
        record: &Record<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<bool, SinkError> {
        self.state.saw(at);
        if self.state.is_replay {
            return Ok(true);
        }
        let summary = clean(record.message.map_or(Cow::Borrowed(""), string_or_json), &mut self.was_odd);
        let summary = json::cut(&summary, SUMMARY_BYTES_MAX);
        if !summary.starts_with(ENCRYPTED) {
            self.ensure(sink)?;
            let json = serde_json::json!({ "message": summary }).to_string();
            self.wait_for_message(Waiting::Other("compacted".to_owned(), json), sink)?;
        }
        Ok(true)
    }
}

/// What a text that nobody typed is kept as (if at all); `None` for one that somebody typed.
fn injected(text: &str) -> Option<Option<&'static str>> {
    let text = text.trim_start();
    INJECTED.iter().find(|(prefix, _)| text.starts_with(prefix)).map(|(_, kind)| *kind)
}
