//! Writes segments. Blocks go to a spool as they are closed, since the header before them can be written only when all
//! are known; memory holds the few blocks that are being packed.

use std::collections::VecDeque;
use std::io::{Read, Write};

use super::header::{self, Attachment, Block, Content};
use super::press::Press;
use super::{PRELUDE_BYTES, SegmentRef};
use crate::chain::{Link, chain_next, walk};
use crate::frame::{Frame, FrameError};
use crate::hash::Digest;
use crate::limits::{
    ATTACHMENT_BLOCK_BYTES_MAX, ATTACHMENT_BYTES_MAX, BLOCKS_MAX, HEADER_BYTES_MAX, RECORD_BLOCK_BYTES_AIM,
    RECORD_BLOCK_BYTES_MAX, SEGMENT_BYTES_MAX,
};
use crate::name::{LogId, ObjectName, StreamName};
use crate::record::AttachmentId;

/// Takes frames and attachments, and makes a segment of them.
///
/// After an error the segment is not to be finished.
pub struct SegmentWriter<S> {
    log: LogId,
    stream: StreamName,
    first: u64,
    base: Digest,
    /// The next record that must come.
    next: u64,
    /// The chain before it.
    chain: Digest,
    /// Frames of the block that is open.
    open: Vec<u8>,
    open_first: u64,
    open_before: Digest,
    block_bytes: usize,
    press: Press,
    /// What is in the blocks that are being packed.
    under_way: VecDeque<Content>,
    blocks: Vec<Block>,
    attachments: Vec<Attachment>,
    stored_bytes: u64,
    spool: S,
}

/// A segment that is whole.
#[derive(Debug)]
pub struct Finished<S> {
    /// Its name.
    pub name: ObjectName,
    /// What heads and lists say of it.
    pub reference: SegmentRef,
    /// The chain after its last record.
    pub chain: Digest,
    /// Prelude and header: the first bytes of the file.
    pub head: Vec<u8>,
    /// The blocks: all other bytes of the file.
    pub spool: S,
}

