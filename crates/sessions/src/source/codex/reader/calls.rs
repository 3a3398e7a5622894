//! What was done: calls of tools and their outputs, also those of other agents.

use std::borrow::Cow;

use carry_kernel::clock::Timestamp;
use serde_json::value::RawValue;

use super::super::output::{self, Standing};
use super::super::state::{Spawn, Waiting};
use super::super::wire::Record;
use super::Reader;
use crate::model::{Block, CallRef, Category, NativeId, ResultEvent, ResultStatus, ToolCall};
use crate::source::json::{self, clean, kept, string, string_or_json};
use crate::source::{Sink, SinkError};

/// Bytes of a patch times its files up to which every file's call holds all of it.
const PATCH_BYTES_MAX: usize = 1024 * 1024;

impl Reader<'_> {
    pub(super) fn call(
        &mut self,
        item: &Record<'_>,
        kind: &str,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let id = kept(&item.call_id).or_else(|| kept(&item.id)).unwrap_or_default();
        let id = json::cut(&id, 256).to_owned();
        let name = kept(&item.name).unwrap_or_else(|| kind.trim_end_matches("_call").to_owned());
        let name = json::cut(&name, 256).to_owned();
        let raw = item.arguments.or(item.input).or(item.action);
        let input = raw.map_or(Cow::Borrowed(""), string_or_json);
        let input = clean(input, &mut self.was_odd);
        let category = Category::of(&name);
        let call = |index: usize, input: String, file: Option<&str>| {
            Block::Call(ToolCall {
                index: u32::try_from(index).unwrap_or(u32::MAX),
                id: id.clone(),
                name: name.clone(),
                category,
                input,
                skill: None,
                subagent: None,
                file: file.map(str::to_owned),
            })
        };
        let waiting = std::mem::take(&mut self.state.waiting);
        let mut blocks: Vec<Block> = waiting.iter().cloned().map(Waiting::block).collect();
        if name == "apply_patch" {
            let patch = patch_of(&input);
            let files = output::patched(&patch);
            let repeats = files.len().saturating_mul(input.len()) <= PATCH_BYTES_MAX;
            for (index, file) in files.iter().enumerate() {
                // A large patch of many files is said once.
                let input = if index == 0 || repeats { input.clone() } else { String::new() };
                blocks.push(call(index, input, Some(file)));
            }
            if files.is_empty() {
                blocks.push(call(0, input.clone(), None));
            }
        } else {
            let file = matches!(category, Category::Read | Category::Edit | Category::Write)
                .then(|| file_in(&input))
                .flatten();
            blocks.push(call(0, input.clone(), file.as_deref()));
        }
        let ordinal = self.assistant(at, blocks, sink)?;
        // A search on the web has no output of its own.
        self.state.open_call = (kind != "web_search_call" && !id.is_empty()).then(|| id.clone());
        if name == "write_stdin" {
            if let Some(starter) = process_in(&input).and_then(|process| self.state.processes.get(&process)) {
                let starter = starter.to_owned();
                self.state.talks.insert(&id, &starter);
            }
        } else if category == Category::Task && !id.is_empty() {
            self.state.spawning(Spawn {
                ordinal,
                at: at.map(Timestamp::as_millis),
                model: self.state.model.clone(),
                effort: self.state.effort.clone(),
                before: waiting,
                after: Vec::new(),
                id,
                name,
                input,
                usage: None,
            });
        }
        Ok(())
    }

    pub(super) fn output(
        &mut self,
        item: &Record<'_>,
        kind: &str,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let Some(id) = kept(&item.call_id) else { return Ok(()) };
        if self.state.open_call.as_ref() == Some(&id) {
            self.state.open_call = None;
        }
        let Some(raw) = item.output else { return Ok(()) };
        let mut said = output::read(raw, &mut self.was_odd, sink)?;
        if let Some(agent) = output::spawned(&said.text)
            && self.spawned(&id, &agent, sink)?
        {
            return Ok(());
        }
        let standings = if said.text.starts_with("{\"status\"") {
            output::waited(&said.text, &mut self.was_odd)
        } else {
            Vec::new()
        };
        if !standings.is_empty() {
            for standing in standings {
                self.standing("wait_output", CallRef::Id(id.clone()), standing, at, sink)?;
            }
            return Ok(());
        }
        if let Some(process) = &said.process {
            let starter = self.state.talks.get(&id).unwrap_or(&id).to_owned();
            self.state.processes.insert(process, &starter);
        }
        if said.status == ResultStatus::Unknown && kind == "custom_tool_call_output" {
            said.status = ResultStatus::Completed;
        }
        let event = ResultEvent {
            call: CallRef::Id(id.clone()),
            source: kind.to_owned(),
            status: said.status,
            at,
            content_bytes: said.text.len() as u64,
            content: said.text,
            images: said.images,
            subagent: None,
        };
        // What a process says later belongs to the call that started it, too.
        let starter = self.state.talks.get(&id).filter(|starter| **starter != id).map(str::to_owned);
        let later = starter.filter(|_| !event.content.is_empty()).map(|starter| ResultEvent {
            call: CallRef::Id(starter),
            source: "write_stdin_output".to_owned(),
            ..event.clone()
        });
        self.held.result(event, sink)?;
        later.map_or(Ok(()), |later| self.held.result(later, sink))
    }

    /// The call `id` started `agent`. Says whether the call waited for that.
    pub(super) fn spawned(&mut self, id: &str, agent: &str, sink: &mut dyn Sink) -> Result<bool, SinkError> {
        self.state.agents.insert(agent, id);
        let Some(place) = self.state.spawns.iter().rposition(|spawn| spawn.id == id) else { return Ok(false) };
        let Some(spawn) = self.state.spawns.remove(place) else { return Ok(false) };
        self.held.message(spawn.message(agent), sink)?;
        Ok(true)
    }

    fn standing(
        &mut self,
        source: &str,
        call: CallRef,
        standing: Standing,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let event = ResultEvent {
            call,
            source: source.to_owned(),
            status: standing.status,
            at,
            content_bytes: standing.text.len() as u64,
            content: standing.text,
            images: Vec::new(),
            subagent: Some(NativeId(standing.agent)),
        };
        self.held.result(event, sink)
    }

    pub(super) fn notification(
        &mut self,
        standing: Standing,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let Some(call) = self.state.agents.get(&standing.agent).map(str::to_owned) else { return Ok(()) };
        self.standing("subagent_notification", CallRef::Id(call), standing, at, sink)
    }
}

/// The patch in the input of a call: the input itself, or what it holds as `input` or `patch`.
fn patch_of(input: &str) -> Cow<'_, str> {
    #[derive(serde::Deserialize)]
    struct Input<'a> {
        #[serde(borrow)]
        input: Option<&'a RawValue>,
        #[serde(borrow)]
        patch: Option<&'a RawValue>,
    }
    if input.trim_start().starts_with('{')
        && let Ok(Input { input, patch }) = serde_json::from_str::<Input<'_>>(input)
        && let Some(patch) = input.or(patch).and_then(string)
    {
        return patch;
    }
    Cow::Borrowed(input)
}

/// The process that `write_stdin` talks to.
fn process_in(input: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Input<'a> {
        #[serde(borrow)]
        session_id: Option<json::Str<'a>>,
    }
    serde_json::from_str::<Input<'_>>(input).ok()?.session_id?.kept()
}

/// The file that a call reads or writes.
fn file_in(input: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Input<'a> {
        #[serde(borrow)]
        file_path: Option<json::Str<'a>>,
        #[serde(borrow)]
        path: Option<json::Str<'a>>,
    }
    let Input { file_path, path } = serde_json::from_str(input).ok()?;
    file_path.or(path)?.kept()
}
