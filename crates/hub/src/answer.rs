//! What is said to who asked for something that is not done.

use std::time::Duration;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use carry_exchange::remote::RemoteError;
use serde_json::json;

/// The header that names the reason, for programs; also of answers without a body.
const CODE: HeaderName = HeaderName::from_static("carry-error");

/// A request that is not granted: a status, a reason for programs and one for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The reason, a word.
    pub code: &'static str,
    /// The reason in a sentence, and what to do.
    pub message: String,
    /// How long not to ask again.
    pub retry_after: Option<Duration>,
    /// The version of the format that was found, where that is the reason.
    pub format: Option<u64>,
}

impl Refusal {
    /// One of these.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, format: None }
    }

    /// The same, not to be asked again for so long.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// Too many requests.
    pub fn too_often(wait: Duration) -> Self {
        let message = "too many requests; ask again after the seconds in Retry-After";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_often", message).after(wait)
    }

    /// A failure of ours, which only the log knows more of.
    pub fn failed(error: &(dyn std::error::Error + 'static)) -> Self {
        let causes: Vec<String> =
            std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string).collect();
        tracing::error!(%error, ?causes, "a request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the server failed; its log says more")
    }

    /// What a place's failure means to who asked. Paths of this machine are not told.
    pub(crate) fn of(error: RemoteError) -> Self {
        let new = Self::new;
        match error {
            RemoteError::NotThere { .. } => new(StatusCode::NOT_FOUND, "not_there", "there is no such file here"),
            RemoteError::NoMarker { .. } => new(
                StatusCode::NOT_FOUND,
                "no_marker",
                "the server's folder is not marked as an exchange; is its disk mounted?",
            ),
            RemoteError::WrongFormat { version, .. } => Self {
                format: version,
                ..new(StatusCode::CONFLICT, "wrong_format", "the server's folder has a marker of another version")
            },
            RemoteError::Foreign { .. } => new(StatusCode::CONFLICT, "foreign", "what has this name is not a file"),
            RemoteError::Changing { .. } => new(StatusCode::CONFLICT, "changing", "the file is being written"),
            RemoteError::InvalidName { .. } => {
                new(StatusCode::BAD_REQUEST, "invalid_name", "this is not a name for that in the exchange")
            }
            RemoteError::Full { .. } => new(StatusCode::INSUFFICIENT_STORAGE, "full", "the server's disk is full"),
            RemoteError::Busy { retry_after, .. } => {
                new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the server is busy").after(retry_after.unwrap_or(SOON))
            }
            RemoteError::Unreachable { .. } => {
                tracing::warn!(%error, "the folder of the exchange cannot be reached");
                new(StatusCode::SERVICE_UNAVAILABLE, "unreachable", "the server's folder cannot be reached").after(SOON)
            }
            RemoteError::Cancelled { .. } => {
                new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the server stops").after(SOON)
            }
            RemoteError::TooLarge { .. }
            | RemoteError::Untrusted { .. }
            | RemoteError::Denied { .. }
            | RemoteError::Local { .. }
            | RemoteError::Internal { .. } => Self::failed(&error),
        }
    }
}

/// What is usually over by then.
const SOON: Duration = Duration::from_secs(5);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut body = json!({ "error": self.code, "message": self.message });
        if let Some(format) = self.format {
            body["format"] = format.into();
        }
        let mut response = (self.status, format!("{body}\n")).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CODE, HeaderValue::from_static(self.code));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(wait) = self.retry_after {
            // Rounded up: who comes early would be refused again.
            headers.insert(RETRY_AFTER, (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"carry\""));
        }
        response
    }
}
