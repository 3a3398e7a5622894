//! Folders: paths and `file://`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

use super::LocationError;

/// The schemes that addresses may begin with.
const SCHEMES: [&str; 10] =
    ["s3", "https", "http", "file", "dav+https", "dav+http", "davs", "dav", "webdavs", "webdav"];

/// Whether this is a path of Windows: a drive letter, or a share with backslashes.
pub(super) fn is_windows(text: &str) -> bool {
    let drive = match text.as_bytes() {
        [letter, b':'] => letter.is_ascii_alphabetic(),
        [letter, b':', b'/' | b'\\', ..] => letter.is_ascii_alphabetic(),
        _ => false,
    };
    drive || text.starts_with("\\\\")
}

/// Reads a path as it is.
pub(super) fn path(text: &str, here: &Path) -> Result<PathBuf, LocationError> {
    if text == "~" || text.starts_with("~/") {
        return Err(LocationError::Tilde);
    }
    // `host:path` is how other programs name other machines. A folder may be named so, but then it can be said otherwise.
    let first = text.split('/').next().unwrap_or_default();
    if let Some(scheme) = meant_scheme(text) {
        return Err(LocationError::Slashes(scheme));
    }
    if first.contains(':') {
        return Err(LocationError::HostAndPath);
    }
    absolute(&here.join(text))
}

/// The scheme of an address whose colon or slashes are missing: `s3:/bucket`, `s3//bucket`, `https:host`.
fn meant_scheme(text: &str) -> Option<&'static str> {
    let rest = |scheme: &str| {
        text.get(..scheme.len()).filter(|begin| begin.eq_ignore_ascii_case(scheme)).map(|_| &text[scheme.len()..])
    };
    let is_meant = |scheme: &&&str| rest(scheme).is_some_and(|rest| rest.starts_with(':') || rest.starts_with("//"));
    SCHEMES.iter().find(is_meant).copied()
}

/// Reads what follows `file://`.
pub(super) fn file_url(rest: &str) -> Result<PathBuf, LocationError> {
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.contains('@') {
        return Err(LocationError::Credentials);
    }
    if !host.is_empty() && !host.eq_ignore_ascii_case("localhost") {
        return Err(LocationError::Address("a file:// address is of this machine: write file:/// and the path"));
    }
    if path.contains(['?', '#']) {
        return Err(LocationError::Address("in a file:// address, ? and # are written %3F and %23"));
    }
    if is_windows(path.trim_start_matches('/')) {
        return Err(LocationError::Windows);
    }
    let bytes = unescape(path).ok_or(LocationError::Address("% must be followed by two hex digits"))?;
    if bytes.contains(&0) {
        return Err(LocationError::Control);
    }
    absolute(Path::new(&OsString::from_vec(bytes)))
}

/// The path without its superfluous parts. `..` stays: after a link it is not what it seems.
fn absolute(path: &Path) -> Result<PathBuf, LocationError> {
    if !path.is_absolute() {
        return Err(LocationError::Address("the path is not absolute"));
    }
    Ok(path.components().filter(|part| *part != Component::CurDir).collect())
}

/// Text without its percent-encoding.
pub(super) fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? * 16 + hex(rest.next()?)? } else { byte });
    }
    Some(bytes)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
