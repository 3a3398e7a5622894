//! Makes records of what is to be said.

use std::collections::VecDeque;

use carry_exchange::record::Flags;
use carry_exchange::strand::outbox::Outgoing;

use super::Limits;
use super::payload::{self, Body, Generation, MESSAGES, Name, Payload, PayloadError, Piece, SESSION};
use super::plan;
use crate::model::SessionId;

/// What is to be said of a session at one go.
#[derive(Clone, Debug)]
pub(super) struct Word<'w> {
    pub(super) id: &'w SessionId,
    pub(super) of: &'w Name,
    pub(super) generation: Generation,
    /// Whether nothing was said of this generation before: it voids what was said of others.
    pub(super) is_new: bool,
    /// The generations that it takes the place of.
    pub(super) replaces: &'w [Generation],
}

impl Word<'_> {
    /// The records: facts first, if they are said, then messages in order. `set` draws what the pieces of a long text have in
    /// common.
    pub(super) fn records<E: From<PayloadError>>(
        &self,
        facts: Option<String>,
        messages: Vec<(u32, String)>,
        limits: Limits,
        set: &mut dyn FnMut() -> Result<Generation, E>,
    ) -> Result<Vec<Outgoing>, E> {
        let mut bodies: Vec<(u16, Body)> = Vec::new();
        if let Some(facts) = facts {
            match facts.len() > limits.piece_bytes {
                true => bodies.extend(pieces(None, &facts, limits, set()?)),
                false => bodies.push((SESSION, Body::Session(facts))),
            }
        }
        let mut burst: VecDeque<(u32, String)> = VecDeque::new();
        for message in messages {
            if message.1.len() <= limits.piece_bytes {
                burst.push_back(message);
                continue;
            }
            close(&mut burst, limits, &mut bodies);
            bodies.extend(pieces(Some(message.0), &message.1, limits, set()?));
        }
        close(&mut burst, limits, &mut bodies);
        let mut records = Vec::with_capacity(bodies.len());
        for (at, (kind, body)) in bodies.into_iter().enumerate() {
            let replaces = if at == 0 || kind == SESSION { self.replaces.to_vec() } else { Vec::new() };
            let flags = if at == 0 && self.is_new { Flags::REPLACES } else { Flags::default() };
            records.push(self.record(kind, flags, replaces, body)?);
        }
        Ok(records)
    }

    /// The record that takes it all back.
    pub(super) fn withdrawal(&self) -> Result<Outgoing, PayloadError> {
        self.record(SESSION, Flags::KEEPS.and(Flags::REPLACES), self.replaces.to_vec(), Body::Withdrawn)
    }

    fn record(&self, kind: u16, flags: Flags, replaces: Vec<Generation>, body: Body) -> Result<Outgoing, PayloadError> {
        let payload = Payload { of: self.of.clone(), generation: self.generation, replaces, body };
        Ok(Outgoing {
            flags,
            key: self.id.as_str().as_bytes().to_vec(),
            kind,
            kind_version: payload::VERSION,
            wants: Vec::new(),
            payload: payload.encode()?,
        })
    }
}

fn close(burst: &mut VecDeque<(u32, String)>, limits: Limits, bodies: &mut Vec<(u16, Body)>) {
    let sizes: Vec<usize> = burst.iter().map(|(_, json)| json.len()).collect();
    for count in plan::bursts(sizes, limits.burst_messages, limits.burst_bytes) {
        let messages = burst.drain(..count).map(|(_, json)| json).collect();
        bodies.push((MESSAGES, Body::Messages(messages)));
    }
}

fn pieces(ordinal: Option<u32>, text: &str, limits: Limits, set: Generation) -> Vec<(u16, Body)> {
    let parts = plan::parts(text, limits.piece_bytes);
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let kind = if ordinal.is_some() { MESSAGES } else { SESSION };
    let piece = |(index, part): (u32, &str)| Piece { ordinal, set, index, count, text: part.to_owned() };
    (0..).zip(parts).map(|part| (kind, Body::Piece(piece(part)))).collect()
}
