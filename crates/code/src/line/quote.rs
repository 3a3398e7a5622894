//! Any bytes as one line of printable ASCII, and back; and bytes made fit for a terminal.
//!
//! Printable ASCII stands for itself, except `%` and spaces at either end; every other byte is `%xx` in lower-case hex.

use std::fmt::Write as _;

use crate::git::{BStr, BString, ByteSlice as _};

/// The printable form.
pub(crate) fn quote(bytes: &BStr) -> String {
    let mut text = String::with_capacity(bytes.len());
    let last = bytes.len().saturating_sub(1);
    for (at, &byte) in bytes.iter().enumerate() {
        match byte {
            b' ' if at == 0 || at == last => text.push_str("%20"),
            b' '..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => write!(text, "%{byte:02x}").expect("writing to a string does not fail"),
        }
    }
    text
}

/// Undoes [`quote`]; `None` for what it cannot have written: bytes that are not printable ASCII, and `%` without two
/// lower-case hex digits.
pub(crate) fn unquote(text: &BStr) -> Option<BString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = match (first, tail) {
            (b'%', [high, low, tail @ ..]) => {
                bytes.push(unhex(*high, *low)?);
                tail
            }
            (b' '..=b'~', tail) if first != b'%' => {
                bytes.push(first);
                tail
            }
            _ => return None,
        };
    }
    Some(bytes.into())
}

/// The byte that two lower-case hex digits say.
pub(crate) fn unhex(high: u8, low: u8) -> Option<u8> {
    let digit = |b: u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    Some(digit(high)? << 4 | digit(low)?)
}

/// As text for people: what is not UTF-8, moves a cursor, ends a line or reorders text becomes `�`.
pub(crate) fn printable(bytes: &BStr) -> String {
    bytes.to_str_lossy().chars().map(|c| if is_unsafe(c) { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Whether a character could make a terminal show something else than was written: control characters, line and
/// paragraph separators, and marks that change the direction of text.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
