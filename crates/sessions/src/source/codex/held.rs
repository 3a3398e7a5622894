//! Ops that are held back for a moment, so that what belongs to a message arrives with it.

use crate::model::{Block, Message, ResultEvent, Usage};
use crate::source::{Op, Sink, SinkError};

/// Bytes of results that are held back at most.
const BYTES_MAX: usize = 256 * 1024;
/// Ops that are held back at most.
const OPS_MAX: usize = 32;

/// The last message and what followed it.
#[derive(Debug, Default)]
pub(super) struct Held {
    ops: Vec<Op>,
    bytes: usize,
}

impl Held {
    /// Says all that is held.
    pub(super) fn flush(&mut self, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.bytes = 0;
        self.ops.drain(..).try_for_each(|op| sink.op(op))
    }

    /// Takes a message. One that is held and has the same place is replaced; a new one takes the place of all that is held.
    pub(super) fn message(&mut self, message: Message, sink: &mut dyn Sink) -> Result<(), SinkError> {
        if let Some(held) = self.held(message.ordinal) {
            *held = message;
            return Ok(());
        }
        self.flush(sink)?;
        self.ops.push(Op::Message(Box::new(message)));
        Ok(())
    }

    /// Adds to a message, held or not.
    pub(super) fn extend(
        &mut self,
        ordinal: u32,
        blocks: Vec<Block>,
        usage: Option<Usage>,
        sink: &mut dyn Sink,
    ) -> Result<(), SinkError> {
        if let Some(held) = self.held(ordinal) {
            held.blocks.extend(blocks);
            held.usage = usage.or(held.usage);
            return Ok(());
        }
        self.now(Op::Extend { ordinal, blocks, usage }, sink)
    }

    /// Takes a result.
    pub(super) fn result(&mut self, event: ResultEvent, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.bytes += event.content.len();
        self.later(Op::Result(Box::new(event)), sink)
    }

    /// Takes an op that follows what is held.
    pub(super) fn later(&mut self, op: Op, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.ops.push(op);
        if self.bytes > BYTES_MAX || self.ops.len() > OPS_MAX { self.flush(sink) } else { Ok(()) }
    }

    /// Says what is held, then `op`.
    pub(super) fn now(&mut self, op: Op, sink: &mut dyn Sink) -> Result<(), SinkError> {
        self.flush(sink)?;
        sink.op(op)
    }

    fn held(&mut self, ordinal: u32) -> Option<&mut Message> {
        self.ops.iter_mut().find_map(|op| match op {
            Op::Message(message) if message.ordinal == ordinal => Some(&mut **message),
            _ => None,
        })
    }
}
