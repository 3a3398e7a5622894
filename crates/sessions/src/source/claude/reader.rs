//! From lines to ops.

use std::collections::HashSet;
use std::path::Path;

use carry_kernel::clock::Timestamp;

use super::graph::{Graph, Step};
use super::state::{Answer, State, Stop, Thread, Unclosed, short};
use super::{blocks, sidecar, text, wire};
use crate::model::{Block, Facts, Message, NativeId, ProviderId, Relation, RelationKind, Role, Termination};
use crate::source::{Mode, Odd, Op, ReadEnd, ReadError, Sink, lines};

mod answer;
mod meta;
mod user;

/// How far behind the first piece of an answer further pieces are put together with it; later ones are said as additions.
const ANSWER_BYTES_MAX: u64 = 1024 * 1024;
/// Messages that are held back until it is clear that the file is a session.
const HELD_MAX: usize = 64;

/// An answer whose pieces are being put together.
#[derive(Debug)]
struct Open {
    at: u64,
    message: Box<Message>,
    /// Whether it holds what was not said yet.
    is_changed: bool,
}

/// A reading of one file.
pub(super) struct Reader<'p> {
    path: &'p Path,
    stem: String,
    is_agent: bool,
    is_whole: bool,
    graph: Graph,
    threads: Vec<Thread>,
    /// The thread of the last entry. When going on from a checkpoint there is only one.
    thread: usize,
    /// The thread that the sink's ops go to.
    said: Option<usize>,
    is_main_said: bool,
    open: Option<Open>,
    is_open: bool,
    relation: Option<Relation>,
    held: Vec<Message>,
    facts: Facts,
    /// Pull requests that came before it was clear that the file is a session.
    pull_requests: Vec<(String, Option<u32>)>,
    /// Entries of the session that this one copies; `None` after its own first entry.
    replayed: Option<HashSet<u128>>,
    is_started: bool,
    name_rank: u8,
    tip: u128,
    last: Option<u32>,
    span: Option<(Timestamp, Timestamp)>,
    is_unfinished: bool,
}

