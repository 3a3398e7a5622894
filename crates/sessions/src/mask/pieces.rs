//! A session, masked piece by piece.
//!
//! Masking looks at a whole session: a secret may run from one text into the next, and what was found once is masked
//! everywhere. A session need not lie in memory for that, and what has not changed since last time need not be looked at again:
//! [`Known`] remembers, per bucket, a hash of the raw rows and whether anything was found there. The result is always the same
//! as that of masking all of it at once ([`mask`](super::mask)).
//!
//! It fails closed: what cannot be masked is an error, and then nothing of the session leaves.

use std::collections::BTreeMap;

use crate::archive::{ArchiveError, SessionRow, StoredMessage};
use crate::curation::Pin;
use crate::git_links::GitLink;
use carry_redact::Finding;

mod bucket;
mod extent;
mod first_look;
#[cfg(test)]
pub(crate) mod fixture;
mod guard;
mod outline;
mod process;
mod reader;
mod stream;
#[cfg(test)]
mod tests;

pub use bucket::{BUCKET_MESSAGES, Bucket};
pub use process::Masking;

/// A hash of rows, values, or what was made of a bucket.
pub type Digest = [u8; 32];

/// Why a session cannot be masked.
#[derive(Debug, thiserror::Error)]
pub enum MaskingError {
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A text is too large to be looked through.
    #[error("message {ordinal} holds a text too large to be masked")]
    TooLarge {
        /// The message.
        ordinal: u32,
    },
    /// More secrets were found than are looked for elsewhere in the session.
    #[error("it holds too many secrets: {unchecked} could not be looked for in the rest of it")]
    TooMany {
        /// How many.
        unchecked: usize,
    },
    /// Something of the session besides its messages is too large to be looked through.
    #[error("its metadata, a note or a link is too large to be masked")]
    HeadTooLarge,
    /// Masking panicked.
    #[error("masking failed: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

/// What [`KnownBucket::shaped`] is for a bucket of which no row was made.
pub const NOTHING: Digest = [0; 32];

/// What is remembered of a bucket between pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownBucket {
    /// Hash of the raw rows' digests, keyed with the mask's key.
    pub raw: Digest,
    /// Hash of what was made of it ; [`NOTHING`] when nothing was.
    pub shaped: Digest,
    /// Whether a secret was found in it.
    pub has_secrets: bool,
}

/// What is remembered of a session between pushes. Only good with the same version of mask, mode and shape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// By bucket, those with rows.
    pub buckets: BTreeMap<Bucket, KnownBucket>,
    /// A hash of all values that were found, keyed with the mask's key. When another value turns up, or one is gone, all of the
    /// session is looked at again.
    pub values: Digest,
}

/// A session's head, masked.
#[derive(Clone, Debug)]
pub struct MaskedHead {
    /// The session.
    pub session: SessionRow,
    /// Its pins.
    pub pins: Vec<Pin>,
    /// Its links.
    pub links: Vec<GitLink>,
    /// Other texts that go with it.
    pub texts: Vec<String>,
    /// What was found in these.
    pub findings: Vec<Finding>,
}

/// A piece of a session, masked: whole buckets.
#[derive(Clone, Debug)]
pub struct MaskedPiece {
    /// The buckets, each with its messages.
    pub buckets: Vec<(Bucket, Vec<StoredMessage>)>,
    /// What was found, with the message it stands in.
    pub findings: Vec<(u32, Finding)>,
}

impl Known {
    /// The hashes of what was made, of the buckets of which something was.
    pub fn shaped(&self) -> impl Iterator<Item = (Bucket, &Digest)> {
        self.buckets.iter().filter(|(_, known)| known.shaped != NOTHING).map(|(bucket, known)| (*bucket, &known.shaped))
    }
}
