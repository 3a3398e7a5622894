//! The nouns: units, rows, digests, and the root over them.
//!
//! What lies in a store is units: a session, or the totals of a project that shares no more than those. A unit has one [`Head`]
//! and, if it is a session that is shared with its text, [`Row`]s. Rows are compared by digest. They are grouped by message
//! into [`Bucket`]s, and one [`Root`] stands over the head and all buckets: two units with one root are equal.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::git_links::GitLink;
pub use carry_sessions::mask::pieces::{BUCKET_MESSAGES, Bucket};
use carry_sessions::model::SessionId;

use crate::share::Mode;

#[cfg(test)]
mod tests;

/// Grows when the same content gives other digests.
const VERSION: u8 = 1;

/// What names a unit among those of one owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UnitKey {
    /// A session.
    Session(SessionId),
    /// The totals of one device in the project with this key (as [`crate::shape::project_key`] shows it).
    Totals {
        /// The device's origin.
        origin: String,
        /// The project.
        project: String,
    },
}

impl UnitKey {
    /// As stores keep it: 16 hex digits of a session's id, or `t` and 32 hex digits of a hash.
    pub fn to_text(&self) -> String {
        match self {
            Self::Session(id) => id.to_string(),
            Self::Totals { origin, project } => {
                let mut hasher = blake3::Hasher::new_derive_key("carry team totals v1");
                hasher.update(&(origin.len() as u64).to_le_bytes());
                hasher.update(origin.as_bytes());
                hasher.update(project.as_bytes());
                format!("t{}", &hasher.finalize().to_hex()[..32])
            }
        }
    }
}

/// A digest of a row or a head, after masking.
pub type Digest = [u8; 32];

/// The digest of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Root(pub Digest);

/// Where a row stands in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A message.
    Message(u32),
    /// An output of a call.
    Result {
        /// The message of the call.
        ordinal: u32,
        /// The call's place in it.
        index: u32,
        /// The output's place among those of the call.
        event: u32,
    },
    /// The words of a bucket, for full-text search.
    Words(Bucket),
}

impl Place {
    /// The bucket it belongs to.
    pub fn bucket(self) -> Bucket {
        match self {
            Self::Message(ordinal) | Self::Result { ordinal, .. } => Bucket::of(ordinal),
            Self::Words(bucket) => bucket,
        }
    }
}

/// A row: where, what, and its digest.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Where.
    pub place: Place,
    /// Over everything in it.
    pub digest: Digest,
    /// What.
    pub body: Body,
}

/// What is in a row. All text is masked, and free of NUL, which PostgreSQL cannot hold.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// A message.
    Message {
        /// 0 user, 1 assistant.
        role: i16,
        /// What it is when nobody typed or said it.
        subtype: Option<String>,
        /// Put there by the program.
        is_system: bool,
        /// Of a branch that was given up.
        is_abandoned: bool,
        /// When.
        at: Option<Timestamp>,
        /// The model that answered.
        model: Option<String>,
        /// The whole message without its results, in the shape of [`carry_sessions::export::message_json`].
        json: String,
    },
    /// An output of a call.
    Result {
        /// 0 unknown, 1 running, 2 completed, 3 failed.
        status: i16,
        /// When.
        at: Option<Timestamp>,
        /// The whole result, in the shape of an element of `results` of [`carry_sessions::export::message_json`].
        json: String,
    },
    /// Words, each once, as [`carry_sessions::search::words::Words`] gives them, in the order of their bytes.
    Words(Vec<String>),
}

impl Body {
    /// The JSON of a message or result.
    pub fn json(&self) -> Option<&str> {
        match self {
            Self::Message { json, .. } | Self::Result { json, .. } => Some(json),
            Self::Words(_) => None,
        }
    }

    /// About how many bytes it takes on the wire.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Message { json, .. } | Self::Result { json, .. } => json.len() + 64,
            Self::Words(words) => words.iter().map(|word| word.len() + 4).sum(),
        }
    }
}

/// What a unit is as a whole.
#[derive(Clone, Debug, PartialEq)]
pub enum Head {
    /// A session.
    Session(Box<SessionHead>),
    /// Totals of a project.
    Totals(TotalsHead),
}

/// A session without its messages.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionHead {
    /// How much of it is shared.
    pub mode: Mode,
    /// The session, masked and cut. `n`, `digest` and `revision` say nothing here and are zero.
    pub session: SessionRow,
    /// Its pins.
    pub pins: Vec<Pin>,
    /// Its links.
    pub links: Vec<GitLink>,
    /// How many places were masked in what is shared, by rule.
    pub masked: BTreeMap<String, u64>,
}

/// What a project's sessions come to, day by day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotalsHead {
    /// The project's key and name, masked.
    pub project_key: String,
    /// See `project_key`.
    pub project: String,
    /// The totals, by day, agent and model.
    pub days: Vec<Total>,
}

/// What the sessions that began on one day (UTC) with one agent and model come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Total {
    /// `2026-11-29`; empty when nobody knows.
    pub day: String,
    /// The agent's name.
    pub agent: String,
    /// The model of the newest answer, or empty.
    pub model: String,
    /// Sessions.
    pub sessions: u64,
    /// Messages.
    pub messages: u64,
    /// Of these, what users wrote.
    pub user_messages: u64,
    /// Tool calls.
    pub calls: u64,
    /// Of these, failed.
    pub failures: u64,
    /// Tokens.
    pub input_tokens: u64,
    /// See `input_tokens`.
    pub output_tokens: u64,
    /// See `input_tokens`.
    pub cache_read_tokens: u64,
    /// See `input_tokens`.
    pub cache_write_tokens: u64,
    /// Micro-dollars.
    pub cost_micros: u64,
}

/// The hash of the rows of a bucket, which must be in the order of their places.
pub fn bucket_hash<'r>(rows: impl IntoIterator<Item = (Place, &'r Digest)>) -> Digest {
    let mut hasher = blake3::Hasher::new_derive_key("carry team bucket v1");
    for (place, digest) in rows {
        let (kind, numbers) = match place {
            Place::Message(ordinal) => (0u8, [ordinal, 0, 0]),
            Place::Result { ordinal, index, event } => (1, [ordinal, index, event]),
            Place::Words(bucket) => (2, [bucket.0, 0, 0]),
        };
        hasher.update(&[kind]);
        numbers.iter().for_each(|number| {
            hasher.update(&number.to_le_bytes());
        });
        hasher.update(digest);
    }
    *hasher.finalize().as_bytes()
}

/// The digest of a unit: over its head's and its buckets', which must be in order. Buckets without rows do not count.
pub fn root<'b>(head: &Digest, buckets: impl IntoIterator<Item = (Bucket, &'b Digest)>) -> Root {
    let mut hasher = blake3::Hasher::new_derive_key("carry team root v1");
    hasher.update(&[VERSION]);
    hasher.update(head);
    for (bucket, hash) in buckets {
        hasher.update(&bucket.0.to_le_bytes());
        hasher.update(hash);
    }
    Root(*hasher.finalize().as_bytes())
}
