//! Folders over WebDAV: `dav+https://cloud.example.org/remote.php/dav/files/ada/carry`.

use crate::percent::encode_path;

use super::{Location, LocationError, folder, url};

/// Longest path, in bytes, encoded: servers take lines of 8192, and ours add 150 to it.
const PATH_BYTES_MAX: usize = 2048;

/// Reads what follows `dav+https://`.
pub(super) fn read(is_encrypted: bool, rest: &str) -> Result<Location, LocationError> {
    let (origin, path) = url::split(is_encrypted, rest, false)?;
    let path = path.trim_end_matches('/');
    let path = match path.strip_prefix('/') {
        None if path.is_empty() => String::new(),
        None => return Err(WRONG),
        Some(path) => {
            path.split('/').try_fold(String::new(), |whole, part| Ok(format!("{whole}/{}", segment(part)?)))?
        }
    };
    if path.len() > PATH_BYTES_MAX {
        return Err(LocationError::Address("its path is longer than 2048 bytes"));
    }
    Ok(Location::WebDav { origin, path })
}

const WRONG: LocationError = LocationError::Address(
    "its path has single slashes, no . and .. and no backslash; what else a name holds may be percent-encoded, and is UTF-8 then",
);

/// A segment as it is stored: what can be encoded is, so that one place has one address.
fn segment(text: &str) -> Result<String, LocationError> {
    let plain = folder::unescape(text).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(WRONG)?;
    let is_segment =
        !matches!(&*plain, "" | "." | "..") && !plain.contains(|c: char| matches!(c, '/' | '\\') || c.is_control());
    if is_segment { Ok(encode_path(&plain)) } else { Err(WRONG) }
}
