//! What it means when a bucket's server says no.

use reqwest::StatusCode;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::http::moment;

use super::wire::{Answer, Wire};
use super::xml;

/// Bytes of an answer in which an error's code is looked for.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// Why a server refused. Of its words only codes of known form are repeated: in the rest may be what was sent to it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("the server does not accept the credentials ({said}); they come from {from}")]
    Credentials { said: Said, from: String },
    #[error("the session token has run out ({said}): renew it; the credentials come from {from}")]
    Expired { said: Said, from: String },
    #[error(
        "the credentials are known but may not {action} ({said}): on this bucket and prefix they need ListBucket, GetObject, \
         PutObject, DeleteObject and AbortMultipartUpload; they come from {from}"
    )]
    Access { said: Said, action: &'static str, from: String },
    #[error("this machine's clock is {} the server's ({said}): set the clock right", skew(*.ahead_s))]
    Clock { said: Said, ahead_s: Option<i64> },
    #[error("the bucket is in another region ({said}): write region={} in the address", .region.as_deref().unwrap_or("..."))]
    Region { said: Said, region: Option<String> },
    #[error("there is no bucket of this name ({said}): make it with your provider, or correct the address")]
    NoBucket { said: Said },
    #[error(
        "it answers with a redirection ({said}), which is not followed, since the request would go along: correct the endpoint"
    )]
    Redirected { said: Said },
    #[error("the server answers {said}")]
    Other { said: Said },
}

/// A status and the code that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    status: StatusCode,
    code: Option<String>,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.status.as_u16())?;
        self.code.as_ref().map_or(Ok(()), |code| write!(f, " {code}"))
    }
}

fn skew(ahead_s: Option<i64>) -> String {
    match ahead_s {
        Some(ahead) if ahead > 0 => format!("{} minutes ahead of", (ahead + 30) / 60),
        Some(ahead) => format!("{} minutes behind", (30 - ahead) / 60),
        None => "too far from".to_owned(),
    }
}

impl Wire {
    /// The error that an answer is. `file` is what was asked for, `action` what was tried.
    pub(super) fn refused(
        &self,
        mut answer: Answer,
        file: &str,
        action: &'static str,
        deadline: &Deadline<'_>,
    ) -> RemoteError {
        let body = match self.http.rest(&mut answer.inner, ERROR_BYTES_MAX, deadline) {
            Ok(body) => String::from_utf8_lossy(&body).into_owned(),
            Err(stopped @ RemoteError::Cancelled { .. }) => return stopped,
            // What was said has arrived, if not why.
            Err(_) => String::new(),
        };
        self.class(&answer, &body, file, action)
    }

    fn class(&self, answer: &Answer, body: &str, file: &str, action: &'static str) -> RemoteError {
        let status = answer.status();
        let code = xml::text_at(body, &["Code"]).filter(|code| is_code(code));
        let said = Said { status, code };
        let place = || self.http.place.clone();
        let from = || answer.credentials_from.clone();
        let denied = |source: Refusal| RemoteError::Denied { place: self.http.place.clone(), source: source.into() };
        match said.code.clone().as_deref() {
            Some("NoSuchBucket") => return self.internal("find the bucket", Refusal::NoBucket { said }.into()),
            Some("RequestTimeTooSkewed") => {
                let server = answer.header("date").and_then(moment);
                let ahead_s = server.map(|server| answer.signed_at.as_secs().saturating_sub(server.as_secs()));
                return denied(Refusal::Clock { said, ahead_s });
            }
            Some("ExpiredToken" | "TokenRefreshRequired" | "RequestExpired") => {
                self.keychain.forget();
                return denied(Refusal::Expired { said, from: from() });
            }
            Some("InvalidAccessKeyId" | "SignatureDoesNotMatch" | "InvalidToken" | "AuthFailure" | "NotSignedUp") => {
                self.keychain.forget();
                return denied(Refusal::Credentials { said, from: from() });
            }
            Some("AuthorizationHeaderMalformed" | "PermanentRedirect" | "IllegalLocationConstraintException") => {
                let region = xml::text_at(body, &["Region"]);
                let region = region.as_deref().or_else(|| answer.header("x-amz-bucket-region"));
                let region = region.filter(|region| is_region(region)).map(str::to_owned);
                return self.internal(action, Refusal::Region { said, region }.into());
            }
            Some("SlowDown" | "ServiceUnavailable" | "ThrottlingException" | "OperationAborted") => {
                return RemoteError::Busy {
                    place: place(),
                    retry_after: answer.inner.retry_after(Some(answer.signed_at)),
                };
            }
            Some("QuotaExceeded" | "InsufficientStorage" | "XMinioStorageFull" | "XMinioAdminBucketQuotaExceeded") => {
                return RemoteError::Full { place: place(), source: Refusal::Other { said }.into() };
            }
            Some("RequestTimeout" | "InternalError") => {
                return RemoteError::Unreachable { place: place(), source: Refusal::Other { said }.into() };
            }
            _ => {}
        }
        match status {
            StatusCode::NOT_FOUND => RemoteError::NotThere { place: place(), file: file.to_owned() },
            StatusCode::UNAUTHORIZED => {
                self.keychain.forget();
                denied(Refusal::Credentials { said, from: from() })
            }
            StatusCode::FORBIDDEN => {
                // The answer to HEAD has no body, so that this may be about a token that has run out.
                self.keychain.forget();
                denied(Refusal::Access { said, action, from: from() })
            }
            StatusCode::CONFLICT | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                RemoteError::Busy { place: place(), retry_after: answer.inner.retry_after(Some(answer.signed_at)) }
            }
            StatusCode::INSUFFICIENT_STORAGE => {
                RemoteError::Full { place: place(), source: Refusal::Other { said }.into() }
            }
            StatusCode::REQUEST_TIMEOUT => {
                RemoteError::Unreachable { place: place(), source: Refusal::Other { said }.into() }
            }
            status if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED => {
                RemoteError::Unreachable { place: place(), source: Refusal::Other { said }.into() }
            }
            status if status.is_redirection() => self.internal(action, Refusal::Redirected { said }.into()),
            _ => self.internal(action, Refusal::Other { said }.into()),
        }
    }
}

fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Whether a text has the form of a region.
pub(super) fn is_region(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}
