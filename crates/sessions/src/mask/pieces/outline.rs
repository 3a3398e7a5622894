//! What a session consists of, bucket by bucket, as hashes.

use std::collections::{BTreeMap, BTreeSet};

use crate::archive::{Archive, ArchiveError};

use super::{Bucket, Digest};

/// Grows when the same rows are masked otherwise though the rules have not changed.
const VERSION: u8 = 1;

/// A bucket as it lies in the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Over all its rows.
    pub(super) raw: Digest,
    /// The ordinals of its first and last message.
    pub(super) first: u32,
    pub(super) last: u32,
}

/// The buckets of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) buckets: BTreeMap<Bucket, Listed>,
}

impl Outline {
    /// Reads it, without any text. Under another key, or for another version of the rules, all hashes are others.
    pub(super) fn read(archive: &Archive, session: i64, rules: &str, key: &[u8; 32]) -> Result<Self, ArchiveError> {
        let mut outline = Self::default();
        let mut open: Option<(Bucket, blake3::Hasher, u32, u32)> = None;
        archive.outline(session, &mut |row| {
            let bucket = Bucket::of(row.ordinal);
            if let Some((done, hasher, first, last)) = open.take_if(|(open, ..)| *open != bucket) {
                outline.buckets.insert(done, Listed { raw: *hasher.finalize().as_bytes(), first, last });
            }
            let (_, hasher, _, last) =
                open.get_or_insert_with(|| (bucket, hasher(key, "bucket", rules), row.ordinal, row.ordinal));
            *last = row.ordinal;
            let (index, event) = row.place.unwrap_or_default();
            hasher.update(&[u8::from(row.place.is_some()), u8::from(row.is_abandoned)]);
            for number in [row.ordinal, index, event] {
                hasher.update(&number.to_le_bytes());
            }
            hasher.update(&row.digest);
        })?;
        if let Some((done, hasher, first, last)) = open {
            outline.buckets.insert(done, Listed { raw: *hasher.finalize().as_bytes(), first, last });
        }
        Ok(outline)
    }
}

/// A hash of all values that are looked for.
pub(super) fn values_hash(values: &BTreeSet<String>, rules: &str, key: &[u8; 32]) -> Digest {
    let mut hasher = hasher(key, "values", rules);
    for value in values {
        hasher.update(&(value.len() as u64).to_le_bytes());
        hasher.update(value.as_bytes());
    }
    *hasher.finalize().as_bytes()
}

fn hasher(key: &[u8; 32], what: &str, rules: &str) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(&[VERSION]);
    for text in [what, rules] {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hasher
}
