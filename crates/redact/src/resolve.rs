//! From hits that may overlap to findings that do not, and to the masked text.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use memchr::memmem;

use crate::decode::escape;
use crate::mask::{Encoding, Finding, Key, Masked, bare};
use crate::placeholder;
use crate::scan::Hit;

/// Adds the other places where a secret that was found stands as it is: what its name gives away once is secret everywhere.
pub(crate) fn repeat(text: &str, hits: &mut Vec<Hit>) {
    /// Shorter ones stand in too many places.
    const LENGTH_MIN: usize = 16;
    const LENGTH_MAX: usize = 1024;
    /// How many secrets are looked for again.
    const SECRETS_MAX: usize = 32;
    if hits.is_empty() {
        return;
    }
    let mut seen = HashSet::new();
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    let is_fit = |hit: &Hit| (LENGTH_MIN..=LENGTH_MAX).contains(&hit.secret.len()) && hit.secret.bytes().all(is_plain);
    let plain = |hit: &Hit| Hit { secret: bare(&hit.secret).to_owned(), ..hit.clone() };
    let secrets = hits.iter().map(plain).filter(is_fit).filter(|hit| seen.insert(hit.secret.clone()));
    let secrets: Vec<Hit> = secrets.take(SECRETS_MAX).collect();
    for hit in secrets {
        let places = memmem::find_iter(text.as_bytes(), hit.secret.as_bytes());
        hits.extend(places.map(|at| Hit { span: at..at + hit.secret.len(), encoding: Encoding::Plain, ..hit.clone() }));
    }
}

/// Joins hits that overlap or touch; the most certain, then the longest, gives each its name. Those in placeholders are none, and
/// those that begin within an escape take all of it: what is left of one may be no JSON.
pub(crate) fn merge(text: &str, mut hits: Vec<Hit>, key: &Key) -> Vec<Finding> {
    let placeholders = if hits.is_empty() { Vec::new() } else { placeholder::find(text) };
    hits.retain(|hit| !hit.span.is_empty() && !placeholder::is_cut(&placeholders, &hit.span));
    for hit in &mut hits {
        hit.span.start = escape::start(text, hit.span.start);
    }
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end));
    let mut merged: Vec<(Range<usize>, Hit)> = Vec::new();
    for hit in hits {
        match merged.last_mut() {
            Some((span, best)) if hit.span.start <= span.end => {
                span.end = span.end.max(hit.span.end);
                if rank(&hit) > rank(best) {
                    *best = hit;
                }
            }
            _ => merged.push((hit.span.clone(), hit)),
        }
    }
    let finding = |(span, hit): (Range<usize>, Hit)| Finding {
        rule: hit.rule,
        span,
        fingerprint: key.fingerprint(&hit.secret),
        encoding: hit.encoding,
    };
    merged.into_iter().map(finding).collect()
}

/// Greater is better.
fn rank(
    hit: &Hit,
) -> (crate::rules::Confidence, usize, std::cmp::Reverse<crate::mask::Encoding>, std::cmp::Reverse<&str>) {
    (hit.confidence, hit.span.len(), std::cmp::Reverse(hit.encoding), std::cmp::Reverse(hit.rule))
}

/// `found` in a text, and `more` in what the text became by that: all as it stands in the text.
pub(crate) fn join(found: Vec<Finding>, more: Vec<Finding>) -> Vec<Finding> {
    // Behind each placeholder: where that is in what the text became, and where in the text.
    let mut ends = vec![(0, 0)];
    let (mut there, mut here) = (0, 0);
    for Finding { rule, span, fingerprint, .. } in &found {
        there += span.start - here + placeholder::placeholder(rule, *fingerprint).len();
        here = span.end;
        ends.push((there, here));
    }
    let place = |at: usize| {
        let (there, here) = ends[ends.partition_point(|(there, _)| *there <= at) - 1];
        here + (at - there)
    };
    let place = |finding: Finding| Finding { span: place(finding.span.start)..place(finding.span.end), ..finding };
    let mut joined: Vec<Finding> = more.into_iter().map(place).collect();
    let is_within = |span: &Range<usize>, around: &[Finding]| {
        let before = around.partition_point(|finding| finding.span.start <= span.start);
        before > 0 && around[before - 1].span.end >= span.end
    };
    let rest: Vec<Finding> = found.into_iter().filter(|finding| !is_within(&finding.span, &joined)).collect();
    joined.extend(rest);
    joined.sort_by_key(|finding| finding.span.start);
    joined
}

/// `text` with a placeholder for each finding.
pub(crate) fn render(text: &str, findings: Vec<Finding>) -> Masked<'_> {
    if findings.is_empty() {
        return Masked { text: Cow::Borrowed(text), findings };
    }
    let mut masked = String::with_capacity(text.len());
    let mut copied = 0;
    for finding in &findings {
        masked.push_str(&text[copied..finding.span.start]);
        masked.push_str(&placeholder::placeholder(finding.rule, finding.fingerprint));
        copied = finding.span.end;
    }
    masked.push_str(&text[copied..]);
    Masked { text: Cow::Owned(masked), findings }
}

#[cfg(test)]
mod tests {
    use super::{join, render, repeat};
    use crate::mask::{Encoding, Finding, Fingerprint};
    use crate::rules::Confidence;
    use crate::scan::Hit;

    fn finding(rule: &'static str, span: std::ops::Range<usize>) -> Finding {
        Finding { rule, span, fingerprint: Fingerprint([0; 4]), encoding: Encoding::Plain }
    }

    #[test]
    fn what_a_second_look_finds_is_placed_in_the_text() {
        let text = "0123456789abcdefghij";
        let found = vec![finding("x", 2..4), finding("y", 8..9), finding("z", 12..16)];
        let once = render(text, found.clone());
        let at = |part: &str| once.text.find(part).unwrap();
        // Before all, around one, behind it, between, and behind all.
        let more = vec![
            finding("d", 0..1),
            finding("e", at("7")..at("9")),
            finding("f", at("9")..at("b")),
            finding("g", at("ij")..at("ij") + 2),
        ];
        let twice = render(&once.text, more.clone());
        let joined = join(found, more);
        let spans: Vec<_> = joined.iter().map(|finding| (finding.rule, finding.span.clone())).collect();
        assert_eq!(spans, [("d", 0..1), ("x", 2..4), ("e", 7..9), ("f", 9..11), ("z", 12..16), ("g", 18..20)]);
        assert_eq!(render(text, joined).text, twice.text);
    }

    #[test]
    fn a_secret_is_one_wherever_it_stands() {
        let hit = |secret: &str| Hit {
            rule: "named-secret",
            span: 4..4 + secret.len(),
            secret: secret.to_owned(),
            encoding: Encoding::Escaped,
            confidence: Confidence::Likely,
        };
        let mut hits = vec![hit("vR7kq2Lp9TzX4mWc"), hit("short")];
        repeat("key=vR7kq2Lp9TzX4mWc and vR7kq2Lp9TzX4mWc, short short", &mut hits);
        let spans: Vec<_> = hits.iter().skip(2).map(|hit| (hit.span.clone(), hit.encoding)).collect();
        assert_eq!(spans, [(4..20, Encoding::Plain), (25..41, Encoding::Plain)]);
    }
}
