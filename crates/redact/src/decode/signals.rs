//! Finds stretches of a text that are encoded so that no word in them can be read as it stands.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2_iter, memmem};

use super::{base64, hex, hex_byte};
use crate::placeholder;

/// What a stretch seems to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Base64 that decodes to text.
    Base64,
    /// Hexadecimal bytes that decode to text.
    Hex,
    /// Letters and digits in escapes, or with NULs between them.
    Escapes,
}

/// A stretch that should be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signal {
    /// What it seems to be.
    pub(crate) kind: Kind,
    /// Where.
    pub(crate) span: Range<usize>,
    /// Line breaks in it, counted from its start.
    pub(crate) breaks: Vec<Range<usize>>,
}

/// What may be part of a run of base64 or hexadecimal digits.
static IN_RUN: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = matches!(byte as u8, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' | b'-' | b'_' | b'=');
        byte += 1;
    }
    table
};

/// All encoded stretches of `text`, in no order.
pub(crate) fn find(text: &str) -> Vec<Signal> {
    let mut signals = Vec::new();
    runs(text, &mut signals);
    escapes(text, &mut signals);
    signals
}

/// Runs of base64 and hexadecimal digits. One that is long enough fills one of the blocks that are looked at, wherever it begins.
fn runs(text: &str, signals: &mut Vec<Signal>) {
    /// A run of [`base64::LENGTH_MIN`] has room for a whole block.
    const BLOCK: usize = base64::LENGTH_MIN / 2;
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut at = 0;
    while let Some(block) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        if !block.iter().fold(true, |is_run, byte| is_run & IN_RUN[usize::from(*byte)]) {
            at += BLOCK;
            continue;
        }
        let start = bytes[done..at].iter().rposition(|byte| !IN_RUN[usize::from(*byte)]).map_or(done, |p| done + p + 1);
        let end = bytes[at..].iter().position(|byte| !IN_RUN[usize::from(*byte)]).map_or(bytes.len(), |p| at + p);
        done = end;
        if end - start >= base64::LENGTH_MIN {
            done = run(text, start, end, signals);
        }
        at = done;
    }
}

/// Looks at one run; says up to where the text has been seen to.
fn run(text: &str, start: usize, end: usize, signals: &mut Vec<Signal>) -> usize {
    let bytes = text.as_bytes();
    if is_image(text, start) {
        return end;
    }
    let mut from = start;
    while end - from >= base64::LENGTH_MIN {
        let digits = bytes[from..end].iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        if digits >= hex::DIGITS_MIN && hex::decode(&text[from..from + digits], from).is_some() {
            signals.push(Signal { kind: Kind::Hex, span: from..from + digits, breaks: Vec::new() });
            from += digits;
            continue;
        }
        if base64::seems_text(&bytes[from..end]) {
            let (end, breaks) = wrapped(bytes, from, end);
            signals.push(Signal { kind: Kind::Base64, span: from..end, breaks });
            return end;
        }
        // Base64 may follow a slash, a dash or an equals sign that are not part of it.
        match bytes[from..end].iter().position(|byte| !byte.is_ascii_alphanumeric()) {
            Some(offset) => from += offset + 1,
            None => break,
        }
    }
    end
}

/// Whether the run at `start` is the body of an image in an address.
fn is_image(text: &str, start: usize) -> bool {
    let before = &text.as_bytes()[start.saturating_sub(64)..start];
    before.ends_with(b";base64,") && memmem::rfind(before, b"data:image/").is_some()
}

/// Follows a run over line breaks, plain or escaped, as far as lines go on with base64.
fn wrapped(bytes: &[u8], start: usize, end: usize) -> (usize, Vec<Range<usize>>) {
    /// Shorter lines are not broken ones.
    const LINE_MIN: usize = 40;
    let mut breaks = Vec::new();
    let mut line = start;
    let mut end = end;
    while end - line >= LINE_MIN && bytes[end - 1] != b'=' {
        let Some(next) = after_break(bytes, end) else { break };
        let length = bytes[next..].iter().take_while(|byte| IN_RUN[usize::from(**byte)]).count();
        // The last line may be short; what is longer than the first is something else.
        if length == 0 || length > end - line {
            break;
        }
        breaks.push(end - start..next - start);
        line = next;
        end = next + length;
    }
    (end, breaks)
}

