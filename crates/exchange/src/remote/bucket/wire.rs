//! Requests to a bucket and their answers, over HTTP.
//!
//! The client is an asynchronous one on a small runtime of its own, which whoever waits drives; to callers all of it blocks.
//! Nothing of a request is kept but what its caller holds: a body is in the caller's memory, an answer comes piece by piece.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carry_kernel::clock::{Clock, Timestamp};
use futures_util::future::{Either, select};
use futures_util::stream;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

use crate::hash::Digest;
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::pipe::PIECE_BYTES;

use super::credentials::Keychain;
use super::sign::{self, Signable};

/// How often a caller who waits looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

/// How long a request whose effect cannot be called back any more is waited for although the caller is to stop: a change that
/// is left alone in its last moment may or may not have happened.
const EFFECT_WAIT: Duration = Duration::from_secs(2);

/// How long a server may be silent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Until it accepts a connection.
    pub(super) connect: Duration,
    /// Until it takes or sends the next piece.
    pub(super) silence: Duration,
    /// How long a connection is kept for the next request.
    pub(super) idle: Duration,
}

impl Patience {
    pub(super) const DEFAULT: Self =
        Self { connect: Duration::from_secs(10), silence: Duration::from_secs(60), idle: Duration::from_secs(4) };
}

/// Where a bucket is on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    /// `https` or `http`.
    pub(super) scheme: &'static str,
    /// As it stands in the `Host` header.
    pub(super) host: String,
    /// What comes before each key, encoded: empty, or a slash and the bucket's name.
    pub(super) root: String,
    /// The region that signatures name.
    pub(super) region: String,
    /// Whether it is Amazon's own, whose abilities are known.
    pub(super) is_amazon: bool,
}

/// A bucket's server.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) place: String,
    pub(super) address: Address,
    pub(super) keychain: Keychain,
    pub(super) client: reqwest::Client,
    pub(super) runtime: Runtime,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) patience: Patience,
}

/// A request.
#[derive(Clone, Debug)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// The key, without a slash before it; empty for the bucket itself.
    pub(super) key: &'a str,
    pub(super) query: &'a [(&'a str, &'a str)],
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: &'a [u8],
    /// Whether it changes something.
    pub(super) has_effect: bool,
    /// Whether it is not worth a long wait.
    pub(super) is_hurried: bool,
}

impl<'a> Ask<'a> {
    /// A request without a body that changes nothing.
    pub(super) fn new(method: Method, key: &'a str) -> Self {
        Self { method, key, query: &[], headers: &[], body: &[], has_effect: false, is_hurried: false }
    }
}

/// The beginning of an answer; the rest is on its way.
#[derive(Debug)]
pub(super) struct Answer {
    response: reqwest::Response,
    /// When its request was signed.
    pub(super) signed_at: Timestamp,
    /// Where what it was signed with comes from, in words.
    pub(super) credentials_from: String,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok().map(str::trim)
    }
}

