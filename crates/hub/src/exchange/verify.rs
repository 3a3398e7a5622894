//! Whether bytes are what their name says, as far as anybody can tell who holds no more than them.

use std::io::{self, BufReader, Read};

use carry_exchange::hash::Digest;
use carry_exchange::head::{HeadError, ListRef, SignedHead};
use carry_exchange::limits::{HEAD_BYTES_MAX, LIST_BYTES_MAX, SEGMENT_BYTES_MAX};
use carry_exchange::list::{List, ListError};
use carry_exchange::name::{ObjectId, ObjectName};
use carry_exchange::segment::{PRELUDE_BYTES, SegmentError, Skeleton, header_bytes};
use sha2::{Digest as _, Sha256};

/// How what is put is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examination {
    /// Whole: of a head id, log and signature; of a list id and form; of a segment the id of its header, its size and each
    /// block's hash. What a later version of the format makes passes as far as its bytes are those that were named.
    Whole,
    /// Its name and size only: for objects that only the devices themselves can open.
    Name,
}

/// Why bytes are not what their name says.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error("it is no valid head: {0}")]
    Head(#[from] HeadError),
    #[error("it is no valid list: {0}")]
    List(#[from] ListError),
    #[error("it is no valid segment: {0}")]
    Segment(#[from] SegmentError),
    #[error("the bytes are not those that the name was made from")]
    Id,
    #[error("block {0} is not the one that the header names")]
    Block(usize),
    #[error("what was taken in cannot be read again")]
    Read(#[from] io::Error),
}

/// Bytes that an object of this name may have.
pub(super) fn bytes_max(object: &ObjectName) -> u64 {
    match object {
        ObjectName::Head { .. } => HEAD_BYTES_MAX,
        ObjectName::List { .. } => LIST_BYTES_MAX,
        ObjectName::Segment { .. } => SEGMENT_BYTES_MAX,
    }
}

/// Looks at all of `input`, which has `bytes` bytes. Memory holds a segment's header at most.
pub(super) fn examine(object: &ObjectName, bytes: u64, mut input: impl Read) -> Result<(), Unfit> {
    match object {
        ObjectName::Segment { id, .. } => segment(*id, bytes, BufReader::with_capacity(64 * 1024, input)),
        ObjectName::Head { .. } => match SignedHead::read(object, &all(&mut input, bytes)?) {
            // Its signature was verified.
            Ok(_) | Err(HeadError::Newer { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        },
        ObjectName::List { log, id } => {
            let list = all(&mut input, bytes)?;
            let digest = Digest::of(&[&list]);
            if ObjectId::of(digest) != *id {
                return Err(Unfit::Id);
            }
            match List::read(&list, *log, &ListRef { digest, bytes }) {
                Ok(_) | Err(ListError::Newer(_)) => Ok(()),
                Err(error) => Err(error.into()),
            }
        }
    }
}

fn all(input: &mut impl Read, bytes: u64) -> io::Result<Vec<u8>> {
    let mut all = Vec::new();
    input.take(bytes.saturating_add(1)).read_to_end(&mut all)?;
    Ok(all)
}

fn segment(id: ObjectId, bytes: u64, mut input: impl Read) -> Result<(), Unfit> {
    let mut head = [0; PRELUDE_BYTES].to_vec();
    fill(&mut input, &mut head)?;
    let len = header_bytes(head.first_chunk().expect("it has that length"))?;
    head.resize(PRELUDE_BYTES + usize::try_from(len).unwrap_or(0), 0);
    fill(&mut input, &mut head[PRELUDE_BYTES..])?;
    let digest = Digest::of(&[&head]);
    if ObjectId::of(digest) != id {
        return Err(Unfit::Id);
    }
    let skeleton = Skeleton::read(&head, digest, bytes)?;
    for (block, (bytes, digest)) in skeleton.blocks.iter().enumerate() {
        let mut hash = Sha256::new();
        let copied = io::copy(&mut (&mut input).take(*bytes), &mut hash)?;
        if copied != *bytes || Digest::from_bytes(hash.finalize().into()) != *digest {
            return Err(Unfit::Block(block));
        }
    }
    if input.read(&mut [0])? == 0 { Ok(()) } else { Err(Unfit::Id) }
}

/// Fills `to`; a file that ends before is no segment.
fn fill(input: &mut impl Read, to: &mut [u8]) -> Result<(), Unfit> {
    input.read_exact(to).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => Unfit::Segment(SegmentError::Prelude),
        _ => Unfit::Read(e),
    })
}