/// Why a segment cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// A frame that may not be written.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A frame out of order.
    #[error("record {found} was to be written where {expected} must stand")]
    Order {
        /// What must come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// There are no records in it.
    #[error("a segment holds at least one record")]
    Empty,
    /// A limit of segments is reached.
    #[error("the segment is full: {0}")]
    Full(&'static str),
    /// An attachment without bytes, or with too many.
    #[error("an attachment has 1 to {ATTACHMENT_BYTES_MAX} bytes")]
    Attachment,
    /// The attachment could not be read, or the spool not be written.
    #[error("writing a segment failed")]
    Io(#[from] std::io::Error),
}

impl<S: Write> SegmentWriter<S> {
    /// A segment of `stream` in `log` that begins with record `first`, after the chain `base`. `spool` takes the blocks.
    pub fn new(log: LogId, stream: StreamName, first: u64, base: Digest, spool: S) -> Self {
        Self {
            log,
            stream,
            first,
            base,
            next: first,
            chain: base,
            open: Vec::new(),
            open_first: first,
            open_before: base,
            block_bytes: RECORD_BLOCK_BYTES_AIM,
            press: Press::default(),
            under_way: VecDeque::new(),
            blocks: Vec::new(),
            attachments: Vec::new(),
            stored_bytes: 0,
            spool,
        }
    }

    /// Closes blocks of records at `bytes` plain bytes in place of [`RECORD_BLOCK_BYTES_AIM`].
    #[must_use]
    pub fn with_block_bytes(mut self, bytes: usize) -> Self {
        self.block_bytes = bytes.clamp(1, RECORD_BLOCK_BYTES_MAX);
        self
    }

    /// Adds a frame and returns the chain after it.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn push(&mut self, frame: &Frame) -> Result<Digest, WriteError> {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes)?;
        self.push_encoded(&bytes)
    }

    /// Adds one frame as it stands in another segment, byte for byte, and returns the chain after it.
    ///
    /// # Errors
    /// [`WriteError`]; bytes that are not exactly one frame are refused.
    pub fn push_encoded(&mut self, bytes: &[u8]) -> Result<Digest, WriteError> {
        let read = Frame::decode(bytes)?;
        if !read.rest.is_empty() {
            return Err(FrameError::Field("length").into());
        }
        let r = read.r();
        self.add(&read.frame, r, |open| {
            open.extend(bytes);
            Ok(bytes.len())
        })
    }

    /// Adds a frame that was read and checked, whose digest is known, and returns the chain after it.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn push_link(&mut self, link: &Link) -> Result<Digest, WriteError> {
        self.add(&link.frame, link.r, |open| {
            let before = open.len();
            link.frame.encode(open)?;
            Ok(open.len() - before)
        })
    }

    /// Adds a frame with the digest `r`; `encode` puts its bytes behind those of the block that is open, and says how many.
    fn add(
        &mut self,
        frame: &Frame,
        r: Option<Digest>,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<usize, FrameError>,
    ) -> Result<Digest, WriteError> {
        if frame.first() != self.next {
            return Err(WriteError::Order { expected: self.next, found: frame.first() });
        }
        let bytes = encode(&mut self.open)?;
        if self.open.len() > RECORD_BLOCK_BYTES_MAX {
            let last = self.open.split_off(self.open.len() - bytes);
            self.close_block()?;
            self.open = last;
        }
        self.chain = match (frame, r) {
            (Frame::Void(run), _) => run.chain,
            (_, Some(r)) => chain_next(self.chain, r),
            (_, None) => self.chain,
        };
        self.next = frame.last() + 1;
        if self.open.len() >= self.block_bytes {
            self.close_block()?;
        }
        Ok(self.chain)
    }

    /// Adds an attachment and reads `content` to its end, a block at a time.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn attach(
        &mut self,
        provides: Vec<AttachmentId>,
        needs: Vec<AttachmentId>,
        content: &mut dyn Read,
    ) -> Result<(), WriteError> {
        // Its blocks follow one another, so the records before it go first.
        self.close_block()?;
        self.take_packed(0)?;
        let start = self.blocks.len();
        let mut total = 0;
        loop {
            let mut stored = Vec::new();
            Read::take(&mut *content, ATTACHMENT_BLOCK_BYTES_MAX as u64).read_to_end(&mut stored)?;
            if stored.is_empty() {
                break;
            }
            total += stored.len() as u64;
            if total > ATTACHMENT_BYTES_MAX {
                return Err(WriteError::Attachment);
            }
            self.put(&stored, Digest::of(&[&stored]), Content::Attachment)?;
        }
        if total == 0 {
            return Err(WriteError::Attachment);
        }
        self.attachments.push(Attachment { blocks: start..self.blocks.len(), provides, needs });
        Ok(())
    }

    /// Bytes so far, without the header, the block that is open and the few before it that are being packed. For deciding when
    /// to finish: the same records give the same answers.
    pub fn stored_bytes(&self) -> u64 {
        self.stored_bytes
    }

    /// Ends the segment.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn finish(mut self) -> Result<Finished<S>, WriteError> {
        self.close_block()?;
        self.take_packed(0)?;
        if self.next == self.first {
            return Err(WriteError::Empty);
        }
        let last = self.next - 1;
        let range = (self.first, last);
        let head =
            header::encode((self.log, &self.stream), range, (self.base, self.chain), &self.blocks, &self.attachments);
        if head.len() as u64 > HEADER_BYTES_MAX + PRELUDE_BYTES as u64 {
            return Err(WriteError::Full("its header is too large"));
        }
        let bytes = head.len() as u64 + self.stored_bytes;
        if bytes > SEGMENT_BYTES_MAX {
            return Err(WriteError::Full("it is too large"));
        }
        let reference = SegmentRef { first: self.first, last, bytes, digest: Digest::of(&[&head]) };
        let name = reference.name(self.log, &self.stream);
        self.spool.flush()?;
        Ok(Finished { name, reference, chain: self.chain, head, spool: self.spool })
    }

    fn close_block(&mut self) -> Result<(), WriteError> {
        if self.open.is_empty() {
            return Ok(());
        }
        let plain = std::mem::take(&mut self.open);
        let (first, last, before) = (self.open_first, self.next - 1, self.open_before);
        debug_assert!(walk(&plain, first, last, before, self.chain).is_ok());
        if self.press.is_full() {
            self.take_packed(self.under_way.len() - 1)?;
        }
        self.under_way.push_back(Content::Records { plain_bytes: plain.len(), first, last, before });
        self.press.push(plain);
        (self.open_first, self.open_before) = (self.next, self.chain);
        Ok(())
    }

    /// Puts blocks that were packed, the oldest first, until `left` are under way.
    fn take_packed(&mut self, left: usize) -> Result<(), WriteError> {
        while self.under_way.len() > left {
            let (Some(content), Some(pressed)) = (self.under_way.pop_front(), self.press.pop()) else { break };
            let pressed = pressed?;
            self.put(&pressed.stored, pressed.digest, content)?;
        }
        Ok(())
    }

    fn put(&mut self, stored: &[u8], digest: Digest, content: Content) -> Result<(), WriteError> {
        let bytes = stored.len() as u64;
        if self.blocks.len() == BLOCKS_MAX {
            return Err(WriteError::Full("it has too many blocks"));
        }
        if self.stored_bytes + bytes > SEGMENT_BYTES_MAX {
            return Err(WriteError::Full("it is too large"));
        }
        self.spool.write_all(stored)?;
        self.blocks.push(Block { bytes, digest, content });
        self.stored_bytes += bytes;
        Ok(())
    }
}

impl Finished<Vec<u8>> {
    /// The whole file.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.spool[..]].concat()
    }
}
