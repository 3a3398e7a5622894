//! Runs rules where their keywords stand: on the text itself, without its escapes, and with its lines joined.

use std::ops::Range;

use crate::decode::{ceiling, escape, floor, wrap};
use crate::mask::Encoding;
use crate::rules::Confidence;
use crate::scan::{Hit, Scan};
use crate::set::Spot;
use crate::view::View;
use crate::{broken, decoy, placeholder};

/// How far before a keyword a match may begin, in bytes.
const BEFORE: usize = 160;

/// How far behind a keyword a match may go on before it is known to be one, in bytes.
const AFTER: usize = 640;

/// How long a word around a keyword may be to be looked at whole, in bytes.
const WORD_MAX: usize = 16 << 10;

/// The longest stretch that is looked at in one go, in bytes.
const LENGTH_MAX: usize = 16 << 10;

/// How far a match may go on behind its window, in bytes.
const MATCH_MAX: usize = 64 << 10;

/// How much of a secret is judged, in bytes.
const SAMPLE_MAX: usize = 8 << 10;

/// How many layers of escapes are taken off.
const LAYERS_MAX: usize = 4;

/// Keywords that stand close to each other.
#[derive(Debug)]
struct Cluster {
    span: Range<usize>,
    /// The rules, each with the first and last of its keywords.
    rules: Vec<(u16, Range<usize>)>,
    /// Whether a line break stands in one of the keywords.
    is_broken: bool,
}

/// Up to where each rule has seen a text: what it took for a candidate once is not looked at again.
#[derive(Debug, Default)]
struct Seen(Vec<(u16, usize)>);

impl Seen {
    fn of(&self, rule: u16) -> usize {
        self.0.iter().find(|(seen, _)| *seen == rule).map_or(0, |(_, at)| *at)
    }

    fn set(&mut self, rule: u16, at: usize) {
        match self.0.iter_mut().find(|(seen, _)| *seen == rule) {
            Some((_, seen)) => *seen = at.max(*seen),
            None => self.0.push((rule, at)),
        }
    }
}

/// Runs the rules of all `spots` of `text`.
pub(crate) fn look(scan: &Scan<'_>, text: &str, spots: &[Spot], placeholders: &[Range<usize>], hits: &mut Vec<Hit>) {
    let set = scan.redactor.rules().set();
    let mut open: Option<Cluster> = None;
    let mut word_end = 0;
    let mut seen = Seen::default();
    for spot in spots {
        let (named, other) = set.owners(*spot);
        if named.is_empty() && other.is_empty() {
            continue;
        }
        let (start, end) = (spot.start as usize, spot.end as usize);
        if end > word_end {
            word_end = word(text.as_bytes(), end);
        }
        let from = floor(text, start.saturating_sub(BEFORE));
        let to = ceiling(text, (end + AFTER).max(word_end.min(end + WORD_MAX)));
        let cluster = match open.take() {
            Some(mut cluster) if from <= cluster.span.end && end - cluster.span.start < LENGTH_MAX => {
                cluster.span.end = cluster.span.end.max(to);
                cluster
            }
            previous => {
                if let Some(cluster) = previous {
                    run(scan, text, &cluster, placeholders, &mut seen, hits);
                }
                Cluster { span: from..to, rules: Vec::new(), is_broken: false }
            }
        };
        open = Some(cluster.with(named, start..end).with(other, start..end).broken(spot.is_broken));
    }
    if let Some(cluster) = open {
        run(scan, text, &cluster, placeholders, &mut seen, hits);
    }
}

/// Runs the rules that have no keyword over all of `text`.
pub(crate) fn look_anywhere(scan: &Scan<'_>, text: &str, placeholders: &[Range<usize>], hits: &mut Vec<Hit>) {
    for rule in scan.redactor.rules().set().anywhere() {
        apply(scan, text, *rule, 0..text.len(), placeholders, hits);
    }
}

/// The end of the word that goes on at `at`.
fn word(bytes: &[u8], at: usize) -> usize {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'<' | b'>');
    let limit = bytes.len().min(at + WORD_MAX);
    bytes[at..limit].iter().position(is_end).map_or(limit, |length| at + length)
}

