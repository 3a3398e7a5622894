//! What was said: prompts, answers, reasoning.

use carry_kernel::clock::Timestamp;
use serde_json::value::RawValue;

use super::super::state::{WAITING_BYTES_MAX, Waiting};
use super::super::wire::{Part, Record};
use super::super::{ENCRYPTED, output};
use super::{Reader, injected};
use crate::model::{Block, Message, Role};
use crate::source::json::{clean, string, string_or_json};
use crate::source::{Sink, SinkError, files};

/// Blocks that wait for their message.
const WAITING_MAX: usize = 64;

impl Reader<'_> {
    /// The blocks of a message's content.
    pub(super) fn texts(&mut self, content: Option<&RawValue>, sink: &mut dyn Sink) -> Result<Vec<Block>, SinkError> {
        let mut blocks = Vec::new();
        let Some(content) = content else { return Ok(blocks) };
        if let Some(text) = string(content) {
            blocks.extend(said(clean(text, &mut self.was_odd)));
            return Ok(blocks);
        }
        for part in serde_json::from_str::<Vec<Part<'_>>>(content.get()).unwrap_or_default() {
            if let Some(text) = part.text {
                blocks.extend(said(clean(string_or_json(text), &mut self.was_odd)));
            } else if let Some(image) = output::image(&part, sink)? {
                blocks.push(image);
            }
        }
        Ok(blocks)
    }

    pub(super) fn prompt(
        &mut self,
        item: &Record<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let mut blocks = Vec::new();
        for block in self.texts(item.content, sink)? {
            let Block::Text(text) = &block else {
                blocks.push(block);
                continue;
            };
            match injected(text) {
                None => blocks.push(block),
                Some(None) => {}
                Some(Some("subagent_notification")) => {
                    if let Some(standing) = output::notified(text, &mut self.was_odd) {
                        self.notification(standing, at, sink)?;
                    }
                }
                Some(Some(kind)) => {
                    self.state.was_aborted |= kind == "turn_aborted";
                    let json = serde_json::json!({ "text": text }).to_string();
                    self.wait_for_message(Waiting::Other(kind.to_owned(), json), sink)?;
                }
            }
        }
        if blocks.is_empty() {
            return Ok(());
        }
        let all: String = blocks
            .iter()
            .filter_map(|block| if let Block::Text(text) = block { Some(&**text) } else { None })
            .collect();
        let hash = files::number(&all);
        let was_aborted = std::mem::take(&mut self.state.was_aborted);
        if was_aborted && self.state.first == Some(hash) && self.state.prompts.len() == 1 {
            // The first prompt is written once more after an abort.
            return Ok(());
        }
        self.state.first.get_or_insert(hash);
        self.settle_thinking(sink)?;
        let before = std::mem::take(&mut self.state.waiting).into_iter().map(Waiting::block);
        let blocks = before.chain(blocks).collect();
        let ordinal = self.message(Role::User, at, blocks, sink)?;
        self.state.prompted(ordinal);
        self.state.answer = None;
        self.state.is_answered = false;
        Ok(())
    }

    pub(super) fn answer(
        &mut self,
        item: &Record<'_>,
        at: Option<Timestamp>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        let said = self.texts(item.content, sink)?;
        if said.is_empty() {
            return Ok(());
        }
        let before = std::mem::take(&mut self.state.waiting).into_iter().map(Waiting::block);
        let blocks = before.chain(said).collect();
        self.assistant(at, blocks, sink)?;
        Ok(())
    }

    pub(super) fn assistant(
        &mut self,
        at: Option<Timestamp>,
        blocks: Vec<Block>,
        sink: &mut dyn Sink,
    ) -> Result<u32, SinkError> {
        let ordinal = self.message(Role::Assistant, at, blocks, sink)?;
        self.state.answer = Some((ordinal, false));
        self.state.is_answered = true;
        Ok(ordinal)
    }

    pub(super) fn message(
        &mut self,
        role: Role,
        at: Option<Timestamp>,
        blocks: Vec<Block>,
        sink: &mut dyn Sink,
    ) -> Result<u32, SinkError> {
        let ordinal = self.state.next;
        self.state.next = ordinal.saturating_add(1);
        let is_answer = role == Role::Assistant;
        let message = Message {
            ordinal,
            key: None,
            role,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at,
            model: self.state.model.clone().filter(|_| is_answer),
            effort: self.state.effort.clone().filter(|_| is_answer),
            provider_id: None,
            usage: None,
            blocks,
        };
        self.held.message(message, sink)?;
        Ok(ordinal)
    }

    pub(super) fn reasoning(&mut self, item: &Record<'_>, sink: &mut dyn Sink) -> Result<(), SinkError> {
        for part in [item.summary, item.content].into_iter().flatten() {
            let texts: Vec<String> = self
                .texts(Some(part), sink)?
                .into_iter()
                .filter_map(|block| if let Block::Text(text) = block { Some(text) } else { None })
                .collect();
            if !texts.is_empty() {
                return self.wait_for_message(Waiting::Thinking(texts.join("\n\n")), sink);
            }
        }
        Ok(())
    }

    /// Keeps a block for the message that follows. More than may wait goes to the last answer at once.
    pub(super) fn wait_for_message(&mut self, block: Waiting, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.state.waiting.push(block);
        if self.state.waiting.iter().map(Waiting::bytes).sum::<usize>() > WAITING_BYTES_MAX
            || self.state.waiting.len() > WAITING_MAX
        {
            self.settle(sink)?;
        }
        Ok(())
    }

    /// Reasoning that no message of its turn followed belongs to the last answer.
    pub(super) fn settle_thinking(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if self.state.waiting.iter().any(|block| matches!(block, Waiting::Thinking(_))) {
            self.settle(sink)?;
        }
        Ok(())
    }

    fn settle(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        let waiting = std::mem::take(&mut self.state.waiting);
        if let Some((ordinal, _)) = self.state.answer {
            if let Some(spawn) = self.state.spawns.iter_mut().find(|spawn| spawn.ordinal == ordinal) {
                spawn.after.extend(waiting.iter().cloned());
            }
            self.forget_large_spawns();
            return self.held.extend(ordinal, waiting.into_iter().map(Waiting::block).collect(), None, sink);
        }
        if !waiting.is_empty() {
            let at = self.state.times.map(|(_, greatest)| Timestamp::from_millis(greatest));
            self.assistant(at, waiting.into_iter().map(Waiting::block).collect(), sink)?;
        }
        Ok(())
    }

    fn forget_large_spawns(&mut self) {
        self.state.spawns.retain(|spawn| spawn.after.iter().map(Waiting::bytes).sum::<usize>() <= WAITING_BYTES_MAX);
    }
}

/// A text as a block, unless it is empty or only its provider can read it.
fn said(text: String) -> Option<Block> {
    (!text.trim().is_empty() && !text.starts_with(ENCRYPTED)).then_some(Block::Text(text))
}
