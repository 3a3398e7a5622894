//! Stretches of a file and their hashes.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Files up to this size are hashed as a whole.
const WHOLE_BYTES: u64 = 64 * 1024;
/// Head and tail of larger ones.
const EDGE_BYTES: u64 = 16 * 1024;
/// Places between, and how long each is.
const PLACES: u64 = 7;
const PLACE_BYTES: u64 = 4 * 1024;
/// Bytes of one probe as stored: offset, length, hash.
const STORED_BYTES: usize = 8 + 4 + 16;

/// Short stretches of a file (its beginning, its end as it was, a few places between) and their hashes: a cheap way to
/// notice that what was taken in was rewritten. A change elsewhere, in place and beside growth, is found by `verify`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probes {
    stretches: Vec<Stretch>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stretch {
    at: u64,
    bytes: u32,
    hash: [u8; 16],
}

impl Probes {
    /// Looks at the first `offset` bytes of `file`.
    ///
    /// # Errors
    /// The file system's.
    pub fn take(file: &File, offset: u64) -> io::Result<Self> {
        let mut wanted = vec![(0, offset)];
        if offset > WHOLE_BYTES {
            wanted = vec![(0, EDGE_BYTES), (offset - EDGE_BYTES, EDGE_BYTES)];
            wanted.extend((1..=PLACES).map(|place| (offset / (PLACES + 1) * place, PLACE_BYTES)));
        }
        let mut stretches = Vec::with_capacity(wanted.len());
        for (at, bytes) in wanted {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            if let Some(hash) = hash_of(file, at, bytes)? {
                stretches.push(Stretch { at, bytes, hash });
            }
        }
        Ok(Self { stretches })
    }

    /// Whether the first `offset` bytes of `file` still look the same.
    ///
    /// # Errors
    /// The file system's.
    pub fn hold(&self, file: &File, offset: u64) -> io::Result<bool> {
        for stretch in &self.stretches {
            let is_inside = stretch.at.saturating_add(u64::from(stretch.bytes)) <= offset;
            if !is_inside || hash_of(file, stretch.at, stretch.bytes)? != Some(stretch.hash) {
                return Ok(false);
            }
        }
        Ok(!self.stretches.is_empty())
    }

    /// As stored: less than 1 KiB.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.stretches.len() * STORED_BYTES);
        for stretch in &self.stretches {
            bytes.extend_from_slice(&stretch.at.to_le_bytes());
            bytes.extend_from_slice(&stretch.bytes.to_le_bytes());
            bytes.extend_from_slice(&stretch.hash);
        }
        bytes
    }

    /// From what was stored; `None` when it is empty or not ours.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(STORED_BYTES) {
            return None;
        }
        let stretches = bytes.chunks_exact(STORED_BYTES).map(|stored| {
            let at = u64::from_le_bytes(stored[..8].try_into().ok()?);
            let bytes = u32::from_le_bytes(stored[8..12].try_into().ok()?);
            let is_sane = u64::from(bytes) <= WHOLE_BYTES;
            is_sane.then_some(Stretch { at, bytes, hash: stored[12..].try_into().ok()? })
        });
        Some(Self { stretches: stretches.collect::<Option<_>>()? })
    }
}

/// The hash of a stretch; `None` when the file ends before it does.
fn hash_of(file: &File, at: u64, bytes: u32) -> io::Result<Option<[u8; 16]>> {
    let mut buffer = vec![0; bytes as usize];
    match file.read_exact_at(&mut buffer, at) {
        Ok(()) => {
            let mut hash = [0; 16];
            hash.copy_from_slice(&blake3::hash(&buffer).as_bytes()[..16]);
            Ok(Some(hash))
        }
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
