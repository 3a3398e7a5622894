//! A segment's header: what is in which block.

use std::ops::Range;

use serde_json::{Value, json};

use super::block::{self, Promise};
use super::skeleton::{self, Skeleton};
use super::{Expected, SegmentError};
use crate::chain::Link;
use crate::hash::Digest;
use crate::json::{self, ShapeError};
use crate::limits::{
    ATTACHMENT_BLOCK_BYTES_MAX, ATTACHMENT_BYTES_MAX, BLOCKS_MAX, JSON_NUMBER_MAX, NUMBER_MAX, RECORD_BLOCK_BYTES_MAX,
    RECORD_BLOCK_STORED_BYTES_MAX,
};
use crate::name::{LogId, StreamName};
use crate::record::AttachmentId;

/// The version that is written.
const VERSION: u64 = 1;
/// What a block of records is called in the header, and one of an attachment.
const RECORDS: &str = "r";
const ATTACHMENT: &str = "a";
/// Ids that one attachment provides or needs at most.
const IDS_MAX: usize = 4096;

/// What a segment's header says. One that was read holds together: see [`SegmentHeader::read`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log whose records these are.
    pub log: LogId,
    /// The stream.
    pub stream: StreamName,
    /// The first record.
    pub first: u64,
    /// The last record.
    pub last: u64,
    /// The chain before the first record.
    pub base: Digest,
    /// The chain after the last record.
    pub chain: Digest,
    /// What is in the file, in order.
    pub blocks: Vec<Block>,
    /// The attachments, by their blocks.
    pub attachments: Vec<Attachment>,
    /// Where the first block begins.
    blocks_start: u64,
}

/// One block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Stored bytes.
    pub bytes: u64,
    /// The SHA-256 of the stored bytes.
    pub digest: Digest,
    /// What is in it.
    pub content: Content,
}

/// What is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Records, compressed.
    Records {
        /// Bytes when unpacked.
        plain_bytes: usize,
        /// The first record.
        first: u64,
        /// The last record.
        last: u64,
        /// The chain before the first record.
        before: Digest,
    },
    /// A part of an attachment, as it is.
    Attachment,
}

/// Bytes that records speak of by id, such as a Git pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The blocks, one after the other.
    pub blocks: Range<usize>,
    /// What it brings.
    pub provides: Vec<AttachmentId>,
    /// What must be there for it to be of use.
    pub needs: Vec<AttachmentId>,
}

impl SegmentHeader {
    /// Reads prelude and header of the segment that is expected. In this order: the digest; what all versions share; the
    /// version; the members; that log, stream and range are the expected ones; that the blocks of records cover
    /// the range, the chain begins at `base`, and the other blocks are attachments, each block of one.
    ///
    /// # Errors
    /// [`SegmentError`]. A version that is not known yet is [`SegmentError::Newer`]: [`Skeleton`] still checks its blocks.
    pub fn read(prelude_and_header: &[u8], expected: &Expected) -> Result<Self, SegmentError> {
        let reference = &expected.reference;
        let (skeleton, value) = Skeleton::read_with_header(prelude_and_header, reference.digest, reference.bytes)?;
        let header = Self::parse(&skeleton, &value)?;
        if header.log != expected.log || header.stream != expected.stream {
            return Err(SegmentError::Header("it is of another log or stream"));
        }
        if (header.first, header.last) != (reference.first, reference.last) {
            return Err(SegmentError::Header("it holds other records than its referrer says"));
        }
        header.check()?;
        Ok(header)
    }

    /// Where block `block` lies in the file; `None` when there is none.
    pub fn place(&self, block: usize) -> Option<Range<u64>> {
        let before = self.blocks.get(..block)?.iter().fold(self.blocks_start, |sum, block| sum + block.bytes);
        Some(before..before + self.blocks.get(block)?.bytes)
    }

    /// Bytes to which the blocks of records unpack that `which` names by their numbers.
    pub fn plain_bytes(&self, which: impl Fn(usize) -> bool) -> u64 {
        let blocks = self.blocks.iter().enumerate().filter(|(at, _)| which(*at));
        let plain = blocks.map(|(_, block)| match block.content {
            Content::Records { plain_bytes, .. } => plain_bytes as u64,
            Content::Attachment => 0,
        });
        plain.sum()
    }

