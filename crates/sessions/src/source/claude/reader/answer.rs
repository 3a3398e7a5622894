//! Answers of the agent, in one piece or several.

use super::{
    ANSWER_BYTES_MAX, Answer, Block, Message, NativeId, Op, Open, ProviderId, ReadError, Reader, Role, Sink, Stop,
    Unclosed, blocks, lines, short, text, wire,
};

/// Blocks of an answer by which its later pieces are recognised.
const BLOCKS_MAX: usize = 64;

impl Reader<'_> {
    pub(super) fn assistant(
        &mut self,
        at: u64,
        line: wire::Line<'_>,
        bytes: &[u8],
        sink: &mut dyn Sink,
    ) -> Result<(), ReadError> {
        self.place(&line, sink)?;
        let mut notes = blocks::Notes::default();
        let piece = piece(line, bytes, &mut notes);
        self.notes(notes, at, sink)?;
        let thread = &mut self.threads[self.thread];
        if let Some(reason) = piece.stop.as_deref() {
            thread.stop = if reason == "end_turn" { Stop::EndTurn } else { Stop::Other };
        } else {
            thread.stop = Stop::Other;
        }
        thread.is_asked = false;

        let id = piece.message.provider_id.as_ref().map(|provider| provider.message.clone()).unwrap_or_default();
        if let Some(open) = self.open.as_mut().filter(|open| is_same(&open.message, &id)) {
            self.threads[self.thread].expect_all(&piece.message.blocks);
            join(&mut open.message, piece.message);
            open.is_changed = true;
            let (is_empty, ordinal) = (open.message.blocks.is_empty(), open.message.ordinal);
            if !is_empty {
                self.remember(ordinal);
            }
            return Ok(());
        }
        self.close(sink)?;
        let known = self.threads[self.thread].answer.as_ref().is_some_and(|answer| answer.id == short(id.as_bytes()));
        if known && !id.is_empty() {
            return self.extend(piece.message, sink);
        }
        let thread = &mut self.threads[self.thread];
        thread.pending.clear();
        thread.expect_all(&piece.message.blocks);
        thread.answer = None;
        let mut message = Box::new(piece.message);
        message.ordinal = self.number();
        if !message.blocks.is_empty() {
            self.remember(message.ordinal);
        }
        self.open = Some(Open { at, message, is_changed: true });
        Ok(())
    }

    /// A piece of an answer that was said already.
    fn extend(&mut self, piece: Message, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let thread = &mut self.threads[self.thread];
        thread.expect_all(&piece.blocks);
        let Some(answer) = &mut thread.answer else { return Ok(()) };
        let ordinal = answer.ordinal;
        let mut more = piece.blocks;
        more.retain(|block| !answer.blocks.contains(&blocks::mark(block)));
        answer.remember(&more);
        let output = piece.usage.and_then(|usage| usage.output);
        let usage = piece.usage.filter(|_| output >= answer.output);
        answer.output = answer.output.max(output);
        if more.is_empty() && usage.is_none() {
            return Ok(());
        }
        self.op(Op::Extend { ordinal, blocks: more, usage }, sink)
    }

    /// Says the open answer; further pieces are additions.
    pub(super) fn close(&mut self, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let known = open.message.provider_id.as_ref().map(|provider| short(provider.message.as_bytes()));
        self.threads[self.thread].answer = known.filter(|_| !open.message.blocks.is_empty()).map(|id| {
            let output = open.message.usage.and_then(|usage| usage.output);
            let mut answer = Answer { id, ordinal: open.message.ordinal, blocks: Vec::new(), output };
            answer.remember(&open.message.blocks);
            answer
        });
        if !open.is_changed {
            return Ok(());
        }
        blocks::number(&mut open.message.blocks);
        self.message(*open.message, sink)
    }

    /// Closes an answer whose first piece lies far behind.
    pub(super) fn close_far(&mut self, at: u64, sink: &mut dyn Sink) -> Result<(), ReadError> {
        match &self.open {
            Some(open) if at.saturating_sub(open.at) > ANSWER_BYTES_MAX => self.close(sink),
            _ => Ok(()),
        }
    }

    /// Says the open answer as it is, and keeps it open.
    pub(super) fn say_open(&mut self, sink: &mut dyn Sink) -> Result<(), ReadError> {
        let Some(open) = self.open.as_mut().filter(|open| open.is_changed) else { return Ok(()) };
        open.is_changed = false;
        blocks::number(&mut open.message.blocks);
        let message = (*open.message).clone();
        self.message(message, sink)
    }

    /// Puts the answer together again that was open when the last reading ended at `end`.
    pub(super) fn rebuild(&mut self, unclosed: Unclosed, end: u64) -> Result<(), ReadError> {
        let path = self.path;
        lines::again(path, unclosed.at..end, &mut |at, bytes| {
            let lossy = String::from_utf8_lossy(bytes);
            let Ok(line) = serde_json::from_str::<wire::Line<'_>>(&lossy) else { return Ok(()) };
            if at != unclosed.at && &*line.kind != "assistant" {
                self.link(&line);
                return Ok(());
            }
            let message = piece(line, lossy.as_bytes(), &mut blocks::Notes::default()).message;
            let id = message.provider_id.as_ref().map(|provider| provider.message.clone()).unwrap_or_default();
            match &mut self.open {
                None => {
                    let message = Box::new(Message { ordinal: unclosed.ordinal, ..message });
                    self.open = Some(Open { at, message, is_changed: false });
                }
                Some(open) if is_same(&open.message, &id) => join(&mut open.message, message),
                Some(_) => {}
            }
            Ok(())
        })
    }

    /// A line that says which session a call started.
    pub(super) fn link(&mut self, line: &wire::Line<'_>) {
        let task: wire::Task<'_> = match &*line.kind {
            "queue-operation" => serde_json::from_str(&line.content).unwrap_or_default(),
            _ => wire::Task::default(),
        };
        let agent = line.data.0.as_ref().and_then(|data| data.agent_id.some());
        let xml = |open, close| text::between(&line.content, open, close);
        let call = line.parent_tool_use_id.some().or(task.tool_use_id.some());
        let call = call.or_else(|| xml("<tool-use-id>", "</tool-use-id>"));
        let agent = agent.or(task.task_id.some()).or_else(|| xml("<task-id>", "</task-id>"));
        let (Some(call), Some(agent), Some(open)) = (call, agent, &mut self.open) else { return };
        for block in &mut open.message.blocks {
            if let Block::Call(known) = block
                && known.id == call
                && known.category == crate::model::Category::Task
                && known.subagent.is_none()
            {
                known.subagent = Some(agent_id(agent));
                open.is_changed = true;
            }
        }
    }
}

