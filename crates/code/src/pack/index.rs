//! The index of a pack, version 2: where in the pack each object begins.

use std::io;

use crate::git::{HashKind, ObjectId};

/// An object in a pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// Its name.
    pub(super) id: ObjectId,
    /// The checksum of its bytes as they stand in the pack.
    pub(super) crc32: u32,
    /// Where it begins.
    pub(super) offset: u64,
}

/// Offsets from here on do not fit beside the flag that says they are elsewhere.
const LARGE: u64 = 0x8000_0000;

/// The whole index of a pack with these entries and this checksum.
///
/// # Errors
/// When an attack on SHA-1 was noticed.
pub(super) fn encode(entries: &mut [Entry], pack: &ObjectId, hash: HashKind) -> io::Result<Vec<u8>> {
    entries.sort_by_key(|entry| entry.id);
    let mut out = Vec::with_capacity(8 + 1024 + entries.len() * (hash.len_in_bytes() + 8) + 64);
    out.extend_from_slice(b"\xfftOc");
    out.extend_from_slice(&2u32.to_be_bytes());
    let mut count: u32 = 0;
    let mut rest = entries.iter().peekable();
    for first_byte in 0..=u8::MAX {
        while rest.next_if(|e| e.id.first_byte() == first_byte).is_some() {
            count += 1;
        }
        out.extend_from_slice(&count.to_be_bytes());
    }
    for entry in entries.iter() {
        out.extend_from_slice(entry.id.as_slice());
    }
    for entry in entries.iter() {
        out.extend_from_slice(&entry.crc32.to_be_bytes());
    }
    let mut large = Vec::new();
    for entry in entries.iter() {
        let offset = match u32::try_from(entry.offset) {
            Ok(offset) if entry.offset < LARGE => offset,
            _ => {
                large.push(entry.offset);
                let place = u32::try_from(large.len() - 1).map_err(io::Error::other)?;
                place | 0x8000_0000
            }
        };
        out.extend_from_slice(&offset.to_be_bytes());
    }
    for offset in large {
        out.extend_from_slice(&offset.to_be_bytes());
    }
    out.extend_from_slice(pack.as_slice());
    let mut hasher = gix::hash::hasher(hash);
    hasher.update(&out);
    out.extend_from_slice(hasher.try_finalize().map_err(io::Error::other)?.as_slice());
    Ok(out)
}
