//! Reads a segment from front to back, a block at a time, and believes nothing before it is checked.

use std::io::{ErrorKind, Read};

use super::header::{Content, SegmentHeader};
use super::skeleton::{self, PRELUDE_BYTES};
use super::{Expected, SegmentError};
use crate::chain::Link;
use crate::hash::Hashing;

/// Reads one segment.
pub struct SegmentReader<R> {
    header: SegmentHeader,
    input: R,
    next: usize,
    /// The stored bytes of the block that was read last.
    stored: Vec<u8>,
    file_bytes: u64,
}

/// What one block holds.
#[derive(Debug)]
pub enum Part<'a> {
    /// Records, checked to be those that were promised.
    Records(Vec<Link>),
    /// A part of an attachment.
    Attachment {
        /// Which attachment of the header, from 0.
        attachment: usize,
        /// The next of its bytes.
        bytes: &'a [u8],
    },
}

impl<R: Read> SegmentReader<R> {
    /// Checks size and header. `file_bytes` is what the file system or the server says the file has.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn open(expected: &Expected, file_bytes: u64, mut input: R) -> Result<Self, SegmentError> {
        if file_bytes != expected.reference.bytes {
            return Err(SegmentError::Size { expected: expected.reference.bytes, found: file_bytes });
        }
        let mut head = vec![0; PRELUDE_BYTES];
        fill(&mut input, &mut head, file_bytes, 0)?;
        let prelude = head.first_chunk().expect("it has that length");
        if let Some(len) = skeleton::large_header_bytes(prelude).filter(|len| *len < file_bytes) {
            return Err(check_large(&head, len, expected, file_bytes, &mut input));
        }
        let len = skeleton::header_bytes(prelude)?;
        if len > file_bytes {
            return Err(SegmentError::Prelude);
        }
        head.resize(PRELUDE_BYTES + usize::try_from(len).unwrap_or(0), 0);
        fill(&mut input, &mut head[PRELUDE_BYTES..], file_bytes, PRELUDE_BYTES as u64)?;
        let header = SegmentHeader::read(&head, expected)?;
        Ok(Self { header, input, next: 0, stored: Vec::new(), file_bytes })
    }

    /// The header.
    pub fn header(&self) -> &SegmentHeader {
        &self.header
    }

    /// The same, without what follows it.
    pub fn into_header(self) -> SegmentHeader {
        self.header
    }

    /// The next block; `None` after the last, when the file was found to end there. Memory holds one block.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn next_part(&mut self) -> Result<Option<Part<'_>>, SegmentError> {
        let block = self.next;
        let Some(place) = self.header.place(block) else { return self.end().map(|()| None) };
        self.next += 1;
        self.stored.resize(usize::try_from(place.end - place.start).unwrap_or(usize::MAX), 0);
        fill(&mut self.input, &mut self.stored, self.file_bytes, place.start)?;
        let links = self.header.open_block(block, &self.stored)?;
        Ok(Some(match self.header.blocks[block].content {
            Content::Records { .. } => Part::Records(links),
            Content::Attachment => {
                let holds = |attachment: &super::Attachment| attachment.blocks.contains(&block);
                let attachment = self.header.attachments.iter().position(holds);
                let attachment = attachment.ok_or(SegmentError::Header("a block is of no attachment"))?;
                Part::Attachment { attachment, bytes: &self.stored }
            }
        }))
    }

    /// Reads all that is left and throws it away: checks the segment without using it.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub fn verify(mut self) -> Result<SegmentHeader, SegmentError> {
        while self.next_part()?.is_some() {}
        Ok(self.header)
    }

    fn end(&mut self) -> Result<(), SegmentError> {
        let mut more = [0];
        loop {
            return match self.input.read(&mut more) {
                Ok(0) => Ok(()),
                Ok(_) => Err(SegmentError::Size { expected: self.file_bytes, found: self.file_bytes + 1 }),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(SegmentError::Read(error)),
            };
        }
    }
}

/// What is wrong with a segment whose prelude says that its header is too large: its author wrote it so, unless prelude and header
/// are others than those that were named.
fn check_large(prelude: &[u8], len: u64, expected: &Expected, file_bytes: u64, input: &mut impl Read) -> SegmentError {
    let (mut hash, mut at, mut piece) = (Hashing::default(), PRELUDE_BYTES as u64, vec![0; 64 * 1024]);
    hash.add(prelude);
    let end = at + len;
    while at < end {
        let n = usize::try_from(end - at).unwrap_or(usize::MAX).min(piece.len());
        if let Err(error) = fill(input, &mut piece[..n], file_bytes, at) {
            return error;
        }
        hash.add(&piece[..n]);
        at += n as u64;
    }
    if hash.finish() == expected.reference.digest { SegmentError::HeaderSize(len) } else { SegmentError::Prelude }
}

/// Fills `to`, which lies `at` bytes into a file of `expected` bytes. A file that ends early is short, not unreadable.
fn fill(input: &mut impl Read, to: &mut [u8], expected: u64, at: u64) -> Result<(), SegmentError> {
    let mut filled = 0;
    while filled < to.len() {
        match input.read(&mut to[filled..]) {
            Ok(0) => return Err(SegmentError::Size { expected, found: at + filled as u64 }),
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(SegmentError::Read(error)),
        }
    }
    Ok(())
}