/// Where a word ends that is longer than any match.
fn rest_of_word(bytes: &[u8], at: usize) -> usize {
    const REST_MAX: usize = 1 << 20;
    let limit = bytes.len().min(at + REST_MAX);
    bytes[at..limit]
        .iter()
        .position(|byte| matches!(byte, b' ' | b'\n' | b'"' | b'\''))
        .map_or(limit, |length| at + length)
}

/// How far a match around a keyword that ends at `at` is looked for at first.
fn reach(text: &str, at: usize) -> usize {
    (at + AFTER).max(word(text.as_bytes(), at)).min(text.len())
}

impl Cluster {
    fn with(mut self, owners: &[u16], at: Range<usize>) -> Self {
        for owner in owners {
            match self.rules.iter_mut().find(|(rule, _)| rule == owner) {
                Some((_, range)) => range.end = range.end.max(at.end),
                None => self.rules.push((*owner, at.clone())),
            }
        }
        self
    }

    fn broken(mut self, is_broken: bool) -> Self {
        self.is_broken |= is_broken;
        self
    }
}

/// Runs a cluster's rules on the text, then on what is below each layer of escapes.
fn run(
    scan: &Scan<'_>,
    text: &str,
    cluster: &Cluster,
    placeholders: &[Range<usize>],
    seen: &mut Seen,
    hits: &mut Vec<Hit>,
) {
    let span = placeholder::around(text, cluster.span.clone());
    let stretch = &text[span.clone()];
    if !scan.spend(stretch.len()) {
        return;
    }
    let mut found = Vec::new();
    for (rule, near) in &cluster.rules {
        let start = near.start.saturating_sub(BEFORE).max(cluster.span.start).max(seen.of(*rule));
        let window = start..cluster.span.end.min(reach(text, near.end));
        seen.set(*rule, apply(scan, text, *rule, window, placeholders, &mut found));
    }
    let near: Vec<_> =
        cluster.rules.iter().map(|(rule, near)| (*rule, near.start - span.start..near.end - span.start)).collect();
    let mut deeper = Vec::new();
    joined(scan, stretch, &near, cluster.is_broken, &mut deeper);
    if let Some(view) = escape::peel(stretch) {
        layer(scan, &view, &near, (1, cluster.is_broken), &mut deeper);
    }
    for hit in &mut deeper {
        hit.span = hit.span.start + span.start..hit.span.end + span.start;
    }
    // What runs over an escape was not read right; below the escape it was.
    found.retain(|hit| hit.confidence == Confidence::Certain || !has_escape(&hit.secret));
    hits.append(&mut found);
    hits.append(&mut deeper);
}

/// Looks at one layer and the layers below.
fn layer(
    scan: &Scan<'_>,
    view: &View,
    near: &[(u16, Range<usize>)],
    (depth, is_broken): (usize, bool),
    hits: &mut Vec<Hit>,
) {
    if !scan.spend(view.text.len()) {
        return;
    }
    let placeholders = placeholder::find(&view.text);
    let near: Vec<(u16, Range<usize>)> =
        near.iter().map(|(rule, range)| (*rule, view.position(range.start)..view.position(range.end))).collect();
    let mut found = Vec::new();
    for (rule, near) in &near {
        let window = floor(&view.text, near.start.saturating_sub(BEFORE))..reach(&view.text, near.end);
        apply(scan, &view.text, *rule, window, &placeholders, &mut found);
    }
    found.retain(|hit| hit.confidence == Confidence::Certain || !has_escape(&hit.secret));
    joined(scan, &view.text, &near, is_broken, &mut found);
    if depth < LAYERS_MAX
        && let Some(below) = escape::peel(&view.text)
    {
        layer(scan, &below, &near, (depth + 1, is_broken), &mut found);
    }
    hits.extend(found.into_iter().map(|hit| hit.through(view)));
}

