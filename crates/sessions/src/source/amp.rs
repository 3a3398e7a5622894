//! Amp: `~/.local/share/amp/threads/T-<uuid>.json`, one document a thread, written anew with each step.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::values::{clean, file_of, number_of, text_of, time_value};
use super::{Mode, Odd, Op, Places, ReadEnd, ReadError, Root, Sink, Source, Unit, document, files, json};
use crate::model::{
    Agent, Block, CallRef, Category, Facts, Message, NativeId, ResultEvent, ResultStatus, Role, ToolCall, Usage,
};

/// Reads Amp's threads.
#[derive(Clone, Copy, Debug)]
pub struct Amp;

impl Source for Amp {
    fn name(&self) -> &'static str {
        "amp"
    }

    fn agent(&self) -> Agent {
        Agent::Amp
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let asked = places.variable("AMP_DIR").map(Path::to_owned);
        files::roots(
            places,
            Agent::Amp,
            vec![places.home.join(".local/share/amp/threads")],
            asked.into_iter().collect(),
        )
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let mut each = |path, metadata: &_| found(Unit { path, stamp: files::stamp(metadata, 0) });
        files::walk(&root.path, 0, &mut each, problem, &is_thread);
    }

    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf> {
        (path.parent() == Some(&root.path) && is_thread(path)).then(|| path.to_owned())
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        mode.needs_whole(unit)?;
        let bytes = document::read(unit, sink)?;
        let Some(thread) = document::object(&bytes) else {
            sink.op(Op::Odd { kind: Odd::Malformed, at: 0 })?;
            return Ok(ReadEnd { is_unfinished: true, skipped: Some("not a JSON document"), ..ReadEnd::default() });
        };
        if thread.get("messages").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            return Ok(ReadEnd { skipped: Some("no messages"), ..ReadEnd::default() });
        }
        Reading { sink, thread: &thread }.all(&unit.path)?;
        Ok(ReadEnd::default())
    }
}

fn is_thread(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("T-") && name.ends_with(".json")
}

struct Reading<'a> {
    sink: &'a mut dyn Sink,
    thread: &'a Value,
}

