//! What it means when a server of WebDAV says no.

use reqwest::StatusCode;

use crate::remote::error::RemoteError;
use crate::remote::http::Answer;

use super::wire::Wire;

/// Why a server refused. None of its own words are repeated: among them may be what was sent to it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "the server wants a user and a password (401), and none were given: write user:password to a file for you alone (0600) \
         and name that with --token-file, or in exchange.token_files"
    )]
    NoLogin,
    #[error(
        "the server does not accept the user and the password (401): a server that asks for a second factor, as Nextcloud may, \
         wants an app password, made in the settings of the account"
    )]
    Login,
    #[error("the server does not take passwords by Basic authentication (401), the only way that Carry knows")]
    NotBasic,
    #[error("a proxy on the way wants a password of its own (407)")]
    Proxy,
    #[error(
        "the user may not do this there (403): check that the folder is theirs, is not shared for reading only, and that the \
         address is right"
    )]
    Forbidden,
    #[error(
        "the server does not know this kind of request there ({0}), so that no WebDAV may be served at this address; Nextcloud's \
         is https://HOST/remote.php/dav/files/USER/FOLDER"
    )]
    NotDav(u16),
    #[error("there is no folder at the address ({0}): make it there first, or correct the address")]
    NoFolder(u16),
    #[error("the server takes no file of this size (413): raise its limit for uploads, or that of the proxy before it")]
    TooLarge,
    #[error("the account or the disk behind it has no room left (507)")]
    Full,
    #[error(
        "it redirects to another address ({0}), which is never followed, since the password would go along: add the remote with \
         the address that it ends at"
    )]
    Redirected(u16),
    #[error("it answers with a web page where a file should be: the address may be that of the pages, not of WebDAV")]
    Page,
    #[error(
        "the server does not say how long its files are, neither in listings (getcontentlength) nor when asked for one \
         (Content-Length): switch off what packs or rewrites its answers, or take another place"
    )]
    NoLength,
    #[error("the server answers {0}")]
    Other(u16),
}

impl Wire {
    /// The error that an answer is. `file` is what was asked for, `action` what was tried.
    pub(super) fn refused(&self, answer: &Answer, file: &str, action: &'static str) -> RemoteError {
        let place = || self.place().to_owned();
        match answer.status() {
            StatusCode::UNAUTHORIZED => {
                let mut offers = answer.headers("www-authenticate").peekable();
                let has_basic = offers.peek().is_none()
                    || offers.any(|offer| offer.to_ascii_lowercase().split([',', ' ']).any(|word| word == "basic"));
                let refusal = match (has_basic, &self.authorization) {
                    (false, _) => Refusal::NotBasic,
                    (true, None) => Refusal::NoLogin,
                    (true, Some(_)) => Refusal::Login,
                };
                RemoteError::Denied { place: place(), source: refusal.into() }
            }
            StatusCode::LOCKED | StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                RemoteError::Busy { place: place(), retry_after: answer.retry_after(None) }
            }
            status => self.refused_in_part(status.as_u16(), file, action),
        }
    }

    /// The error that a status means that stands in an answer about several resources.
    pub(super) fn refused_in_part(&self, status: u16, file: &str, action: &'static str) -> RemoteError {
        let place = || self.place().to_owned();
        match status {
            404 | 410 => RemoteError::NotThere { place: place(), file: file.to_owned() },
            401 => RemoteError::Denied { place: place(), source: Refusal::Login.into() },
            403 => RemoteError::Denied { place: place(), source: Refusal::Forbidden.into() },
            407 => RemoteError::Denied { place: place(), source: Refusal::Proxy.into() },
            507 => RemoteError::Full { place: place(), source: Refusal::Full.into() },
            409 | 412 | 423 | 424 | 429 | 503 => RemoteError::busy(self.place()),
            405 | 501 => self.http.internal(action, Refusal::NotDav(status).into()),
            413 => self.http.internal(action, Refusal::TooLarge.into()),
            300..=399 => self.http.internal(action, Refusal::Redirected(status).into()),
            408 | 500..=599 => RemoteError::Unreachable { place: place(), source: Refusal::Other(status).into() },
            _ => self.http.internal(action, Refusal::Other(status).into()),
        }
    }
}
