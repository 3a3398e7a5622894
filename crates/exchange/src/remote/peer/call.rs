//! Asking and waiting for the answer, with an eye on the deadline.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{RequestBuilder, Response};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::TICK;
use crate::remote::http::pace::Pace;
use crate::remote::http::wait::Patience;

use super::PeerRemote;

/// How long the other side may keep silent. Longer than a long poll, and than verifying and storing the largest object takes.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(120);

/// How long the answer to what may have taken effect already is waited for, after the call was to stop.
const GRACE: Duration = Duration::from_secs(10);

impl PeerRemote {
    /// The pace of a new call.
    pub(super) fn pace(&self) -> Pace {
        self.http.pace.clone()
    }

    fn patience(&self) -> Patience {
        Patience { silence: self.http.silence, first_look: TICK }
    }

    /// The answer to a request that is of no effect, or is whole only when more is sent.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Response, RemoteError> {
        let answer = self.http.within(request.send(), self.patience(), pace, deadline).await?;
        answer.map_err(|e| self.http.lost(e))
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
            if let Ok(done) = tokio::time::timeout(TICK, &mut answer).await {
                return done.map_err(|e| self.http.lost(e));
            }
            silence += TICK;
            if silence > self.http.silence {
                return Err(self.http.silent(self.http.silence));
            }
            if deadline.passed().is_some() {
                late += TICK;
                if late > GRACE {
                    deadline.check(&self.http.place)?;
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
        let chunk = self.http.within(response.chunk(), self.patience(), pace, deadline).await?;
        let chunk = chunk.map_err(|e| self.http.lost(e))?;
        self.http.keeps(pace, chunk.as_ref().map_or(0, Bytes::len))?;
        Ok(chunk)
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

    /// An answer that no exchange of Carry gives.
    pub(super) fn strange(&self, what: &'static str) -> RemoteError {
        let source =
            format!("{what}; check that the address is the one of `carry serve`, and what a proxy on the way does");
        RemoteError::Internal {
            place: self.http.place.clone(),
            action: "make sense of the answer",
            source: source.into(),
        }
    }
}