impl Reading<'_> {
    fn all(&mut self, path: &Path) -> Result<(), ReadError> {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let native = NativeId(text_of(self.thread, "id").unwrap_or_else(|| stem.to_owned()));
        self.sink.op(Op::Session { agent: None, native, relation: None })?;
        self.facts()?;
        let messages = self.thread["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        for (ordinal, message) in (0u32..).zip(messages) {
            self.message(ordinal, message)?;
        }
        Ok(())
    }

    fn facts(&mut self) -> Result<(), ReadError> {
        let tree = &self.thread["env"]["initial"]["trees"][0];
        let uri = text_of(tree, "uri");
        let mut times: Vec<_> = self.thread.get("created").and_then(time_value).into_iter().collect();
        let traces = self.thread["meta"]["traces"].as_array().map(Vec::as_slice).unwrap_or_default();
        times.extend(traces.iter().filter_map(|trace| time_value(trace.get("endTime")?)));
        let facts = Facts {
            cwd: uri.and_then(|uri| uri.strip_prefix("file://").map(str::to_owned)),
            project: text_of(tree, "displayName"),
            name: text_of(self.thread, "title"),
            times,
            ..Facts::default()
        };
        Ok(self.sink.op(Op::Facts(Box::new(facts)))?)
    }

    fn message(&mut self, ordinal: u32, value: &Value) -> Result<(), ReadError> {
        let role = if value["role"].as_str() == Some("assistant") { Role::Assistant } else { Role::User };
        let at = value["meta"].get("sentAt").and_then(time_value);
        let (mut blocks, mut results) = (Vec::new(), Vec::new());
        match &value["content"] {
            Value::String(text) => self.text(text.clone(), ordinal, &mut blocks)?,
            Value::Array(parts) => {
                for part in parts {
                    self.part(part, ordinal, at, &mut blocks, &mut results)?;
                }
            }
            _ => {}
        }
        if !blocks.is_empty() {
            let key = match &value["messageId"] {
                Value::String(id) => Some(id.clone()),
                Value::Number(id) => Some(id.to_string()),
                _ => None,
            };
            let usage = &value["usage"];
            let model = text_of(usage, "model");
            let usage = usage.is_object().then(|| usage_of(usage, model.as_deref()));
            let message = Message {
                ordinal,
                key,
                role,
                subtype: None,
                is_system: false,
                is_abandoned: false,
                at,
                model,
                effort: None,
                provider_id: None,
                usage,
                blocks,
            };
            self.sink.op(Op::Message(Box::new(message)))?;
        }
        for result in results {
            self.sink.op(Op::Result(Box::new(result)))?;
        }
        Ok(())
    }

    fn text(&mut self, text: String, ordinal: u32, blocks: &mut Vec<Block>) -> Result<(), ReadError> {
        let (text, had_control) = clean(text);
        if had_control {
            self.sink.op(Op::Odd { kind: Odd::Control, at: ordinal.into() })?;
        }
        if !text.trim().is_empty() {
            blocks.push(Block::Text(text));
        }
        Ok(())
    }

    fn part(
        &mut self,
        part: &Value,
        ordinal: u32,
        at: Option<carry_kernel::clock::Timestamp>,
        blocks: &mut Vec<Block>,
        results: &mut Vec<ResultEvent>,
    ) -> Result<(), ReadError> {
        match part["type"].as_str().unwrap_or_default() {
            "text" => self.text(text_of(part, "text").unwrap_or_default(), ordinal, blocks)?,
            "thinking" => {
                if let Some(text) = text_of(part, "thinking") {
                    blocks.push(Block::Thinking(clean(text).0));
                }
            }
            "tool_use" => {
                let index = blocks.iter().filter(|block| matches!(block, Block::Call(_))).count();
                let name = text_of(part, "name").unwrap_or_default();
                let input = &part["input"];
                blocks.push(Block::Call(ToolCall {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    id: text_of(part, "id").unwrap_or_default(),
                    category: Category::of(&name),
                    name,
                    input: if input.is_null() { "{}".to_owned() } else { input.to_string() },
                    skill: None,
                    subagent: None,
                    file: file_of(input),
                }));
            }
            "tool_result" => results.push(result_of(part, at)),
            "image" => {
                let source = &part["source"];
                let media = text_of(source, "media_type").or_else(|| text_of(source, "mediaType"));
                let media = media.unwrap_or_else(|| "image/png".to_owned());
                if let Some(data) = source["data"].as_str() {
                    blocks.extend(json::picture(&media, data, self.sink)?.map(Block::Image));
                }
            }
            kind => {
                self.sink.op(Op::Odd { kind: Odd::Unknown, at: ordinal.into() })?;
                blocks.push(Block::Other { kind: kind.to_owned(), json: part.to_string() });
            }
        }
        Ok(())
    }
}

fn result_of(part: &Value, at: Option<carry_kernel::clock::Timestamp>) -> ResultEvent {
    let run = &part["run"];
    let output = [&run["result"], &run["error"], &part["content"]].into_iter().find(|value| !value.is_null());
    let content = clean(output.map(text_in).unwrap_or_default()).0;
    let status = match run["status"].as_str() {
        Some("done") => ResultStatus::Completed,
        Some("error" | "cancelled" | "rejected-by-user") => ResultStatus::Failed,
        Some("in-progress") => ResultStatus::Running,
        _ if part["is_error"].as_bool() == Some(true) => ResultStatus::Failed,
        _ => ResultStatus::Unknown,
    };
    let id = text_of(part, "toolUseID").or_else(|| text_of(part, "tool_use_id")).unwrap_or_default();
    ResultEvent {
        call: CallRef::Id(id),
        source: "tool_result".to_owned(),
        status,
        at,
        content_bytes: content.len() as u64,
        content,
        images: Vec::new(),
        subagent: None,
    }
}

/// The text of an output: itself, the texts of its parts, its `output` or `message`, or its JSON.
fn text_in(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) if parts.iter().any(|part| part["text"].is_string()) => {
            parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("\n")
        }
        Value::Object(members) => ["output", "message", "text"]
            .iter()
            .find_map(|name| members.get(*name)?.as_str().map(str::to_owned))
            .unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    }
}

/// GPT models have no price of their own for writing to the cache: it counts as input.
fn usage_of(usage: &Value, model: Option<&str>) -> Usage {
    let (mut input, mut cache_write) = (number_of(usage, "inputTokens"), number_of(usage, "cacheCreationInputTokens"));
    if model.is_some_and(|model| model.starts_with("gpt-")) && cache_write.is_some() {
        input = Some(input.unwrap_or(0).saturating_add(cache_write.take().unwrap_or(0)));
    }
    Usage {
        input,
        output: number_of(usage, "outputTokens"),
        cache_read: number_of(usage, "cacheReadInputTokens"),
        cache_write,
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests;
