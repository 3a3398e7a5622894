//! Values that are broken over lines.

use memchr::memchr_iter;

use super::signals::after_break;
use crate::mask::Encoding;
use crate::view::View;

/// The shortest piece before a break that may be part of a broken value.
const PIECE_MIN: usize = 6;

/// Joins the lines of `text` where a value seems to go on in the next one, or a name does by what `is_name` says of what stands
/// before and after the break; nothing if none does.
pub(crate) fn join(text: &str, is_name: impl Fn(&[u8], &[u8]) -> bool) -> Option<View> {
    let bytes = text.as_bytes();
    let mut view = View::new(Encoding::Wrapped);
    let mut copied = 0;
    for at in memchr_iter(b'\n', bytes) {
        if at < copied {
            continue;
        }
        let mut end = at;
        while end > copied && matches!(bytes[end - 1], b'\r' | b'\\') {
            end -= 1;
        }
        let Some(next) = after_break(bytes, at) else { continue };
        let (before, after) = (&bytes[copied..end], &bytes[next..]);
        if goes_on(before, after) || is_name(before, after) {
            view.copy(&text[copied..end], copied);
            copied = next;
        }
    }
    if copied == 0 {
        return None;
    }
    view.copy(&text[copied..], copied);
    Some(view)
}

/// Whether the end of `before` and the start of `after` seem to be one random value.
fn goes_on(before: &[u8], after: &[u8]) -> bool {
    let tail = before.iter().rev().take(128).take_while(|byte| is_token(**byte)).count();
    let head = after.iter().take(512).take_while(|byte| is_token(**byte)).count();
    let is_name = matches!(after.get(head), Some(b'=' | b':' | b'(' | b' ')) && head < PIECE_MIN * 2;
    tail >= PIECE_MIN && head > 0 && !is_name && mixes(&before[before.len() - tail..]) && mixes(&after[..head])
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+' | b'/' | b'.')
}

/// Whether letters and digits or upper and lower case are mixed as in no word.
fn mixes(piece: &[u8]) -> bool {
    let digit = piece.iter().any(u8::is_ascii_digit);
    let lower = piece.iter().any(u8::is_ascii_lowercase);
    let upper = piece.iter().skip(1).any(u8::is_ascii_uppercase);
    (digit && (lower || upper)) || (lower && upper)
}

#[cfg(test)]
mod tests {
    use super::join;

    #[test]
    fn values_are_joined_and_words_are_not() {
        let joined = |text: &str| join(text, |_, _| false).map(|view| view.text);
        assert_eq!(joined("key vR7kq2Lp\n9TzX4mWc8bNd end").as_deref(), Some("key vR7kq2Lp9TzX4mWc8bNd end"));
        assert_eq!(joined("key vR7kq2Lp\\\n  9TzX4mWc").as_deref(), Some("key vR7kq2Lp9TzX4mWc"));
        assert_eq!(joined("a sentence\ngoes on"), None);
        assert_eq!(joined("A=vR7kq2Lp\nB2=vR7kq2Lp"), None);
        assert_eq!(join("pass\nword", |_, after| after == b"word").map(|view| view.text).as_deref(), Some("password"));
    }
}
