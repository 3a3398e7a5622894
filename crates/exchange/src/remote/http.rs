//! Requests to a server and their answers, over HTTP.
//!
//! The client is an asynchronous one on a small runtime of its own, which whoever waits drives; to callers all of it blocks.
//! Nothing of a request is kept but what its caller holds: a body goes piece by piece, and an answer comes so.

use std::pin::pin;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use carry_kernel::clock::Timestamp;
use reqwest::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode, Url};
use tokio::runtime::Runtime;

use super::deadline::Deadline;
use super::error::RemoteError;
use super::trust;

pub(super) mod body;
pub(super) mod client;
pub(super) mod pace;
pub(super) mod put;
#[cfg(test)]
mod tests;
pub(super) mod wait;

use pace::{BYTES_PER_SECOND_MIN, Pace};
use wait::Patience;

/// How often a caller who waits looks whether it is to stop.
pub(super) const TICK: Duration = Duration::from_millis(50);

/// How long a request whose effect cannot be called back any more is waited for although the caller is to stop: a change that
/// is left alone in its last moment may or may not have happened.
const EFFECT_WAIT: Duration = Duration::from_secs(2);

/// The longest wait that a server can ask for.
const WAIT_MAX: Duration = Duration::from_secs(60 * 60);

/// What a place is asked over.
#[derive(Debug)]
pub(super) struct Http {
    pub(super) place: String,
    pub(super) client: reqwest::Client,
    pub(super) runtime: Runtime,
    /// How long the server may be silent before it takes or sends the next piece.
    pub(super) silence: Duration,
    /// How slow a request's body, and an answer, may be.
    pub(super) pace: Pace,
}

/// How a request is sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    /// Whether it changes something.
    pub(super) has_effect: bool,
    /// Whether it is not worth a long wait.
    pub(super) is_hurried: bool,
}

/// A body that is asked for piece by piece.
pub(super) struct Pieces<'a> {
    /// Its length.
    pub(super) bytes: u64,
    /// The next piece; `None` at the end.
    pub(super) next: &'a mut dyn FnMut() -> Result<Option<Bytes>, RemoteError>,
}

/// The beginning of an answer; the rest is on its way.
#[derive(Debug)]
pub(super) struct Answer {
    response: reqwest::Response,
    silence: Duration,
    pace: Pace,
}

impl Answer {
    pub(super) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// A header's text.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok().map(str::trim)
    }

    /// All texts of a header that may come several times.
    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        self.response.headers().get_all(name).iter().filter_map(|value| value.to_str().ok())
    }

    /// How long the server wants to be left in peace. Its own clock is the one that counts; ours is taken if it says none.
    pub(super) fn retry_after(&self, now: Option<Timestamp>) -> Option<Duration> {
        let text = self.header("retry-after")?;
        let wait = match text.parse::<u64>() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => moment(text)?.since(self.header("date").and_then(moment).or(now)?),
        };
        Some(wait.min(WAIT_MAX))
    }
}

/// A time as HTTP writes it.
pub(super) fn moment(text: &str) -> Option<Timestamp> {
    httpdate::parse_http_date(text).ok().map(SystemTime::into)
}

impl Http {
    /// A request for `url` with these headers.
    pub(super) fn request(
        &self,
        method: Method,
        url: &str,
        headers: impl IntoIterator<Item = (&'static str, impl AsRef<str>)>,
    ) -> Result<reqwest::Request, RemoteError> {
        let url = Url::parse(url).map_err(|e| self.internal("write the request's address", e.into()))?;
        let mut request = reqwest::Request::new(method, url);
        for (name, value) in headers {
            // The error would show the value.
            let mut value = HeaderValue::from_str(value.as_ref())
                .map_err(|_| self.internal("write a header", format!("{name} cannot stand in one").into()))?;
            value.set_sensitive(matches!(name, "authorization" | "x-amz-security-token"));
            request.headers_mut().insert(HeaderName::from_static(name), value);
        }
        Ok(request)
    }

    /// Sends a request and waits for the beginning of the answer, whatever it says.
    pub(super) fn send(
        &self,
        mut request: reqwest::Request,
        body: Option<Pieces<'_>>,
        how: How,
        deadline: &Deadline<'_>,
    ) -> Result<Answer, RemoteError> {
        deadline.check(&self.place)?;
        // A server that must wait for nothing wants to know that there is nothing.
        if body.is_some() || how.has_effect {
            let bytes = body.as_ref().map_or(0, |body| body.bytes);
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        }
        let patience = Patience { silence: self.silence_of(how), first_look: how.first_look() };
        let response = self.runtime.block_on(async {
            let Some(body) = body.filter(|body| body.bytes > 0) else {
                let answer = self.client.execute(request);
                return self.within(answer, patience, &mut self.pace_of(how), deadline).await;
            };
            let (pieces, stream) = wait::channel();
            *request.body_mut() = Some(stream);
            let mut answer = pin!(self.client.execute(request));
            let (silence, mut pace) = (patience.silence, self.pace_of(how));
            match self.feed(answer.as_mut(), pieces, body.next, silence, &mut pace, deadline).await? {
                Some(answered) => Ok(answered),
                None => self.within(answer, patience, &mut self.pace_of(how), deadline).await,
            }
        })?;
        let response = response.map_err(|e| self.lost(e))?;
        Ok(Answer { response, silence: patience.silence, pace: self.pace_of(how) })
    }

    /// The next piece of an answer; `None` at its end.
    pub(super) fn next(&self, answer: &mut Answer, deadline: &Deadline<'_>) -> Result<Option<Bytes>, RemoteError> {
        deadline.check(&self.place)?;
        let Answer { response, silence, pace } = answer;
        self.runtime.block_on(async {
            let patience = Patience { silence: *silence, first_look: TICK };
            let piece = self.within(response.chunk(), patience, pace, deadline).await?.map_err(|e| self.lost(e))?;
            self.keeps(pace, piece.as_ref().map_or(0, Bytes::len))?;
            Ok(piece)
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

    fn silence_of(&self, how: How) -> Duration {
        if how.is_hurried { EFFECT_WAIT } else { self.silence }
    }

    fn pace_of(&self, how: How) -> Pace {
        if how.is_hurried { Pace::new(EFFECT_WAIT, BYTES_PER_SECOND_MIN) } else { self.pace.clone() }
    }

    /// What it means that there is no answer.
    pub(super) fn lost(&self, error: reqwest::Error) -> RemoteError {
        trust::unanswered(&self.place, error)
    }

    pub(super) fn internal(
        &self,
        action: &'static str,
        source: Box<dyn std::error::Error + Send + Sync>,
    ) -> RemoteError {
        RemoteError::Internal { place: self.place.clone(), action, source }
    }
}

impl How {
    /// A request that changes something.
    pub(super) const EFFECT: Self = Self { has_effect: true, is_hurried: false };

    /// One that changes nothing, for tidying up.
    pub(super) const HURRIED: Self = Self { has_effect: false, is_hurried: true };

    /// One that changes something, for tidying up.
    pub(super) const HURRIED_EFFECT: Self = Self { has_effect: true, is_hurried: true };

    fn first_look(self) -> Duration {
        if self.has_effect { EFFECT_WAIT } else { TICK }
    }
}
