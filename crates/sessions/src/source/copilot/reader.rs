//! From events to messages.

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use carry_kernel::clock::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::wire::{Answer, Arguments, Context, Data, Line, Metric, Metrics, Request, Tokens};
use crate::model::{
    Block, CallRef, Category, Facts, Message, NativeId, ResultEvent, ResultStatus, Role, Termination, ToolCall, Usage,
    UsageEvent,
};
use crate::source::json::{self, Str, Taken, clean, count, kept, string_or_json, text};
use crate::source::{Op, ReadError, Sink, SinkError};

/// Calls without result that are remembered.
const OPEN_MAX: usize = 256;
/// Models of one session that are told apart.
const MODELS_MAX: usize = 64;
/// Bytes of reasoning that waits for its message.
const THOUGHTS_BYTES_MAX: usize = 64 * 1024;
/// 2026-06-01T00:00:00Z in milliseconds: since then an end of a session says what it cost.
const COSTS_SINCE: i64 = 1_780_272_000_000;
/// Billionths of a unit per micro-dollar: a unit costs a cent.
const NANO_PER_MICRO: u64 = 100_000;

/// Where reading stopped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) native: Option<String>,
    has_start: bool,
    next: u32,
    model: Option<String>,
    /// Calls without result, oldest first.
    open: VecDeque<String>,
    /// Reasoning that waits for its message.
    thoughts: Vec<String>,
    is_answered: bool,
    is_shut_down: bool,
    /// Output that messages counted since the last end, by model.
    output: BTreeMap<String, u64>,
    ends: u32,
    times: Option<(i64, i64)>,
}

