//! Another device, or a hub, as a place: it serves its exchange over HTTP under the names that a folder has.
//!
//! ```text
//! GET    <base>/format.json            the marker
//! GET    <base>/h/?from=<cursor>       a page of a listing; so do <base>/ and <base>/l/<log>/
//! GET    <base>/h/?after=<c>&wait=30   waits for news
//! GET    <base>/<path>                 a file, or a part of it with Range; HEAD says its size and version
//! PUT    <base>/<path>                 makes it; answered after it was verified
//! DELETE <base>/<path>                 removes what this credential put
//! ```
//!
//! `<base>` is the address as it was added and `/carry/v1/exchange`. The other side is hostile until verified, as any place:
//! its answers are bounded, its pages must be in order, and no redirect is followed, so that the credential goes to one server.
//! Calls run on a runtime of the remote's own, in the thread that calls; they must not be made inside another.

use std::io::Write;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};

use crate::location::Origin;
use crate::name::{Folder, Format};

use super::deadline::Deadline;
use super::error::RemoteError;
use super::file::RemoteFile;
use super::http::Http;
use super::http::client::{self, ClientError};
use super::http::pace::{BYTES_PER_SECOND_MIN, Pace};
use super::marker::{self, MARKER_BYTES_MAX};
use super::pipe::Opened;
use super::{Cursor, Got, Init, Listed, Listing, News, Part, Put, Remote, Source};

mod address;
mod answer;
mod call;
mod download;
mod page;
mod token;
mod upload;

pub use token::{Token, TokenError};

/// Where the exchange lies at a server.
const BASE: &str = "/carry/v1/exchange";

/// How long one long poll lasts at most.
const WAIT: Duration = Duration::from_secs(30);

/// What is larger is not sent before the other side was asked whether it has it.
const ASKED_FIRST_BYTES: u64 = 1024 * 1024;

/// Another device or a hub, over HTTP.
#[derive(Debug)]
pub struct PeerRemote {
    base: String,
    authorization: HeaderValue,
    http: Http,
}

impl PeerRemote {
    /// The exchange served at `origin`, below `path` (as in [`Location::Peer`](crate::location::Location::Peer)). `token` is the
    /// credential that `carry serve token` made there. Certificates are checked against those of this machine, and those
    /// in the file `ca` (PEM), for a server that signs its own. Connects to nothing.
    ///
    /// The proxy that the environment names is asked for other machines, never for this one.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn new(origin: &Origin, path: &str, token: &Token, ca: Option<&Path>) -> Result<Self, ClientError> {
        let place = format!("{origin}{path}");
        Ok(Self {
            base: format!("{place}{BASE}"),
            authorization: token.header(),
            http: Http {
                place,
                client: client::build(origin, ca, client::IDLE)?,
                runtime: client::runtime()?,
                silence: call::SILENCE_MAX,
                pace: Pace::new(call::SILENCE_MAX, BYTES_PER_SECOND_MIN),
            },
        })
    }

    fn request(&self, method: Method, below: &str) -> RequestBuilder {
        let headers = HeaderMap::from_iter([(reqwest::header::AUTHORIZATION, self.authorization.clone())]);
        self.http.client.request(method, format!("{}/{below}", self.base)).headers(headers)
    }

    fn absent(&self, file: &RemoteFile) -> RemoteError {
        RemoteError::NotThere { place: self.http.place.clone(), file: file.to_string() }
    }

    /// Sizes and versions are the same in a listing, in the answer to GET and to HEAD.
    async fn look(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<Option<Got>, RemoteError> {
        let request = self.request(Method::HEAD, &address::of(file));
        let response = self.send(request, &mut self.pace(), deadline).await?;
        match response.status() {
            StatusCode::OK => {
                let size =
                    answer::length(&response).ok_or_else(|| self.strange("it does not say how large a file is"))?;
                Ok(Some(Got { bytes: 0, size, version: answer::version(&response) }))
            }
            _ => match self.refused(response, &file.to_string(), deadline).await {
                RemoteError::NotThere { .. } => Ok(None),
                error => Err(error),
            },
        }
    }
}

impl Remote for PeerRemote {
    fn place(&self) -> &str {
        &self.http.place
    }

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        deadline.check(&self.http.place)?;
        self.http.runtime.block_on(async {
            let mut pace = self.pace();
            let response = self.send(self.request(Method::GET, "format.json"), &mut pace, deadline).await?;
            if response.status() != StatusCode::OK {
                return Err(self.refused(response, crate::name::FORMAT_PATH, deadline).await);
            }
            let bytes = self.body(response, MARKER_BYTES_MAX, &mut pace, deadline).await?;
            marker::judge(&self.http.place, Some(Format::read(&bytes)))
        })
    }

    /// The other side marks its own: [`Init::Already`], or that it has not.
    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        self.check(deadline).map(|()| Init::Already)
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        deadline.check(&self.http.place)?;
        // All pages together: many small ones, each slow, buy no time.
        let (mut pages, mut pace) = (page::Pages::default(), self.pace());
        loop {
            let page = self.http.runtime.block_on(self.page(folder, pages.cursor(), &mut pace, deadline))?;
            let files = pages.take(page).map_err(|what| self.strange(what))?;
            if !files.is_empty() && each(&files).is_break() {
                return Ok(Listed::Stopped);
            }
            if pages.cursor().is_none() {
                return Ok(Listed::Whole);
            }
        }
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        deadline.check(&self.http.place)?;
        self.http.runtime.block_on(async {
            match part {
                // HTTP has no range without bytes.
                Part::Range { bytes: 0, .. } => self.look(file, deadline).await?.ok_or_else(|| self.absent(file)),
                part => self.download(file, part, into, deadline).await,
            }
        })
    }

    /// A call that is stopped while the other side verifies what it has in full may be one whose file is made after all.
    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        file.may_put()?;
        deadline.check(&self.http.place)?;
        let source = Opened::open(source, &self.http.place)?;
        self.http.runtime.block_on(async {
            if source.bytes() > ASKED_FIRST_BYTES
                && let Some(there) = self.look(file, deadline).await?
            {
                return Ok(Put::Exists { bytes: there.size });
            }
            self.upload(file, source, deadline).await
        })
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        file.may_delete()?;
        deadline.check(&self.http.place)?;
        self.http.runtime.block_on(async {
            let request = self.request(Method::DELETE, &address::of(file));
            let response = self.after_effect(deadline, request.send()).await?;
            if response.status() == StatusCode::NO_CONTENT {
                return Ok(true);
            }
            match self.refused(response, &file.to_string(), deadline).await {
                RemoteError::NotThere { .. } => Ok(false),
                error => Err(error),
            }
        })
    }

    fn wait(&self, after: Option<&Cursor>, deadline: &Deadline<'_>) -> Result<News, RemoteError> {
        deadline.check(&self.http.place)?;
        let wait = match after {
            None => Duration::ZERO,
            Some(_) => deadline.left().map_or(WAIT, |left| left.min(WAIT)),
        };
        self.http.runtime.block_on(self.news(after, wait.as_secs(), deadline))
    }
}

#[cfg(test)]
mod tests;
