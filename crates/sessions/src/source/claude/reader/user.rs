//! What users typed, what tools answered, and what the program put between.

use super::answer::{agent_id, raw_blocks};
use super::{Block, Message, Op, ReadError, Reader, Role, Sink, blocks, sidecar, text, wire};
use crate::model::{CallRef, ResultEvent, ResultStatus};
use text::Said;

/// What a user entry turned out to be.
#[derive(Debug, Default)]
struct Parts {
    /// The editor's envelope before a prompt.
    editor: Option<(&'static str, String)>,
    blocks: Vec<Block>,
    /// Texts of the program, kept when nothing was typed.
    system: Vec<Block>,
    subtype: Option<&'static str>,
    has_noise: bool,
}

impl Reader<'_> {
    pub(super) fn user(
        &mut self,
        at: u64,
        mut line: wire::Line<'_>,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), ReadError> {
        let content = line.message.0.take().unwrap_or_default().content;
        let (results, content) = split(content);
        if results.is_empty() && line.is_meta.0 {
            self.graph.note(wire::uuid(&line.uuid), wire::uuid(&line.parent_uuid));
            return Ok(());
        }
        let mut notes = blocks::Notes::default();
        let is_summary = line.is_compact_summary.0;
        let mut parts = if is_summary { summary(content, &mut notes) } else { parts(content, bytes, &mut notes) };
        let is_aside = line.is_sidechain.0 && !self.is_agent;
        let is_prompt = results.is_empty() && !is_summary && !parts.blocks.is_empty() && !is_aside;
        if results.is_empty() && parts.blocks.is_empty() && parts.system.is_empty() && parts.has_noise {
            self.graph.note(wire::uuid(&line.uuid), wire::uuid(&line.parent_uuid));
            return Ok(());
        }
        self.close(sink)?;
        match is_prompt {
            true => self.place_prompt(&line, sink)?,
            false => self.place(&line, sink)?,
        }
        self.notes(notes, at, sink)?;
        if is_prompt {
            self.threads[self.thread].is_asked = true;
        }
        if let Some((subtype, envelope)) = parts.editor.take() {
            let mut hidden = self.user_message(&line, vec![Block::Text(envelope)]);
            hidden.key = line.uuid.some().map(|uuid| format!("{uuid}:ide-context"));
            hidden.subtype = Some(subtype.to_owned());
            hidden.is_system = true;
            self.message(hidden, sink)?;
        }
        let is_system = parts.blocks.is_empty();
        let said = if is_system { parts.system } else { parts.blocks };
        let mut message = self.user_message(&line, said);
        message.is_system = is_system || is_summary || is_aside;
        message.subtype = match (is_summary, is_aside) {
            (true, _) => Some("compact_boundary".to_owned()),
            (_, true) => Some("sidechain".to_owned()),
            _ => parts.subtype.filter(|_| is_system).map(str::to_owned),
        };
        if is_summary {
            message.role = Role::Assistant;
        }
        let is_single = results.len() == 1;
        for result in results {
            self.result(at, &line, result, is_single, sink)?;
        }
        self.message(message, sink)
    }

    /// A prompt that was typed while the agent worked.
    pub(super) fn attachment(
        &mut self,
        at: u64,
        mut line: wire::Line<'_>,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), ReadError> {
        let Some(attachment) = line.attachment.0.take().filter(|found| &*found.kind == "queued_command") else {
            return Ok(());
        };
        let mut notes = blocks::Notes::default();
        let parts = parts(attachment.prompt, bytes, &mut notes);
        let is_system = parts.blocks.is_empty() || &*attachment.command_mode == "task-notification";
        let said = if parts.blocks.is_empty() { parts.system } else { parts.blocks };
        if said.is_empty() {
            return Ok(());
        }
        self.close(sink)?;
        self.notes(notes, at, sink)?;
        let mut message = self.user_message(&line, said);
        message.is_system = is_system;
        message.subtype = Some(parts.subtype.filter(|_| is_system).unwrap_or("queued_command").to_owned());
        self.message(message, sink)
    }

    fn user_message(&mut self, line: &wire::Line<'_>, blocks: Vec<Block>) -> Message {
        Message {
            ordinal: self.number(),
            key: line.uuid.some().map(str::to_owned),
            role: Role::User,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at: wire::timestamp(&line.timestamp),
            model: None,
            effort: None,
            provider_id: None,
            usage: None,
            blocks,
        }
    }

