//! Names and beginnings of tokens that a line break cuts in two.

use memchr::memchr2_iter;

use crate::decode::signals::after_break;
use crate::name;
use crate::set::{Set, Spot};

/// The most of a word that is looked at on each side of a break, in bytes.
const SIDE_MAX: usize = 24;

/// How long the rest of a token must be that has lost its beginning to the line before.
const TOKEN_MIN: usize = 16;

/// Adds the keywords that stand across a line break of `text`, plain or escaped.
pub(crate) fn find(set: &Set, text: &str, spots: &mut Vec<Spot>) {
    let bytes = text.as_bytes();
    let is_break = |at: &usize| bytes[*at] == b'\n' || bytes.get(at + 1) == Some(&b'n');
    for at in memchr2_iter(b'\n', b'\\', bytes).filter(is_break) {
        if let Some(found) = across(set, bytes, at) {
            spots.extend(found);
        }
    }
}

/// Whether a keyword stands across the end of `before` and the start of `after`.
pub(crate) fn is_across(set: &Set, before: &[u8], after: &[u8]) -> bool {
    seam(set, before, after).is_some()
}

/// The keywords across the break at `at`.
fn across(set: &Set, bytes: &[u8], at: usize) -> Option<Vec<Spot>> {
    let mut end = at;
    while end > 0 && end + 8 > at && matches!(bytes[end - 1], b'\r' | b'\\') {
        end -= 1;
    }
    // Most lines end in no word, and most that follow begin with none.
    let is_word = |at: usize| bytes.get(at).is_some_and(|byte| name::is_word(*byte));
    if end == 0 || !is_word(end - 1) {
        return None;
    }
    let next = after_break(bytes, at).filter(|next| is_word(*next))?;
    // Behind an empty line something else begins.
    let gap = bytes.get(at + 1..next).unwrap_or_default();
    let gap = gap.strip_prefix(b"n").unwrap_or(gap);
    if gap.iter().any(|byte| matches!(byte, b'n' | b'\n')) {
        return None;
    }
    let (spots, before) = seam(set, &bytes[..end], &bytes[next..])?;
    let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
    let outside = |spot: Spot| {
        let (start, length) = (spot.start as usize, spot.end as usize);
        let stop = if length > before { next + (length - before) } else { end - (before - length) };
        Spot { start: place(end - (before - start)), end: place(stop), is_broken: true, ..spot }
    };
    Some(spots.into_iter().map(outside).collect())
}

/// The keywords across the seam of `before` and `after`, counted in what was joined, and how much of `before` is in that.
fn seam(set: &Set, before: &[u8], after: &[u8]) -> Option<(Vec<Spot>, usize)> {
    let head = after.iter().take(4 * SIDE_MAX).take_while(|byte| name::is_word(**byte)).count();
    let sets = matches!(after.get(head), Some(b'=' | b':' | b'"' | b'\'' | b'\\' | b'%')) && head < SIDE_MAX;
    if head == 0 || !(sets || (head >= TOKEN_MIN && after[..head].iter().any(u8::is_ascii_digit))) {
        return None;
    }
    let tail = before.iter().rev().take(SIDE_MAX).take_while(|byte| name::is_word(**byte) || **byte == b'.').count();
    // A few bytes more show what is set to the name.
    let after = &after[..after.len().min(head.min(SIDE_MAX) + 8)];
    let joined: Vec<u8> = [&before[before.len() - tail..], after].concat();
    let joined: String = joined.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '.' }).collect();
    let mut spots = set.whole(&joined);
    // A keyword before the break may end a name that goes on behind it.
    spots.retain(|spot| (spot.start as usize) < tail && (spot.end as usize > tail || spot.is_name));
    (!spots.is_empty()).then_some((spots, tail))
}

#[cfg(test)]
mod tests {
    use crate::rules::Rules;

    #[test]
    fn keywords_across_breaks_are_found_where_they_stand() {
        let set = Rules::builtin().set();
        for (text, start) in
            [("a passw\nord=x", 2), ("a passw\r\n  ord=x", 2), ("a passw\\nord=x", 2), ("to\n> ken: x", 0)]
        {
            let spots = set.spots(text);
            let found = spots.iter().find(|spot| spot.is_broken);
            let found = found.unwrap_or_else(|| panic!("{text:?}"));
            assert_eq!(found.start, start, "{text:?}");
        }
    }

    #[test]
    fn prose_is_not_joined() {
        let set = Rules::builtin().set();
        for text in ["by pass\nword by word", "to\nkens", "the to\n\nken=1"] {
            assert!(set.spots(text).iter().all(|spot| !spot.is_broken), "{text:?}");
        }
    }
}
