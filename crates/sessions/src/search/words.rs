//! Words as the index has them.
//!
//! One scanner serves the index, the queries and the comparison with the text, so that they never disagree on what a word is.
//! Identifiers give their parts and, joined, themselves; scripts without blanks give pairs of neighbouring characters. Letters
//! are lower case, Latin ones without diacritics.

use std::borrow::Cow;
use std::ops::Range;

mod fold;

use fold::{fold, is_mark, is_paired};

/// A word of more bytes is none.
pub const WORD_BYTES_MAX: usize = 64;

/// A run of letters, digits and underscores of more bytes is no identifier but data.
const RUN_BYTES_MAX: usize = 256;

/// Steps after which a full neighbourhood of the set counts as "not seen": hostile text cannot make it slow.
const PROBES_MAX: usize = 32;

/// A set of more slots than this is given back after use.
const SLOTS_KEPT: usize = 1 << 16;

/// What a piece of text is to the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A word, a part of an identifier, or a pair of characters. Parts follow each other as in the text.
    Part,
    /// An identifier of several parts, joined.
    Whole,
    /// The last character of a run of pairs, by itself: it begins no pair, yet can be looked for.
    Tail,
}

/// Collects the words of a row, lower case, each once, each followed by a blank. Identifiers give
/// their parts and themselves; runs of Chinese, Japanese or Korean give pairs of characters; what is longer than a word can
/// be (base64, hashes beyond 64 characters) gives nothing.
#[derive(Debug, Default)]
pub struct Words {
    text: String,
    seen: Seen,
    scratch: Scratch,
}

impl Words {
    /// Adds the words of a text.
    pub fn add(&mut self, text: &str) {
        let (out, seen) = (&mut self.text, &mut self.seen);
        self.scratch.scan(text, &mut |_, word, _| {
            if seen.insert(hash(word.as_bytes())) {
                out.push_str(word);
                out.push(' ');
            }
        });
    }

    /// Adds the words of a call's input, given as JSON.
    pub fn add_json(&mut self, json: &str) {
        self.add(&unescaped(json));
    }

    /// How many bytes the words so far take.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// Appends all words so far to `out`, for the index; starts anew.
    pub fn take(&mut self, out: &mut String) {
        out.push_str(&self.text);
        self.text.clear();
        self.seen.clear();
    }
}

/// Says each piece of `text` with its word and where it stands.
pub(crate) fn pieces(text: &str, found: &mut impl FnMut(Piece, &str, Range<usize>)) {
    Scratch::default().scan(text, found);
}

/// JSON with the escapes in its strings resolved, so that `\n` is no letter. Works on anything; what is no escape stays. The
/// outcome is for reading by people and for words, it is no JSON.
pub(crate) fn unescaped(json: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'\\', json.as_bytes()) else { return Cow::Borrowed(json) };
    let mut out = String::with_capacity(json.len());
    out.push_str(&json[..first]);
    let mut rest = &json[first..];
    while let Some(tail) = rest.strip_prefix('\\') {
        let mut taken = 1;
        match tail.as_bytes().first() {
            Some(b'n' | b'r') => out.push('\n'),
            Some(b't' | b'b' | b'f') => out.push('\t'),
            Some(c @ (b'"' | b'\\' | b'/')) => out.push(char::from(*c)),
            Some(b'u') => match unicode_escape(tail) {
                Some((c, bytes)) => {
                    out.push(c);
                    taken = bytes;
                }
                None => out.push_str("\\u"),
            },
            _ => {
                out.push('\\');
                taken = 0;
            }
        }
        rest = &tail[taken..];
        let next = memchr::memchr(b'\\', rest.as_bytes()).unwrap_or(rest.len());
        out.push_str(&rest[..next]);
        rest = &rest[next..];
    }
    Cow::Owned(out)
}

