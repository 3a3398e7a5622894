//! What stands between a source and the writer: counts, listens for ends of turns, stops.

use crate::archive::Writer;
use crate::model::{Agent, NativeId};
use crate::source::{Op, Sink, SinkError};

use super::turns::Turns;

/// Whether to stop is asked, and progress told, once in so many bytes or ops.
const BYTES_EVERY: u64 = 1024 * 1024;
const OPS_EVERY: u32 = 1024;

/// Passes on what one source says about one unit.
pub(super) struct Listener<'a, 'w> {
    pub(super) writer: &'a mut Writer<'w>,
    pub(super) turns: &'a mut Turns,
    /// The source's own agent.
    pub(super) agent: Agent,
    pub(super) should_stop: &'a dyn Fn() -> bool,
    /// Told how many bytes came.
    pub(super) tell: &'a dyn Fn(u64),
    bytes: u64,
    untold: u64,
    ops: u32,
    /// The writer is at work: a panic now is its own.
    pub(super) is_inside: bool,
}

impl<'a, 'w> Listener<'a, 'w> {
    pub(super) fn new(
        writer: &'a mut Writer<'w>,
        turns: &'a mut Turns,
        agent: Agent,
        should_stop: &'a dyn Fn() -> bool,
        tell: &'a dyn Fn(u64),
    ) -> Self {
        Self { writer, turns, agent, should_stop, tell, bytes: 0, untold: 0, ops: 0, is_inside: false }
    }

    /// Raw bytes that came so far.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn look_up(&mut self) -> Result<(), SinkError> {
        (self.ops, self.untold) = (0, 0);
        (self.tell)(self.bytes);
        if (self.should_stop)() { Err(SinkError::Stopped) } else { Ok(()) }
    }
}

impl Sink for Listener<'_, '_> {
    fn op(&mut self, op: Op) -> Result<(), SinkError> {
        self.turns.hear(self.agent, &op);
        self.ops += 1;
        if self.ops >= OPS_EVERY {
            self.look_up()?;
        }
        self.is_inside = true;
        let done = self.writer.op(op);
        self.is_inside = false;
        done
    }

    fn raw(&mut self, bytes: &[u8]) -> Result<(), SinkError> {
        let n_bytes = bytes.len() as u64;
        (self.bytes, self.untold) = (self.bytes + n_bytes, self.untold + n_bytes);
        if self.untold >= BYTES_EVERY {
            self.look_up()?;
        }
        self.is_inside = true;
        let done = self.writer.raw(bytes);
        self.is_inside = false;
        done
    }

    fn token(&mut self, agent: Agent, native: &NativeId) -> Option<String> {
        self.is_inside = true;
        let token = self.writer.token(agent, native);
        self.is_inside = false;
        token
    }
}
