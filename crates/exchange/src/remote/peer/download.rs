//! A file on its way here. Where it breaks off, it goes on.

use std::io::Write;
use std::time::Duration;

use reqwest::header::RANGE;
use reqwest::{Method, Response, StatusCode};

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::pipe::{self, PIECE_BYTES};
use crate::remote::{Got, Part, RemoteFile, Version};

use super::{PeerRemote, address, answer};
use crate::remote::http::pace::Pace;

/// How often one call goes on where it broke off. Each time something must have come.
const RESUMED_MAX: u32 = 8;

/// What is known of the file, once there was an answer.
struct Known {
    size: u64,
    version: Version,
    /// Where what is wanted ends.
    to: u64,
}

impl PeerRemote {
    pub(super) async fn download(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let from = if let Part::Range { from, .. } = part { from } else { 0 };
        let (mut at, mut known, mut resumed) = (from, None, 0);
        // Going on buys no time.
        let mut pace = self.pace();
        loop {
            let before = at;
            let broken = match self.ask(file, part, (at, &mut known), &mut pace, deadline).await {
                Ok(None) => break,
                Ok(Some(mut response)) => {
                    let to = known.as_ref().map_or(at, |known| known.to);
                    match self.pour(&mut response, (&mut at, to), into, &mut pace, deadline).await {
                        Ok(()) => break,
                        Err(error) => error,
                    }
                }
                Err(error) => return Err(error),
            };
            // What is too slow does not get faster by being asked again.
            let is_over = at == before || resumed == RESUMED_MAX || pace.is_behind(Duration::ZERO);
            if is_over || !matches!(broken, RemoteError::Unreachable { .. }) {
                return Err(broken);
            }
            resumed += 1;
            tracing::debug!(place = self.http.place, file = file.path(), at, "going on where it broke off");
        }
        let Some(Known { size, version, .. }) = known else {
            return Err(self.strange("it does not say how large a file is"));
        };
        Ok(Got { bytes: at - from.min(at), size, version })
    }

    /// Asks for what is missing from `at` on; `None` if that is nothing.
    async fn ask(
        &self,
        file: &RemoteFile,
        part: Part,
        (at, known): (u64, &mut Option<Known>),
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<Option<Response>, RemoteError> {
        let mut request = self.request(Method::GET, &address::of(file));
        let last = match (part, &known) {
            (_, Some(known)) => Some(known.to - 1),
            (Part::Range { from, bytes }, None) => Some(from.saturating_add(bytes - 1)),
            (Part::Whole { .. }, None) => None,
        };
        if let Some(last) = last {
            request = request.header(RANGE, format!("bytes={at}-{last}"));
        }
        let response = self.send(request, pace, deadline).await?;
        let (size, to) = match (response.status(), last) {
            (StatusCode::OK, None) => {
                let size = answer::length(&response);
                let size = size.ok_or_else(|| self.strange("it does not say how large a file is"))?;
                (size, size)
            }
            (StatusCode::PARTIAL_CONTENT, Some(last)) => match answer::range(&response) {
                Some((Some((first, until)), size)) if first == at && at <= until && until <= last && until < size => {
                    (size, until + 1)
                }
                _ => return Err(self.strange("it gave another part of a file than was asked for")),
            },
            (StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => match answer::range(&response) {
                Some((None, size)) if size <= at && known.is_none() => {
                    *known = Some(Known { size, version: answer::version(&response), to: at });
                    return Ok(None);
                }
                _ => return Err(RemoteError::Changing { place: self.http.place.clone(), file: file.to_string() }),
            },
            (StatusCode::OK, Some(_)) => return Err(self.strange("it gave a whole file where a part was asked for")),
            _ => return Err(self.refused(response, &file.to_string(), deadline).await),
        };
        if let Part::Whole { bytes_max } = part
            && size > bytes_max
        {
            let (place, file) = (self.http.place.clone(), file.to_string());
            return Err(RemoteError::TooLarge { place, file, bytes: size, bytes_max });
        }
        let version = answer::version(&response);
        match known {
            Some(before) if before.size != size || before.version != version || before.to != to => {
                Err(RemoteError::Changing { place: self.http.place.clone(), file: file.to_string() })
            }
            _ => {
                *known = Some(Known { size, version, to });
                Ok(Some(response))
            }
        }
    }

    /// Hands over what comes, up to `to`, in pieces between which the call can be stopped.
    async fn pour(
        &self,
        response: &mut Response,
        (at, to): (&mut u64, u64),
        into: &mut dyn Write,
        pace: &mut Pace,
        deadline: &Deadline<'_>,
    ) -> Result<(), RemoteError> {
        while *at < to {
            let Some(chunk) = self.chunk(response, pace, deadline).await? else {
                let source = "the connection ended in the middle of a file".into();
                return Err(RemoteError::Unreachable { place: self.http.place.clone(), source });
            };
            if chunk.len() as u64 > to - *at {
                return Err(self.strange("it gave more of a file than it said"));
            }
            for piece in chunk.chunks(PIECE_BYTES) {
                deadline.check(&self.http.place)?;
                pipe::hand_over(into, piece, &self.http.place)?;
                *at += piece.len() as u64;
            }
        }
        Ok(())
    }
}
