//! Where a place is, as the user writes it: `carry remote add PLACE`.
//!
//! ```text
//! /media/stick/exchange    a folder; a relative path counts from where the user is
//! file:///media/stick      the same
//! s3://bucket/prefix?endpoint=https://s3.example.org&region=eu-central-1
//! dav+https://cloud.example.org/remote.php/dav/files/ada/carry
//! https://hub.example.org/path
//! ```
//!
//! Pure: nothing is looked at. A location never holds a secret; what looks like one is refused, with a message that does not
//! repeat it.

use std::fmt;
use std::path::{Path, PathBuf};

mod bucket;
mod folder;
mod url;
mod webdav;

pub use bucket::Bucket;
pub use url::Origin;

/// Longest text that is looked at, in bytes: longer than any path or address that works.
const TEXT_BYTES_MAX: usize = 4096;

/// Where a place is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A folder, as an absolute path.
    Folder(PathBuf),
    /// A bucket.
    Bucket(Bucket),
    /// A folder that a server hands out over WebDAV.
    WebDav {
        /// The server.
        origin: Origin,
        /// The path below it, percent-encoded: empty, or begins with a slash and does not end with one.
        path: String,
    },
    /// Another device of ours.
    Peer {
        /// The server.
        origin: Origin,
        /// The path below it: empty, or begins with a slash and does not end with one.
        path: String,
    },
}

/// Why a text is no location. No message repeats what may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    /// Nothing was given.
    #[error("the place is empty: give a folder, an s3://, a dav+https:// or an https:// address")]
    Empty,
    /// It is too long.
    #[error("the place is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    /// It holds a control character.
    #[error("the place holds a control character: check what was pasted")]
    Control,
    /// It is a path of Windows.
    #[error(
        "this is a path of Windows, and Carry runs on Linux and macOS: give the folder as it is mounted here, e.g. /mnt/c/exchange"
    )]
    Windows,
    /// It begins with a tilde that the shell did not replace.
    #[error("the shell did not replace the ~: write the folder's path in full")]
    Tilde,
    /// It names a folder of another user, or a host and a path.
    #[error("this looks like a host and a path; for a folder of this name write ./ before it")]
    HostAndPath,
    /// It begins like an address, without the `://`.
    #[error(
        "an address begins with {0}://, with a colon and two slashes; for a folder of this name write ./ before it"
    )]
    Slashes(&'static str),
    /// Its scheme is not known.
    #[error("{0}:// is not known: give a folder, an s3://, a dav+https:// or an https:// address")]
    Scheme(String),
    /// It is an address without encryption.
    #[error(
        "http:// sends everything unencrypted and is allowed to this machine only: use https://, or dav+https:// for WebDAV"
    )]
    Plain,
    /// It holds a name or a password, or a key.
    #[error(
        "the address holds credentials. Addresses are shown and stored, so they must not: give it without them; Carry asks for \
         them or reads them from where its documentation says"
    )]
    Credentials,
    /// A part of it is wrong.
    #[error("the address is wrong: {0}")]
    Address(&'static str),
    /// A bucket has no such setting.
    #[error("an s3:// address has no setting {0:?}: it takes endpoint, region, style and profile")]
    Setting(String),
}

impl Location {
    /// Reads what the user wrote. `here` is the absolute folder that relative paths count from.
    ///
    /// # Errors
    /// [`LocationError`], which says what to write instead.
    pub fn parse(text: &str, here: &Path) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(LocationError::Empty);
        }
        if text.len() > TEXT_BYTES_MAX {
            return Err(LocationError::TooLong);
        }
        if text.contains(char::is_control) {
            return Err(LocationError::Control);
        }
        if folder::is_windows(text) {
            return Err(LocationError::Windows);
        }
        let Some((scheme, rest)) = url::scheme(text) else { return folder::path(text, here).map(Self::Folder) };
        match &*scheme {
            "file" => folder::file_url(rest).map(Self::Folder),
            "s3" => bucket::read(rest).map(Self::Bucket),
            // Programs that mount folders write the second and the third.
            "dav+https" | "davs" | "webdavs" => webdav::read(true, rest),
            "dav+http" | "dav" | "webdav" => webdav::read(false, rest),
            "http" | "https" => {
                let (origin, path) = url::address(scheme == "https", rest)?;
                Ok(Self::Peer { origin, path })
            }
            _ => Err(LocationError::Scheme(scheme)),
        }
    }
}

impl fmt::Display for Location {
    /// Reads back as the same location, unless a path is not UTF-8.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => path.display().fmt(f),
            Self::Bucket(bucket) => bucket.fmt(f),
            Self::WebDav { origin, path } => write!(f, "dav+{origin}{path}"),
            Self::Peer { origin, path } => write!(f, "{origin}{path}"),
        }
    }
}

#[cfg(test)]
mod tests;