/// Reads the events of one file.
pub(super) struct Reader<'a> {
    path: &'a Path,
    pub(super) state: State,
    was_odd: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, state: State) -> Self {
        Self { path, state, was_odd: false }
    }

    /// Opens the session in `sink`, as far as it is known.
    pub(super) fn open(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let Some(native) = self.state.native.clone() else { return Ok(()) };
        sink.op(Op::Session { agent: None, native: NativeId(native), relation: None })
    }

    /// Takes a line.
    pub(super) fn line(&mut self, line: &str, sink: &mut dyn Sink) -> Result<Taken, ReadError> {
        self.was_odd = false;
        let Ok(event) = serde_json::from_str::<Line<'_>>(line) else { return Ok(Taken::Unknown) };
        let at = json::time(text(&event.timestamp));
        if let Some(ms) = at.map(Timestamp::as_millis) {
            let (least, greatest) = self.state.times.unwrap_or((ms, ms));
            self.state.times = Some((least.min(ms), greatest.max(ms)));
        }
        let data = event.data.unwrap_or_default();
        Ok(match self.event(text(&event.kind), &event.id, &data, at, sink)? {
            false => Taken::Unknown,
            true if self.was_odd => Taken::Stripped,
            true => Taken::Known,
        })
    }

    /// Says how the session stands.
    pub(super) fn end(&mut self, name: Option<String>, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let state = &self.state;
        if state.native.is_none() {
            return Ok(());
        }
        let termination = match (state.open.is_empty(), state.is_shut_down, state.is_answered) {
            (false, ..) => Termination::ToolCallPending,
            (true, true, _) => Termination::Clean,
            (true, false, true) => Termination::AwaitingUser,
            (true, false, false) => Termination::Clean,
        };
        let times = state.times.map_or_else(Vec::new, |(least, greatest)| vec![least, greatest]);
        let times = times.into_iter().map(Timestamp::from_millis).collect();
        sink.op(Op::Facts(Box::new(Facts { name, termination: Some(termination), times, ..Facts::default() })))
    }

    fn event(
        &mut self,
        kind: &str,
        id: &Option<Str<'_>>,
        data: &Data<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<bool, SinkError> {
        match kind {
            "session.start" | "session.resume" => self.start(data, sink)?,
            "session.model_change" => self.state.model = kept(&data.new_model).map(|model| model_name(&model)),
            "user.message" => self.prompt(id, data, at, sink)?,
            "assistant.message" => self.answer(id, data, at, sink)?,
            "assistant.reasoning" => {
                let thought = self.text(data.content.or(data.reasoning_text));
                let waiting: usize = self.state.thoughts.iter().map(String::len).sum();
                if !thought.is_empty() && waiting.saturating_add(thought.len()) <= THOUGHTS_BYTES_MAX {
                    self.state.thoughts.push(thought);
                }
            }
            "tool.execution_start" => self.started(id, data, at, sink)?,
            "tool.execution_complete" => self.completed(data, at, sink)?,
            "session.compaction_complete" => {
                let summary = self.text(data.summary_content);
                if !summary.is_empty() {
                    self.ensure(sink)?;
                    let mut message = self.message(Role::Assistant, id, at, vec![Block::Text(summary)]);
                    message.is_system = true;
                    message.subtype = Some("compact_boundary".to_owned());
                    sink.op(Op::Message(Box::new(message)))?;
                }
            }
            "session.error" => {
                let error = self.text(data.message.or(data.error));
                if !error.is_empty() {
                    self.ensure(sink)?;
                    let mut message = self.message(Role::Assistant, id, at, vec![Block::Text(error)]);
                    message.is_system = true;
                    message.subtype = Some("error".to_owned());
                    sink.op(Op::Message(Box::new(message)))?;
                }
            }
            "session.shutdown" => self.shut_down(id, data, at, sink)?,
            "abort" => self.state.open.clear(),
            _ if [
                "session.",
                "subagent.",
                "assistant.",
                "tool.",
                "hook.",
                "skill.",
                "user.",
                "system.",
                "permission.",
                "pending_",
            ]
            .iter()
            .any(|known| kind.starts_with(known)) => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn start(&mut self, data: &Data<'_>, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if let Some(model) = kept(&data.selected_model) {
            self.state.model = Some(model_name(&model));
        }
        self.state.is_shut_down = false;
        if std::mem::replace(&mut self.state.has_start, true) {
            return Ok(());
        }
        if self.state.native.is_none() {
            self.state.native = kept(&data.session_id).filter(|id| !id.contains('~') && id.len() <= 256);
        }
        self.ensure(sink)?;
        self.open(sink)?;
        let context =
            data.context.and_then(|raw| serde_json::from_str::<Context<'_>>(raw.get()).ok()).unwrap_or_default();
        sink.op(Op::Facts(Box::new(Facts {
            cwd: kept(&context.cwd),
            branch: kept(&context.branch),
            version: kept(&data.copilot_version),
            times: json::time(text(&data.start_time)).into_iter().collect(),
            ..Facts::default()
        })))
    }

    /// Opens the session under the name of its file or folder when nothing named it.
    fn ensure(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if self.state.native.is_some() {
            return Ok(());
        }
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("unnamed");
        let folder = self.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let name = folder.filter(|_| stem == "events").unwrap_or(stem);
        self.state.native = Some(name.replace('~', "-"));
        self.open(sink)
    }

    fn text(&mut self, raw: Option<&RawValue>) -> String {
        let text = clean(raw.map_or(Cow::Borrowed(""), string_or_json), &mut self.was_odd);
        if text.trim().is_empty() { String::new() } else { text }
    }

    fn message(&mut self, role: Role, id: &Option<Str<'_>>, at: Option<Timestamp>, blocks: Vec<Block>) -> Message {
        let ordinal = self.state.next;
        self.state.next = ordinal.saturating_add(1);
        Message {
            ordinal,
            key: kept(id),
            role,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at,
            model: None,
            effort: None,
            provider_id: None,
            usage: None,
            blocks,
        }
    }

    fn prompt(
        &mut self,
        id: &Option<Str<'_>>,
        data: &Data<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        self.ensure(sink)?;
        let typed = self.text(data.content);
        // What a skill put there was not typed.
        let is_injected = text(&data.source).starts_with("skill") || typed.trim_start().starts_with("<skill-context");
        if typed.is_empty() || is_injected {
            return Ok(());
        }
        self.state.is_answered = false;
        let message = self.message(Role::User, id, at, vec![Block::Text(typed)]);
        sink.op(Op::Message(Box::new(message)))
    }

    fn answer(
        &mut self,
        id: &Option<Str<'_>>,
        data: &Data<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        self.ensure(sink)?;
        let mut thoughts = std::mem::take(&mut self.state.thoughts);
        let thought = self.text(data.reasoning_text);
        if !thought.is_empty() && !thoughts.contains(&thought) {
            thoughts.push(thought);
        }
        let mut blocks: Vec<Block> = thoughts.into_iter().map(Block::Thinking).collect();
        let said = self.text(data.content);
        if !said.is_empty() {
            blocks.push(Block::Text(said));
        }
        let requests = data.tool_requests.and_then(|raw| serde_json::from_str::<Vec<Request<'_>>>(raw.get()).ok());
        for (index, request) in (0..).zip(requests.unwrap_or_default()) {
            let call = self.call(index, &request.tool_call_id, &request.name, request.arguments);
            blocks.push(Block::Call(call));
        }
        let model = kept(&data.model).map(|model| model_name(&model)).or_else(|| self.state.model.clone());
        let output = data.output_tokens.map(|tokens| tokens.0);
        if let (Some(model), Some(output)) = (&model, output)
            && (self.state.output.len() < MODELS_MAX || self.state.output.contains_key(model))
        {
            let counted = self.state.output.entry(model.clone()).or_default();
            *counted = counted.saturating_add(output);
        }
        if blocks.is_empty() {
            return Ok(());
        }
        self.state.is_answered = true;
        let mut message = self.message(Role::Assistant, id, at, blocks);
        message.model = model;
        message.usage = output.map(|output| Usage { output: Some(output), ..Usage::default() });
        sink.op(Op::Message(Box::new(message)))
    }

    fn call(
        &mut self,
        index: u32,
        id: &Option<Str<'_>>,
        name: &Option<Str<'_>>,
        arguments: Option<&RawValue>,
    ) -> ToolCall {
        let id = json::cut(&kept(id).unwrap_or_default(), 256).to_owned();
        let name = json::cut(&kept(name).unwrap_or_default(), 256).to_owned();
        let input = clean(arguments.map_or(Cow::Borrowed(""), string_or_json), &mut self.was_odd);
        let category = Category::of(&name);
        let known: Arguments<'_> = serde_json::from_str(&input).unwrap_or_default();
        let is_file = matches!(category, Category::Read | Category::Edit | Category::Write);
        let file = known.path.or(known.file_path).filter(|_| is_file).and_then(|file| file.kept());
        let skill = known.skill.filter(|_| name == "skill").and_then(|skill| skill.kept());
        if !id.is_empty() {
            if self.state.open.len() == OPEN_MAX {
                self.state.open.pop_front();
            }
            self.state.open.push_back(id.clone());
        }
        ToolCall { index, id, name, category, input, skill, subagent: None, file }
    }

    /// A tool runs. The call was said with the answer that asked for it; one that nobody asked for is said now.
    fn started(
        &mut self,
        id: &Option<Str<'_>>,
        data: &Data<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        self.ensure(sink)?;
        let call = text(&data.tool_call_id);
        if call.is_empty() || self.state.open.iter().any(|open| open == call) {
            return Ok(());
        }
        let call = self.call(0, &data.tool_call_id, &data.tool_name, data.arguments);
        let model = self.state.model.clone();
        let mut message = self.message(Role::Assistant, id, at, vec![Block::Call(call)]);
        message.model = model;
        sink.op(Op::Message(Box::new(message)))
    }

    fn completed(&mut self, data: &Data<'_>, at: Option<Timestamp>, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.ensure(sink)?;
        let Some(id) = kept(&data.tool_call_id) else { return Ok(()) };
        let id = json::cut(&id, 256).to_owned();
        self.state.open.retain(|open| *open != id);
        let raw = data.result.or(data.error);
        let answer = raw.and_then(|raw| serde_json::from_str::<Answer<'_>>(raw.get()).ok());
        let content = self.text(answer.and_then(|answer| answer.content.or(answer.message)).or(raw));
        let status = match data.success {
            Some(true) => ResultStatus::Completed,
            Some(false) => ResultStatus::Failed,
            None => ResultStatus::Unknown,
        };
        sink.op(Op::Result(Box::new(ResultEvent {
            call: CallRef::Id(id),
            source: "tool_result".to_owned(),
            status,
            at,
            content_bytes: content.len() as u64,
            content,
            images: Vec::new(),
            subagent: None,
        })))
    }

    /// The session ends: it says what each model used since it began, less what messages said already.
    fn shut_down(
        &mut self,
        id: &Option<Str<'_>>,
        data: &Data<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        self.ensure(sink)?;
        self.state.is_shut_down = true;
        self.state.open.clear();
        self.state.ends = self.state.ends.saturating_add(1);
        let end = kept(id).unwrap_or_else(|| self.state.ends.to_string());
        let counted = std::mem::take(&mut self.state.output);
        let metrics = data.model_metrics.and_then(|raw| serde_json::from_str::<Metrics<'_>>(raw.get()).ok());
        let metrics: Vec<(String, Metric)> = metrics
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(model, raw)| Some((model_name(&model), serde_json::from_str::<Metric>(raw.get()).ok()?)))
            .take(MODELS_MAX)
            .collect();
        let has_costs = at.is_some_and(|at| at.as_millis() >= COSTS_SINCE);
        let cost = |nano: Option<json::Num>| nano.filter(|_| has_costs).map(|nano| nano.0 / NANO_PER_MICRO);
        let by_model = metrics.iter().any(|(_, metric)| metric.total_nano_aiu.is_some());
        let mut total = cost(data.total_nano_aiu).filter(|_| !by_model);
        let is_one = metrics.len() == 1;
        for (model, metric) in metrics {
            let Tokens { input_tokens, output_tokens, cache_read_tokens, cache_write_tokens } =
                metric.usage.unwrap_or_default();
            let output = count(output_tokens).saturating_sub(counted.get(&model).copied().unwrap_or(0));
            let usage = Usage {
                input: input_tokens.map(|input| input.0.saturating_sub(count(cache_read_tokens))),
                output: output_tokens.map(|_| output),
                cache_read: cache_read_tokens.map(|tokens| tokens.0),
                cache_write: cache_write_tokens.map(|tokens| tokens.0),
                cost_micros: cost(metric.total_nano_aiu).or_else(|| total.take().filter(|_| is_one)),
                ..Usage::default()
            };
            self.usage(format!("{end}:{model}"), Some(model), usage, at, sink)?;
        }
        match data.total_nano_aiu.filter(|_| !by_model && !is_one).and_then(|nano| cost(Some(nano))) {
            Some(micros) => {
                let usage = Usage { cost_micros: Some(micros), ..Usage::default() };
                self.usage(format!("{end}:"), None, usage, at, sink)
            }
            None => Ok(()),
        }
    }

    fn usage(
        &mut self,
        dedup: String,
        model: Option<String>,
        usage: Usage,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        sink.op(Op::Usage(Box::new(UsageEvent { source: "shutdown".to_owned(), dedup, at, model, usage })))
    }
}

/// A model's name as its provider writes it.
fn model_name(name: &str) -> String {
    let name = json::cut(name, 128);
    if name.starts_with("claude-") { name.replace('.', "-") } else { name.to_owned() }
}
