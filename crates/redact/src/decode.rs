//! What a text holds once its encodings are taken off.
//!
//! [`escape`] and [`wrap`] take one layer off a short stretch around a place of interest. [`signals`] looks through a whole text for
//! stretches that are encoded so that no word in them can be read as it stands.

pub(crate) mod base64;
pub(crate) mod escape;
pub(crate) mod hex;
pub(crate) mod signals;
pub(crate) mod wrap;

/// The value of a hexadecimal digit.
pub(crate) fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The byte that two hexadecimal digits at the start of `text` name.
pub(crate) fn hex_byte(text: &[u8]) -> Option<u8> {
    let [high, low, ..] = text else { return None };
    Some(hex_digit(*high)? << 4 | hex_digit(*low)?)
}

/// The largest place not after `at` where a character begins.
pub(crate) fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The smallest place not before `at` where a character begins.
pub(crate) fn ceiling(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