/// Where the next line's text begins if the line ends at `at`: behind the break, indentation and the sign of a quote or a diff.
pub(crate) fn after_break(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at;
    let mut has_break = false;
    loop {
        let rest = &bytes[at..];
        let backslashes = rest.iter().take(8).take_while(|byte| **byte == b'\\').count();
        match rest.get(backslashes)? {
            b'n' if backslashes > 0 => has_break = true,
            b'r' if backslashes > 0 => {}
            b'\n' => has_break = true,
            b'\r' if backslashes == 0 => {}
            b' ' | b'\t' | b'>' | b'|' | b'+' | b'#' | b'*' if has_break && backslashes == 0 => {}
            _ => return has_break.then_some(at).filter(|_| backslashes == 0),
        }
        at += backslashes + 1;
    }
}

/// Letters and digits as `\u00XX`, `\xXX`, `&#…;` or `%XX`, which nobody writes who does not have to, and NULs.
fn escapes(text: &str, signals: &mut Vec<Signal>) {
    let bytes = text.as_bytes();
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let is_hidden = |digits: &[u8]| hex_byte(digits).is_some_and(|byte| is_word(byte) || byte == 0);
    // Punctuation too: it is what some secrets are known by (`://`).
    let is_visible = |byte: u8| matches!(byte, b' '..=b'~');
    let mut ends: Vec<Range<usize>> = Vec::new();
    let mut mark = |at: usize, length: usize| match ends.last_mut() {
        // Stretches grow together, so that each place is decoded once.
        Some(last) if at <= last.end + 64 && at >= last.start => last.end = last.end.max(at + length),
        _ => ends.push(at..at + length),
    };
    for at in memchr2_iter(b'\\', b'&', bytes) {
        let length = match &bytes[at..] {
            [b'\\', b'u', b'0', b'0', digits @ ..] if is_hidden(digits) => 6,
            [b'\\', b'x', digits @ ..] if is_hidden(digits) => 4,
            [b'&', b'#', ..] => 5,
            _ => continue,
        };
        mark(at, length);
    }
    for at in memchr_iter(b'%', bytes) {
        let rest = &bytes[at + 1..];
        // `%2541` is `%41` once more encoded.
        let encoded = rest.iter().take(8 * 2).take_while(|b| matches!(b, b'2' | b'5')).count() & !1;
        let hidden = (0..=encoded).step_by(2).any(|skip| rest.get(skip..).and_then(hex_byte).is_some_and(is_visible));
        if hidden {
            mark(at, 3);
        }
    }
    if memchr(0, bytes).is_some() {
        for at in memchr_iter(0, bytes) {
            mark(at, 1);
        }
    }
    ends.sort_by_key(|span| span.start);
    let mut merged: Vec<Range<usize>> = Vec::with_capacity(ends.len());
    for span in ends {
        match merged.last_mut() {
            Some(last) if span.start <= last.end + 256 => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    for span in merged {
        let span = placeholder::around(text, span.start.saturating_sub(128)..text.len().min(span.end + 256));
        signals.push(Signal { kind: Kind::Escapes, span, breaks: Vec::new() });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same, byte by byte.
    fn slowly(text: &str, signals: &mut Vec<Signal>) {
        let bytes = text.as_bytes();
        let mut done = 0;
        while let Some(gap) = bytes[done..].iter().position(|byte| IN_RUN[usize::from(*byte)]) {
            let start = done + gap;
            let length = bytes[start..].iter().take_while(|byte| IN_RUN[usize::from(**byte)]).count();
            done = start + length;
            if length >= base64::LENGTH_MIN {
                done = run(text, start, done, signals);
            }
        }
    }

    proptest! {
        #[test]
        fn runs_are_found_wherever_they_begin(
            parts in prop::collection::vec(
                prop_oneof![
                    Just("cGFzc3dvcmQgPSAxMjM0NQ==".to_owned()),
                    Just("70617373776f7264203d2031".to_owned()),
                    Just("data:image/png;base64,".to_owned()),
                    Just("\n".to_owned()),
                    "[a-z ]{0,12}",
                    "[A-Za-z0-9+/=]{0,40}",
                    "\\PC{0,3}",
                ],
                0..10,
            ),
        ) {
            let text = parts.concat();
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            runs(&text, &mut found);
            slowly(&text, &mut expected);
            prop_assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{:?}", text);
        }
    }

    #[test]
    fn a_run_of_the_least_length_is_found_at_every_place() {
        let run = "cGFzc3dvcmQ9MTIz";
        assert_eq!(run.len(), base64::LENGTH_MIN);
        for at in 0..40 {
            let text = format!("{}{run} ", " ".repeat(at));
            let spans: Vec<_> = find(&text).into_iter().map(|signal| signal.span).collect();
            assert_eq!((spans.len(), spans.first()), (1, Some(&(at..at + run.len()))), "{at}");
            let short = format!("{}{} ", " ".repeat(at), &run[1..]);
            assert!(find(&short).is_empty(), "{at}");
        }
    }
}
