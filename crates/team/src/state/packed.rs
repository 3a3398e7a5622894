//! What is remembered of a unit's buckets, as one blob: a long session has thousands.
//!
//! Format byte, version of the shape, hash of the values, then each bucket: number, raw hash, hash of what was made of it, whether it
//! has secrets. At the end a check of all that: a hash that has lost a bit would be believed to stand in the store.

use crate::unit::{Bucket, Digest};
use carry_sessions::mask::pieces::{Known, KnownBucket};

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 4 + 32;
const BUCKET_BYTES: usize = 4 + 32 + 32 + 1;
const CHECK_BYTES: usize = 16;

/// Packs.
pub(super) fn pack(shape: u32, known: &Known) -> Vec<u8> {
    let mut packed = Vec::with_capacity(HEADER_BYTES + known.buckets.len() * BUCKET_BYTES + CHECK_BYTES);
    packed.push(FORMAT);
    packed.extend(shape.to_le_bytes());
    packed.extend(known.values);
    for (bucket, known) in &known.buckets {
        packed.extend(bucket.0.to_le_bytes());
        packed.extend(known.raw);
        packed.extend(known.shaped);
        packed.push(known.has_secrets.into());
    }
    let check = check(&packed);
    packed.extend(check);
    packed
}

/// Unpacks: the version of the shape, and the buckets. `None` for what is damaged or of another format.
pub(super) fn unpack(packed: &[u8]) -> Option<(u32, Known)> {
    let (said, found) = packed.split_last_chunk::<CHECK_BYTES>()?;
    if *found != check(said) || *said.first()? != FORMAT {
        return None;
    }
    let shape = u32::from_le_bytes(said.get(1..5)?.try_into().ok()?);
    let values = said.get(5..HEADER_BYTES)?.try_into().ok()?;
    let rest = said.get(HEADER_BYTES..)?;
    let digest = |bytes: &[u8]| Digest::try_from(bytes).ok();
    let mut known = Known { values, ..Known::default() };
    let (each, left) = rest.as_chunks::<BUCKET_BYTES>();
    for bytes in each {
        let bucket = Bucket(u32::from_le_bytes(bytes[..4].try_into().ok()?));
        let has_secrets = bytes[68] != 0;
        let one = KnownBucket { raw: digest(&bytes[4..36])?, shaped: digest(&bytes[36..68])?, has_secrets };
        known.buckets.insert(bucket, one);
    }
    left.is_empty().then_some((shape, known))
}

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    let mut check = [0; CHECK_BYTES];
    check.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECK_BYTES]);
    check
}
