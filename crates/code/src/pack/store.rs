//! The compressed bytes of a batch: in memory, and past a limit in a file without a name.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use carry_kernel::disk::DiskError;

/// How much stays in memory, in bytes.
pub(super) const SPILL_BYTES: usize = 64 * 1024 * 1024;

/// How much is read back at a time, in bytes.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Bytes, appended and read back.
#[derive(Debug)]
pub(super) struct Store {
    dir: PathBuf,
    spilled: Option<File>,
    spilled_len: u64,
    tail: Vec<u8>,
}

/// Why a chunk was not passed on.
pub(super) enum ChunkError {
    /// It could not be read back.
    Read(io::Error),
    /// Its taker failed.
    Taker(DiskError),
}

impl ChunkError {
    pub(super) fn or_at(self, action: &'static str, path: &std::path::Path) -> DiskError {
        match self {
            Self::Read(e) => DiskError::at(action, path)(e),
            Self::Taker(e) => e,
        }
    }
}

impl Store {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir, spilled: None, spilled_len: 0, tail: Vec::new() }
    }

    /// Bytes in all.
    pub(super) fn len(&self) -> u64 {
        self.spilled_len + self.tail.len() as u64
    }

    /// Where to append. Follow with [`Store::settle`].
    pub(super) fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.tail
    }

    /// Moves what is too much for memory to the file. Where that fails all of it stays in memory: the batch is still
    /// right, and writing it will say that the disk is full.
    pub(super) fn settle(&mut self) {
        if self.tail.len() < SPILL_BYTES {
            return;
        }
        match self.spill() {
            Ok(()) => {
                self.spilled_len += self.tail.len() as u64;
                // A single large object must not keep its memory.
                self.tail = Vec::new();
            }
            Err(error) => tracing::warn!(%error, dir = %self.dir.display(), "cannot move compressed objects to disk"),
        }
    }

    fn spill(&mut self) -> io::Result<()> {
        let file = match &mut self.spilled {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.dir)?),
        };
        // At its place, since an attempt before may have failed half way.
        file.write_all_at(&self.tail, self.spilled_len)?;
        file.flush()
    }

    /// The bytes from `start` to `end`.
    pub(super) fn read(&self, start: u64, end: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(end - start).map_err(io::Error::other)?;
        let mut bytes = vec![0; len];
        // An object never lies in both places.
        match (&self.spilled, start.checked_sub(self.spilled_len)) {
            (Some(file), None) => file.read_exact_at(&mut bytes, start)?,
            (_, start) => {
                let start = usize::try_from(start.unwrap_or(0)).map_err(io::Error::other)?;
                bytes.copy_from_slice(&self.tail[start..start + len]);
            }
        }
        Ok(bytes)
    }

    /// Passes all bytes on, in order.
    pub(super) fn for_each_chunk(
        &self,
        mut taker: impl FnMut(&[u8]) -> Result<(), DiskError>,
    ) -> Result<(), ChunkError> {
        if let Some(file) = &self.spilled {
            let mut chunk = vec![0; CHUNK_BYTES];
            let mut at = 0;
            while at < self.spilled_len {
                let n = usize::try_from(self.spilled_len - at).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
                file.read_exact_at(&mut chunk[..n], at).map_err(ChunkError::Read)?;
                taker(&chunk[..n]).map_err(ChunkError::Taker)?;
                at += n as u64;
            }
        }
        taker(&self.tail).map_err(ChunkError::Taker)
    }
}
