//! Whether a text holds what the query means, and where.

use std::ops::Range;

use super::query::{Meaning, Term};
use super::words::{Piece, hash, pieces};

/// Matches of one text that are looked at.
const MATCHES_MAX: usize = 64;

/// What one text holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Found {
    /// Where, in bytes, in order.
    pub(super) places: Vec<Range<usize>>,
    /// Which groups of terms are met, one bit a group.
    pub(super) groups: u32,
    /// Whether something is met that must not be.
    pub(super) is_refused: bool,
    /// How well: phrases and whole identifiers count more than beginnings.
    pub(super) weight: f64,
}

/// Looks through one text. `text` is a block: nothing is found across two of them.
pub(super) fn find(meaning: &Meaning, text: &str) -> Found {
    let mut found = Found::default();
    match meaning {
        Meaning::Expression { regex } => {
            // An empty match shows nothing.
            let matches = regex.find_iter(text).filter(|place| !place.is_empty());
            found.places.extend(matches.take(MATCHES_MAX).map(|place| place.range()));
            found.groups = u32::from(!found.places.is_empty());
            found.weight = found.places.len() as f64;
        }
        Meaning::Terms { groups, without } => terms(groups, without, text, &mut found),
    }
    found
}

fn terms(groups: &[Vec<Term>], without: &[Term], text: &str, found: &mut Found) {
    let longest = groups.iter().flatten().chain(without).map(|term| term.parts.len()).max().unwrap_or(1);
    // The newest words with their places, enough for the longest phrase.
    let mut recent: std::collections::VecDeque<(u64, Range<usize>)> = std::collections::VecDeque::new();
    pieces(text, &mut |piece, word, place| {
        let hash = hash(word.as_bytes());
        if piece == Piece::Part && longest > 1 {
            if recent.len() == longest {
                recent.pop_front();
            }
            recent.push_back((hash, place.clone()));
        }
        for (at, group) in groups.iter().enumerate() {
            for term in group {
                let Some(start) = ends_here(term, piece, word, hash, &recent, &place) else { continue };
                found.groups |= 1 << at;
                found.weight += match (term.is_phrase, term.is_prefix) {
                    (true, _) => 2.0,
                    (false, true) => 0.7,
                    (false, false) => 1.0,
                };
                if found.places.len() < MATCHES_MAX && found.places.last().is_none_or(|last| last.end <= start) {
                    found.places.push(start..place.end);
                }
            }
        }
        found.is_refused |= without.iter().any(|term| ends_here(term, piece, word, hash, &recent, &place).is_some());
    });
}

/// Where the term begins, if the piece at hand is its end.
fn ends_here(
    term: &Term,
    piece: Piece,
    word: &str,
    hash: u64,
    recent: &std::collections::VecDeque<(u64, Range<usize>)>,
    place: &Range<usize>,
) -> Option<usize> {
    let (last, last_hash) = (term.parts.last()?, *term.hashes.last()?);
    let is_like = |wanted: &str| if term.is_prefix { word.starts_with(wanted) } else { word == wanted };
    if piece != Piece::Part || term.whole.is_some() {
        // An identifier that is written as one word, or otherwise divided.
        let wanted = term.whole.as_ref().or((term.parts.len() == 1).then_some(last))?;
        if is_like(wanted) {
            return Some(place.start);
        }
        if piece != Piece::Part {
            return None;
        }
    }
    if !(term.is_prefix || hash == last_hash) || !is_like(last) {
        return None;
    }
    let before = term.hashes.len() - 1;
    if before == 0 {
        return Some(place.start);
    }
    let first = recent.len().checked_sub(before + 1)?;
    let is_phrase = term.hashes[..before].iter().zip(recent.range(first..)).all(|(wanted, (found, _))| wanted == found);
    is_phrase.then(|| recent[first].1.start)
}
