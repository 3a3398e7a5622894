//! Which bytes of a segment bring the records that are missing.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::ranges::Ranges;
use crate::record::AttachmentId;
use crate::segment::{Content, SegmentHeader};

/// What one more request costs, expressed in bytes: a round trip of 50 ms at 20 Mbit/s.
pub(super) const REQUEST_BYTES: u64 = 128 * 1024;

/// Blocks that lie one after the other and are fetched with one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The blocks. Some between wanted ones may be there because a request of their own would cost more.
    pub blocks: Range<usize>,
    /// Where they lie in the file.
    pub place: Range<u64>,
}

impl Part {
    /// How many bytes it has.
    pub fn bytes(&self) -> u64 {
        self.place.end - self.place.start
    }
}

/// The parts of a segment that hold records of `missing`, or attachments that provide some of `wanted`, in the order of
/// the file. Linear in the number of blocks and ranges, up to a logarithm.
pub fn plan_blocks(header: &SegmentHeader, missing: &Ranges, wanted: &BTreeSet<AttachmentId>) -> Vec<Part> {
    let mut is_wanted = vec![false; header.blocks.len()];
    for (flag, block) in is_wanted.iter_mut().zip(&header.blocks) {
        if let Content::Records { first, last, .. } = block.content {
            *flag = missing.intersects(first, last);
        }
    }
    for attachment in &header.attachments {
        if attachment.provides.iter().any(|id| wanted.contains(id)) {
            is_wanted[attachment.blocks.clone()].fill(true);
        }
    }
    let mut parts: Vec<Part> = Vec::new();
    let mut start = header.place(0).map_or(0, |place| place.start);
    for (at, block) in header.blocks.iter().enumerate() {
        let end = start + block.bytes;
        if is_wanted[at] {
            match parts.last_mut() {
                Some(before) if start - before.place.end <= REQUEST_BYTES => {
                    (before.blocks.end, before.place.end) = (at + 1, end);
                }
                _ => parts.push(Part { blocks: at..at + 1, place: start..end }),
            }
        }
        start = end;
    }
    parts
}