impl<'p> Reader<'p> {
    /// Reads the file at `path`.
    pub(super) fn read(path: &'p Path, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        let mut reader = match mode {
            Mode::Whole => Self::new(path, None),
            Mode::From(checkpoint) => {
                let state = serde_json::from_slice::<State>(&checkpoint.state).ok().filter(|state| state.is_open);
                let Some(state) = state else { return Err(needs_whole(path)) };
                let unclosed = state.unclosed;
                let mut reader = Self::new(path, Some(state));
                if let Some(unclosed) = unclosed {
                    reader.rebuild(unclosed, checkpoint.offset)?;
                }
                reader
            }
        };
        if reader.is_whole && reader.is_agent {
            reader.describe();
        }
        let mut checkpoint = lines::read(path, mode, sink, &mut |at, line, sink| reader.line(at, line, sink))?;
        reader.finish(sink)?;
        checkpoint.state = serde_json::to_vec(&reader.state()).unwrap_or_default();
        let skipped = (!reader.is_open).then_some(if reader.held.is_empty() { "no messages" } else { "no content" });
        Ok(ReadEnd { checkpoint, is_unfinished: reader.is_unfinished, skipped })
    }

    fn new(path: &'p Path, state: Option<State>) -> Self {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().replace('~', "-")).unwrap_or_default();
        let is_whole = state.is_none();
        let state = state.unwrap_or_default();
        let graph = match is_whole {
            true => Graph::whole(),
            false => Graph::resumed(state.recent.into(), state.is_linear, state.has_forks),
        };
        Self {
            path,
            is_agent: stem.starts_with("agent-"),
            stem,
            is_whole,
            graph,
            threads: vec![state.thread],
            thread: 0,
            said: None,
            is_main_said: false,
            open: None,
            is_open: state.is_open,
            relation: None,
            held: Vec::new(),
            facts: Facts::default(),
            pull_requests: Vec::new(),
            replayed: None,
            is_started: !is_whole,
            name_rank: state.name_rank,
            tip: state.tip,
            last: state.last,
            span: None,
            is_unfinished: false,
        }
    }

    /// What the files beside a subagent's say of it.
    fn describe(&mut self) {
        let meta = sidecar::meta(self.path);
        if let Some(label) = meta.agent_type.filter(|label| !label.is_empty()) {
            self.threads[0].seen |= meta::LABEL;
            self.facts.label = Some(label);
        }
        if let Some(name) = meta.description.filter(|name| !name.is_empty()) {
            self.name_rank = meta::DESCRIPTION;
            self.facts.name = Some(name);
        }
    }

    /// A subagent belongs to the session whose folder it lies in, when its lines do not say.
    fn relate_by_folder(&mut self) {
        let parent = sidecar::own_folder(self.path).and_then(|folder| Some(folder.file_name()?.to_owned()));
        let parent = parent.map(|parent| parent.to_string_lossy().replace('~', "-"));
        let parent = parent.filter(|parent| *parent != self.stem).map(NativeId);
        self.relation = parent.map(|parent| Relation { kind: RelationKind::Subagent, parent, call: None });
    }

    fn state(&self) -> State {
        let unclosed = self.open.as_ref().map(|open| Unclosed { at: open.at, ordinal: open.message.ordinal });
        State {
            is_open: self.is_open,
            thread: self.threads[self.thread].clone(),
            has_forks: self.graph.has_forks,
            is_linear: self.graph.is_linear,
            recent: self.graph.recent.iter().copied().collect(),
            tip: self.tip,
            name_rank: self.name_rank,
            last: self.last,
            unclosed,
        }
    }

    /// Takes a line; whether an unfinished one is taken in.
    fn line(&mut self, at: u64, line: lines::Line<'_>, sink: &mut dyn Sink) -> Result<bool, ReadError> {
        let (bytes, is_finished) = match line {
            lines::Line::Whole(bytes) => (bytes, true),
            lines::Line::Unfinished(bytes) => (bytes, false),
            lines::Line::TooLong(_) => return self.odd(Odd::TooLong, at, sink).map(|()| true),
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            self.is_unfinished |= !is_finished && bytes.is_empty();
            return Ok(is_finished);
        }
        self.close_far(at, sink)?;
        // A struct would be read from an array, too.
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        if is_object && let Ok(line) = serde_json::from_slice(bytes) {
            self.entry(at, line, bytes, sink)?;
            return Ok(true);
        }
        if is_object && std::str::from_utf8(bytes).is_err() {
            let lossy = String::from_utf8_lossy(bytes);
            if let Ok(line) = serde_json::from_str(&lossy) {
                self.odd(Odd::NotUtf8, at, sink)?;
                self.entry(at, line, lossy.as_bytes(), sink)?;
                return Ok(true);
            }
        }
        if !is_finished {
            self.is_unfinished = true;
            return Ok(false);
        }
        let is_json = is_object && serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok();
        self.odd(if is_json { Odd::Unknown } else { Odd::Malformed }, at, sink)?;
        Ok(true)
    }

    fn entry(&mut self, at: u64, line: wire::Line<'_>, bytes: &[u8], sink: &mut dyn Sink) -> Result<(), ReadError> {
        if self.is_replay(&line)? {
            return Ok(());
        }
        self.context(&line, sink)?;
        let node = wire::uuid(&line.uuid);
        match &*line.kind {
            "user" => self.user(at, line, bytes, sink)?,
            "assistant" => self.assistant(at, line, bytes, sink)?,
            kind => {
                let parent = line.logical_parent_uuid.some().unwrap_or(&line.parent_uuid);
                self.graph.note(node, wire::uuid(parent));
                match kind {
                    "attachment" => self.attachment(at, line, bytes, sink)?,
                    "progress" | "queue-operation" => self.link(&line),
                    _ => self.meta(at, &line, sink)?,
                }
            }
        }
        if node != 0 {
            self.tip = node;
        }
        Ok(())
    }

    /// Whether the line repeats the session that this one was copied from.
    fn is_replay(&mut self, line: &wire::Line<'_>) -> Result<bool, ReadError> {
        let is_entry = sidecar::is_entry(&line.kind) && line.uuid.some().is_some();
        if !self.is_started && is_entry {
            self.is_started = true;
            if &*line.session_kind == "bg"
                && let Some((name, entries)) = sidecar::original(self.path, &line.uuid)?
            {
                let parent = NativeId(name.replace('~', "-"));
                self.relation = Some(Relation { kind: RelationKind::Continuation, parent, call: None });
                self.replayed = Some(entries);
            }
        }
        let Some(entries) = &self.replayed else { return Ok(false) };
        if line.uuid.some().is_some() && entries.contains(&wire::uuid(&line.uuid)) {
            return Ok(true);
        }
        if is_entry {
            self.replayed = None;
        }
        Ok(false)
    }

    /// The next ordinal of the current thread.
    fn number(&mut self) -> u32 {
        let thread = &mut self.threads[self.thread];
        let ordinal = thread.ordinal;
        thread.ordinal = ordinal.saturating_add(1);
        self.graph.number(ordinal);
        ordinal
    }

    /// The message that counts as the last one of the file's own session.
    fn remember(&mut self, ordinal: u32) {
        if self.threads[self.thread].fork.is_empty() {
            self.last = Some(ordinal);
        }
    }

    /// Takes an entry that is no prompt into the thread of its parent.
    fn place(&mut self, line: &wire::Line<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let found = self.graph.entry(wire::uuid(&line.uuid), wire::uuid(&line.parent_uuid));
        match found {
            Some(thread) => self.enter(thread, line, sink),
            None => Err(needs_whole(self.path)),
        }
    }

    /// Takes a prompt where it belongs.
    fn place_prompt(&mut self, line: &wire::Line<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        match self.graph.prompt(wire::uuid(&line.uuid), wire::uuid(&line.parent_uuid)) {
            Step::NeedsWhole => Err(needs_whole(self.path)),
            Step::Next(thread) => self.enter(thread, line, sink),
            Step::Back { thread, abandoned, resumed } => {
                self.enter(thread, line, sink)?;
                self.close(sink)?;
                for (ordinals, is_abandoned) in [(abandoned, true), (resumed, false)] {
                    for (first, last) in ordinals {
                        self.op(Op::Abandon { ordinals: first..=last, is_abandoned }, sink)?;
                    }
                }
                Ok(())
            }
            Step::Fork => {
                self.close(sink)?;
                let fork = format!("{}-{}", self.stem, line.uuid.replace('~', "-"));
                self.threads.push(Thread { fork, ..Thread::default() });
                self.enter(u32::try_from(self.threads.len() - 1).unwrap_or(u32::MAX), line, sink)
            }
        }
    }

    fn enter(&mut self, thread: u32, line: &wire::Line<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let thread = if self.is_whole { thread as usize } else { 0 };
        if thread != self.thread {
            self.close(sink)?;
            self.thread = thread;
            self.context(line, sink)?;
        }
        Ok(())
    }

    /// Says a message of the current thread. Probes of the program are held back until something else is said.
    fn message(&mut self, message: Message, sink: &mut dyn Sink) -> Result<(), ReadError> {
        if message.blocks.is_empty() {
            return Ok(());
        }
        self.remember(message.ordinal);
        if !self.is_open {
            if self.held.len() < HELD_MAX && is_probe(&message) {
                self.held.push(message);
                return Ok(());
            }
            self.begin(sink)?;
        }
        self.op(Op::Message(Box::new(message)), sink)
    }

    /// The file is a session: says so, and what was held back.
    fn begin(&mut self, sink: &mut dyn Sink) -> Result<(), ReadError> {
        self.is_open = true;
        if self.is_agent && self.relation.is_none() {
            self.relate_by_folder();
        }
        let facts = std::mem::take(&mut self.facts);
        self.to(0, sink)?;
        if facts != Facts::default() {
            sink.op(Op::Facts(Box::new(facts)))?;
        }
        for message in std::mem::take(&mut self.held) {
            sink.op(Op::Message(Box::new(message)))?;
        }
        for (url, ordinal) in std::mem::take(&mut self.pull_requests) {
            sink.op(Op::PullRequest { url, ordinal })?;
        }
        Ok(())
    }

    /// Says an op of the current thread.
    fn op(&mut self, op: Op, sink: &mut dyn Sink) -> Result<(), ReadError> {
        self.to(self.thread, sink)?;
        Ok(sink.op(op)?)
    }

    /// Makes the session of a thread the one that ops belong to.
    fn to(&mut self, thread: usize, sink: &mut dyn Sink) -> Result<(), ReadError> {
        if self.said == Some(thread) {
            return Ok(());
        }
        let fork = &self.threads[thread].fork;
        let op = if fork.is_empty() { self.main() } else { self.fork(fork.clone()) };
        self.said = Some(thread);
        Ok(sink.op(op)?)
    }

    fn main(&mut self) -> Op {
        let relation = self.relation.clone().filter(|_| !self.is_main_said);
        self.is_main_said = true;
        Op::Session { agent: None, native: NativeId(self.stem.clone()), relation }
    }

    fn fork(&self, fork: String) -> Op {
        let parent = NativeId(self.stem.clone());
        let relation = Relation { kind: RelationKind::Fork, parent, call: None };
        Op::Session { agent: None, native: NativeId(fork), relation: Some(relation) }
    }

    /// Counts an odd line.
    fn odd(&mut self, kind: Odd, at: u64, sink: &mut dyn Sink) -> Result<(), ReadError> {
        Ok(sink.op(Op::Odd { kind, at })?)
    }

    /// Says pictures and oddities of a line.
    fn notes(&mut self, notes: blocks::Notes, at: u64, sink: &mut dyn Sink) -> Result<(), ReadError> {
        for blob in notes.blobs {
            sink.op(blob)?;
        }
        if notes.has_control {
            self.odd(Odd::Control, at, sink)?;
        }
        Ok(())
    }

    /// The end: says what is open, and how each session stands.
    fn finish(&mut self, sink: &mut dyn Sink) -> Result<(), ReadError> {
        self.say_open(sink)?;
        if !self.is_open {
            return Ok(());
        }
        for thread in 0..self.threads.len() {
            let known = &self.threads[thread];
            let is_cut = self.is_unfinished && thread == self.thread;
            let termination = match known {
                _ if is_cut => Termination::Truncated,
                known if !known.pending.is_empty() => Termination::ToolCallPending,
                known if known.stop == Stop::EndTurn && !known.is_asked => Termination::AwaitingUser,
                _ => Termination::Clean,
            };
            let times = match self.span {
                Some((least, greatest)) if known.fork.is_empty() => vec![least, greatest],
                _ => Vec::new(),
            };
            let resume = (!known.fork.is_empty()).then(|| self.stem.clone());
            self.to(thread, sink)?;
            sink.op(Op::Facts(Box::new(Facts { termination: Some(termination), times, resume, ..Facts::default() })))?;
        }
        if let (true, Some((least, greatest))) = (!self.threads[0].fork.is_empty(), self.span) {
            let main = self.main();
            sink.op(main)?;
            sink.op(Op::Facts(Box::new(Facts { times: vec![least, greatest], ..Facts::default() })))?;
            self.said = None;
        }
        Ok(())
    }
}

/// Nothing but a question to the program itself.
fn is_probe(message: &Message) -> bool {
    match message.blocks.as_slice() {
        [Block::Text(text)] => ["/usage", "/status", "/cost", "/context"].contains(&text.as_str()),
        _ => false,
    }
}

fn needs_whole(path: &Path) -> ReadError {
    ReadError::NeedsWhole { path: path.to_owned() }
}
