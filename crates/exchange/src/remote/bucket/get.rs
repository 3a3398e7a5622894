//! Files on their way out of a bucket.

use std::io::Write;

use reqwest::{Method, StatusCode};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::file::RemoteFile;
use crate::remote::{Got, Part, Version, pipe};

use super::BucketRemote;
use super::pages::version;
use super::wire::{Answer, Ask};

const ACTION: &str = "get a file";

/// No file of a bucket is as long: what lies beyond is asked of nobody.
const FILE_BYTES_MAX: u64 = 1 << 50;

/// What an answer is about to bring.
struct Coming {
    /// Bytes before the wanted ones, from a server that does not know ranges.
    skip: u64,
    /// Bytes wanted.
    bytes: u64,
    size: u64,
}

impl BucketRemote {
    /// Bytes and version of a file.
    pub(super) fn head(&self, key: &str, file: &str, deadline: &Deadline<'_>) -> Result<(u64, Version), RemoteError> {
        let answer = self.wire.send(&Ask::new(Method::HEAD, key), deadline)?;
        if answer.status() != StatusCode::OK {
            return Err(self.wire.refused(answer, file, ACTION, deadline));
        }
        Ok((self.length(&answer)?, version(answer.header("etag").unwrap_or_default())))
    }

    /// Writes a file, or a part of it, into `into`.
    pub(super) fn fetch(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let key = self.key(file.path());
        let range = match part {
            Part::Whole { .. } => None,
            Part::Range { from, bytes } if bytes == 0 || from >= FILE_BYTES_MAX => {
                return self.nothing(&key, file, deadline);
            }
            Part::Range { from, bytes } => {
                let last = from.saturating_add(bytes - 1);
                Some(if last < FILE_BYTES_MAX { format!("bytes={from}-{last}") } else { format!("bytes={from}-") })
            }
        };
        let range: Vec<_> = range.as_deref().map(|range| ("range", range)).into_iter().collect();
        let headers = [&[("accept-encoding", "identity")][..], &range].concat();
        let mut answer = self.wire.send(&Ask { headers: &headers, ..Ask::new(Method::GET, &key) }, deadline)?;
        let coming = match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => self.coming(&answer, part, file)?,
            StatusCode::RANGE_NOT_SATISFIABLE => return self.nothing(&key, file, deadline),
            _ => return Err(self.wire.refused(answer, file.path(), ACTION, deadline)),
        };
        let version = version(answer.header("etag").unwrap_or_default());
        self.pour(&mut answer, &coming, into, deadline)?;
        Ok(Got { bytes: coming.bytes, size: coming.size, version })
    }

    /// A part that lies beyond the end, or is none.
    fn nothing(&self, key: &str, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<Got, RemoteError> {
        let (size, version) = self.head(key, file.path(), deadline)?;
        Ok(Got { bytes: 0, size, version })
    }

    fn coming(&self, answer: &Answer, part: Part, file: &RemoteFile) -> Result<Coming, RemoteError> {
        let whole = || self.length(answer);
        let bad = || self.wire.internal(ACTION, "the server's answer is not about the part that was asked for".into());
        match (part, answer.status() == StatusCode::PARTIAL_CONTENT) {
            (Part::Whole { .. }, true) => Err(bad()),
            (_, false) => {
                let size = whole()?;
                let (from, to) = part.within(size, &self.wire.place, file)?;
                Ok(Coming { skip: from, bytes: to - from, size })
            }
            (Part::Range { .. }, true) => {
                let (first, last, size) = answer.header("content-range").and_then(content_range).ok_or_else(bad)?;
                let (from, to) = part.within(size, &self.wire.place, file)?;
                if (first, last.checked_add(1)) != (from, Some(to)) {
                    return Err(bad());
                }
                Ok(Coming { skip: 0, bytes: to - from, size })
            }
        }
    }

    /// Hands over what comes: exactly the bytes wanted.
    fn pour(
        &self,
        answer: &mut Answer,
        coming: &Coming,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<(), RemoteError> {
        let (mut skip, mut left) = (coming.skip, coming.bytes);
        while left > 0 {
            let Some(chunk) = self.wire.next(answer, deadline)? else {
                let short = std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
                return Err(RemoteError::Unreachable { place: self.wire.place.clone(), source: short.into() });
            };
            let skipped = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= skipped as u64;
            let chunk = &chunk[skipped..];
            let chunk = &chunk[..chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX))];
            for piece in chunk.chunks(pipe::PIECE_BYTES) {
                deadline.check(&self.wire.place)?;
                pipe::hand_over(into, piece, &self.wire.place)?;
            }
            left -= chunk.len() as u64;
        }
        Ok(())
    }

    fn length(&self, answer: &Answer) -> Result<u64, RemoteError> {
        let length = answer.header("content-length").and_then(|text| text.parse().ok());
        length.ok_or_else(|| self.wire.internal(ACTION, "the server does not say how long the file is".into()))
    }
}

/// `bytes <first>-<last>/<size>`.
fn content_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?, size.parse().ok()?))
}
