//! From records to messages.

use std::borrow::Cow;
use std::path::Path;

use carry_kernel::clock::Timestamp;
use serde_json::value::RawValue;

use super::project;
use super::state::{Known, State};
use super::wire::{Arguments, Call, Document, FunctionResponse, Part, Record, Response, Thought, Tokens};
use crate::model::{
    Block, CallRef, Category, Facts, Image, Message, NativeId, Relation, RelationKind, ResultEvent, ResultStatus, Role,
    ToolCall, Usage,
};
use crate::source::json::{self, Taken, clean, count, kept, string, string_or_json, text};
use crate::source::{Odd, Op, ReadError, Sink, SinkError, files};

/// Results of one message that are remembered as said.
const RESULTS_MAX: usize = 256;

/// Reads the records of one file.
pub(super) struct Reader<'a> {
    pub(super) path: &'a Path,
    pub(super) state: State,
    was_odd: bool,
}

/// A call's result.
struct Answer {
    index: u32,
    status: ResultStatus,
    at: Option<Timestamp>,
    content: String,
    images: Vec<Image>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(path: &'a Path, state: State) -> Self {
        Self { path, state, was_odd: false }
    }

    /// Opens the session in `sink`, as far as it is known.
    pub(super) fn open(&self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let Some(native) = self.state.head.native.clone() else { return Ok(()) };
        // The recordings of agents that a session started lie in a folder of its name.
        let folder = self.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        let parent = folder.filter(|name| *name != "chats" && *name != native && !name.contains('~'));
        let is_below =
            self.path.ancestors().skip(2).any(|folder| folder.file_name().is_some_and(|name| name == "chats"));
        let relation = parent.filter(|_| is_below).map(|parent| Relation {
            kind: RelationKind::Subagent,
            parent: NativeId(parent.to_owned()),
            call: None,
        });
        sink.op(Op::Session { agent: None, native: NativeId(native), relation })
    }

