//! Names: of logs, streams and files. What a listing shows is hostile until [`Entry::read`] has looked at it.
//!
//! ```text
//! carry/format.json
//! carry/h/<log>-<n:12>-<id>.head
//! carry/l/<log>/<stream>-<first:12>-<last:12>-<id>.seg
//! carry/l/<log>/<id>.list
//! ```
//!
//! A name says what a file must hold; whether it does, only the bytes say. So several files may be candidates for one
//! object: replicas that were put beside a damaged one, and the conflict copies of sync tools.

use std::fmt;
use std::str::FromStr;

use crate::hash::{self, Digest};
use crate::limits::NUMBER_MAX;

mod entry;
mod object;

pub use entry::{Entry, Folder, Form, Temporary};
pub use object::ObjectName;

/// The marker's path. Where it is not, nothing is read or written.
pub const FORMAT_PATH: &str = "carry/format.json";
/// The marker's bytes, the same for ever.
pub const FORMAT_BYTES: &[u8] = b"{\"carry\":\"exchange\",\"format\":1}\n";

/// Longest name of a stream, in bytes.
const STREAM_BYTES_MAX: usize = 16;

/// Names that Windows keeps for its devices, whatever their extension.
const WINDOWS_DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// A log: all streams written under one key. Its text is 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId([u8; 16]);

/// The first half of an object's SHA-256, which its name carries. Its text is 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId([u8; 16]);

/// A stream's name: a lower-case letter, then up to 15 of `[a-z0-9-]`; not the name of a device of Windows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamName(String);

/// Text that is not a name of its kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not {kind}")]
pub struct NameError {
    /// What was expected, e.g. `the id of a log`.
    pub kind: &'static str,
    /// What was given, cut to 160 characters.
    pub text: String,
}

impl NameError {
    pub(crate) fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.chars().take(160).collect() }
    }
}

impl LogId {
    /// The log written under this public key.
    pub fn of_key(public_key: &[u8; 32]) -> Self {
        Self(Digest::of(&[b"carry log 1\n", public_key]).first16())
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl ObjectId {
    /// The id of an object with this digest.
    pub fn of(digest: Digest) -> Self {
        Self(digest.first16())
    }
}

impl StreamName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        hash::decode_hex(text).map(Self).ok_or_else(|| NameError::new("the id of a log", text))
    }
}
impl FromStr for ObjectId {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        hash::decode_hex(text).map(Self).ok_or_else(|| NameError::new("the id of an object", text))
    }
}
impl FromStr for StreamName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        let fits = (1..=STREAM_BYTES_MAX).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
            && !is_windows_device(text);
        if fits { Ok(Self(text.to_owned())) } else { Err(NameError::new("the name of a stream", text)) }
    }
}

macro_rules! shown_as_hex {
    ($($type:ty)*) => {$(
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hash::encode_hex(&self.0))
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hash::encode_hex(&self.0))
            }
        }
    )*};
}
shown_as_hex!(LogId ObjectId);

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `first..=last` may be a run of sequence numbers.
pub(crate) fn is_run(first: u64, last: u64) -> bool {
    1 <= first && first <= last && last <= NUMBER_MAX
}

fn is_windows_device(text: &str) -> bool {
    let numbered = text.strip_prefix("com").or_else(|| text.strip_prefix("lpt"));
    WINDOWS_DEVICES.contains(&text)
        || numbered.is_some_and(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
}

/// What the marker of a place says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// It is of the version that this program reads and writes.
    Ours,
    /// It is of another version, which this program must not touch.
    Other(u64),
    /// It is no marker.
    Unknown,
}

impl Format {
    /// Reads the marker's bytes, which are compared whole: whatever differs is not ours.
    pub fn read(bytes: &[u8]) -> Self {
        if bytes == FORMAT_BYTES {
            return Self::Ours;
        }
        // Longer than any marker that will be: it is not parsed.
        if bytes.len() > 4096 {
            return Self::Unknown;
        }
        let Ok(value) = crate::json::parse(bytes) else { return Self::Unknown };
        match (value["carry"].as_str(), value["format"].as_u64()) {
            (Some("exchange"), Some(version)) if version != 1 => Self::Other(version),
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests;
