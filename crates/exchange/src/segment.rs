//! Segments: files that hold a run of records of one stream, and the attachments put with them.
//!
//! ```text
//! carry-seg 1 <bytes of the header, 10 digits>\n
//! header, JSON
//! blocks, end to end; nothing after
//! ```
//!
//! The header names each block's stored bytes and their SHA-256, and a segment's id is the digest of everything before the
//! blocks. So every stored byte lies under a hash that is checked before anything is unpacked, and a reader that has
//! the header can fetch and check single blocks.

use crate::chain::ChainError;
use crate::hash::Digest;
use crate::json::{JsonError, ShapeError};
use crate::limits::{HEADER_BYTES_MAX, NUMBER_MAX, SEGMENT_BYTES_MAX};
use crate::name::{LogId, ObjectId, ObjectName, StreamName};

mod block;
mod check;
mod header;
mod press;
mod read;
mod skeleton;
mod write;

pub use block::BlockError;
pub(crate) use check::{Check, check_segment};
pub use header::{Attachment, Block, Content, SegmentHeader};
pub use read::{Part, SegmentReader};
pub use skeleton::{PRELUDE_BYTES, Skeleton, header_bytes, large_header_bytes};
pub use write::{Finished, SegmentWriter, WriteError};

/// What a head or a list says of a segment, and all that is needed to check one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentRef {
    /// The first record.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// The file's bytes.
    pub bytes: u64,
    /// The SHA-256 of prelude and header.
    pub digest: Digest,
}

impl SegmentRef {
    /// The name under which it lies in the folder of `log`.
    pub fn name(&self, log: LogId, stream: &StreamName) -> ObjectName {
        let id = ObjectId::of(self.digest);
        ObjectName::Segment { log, stream: stream.clone(), first: self.first, last: self.last, id }
    }

    pub(crate) fn to_json(self) -> serde_json::Value {
        serde_json::json!([self.first, self.last, self.bytes, self.digest.to_text()])
    }

    pub(crate) fn from_json(value: &serde_json::Value, name: &str) -> Result<Self, ShapeError> {
        let [first, last, bytes, digest] = crate::json::row(value, name)?;
        let first = crate::json::number(first, name, 1, NUMBER_MAX)?;
        Ok(Self {
            first,
            last: crate::json::number(last, name, first, NUMBER_MAX)?,
            bytes: crate::json::number(bytes, name, 1, SEGMENT_BYTES_MAX)?,
            digest: crate::json::digest(digest, name)?,
        })
    }
}

/// Which segment a reader expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The log whose records it holds.
    pub log: LogId,
    /// The stream.
    pub stream: StreamName,
    /// What the referrer says.
    pub reference: SegmentRef,
}

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SegmentError {
    /// It has not as many bytes as it must. It may still be arriving.
    #[error("the segment has {found} bytes instead of {expected}")]
    Size {
        /// What the referrer says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Its header is larger than [`HEADER_BYTES_MAX`], and is the one that was named.
    #[error("the segment's header has {0} bytes, more than {HEADER_BYTES_MAX}")]
    HeaderSize(u64),
    /// It does not begin as a segment does.
    #[error("this does not begin like a segment")]
    Prelude,
    /// Prelude and header are not those that were named.
    #[error("the segment's header is not the one that was named")]
    Id,
    /// The header is no JSON of ours.
    #[error("the segment's header cannot be read")]
    Json(#[from] JsonError),
    /// A member of the header is missing or wrong.
    #[error("the segment's header cannot be read")]
    Shape(#[from] ShapeError),
    /// The header contradicts itself or its referrer. The author wrote it so: no other copy will be better.
    #[error("the segment's header does not fit: {0}")]
    Header(&'static str),
    /// It needs a later version of the program. It can be kept and passed on.
    #[error("the segment is of a later version: {0}")]
    Newer(&'static str),
    /// A block is damaged.
    #[error("block {block} is damaged")]
    Block {
        /// Which, from 0.
        block: usize,
        /// How.
        #[source]
        source: BlockError,
    },
    /// The source of the bytes failed. Says nothing about the segment.
    #[error("reading the segment failed")]
    Read(#[source] std::io::Error),
}

impl SegmentError {
    /// Whether a copy from elsewhere, or the same one later, may be good: the bytes are not those that were named.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Size { .. } | Self::Prelude | Self::Id => true,
            // A block whose bytes are those that were hashed is as its author made it.
            Self::Block { source, .. } => matches!(source, BlockError::Size { .. } | BlockError::Digest),
            Self::HeaderSize(_) | Self::Json(_) | Self::Shape(_) | Self::Header(_) | Self::Newer(_) | Self::Read(_) => {
                false
            }
        }
    }

    /// Whether only a later version of the program can read it.
    pub fn needs_upgrade(&self) -> bool {
        match self {
            Self::Newer(_) => true,
            Self::Block { source: BlockError::Records(ChainError::Frame { source, .. }), .. } => {
                matches!(source, crate::frame::FrameError::Newer(_))
            }
            Self::Size { .. }
            | Self::HeaderSize(_)
            | Self::Prelude
            | Self::Id
            | Self::Json(_)
            | Self::Shape(_)
            | Self::Header(_)
            | Self::Block { .. }
            | Self::Read(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
