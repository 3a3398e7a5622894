//! Asking and waiting for the answer, with an eye on the deadline.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, Response};
use tokio::time::Instant;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::trust;

use super::PeerRemote;
use super::pace::{BYTES_PER_SECOND_MIN, Pace};

/// How long nobody hears that a call is to stop.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How long the other side may keep silent. Longer than a long poll, and than verifying and storing the largest object takes.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(120);

/// How long the answer to what may have taken effect already is waited for, after the call was to stop.
const GRACE: Duration = Duration::from_secs(10);

impl PeerRemote {
    /// The pace of a new call.
    pub(super) fn pace(&self) -> Pace {
        self.pace.clone()
    }

    /// What `future` comes to, unless the call is to stop or the other side keeps silent or is slow for too long.
    pub(super) async fn within<T>(
        &self,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
        future: impl Future<Output = T>,
    ) -> Result<T, RemoteError> {
        let mut future = pin!(future);
        let begun = Instant::now();
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut future).await {
                pace.waited(begun.elapsed());
                return Ok(done);
            }
            deadline.check(&self.place)?;
            if begun.elapsed() > SILENCE_MAX {
                return Err(self.silent());
            }
            if pace.is_behind(begun.elapsed()) {
                pace.waited(begun.elapsed());
                return Err(self.slow());
            }
        }
    }

    /// The answer to a request that is of no effect, or is whole only when more is sent.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Response, RemoteError> {
        self.within(pace, deadline, request.send()).await?.map_err(|e| trust::unanswered(&self.place, e))
    }

    /// The answer to a request that may take effect at any moment. Stopping now would leave the caller not knowing, so that
    /// it is waited for a little longer.
    pub(super) async fn after_effect(
        &self,
        deadline: &Deadline<'_>,
        answer: impl Future<Output = reqwest::Result<Response>>,
    ) -> Result<Response, RemoteError> {
        let mut answer = pin!(answer);
        let (mut silence, mut late) = (Duration::ZERO, Duration::ZERO);
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK_EVERY, &mut answer).await {
                return done.map_err(|e| trust::unanswered(&self.place, e));
            }
            silence += LOOK_EVERY;
            if silence > SILENCE_MAX {
                return Err(self.silent());
            }
            if deadline.passed().is_some() {
                late += LOOK_EVERY;
                if late > GRACE {
                    deadline.check(&self.place)?;
                }
            }
        }
    }

    /// The next bytes of a body; `None` at its end.
    pub(super) async fn chunk(
        &self,
        response: &mut Response,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Bytes>, RemoteError> {
        let chunk =
            self.within(pace, deadline, response.chunk()).await?.map_err(|e| trust::unanswered(&self.place, e))?;
        pace.moved(chunk.as_ref().map_or(0, Bytes::len));
        if pace.is_behind(Duration::ZERO) { Err(self.slow()) } else { Ok(chunk) }
    }

    /// A whole body, if it is at most so large.
    pub(super) async fn body(
        &self,
        mut response: Response,
        bytes_max: usize,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Vec<u8>, RemoteError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(&mut response, pace, deadline).await? {
            if body.len() + chunk.len() > bytes_max {
                return Err(self.strange("an answer is larger than it can be"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    pub(super) fn slow(&self) -> RemoteError {
        let source = format!("it is slower than {} KiB/s", BYTES_PER_SECOND_MIN / 1024);
        RemoteError::Unreachable { place: self.place.clone(), source: source.into() }
    }

    pub(super) fn silent(&self) -> RemoteError {
        let source = format!("it was silent for {} s", SILENCE_MAX.as_secs());
        RemoteError::Unreachable { place: self.place.clone(), source: source.into() }
    }

    /// An answer that no exchange of Carry gives.
    pub(super) fn strange(&self, what: &'static str) -> RemoteError {
        let source =
            format!("{what}; check that the address is the one of `carry serve`, and what a proxy on the way does");
        RemoteError::Internal { place: self.place.clone(), action: "make sense of the answer", source: source.into() }
    }
}
