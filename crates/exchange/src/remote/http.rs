//! Requests to a server and their answers, over HTTP.
//!
//! The client is an asynchronous one on a small runtime of its own, which whoever waits drives; to callers all of it blocks.
//! Nothing of a request is kept but what its caller holds: a body goes piece by piece, and an answer comes so.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use carry_kernel::clock::Timestamp;
use futures_util::future::{Either, select};
use futures_util::stream;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, HeaderValue};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::deadline::Deadline;
use super::error::RemoteError;
use super::peer::{BYTES_PER_SECOND_MIN, Pace};
use super::trust;

pub(super) mod body;
#[cfg(test)]
mod tests;

/// How often a caller who waits looks whether it is to stop.
const TICK: Duration = Duration::from_millis(50);

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
        let response = self.runtime.block_on(async {
            match body.filter(|body| body.bytes > 0) {
                Some(body) => self.pour_out(request, body, how, deadline).await,
                None => {
                    let answer = pin!(self.client.execute(request));
                    self.wait(answer, deadline, how.first_look(), self.silence_of(how)).await?.map_err(|e| self.lost(e))
                }
            }
        })?;
        Ok(Answer { response, silence: self.silence_of(how), pace: self.pace_of(how) })
    }

    /// Sends a request and its body, a piece after the other. The last piece goes when it is sure that the caller still wants it.
    async fn pour_out(
        &self,
        mut request: reqwest::Request,
        body: Pieces<'_>,
        how: How,
        deadline: &Deadline<'_>,
    ) -> Result<reqwest::Response, RemoteError> {
        let (silence, mut pace) = (self.silence_of(how), self.pace_of(how));
        let (pieces, taken) = mpsc::channel::<Result<Bytes, io::Error>>(1);
        let stream = stream::unfold(taken, |mut taken| async move { taken.recv().await.map(|piece| (piece, taken)) });
        *request.body_mut() = Some(reqwest::Body::wrap_stream(stream));
        let mut answer: Pin<&mut _> = pin!(self.client.execute(request));
        while let Some(piece) = (body.next)()? {
            // When this ends early, the body does too, shorter than was announced, and the server takes it for broken off.
            deadline.check(&self.place)?;
            let (n_bytes, begun) = (piece.len(), Instant::now());
            let sent = pin!(pieces.send(Ok(piece)));
            match self.wait(select(answer.as_mut(), sent), deadline, TICK, silence).await? {
                // It has heard enough.
                Either::Left((answer, _)) => return answer.map_err(|e| self.lost(e)),
                Either::Right((Ok(()), _)) => {}
                // The connection is gone; the answer says why.
                Either::Right((Err(_), _)) => break,
            }
            self.keeps(&mut pace, begun, n_bytes)?;
        }
        drop(pieces);
        self.wait(answer, deadline, how.first_look(), silence).await?.map_err(|e| self.lost(e))
    }

    /// The next piece of an answer; `None` at its end.
    pub(super) fn next(&self, answer: &mut Answer, deadline: &Deadline<'_>) -> Result<Option<Bytes>, RemoteError> {
        deadline.check(&self.place)?;
        let Answer { response, silence, pace } = answer;
        self.runtime.block_on(async {
            let begun = Instant::now();
            let piece = pin!(response.chunk());
            let piece = self.wait(piece, deadline, TICK, *silence).await?.map_err(|e| self.lost(e))?;
            self.keeps(pace, begun, piece.as_ref().map_or(0, Bytes::len))?;
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
                return Err(self.unreachable("the server is silent"));
            }
        }
    }

    fn silence_of(&self, how: How) -> Duration {
        if how.is_hurried { EFFECT_WAIT } else { self.silence }
    }

    fn pace_of(&self, how: How) -> Pace {
        if how.is_hurried { Pace::new(EFFECT_WAIT, BYTES_PER_SECOND_MIN) } else { self.pace.clone() }
    }

    /// Goes on if the server, which took or sent so many bytes since `begun`, keeps up.
    fn keeps(&self, pace: &mut Pace, begun: Instant, n_bytes: usize) -> Result<(), RemoteError> {
        pace.waited(begun.elapsed());
        pace.moved(n_bytes);
        if pace.is_behind(Duration::ZERO) {
            return Err(self.unreachable("the server is slower than any that works"));
        }
        Ok(())
    }

    fn lost(&self, error: reqwest::Error) -> RemoteError {
        trust::unanswered(&self.place, error)
    }

    fn unreachable(&self, why: &'static str) -> RemoteError {
        let silent = io::Error::new(io::ErrorKind::TimedOut, why);
        RemoteError::Unreachable { place: self.place.clone(), source: silent.into() }
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
