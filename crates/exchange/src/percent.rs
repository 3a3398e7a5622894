//! Percent-encoding, as addresses have it.

use std::fmt::Write as _;

/// Encodes a path: all but slashes and what stands for itself everywhere.
pub(crate) fn encode_path(path: &str) -> String {
    encode(path, true)
}

/// The same for what is no path, so that slashes are encoded, too.
pub(crate) fn encode_text(text: &str) -> String {
    encode(text, false)
}

fn encode(text: &str, keeps_slashes: bool) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut encoded, byte| {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            b'/' if keeps_slashes => encoded.push('/'),
            _ => write!(encoded, "%{byte:02X}").expect("a string takes what is written"),
        }
        encoded
    })
}

/// The bytes of what a server encoded. What only looks like an encoding stands for itself.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let is_hex = |hex: &&[u8]| byte == b'%' && hex.iter().all(u8::is_ascii_hexdigit);
        let hex = after.get(..2).filter(is_hex).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(decoded) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            None => {
                bytes.push(byte);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_looks_like_an_encoding_stands_for_itself() {
        for (text, bytes) in [("a%2Fb", "a/b"), ("%2f%", "/%"), ("%+2", "%+2"), ("%-1%2", "%-1%2"), ("%e", "%e")] {
            assert_eq!(decoded(text), bytes.as_bytes(), "{text}");
        }
    }
}
