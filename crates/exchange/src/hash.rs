//! SHA-256 digests and their two texts: base64url where a file refers to another, hex where a name does.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest as _;

/// A SHA-256 digest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `parts`, one after the other.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = sha2::Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The digest that has these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first four bytes: enough to tell apart the records that stand at one place of a forked log.
    pub fn first4(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0;
        [a, b, c, d]
    }

    /// The first sixteen bytes, which names carry.
    pub(crate) fn first16(self) -> [u8; 16] {
        let mut short = [0; 16];
        short.copy_from_slice(&self.0[..16]);
        short
    }

    /// The text: 43 characters of base64url without padding.
    pub fn to_text(self) -> String {
        encode64(&self.0)
    }

    /// Reads the text. The two unused bits must be zero, so that a digest has one text.
    pub fn from_text(text: &str) -> Option<Self> {
        decode64(text).map(Self)
    }
}

/// A digest of bytes that come in pieces.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hashing(sha2::Sha256);

impl Hashing {
    /// Adds the next piece.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all pieces.
    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}
impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text())
    }
}

/// Base64url without padding.
pub(crate) fn encode64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Exactly `N` bytes from their canonical base64url: no padding, no other characters, unused bits zero.
pub(crate) fn decode64<const N: usize>(text: &str) -> Option<[u8; N]> {
    // Measured first, so that long text is not decoded.
    if text.len() != (N * 8).div_ceil(6) {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Lower-case hex.
pub(crate) fn encode_hex(bytes: &[u8]) -> String {
    let digit = |four: u8| char::from(b"0123456789abcdef"[usize::from(four)]);
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(digit(byte >> 4));
        text.push(digit(byte & 15));
    }
    text
}

/// Exactly `N` bytes from lower-case hex.
pub(crate) fn decode_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_has_exactly_one_text() {
        let digest = Digest::of(&[b"ab", b"c"]);
        let text = digest.to_text();
        assert_eq!(encode_hex(&digest.as_bytes()[..4]), "ba7816bf");
        assert_eq!(Digest::from_text(&text), Some(digest));
        let mut found = 0;
        for other in (0..128u8).map(char::from) {
            let mut slack = text.clone();
            slack.pop();
            slack.push(other);
            found += usize::from(Digest::from_text(&slack) == Some(digest));
        }
        assert_eq!(found, 1, "unused bits are zero");
        for wrong in ["", "=", &format!("{text}="), &text[1..], &format!("{text}A"), &format!("+{}", &text[1..])] {
            assert_eq!(Digest::from_text(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn hex_is_lower_case_and_of_its_length() {
        assert_eq!(decode_hex("00ff"), Some([0, 255]));
        for wrong in ["00FF", "00f", "00fff", "0x00", "+0ff", "é0f"] {
            assert_eq!(decode_hex::<2>(wrong), None, "{wrong}");
        }
    }
}