    /// The last record of each block of records, and the chain after it.
    pub(crate) fn block_ends(&self) -> impl Iterator<Item = (u64, Digest)> {
        let blocks = self.blocks.iter().enumerate();
        blocks.filter_map(|(at, block)| match block.content {
            Content::Records { last, .. } => Some((last, self.chain_after(at))),
            Content::Attachment => None,
        })
    }

    /// Checks and unpacks block `block` alone, from its stored bytes: size, SHA-256, the form of the compressed frame, the
    /// size when unpacked, then each record and the chain from the block's start to the next one's. An attachment's block
    /// has no records.
    ///
    /// # Errors
    /// [`SegmentError::Block`].
    pub fn open_block(&self, block: usize, stored: &[u8]) -> Result<Vec<Link>, SegmentError> {
        let skeleton = |block: &Block| (block.bytes, block.digest);
        let found = self.blocks.get(block).ok_or(SegmentError::Header("there is no such block"))?;
        Skeleton { blocks_start: 0, blocks: vec![skeleton(found)] }.check(0, stored).map_err(|error| match error {
            SegmentError::Block { source, .. } => SegmentError::Block { block, source },
            other => other,
        })?;
        let Content::Records { plain_bytes, first, last, before } = found.content else { return Ok(Vec::new()) };
        let after = self.chain_after(block);
        let promise = Promise { plain_bytes, first, last, before, after };
        block::unpack(stored, &promise).map_err(|source| SegmentError::Block { block, source })
    }

    /// The chain after block `block`: where the next block of records begins, or the segment's end.
    fn chain_after(&self, block: usize) -> Digest {
        let later = self.blocks.iter().skip(block + 1).find_map(|block| match block.content {
            Content::Records { before, .. } => Some(before),
            Content::Attachment => None,
        });
        later.unwrap_or(self.chain)
    }

    /// Whether everything in the header agrees.
    fn check(&self) -> Result<(), SegmentError> {
        let (mut next, mut is_first) = (self.first, true);
        for block in &self.blocks {
            match block.content {
                Content::Records { first, last, before, .. } => {
                    if first != next || last < first || last > self.last {
                        return Err(SegmentError::Header("its blocks do not cover its records one after the other"));
                    }
                    if is_first && before != self.base {
                        return Err(SegmentError::Header("its chain does not begin at its base"));
                    }
                    if block.bytes > RECORD_BLOCK_STORED_BYTES_MAX {
                        return Err(SegmentError::Header("a block is too large"));
                    }
                    (next, is_first) = (last + 1, false);
                }
                Content::Attachment if block.bytes > ATTACHMENT_BLOCK_BYTES_MAX as u64 => {
                    return Err(SegmentError::Header("a block is too large"));
                }
                Content::Attachment => {}
            }
        }
        if next != self.last + 1 {
            return Err(SegmentError::Header("its blocks do not cover its records one after the other"));
        }
        self.check_attachments()
    }

    /// Each attachment's block belongs to exactly one attachment, and they come in order.
    fn check_attachments(&self) -> Result<(), SegmentError> {
        let is_part = |at: &usize| matches!(self.blocks[*at].content, Content::Attachment);
        let mut parts = (0..self.blocks.len()).filter(is_part);
        for attachment in &self.attachments {
            if attachment.blocks.is_empty() || attachment.blocks.clone().any(|at| parts.next() != Some(at)) {
                return Err(SegmentError::Header("its attachments and their blocks do not agree"));
            }
            let bytes: u64 = self.blocks[attachment.blocks.clone()].iter().map(|block| block.bytes).sum();
            if bytes > ATTACHMENT_BYTES_MAX {
                return Err(SegmentError::Header("an attachment has more than 1 GiB"));
            }
        }
        match parts.next() {
            None => Ok(()),
            Some(_) => Err(SegmentError::Header("its attachments and their blocks do not agree")),
        }
    }

