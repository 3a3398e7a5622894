//! Checks a segment's bytes as they come, without keeping them.

use std::io::{self, Read, Write};

use super::{BlockError, PRELUDE_BYTES, SegmentError, Skeleton, header_bytes};
use crate::hash::{Digest, Hashing};
use crate::limits::HEADER_BYTES_MAX;
use crate::name::{ObjectId, ObjectName};

/// Takes a segment's bytes as any version can check them: the header against the object's name, each block against its digest.
#[derive(Debug)]
pub(crate) struct Check<'a> {
    object: &'a ObjectName,
    bytes: u64,
    /// Prelude and header, as far as they came.
    head: Vec<u8>,
    /// How long these are, as far as it is known.
    head_bytes: usize,
    blocks: Option<Blocks>,
    wrong: Option<SegmentError>,
}

/// What comes after the header.
#[derive(Debug)]
struct Blocks {
    skeleton: Skeleton,
    at: usize,
    hash: Hashing,
    hashed: u64,
}

impl<'a> Check<'a> {
    /// Of the object `object`, which has `bytes`.
    pub(crate) fn new(object: &'a ObjectName, bytes: u64) -> Self {
        Self { object, bytes, head: Vec::new(), head_bytes: PRELUDE_BYTES, blocks: None, wrong: None }
    }

    /// Whether all that came is the segment, and all of it came.
    ///
    /// # Errors
    /// [`SegmentError`] says what is wrong.
    pub(crate) fn finish(self) -> Result<(), SegmentError> {
        match (self.wrong, self.blocks) {
            (Some(wrong), _) => Err(wrong),
            (None, Some(blocks)) if blocks.at == blocks.skeleton.blocks.len() => Ok(()),
            (None, _) => Err(SegmentError::Read(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<(), SegmentError> {
        while !bytes.is_empty() {
            bytes = match &mut self.blocks {
                Some(blocks) => blocks.take(bytes)?,
                None => self.take_head(bytes)?,
            };
        }
        Ok(())
    }

    /// Takes what belongs to prelude and header. Says what is left.
    fn take_head<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], SegmentError> {
        let (taken, left) = bytes.split_at(bytes.len().min(self.head_bytes - self.head.len()));
        self.head.extend_from_slice(taken);
        if self.head.len() < self.head_bytes {
            return Ok(left);
        }
        if self.head_bytes == PRELUDE_BYTES {
            let length = self.head.first_chunk().ok_or(SegmentError::Prelude).and_then(header_bytes)?;
            self.head_bytes += usize::try_from(length.min(HEADER_BYTES_MAX)).unwrap_or(0);
            return Ok(left);
        }
        let digest = Digest::of(&[&self.head]);
        if ObjectId::of(digest) != self.object.id() {
            return Err(SegmentError::Id);
        }
        let skeleton = Skeleton::read(&self.head, digest, self.bytes)?;
        self.blocks = Some(Blocks { skeleton, at: 0, hash: Hashing::default(), hashed: 0 });
        Ok(left)
    }
}

impl Blocks {
    /// Takes what belongs to the block that comes. Says what is left.
    fn take<'b>(&mut self, bytes: &'b [u8]) -> Result<&'b [u8], SegmentError> {
        let too_long = SegmentError::Header("its blocks do not add up to the size of the file");
        let (size, digest) = *self.skeleton.blocks.get(self.at).ok_or(too_long)?;
        let most = usize::try_from(size - self.hashed).unwrap_or(usize::MAX);
        let (taken, left) = bytes.split_at(bytes.len().min(most));
        self.hash.add(taken);
        self.hashed += taken.len() as u64;
        if self.hashed == size {
            if std::mem::take(&mut self.hash).finish() != digest {
                return Err(SegmentError::Block { block: self.at, source: BlockError::Digest });
            }
            (self.at, self.hashed) = (self.at + 1, 0);
        }
        Ok(left)
    }
}

impl Write for Check<'_> {
    /// Takes all, also what comes after something wrong: how much there is is told apart from what it is.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.wrong.is_none() {
            self.wrong = self.take(bytes).err();
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads a segment's file as any version can: header and each block against their digests.
///
/// # Errors
/// [`SegmentError`] says what is wrong.
pub(crate) fn check_segment(object: &ObjectName, bytes: u64, mut file: impl Read) -> Result<(), SegmentError> {
    let mut check = Check::new(object, bytes);
    io::copy(&mut file, &mut check).map_err(SegmentError::Read)?;
    check.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::chain_start;
    use crate::fixture;

    #[test]
    fn a_segment_is_checked_however_its_bytes_come() {
        let stream = fixture::stream("notes");
        let finished = fixture::segment("notes", 1, 40, chain_start(fixture::log(1), &stream), 100);
        let bytes = finished.to_bytes();
        let object = finished.reference.name(fixture::log(1), &stream);
        let check = |bytes: &[u8], piece: usize| {
            let mut check = Check::new(&object, finished.reference.bytes);
            bytes.chunks(piece).for_each(|piece| check.write_all(piece).unwrap());
            check.finish()
        };
        for piece in [1, 7, PRELUDE_BYTES, bytes.len()] {
            check(&bytes, piece).unwrap();
            assert!(check(&bytes[..bytes.len() - 1], piece).is_err(), "it is cut");
            assert!(check(&[&bytes[..], b"x"].concat(), piece).is_err(), "something follows");
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (at % 8);
                assert!(check(&changed, piece).is_err(), "byte {at} in pieces of {piece}");
            }
        }
        assert!(check(&[], 1).is_err());
    }
}
