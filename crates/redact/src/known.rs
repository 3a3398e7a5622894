//! Exact values that are masked wherever they stand, whatever they look like.

use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::mask::Encoding;

/// The rule that finds them.
pub(crate) const RULE: &str = "known";

/// How far a run of base64 is followed to each side of a value.
const RUN_MAX: usize = 4096;

/// The shortest value, in characters: shorter ones stand in too many places.
const LENGTH_MIN: usize = 8;

/// Values in all their forms.
pub(crate) struct Known {
    values: Vec<String>,
    /// The value and the encoding of each form.
    forms: Vec<(usize, Encoding)>,
    finder: Option<AhoCorasick>,
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known({} values)", self.values.len())
    }
}

impl Known {
    /// Looks for those of `values` that are long enough.
    pub(crate) fn new(values: &[String]) -> Self {
        let values: Vec<String> = values.iter().filter(|value| value.chars().count() >= LENGTH_MIN).cloned().collect();
        let mut texts = Vec::new();
        let mut forms = Vec::new();
        for (idx, value) in values.iter().enumerate() {
            for (text, encoding) in forms_of(value) {
                texts.push(text);
                forms.push((idx, encoding));
            }
        }
        let finder = AhoCorasickBuilder::new().match_kind(MatchKind::LeftmostLongest).build(texts).ok();
        Self { values, forms, finder }
    }

    /// Where they stand in `text`.
    pub(crate) fn find<'k>(&'k self, text: &'k str) -> impl Iterator<Item = (Range<usize>, &'k str, Encoding)> {
        self.finder.iter().flat_map(move |finder| finder.find_iter(text)).map(move |found| {
            let (value, encoding) = self.forms[found.pattern().as_usize()];
            let span = match encoding {
                Encoding::Base64 => whole_run(text, found.range()),
                _ => found.range(),
            };
            (span, self.values[value].as_str(), encoding)
        })
    }
}

/// How a value looks through each encoding; each form once.
fn forms_of(value: &str) -> Vec<(String, Encoding)> {
    let once = escaped(value);
    let twice = escaped(&once);
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![
        (value.to_owned(), Encoding::Plain),
        (once, Encoding::Escaped),
        (twice, Encoding::Escaped),
        (percent(value, false), Encoding::Percent),
        (percent(value, true), Encoding::Percent),
        (hex.to_uppercase(), Encoding::Hex),
        (hex, Encoding::Hex),
    ];
    // A value within base64 begins at one of three places of a group; what neighbours change is left off.
    for (before, skip) in [(0, 0), (1, 2), (2, 3)] {
        let padded = [&b"\0\0"[..before], value.as_bytes()].concat();
        let whole = padded.len() / 3 * 4;
        for text in [STANDARD_NO_PAD.encode(&padded), URL_SAFE_NO_PAD.encode(&padded)] {
            forms.push((text[skip..whole].to_owned(), Encoding::Base64));
        }
    }
    let mut seen = std::collections::HashSet::new();
    forms.retain(|(text, _)| seen.insert(text.clone()));
    forms
}

fn escaped(value: &str) -> String {
    let quoted = serde_json::Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

fn percent(value: &str, is_lower: bool) -> String {
    let one = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ if is_lower => format!("%{byte:02x}"),
        _ => format!("%{byte:02X}"),
    };
    value.bytes().map(one).collect()
}

/// The run of base64 around `span`.
fn whole_run(text: &str, span: Range<usize>) -> Range<usize> {
    let is_run = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let bytes = text.as_bytes();
    let before = bytes[..span.start].iter().rev().take(RUN_MAX).take_while(is_run).count();
    let after = bytes[span.end..].iter().take(RUN_MAX).take_while(is_run).count();
    span.start - before..span.end + after
}
