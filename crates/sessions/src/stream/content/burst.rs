//! Makes records of what is to be said.

use carry_exchange::record::Flags;
use carry_exchange::strand::outbox::{End, Outgoing};

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

/// Messages that are to be said: as far as they can be made ready before it is known which generation says them.
#[derive(Debug)]
pub(super) enum Part {
    /// Those of one record.
    Burst(Burst),
    /// One that is too long for a record.
    Long(u32, String),
}

/// Messages of one record.
#[derive(Debug)]
pub(super) struct Burst {
    /// Each with the hash of its text.
    messages: Vec<(u32, i64)>,
    /// How the payload ends.
    end: Vec<u8>,
    packed: Option<End>,
}

/// A record that is to be said.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) out: Outgoing,
    /// The end of its payload, packed.
    pub(super) end: Option<End>,
    /// What is in it, if it says messages.
    pub(super) told: Option<Told>,
}

/// What a record says that was made here and need not be read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) of: Name,
    pub(super) generation: Generation,
    pub(super) replaces: Vec<Generation>,
    /// Each with the hash of its text.
    pub(super) messages: Vec<(u32, i64)>,
}

impl Part {
    /// Its messages.
    pub(super) fn ordinals(&self) -> impl Iterator<Item = u32> {
        let (burst, long) = match self {
            Self::Burst(burst) => (burst.messages.as_slice(), None),
            Self::Long(ordinal, _) => (&[][..], Some(*ordinal)),
        };
        burst.iter().map(|(ordinal, _)| *ordinal).chain(long)
    }

    /// About how many bytes it takes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Burst(burst) => burst.end.len(),
            Self::Long(_, json) => json.len(),
        }
    }
}

/// Groups messages, and packs what goes together.
pub(super) fn parts(messages: Vec<(u32, String)>, limits: Limits) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open: Vec<(u32, String)> = Vec::new();
    for message in messages {
        if message.1.len() <= limits.piece_bytes {
            open.push(message);
            continue;
        }
        close(&mut open, limits, &mut parts);
        parts.push(Part::Long(message.0, message.1));
    }
    close(&mut open, limits, &mut parts);
    parts
}

impl Word<'_> {
    /// The records: facts first, if they are said, then messages in order. `set` draws what the pieces of a long text have in
    /// common.
    pub(super) fn records<E: From<PayloadError>>(
        &self,
        facts: Option<String>,
        messages: Vec<Part>,
        limits: Limits,
        set: &mut dyn FnMut() -> Result<Generation, E>,
    ) -> Result<Vec<Saying>, E> {
        let mut records = Vec::new();
        if let Some(facts) = facts {
            let bodies = match facts.len() > limits.piece_bytes {
                true => pieces(None, &facts, limits, set()?),
                false => vec![(SESSION, Body::Session(facts))],
            };
            for (kind, body) in bodies {
                self.add(&mut records, kind, body)?;
            }
        }
        for part in messages {
            match part {
                Part::Burst(burst) => {
                    let (flags, replaces) = self.begins(&records, MESSAGES);
                    records.push(self.burst(burst, flags, replaces)?);
                }
                Part::Long(ordinal, json) => {
                    for (kind, body) in pieces(Some(ordinal), &json, limits, set()?) {
                        self.add(&mut records, kind, body)?;
                    }
                }
            }
        }
        Ok(records)
    }

    fn add(&self, records: &mut Vec<Saying>, kind: u16, body: Body) -> Result<(), PayloadError> {
        let (flags, replaces) = self.begins(records, kind);
        records.push(Saying { out: self.record(kind, flags, replaces, body)?, end: None, told: None });
        Ok(())
    }

    /// What the next record after these voids and replaces.
    fn begins(&self, records: &[Saying], kind: u16) -> (Flags, Vec<Generation>) {
        let is_first = records.is_empty();
        let flags = if is_first && self.is_new { Flags::REPLACES } else { Flags::default() };
        (flags, if is_first || kind == SESSION { self.replaces.to_vec() } else { Vec::new() })
    }

    fn burst(&self, burst: Burst, flags: Flags, replaces: Vec<Generation>) -> Result<Saying, PayloadError> {
        let payload = payload::encode_messages(self.of, self.generation, &replaces, &burst.end)?;
        // What no reader believes is not known, either.
        let is_believed = payload::check(self.of, replaces.len()).is_ok();
        let told = Told { of: self.of.clone(), generation: self.generation, replaces, messages: burst.messages };
        let out = self.outgoing(MESSAGES, flags, payload);
        Ok(Saying { out, end: burst.packed, told: Some(told).filter(|_| is_believed) })
    }

    /// The record that takes it all back.
    pub(super) fn withdrawal(&self) -> Result<Outgoing, PayloadError> {
        self.record(SESSION, Flags::KEEPS.and(Flags::REPLACES), self.replaces.to_vec(), Body::Withdrawn)
    }

    fn record(&self, kind: u16, flags: Flags, replaces: Vec<Generation>, body: Body) -> Result<Outgoing, PayloadError> {
        let payload = Payload { of: self.of.clone(), generation: self.generation, replaces, body };
        Ok(self.outgoing(kind, flags, payload.encode()?))
    }

    fn outgoing(&self, kind: u16, flags: Flags, payload: Vec<u8>) -> Outgoing {
        let key = self.id.as_str().as_bytes().to_vec();
        Outgoing { flags, key, kind, kind_version: payload::VERSION, wants: Vec::new(), payload }
    }
}

fn close(open: &mut Vec<(u32, String)>, limits: Limits, parts: &mut Vec<Part>) {
    let sizes: Vec<usize> = open.iter().map(|(_, json)| json.len()).collect();
    let mut messages = open.drain(..);
    for count in plan::bursts(sizes, limits.burst_messages, limits.burst_bytes) {
        let group: Vec<(u32, String)> = messages.by_ref().take(count).collect();
        let end = payload::messages_end(group.iter().map(|(_, json)| json.as_str()));
        let packed = End::pack(&end);
        let messages = group.iter().map(|(ordinal, json)| (*ordinal, payload::hash(json))).collect();
        parts.push(Part::Burst(Burst { messages, end, packed }));
    }
}

fn pieces(ordinal: Option<u32>, text: &str, limits: Limits, set: Generation) -> Vec<(u16, Body)> {
    let parts = plan::parts(text, limits.piece_bytes);
    let count = u32::try_from(parts.len()).unwrap_or(u32::MAX);
    let kind = if ordinal.is_some() { MESSAGES } else { SESSION };
    let piece = |(index, part): (u32, &str)| Piece { ordinal, set, index, count, text: part.to_owned() };
    (0..).zip(parts).map(|part| (kind, Body::Piece(piece(part)))).collect()
}
