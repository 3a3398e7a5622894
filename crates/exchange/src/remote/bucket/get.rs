//! Files on their way out of a bucket.

use std::io::Write;

use reqwest::{Method, StatusCode};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::file::RemoteFile;
use crate::remote::http::body::Range;
use crate::remote::{Got, Part, Version};

use super::BucketRemote;
use super::pages::version;
use super::wire::{Answer, Ask};

const ACTION: &str = "get a file";

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
        let range = Range::of(part);
        let Some(headers) = range.headers() else { return self.nothing(&key, file, deadline) };
        let mut answer = self.wire.send(&Ask { headers: &headers, ..Ask::new(Method::GET, &key) }, deadline)?;
        let coming = match answer.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT => {
                self.wire.http.coming(&answer.inner, part, file, || Err(self.unsized_file()))?
            }
            StatusCode::RANGE_NOT_SATISFIABLE => return self.nothing(&key, file, deadline),
            _ => return Err(self.wire.refused(answer, file.path(), ACTION, deadline)),
        };
        let version = version(answer.header("etag").unwrap_or_default());
        self.wire.http.pour(&mut answer.inner, &coming, into, deadline)?;
        Ok(Got { bytes: coming.bytes, size: coming.size, version })
    }

    /// A part that lies beyond the end, or is none.
    fn nothing(&self, key: &str, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<Got, RemoteError> {
        let (size, version) = self.head(key, file.path(), deadline)?;
        Ok(Got { bytes: 0, size, version })
    }

    fn length(&self, answer: &Answer) -> Result<u64, RemoteError> {
        answer.header("content-length").and_then(|text| text.parse().ok()).ok_or_else(|| self.unsized_file())
    }

    fn unsized_file(&self) -> RemoteError {
        self.wire.internal(ACTION, "the server does not say how long the file is".into())
    }
}
