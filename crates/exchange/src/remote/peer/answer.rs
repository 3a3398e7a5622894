//! What answers and failures mean.

use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::remote::Version;
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;

use super::PeerRemote;

/// The header that names a refusal; in a header, so that HEAD has it.
const CODE: HeaderName = HeaderName::from_static("carry-error");

/// Bytes of a refusal that are read.
const REFUSAL_BYTES_MAX: usize = 4096;
/// Characters of it that are repeated.
const MESSAGE_CHARS_MAX: usize = 500;
/// Longest text of a version.
const VERSION_BYTES_MAX: usize = 256;
/// What a server may ask us to stay away for. Longer is a mistake, and another look does no harm.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60 * 60);

/// The length of a body or, for HEAD, of the body that GET would have.
pub(super) fn length(response: &Response) -> Option<u64> {
    response.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The version of the file.
pub(super) fn version(response: &Response) -> Version {
    let text = response.headers().get(ETAG).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let text = text.trim_start_matches("W/").trim_matches('"');
    Version(if text.len() <= VERSION_BYTES_MAX { text } else { "unknown" }.to_owned())
}

/// Which bytes of how many an answer holds: `bytes 0-9/100`, or `bytes */100` where it holds none.
pub(super) fn range(response: &Response) -> Option<(Option<(u64, u64)>, u64)> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let size = size.parse().ok()?;
    if range == "*" {
        return Some((None, size));
    }
    let (first, last) = range.split_once('-')?;
    Some((Some((first.parse().ok()?, last.parse().ok()?)), size))
}

impl PeerRemote {
    /// What a refusal means. It is about `file`.
    pub(super) async fn refused(&self, response: Response, file: &str, deadline: &Deadline<'_>) -> RemoteError {
        let status = response.status();
        let header = |name: &HeaderName| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let code = header(&CODE).unwrap_or_default();
        let retry_after = header(&RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        // A body that cannot be read takes nothing from what the status says.
        let body = self.body(response, REFUSAL_BYTES_MAX, &mut self.pace(), deadline).await.unwrap_or_default();
        let body = crate::json::parse(&body).unwrap_or(Value::Null);
        let message: String = body["message"].as_str().unwrap_or_default().chars().take(MESSAGE_CHARS_MAX).collect();
        let message: String = message.chars().filter(|c| !c.is_control()).collect();
        if let Err(stopped) = deadline.check(&self.http.place) {
            return stopped;
        }
        let refusal = Refusal { status, code: &code, message, version: body["format"].as_u64(), retry_after };
        refusal.read(self.http.place.clone(), file)
    }
}

/// An answer that is none of those hoped for.
struct Refusal<'a> {
    status: StatusCode,
    code: &'a str,
    message: String,
    version: Option<u64>,
    retry_after: Option<Duration>,
}

impl Refusal<'_> {
    fn read(self, place: String, file: &str) -> RemoteError {
        let file = file.to_owned();
        match (self.status.as_u16(), self.code) {
            (404, "not_there") => RemoteError::NotThere { place, file },
            (404, "no_marker") => RemoteError::NoMarker { place },
            (409, "wrong_format") => RemoteError::WrongFormat { place, version: self.version },
            (409, "foreign") => RemoteError::Foreign { place, file },
            (409, "changing") => RemoteError::Changing { place, file },
            (400, "invalid_name") => RemoteError::InvalidName { name: file },
            (401 | 403 | 407, "") => {
                let source = self.said(
                    "what answers is not `carry serve`: a proxy on the way that wants a login of its own, or another server; check \
                     the address",
                );
                RemoteError::Denied { place, source: source.into() }
            }
            (401, _) => {
                let source = self.said(
                    "it does not know this device's token; was it replaced or removed there? `carry serve token` lists who has one",
                );
                RemoteError::Denied { place, source: source.into() }
            }
            (403, _) => {
                let source = self.said("this device's token may not do this there");
                RemoteError::Denied { place, source: source.into() }
            }
            // Its folder is gone, or its list of credentials: that it is busy would be no help.
            (503, "unreachable" | "credentials") => {
                let source = self.said("its own files cannot be reached");
                RemoteError::Unreachable { place, source: source.into() }
            }
            (507, _) => {
                let source = self.said("it has no room left");
                RemoteError::Full { place, source: source.into() }
            }
            (409 | 429 | 503, _) => {
                let retry_after = self.retry_after.map(|wait| wait.min(RETRY_AFTER_MAX));
                RemoteError::Busy { place, retry_after }
            }
            (408 | 502 | 504, _) => {
                let source = self.said("a server on the way gave up");
                RemoteError::Unreachable { place, source: source.into() }
            }
            (300..=399, _) => {
                let source =
                    "it redirects to another address, which is never followed: add the remote with that address".into();
                RemoteError::Internal { place, action: "go on", source }
            }
            (404 | 405, "") => {
                let source =
                    "no exchange of Carry is served there: check the address, and that `carry serve` runs".into();
                RemoteError::Internal { place, action: "find the exchange", source }
            }
            // A server of Carry's that has it under another path says so.
            (404 | 405, _) => {
                let said = self.said("no reason was given");
                let source = format!("no exchange of Carry is served there: check the address ({said})").into();
                RemoteError::Internal { place, action: "find the exchange", source }
            }
            _ => {
                let source = self.said("no reason was given");
                RemoteError::Internal { place, action: "do what was asked", source: source.into() }
            }
        }
    }

    /// What the other side said, else our own words.
    fn said(&self, otherwise: &str) -> String {
        let message = if self.message.is_empty() { otherwise } else { &self.message };
        format!("HTTP {}: {message}", self.status.as_u16())
    }
}
