//! The text around a match.

use std::ops::Range;

/// Characters of a snippet, about.
const SNIPPET_CHARACTERS: usize = 160;

/// A stretch of `text` around the place where most matches lie close together, without line breaks, and what matches in it, in
/// characters. `places` are in order and do not overlap.
pub(super) fn snippet(text: &str, places: &[Range<usize>]) -> (String, Vec<Range<usize>>) {
    let best = places
        .iter()
        .enumerate()
        .max_by_key(|(at, first)| {
            let near = places[*at..].iter().take_while(|place| place.end <= first.start + SNIPPET_CHARACTERS).count();
            // Of equals, the first.
            (near, std::cmp::Reverse(*at))
        })
        .map_or(0, |(at, _)| at);
    let first = places.get(best).cloned().unwrap_or(0..0);
    let start =
        text[..first.start].char_indices().rev().take(SNIPPET_CHARACTERS / 4).last().map_or(first.start, |(at, _)| at);
    let mut out = String::new();
    let mut highlights: Vec<Range<usize>> = Vec::new();
    let mut count = 0;
    if start > 0 {
        out.push('…');
        count += 1;
    }
    let mut next = places.iter().skip_while(|place| place.start < start).peekable();
    let mut open: Option<(usize, usize)> = None;
    let mut was_blank = false;
    for (offset, c) in text[start..].char_indices() {
        let at = start + offset;
        if let Some((from, _)) = open.filter(|(_, end)| *end <= at) {
            highlights.push(from..count);
            open = None;
        }
        if count >= SNIPPET_CHARACTERS {
            out.push('…');
            break;
        }
        if let Some(place) = next.next_if(|place| place.start <= at) {
            open = Some((count, place.end));
            was_blank = false;
        }
        let is_blank = c.is_whitespace() || c.is_control();
        if is_blank && was_blank {
            continue;
        }
        was_blank = is_blank;
        out.push(if is_blank { ' ' } else { c });
        count += 1;
    }
    if let Some((from, _)) = open {
        highlights.push(from..count);
    }
    highlights.retain(|range| range.start < range.end);
    (out, highlights)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn highlighted(text: &str, places: &[Range<usize>]) -> (String, Vec<String>) {
        let (out, ranges) = snippet(text, places);
        let marked = ranges.iter().map(|range| out.chars().skip(range.start).take(range.len()).collect()).collect();
        (out, marked)
    }

    #[test]
    fn highlights_are_characters_of_the_snippet() {
        let text = format!("{} été\n\n漢字 needle here, needle there {}", "ü".repeat(300), "x".repeat(400));
        let places: Vec<_> = text.match_indices("needle").map(|(at, found)| at..at + found.len()).collect();
        let (out, marked) = highlighted(&text, &places);
        assert_eq!(marked, ["needle", "needle"]);
        assert!(out.contains("été 漢字 needle") && out.starts_with('…') && out.ends_with('…'));
        assert!(out.chars().count() <= SNIPPET_CHARACTERS + 1);
    }

    #[test]
    fn it_is_taken_where_most_matches_are() {
        let text = format!("one {} one one two", "-".repeat(500));
        let places: Vec<_> = text.match_indices("one").map(|(at, found)| at..at + found.len()).collect();
        assert_eq!(highlighted(&text, &places).1, ["one", "one"]);
    }

    #[test]
    fn a_match_longer_than_a_snippet_is_cut_with_it() {
        let text = "a".repeat(1000);
        let (out, marked) = highlighted(&text, std::slice::from_ref(&(0..1000)));
        assert_eq!(marked, ["a".repeat(SNIPPET_CHARACTERS)]);
        assert_eq!(out.chars().count(), SNIPPET_CHARACTERS + 1);
    }
}