/// Looks at the text with its lines joined. Only what runs over the end of a line is taken, unless a name does (`is_broken`).
fn joined(scan: &Scan<'_>, text: &str, near: &[(u16, Range<usize>)], is_broken: bool, hits: &mut Vec<Hit>) {
    let set = scan.redactor.rules().set();
    let Some(view) = wrap::join(text, |before, after| is_broken && broken::is_across(set, before, after)) else {
        return;
    };
    if !scan.spend(view.text.len()) {
        return;
    }
    let placeholders = placeholder::find(&view.text);
    let mut found = Vec::new();
    for (rule, near) in near {
        let start = view.position(near.start).saturating_sub(BEFORE);
        apply(scan, &view.text, *rule, floor(&view.text, start)..view.text.len(), &placeholders, &mut found);
    }
    found.retain(|hit| is_broken || view.source(&hit.span).len() > hit.span.len());
    hits.extend(found.into_iter().map(|hit| hit.through(&view)));
}

/// Whether `secret` holds an escape that a layer below shows as what it is.
fn has_escape(secret: &str) -> bool {
    secret
        .as_bytes()
        .windows(2)
        .any(|pair| pair[0] == b'\\' && matches!(pair[1], b'n' | b'r' | b't' | b'"' | b'u' | b'\\'))
        || secret.ends_with('\\')
        || secret.contains('\u{1b}')
}

/// Runs one rule over a window of `text`. Says where its last candidate ended.
pub(crate) fn apply(
    scan: &Scan<'_>,
    text: &str,
    rule: u16,
    window: Range<usize>,
    placeholders: &[Range<usize>],
    hits: &mut Vec<Hit>,
) -> usize {
    let redactor = scan.redactor;
    let is_of_interest = redactor.runs(rule);
    let Some((pattern, group)) = redactor.rules().set().pattern(rule).filter(|_| is_of_interest) else { return 0 };
    let bytes = text.as_bytes();
    let mut seen = 0;
    let mut end = window.end.min(bytes.len());
    let limit = bytes.len().min(end + MATCH_MAX);
    let mut at = window.start;
    while at <= end
        && let Some(found) = pattern.find_at(&bytes[..end], at)
    {
        // What touches the window's end may go on behind it.
        if found.end() == end && end < limit {
            at = found.start();
            end = limit.min(end + (end - window.start).max(AFTER));
            continue;
        }
        at = found.end().max(found.start() + 1);
        let span = if *group == 0 {
            found.range()
        } else {
            let groups = pattern.captures_at(&bytes[..end], found.start());
            match groups.and_then(|groups| groups.get(*group).map(|group| group.range())) {
                Some(span) => span,
                None => continue,
            }
        };
        let is_cut = span.end == limit && limit < bytes.len();
        let span = if is_cut { span.start..rest_of_word(bytes, span.end) } else { span };
        seen = span.end;
        at = at.max(if is_cut { span.end } else { 0 });
        hits.extend(judge(scan, text, rule, span, placeholders));
    }
    seen
}

/// Whether what a rule found is a secret.
fn judge(scan: &Scan<'_>, text: &str, rule: u16, span: Range<usize>, placeholders: &[Range<usize>]) -> Option<Hit> {
    let redactor = scan.redactor;
    let rule = &redactor.rules().all()[usize::from(rule)];
    let mut span = floor(text, span.start)..ceiling(text, span.end);
    if rule.confidence != Confidence::Certain
        && let Some(quote) = memchr::memchr(b'"', &text.as_bytes()[span.clone()])
    {
        // A quote ends a value, whatever the pattern says.
        span.end = span.start + quote;
    }
    let secret = &text[span.clone()];
    // The start of what is longer than any secret says enough.
    let sample = &secret[..floor(secret, SAMPLE_MAX)];
    let first = placeholders.partition_point(|placeholder| placeholder.end <= span.start);
    let is_masked = placeholders.get(first).is_some_and(|placeholder| placeholder.start < span.end);
    let is_secret = !secret.is_empty()
        && !is_masked
        && (rule.entropy_min <= 0.0 || decoy::entropy(sample) >= rule.entropy_min)
        && rule.check.is_none_or(|check| check(sample))
        // A name alone does not make a number of a session or request a secret; some providers' keys are UUIDs.
        && !(rule.id.starts_with("named-") && decoy::is_uuid(secret))
        && !decoy::is(text, span.start, span.start + sample.len(), rule.confidence)
        && redactor.masks(rule.id, secret);
    is_secret.then(|| Hit {
        rule: rule.id,
        secret: secret.to_owned(),
        span,
        encoding: Encoding::Plain,
        confidence: rule.confidence,
    })
}
