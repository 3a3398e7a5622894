//! Files on their way here, whole or in part.

use std::io::Write;

use reqwest::StatusCode;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::file::RemoteFile;
use crate::remote::{Part, pipe};

use super::{Answer, Http};

const ACTION: &str = "get a file";

/// No file is as long: what lies beyond is asked of nobody.
const FILE_BYTES_MAX: u64 = 1 << 50;

/// What an answer is about to bring.
pub(in crate::remote) struct Coming {
    /// Bytes before the wanted ones, from a server that does not know ranges.
    skip: u64,
    /// Bytes wanted.
    pub(in crate::remote) bytes: u64,
    pub(in crate::remote) size: u64,
}

/// How a part is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::remote) enum Range {
    /// Without naming any.
    Whole,
    /// With this value of the header `Range`.
    Bytes(String),
    /// Not at all: it lies beyond the end of any file, or is empty, which HTTP cannot say.
    Nothing,
}

impl Range {
    /// The headers of the request; `None` where nothing is to be asked.
    pub(in crate::remote) fn headers(&self) -> Option<Vec<(&'static str, &str)>> {
        let as_it_is = ("accept-encoding", "identity");
        match self {
            Self::Whole => Some(vec![as_it_is]),
            Self::Bytes(range) => Some(vec![as_it_is, ("range", range)]),
            Self::Nothing => None,
        }
    }

    pub(in crate::remote) fn of(part: Part) -> Self {
        match part {
            Part::Whole { .. } => Self::Whole,
            Part::Range { from, bytes } if bytes == 0 || from >= FILE_BYTES_MAX => Self::Nothing,
            Part::Range { from, bytes } => {
                let last = from.saturating_add(bytes - 1);
                Self::Bytes(if last < FILE_BYTES_MAX {
                    format!("bytes={from}-{last}")
                } else {
                    format!("bytes={from}-")
                })
            }
        }
    }
}

impl Http {
    /// What the answer 200 or 206 to a request for `part` will bring. `size` is asked for the file's where the answer does not
    /// say it.
    pub(in crate::remote) fn coming(
        &self,
        answer: &Answer,
        part: Part,
        file: &RemoteFile,
        size: impl FnOnce() -> Result<u64, RemoteError>,
    ) -> Result<Coming, RemoteError> {
        let bad = || self.internal(ACTION, "the server's answer is not about the part that was asked for".into());
        match (part, answer.status() == StatusCode::PARTIAL_CONTENT) {
            (Part::Whole { .. }, true) => Err(bad()),
            (_, false) => {
                let size = match answer.header("content-length").and_then(|text| text.parse().ok()) {
                    Some(size) => size,
                    None => size()?,
                };
                let (from, to) = part.within(size, &self.place, file)?;
                Ok(Coming { skip: from, bytes: to - from, size })
            }
            (Part::Range { .. }, true) => {
                let (first, last, size) = answer.header("content-range").and_then(content_range).ok_or_else(bad)?;
                let (from, to) = part.within(size, &self.place, file)?;
                if (first, last.checked_add(1)) != (from, Some(to)) {
                    return Err(bad());
                }
                Ok(Coming { skip: 0, bytes: to - from, size })
            }
        }
    }

    /// Hands over what comes: exactly the bytes wanted.
    pub(in crate::remote) fn pour(
        &self,
        answer: &mut Answer,
        coming: &Coming,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<(), RemoteError> {
        let (mut skip, mut left) = (coming.skip, coming.bytes);
        while left > 0 {
            let Some(chunk) = self.next(answer, deadline)? else {
                let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(RemoteError::Unreachable { place: self.place.clone(), source: short.into() });
            };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            let chunk = &chunk[skipped..];
            let chunk = &chunk[..chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            for piece in chunk.chunks(pipe::PIECE_BYTES) {
                deadline.check(&self.place)?;
                pipe::hand_over(into, piece, &self.place)?;
            }
            left -= chunk.len() as u64;
        }
        Ok(())
    }
}

/// `bytes <first>-<last>/<size>`.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, size.parse().ok()?))
}
