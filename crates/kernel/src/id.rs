//! Names that travel: of devices and of working trees.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Longest host part of a device id: the whole id stays a comfortable part of a ref or file name.
const HOST_BYTES_MAX: usize = 40;
/// Hex digits of the key's hash in a device id.
const SUFFIX_HEX: usize = 8;
/// Hex digits of a tree id.
const TREE_HEX: usize = 12;

/// A device's frozen name, `<host>-<8 hex>`: host is `[a-z0-9-]`, 1 to 40 bytes, not beginning with a
/// hyphen; the hex digits are the first of the SHA-256 of its public key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeviceId(String);

/// A working tree's name on its device: 12 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TreeId(String);

/// A name that does not have the form its kind asks for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is not a {kind}")]
pub struct IdError {
    /// What was expected, e.g. `device id`.
    pub kind: &'static str,
    /// What was given, cut to 100 characters.
    pub text: String,
}

impl IdError {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.chars().take(100).collect() }
    }
}

impl DeviceId {
    /// Makes the id of a device from its host's name, reduced to `[a-z0-9-]` (`device` when nothing
    /// is left), and its public key.
    pub fn new(host: &str, public_key: &[u8; 32]) -> Self {
        let mut name = String::with_capacity(HOST_BYTES_MAX);
        for c in host.chars().flat_map(char::to_lowercase) {
            match c {
                'a'..='z' | '0'..='9' => name.push(c),
                _ if name.is_empty() || name.ends_with('-') => {}
                _ => name.push('-'),
            }
            if name.len() == HOST_BYTES_MAX {
                break;
            }
        }
        let name = name.trim_end_matches('-');
        let name = if name.is_empty() { "device" } else { name };
        Self(format!("{name}-{}", key_suffix(public_key)))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// Whether the id was made for this public key.
    pub fn belongs_to(&self, public_key: &[u8; 32]) -> bool {
        self.0.ends_with(&key_suffix(public_key))
    }
}

impl TreeId {
    /// A fresh random id. Panics when the system has no random bytes, which ends every use of keys too.
    pub fn random() -> Self {
        let mut bytes = [0; TREE_HEX / 2];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Self(hex(&bytes))
    }
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DeviceId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        let fits = text.rsplit_once('-').is_some_and(|(host, suffix)| {
            (1..=HOST_BYTES_MAX).contains(&host.len())
                // A leading hyphen would read as an option on a command line.
                && !host.starts_with('-')
                && host.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
                && is_hex(suffix, SUFFIX_HEX)
        });
        if fits { Ok(Self(text)) } else { Err(IdError::new("device id", &text)) }
    }
}
impl TryFrom<String> for TreeId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        if is_hex(&text, TREE_HEX) { Ok(Self(text)) } else { Err(IdError::new("tree id", &text)) }
    }
}
impl FromStr for DeviceId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.to_owned().try_into()
    }
}
impl FromStr for TreeId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.to_owned().try_into()
    }
}
impl From<DeviceId> for String {
    fn from(id: DeviceId) -> Self {
        id.0
    }
}
impl From<TreeId> for String {
    fn from(id: TreeId) -> Self {
        id.0
    }
}
impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first hex digits of the key's SHA-256.
fn key_suffix(public_key: &[u8; 32]) -> String {
    hex(&Sha256::digest(public_key)[..SUFFIX_HEX / 2])
}

/// Lower-case hex digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, b| {
        write!(text, "{b:02x}").expect("writing to a string does not fail");
        text
    })
}

/// Whether `text` is exactly `len` lower-case hex digits.
pub(crate) fn is_hex(text: &str, len: usize) -> bool {
    text.len() == len && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
