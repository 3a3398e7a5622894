//! Looks through JSON string by string, with what names each.

mod named;
mod replace;
mod shape;

use std::ops::Range;

pub(crate) use replace::replace;
pub(crate) use shape::{Shape, Text, shape};

use crate::cluster;
use crate::decode::escape;
use crate::mask::Encoding;
use crate::placeholder;
use crate::scan::{Clues, Hit, Scan};
use crate::set::Spot;
use crate::view::View;

/// Members whose long values are a provider's seals on its own text: of no use to anyone else.
const SEALS: &[&str] = &["signature", "encrypted_content", "thoughtSignature", "thought_signature", "reasoning_opaque"];

/// The shortest seal, in bytes.
const SEAL_MIN: usize = 64;

/// Looks through the strings of `text` that `clues` point into, or whose names they point into.
pub(crate) fn look(scan: &Scan<'_>, text: &str, shape: &Shape, clues: &Clues, depth: usize, hits: &mut Vec<Hit>) {
    across(scan, text, shape, clues, hits);
    let is_all = scan.redactor.is_strict();
    let marked = marks(&shape.texts, &clues.places());
    let encoded = clues.encoded();
    for (string, is_marked) in shape.texts.iter().zip(&marked) {
        let names = [string.name, string.also].map(|name| name.filter(|name| marked[*name as usize]));
        let is_named = names.iter().any(Option::is_some);
        if !(*is_marked || is_named || is_all) || is_seal(text, shape, string) {
            continue;
        }
        let view = unquote(text, &string.span);
        let inner = view.as_ref().map_or(&text[string.span.clone()], |view| view.text.as_str());
        let mut found = Vec::new();
        if *is_marked || is_all {
            // Where nothing is encoded, what was seen outside is all there is inside.
            let is_encoded =
                encoded.touch(&string.span) || (view.is_some() && !escape::is_simple(&text[string.span.clone()]));
            let seen = (!is_encoded).then(|| clues.within(&string.span, view.as_ref()));
            found = scan.text_with(inner, depth + 1, seen);
        }
        for name in names.into_iter().flatten() {
            let name = &shape.texts[name as usize];
            let name_view = unquote(text, &name.span);
            let name = name_view.as_ref().map_or(&text[name.span.clone()], |view| view.text.as_str());
            found.extend(named::look(scan, name, inner));
        }
        hits.extend(found.into_iter().map(|hit| outward(hit, view.as_ref(), string.span.start)));
    }
}

/// Runs rules over members that stand together (`"kty": "EC", "d": …`). Only what is within one string is taken.
fn across(scan: &Scan<'_>, text: &str, shape: &Shape, clues: &Clues, hits: &mut Vec<Hit>) {
    /// Keywords in longer strings are looked at where they stand.
    const NAME_MAX: usize = 64;
    let string_at = |at: usize| {
        let idx = shape.texts.partition_point(|string| string.span.start <= at).checked_sub(1)?;
        shape.texts.get(idx)
    };
    let is_short = |spot: &&Spot| string_at(spot.start as usize).is_none_or(|string| string.span.len() <= NAME_MAX);
    // What is set to a name is looked at with that name.
    let others = clues.spots.iter().filter(is_short).map(|spot| Spot { is_name: false, ..*spot });
    let spots: Vec<Spot> = others.filter(|spot| scan.redactor.rules().set().is_of_interest(*spot)).collect();
    if spots.is_empty() {
        return;
    }
    let mut found = Vec::new();
    cluster::look(scan, text, &spots, &placeholder::find(text), &mut found);
    found.retain(|hit| string_at(hit.span.start).is_some_and(|string| hit.span.end <= string.span.end));
    found.retain(|hit| !hit.secret.contains(['\\', '"']) && hit.encoding == Encoding::Plain);
    hits.extend(found);
}

/// `hit` as it stands in the JSON.
fn outward(mut hit: Hit, view: Option<&View>, start: usize) -> Hit {
    let Some(view) = view else {
        hit.span = hit.span.start + start..hit.span.end + start;
        return hit;
    };
    let is_plain = hit.encoding == Encoding::Plain;
    let mut hit = hit.through(view);
    if is_plain && hit.span.len() == hit.secret.len() {
        hit.encoding = Encoding::Plain;
    }
    hit
}

fn unquote(text: &str, span: &Range<usize>) -> Option<View> {
    let raw = &text[span.clone()];
    memchr::memchr(b'\\', raw.as_bytes()).map(|_| escape::unquote(raw, span.start))
}

/// Which strings hold one of `places`, which are in order.
fn marks(texts: &[Text], places: &[usize]) -> Vec<bool> {
    let mut rest = places;
    texts
        .iter()
        .map(|string| {
            while rest.first().is_some_and(|at| *at < string.span.start) {
                rest = &rest[1..];
            }
            rest.first().is_some_and(|at| *at < string.span.end)
        })
        .collect()
}

fn is_seal(text: &str, shape: &Shape, string: &Text) -> bool {
    let Some(name) = string.name.filter(|_| string.span.len() >= SEAL_MIN) else { return false };
    let name = &text[shape.texts[name as usize].span.clone()];
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    SEALS.contains(&name) && text.as_bytes()[string.span.clone()].iter().all(is_base64)
}