    fn parse(skeleton: &Skeleton, value: &Value) -> Result<Self, SegmentError> {
        let members = json::object(value, "header", usize::MAX)?;
        let member = |name| json::member(members, name);
        if json::number(member("v")?, "v", 1, JSON_NUMBER_MAX)? != VERSION {
            return Err(SegmentError::Newer("its header"));
        }
        if json::number(member("dict")?, "dict", 0, JSON_NUMBER_MAX)? != 0 {
            return Err(SegmentError::Newer("its dictionary"));
        }
        let first = json::number(member("first")?, "first", 1, NUMBER_MAX)?;
        let rows = json::array(member("blocks")?, "blocks", BLOCKS_MAX)?;
        let blocks = rows.iter().zip(&skeleton.blocks).map(|(row, &(bytes, digest))| {
            let content = parse_content(row)?;
            Ok(Block { bytes, digest, content })
        });
        let blocks = blocks.collect::<Result<Vec<_>, SegmentError>>()?;
        let attachments = json::array(member("attach")?, "attach", BLOCKS_MAX)?.iter();
        let attachments = attachments.map(|value| parse_attachment(value, blocks.len()));
        Ok(Self {
            log: json::parsed(member("log")?, "log")?,
            stream: json::parsed(member("stream")?, "stream")?,
            first,
            last: json::number(member("last")?, "last", first, NUMBER_MAX)?,
            base: json::digest(member("base")?, "base")?,
            chain: json::digest(member("chain")?, "chain")?,
            attachments: attachments.collect::<Result<_, _>>()?,
            blocks,
            blocks_start: skeleton.blocks_start,
        })
    }
}

fn parse_content(row: &Value) -> Result<Content, SegmentError> {
    let [_, _, kind] = json::row(row, "blocks")?;
    match json::text(kind, "blocks")? {
        ATTACHMENT => Ok(Content::Attachment),
        RECORDS => {
            let [_, _, _, plain, first, last, before] = json::row(row, "blocks")?;
            let plain = json::number(plain, "plain_bytes", 1, RECORD_BLOCK_BYTES_MAX as u64)?;
            let first = json::number(first, "blocks", 1, NUMBER_MAX)?;
            Ok(Content::Records {
                plain_bytes: usize::try_from(plain).expect("bounded by a usize"),
                first,
                last: json::number(last, "blocks", first, NUMBER_MAX)?,
                before: json::digest(before, "blocks")?,
            })
        }
        _ => Err(SegmentError::Newer("a kind of block")),
    }
}

fn parse_attachment(value: &Value, n_blocks: usize) -> Result<Attachment, ShapeError> {
    let members = json::object(value, "attach", usize::MAX)?;
    let number = |name, min| {
        let number = json::number(json::member(members, name)?, name, min, n_blocks as u64)?;
        Ok(usize::try_from(number).expect("bounded by a usize"))
    };
    let ids = |name| {
        let ids = json::array(json::member(members, name)?, name, IDS_MAX)?;
        ids.iter().map(|id| json::parsed(id, name)).collect::<Result<Vec<AttachmentId>, _>>()
    };
    let (start, len) = (number("block", 0)?, number("blocks", 1)?);
    if len > n_blocks - start {
        return Err(ShapeError { member: "attach".to_owned(), expected: "a run of blocks that are there".into() });
    }
    Ok(Attachment { blocks: start..start + len, provides: ids("provides")?, needs: ids("needs")? })
}

/// The bytes of prelude and header.
pub(super) fn encode(
    (log, stream): (LogId, &StreamName),
    (first, last): (u64, u64),
    (base, chain): (Digest, Digest),
    blocks: &[Block],
    attachments: &[Attachment],
) -> Vec<u8> {
    let rows = blocks.iter().map(|block| match block.content {
        Content::Records { plain_bytes, first, last, before } => {
            json!([block.bytes, block.digest.to_text(), RECORDS, plain_bytes, first, last, before.to_text()])
        }
        Content::Attachment => json!([block.bytes, block.digest.to_text(), ATTACHMENT]),
    });
    let texts = |ids: &[AttachmentId]| ids.iter().map(|id| Value::from(id.as_str())).collect::<Vec<_>>();
    let attached = attachments.iter().map(|attachment| {
        json!({
            "block": attachment.blocks.start,
            "blocks": attachment.blocks.len(),
            "provides": texts(&attachment.provides),
            "needs": texts(&attachment.needs),
        })
    });
    let header = json!({
        "v": VERSION,
        "log": log.to_string(),
        "stream": stream.as_str(),
        "first": first,
        "last": last,
        "base": base.to_text(),
        "chain": chain.to_text(),
        "dict": 0,
        "blocks": rows.collect::<Vec<_>>(),
        "attach": attached.collect::<Vec<_>>(),
    });
    let header = header.to_string();
    [&skeleton::prelude(header.len())[..], header.as_bytes()].concat()
}