impl Wire {
    /// Sends `ask` and waits for the beginning of the answer, whatever it says.
    pub(super) fn send(&self, ask: &Ask<'_>, deadline: &Deadline<'_>) -> Result<Answer, RemoteError> {
        deadline.check(&self.place)?;
        let signed_at = self.clock.now();
        let credentials = self.keychain.credentials(&self.place, signed_at, deadline)?;
        let path = format!("{}/{}", self.address.root, sign::encode_path(ask.key));
        let query = sign::encode_query(ask.query);
        let signable = Signable {
            method: ask.method.as_str(),
            host: &self.address.host,
            path: &path,
            query: &query,
            body: Digest::of(&[ask.body]),
        };
        let signed = sign::sign(&signable, &credentials, &self.address.region, signed_at);
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}://{}{path}{mark}{query}", self.address.scheme, self.address.host);
        let url = Url::parse(&url).map_err(|e| self.internal("write the request's address", e.into()))?;
        let mut request = reqwest::Request::new(ask.method.clone(), url);
        let own = ask.headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        for (name, value) in signed.into_iter().chain(own) {
            self.set(request.headers_mut(), name, &value)?;
        }
        let response = self.runtime.block_on(self.exchange(request, ask, deadline))?;
        Ok(Answer { response, signed_at, credentials_from: credentials.from().to_owned() })
    }

    /// Sends a request and its body, a piece after the other. The last piece goes when it is sure that the caller still wants it.
    async fn exchange(
        &self,
        mut request: reqwest::Request,
        ask: &Ask<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<reqwest::Response, RemoteError> {
        let first_look = if ask.has_effect { EFFECT_WAIT } else { TICK };
        let silence = if ask.is_hurried { EFFECT_WAIT } else { self.patience.silence };
        // A server that must wait for nothing wants to know that there is nothing.
        if !ask.body.is_empty() || ask.has_effect {
            self.set(request.headers_mut(), "content-length", &ask.body.len().to_string())?;
        }
        if ask.body.is_empty() {
            let answer = pin!(self.client.execute(request));
            return self.wait(answer, deadline, first_look, silence).await?.map_err(|e| self.unreachable(e));
        }
        let (pieces, taken) = mpsc::channel::<Result<Bytes, io::Error>>(1);
        let body = stream::unfold(taken, |mut taken| async move { taken.recv().await.map(|piece| (piece, taken)) });
        *request.body_mut() = Some(reqwest::Body::wrap_stream(body));
        let mut answer: Pin<&mut _> = pin!(self.client.execute(request));
        for piece in ask.body.chunks(PIECE_BYTES) {
            // When this ends early, the body does too, shorter than was announced, and the server takes it for broken off.
            deadline.check(&self.place)?;
            let sent = pin!(pieces.send(Ok(Bytes::copy_from_slice(piece))));
            match self.wait(select(answer.as_mut(), sent), deadline, TICK, silence).await? {
                // It has heard enough.
                Either::Left((answer, _)) => return answer.map_err(|e| self.unreachable(e)),
                Either::Right((Ok(()), _)) => {}
                // The connection is gone; the answer says why.
                Either::Right((Err(_), _)) => break,
            }
        }
        drop(pieces);
        self.wait(answer, deadline, first_look, silence).await?.map_err(|e| self.unreachable(e))
    }

    /// The next piece of an answer; `None` at its end.
    pub(super) fn next(&self, answer: &mut Answer, deadline: &Deadline<'_>) -> Result<Option<Bytes>, RemoteError> {
        deadline.check(&self.place)?;
        self.runtime.block_on(async {
            let piece = pin!(answer.response.chunk());
            self.wait(piece, deadline, TICK, self.patience.silence).await?.map_err(|e| self.unreachable(e))
        })
    }

    /// The rest of an answer, at most `bytes_max` of it; what comes after that is not read.
    pub(super) fn rest(
        &self,
        answer: &mut Answer,
        bytes_max: usize,
        deadline: &Deadline<'_>,
    ) -> Result<Vec<u8>, RemoteError> {
        let mut rest = Vec::new();
        while rest.len() < bytes_max
            && let Some(piece) = self.next(answer, deadline)?
        {
            rest.extend_from_slice(&piece[..piece.len().min(bytes_max - rest.len())]);
        }
        Ok(rest)
    }

    /// Waits for `future`, and looks now and then whether the caller is to stop; for the first time after `first_look`.
    async fn wait<F: Future + Unpin>(
        &self,
        mut future: F,
        deadline: &Deadline<'_>,
        first_look: Duration,
        silence: Duration,
    ) -> Result<F::Output, RemoteError> {
        let (mut nap, mut waited) = (first_look, Duration::ZERO);
        loop {
            if let Ok(done) = tokio::time::timeout(nap, &mut future).await {
                return Ok(done);
            }
            deadline.check(&self.place)?;
            waited += nap;
            nap = TICK;
            if waited >= silence {
                let silent = io::Error::new(io::ErrorKind::TimedOut, "the server is silent");
                return Err(RemoteError::Unreachable { place: self.place.clone(), source: silent.into() });
            }
        }
    }

    fn set(&self, headers: &mut HeaderMap, name: &'static str, value: &str) -> Result<(), RemoteError> {
        // The error would show the value.
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| self.internal("write a header", format!("{name} cannot stand in one").into()))?;
        value.set_sensitive(matches!(name, "authorization" | "x-amz-security-token"));
        headers.insert(HeaderName::from_static(name), value);
        Ok(())
    }

    pub(super) fn internal(
        &self,
        action: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> RemoteError {
        RemoteError::Internal { place: self.place.clone(), action, source }
    }

    fn unreachable(&self, error: reqwest::Error) -> RemoteError {
        // The address says what the place says.
        RemoteError::Unreachable { place: self.place.clone(), source: error.without_url().into() }
    }
}
