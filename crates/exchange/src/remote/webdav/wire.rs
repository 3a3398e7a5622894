//! Requests of WebDAV.

use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;

use bytes::Bytes;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, StatusCode};

use crate::percent::encode_path;
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::{Answer, How, Http, Pieces};

use super::multistatus::{self, Broken, Entry, Source};

/// Bytes of a listing at most: a hundred thousand files and more.
const LISTING_BYTES_MAX: u64 = 64 << 20;

/// Bytes that one element or text of an answer may take.
const EVENT_BYTES_MAX: usize = 256 * 1024;

/// The properties that are asked for.
const PROPERTIES: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><propfind xmlns=\"DAV:\"><prop><resourcetype/>\
    <getcontentlength/><getetag/><getlastmodified/></prop></propfind>";

/// A server of WebDAV.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) http: Http,
    /// Server and path, encoded, without a slash at its end.
    pub(super) base: String,
    /// Where in `base` the path begins.
    pub(super) path_at: usize,
    pub(super) authorization: Option<HeaderValue>,
}

/// How far a listing goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Depth {
    /// What is asked about alone.
    Zero,
    /// And what is in it.
    One,
}

/// The method of this name.
pub(super) fn method(name: &'static str) -> Method {
    Method::from_bytes(name.as_bytes()).expect("the methods of WebDAV are words")
}

/// Names and values of headers.
pub(super) type Headers<'a> = &'a [(&'static str, &'a str)];

impl Wire {
    pub(super) fn place(&self) -> &str {
        &self.http.place
    }

    /// The address of `path` below the base, which need not be encoded.
    pub(super) fn address(&self, path: &str) -> String {
        if path.is_empty() { format!("{}/", self.base) } else { format!("{}/{}", self.base, encode_path(path)) }
    }

    /// The same without the server.
    pub(super) fn address_in_server(&self, path: &str) -> String {
        self.address(path).split_off(self.path_at)
    }

    pub(super) fn send(
        &self,
        method: Method,
        path: &str,
        headers: Headers<'_>,
        body: Option<Pieces<'_>>,
        how: How,
        deadline: &Deadline<'_>,
    ) -> Result<Answer, RemoteError> {
        let mut request = self.http.request(method, &self.address(path), headers.iter().copied())?;
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        self.http.send(request, body, how, deadline)
    }

    /// A request without a body that changes something.
    pub(super) fn change(
        &self,
        name: &'static str,
        path: &str,
        headers: Headers<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<Answer, RemoteError> {
        self.send(method(name), path, headers, None, How::EFFECT, deadline)
    }

    /// Asks about `path`, and hands each entry of the answer to `each`; `None` if there is nothing.
    pub(super) fn find(
        &self,
        path: &str,
        depth: Depth,
        how: How,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<Option<ControlFlow<()>>, RemoteError> {
        let headers = [
            ("depth", if depth == Depth::Zero { "0" } else { "1" }),
            ("content-type", "application/xml; charset=utf-8"),
            ("accept-encoding", "identity"),
        ];
        let mut body = Some(Bytes::from_static(PROPERTIES.as_bytes()));
        let mut next = || Ok(body.take());
        let body = Pieces { bytes: PROPERTIES.len() as u64, next: &mut next };
        let answer = self.send(method("PROPFIND"), path, &headers, Some(body), how, deadline)?;
        match answer.status() {
            StatusCode::MULTI_STATUS => self.read(answer, path, deadline, each).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(self.refused(&answer, path, "list files")),
        }
    }

    /// What is known of `path`; `None` if there is nothing.
    pub(super) fn look(&self, path: &str, deadline: &Deadline<'_>) -> Result<Option<Entry>, RemoteError> {
        self.look_so(path, How::default(), deadline)
    }

    pub(super) fn look_so(&self, path: &str, how: How, deadline: &Deadline<'_>) -> Result<Option<Entry>, RemoteError> {
        let mut found = None;
        let asked = self.find(path, Depth::Zero, how, deadline, &mut |entry| {
            found = Some(entry);
            ControlFlow::Break(())
        })?;
        match (asked, found) {
            (None, _) | (Some(_), Some(Entry { status: Some(404), .. })) => Ok(None),
            (Some(_), Some(Entry { status: Some(status), .. })) if status >= 300 => {
                Err(self.refused_in_part(status, path, "look at a file"))
            }
            (Some(_), Some(entry)) => Ok(Some(entry)),
            (Some(_), None) => Err(self.broken(Broken::NotDav("it says nothing"))),
        }
    }

    /// Reads the answer 207 to a question about `path`.
    pub(super) fn read(
        &self,
        answer: Answer,
        path: &str,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(Entry) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, RemoteError> {
        let mut failed = None;
        let pull =
            Pull { http: &self.http, answer, deadline, piece: Bytes::new(), taken: 0, fresh: 0, failed: &mut failed };
        let read = multistatus::read(pull, each);
        match (read, failed) {
            (Ok(end), _) => Ok(end),
            (Err(_), Some(error)) => Err(error),
            (Err(Broken::Cut), None) => {
                tracing::debug!(place = self.place(), path, "an answer ended in the middle");
                let (place, source) = (self.place().to_owned(), Broken::Cut.into());
                Err(RemoteError::Unreachable { place, source })
            }
            (Err(broken), None) => Err(self.broken(broken)),
        }
    }

    /// Reads the answer 207 to a request that changes something: it may have failed for all that.
    pub(super) fn read_failures(
        &self,
        answer: Answer,
        path: &str,
        action: &'static str,
        deadline: &Deadline<'_>,
    ) -> Result<(), RemoteError> {
        let mut failed = None;
        let _ = self.read(answer, path, deadline, &mut |entry| {
            failed = entry.status.filter(|status| *status >= 300);
            if failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        failed.map_or(Ok(()), |status| Err(self.refused_in_part(status, path, action)))
    }

    fn broken(&self, broken: Broken) -> RemoteError {
        self.http.internal("make sense of the answer", broken.into())
    }
}

/// An answer as it comes.
struct Pull<'a> {
    http: &'a Http,
    answer: Answer,
    deadline: &'a Deadline<'a>,
    piece: Bytes,
    taken: u64,
    /// Bytes taken and not understood yet.
    fresh: usize,
    failed: &'a mut Option<RemoteError>,
}

impl Pull<'_> {
    fn fail(&mut self, error: RemoteError) -> io::Error {
        *self.failed = Some(error);
        io::ErrorKind::Other.into()
    }
}

impl Source for Pull<'_> {
    fn understood(&mut self) {
        self.fresh = 0;
    }
}

impl BufRead for Pull<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.taken > LISTING_BYTES_MAX || self.fresh > EVENT_BYTES_MAX {
            let what = if self.fresh > EVENT_BYTES_MAX { "an entry" } else { "its listing" };
            let error =
                self.http.internal("make sense of the answer", format!("{what} is longer than it can be").into());
            return Err(self.fail(error));
        }
        while self.piece.is_empty() {
            match self.http.next(&mut self.answer, self.deadline) {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(&[]),
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(&self.piece)
    }

    fn consume(&mut self, bytes: usize) {
        let _ = self.piece.split_to(bytes.min(self.piece.len()));
        self.taken += bytes as u64;
        self.fresh += bytes;
    }
}

impl Read for Pull<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let here = self.fill_buf()?;
        let n = here.len().min(into.len());
        into[..n].copy_from_slice(&here[..n]);
        self.consume(n);
        Ok(n)
    }
}
