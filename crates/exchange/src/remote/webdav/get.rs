//! Files on their way from a server of WebDAV.

use std::io::Write;

use reqwest::{Method, StatusCode};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::How;
use crate::remote::http::body::Range;
use crate::remote::{Got, Part, RemoteFile, Version};

use super::refusal::Refusal;
use super::{WebDavRemote, listing};

const ACTION: &str = "get a file";

impl WebDavRemote {
    /// Writes a file, or a part of it, into `into`.
    pub(super) fn fetch(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let range = Range::of(part);
        let Some(headers) = range.headers() else { return self.nothing(file, deadline) };
        let mut answer = self.wire.send(Method::GET, file.path(), &headers, None, How::default(), deadline)?;
        match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {}
            StatusCode::RANGE_NOT_SATISFIABLE => return self.nothing(file, deadline),
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                self.look_again(deadline)?;
                return Err(self.wire.refused(&answer, file.path(), ACTION));
            }
            _ => return Err(self.wire.refused(&answer, file.path(), ACTION)),
        }
        let coming = self.wire.http.coming(&answer, part, file, || self.sized(file, deadline).map(|(size, _)| size))?;
        let version = listing::version(answer.header("etag"), answer.header("last-modified"), coming.size);
        self.wire.http.pour(&mut answer, &coming, into, deadline)?;
        Ok(Got { bytes: coming.bytes, size: coming.size, version })
    }

    /// A part that lies beyond the end, or is none.
    fn nothing(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<Got, RemoteError> {
        let (size, version) = self.sized(file, deadline)?;
        Ok(Got { bytes: 0, size, version })
    }

    /// Size and version of a file, from what is said of it.
    fn sized(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<(u64, Version), RemoteError> {
        let place = || self.wire.place().to_owned();
        let entry = self.wire.look(file.path(), deadline)?;
        let missing = || RemoteError::NotThere { place: place(), file: file.to_string() };
        let entry = entry.ok_or_else(missing)?;
        if entry.is_folder {
            return Err(RemoteError::Foreign { place: place(), file: file.to_string() });
        }
        let bytes = match entry.bytes {
            Some(bytes) => bytes,
            None => self.length(file.path(), deadline)?.ok_or_else(missing)?,
        };
        Ok((bytes, listing::version(entry.tag.as_deref(), entry.modified.as_deref(), bytes)))
    }

    /// How long a file is of which an answer did not say it; `None` if it is gone.
    pub(super) fn length(&self, path: &str, deadline: &Deadline<'_>) -> Result<Option<u64>, RemoteError> {
        const ACTION: &str = "learn how long a file is";
        let headers = [("accept-encoding", "identity")];
        let answer = self.wire.send(Method::HEAD, path, &headers, None, How::default(), deadline)?;
        match answer.status() {
            StatusCode::OK => {
                let bytes = answer.header("content-length").and_then(|text| text.parse().ok());
                bytes.map(Some).ok_or_else(|| self.wire.http.internal(ACTION, Refusal::NoLength.into()))
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(None),
            _ => Err(self.wire.refused(&answer, path, ACTION)),
        }
    }
}