impl super::Thread {
    fn expect_all(&mut self, blocks: &[Block]) {
        for block in blocks {
            if let Block::Call(call) = block {
                self.expect(&call.id);
            }
        }
    }
}

impl Answer {
    fn remember(&mut self, blocks: &[Block]) {
        let room = BLOCKS_MAX.saturating_sub(blocks.len());
        let old = self.blocks.len().saturating_sub(room);
        self.blocks.drain(..old);
        let skipped = blocks.len().saturating_sub(BLOCKS_MAX);
        self.blocks.extend(blocks[skipped..].iter().map(blocks::mark));
    }
}

/// The native id of a subagent.
pub(super) fn agent_id(agent: &str) -> NativeId {
    let agent = agent.trim().replace('~', "-");
    NativeId(if agent.starts_with("agent-") { agent } else { format!("agent-{agent}") })
}

struct Piece {
    message: Message,
    stop: Option<String>,
}

/// An assistant line as a message without place.
fn piece(line: wire::Line<'_>, bytes: &[u8], notes: &mut blocks::Notes) -> Piece {
    let entry = line.message.0.unwrap_or_default();
    let model = entry.model.some().map(str::to_owned);
    let is_made = model.as_deref() == Some("<synthetic>");
    let usage = entry.usage.0.as_ref().filter(|_| !is_made).map(blocks::usage);
    let provider_id = entry.id.some().map(|id| ProviderId {
        message: id.to_owned(),
        request: line.request_id.some().unwrap_or_default().to_owned(),
    });
    let raw = raw_blocks(bytes);
    let message = Message {
        ordinal: 0,
        key: line.uuid.some().map(str::to_owned),
        role: Role::Assistant,
        subtype: None,
        is_system: false,
        is_abandoned: false,
        at: wire::timestamp(&line.timestamp),
        model,
        effort: None,
        provider_id,
        usage,
        blocks: blocks::answer(entry.content, notes, &raw),
    };
    Piece { message, stop: entry.stop_reason.some().map(str::to_owned) }
}

/// Finds the JSON of the block at a place of a line's content; the line is looked at only when asked.
pub(super) fn raw_blocks(bytes: &[u8]) -> impl Fn(usize) -> Option<String> {
    let found = std::cell::OnceCell::new();
    move |place| {
        let read = || serde_json::from_slice::<wire::RawLine<'_>>(bytes).ok().and_then(|line| line.message);
        let blocks = found.get_or_init(|| read().map(|message| message.content).unwrap_or_default());
        blocks.get(place).map(|block| block.get().to_owned())
    }
}

fn is_same(message: &Message, id: &str) -> bool {
    !id.is_empty() && message.provider_id.as_ref().is_some_and(|provider| provider.message == id)
}

/// Adds a piece to the pieces before it. The last one says when and what the answer is, and the greatest usage counts.
fn join(message: &mut Message, piece: Message) {
    let output = |usage: &Option<crate::model::Usage>| usage.and_then(|usage| usage.output);
    if piece.usage.is_some() && output(&piece.usage) >= output(&message.usage) {
        message.usage = piece.usage;
    }
    message.key = piece.key.or(message.key.take());
    message.at = piece.at.or(message.at);
    message.model = piece.model.or(message.model.take());
    if let (Some(known), Some(new)) = (&mut message.provider_id, piece.provider_id)
        && known.request.is_empty()
    {
        known.request = new.request;
    }
    blocks::merge(&mut message.blocks, piece.blocks);
}
