//! Requests to a bucket and their answers: signed, over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use carry_kernel::clock::{Clock, Timestamp};
use reqwest::{Method, StatusCode};

use crate::hash::Digest;
use crate::percent::encode_path;
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::{self, How, Http, Pieces};
use crate::remote::pipe::PIECE_BYTES;

use super::credentials::Keychain;
use super::sign::{self, Signable};

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
    pub(super) address: Address,
    pub(super) keychain: Keychain,
    pub(super) http: Http,
    pub(super) clock: Arc<dyn Clock>,
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
    pub(super) inner: http::Answer,
    /// When its request was signed.
    pub(super) signed_at: Timestamp,
    /// Where what it was signed with comes from, in words.
    pub(super) credentials_from: String,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.inner.status()
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.inner.header(name)
    }
}

impl Wire {
    /// Sends `ask` and waits for the beginning of the answer, whatever it says.
    pub(super) fn send(&self, ask: &Ask<'_>, deadline: &Deadline<'_>) -> Result<Answer, RemoteError> {
        deadline.check(&self.http.place)?;
        let signed_at = self.clock.now();
        let credentials = self.keychain.credentials(&self.http.place, signed_at, deadline)?;
        let path = format!("{}/{}", self.address.root, encode_path(ask.key));
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
        let own = ask.headers.iter().map(|(name, value)| (*name, (*value).to_owned()));
        let request = self.http.request(ask.method.clone(), &url, signed.into_iter().chain(own))?;
        let mut pieces = ask.body.chunks(PIECE_BYTES);
        let mut next = || Ok(pieces.next().map(Bytes::copy_from_slice));
        let body = Pieces { bytes: ask.body.len() as u64, next: &mut next };
        let body = Some(body).filter(|body| body.bytes > 0);
        let how = How { has_effect: ask.has_effect, is_hurried: ask.is_hurried };
        let inner = self.http.send(request, body, how, deadline)?;
        Ok(Answer { inner, signed_at, credentials_from: credentials.from().to_owned() })
    }

    pub(super) fn internal(
        &self,
        action: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> RemoteError {
        self.http.internal(action, source)
    }
}
