//! Escapes: of string literals and JSON, of addresses, of HTML, of terminals, and the NULs of UTF-16.

use std::ops::Range;

use memchr::{memchr, memchr2, memchr3};

use super::{hex_byte, hex_digit};
use crate::mask::Encoding;
use crate::view::View;

/// What escapes begin with.
static BEGINS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'\\' | b'%' | b'&' | 0x1b | 0);
        byte += 1;
    }
    table
};

/// Takes one layer of any escapes off; nothing if there is none.
pub(crate) fn peel(text: &str) -> Option<View> {
    let bytes = text.as_bytes();
    if memchr3(b'\\', b'%', b'&', bytes).is_none() && memchr2(0x1b, 0, bytes).is_none() {
        return None;
    }
    let mut view = View::new(Encoding::Escaped);
    let mut seen = None;
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = next(&bytes[at..]) {
        let start = at + offset;
        let Some((decoded, length, encoding)) = one(&bytes[start..]) else {
            at = start + 1;
            continue;
        };
        view.copy(&text[copied..start], copied);
        if let Some(character) = decoded {
            view.push(character, start..start + length);
        }
        seen = seen.max(Some(encoding));
        at = start + length;
        copied = at;
    }
    view.copy(&text[copied..], copied);
    view.encoding = seen?;
    Some(view)
}

/// Whether what `text`, a JSON string without its quotes, escapes is only what has to be: then a word stands in it as it is.
pub(crate) fn is_simple(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memmem::find(bytes, b"\\u").is_none() && memchr::memmem::find(bytes, b"\\/").is_none()
}

/// The text of a JSON string, without its quotes.
pub(crate) fn unquote(text: &str, at: usize) -> View {
    let bytes = text.as_bytes();
    let mut view = View::new(Encoding::Escaped);
    let mut copied = 0;
    while let Some(offset) = memchr(b'\\', &bytes[copied..]) {
        let start = copied + offset;
        view.copy(&text[copied..start], at + copied);
        // What cannot be decoded is kept as one unknown character: half of a surrogate pair, or a backslash before what no
        // escape begins with, which is read as JSON all the same.
        let (character, length) = literal(&bytes[start..]).unwrap_or_else(|| {
            let end = if unit(&bytes[start..]).is_some() { start + 6 } else { super::ceiling(text, start + 2) };
            (char::REPLACEMENT_CHARACTER, end - start)
        });
        view.push(character, at + start..at + start + length);
        copied = start + length;
    }
    view.copy(&text[copied..], at + copied);
    view
}

/// Where the escape with a backslash begins that `at` is within; `at` itself if it is in none.
pub(crate) fn start(text: &str, at: usize) -> usize {
    /// Two units in a row are one character.
    const LENGTH_MAX: usize = 12;
    let bytes = text.as_bytes();
    let is_around = |from: &usize| {
        let backslashes = bytes[..=*from].iter().rev().take_while(|byte| **byte == b'\\').count();
        let length = literal(&bytes[*from..]).map(|(_, length)| length);
        backslashes % 2 == 1 && length.or(unit(&bytes[*from..]).map(|_| 6)).is_some_and(|length| *from + length > at)
    };
    (at.saturating_sub(LENGTH_MAX - 1)..at).find(is_around).unwrap_or(at)
}

fn next(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| BEGINS[usize::from(*byte)])
}

/// The escape at the start of `bytes`: what it stands for, its length, its kind.
fn one(bytes: &[u8]) -> Option<(Option<char>, usize, Encoding)> {
    match bytes[0] {
        0 => Some((None, 1, Encoding::Utf16)),
        0x1b => terminal(bytes).map(|length| (None, length, Encoding::Escaped)),
        b'%' => percent(bytes).map(|character| (Some(character), 3, Encoding::Percent)),
        b'&' => entity(bytes).map(|(character, length)| (Some(character), length, Encoding::Escaped)),
        _ => {
            if let Some(length) = continued(bytes) {
                return Some((None, length, Encoding::Wrapped));
            }
            let (character, length) = literal(bytes)?;
            Some((Some(character), length, Encoding::Escaped))
        }
    }
}

/// A backslash at the end of a line, with the break.
fn continued(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\\', b'\n', ..] => Some(2),
        [b'\\', b'\r', b'\n', ..] => Some(3),
        _ => None,
    }
}

/// A visible character or space in percent form. Others stay, since bytes above belong together.
fn percent(bytes: &[u8]) -> Option<char> {
    let byte = hex_byte(bytes.get(1..)?)?;
    (byte == b' ' || byte == b'\n' || byte.is_ascii_graphic()).then(|| char::from(byte))
}

/// An escape that begins with a backslash.
fn literal(bytes: &[u8]) -> Option<(char, usize)> {
    Some(match bytes.get(1)? {
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'b' => ('\u{8}', 2),
        b'f' => ('\u{c}', 2),
        byte @ (b'"' | b'\'' | b'\\' | b'/' | b'`') => (char::from(*byte), 2),
        b'x' => (char::from(hex_byte(bytes.get(2..)?)?), 4),
        b'u' if bytes.get(2) == Some(&b'{') => {
            let length = memchr(b'}', bytes.get(3..11.min(bytes.len()))?)?;
            let digits = std::str::from_utf8(&bytes[3..3 + length]).ok()?;
            (char::from_u32(u32::from_str_radix(digits, 16).ok()?)?, length + 4)
        }
        b'u' => {
            let first = unit(bytes)?;
            match first {
                0xd800..=0xdbff => {
                    let second = unit(bytes.get(6..)?).filter(|unit| (0xdc00..=0xdfff).contains(unit))?;
                    (char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12)
                }
                _ => (char::from_u32(first)?, 6),
            }
        }
        _ => return None,
    })
}

