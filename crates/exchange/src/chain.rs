//! The chain over a stream's records: each link covers all records before it, so that two devices that agree on one link
//! agree on everything up to it.
//!
//! `h_0` = SHA-256(`carry chain 1\n` ‖ log as 32 hex digits ‖ stream), `h_n` = SHA-256(`h_(n−1)` ‖ `r_n`).

use crate::frame::{Frame, FrameError};
use crate::hash::Digest;
use crate::name::{LogId, StreamName};

/// The chain before the first record of a stream.
pub fn chain_start(log: LogId, stream: &StreamName) -> Digest {
    Digest::of(&[b"carry chain 1\n", log.to_string().as_bytes(), stream.as_str().as_bytes()])
}

/// The chain after a record with digest `r`.
pub fn chain_next(before: Digest, r: Digest) -> Digest {
    Digest::of(&[before.as_bytes(), r.as_bytes()])
}

/// A frame, and what the chain says of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The frame.
    pub frame: Frame,
    /// The record's digest; none for a run of voided ones.
    pub r: Option<Digest>,
    /// The chain after it.
    pub chain: Digest,
}

/// Why a run of frames is not the one that was promised.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// A frame cannot be read.
    #[error("the frame after record {after} cannot be read")]
    Frame {
        /// The last record before it.
        after: u64,
        /// Why.
        #[source]
        source: FrameError,
    },
    /// A frame stands for another record than the one that must come.
    #[error("record {found} stands where {expected} must")]
    Order {
        /// What must come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The frames end before the last record or go on after it.
    #[error("the frames end at record {found}, not at {expected}")]
    End {
        /// The last that must come.
        expected: u64,
        /// The last that came.
        found: u64,
    },
    /// The records are others than those that were signed for.
    #[error("the chain after record {last} is not the one that was promised")]
    Chain {
        /// The last record.
        last: u64,
    },
}

/// Reads frames that must cover `first..=last` without hole or overlap and lead the chain from `before` to `after`.
///
/// # Errors
/// [`ChainError`] at the first frame that does not fit.
pub fn walk(mut bytes: &[u8], first: u64, last: u64, before: Digest, after: Digest) -> Result<Vec<Link>, ChainError> {
    let mut links = Vec::new();
    let (mut next, mut chain) = (first, before);
    while !bytes.is_empty() {
        let read =
            Frame::decode(bytes).map_err(|source| ChainError::Frame { after: next.saturating_sub(1), source })?;
        if read.frame.first() != next {
            return Err(ChainError::Order { expected: next, found: read.frame.first() });
        }
        let r = read.r();
        chain = match (&read.frame, r) {
            (Frame::Void(run), _) => run.chain,
            (_, Some(r)) => chain_next(chain, r),
            (_, None) => chain,
        };
        next = read.frame.last() + 1;
        bytes = read.rest;
        links.push(Link { frame: read.frame, r, chain });
    }
    if next != last.saturating_add(1) {
        return Err(ChainError::End { expected: last, found: next.saturating_sub(1) });
    }
    if chain != after {
        return Err(ChainError::Chain { last });
    }
    Ok(links)
}
