//! What stands in a record: see `docs/formats/exchange-sessions.md`.
//!
//! ```text
//! {"of": {origin, agent, native}, "generation": hex, "replaces": [hex], "session": {…} | "withdrawn": true
//!                                                                     | "messages": [{…}] | "piece": {…}}
//! ```
//!
//! Types of the format are private to this module and its parts. Whoever wrote a record, what it says is checked before it is
//! believed; members that nobody knows are passed over.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

mod facts;
mod message;
mod number;

pub(super) use facts::{decode_facts, encode_facts};
pub(super) use message::{decode_message, encode_message, is_whole, ordinal_of, unreadable_message};

/// Records of this kind say what a session is.
pub(crate) const SESSION: u16 = 1;
/// Records of this kind say what was said in it.
pub(crate) const MESSAGES: u16 = 2;
/// The version of both.
pub(crate) const VERSION: u16 = 1;

/// Generations that a record names as replaced, at most: about 36 KiB. Of a session that was rewritten more often the newest are
/// named; those of the same log are void by the record's flag whether they are named or not.
pub(super) const REPLACES_MAX: usize = 1024;
/// Pieces of one text, at most.
pub(super) const PIECES_MAX: u32 = 4096;
/// Bytes of one text, at most, however many pieces it comes in.
pub(super) const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Characters of a name's parts, at most.
const NAME_BYTES_MAX: usize = 4096;

/// Why a record's payload cannot be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum PayloadError {
    /// It is not JSON, or members are missing or of another type.
    #[error("it is not of the form that is exchanged")]
    Json(#[from] serde_json::Error),
    /// A member is not what it should be.
    #[error("`{0}` is not what it should be")]
    Member(&'static str),
}

/// Why something cannot be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UnsayableError {
    /// A number that readers would round.
    #[error("{0} is a number too large to be exchanged")]
    Number(&'static str),
    /// A text that would take too many records.
    #[error("it takes {0} bytes, more than can be exchanged")]
    TooLarge(usize),
}

/// Which account of a session: drawn anew whenever what was said of it does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Generation(pub(super) [u8; 16]);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Generation {
    type Err = PayloadError;
    fn from_str(text: &str) -> Result<Self, PayloadError> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        let number = is_hex.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        number.map(|number| Self(number.to_be_bytes())).ok_or(PayloadError::Member("generation"))
    }
}

/// What names a session beside its id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Name {
    /// Where it was first archived.
    pub(super) origin: String,
    /// The agent.
    pub(super) agent: String,
    /// The agent's own id of it.
    pub(super) native: String,
}

/// A part of a text that is too long for one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// The message; `None`: the session's facts.
    pub(super) ordinal: Option<u32>,
    /// What its pieces have in common: drawn for each time that it is said.
    pub(super) set: Generation,
    /// Its place among them, from 0.
    pub(super) index: u32,
    /// How many there are.
    pub(super) count: u32,
    /// The part.
    pub(super) text: String,
}

/// What a record says, the JSON of facts and messages as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// The session's facts.
    Session(String),
    /// The session is not told any more.
    Withdrawn,
    /// Messages.
    Messages(Vec<String>),
    /// A piece of either.
    Piece(Piece),
}

/// A record's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) of: Name,
    pub(super) generation: Generation,
    /// The generations that it takes the place of.
    pub(super) replaces: Vec<Generation>,
    pub(super) body: Body,
}

#[derive(Serialize, Deserialize)]
struct WirePiece {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ordinal: Option<u32>,
    set: String,
    index: u32,
    count: u32,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    of: Name,
    generation: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    replaces: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    session: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    withdrawn: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<Box<RawValue>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    piece: Option<WirePiece>,
}

impl Wire {
    /// One that says nothing yet.
    fn of(of: Name, generation: Generation, replaces: &[Generation]) -> Self {
        Self {
            of,
            generation: generation.to_string(),
            replaces: replaces.iter().map(ToString::to_string).collect(),
            session: None,
            withdrawn: false,
            messages: None,
            piece: None,
        }
    }
}

/// The end of a payload that says these messages, each as JSON: the same whoever says them, and of what.
pub(super) fn messages_end<'m>(messages: impl Iterator<Item = &'m str>) -> Vec<u8> {
    let mut end = b"\"messages\":[".to_vec();
    for (at, message) in messages.enumerate() {
        if at > 0 {
            end.push(b',');
        }
        end.extend_from_slice(message.as_bytes());
    }
    end.extend_from_slice(b"]}");
    end
}

