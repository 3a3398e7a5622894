//! A file on its way to the other side.

use std::pin::pin;

use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::wait;
use crate::remote::pipe::Opened;
use crate::remote::{Put, RemoteFile};

use super::{PeerRemote, address};

/// Bytes of the answer to a put at most.
const ANSWER_BYTES_MAX: usize = 4096;

impl PeerRemote {
    /// Sends `source`. The last piece is what makes the request whole, so that a call that is stopped before it has no
    /// effect. An answer that comes before everything was sent counts.
    pub(super) async fn upload(
        &self,
        file: &RemoteFile,
        mut source: Opened<'_>,
        deadline: &Deadline<'_>,
    ) -> Result<Put, RemoteError> {
        let (pieces, body) = wait::channel();
        let request = self
            .request(Method::PUT, &address::of(file))
            .header(CONTENT_LENGTH, source.bytes())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(body);
        let mut answer = pin!(request.send());
        let mut next = source.pieces(&self.http.place);
        let (silence, mut pace) = (self.http.silence, self.pace());
        let response = match self.http.feed(answer.as_mut(), pieces, &mut next, silence, &mut pace, deadline).await? {
            Some(early) => early.map_err(|e| self.http.lost(e))?,
            None => self.after_effect(deadline, answer).await?,
        };
        self.put_answer(response, file, deadline).await
    }

    async fn put_answer(
        &self,
        response: Response,
        file: &RemoteFile,
        deadline: &Deadline<'_>,
    ) -> Result<Put, RemoteError> {
        match response.status() {
            StatusCode::CREATED => Ok(Put::Created),
            StatusCode::OK => {
                let body = self.body(response, ANSWER_BYTES_MAX, &mut self.pace(), &Deadline::NONE).await?;
                let bytes = crate::json::parse(&body).ok().and_then(|body| body["bytes"].as_u64());
                let bytes = bytes.ok_or_else(|| self.strange("it does not say how large what is there is"))?;
                Ok(Put::Exists { bytes })
            }
            _ => Err(self.refused(response, &file.to_string(), deadline).await),
        }
    }
}