    /// Takes a line.
    pub(super) fn line(&mut self, line: &str, sink: &mut dyn Sink) -> Result<Taken, ReadError> {
        self.was_odd = false;
        let Ok(record) = serde_json::from_str::<Record<'_>>(line) else { return Ok(Taken::Unknown) };
        let is_known = if let Some(set) = record.set {
            match serde_json::from_str::<Record<'_>>(set.get()) {
                Ok(set) => {
                    self.ensure(sink)?;
                    self.header(&set, sink)?;
                    self.missing(&set, sink)?;
                    true
                }
                Err(_) => false,
            }
        } else if let Some(to) = &record.rewind_to {
            self.rewind(&to.0, sink)?
        } else if record.kind.is_none() && record.session_id.is_some() {
            if !std::mem::replace(&mut self.state.head.has_header, true) && self.state.head.native.is_none() {
                self.state.head.native = kept(&record.session_id).filter(|id| !id.contains('~') && id.len() <= 256);
                self.begin(sink)?;
            }
            self.header(&record, sink)?;
            self.missing(&record, sink)?;
            true
        } else {
            self.ensure(sink)?;
            self.message(&record, sink)?
        };
        Ok(match is_known {
            false => Taken::Unknown,
            true if self.was_odd => Taken::Stripped,
            true => Taken::Known,
        })
    }

    /// Takes a whole document.
    pub(super) fn document(&mut self, document: &Document<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        self.state.head.native = kept(&document.session_id).filter(|id| !id.contains('~') && id.len() <= 256);
        if self.state.head.native.is_none() {
            self.ensure(sink)?;
        } else {
            self.begin(sink)?;
        }
        for time in [&document.start_time, &document.last_updated] {
            self.state.saw(json::time(text(time)));
        }
        if let Some(name) = kept(&document.summary) {
            sink.op(Op::Facts(Box::new(Facts { name: Some(name), ..Facts::default() })))?;
        }
        for (at, raw) in (0..).zip(&document.messages) {
            self.was_odd = false;
            let is_known = match serde_json::from_str::<Record<'_>>(raw.get()) {
                Ok(record) => self.message(&record, sink)?,
                Err(_) => false,
            };
            if !is_known {
                sink.op(Op::Odd { kind: Odd::Unknown, at })?;
            } else if self.was_odd {
                sink.op(Op::Odd { kind: Odd::Control, at })?;
            }
        }
        Ok(())
    }

    /// Says what is known at the end.
    pub(super) fn end(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if self.state.head.native.is_none() {
            return Ok(());
        }
        let times = self.state.head.times.map_or_else(Vec::new, |(least, greatest)| vec![least, greatest]);
        let times = times.into_iter().map(Timestamp::from_millis).collect();
        sink.op(Op::Facts(Box::new(Facts { times, ..Facts::default() })))
    }

    /// Opens the session under the name of its file when nothing named it.
    fn ensure(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if self.state.head.native.is_some() {
            return Ok(());
        }
        let stem = self.path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("unnamed");
        self.state.head.native = Some(stem.replace('~', "-"));
        self.begin(sink)
    }

    fn begin(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if self.state.head.native.is_none() {
            return self.ensure(sink);
        }
        self.open(sink)?;
        let project::Project { path, name } = project::of(self.path);
        sink.op(Op::Facts(Box::new(Facts { cwd: path, project: name, ..Facts::default() })))
    }

    fn header(&mut self, header: &Record<'_>, sink: &mut dyn Sink) -> Result<(), SinkError> {
        for time in [&header.start_time, &header.last_updated] {
            self.state.saw(json::time(text(time)));
        }
        match kept(&header.summary) {
            Some(name) => sink.op(Op::Facts(Box::new(Facts { name: Some(name), ..Facts::default() }))),
            None => Ok(()),
        }
    }

    /// Messages that stand in a header: what the model sees from now on. They take nothing away; those that were never said
    /// are said.
    fn missing(&mut self, header: &Record<'_>, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let Some(messages) = header.messages else { return Ok(()) };
        for raw in serde_json::from_str::<Vec<&RawValue>>(messages.get()).unwrap_or_default() {
            let Ok(record) = serde_json::from_str::<Record<'_>>(raw.get()) else { continue };
            let id = text(&record.id);
            let number = files::number(id);
            if !id.is_empty() && !self.state.known.contains_key(&number) && !self.state.older.contains(&number) {
                self.message(&record, sink)?;
            }
        }
        Ok(())
    }

    /// The user went back to before the message `id`: it and what follows is kept as given up.
    fn rewind(&mut self, id: &str, sink: &mut dyn Sink) -> Result<bool, ReadError> {
        let number = files::number(id);
        let Some(known) = self.state.known.get(&number) else {
            if self.state.older.contains(&number) {
                return Err(ReadError::NeedsWhole { path: self.path.to_owned() });
            }
            return Ok(false);
        };
        let given_up = self.state.live.split_off(&known.ordinal);
        if let (Some((first, _)), Some((last, _))) = (given_up.first_key_value(), given_up.last_key_value()) {
            sink.op(Op::Abandon { ordinals: *first..=*last, is_abandoned: true })?;
        }
        for id in given_up.values() {
            if let Some(known) = self.state.known.get_mut(id) {
                known.is_abandoned = true;
            }
        }
        Ok(true)
    }

    fn message(&mut self, record: &Record<'_>, sink: &mut dyn Sink) -> Result<bool, ReadError> {
        let at = json::time(text(&record.timestamp));
        let role = match text(&record.kind) {
            "user" => Role::User,
            "gemini" => Role::Assistant,
            "info" | "error" | "warning" => {
                self.state.saw(at);
                return Ok(true);
            }
            _ => return Ok(false),
        };
        self.state.saw(at);
        let id = kept(&record.id);
        let number = id.as_deref().map(files::number);
        if number.is_some_and(|number| self.state.older.contains(&number)) {
            return Err(ReadError::NeedsWhole { path: self.path.to_owned() });
        }
        let known = number.and_then(|number| self.state.known.remove(&number));
        let mut known = known.unwrap_or_else(|| {
            let ordinal = self.state.head.next;
            self.state.head.next = ordinal.saturating_add(1);
            Known { ordinal, before: self.state.head.tokens, results: Vec::new(), is_abandoned: false }
        });
        let mut blocks = self.thoughts(record.thoughts);
        self.content(record.content, &mut blocks, sink)?;
        let answers = self.calls(record.tool_calls, &mut blocks, sink)?;
        let usage = record.tokens.and_then(|tokens| serde_json::from_str::<Tokens>(tokens.get()).ok());
        let usage = usage.map(|tokens| self.usage(tokens, &known));
        if !blocks.is_empty() {
            let message = Message {
                ordinal: known.ordinal,
                key: id,
                role,
                subtype: None,
                is_system: false,
                is_abandoned: false,
                at,
                model: kept(&record.model),
                effort: None,
                provider_id: None,
                usage,
                blocks,
            };
            sink.op(Op::Message(Box::new(message)))?;
            if std::mem::take(&mut known.is_abandoned) {
                sink.op(Op::Abandon { ordinals: known.ordinal..=known.ordinal, is_abandoned: false })?;
            }
        }
        for answer in answers {
            answer.say(&mut known, sink)?;
        }
        if let Some(number) = number {
            if !known.is_abandoned {
                self.state.live.insert(known.ordinal, number);
            }
            self.state.known.insert(number, known);
        }
        Ok(true)
    }

    /// Input and cached input are totals: what counts is how much they grew since the message before. A total that shrank
    /// counts from zero: the context was compressed.
    fn usage(&mut self, tokens: Tokens, known: &Known) -> Usage {
        let (input, cached) = (count(tokens.input), count(tokens.cached));
        let grown = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now);
        if self.state.head.counted.is_none_or(|counted| counted <= known.ordinal) {
            self.state.head.tokens = (input, cached);
            self.state.head.counted = Some(known.ordinal);
        }
        let thoughts = count(tokens.thoughts);
        Usage {
            input: Some(grown(input, known.before.0)),
            output: Some(count(tokens.output).saturating_add(thoughts)),
            reasoning: Some(thoughts),
            cache_read: Some(grown(cached, known.before.1)),
            ..Usage::default()
        }
    }

    fn thoughts(&mut self, raw: Option<&RawValue>) -> Vec<Block> {
        let thoughts = raw.and_then(|raw| serde_json::from_str::<Vec<Thought<'_>>>(raw.get()).ok()).unwrap_or_default();
        let mut blocks = Vec::new();
        for thought in thoughts {
            let parts = [thought.subject, thought.description].into_iter().flatten().filter_map(string);
            let parts: Vec<String> =
                parts.map(|part| clean(part, &mut self.was_odd)).filter(|part| !part.is_empty()).collect();
            if !parts.is_empty() {
                blocks.push(Block::Thinking(parts.join("\n")));
            }
        }
        blocks
    }

    fn content(
        &mut self,
        raw: Option<&RawValue>,
        blocks: &mut Vec<Block>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let Some(raw) = raw else { return Ok(()) };
        let (text, images) = self.parts(raw, sink)?;
        if !text.trim().is_empty() {
            blocks.push(Block::Text(text));
        }
        blocks.extend(images.into_iter().map(Block::Image));
        Ok(())
    }

    /// The text of `raw`, a string, a part, or a list of them; and the pictures in it.
    fn parts(&mut self, raw: &RawValue, sink: &mut dyn Sink) -> Result<(String, Vec<Image>), SinkError> {
        if let Some(text) = string(raw) {
            return Ok((clean(text, &mut self.was_odd), Vec::new()));
        }
        let list = serde_json::from_str::<Vec<&RawValue>>(raw.get()).unwrap_or_else(|_| vec![raw]);
        let (mut texts, mut images) = (Vec::new(), Vec::new());
        for raw in list {
            if let Some(text) = string(raw) {
                texts.push(clean(text, &mut self.was_odd));
                continue;
            }
            let Ok(part) = serde_json::from_str::<Part<'_>>(raw.get()) else { continue };
            if let Some(text) = part.text {
                texts.push(clean(string_or_json(text), &mut self.was_odd));
            }
            if let Some(data) = &part.inline_data {
                images.extend(json::picture(text(&data.mime_type), text(&data.data), sink)?);
            }
            if let Some(FunctionResponse { response, parts }) = part.function_response {
                texts.extend(response.map(|response| self.response(response)).filter(|text| !text.is_empty()));
                for part in
                    parts.and_then(|parts| serde_json::from_str::<Vec<Part<'_>>>(parts.get()).ok()).unwrap_or_default()
                {
                    if let Some(data) = &part.inline_data {
                        images.extend(json::picture(text(&data.mime_type), text(&data.data), sink)?);
                    }
                }
            }
        }
        Ok((texts.join("\n"), images))
    }

    fn response(&mut self, raw: &RawValue) -> String {
        let said = match serde_json::from_str::<Response<'_>>(raw.get()) {
            Ok(Response { output: Some(said), .. } | Response { error: Some(said), .. }) => said,
            _ => raw,
        };
        clean(string_or_json(said), &mut self.was_odd)
    }

    fn calls(
        &mut self,
        raw: Option<&RawValue>,
        blocks: &mut Vec<Block>,
        sink: &mut dyn Sink,
    ) -> Result<Vec<Answer>, SinkError> {
        let calls = raw.and_then(|raw| serde_json::from_str::<Vec<Call<'_>>>(raw.get()).ok()).unwrap_or_default();
        let mut answers = Vec::new();
        for (index, call) in (0..).zip(calls) {
            let name = json::cut(&kept(&call.name).unwrap_or_default(), 256).to_owned();
            let category = Category::of(&name);
            let input = call.args.map_or("", RawValue::get);
            let arguments: Arguments<'_> = serde_json::from_str(input).unwrap_or_default();
            let is_file = matches!(category, Category::Read | Category::Edit | Category::Write);
            let file = arguments.file_path.or(arguments.absolute_path).or(arguments.path);
            blocks.push(Block::Call(ToolCall {
                index,
                id: json::cut(&kept(&call.id).unwrap_or_default(), 256).to_owned(),
                skill: arguments.name.filter(|_| name == "activate_skill").and_then(|name| name.kept()),
                name,
                category,
                input: clean(Cow::Borrowed(input), &mut self.was_odd),
                subagent: None,
                file: file.filter(|_| is_file).and_then(|file| file.kept()),
            }));
            let status = match text(&call.status) {
                "success" => ResultStatus::Completed,
                "error" | "cancelled" => ResultStatus::Failed,
                "executing" => ResultStatus::Running,
                _ => ResultStatus::Unknown,
            };
            let (content, images) = call.result.map(|raw| self.parts(raw, sink)).transpose()?.unwrap_or_default();
            let is_over = matches!(status, ResultStatus::Completed | ResultStatus::Failed);
            if !content.is_empty() || !images.is_empty() || (is_over && call.result.is_some()) {
                let at = json::time(text(&call.timestamp));
                answers.push(Answer { index, status, at, content, images });
            }
        }
        Ok(answers)
    }
}

impl Answer {
    /// Says the result, unless it was said when the message was written before.
    fn say(self, known: &mut Known, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.index.to_le_bytes()).update(&[self.status as u8]).update(self.content.as_bytes());
        let hash = files::number(&hasher.finalize().to_hex());
        if known.results.contains(&hash) {
            return Ok(());
        }
        if known.results.len() == RESULTS_MAX {
            known.results.remove(0);
        }
        known.results.push(hash);
        sink.op(Op::Result(Box::new(ResultEvent {
            call: CallRef::At { ordinal: known.ordinal, index: self.index },
            source: "result".to_owned(),
            status: self.status,
            at: self.at,
            content_bytes: self.content.len() as u64,
            content: self.content,
            images: self.images,
            subagent: None,
        })))
    }
}
