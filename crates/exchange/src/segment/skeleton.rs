//! What of a segment is the same in all versions: how it begins, its id, and the size and hash of each block. With this
//! alone a device checks and passes on segments that it cannot read.

use serde_json::Value;

use super::{BlockError, SegmentError};
use crate::hash::Digest;
use crate::json;
use crate::limits::{BLOCKS_MAX, HEADER_BYTES_MAX, SEGMENT_BYTES_MAX};

/// How every segment begins.
const MAGIC: &[u8] = b"carry-seg 1 ";
/// Digits of the header's length.
const DIGITS: usize = 10;

/// Bytes before the header.
pub const PRELUDE_BYTES: usize = MAGIC.len() + DIGITS + 1;

/// The bytes of the header that follow this prelude.
///
/// # Errors
/// [`SegmentError::Prelude`] when it is none, or the header is empty or larger than [`HEADER_BYTES_MAX`].
pub fn header_bytes(prelude: &[u8; PRELUDE_BYTES]) -> Result<u64, SegmentError> {
    said_bytes(prelude).filter(|n| (1..=HEADER_BYTES_MAX).contains(n)).ok_or(SegmentError::Prelude)
}

/// What a prelude says, within bounds or not.
fn said_bytes(prelude: &[u8; PRELUDE_BYTES]) -> Option<u64> {
    let digits = prelude.strip_prefix(MAGIC).and_then(|rest| rest.strip_suffix(b"\n"))?;
    digits.iter().try_fold(0u64, |n, digit| digit.is_ascii_digit().then(|| n * 10 + u64::from(digit - b'0')))
}

/// The bytes of a header that is larger than any may be, if this prelude says so.
pub fn large_header_bytes(prelude: &[u8; PRELUDE_BYTES]) -> Option<u64> {
    said_bytes(prelude).filter(|n| *n > HEADER_BYTES_MAX)
}

/// The prelude before a header of `len` bytes.
pub(super) fn prelude(len: usize) -> Vec<u8> {
    [MAGIC, format!("{len:010}\n").as_bytes()].concat()
}

/// The part of a header that all versions share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skeleton {
    /// Bytes of prelude and header: where the first block begins.
    pub blocks_start: u64,
    /// Each block's stored bytes and their SHA-256, in order.
    pub blocks: Vec<(u64, Digest)>,
}

impl Skeleton {
    /// Reads prelude and header, which must have the digest and lead to the size that the referrer says.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn read(prelude_and_header: &[u8], digest: Digest, file_bytes: u64) -> Result<Self, SegmentError> {
        Self::read_with_header(prelude_and_header, digest, file_bytes).map(|(skeleton, _)| skeleton)
    }

    pub(super) fn read_with_header(
        prelude_and_header: &[u8],
        digest: Digest,
        file_bytes: u64,
    ) -> Result<(Self, Value), SegmentError> {
        let (prelude, header) = prelude_and_header.split_first_chunk().ok_or(SegmentError::Prelude)?;
        if usize::try_from(header_bytes(prelude)?) != Ok(header.len()) {
            return Err(SegmentError::Prelude);
        }
        // Nothing is parsed before it is known to be what the referrer signed for.
        if Digest::of(&[prelude_and_header]) != digest {
            return Err(SegmentError::Id);
        }
        let value = json::parse(header)?;
        let members = json::object(&value, "header", usize::MAX)?;
        let rows = json::array(json::member(members, "blocks")?, "blocks", BLOCKS_MAX)?;
        let blocks = rows.iter().map(|row| {
            let [bytes, digest] = json::row(row, "blocks")?;
            Ok((json::number(bytes, "blocks", 1, SEGMENT_BYTES_MAX)?, json::digest(digest, "blocks")?))
        });
        let blocks = blocks.collect::<Result<Vec<_>, SegmentError>>()?;
        let blocks_start = u64::try_from(prelude_and_header.len()).unwrap_or(u64::MAX);
        let total = blocks.iter().fold(blocks_start, |sum, (bytes, _)| sum.saturating_add(*bytes));
        if total != file_bytes {
            return Err(SegmentError::Header("its blocks do not add up to the size of the file"));
        }
        Ok((Self { blocks_start, blocks }, value))
    }

    /// Checks the stored bytes of block `block`.
    ///
    /// # Errors
    /// [`SegmentError::Block`] when they are not those that were hashed.
    pub fn check(&self, block: usize, stored: &[u8]) -> Result<(), SegmentError> {
        let (bytes, digest) = *self.blocks.get(block).ok_or(SegmentError::Header("there is no such block"))?;
        let found = u64::try_from(stored.len()).unwrap_or(u64::MAX);
        let source = if found != bytes {
            BlockError::Size { expected: bytes, found }
        } else if Digest::of(&[stored]) != digest {
            BlockError::Digest
        } else {
            return Ok(());
        };
        Err(SegmentError::Block { block, source })
    }
}
