//! Files on their way into a bucket: in one request, or in parts.

use std::fmt::Write as _;

use reqwest::{Method, StatusCode};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::put::{OF_BYTES, UNLESS_THERE};
use crate::remote::pipe::Opened;

use super::wire::{Answer, Ask, Wire};
use super::xml;

/// Bytes of one request, which are held in memory. Parts of S3 have 5 MiB at least, and a file has 10,000 of them at most.
pub(super) const PART_BYTES: usize = 8 << 20;

/// Bytes of the answer to a begun or ended upload.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

const ACTION: &str = "put a file";

/// How a put ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Landed {
    /// The file is there.
    Created,
    /// Something has its name.
    Taken,
    /// The server does not know the condition.
    NoCondition,
}

/// A put on its way.
#[derive(Debug)]
pub(super) struct Putting<'a> {
    pub(super) wire: &'a Wire,
    /// The whole key.
    pub(super) key: &'a str,
    /// The path below the place, for errors.
    pub(super) file: &'a str,
    /// Whether the server looks that nothing has the name.
    pub(super) is_conditional: bool,
}

impl Putting<'_> {
    /// Puts `body` in one request.
    pub(super) fn whole(&self, body: &[u8], deadline: &Deadline<'_>) -> Result<Landed, RemoteError> {
        let headers = [OF_BYTES, UNLESS_THERE];
        let headers = &headers[..if self.is_conditional { 2 } else { 1 }];
        let ask = Ask { headers, body, has_effect: true, ..Ask::new(Method::PUT, self.key) };
        let answer = self.wire.send(&ask, deadline)?;
        if answer.status().is_success() {
            return Ok(Landed::Created);
        }
        self.taken(answer, deadline)
    }

    /// Puts `source` in parts. What was begun is given up if it fails.
    pub(super) fn parts(&self, source: Opened<'_>, deadline: &Deadline<'_>) -> Result<Landed, RemoteError> {
        let id = self.begin(deadline)?;
        let landed = self.fill(&id, source, deadline).and_then(|tags| self.end(&id, &tags, deadline));
        if !matches!(landed, Ok(Landed::Created)) {
            // What cannot be given up now, a sweep does. The caller's time may be over, and this takes but a moment.
            let _ = give_up(self.wire, self.key, &id, true, &Deadline::NONE);
        }
        landed
    }

    fn begin(&self, deadline: &Deadline<'_>) -> Result<String, RemoteError> {
        let ask = Ask { query: &[("uploads", "")], headers: &[OF_BYTES], ..Ask::new(Method::POST, self.key) };
        let ask = Ask { has_effect: true, ..ask };
        let mut answer = self.wire.send(&ask, deadline)?;
        if !answer.status().is_success() {
            return Err(self.wire.refused(answer, self.file, ACTION, deadline));
        }
        let text = self.text(&mut answer, deadline)?;
        let id = xml::text_at(&text, &["UploadId"]).filter(|id| !id.is_empty());
        id.ok_or_else(|| self.wire.internal(ACTION, xml::NotXml.into()))
    }

    /// Sends all parts; returns their tags.
    fn fill(&self, id: &str, source: Opened<'_>, deadline: &Deadline<'_>) -> Result<Vec<String>, RemoteError> {
        let (mut part, mut tags) = (Vec::with_capacity(PART_BYTES), Vec::new());
        source.pour(&self.wire.http.place, deadline, |mut piece| {
            while !piece.is_empty() {
                let (now, later) = piece.split_at(piece.len().min(PART_BYTES - part.len()));
                part.extend_from_slice(now);
                piece = later;
                if part.len() == PART_BYTES {
                    tags.push(self.part(id, tags.len() + 1, &part, deadline)?);
                    part.clear();
                }
            }
            Ok(())
        })?;
        if !part.is_empty() || tags.is_empty() {
            tags.push(self.part(id, tags.len() + 1, &part, deadline)?);
        }
        Ok(tags)
    }

    fn part(&self, id: &str, n: usize, body: &[u8], deadline: &Deadline<'_>) -> Result<String, RemoteError> {
        let n = n.to_string();
        let query = [("partNumber", &*n), ("uploadId", id)];
        let ask = Ask { query: &query, body, has_effect: true, ..Ask::new(Method::PUT, self.key) };
        let answer = self.wire.send(&ask, deadline)?;
        if !answer.status().is_success() {
            return Err(self.wire.refused(answer, self.file, ACTION, deadline));
        }
        let tag = answer.header("etag").map(str::to_owned);
        tag.ok_or_else(|| self.wire.internal(ACTION, "the server gave a part no ETag".into()))
    }

    /// Makes the file of its parts.
    fn end(&self, id: &str, tags: &[String], deadline: &Deadline<'_>) -> Result<Landed, RemoteError> {
        let mut body = "<CompleteMultipartUpload>".to_owned();
        for (n, tag) in (1..).zip(tags) {
            let tag = tag.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
            write!(body, "<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>")
                .expect("a string takes what is written");
        }
        body.push_str("</CompleteMultipartUpload>");
        let headers = [("content-type", "application/xml"), UNLESS_THERE];
        let headers = &headers[..if self.is_conditional { 2 } else { 1 }];
        let query = [("uploadId", id)];
        let ask = Ask { query: &query, headers, body: body.as_bytes(), ..Ask::new(Method::POST, self.key) };
        let mut answer = self.wire.send(&Ask { has_effect: true, ..ask }, deadline)?;
        if !answer.status().is_success() {
            return self.taken(answer, deadline);
        }
        // The server says yes before it has begun, lest the connection break, and may still say no.
        let text = self.text(&mut answer, deadline)?;
        match xml::text_at(&text, &["ETag"]) {
            Some(_) => Ok(Landed::Created),
            None => match xml::text_at(&text, &["Code"]).as_deref() {
                Some("PreconditionFailed") => Ok(Landed::Taken),
                _ => Err(RemoteError::busy(&self.wire.http.place)),
            },
        }
    }

    fn text(&self, answer: &mut Answer, deadline: &Deadline<'_>) -> Result<String, RemoteError> {
        let bytes = self.wire.http.rest(&mut answer.inner, ANSWER_BYTES_MAX, deadline)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What a refusal of a put means.
    fn taken(&self, answer: Answer, deadline: &Deadline<'_>) -> Result<Landed, RemoteError> {
        match answer.status() {
            // Some stores say the one for the other.
            StatusCode::PRECONDITION_FAILED | StatusCode::NOT_MODIFIED if self.is_conditional => Ok(Landed::Taken),
            StatusCode::NOT_IMPLEMENTED if self.is_conditional => Ok(Landed::NoCondition),
            // Some say of a header they do not know that the request is a bad one. If it is for another reason, it is so without.
            StatusCode::BAD_REQUEST if self.is_conditional => {
                match self.wire.refused(answer, self.file, ACTION, deadline) {
                    RemoteError::Internal { .. } => Ok(Landed::NoCondition),
                    refused => Err(refused),
                }
            }
            _ => Err(self.wire.refused(answer, self.file, ACTION, deadline)),
        }
    }
}

/// Gives an upload up; its parts are removed. Says whether there was one.
pub(super) fn give_up(
    wire: &Wire,
    key: &str,
    id: &str,
    is_hurried: bool,
    deadline: &Deadline<'_>,
) -> Result<bool, RemoteError> {
    let query = [("uploadId", id)];
    let ask = Ask { query: &query, has_effect: true, is_hurried, ..Ask::new(Method::DELETE, key) };
    let answer = wire.send(&ask, deadline)?;
    match answer.status() {
        status if status.is_success() => Ok(true),
        StatusCode::NOT_FOUND => Ok(false),
        _ => Err(wire.refused(answer, key, "give up an upload", deadline)),
    }
}
