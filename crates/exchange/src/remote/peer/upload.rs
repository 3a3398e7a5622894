//! A file on its way to the other side.

use std::io;
use std::pin::pin;

use bytes::Bytes;
use futures_util::stream;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::pipe::Opened;
use crate::remote::trust;
use crate::remote::{Put, RemoteFile};

use super::call::{LOOK_EVERY, SILENCE_MAX};
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
        let (pieces, body) = mpsc::channel::<Result<Bytes, io::Error>>(1);
        let body = stream::unfold(body, |mut body| async move { Some((body.recv().await?, body)) });
        let request = self
            .request(Method::PUT, &address::of(file))
            .header(CONTENT_LENGTH, source.bytes())
            .header(CONTENT_TYPE, "application/octet-stream")
            .body(reqwest::Body::wrap_stream(body));
        let mut answer = pin!(request.send());
        let mut at = 0;
        let mut early = None;
        let mut pace = self.pace();
        'sending: loop {
            deadline.check(&self.place)?;
            let Some(piece) = source.take(at, &self.place)? else { break };
            at += piece.len() as u64;
            let n_bytes = piece.len();
            let begun = Instant::now();
            loop {
                tokio::select! {
                    biased;
                    answered = &mut answer => {
                        early = Some(answered.map_err(|e| trust::unanswered(&self.place, e))?);
                        break 'sending;
                    }
                    room = tokio::time::timeout(LOOK_EVERY, pieces.reserve()) => match room {
                        Ok(Ok(room)) => {
                            room.send(Ok(piece.into()));
                            break;
                        }
                        // Nobody takes more: the answer says why.
                        Ok(Err(_)) => break 'sending,
                        Err(_) => {
                            deadline.check(&self.place)?;
                            if begun.elapsed() > SILENCE_MAX {
                                return Err(self.silent());
                            }
                            if pace.is_behind(begun.elapsed()) {
                                return Err(self.slow());
                            }
                        }
                    },
                }
            }
            pace.waited(begun.elapsed());
            pace.moved(n_bytes);
        }
        drop(pieces);
        let response = match early {
            Some(response) => response,
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