/// The character of `uXXXX`, or of `uXXXX\uXXXX` for a pair of surrogates, and how many bytes it takes.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 4)?;
        digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
    };
    let high = unit(1)?;
    if let Some(c) = char::from_u32(high) {
        return Some((c, 5));
    }
    let low = (text.get(5..7) == Some("\\u")).then(|| unit(7)).flatten()?;
    let is_pair = (0xD800..0xDC00).contains(&high) && (0xDC00..0xE000).contains(&low);
    let code = is_pair.then(|| 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00))?;
    Some((char::from_u32(code)?, 11))
}

/// What a byte is.
const CLASS: [Class; 256] = {
    let mut table = [Class::Gap; 256];
    let mut i = 0;
    while i < 256 {
        let byte = i as u8;
        table[i] = if byte.is_ascii_lowercase() || byte.is_ascii_digit() {
            Class::Plain
        } else if byte.is_ascii_uppercase() || byte == b'_' {
            Class::Mixed
        } else if byte >= 0x80 {
            Class::Wide
        } else {
            Class::Gap
        };
        i += 1;
    }
    table
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Between words.
    Gap,
    /// Lower case or digit: as the index has it.
    Plain,
    /// Upper case or underscore: an identifier, to be taken apart.
    Mixed,
    /// The start or middle of a character beyond ASCII.
    Wide,
}

/// Buffers of the scanner, reused.
#[derive(Debug, Default)]
struct Scratch {
    /// The parts of the identifier at hand, folded, one after the other.
    joined: String,
    /// Where each part lies in `joined`, and where in the text.
    parts: Vec<(Range<usize>, Range<usize>)>,
}

impl Scratch {
    fn scan(&mut self, text: &str, found: &mut impl FnMut(Piece, &str, Range<usize>)) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let start = at;
            let mut class = CLASS[usize::from(bytes[at])];
            if class == Class::Gap {
                at += 1;
                continue;
            }
            let mut is_mixed = false;
            while class == Class::Plain || class == Class::Mixed {
                is_mixed |= class == Class::Mixed;
                at += 1;
                class = bytes.get(at).map_or(Class::Gap, |byte| CLASS[usize::from(*byte)]);
            }
            if class == Class::Wide {
                at = self.wide(text, start, found);
            } else if !is_mixed {
                if at - start <= WORD_BYTES_MAX {
                    found(Piece::Part, &text[start..at], start..at);
                }
            } else if at - start <= RUN_BYTES_MAX {
                self.identifier(text, start..at, found);
            }
        }
    }

    /// A run that holds characters beyond ASCII: up to the first gap or change of script. Returns where it ends.
    fn wide(&mut self, text: &str, start: usize, found: &mut impl FnMut(Piece, &str, Range<usize>)) -> usize {
        let first = text[start..].chars().next().unwrap_or(' ');
        if is_paired(first) {
            return pairs(text, start, found);
        }
        let mut end = start;
        for c in text[start..].chars() {
            if !(c == '_' || is_letter(c) || is_mark(c)) || is_paired(c) {
                break;
            }
            end += c.len_utf8();
        }
        if end == start {
            return start + first.len_utf8();
        }
        if end - start <= RUN_BYTES_MAX {
            self.identifier(text, start..end, found);
        }
        end
    }

    /// Takes a run apart at underscores and where the case changes.
    fn identifier(&mut self, text: &str, run: Range<usize>, found: &mut impl FnMut(Piece, &str, Range<usize>)) {
        self.joined.clear();
        self.parts.clear();
        let mut part = (0, run.start);
        let mut before = ' ';
        let mut chars = text[run.clone()].char_indices().peekable();
        while let Some((offset, c)) = chars.next() {
            let at = run.start + offset;
            if c == '_' {
                self.close(part, at);
                part = (self.joined.len(), at + 1);
                before = ' ';
                continue;
            }
            if is_mark(c) {
                continue;
            }
            let is_next_lower = chars.peek().is_some_and(|(_, next)| next.is_lowercase());
            let is_new = c.is_uppercase()
                && (before.is_lowercase() || before.is_numeric() || before.is_uppercase() && is_next_lower);
            if is_new {
                self.close(part, at);
                part = (self.joined.len(), at);
            }
            self.joined.push(fold(c));
            before = c;
        }
        self.close(part, run.end);
        for (word, place) in &self.parts {
            if word.len() <= WORD_BYTES_MAX {
                found(Piece::Part, &self.joined[word.clone()], place.clone());
            }
        }
        if self.parts.len() > 1 && self.joined.len() <= WORD_BYTES_MAX {
            found(Piece::Whole, &self.joined, run);
        }
    }

    fn close(&mut self, (word, place): (usize, usize), end: usize) {
        if self.joined.len() > word {
            self.parts.push((word..self.joined.len(), place..end));
        }
    }
}

