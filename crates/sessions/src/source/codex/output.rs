//! Outputs of calls: their text, how the call ended, and what they say about other agents.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::wire::{Notice, Output, Part};
use crate::model::{Block, Image, ResultStatus};
use crate::source::json::{self, clean, picture_at, string, string_or_json};
use crate::source::{Sink, SinkError};

/// How many lines a command's header has at most.
const HEADER_LINES: usize = 8;

/// An output as text.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) images: Vec<Image>,
    pub(super) status: ResultStatus,
    /// The number of the process that is still running.
    pub(super) process: Option<String>,
}

/// How another agent stands.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) agent: String,
    pub(super) status: ResultStatus,
    pub(super) text: String,
}

/// The text of `raw`, be it a string, a list of parts, or an object.
pub(super) fn read(raw: &RawValue, was_odd: &mut bool, sink: &mut dyn Sink) -> Result<Text, SinkError> {
    let mut out = Text::default();
    if let Some(text) = string(raw) {
        out.text = clean(text, was_odd);
    } else if let Ok(parts) = serde_json::from_str::<Vec<Part<'_>>>(raw.get()) {
        let mut texts = Vec::new();
        for part in &parts {
            if let Some(text) = part.text {
                texts.push(clean(string_or_json(text), was_odd));
            } else if let Some(Block::Image(image)) = image(part, sink)? {
                out.images.push(image);
            }
        }
        out.text = texts.join("\n");
    } else if let Ok(Output { content: Some(content), success, .. }) = serde_json::from_str::<Output<'_>>(raw.get()) {
        out.text = clean(string_or_json(content), was_odd);
        out.status = success.map_or(ResultStatus::Unknown, ended);
    } else if raw.get() != "null" {
        out.text = clean(Cow::Borrowed(raw.get()), was_odd);
    }
    out.text.truncate(out.text.trim_end().len());
    if out.status == ResultStatus::Unknown {
        (out.status, out.process) = standing_of(&out.text);
    }
    if out.text.starts_with(super::ENCRYPTED) {
        out.text.clear();
    }
    Ok(out)
}

/// The picture of a part, if it is one.
pub(super) fn image(part: &Part<'_>, sink: &mut dyn Sink) -> Result<Option<Block>, SinkError> {
    let Some(raw) = part.image_url else { return Ok(None) };
    let nested = serde_json::from_str::<BTreeMap<Cow<'_, str>, json::Str<'_>>>(raw.get()).unwrap_or_default();
    let url = string(raw).or_else(|| nested.get("url").map(|url| Cow::Borrowed(&*url.0)));
    url.map(|url| picture_at(&url, sink)).transpose()
}

/// How a command stands, by the header of its output; and the number of the process that still runs.
fn standing_of(text: &str) -> (ResultStatus, Option<String>) {
    if text.starts_with('{') {
        if memchr::memmem::find(text.as_bytes(), b"\"exit_code\"").is_none() {
            return (ResultStatus::Unknown, None);
        }
        let exit = serde_json::from_str::<Output<'_>>(text).ok().and_then(|output| output.metadata?.exit_code);
        return (exit.map_or(ResultStatus::Unknown, |code| ended(code == 0)), None);
    }
    for line in text.lines().take(HEADER_LINES).take_while(|line| !line.starts_with("Output:")) {
        let code = line.strip_prefix("Process exited with code ").or_else(|| line.strip_prefix("Exit code: "));
        if let Some(code) = code {
            return (code.trim().parse::<i64>().map_or(ResultStatus::Unknown, |code| ended(code == 0)), None);
        }
        if let Some(process) = line.strip_prefix("Process running with session ID ") {
            return (ResultStatus::Running, Some(json::cut(process.trim(), 32).to_owned()));
        }
    }
    (ResultStatus::Unknown, None)
}

fn ended(is_well: bool) -> ResultStatus {
    if is_well { ResultStatus::Completed } else { ResultStatus::Failed }
}

/// The agent that an output of `spawn_agent` names.
pub(super) fn spawned(text: &str) -> Option<String> {
    if !text.starts_with('{') {
        return None;
    }
    serde_json::from_str::<Output<'_>>(text).ok()?.agent_id?.kept()
}

/// What an output of `wait_agent` says about the agents that were waited for.
pub(super) fn waited(text: &str, was_odd: &mut bool) -> Vec<Standing> {
    let status = serde_json::from_str::<Output<'_>>(text).ok().and_then(|output| output.status);
    let Some(status) = status else { return Vec::new() };
    let Ok(agents) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(status.get()) else { return Vec::new() };
    agents.iter().filter_map(|(agent, status)| standing(agent, status, was_odd)).collect()
}

/// What a notification about another agent says.
pub(super) fn notified(text: &str, was_odd: &mut bool) -> Option<Standing> {
    let inner =
        text.trim().strip_prefix("<subagent_notification>")?.trim_end_matches("</subagent_notification>").trim();
    let notice = serde_json::from_str::<Notice<'_>>(inner).ok()?;
    let agent = notice.agent_id.or(notice.agent_path)?.kept()?;
    standing(&agent, notice.status?, was_odd)
}

/// How an agent stands: `{"completed": text}`, `{"errored": text}`; one that still runs says nothing.
fn standing(agent: &str, status: &RawValue, was_odd: &mut bool) -> Option<Standing> {
    let known = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(status.get()).ok()?;
    let (kind, raw) = known.iter().next()?;
    let status = match &**kind {
        "completed" | "shutdown" => ResultStatus::Completed,
        "errored" | "failed" | "interrupted" => ResultStatus::Failed,
        _ => return None,
    };
    let text = if raw.get() == "null" { Cow::Borrowed("") } else { string_or_json(raw) };
    Some(Standing { agent: agent.to_owned(), status, text: clean(text, was_odd).trim_end().to_owned() })
}

/// The files that a patch names, each once, in order.
pub(super) fn patched(patch: &str) -> Vec<&str> {
    let mut files: Vec<&str> = Vec::new();
    let mut known = std::collections::HashSet::new();
    for line in patch.lines() {
        let Some(rest) = line.strip_prefix("*** ") else { continue };
        let file = ["Update File: ", "Add File: ", "Delete File: "].iter().find_map(|head| rest.strip_prefix(head));
        if let Some(file) = file.map(str::trim)
            && !file.is_empty()
            && known.insert(file)
        {
            files.push(file);
        }
    }
    files
}