/// The bytes of a payload that says messages; `end` is [`messages_end`] of these.
pub(super) fn encode_messages(
    of: &Name,
    generation: Generation,
    replaces: &[Generation],
    end: &[u8],
) -> Result<Vec<u8>, PayloadError> {
    with_end(&Wire::of(of.clone(), generation, replaces), end)
}

/// The bytes of one that says nothing yet, with `end` in place of its closing brace.
fn with_end(wire: &Wire, end: &[u8]) -> Result<Vec<u8>, PayloadError> {
    let mut bytes = serde_json::to_vec(wire)?;
    bytes.pop();
    bytes.reserve_exact(end.len() + 1);
    bytes.push(b',');
    bytes.extend_from_slice(end);
    Ok(bytes)
}

/// Whether readers believe a record of this name that replaces so many.
pub(super) fn check(of: &Name, replaces: usize) -> Result<(), PayloadError> {
    let parts = [&of.origin, &of.agent, &of.native];
    if parts.iter().any(|part| part.is_empty() || part.len() > NAME_BYTES_MAX) {
        return Err(PayloadError::Member("of"));
    }
    if replaces > REPLACES_MAX { Err(PayloadError::Member("replaces")) } else { Ok(()) }
}

impl Payload {
    /// Its bytes.
    pub(super) fn encode(self) -> Result<Vec<u8>, PayloadError> {
        let mut wire = Wire::of(self.of, self.generation, &self.replaces);
        match self.body {
            Body::Session(json) => wire.session = Some(RawValue::from_string(json)?),
            Body::Withdrawn => wire.withdrawn = true,
            Body::Messages(messages) => return with_end(&wire, &messages_end(messages.iter().map(String::as_str))),
            Body::Piece(Piece { ordinal, set, index, count, text }) => {
                wire.piece = Some(WirePiece { ordinal, set: set.to_string(), index, count, text });
            }
        }
        Ok(serde_json::to_vec(&wire)?)
    }

    /// Reads the payload of a record of `kind`.
    pub(super) fn decode(kind: u16, bytes: &[u8]) -> Result<Self, PayloadError> {
        let wire: Wire = serde_json::from_slice(bytes)?;
        check(&wire.of, wire.replaces.len())?;
        let texts = |raw: Vec<Box<RawValue>>| raw.into_iter().map(|raw| Box::<str>::from(raw).into_string()).collect();
        let body = match (kind, wire.session, wire.withdrawn, wire.messages, wire.piece) {
            (SESSION, Some(session), false, None, None) => Body::Session(Box::<str>::from(session).into_string()),
            (SESSION, None, true, None, None) => Body::Withdrawn,
            (MESSAGES, None, false, Some(messages), None) => Body::Messages(texts(messages)),
            (SESSION | MESSAGES, None, false, None, Some(piece)) => Body::Piece(piece.check(kind)?),
            _ => return Err(PayloadError::Member("session")),
        };
        Ok(Self {
            of: wire.of,
            generation: wire.generation.parse()?,
            replaces: wire.replaces.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            body,
        })
    }
}

impl WirePiece {
    fn check(self, kind: u16) -> Result<Piece, PayloadError> {
        let fits = self.count <= PIECES_MAX && self.index < self.count && self.ordinal.is_some() == (kind == MESSAGES);
        let set = self.set.parse().map_err(|_| PayloadError::Member("piece"))?;
        let Self { ordinal, index, count, text, .. } = self;
        if fits { Ok(Piece { ordinal, set, index, count, text }) } else { Err(PayloadError::Member("piece")) }
    }
}

/// Whether readers take a text of so many bytes, in pieces of so many.
pub(super) fn check_size(bytes: usize, piece_bytes: usize) -> Result<(), UnsayableError> {
    let fits = bytes <= TEXT_BYTES_MAX && bytes.div_ceil(piece_bytes.max(1)) < PIECES_MAX as usize;
    if fits { Ok(()) } else { Err(UnsayableError::TooLarge(bytes)) }
}

/// What tells two texts apart.
pub(super) fn hash(json: &str) -> i64 {
    let hash = blake3::hash(json.as_bytes());
    i64::from_le_bytes(hash.as_bytes()[..8].try_into().unwrap_or_default())
}

#[cfg(test)]
mod tests;
