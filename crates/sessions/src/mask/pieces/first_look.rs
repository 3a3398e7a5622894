//! The first look over all that is read: what it finds is needed before anything can leave.

use std::collections::BTreeSet;

use crate::mask::{Looked, Masker};
use carry_redact::{FIELD_BYTES_MAX, Finding, Redactor, WITHHELD};

use super::Bucket;
use super::outline::Outline;
use super::reader::Reader;
use super::stream::Stream;
use super::{MaskedHead, MaskingError};

/// How much of a session is in memory at a time, in bytes, unless a bucket or a run of texts takes more.
pub(super) const PIECE_BYTES: usize = 8 << 20;

/// How many bytes a run of texts may take. One of fewer that is still too large to be looked through is found out by masking.
const HELD_BYTES: usize = 2 * FIELD_BYTES_MAX;

/// How much is held in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// See [`PIECE_BYTES`].
    pub(super) piece_bytes: usize,
    /// See [`HELD_BYTES`].
    pub(super) held_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { piece_bytes: PIECE_BYTES, held_bytes: HELD_BYTES }
    }
}

/// A bucket after the first look.
pub(super) type LookedBucket = (Bucket, Vec<Looked>);

/// What the first look over a session gave.
pub(super) struct FirstLook<'r> {
    pub(super) masker: Masker<'r>,
    pub(super) head: MaskedHead,
    /// All buckets of the extent, if they fit into a piece.
    pub(super) kept: Option<Vec<LookedBucket>>,
}

impl<'r> FirstLook<'r> {
    /// Looks through the head and these buckets.
    pub(super) fn over(
        redactor: &'r Redactor,
        unmasked: &MaskedHead,
        outline: &Outline,
        extent: &BTreeSet<Bucket>,
        reader: &mut Reader<'_>,
        limits: Limits,
    ) -> Result<Self, MaskingError> {
        let mut head = unmasked.clone();
        let mut stream = Stream::new(redactor, extent, outline, limits.held_bytes);
        head.findings = stream.head(&mut head)?;
        let (mut kept, mut weight) = (Some(Vec::new()), 0usize);
        while let Some(bucket) = stream.next(reader, outline)? {
            check(&bucket.1)?;
            weight = weight.saturating_add(weight_of(&bucket));
            kept = kept.filter(|kept| kept.is_empty() || weight <= limits.piece_bytes);
            if let Some(kept) = &mut kept {
                kept.push(bucket);
            }
        }
        let masker = stream.end();
        match masker.unchecked() {
            0 => Ok(Self { masker, head, kept }),
            unchecked => Err(MaskingError::TooMany { unchecked }),
        }
    }
}

/// About how many bytes a bucket takes.
pub(super) fn weight_of(bucket: &LookedBucket) -> usize {
    bucket.1.iter().map(|looked| looked.message.weight()).fold(0, usize::saturating_add)
}

/// Refuses what could not be looked through.
pub(super) fn check(looked: &[Looked]) -> Result<(), MaskingError> {
    let is_withheld = |looked: &&Looked| looked.findings.iter().any(|finding| finding.rule == WITHHELD);
    match looked.iter().find(is_withheld) {
        Some(looked) => Err(MaskingError::TooLarge { ordinal: looked.message.message.ordinal }),
        None => Ok(()),
    }
}

/// The same, of a head.
pub(super) fn check_head(findings: &[Finding]) -> Result<(), MaskingError> {
    match findings.iter().any(|finding| finding.rule == WITHHELD) {
        true => Err(MaskingError::HeadTooLarge),
        false => Ok(()),
    }
}
