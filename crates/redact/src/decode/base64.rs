//! Text in base64, standard or for addresses, whole or broken over lines; also of UTF-16.

use crate::mask::Encoding;
use crate::view::View;

/// The shortest run that is looked into, in characters.
pub(crate) const LENGTH_MIN: usize = 16;

/// How much of a run is decoded to see whether it is text, in characters.
const SAMPLE: usize = 16;

/// The value of a character of either alphabet.
pub(crate) fn sextet(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    }
}

/// Decodes what is base64 in `text`, passing over everything else.
fn bytes_of(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4 + 3);
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for value in text.iter().filter_map(|byte| sextet(*byte)) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

/// Whether the run at the start of `text` seems to decode to text.
pub(crate) fn seems_text(text: &[u8]) -> bool {
    let mut bytes = [0_u8; SAMPLE * 3 / 4];
    let mut length = 0;
    let mut unread = 0;
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for value in text.iter().take(SAMPLE).filter_map(|byte| sextet(*byte)) {
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes[length] = (bits >> count & 0xff) as u8;
            unread += u8::from(!(is_text(bytes[length]) || bytes[length] == 0));
            if unread > UNREAD_MAX {
                return false;
            }
            length += 1;
        }
    }
    reads_as_text(&bytes[..length])
}

/// How many bytes of a sample may be no text: a few of another script, a mark of byte order.
const UNREAD_MAX: u8 = 2;

fn is_text(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\n' | b'\r' | 0x1b | b' '..=b'~')
}

/// Whether these bytes are ASCII text, or UTF-16 of it.
pub(crate) fn reads_as_text(bytes: &[u8]) -> bool {
    let readable = bytes.iter().filter(|byte| is_text(**byte)).count();
    let nuls = bytes.iter().filter(|byte| **byte == 0).count();
    let unread = usize::from(UNREAD_MAX);
    bytes.len() >= 6
        && (readable + unread >= bytes.len() || (nuls >= bytes.len() / 3 && readable + nuls + unread >= bytes.len()))
}

/// Decodes a run that may be broken over lines. `breaks` are the stretches in it that are not base64. The whole run stands for each
/// part of what comes out: half a run of base64 is of no use to anyone.
pub(crate) fn decode(run: &str, breaks: &[std::ops::Range<usize>], at: usize) -> Option<View> {
    let mut joined = Vec::with_capacity(run.len());
    let mut copied = 0;
    for gap in breaks {
        joined.extend_from_slice(run.as_bytes().get(copied..gap.start)?);
        copied = gap.end;
    }
    joined.extend_from_slice(run.as_bytes().get(copied..)?);
    let mut bytes = bytes_of(&joined);
    let has_nuls = bytes.contains(&0);
    if has_nuls {
        bytes.retain(|byte| *byte != 0);
    }
    if !is_mostly_text(&bytes) {
        return None;
    }
    let mut view = View::new(if has_nuls { Encoding::Utf16 } else { Encoding::Base64 });
    view.put(&String::from_utf8_lossy(&bytes), at..at + run.len());
    Some(view)
}

fn is_mostly_text(bytes: &[u8]) -> bool {
    let readable = bytes.iter().filter(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    readable * 10 >= bytes.len() * 6
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::{decode, seems_text};
    use crate::mask::Encoding;

    #[test]
    fn text_is_told_from_keys_and_names() {
        assert!(seems_text(STANDARD.encode("password = 12345").as_bytes()));
        assert!(seems_text(STANDARD.encode("p\0a\0s\0s\0w\0o\0r\0d\0").as_bytes()));
        assert!(!seems_text(b"src/components/navigation/Header"));
        assert!(!seems_text(b"aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE"));
        assert!(!seems_text(b"c2hvcnQ"));
    }

    #[test]
    fn what_comes_out_stands_for_all_that_went_in() {
        let run = format!("{}\n{}", "cGFzc3dv", "cmQ9eA==");
        let view = decode(&run, std::slice::from_ref(&(8..9)), 5).unwrap();
        assert_eq!((view.text.as_str(), view.encoding), ("password=x", Encoding::Base64));
        assert_eq!(view.source(&(0..4)), 5..5 + run.len());
        let view = decode(&STANDARD.encode("k\0e\0y\0"), &[], 0).unwrap();
        assert_eq!((view.text.as_str(), view.encoding), ("key", Encoding::Utf16));
        assert!(decode("/////////////////////w==", &[], 0).is_none());
    }
}
