//! Bytes from here to there, piece by piece, so that a call can be stopped between two.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use bytes::Bytes;
use carry_kernel::disk;
use rustix::fs::OFlags;

use super::Source;
use super::deadline::Deadline;
use super::error::RemoteError;

/// Bytes of a piece: some milliseconds on a slow disk, and enough for the fast ones.
pub(super) const PIECE_BYTES: usize = 128 * 1024;

/// A source, opened, whose size is known.
pub(super) enum Opened<'a> {
    Bytes(&'a [u8]),
    File(File, Stamp, &'a Path),
}

/// What tells whether a file was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) bytes: u64,
    modified: (i64, i64),
}

impl Stamp {
    pub(super) fn of(file: &File) -> io::Result<Self> {
        let data = file.metadata()?;
        // The time of change is left out: giving a file a second name sets it too.
        Ok(Self { bytes: data.len(), modified: (data.mtime(), data.mtime_nsec()) })
    }
}

impl<'a> Opened<'a> {
    pub(super) fn open(source: Source<'a>, place: &str) -> Result<Self, RemoteError> {
        match source {
            Source::Bytes(bytes) => Ok(Self::Bytes(bytes)),
            Source::File(path) => {
                let file = disk::open_regular(path, OFlags::NOFOLLOW).map_err(|e| failed(path, place, e))?;
                Self::of(file, path, place)
            }
        }
    }

    /// A file that is open already.
    pub(super) fn of(file: File, name: &'a Path, place: &str) -> Result<Self, RemoteError> {
        let stamp = Stamp::of(&file).map_err(|e| failed(name, place, e))?;
        Ok(Self::File(file, stamp, name))
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, stamp, _) => stamp.bytes,
        }
    }

    /// Takes the next piece off its front; `at` is how much was taken before. `None` at the end.
    fn take(&mut self, at: u64, place: &str) -> Result<Option<Vec<u8>>, RemoteError> {
        match self {
            Self::Bytes(bytes) => {
                let (piece, rest) = bytes.split_at(bytes.len().min(PIECE_BYTES));
                *bytes = rest;
                Ok((!piece.is_empty()).then(|| piece.to_vec()))
            }
            Self::File(file, stamp, path) => {
                let left = stamp.bytes.saturating_sub(at);
                let mut piece = vec![0; PIECE_BYTES];
                let n = read_some(file, &mut piece).map_err(|e| failed(path, place, e))?;
                let now = Stamp::of(file).map_err(|e| failed(path, place, e))?;
                if now != *stamp || n as u64 > left || (n == 0 && left > 0) {
                    return Err(changed(path, place));
                }
                piece.truncate(n);
                Ok((n > 0).then_some(piece))
            }
        }
    }

    /// Gives it piece by piece, for who asks instead of being handed; `None` at the end.
    pub(super) fn pieces(&mut self, place: &str) -> impl FnMut() -> Result<Option<Bytes>, RemoteError> {
        let mut at = 0;
        move || {
            let piece = self.take(at, place)?;
            at += piece.as_ref().map_or(0, |piece| piece.len() as u64);
            Ok(piece.map(Bytes::from))
        }
    }

    /// All of it, for what is known to be small.
    pub(super) fn whole(self, place: &str, deadline: &Deadline<'_>) -> Result<Vec<u8>, RemoteError> {
        let mut whole = Vec::new();
        self.pour(place, deadline, |piece| {
            whole.extend_from_slice(piece);
            Ok(())
        })?;
        Ok(whole)
    }

    /// Hands all of it to `each`, piece by piece.
    pub(super) fn pour(
        mut self,
        place: &str,
        deadline: &Deadline<'_>,
        mut each: impl FnMut(&[u8]) -> Result<(), RemoteError>,
    ) -> Result<(), RemoteError> {
        match &mut self {
            Self::Bytes(bytes) => {
                for piece in bytes.chunks(PIECE_BYTES) {
                    deadline.check(place)?;
                    each(piece)?;
                }
                Ok(())
            }
            Self::File(file, stamp, path) => {
                let mut piece = vec![0; PIECE_BYTES];
                let mut left = stamp.bytes;
                loop {
                    deadline.check(place)?;
                    let n = read_some(file, &mut piece).map_err(|e| failed(path, place, e))?;
                    if n == 0 {
                        break;
                    }
                    left = left.checked_sub(n as u64).ok_or_else(|| changed(path, place))?;
                    each(&piece[..n])?;
                }
                let now = Stamp::of(file).map_err(|e| failed(path, place, e))?;
                if left == 0 && now == *stamp { Ok(()) } else { Err(changed(path, place)) }
            }
        }
    }
}

/// Reads what comes next; 0 at the end. An interruption is none.
pub(super) fn read_some(from: &mut impl Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(into) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Hands a piece to where the caller wants it.
pub(super) fn hand_over(into: &mut dyn Write, piece: &[u8], place: &str) -> Result<(), RemoteError> {
    into.write_all(piece).map_err(|e| RemoteError::local(place, "store what came", e))
}

fn failed(path: &Path, place: &str, e: io::Error) -> RemoteError {
    let source = disk::DiskError::at("read", path)(e);
    RemoteError::Local { place: place.to_owned(), action: "read what is to be put", source: source.into() }
}

fn changed(path: &Path, place: &str) -> RemoteError {
    failed(path, place, io::Error::other("it changed while it was put"))
}