    fn result(
        &mut self,
        at: u64,
        line: &wire::Line<'_>,
        result: wire::Block<'_>,
        is_single: bool,
        sink: &mut dyn Sink,
    ) -> Result<(), ReadError> {
        self.threads[self.thread].settle(&result.tool_use_id);
        if !self.is_open {
            self.begin(sink)?;
        }
        let mut notes = blocks::Notes::default();
        let mut images = Vec::new();
        let mut content = String::new();
        match result.content {
            wire::Content::None => {}
            wire::Content::Text(text) => content = notes.text(text),
            wire::Content::Blocks(found) => {
                for (place, block) in found.into_iter().enumerate() {
                    match blocks::one(block, place, &mut notes, &|_| None) {
                        Some(Block::Text(text)) => {
                            if !content.is_empty() {
                                content.push('\n');
                            }
                            content.push_str(&text);
                        }
                        Some(Block::Image(image)) => images.push(image),
                        _ => {}
                    }
                }
            }
        }
        let outcome = line.tool_use_result.0.as_ref().filter(|_| is_single);
        let mut content_bytes = content.len() as u64;
        let path = outcome.and_then(|outcome| outcome.persisted_output_path.some());
        if let Some((full, bytes)) = path.and_then(|path| sidecar::output(self.path, path)) {
            content = notes.text(full.into());
            content_bytes = bytes;
        }
        self.notes(notes, at, sink)?;
        let event = ResultEvent {
            call: CallRef::Id(result.tool_use_id.0.into_owned()),
            source: "tool_result".to_owned(),
            status: match result.is_error {
                Some(wire::Flag(true)) => ResultStatus::Failed,
                Some(wire::Flag(false)) => ResultStatus::Completed,
                None => ResultStatus::Unknown,
            },
            at: wire::timestamp(&line.timestamp),
            content,
            images,
            content_bytes,
            subagent: outcome.and_then(|outcome| outcome.agent_id.some()).map(agent_id),
        };
        self.op(Op::Result(Box::new(event)), sink)
    }
}

/// Outputs of tools, and the rest with its places.
fn split(content: wire::Content<'_>) -> (Vec<wire::Block<'_>>, wire::Content<'_>) {
    let wire::Content::Blocks(blocks) = content else { return (Vec::new(), content) };
    let is_result = |block: &wire::Block<'_>| &*block.kind == "tool_result";
    if !blocks.iter().any(is_result) {
        return (Vec::new(), wire::Content::Blocks(blocks));
    }
    let (mut results, mut rest) = (Vec::new(), Vec::new());
    for block in blocks {
        if is_result(&block) {
            results.push(block);
            // What remains keeps its place.
            rest.push(wire::Block::default());
        } else {
            rest.push(block);
        }
    }
    (results, wire::Content::Blocks(rest))
}

fn summary(content: wire::Content<'_>, notes: &mut blocks::Notes) -> Parts {
    Parts { blocks: blocks::answer(content, notes, &|_| None), ..Parts::default() }
}

/// Tells what was typed from what the program put around it.
fn parts(content: wire::Content<'_>, bytes: &[u8], notes: &mut blocks::Notes) -> Parts {
    let raw = raw_blocks(bytes);
    let mut parts = Parts::default();
    match content {
        wire::Content::None => {}
        wire::Content::Text(text) => parts.say(&notes.text(text)),
        wire::Content::Blocks(blocks) => {
            for (place, block) in blocks.into_iter().enumerate() {
                match blocks::one(block, place, notes, &raw) {
                    Some(Block::Text(text)) => parts.say(&text),
                    Some(block) => parts.blocks.push(block),
                    None => {}
                }
            }
        }
    }
    parts
}

impl Parts {
    fn say(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let mut rest = text;
        if let Some((subtype, envelope, after)) = text::editor(text) {
            if after.is_empty() {
                self.system(subtype, envelope);
                return;
            }
            self.editor.get_or_insert((subtype, envelope.to_owned()));
            rest = after;
        }
        match text::classify(rest) {
            Said::Typed(typed) => self.blocks.push(Block::Text(typed.into_owned())),
            Said::Command(command) => self.blocks.push(Block::Text(command)),
            Said::System(subtype, text) => self.system(subtype, text),
            Said::Noise => self.has_noise = true,
        }
    }

    fn system(&mut self, subtype: &'static str, text: &str) {
        self.subtype.get_or_insert(subtype);
        self.system.push(Block::Text(text.to_owned()));
    }
}
