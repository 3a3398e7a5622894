//! Text as hexadecimal bytes.

use super::{base64::reads_as_text, hex_byte};
use crate::mask::Encoding;
use crate::view::View;

/// The shortest run that is looked into, in digits.
pub(crate) const DIGITS_MIN: usize = 24;

/// Decodes a run of hexadecimal digits, if text comes out.
pub(crate) fn decode(run: &str, at: usize) -> Option<View> {
    let bytes = run.as_bytes();
    let sample: Vec<u8> = bytes.chunks_exact(2).take(12).map_while(hex_byte).collect();
    if sample.len() < 12 || !reads_as_text(&sample) {
        return None;
    }
    let mut view = View::new(Encoding::Hex);
    for (idx, pair) in bytes.chunks_exact(2).enumerate() {
        let start = at + 2 * idx;
        // Bytes that are not ASCII keep their place, so that spans stay right.
        let character = hex_byte(pair).filter(u8::is_ascii).map_or(char::REPLACEMENT_CHARACTER, char::from);
        // UTF-16 has a NUL beside each character.
        if character != '\0' {
            view.push(character, start..start + 2);
        }
    }
    Some(view)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn text_is_decoded_and_digests_are_not() {
        let view = decode("70617373776f72643d7833792121", 4).unwrap();
        assert_eq!(view.text, "password=x3y!!");
        assert_eq!(view.source(&(0..8)), 4..20);
        assert!(decode("9fceb02d0ae598e95dc970b74767f19372d61af8", 0).is_none());
        assert!(decode("70617373", 0).is_none());
    }
}