/// `\uXXXX`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let [b'\\', b'u', digits @ ..] = bytes else { return None };
    let digits = digits.get(..4)?;
    digits.iter().try_fold(0, |value, byte| Some(value << 4 | u32::from(hex_digit(*byte)?)))
}

/// An entity of HTML that may stand in or around a secret.
fn entity(bytes: &[u8]) -> Option<(char, usize)> {
    const NAMED: &[(&[u8], char)] =
        &[(b"&quot;", '"'), (b"&apos;", '\''), (b"&amp;", '&'), (b"&lt;", '<'), (b"&gt;", '>'), (b"&nbsp;", ' ')];
    if let Some((name, character)) = NAMED.iter().find(|(name, _)| bytes.starts_with(name)) {
        return Some((*character, name.len()));
    }
    let [b'&', b'#', rest @ ..] = bytes else { return None };
    let length = memchr(b';', &rest[..rest.len().min(9)])?;
    let number = std::str::from_utf8(&rest[..length]).ok()?;
    let value = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    Some((char::from_u32(value)?, length + 3))
}

/// The length of a terminal's colour or title sequence.
fn terminal(bytes: &[u8]) -> Option<usize> {
    const LENGTH_MAX: Range<usize> = 2..64;
    match bytes.get(1)? {
        b'[' => {
            let rest = bytes.get(LENGTH_MAX.start..LENGTH_MAX.end.min(bytes.len()))?;
            let length = rest.iter().position(|byte| (0x40..=0x7e).contains(byte))?;
            Some(length + 3)
        }
        b']' => {
            let rest = bytes.get(2..512.min(bytes.len()))?;
            let length = memchr2(0x07, 0x1b, rest)?;
            // An escape that ends nothing begins the next sequence.
            Some(
                length
                    + 2
                    + if rest[length] == 0x07 {
                        1
                    } else if rest[length..].starts_with(b"\x1b\\") {
                        2
                    } else {
                        0
                    },
            )
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{is_simple, peel, unquote};

    #[test]
    fn one_layer_comes_off_and_places_stay_known() {
        for (text, peeled) in [
            (r"a\nb", "a\nb"),
            (r"\x41\u0042\u{43}", "ABC"),
            ("%41%2F%3a", "A/:"),
            ("&quot;&#65;&#x42;", "\"AB"),
            ("a\0b\0", "ab"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("a\\\n  b", "a  b"),
            (r"\\n", r"\n"),
        ] {
            let view = peel(text).unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(view.text, peeled, "{text:?}");
            assert_eq!(
                view.source(&(0..peeled.len())).end,
                text.trim_end_matches(['\0', 'm', '0', '[', '\u{1b}']).len()
            );
        }
        for text in ["plain", r"\q", "100%", "a & b", "%zz"] {
            assert!(peel(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn a_string_is_read_as_json_reads_it() {
        for text in ["a\"b\\c\n", "\u{1f600} é", "tab\t"] {
            let quoted = serde_json::Value::from(text).to_string();
            assert_eq!(unquote(&quoted[1..quoted.len() - 1], 1).text, text);
        }
        assert_eq!(unquote(r"\ud83d\ude00", 0).text, "\u{1f600}");
        assert_eq!(unquote(r"\ud83d!", 0).text, "\u{fffd}!");
    }

    #[test]
    fn what_no_escape_may_be_hides_nothing_behind_it() {
        for (text, unquoted) in [
            (r"\élan", "\u{fffd}lan"),
            (r"\𐇨lan", "\u{fffd}lan"),
            (r"\uélan", "\u{fffd}élan"),
            (r"\utoken", "\u{fffd}token"),
        ] {
            assert_eq!(unquote(text, 0).text, unquoted);
        }
    }

    #[test]
    fn what_begins_within_an_escape_begins_with_it() {
        for (text, at, start) in [
            (r"a\nb", 2, 1),
            (r"a\nb", 3, 3),
            (r"a\nb", 1, 1),
            (r"\\nb", 2, 2),
            (r"\\\nb", 3, 2),
            (r"\u0041b", 3, 0),
            (r"\u0041b", 6, 6),
            (r"\ud83d\ude00b", 9, 0),
            (r"\ud83d!", 4, 0),
            (r"\qb", 1, 1),
        ] {
            assert_eq!(super::start(text, at), start, "{text:?} {at}");
        }
    }

    #[test]
    fn a_title_of_a_terminal_ends_before_what_follows_it() {
        for (text, peeled) in [
            ("\u{1b}]0;t\u{7}é", "é"),
            ("\u{1b}]0;t\u{1b}\\é", "é"),
            ("\u{1b}]0;t\u{1b}[31mé", "é"),
            ("\u{1b}]0;t\u{1b}é", "\u{1b}é"),
        ] {
            assert_eq!(peel(text).unwrap().text, peeled, "{text:?}");
        }
    }

    #[test]
    fn only_what_must_be_escaped_is_simple() {
        assert!(is_simple(r#"a\n\"b\\"#));
        assert!(!is_simple(r"a\u0062"));
        assert!(!is_simple(r"a\/b"));
    }
}