/// Whether it is a letter or digit. Arrows, lines of tables and the like are decided without looking them up.
fn is_letter(c: char) -> bool {
    !matches!(c, '\u{2010}'..='\u{205E}' | '\u{2190}'..='\u{23FF}' | '\u{2500}'..='\u{2757}') && c.is_alphanumeric()
}

/// A run of characters that are written without blanks. Returns where it ends.
fn pairs(text: &str, start: usize, found: &mut impl FnMut(Piece, &str, Range<usize>)) -> usize {
    let mut before: Option<usize> = None;
    let mut at = start;
    let mut is_single = true;
    for c in text[start..].chars() {
        if !is_paired(c) {
            break;
        }
        let end = at + c.len_utf8();
        if let Some(before) = before {
            found(Piece::Part, &text[before..end], before..end);
            is_single = false;
        }
        before = Some(at);
        at = end;
    }
    if let Some(last) = before {
        found(if is_single { Piece::Part } else { Piece::Tail }, &text[last..at], last..at);
    }
    at
}

/// A quick hash of a word, never zero. Not for data that somebody could gain from colliding: a collision hides one word of one row.
#[inline]
pub(crate) fn hash(word: &[u8]) -> u64 {
    const ONE: u64 = 0x9E37_79B9_7F4A_7C15;
    const TWO: u64 = 0xD6E8_FEB8_6659_FD93;
    let mix = |a: u64, b: u64| {
        let wide = u128::from(a) * u128::from(b);
        (wide as u64) ^ ((wide >> 64) as u64)
    };
    let mut state = ONE ^ word.len() as u64;
    let (chunks, tail) = word.as_chunks::<8>();
    for chunk in chunks {
        state = mix(state ^ u64::from_le_bytes(*chunk), TWO);
    }
    let mut last = 0_u64;
    for byte in tail {
        last = last << 8 | u64::from(*byte);
    }
    mix(state ^ last, TWO).max(1)
}

/// Hashes that were met: open addressing, zero is empty.
#[derive(Debug, Default)]
struct Seen {
    slots: Vec<u64>,
    /// Slots in use, so that clearing costs as much as was put in.
    used: Vec<u32>,
}

impl Seen {
    /// Whether it was not there.
    #[inline]
    fn insert(&mut self, hash: u64) -> bool {
        if self.used.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        for _ in 0..PROBES_MAX {
            if self.slots[at] == hash {
                return false;
            }
            if self.slots[at] == 0 {
                self.slots[at] = hash;
                self.used.push(at as u32);
                return true;
            }
            at = (at + 1) & mask;
        }
        true
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(256);
        let old = std::mem::replace(&mut self.slots, vec![0; size]);
        self.used.clear();
        for hash in old.into_iter().filter(|hash| *hash != 0) {
            self.insert(hash);
        }
    }

    fn clear(&mut self) {
        if self.slots.len() > SLOTS_KEPT {
            *self = Self::default();
            return;
        }
        for at in self.used.drain(..) {
            self.slots[at as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests;
