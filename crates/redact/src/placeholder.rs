//! What stands in place of a secret.

use std::ops::Range;

use memchr::memmem;

use crate::decode::{ceiling, floor};
use crate::mask::Fingerprint;

/// How each begins.
const START: &str = "[REDACTED:";

/// The rule of what was withheld since it could not be looked through.
pub const WITHHELD: &str = "withheld";

/// The placeholder for a secret that `rule` found.
pub fn placeholder(rule: &str, fingerprint: Fingerprint) -> String {
    format!("{START}{rule}:{fingerprint}]")
}

/// Where placeholders stand in `text`.
pub(crate) fn find(text: &str) -> Vec<Range<usize>> {
    memmem::find_iter(text.as_bytes(), START.as_bytes())
        .filter_map(|at| length(&text.as_bytes()[at + START.len()..]).map(|length| at..at + START.len() + length))
        .collect()
}

/// Whether what is found at `span` is a part of one of `placeholders`, begins or ends in one, or is nothing but placeholders.
/// Whoever saw that saw only a stretch of the text, and is wrong.
pub(crate) fn is_cut(placeholders: &[Range<usize>], span: &Range<usize>) -> bool {
    let first = placeholders.partition_point(|placeholder| placeholder.end <= span.start);
    let mut at = span.start;
    for placeholder in placeholders[first..].iter().take_while(|placeholder| placeholder.start < span.end) {
        if placeholder.start < span.start || placeholder.end > span.end {
            return true;
        }
        if placeholder.start == at {
            at = placeholder.end;
        }
    }
    at == span.end
}

/// `span` of `text`, and the placeholders that its ends may cut in two, whichever way they are encoded: their letters mostly
/// stand as they are.
pub(crate) fn around(text: &str, span: Range<usize>) -> Range<usize> {
    /// The letters of each.
    const LETTERS: &[u8] = b"REDACTED";
    /// How far from its letters a placeholder may begin, in bytes: `%255B`, `\\u005b`.
    const BEFORE: usize = 8;
    /// How far behind the beginning of its letters a placeholder may end, in bytes.
    const BEHIND: usize = 128;
    let bytes = text.as_bytes();
    let last = |at: usize| {
        let from = at.saturating_sub(BEHIND);
        memmem::rfind(&bytes[from..bytes.len().min(at + LETTERS.len() + BEFORE)], LETTERS).map(|found| from + found)
    };
    let start = last(span.start).map_or(span.start, |at| at.saturating_sub(BEFORE).min(span.start));
    let end = last(span.end).map_or(span.end, |at| (at + BEHIND).max(span.end));
    floor(text, start)..ceiling(text, end)
}

/// The length of the rest of a placeholder.
fn length(rest: &[u8]) -> Option<usize> {
    let is_name = |byte: &&u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || **byte == b'-';
    let name = rest.iter().take(64).take_while(is_name).count();
    let digits = rest.get(name + 1..name + 9)?;
    let is_whole = name > 0
        && rest[name] == b':'
        && digits.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && rest.get(name + 9) == Some(&b']');
    is_whole.then_some(name + 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_placeholders_are_found() {
        let whole = placeholder("github-pat", Fingerprint([1, 2, 3, 0xab]));
        assert_eq!(whole, "[REDACTED:github-pat:010203ab]");
        assert_eq!(find(&format!("a {whole}{whole} [REDACTED:x:12] [REDACTED:")), [2..32, 32..62]);
    }

    #[test]
    fn a_finding_has_no_part_of_a_placeholder_nor_is_it_one() {
        let placeholders = [4..10, 10..16];
        for span in [5..7, 4..7, 5..10, 0..7, 8..20, 4..10, 4..16, 10..16] {
            assert!(is_cut(&placeholders, &span), "{span:?}");
        }
        for span in [0..4, 16..20, 0..10, 4..20, 0..20] {
            assert!(!is_cut(&placeholders, &span), "{span:?}");
        }
    }
}
