//! Heads: a device's signed statements of how far each stream of its log goes.
//!
//! ```text
//! <JSON of the members, one line>\n
//! <Ed25519 signature over `carry head 1\n` and that line, without its end, in base64url>\n
//! ```
//!
//! The bytes received are what is verified, kept and passed on; nothing is written anew. Only the newest head of a log says
//! what the log holds, and one that covers less than a known one is never followed: that is for who keeps heads to see.

use std::collections::BTreeMap;
use std::sync::Arc;

use carry_kernel::hlc::Hlc;
use carry_kernel::id::DeviceId;

use crate::hash::Digest;
use crate::holds::Holds;
use crate::json::{JsonError, ShapeError};
use crate::limits::HEAD_BYTES_MAX;
use crate::name::{LogId, ObjectName, StreamName};
use crate::segment::SegmentRef;

mod author;
mod decode;
mod encode;
mod standing;
mod tiling;
mod vouch;
mod want;

pub use author::{Author, LABEL_CHARS_MAX};
pub use standing::{Standing, standing};
pub(crate) use tiling::runs_on;
pub use tiling::{Segments, TilingError, segments};
pub use vouch::Vouch;
pub use want::Want;

/// What a head says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The public key under which the log is written; the log's id is made of it.
    pub key: [u8; 32],
    /// Its number, from 1.
    pub n: u64,
    /// The digest of head `n − 1`; none for the first.
    pub prev: Option<Digest>,
    /// When it was signed, by its author's clock. Displayed only.
    pub at: Hlc,
    /// The author's name for itself. It proves nothing, unless there is an [`Author`] to whose key it belongs.
    pub device: DeviceId,
    /// The earlier log that this one goes on from.
    pub from: Option<Vouch>,
    /// The number of the sealing key that the author knew.
    pub epoch: u64,
    /// The digest of the roster that the author knew.
    pub roster: Option<Digest>,
    /// How long objects stay after no head names them any more, in seconds.
    pub grace_s: u64,
    /// The file with the older segments.
    pub list: Option<ListRef>,
    /// How far each stream goes.
    pub streams: BTreeMap<StreamName, StreamState>,
    /// What the author holds of others' logs, as far as it changed since the list.
    pub holds: Holds,
    /// What the author asks for. What this version does not know is left out.
    pub wants: Vec<Want>,
    /// Segments of other logs, re-cut, that lie in this log's folder.
    pub serves: Vec<Served>,
    /// The device that writes the log; none where it does not say so.
    pub author: Option<Author>,
}

/// The list that a head refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListRef {
    /// The SHA-256 of the file.
    pub digest: Digest,
    /// The file's bytes.
    pub bytes: u64,
}

/// How far a stream goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Its last record.
    pub last: u64,
    /// The chain after that.
    pub chain: Digest,
    /// Who may pass it on where.
    pub relay: Relay,
    /// The newest segments. The list has those before.
    pub tail: Vec<SegmentRef>,
}

/// Who may pass a stream on, and where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relay {
    /// Everyone, everywhere.
    Any,
    /// Only to sealed remotes, and to devices of one's own.
    Sealed,
    /// Nobody but the author. Whatever this version does not know counts as this.
    Own,
}

/// A segment of another log that somebody cut anew.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Served {
    /// The log whose records it holds.
    pub log: LogId,
    /// The stream.
    pub stream: StreamName,
    /// Which segment.
    pub reference: SegmentRef,
}

/// A head whose signature was verified, with the bytes it came in. A clone costs nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedHead(Arc<Signed>);

/// What a head shares with its clones.
#[derive(Debug, PartialEq, Eq)]
struct Signed {
    head: Head,
    bytes: Vec<u8>,
    digest: Digest,
}

impl Head {
    /// The log it speaks for.
    pub fn log(&self) -> LogId {
        LogId::of_key(&self.key)
    }
}

impl SignedHead {
    /// What it says.
    pub fn head(&self) -> &Head {
        &self.0.head
    }

    /// The file, byte for byte.
    pub fn bytes(&self) -> &[u8] {
        &self.0.bytes
    }

    /// The SHA-256 of the file: what the next head's `prev` is.
    pub fn digest(&self) -> Digest {
        self.0.digest
    }

    /// Its name.
    pub fn name(&self) -> ObjectName {
        ObjectName::head(self.head().log(), self.head().n, self.digest())
    }
}

/// Why bytes are not the head that their name says, or a head cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The file is larger than a head may be.
    #[error("a head has at most {HEAD_BYTES_MAX} bytes, this has {0}")]
    TooLarge(usize),
    /// The bytes are not those that the name was made from.
    #[error("the bytes are not those of {0}")]
    Id(ObjectName),
    /// It is not two lines, or the second is no signature.
    #[error("this is not a line of JSON and a line with a signature")]
    Form,
    /// The first line is no JSON of ours.
    #[error("the head cannot be read")]
    Json(#[from] JsonError),
    /// A member is missing or wrong.
    #[error("the head cannot be read")]
    Shape(#[from] ShapeError),
    /// The log is not the one that is written under the key, or the name says another log or number.
    #[error("the head speaks for another log or has another number than it says")]
    Identity,
    /// The signature is not the key's.
    #[error("the head's signature is not valid")]
    Signature,
    /// It is signed, and needs a later version of the program. Kept and passed on; the newest older one is followed.
    #[error("head {n} of {log} needs version {min} of the format")]
    Newer {
        /// The log.
        log: LogId,
        /// The head's number.
        n: u64,
        /// The version it needs.
        min: u64,
    },
    /// The vouching of the earlier log does not hold.
    #[error("the earlier log does not vouch for this one")]
    Vouch,
    /// The device that it names did not say that it writes this log, or has another id.
    #[error("the device that the head names does not write this log")]
    Author,
    /// Its segments do not tile its streams.
    #[error("the head's segments do not cover its streams")]
    Tiling(#[from] TilingError),
}

impl HeadError {
    /// Whether a copy from elsewhere, or the same one later, may be good: the bytes are not those that were named.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::TooLarge(_) | Self::Id(_) => true,
            Self::Form
            | Self::Json(_)
            | Self::Shape(_)
            | Self::Identity
            | Self::Signature
            | Self::Newer { .. }
            | Self::Vouch
            | Self::Author
            | Self::Tiling(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
