//! Finds keywords in text, whatever their case: a look at three bytes in a row tells whether one may begin there.

use std::collections::BTreeMap;

/// How many kinds of bytes are told apart, as a power of two.
const CLASS_BITS: u32 = 6;

/// All pairs of kinds.
const PAIRS: usize = 1 << (2 * CLASS_BITS);

/// How many places are looked at in one go.
const STEP: usize = 8;

/// A keyword in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its place in the list.
    pub(crate) keyword: u32,
    /// Its first byte.
    pub(crate) start: usize,
    /// Behind its last byte.
    pub(crate) end: usize,
}

/// Looks for many keywords at once.
pub(crate) struct Keywords {
    words: Vec<&'static str>,
    /// The kind of each byte; what is in no keyword is of kind 0.
    classes: [u8; 256],
    /// The same as one bit.
    bits: [u64; 256],
    /// For each pair of kinds, those that with it begin a keyword.
    begins: Box<[u64; PAIRS]>,
    /// For each pair of kinds, how many triples of earlier pairs begin a keyword.
    ranks: Box<[u16; PAIRS]>,
    /// The keywords that begin with each of these triples, in order.
    buckets: Vec<Bucket>,
}

/// The keywords that begin with one triple.
#[derive(Debug, Default)]
struct Bucket {
    words: Vec<u32>,
    /// One bit for each kind of byte that may follow the triple.
    fourth: u64,
}

impl std::fmt::Debug for Keywords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keywords({})", self.words.len())
    }
}

impl Keywords {
    /// Looks for `words`, which are in lower case and two bytes long or longer.
    pub(crate) fn new(words: Vec<&'static str>) -> Self {
        let mut classes = [0_u8; 256];
        let mut next = 1;
        for byte in words.iter().flat_map(|word| word.bytes()) {
            let class = &mut classes[usize::from(byte)];
            if *class == 0 {
                *class = next;
                // Kinds that run out are shared: each keyword is compared in the end.
                next = (next + 1).min((1 << CLASS_BITS) - 1);
            }
        }
        for letter in b'a'..=b'z' {
            classes[usize::from(letter.to_ascii_uppercase())] = classes[usize::from(letter)];
        }
        let mut triples: BTreeMap<(usize, u8), Bucket> = BTreeMap::new();
        for (word, idx) in words.iter().zip(0_u32..) {
            let word = word.as_bytes();
            let class = |at: usize| classes[usize::from(word[at])];
            // Two bytes begin as many triples as there are kinds.
            let thirds = if word.len() > 2 { class(2)..class(2) + 1 } else { 0..1 << CLASS_BITS };
            for third in thirds {
                let bucket = triples.entry((pair(class(0), class(1)), third)).or_default();
                bucket.words.push(idx);
                bucket.fourth |= word.get(3).map_or(u64::MAX, |byte| 1 << classes[usize::from(*byte)]);
            }
        }
        let (mut begins, mut ranks) = (Box::new([0; PAIRS]), Box::new([0; PAIRS]));
        for (pair, third) in triples.keys() {
            begins[*pair] |= 1 << third;
        }
        let mut rank = 0;
        for (rank_of, begins) in ranks.iter_mut().zip(begins.iter()) {
            *rank_of = rank;
            rank += u16::try_from(u64::count_ones(*begins)).unwrap_or(0);
        }
        let bits = classes.map(|class| 1 << class);
        Self { words, classes, bits, begins, ranks, buckets: triples.into_values().collect() }
    }

    /// The keyword at a place of the list.
    pub(crate) fn word(&self, keyword: u32) -> &'static str {
        self.words[keyword as usize]
    }

    /// Hands each keyword in `text` to `take`, by their starts.
    pub(crate) fn find(&self, text: &[u8], mut take: impl FnMut(Found)) {
        let mut start = 0;
        while let Some(bytes) = text.get(start..).and_then(|rest| rest.first_chunk::<{ STEP + 2 }>()) {
            let mut begins = 0_u32;
            for at in 0..STEP {
                let begin = self.begins[self.pair(bytes[at], bytes[at + 1])] & self.bits[usize::from(bytes[at + 2])];
                begins |= u32::from(begin != 0) << at;
            }
            while begins != 0 {
                self.at(text, start + begins.trailing_zeros() as usize, &mut take);
                begins &= begins - 1;
            }
            start += STEP;
        }
        for start in start..text.len().saturating_sub(1) {
            if self.begins[self.pair(text[start], text[start + 1])] & self.bit(text.get(start + 2)) != 0 {
                self.at(text, start, &mut take);
            }
        }
    }

    fn pair(&self, first: u8, second: u8) -> usize {
        pair(self.classes[usize::from(first)], self.classes[usize::from(second)])
    }

    /// The kind of a byte as one bit. The end of a text is like what is in no keyword.
    fn bit(&self, byte: Option<&u8>) -> u64 {
        byte.map_or(1, |byte| self.bits[usize::from(*byte)])
    }

    /// Hands over the keywords that begin at `start`, where one may.
    #[inline(never)]
    fn at(&self, text: &[u8], start: usize, take: &mut impl FnMut(Found)) {
        let pair = self.pair(text[start], text[start + 1]);
        let before = self.begins[pair] & (self.bit(text.get(start + 2)) - 1);
        let bucket = &self.buckets[usize::from(self.ranks[pair]) + before.count_ones() as usize];
        if bucket.fourth & self.bit(text.get(start + 3)) == 0 {
            return;
        }
        for keyword in &bucket.words {
            let word = self.words[*keyword as usize].as_bytes();
            let end = start + word.len();
            if text.get(start..end).is_some_and(|found| found.eq_ignore_ascii_case(word)) {
                take(Found { keyword: *keyword, start, end });
            }
        }
    }
}

/// Two kinds as one number.
fn pair(first: u8, second: u8) -> usize {
    (usize::from(first) << CLASS_BITS | usize::from(second)) & (PAIRS - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn keywords_are_found_as_by_looking_at_each_place(text in "[a-cA-C:/ é-]{0,40}") {
            let words = ["ab", "abc", "abca", "cab", "-a", "://", "bbbb", "c:/", "aab", "ca"];
            let starts_with = |at: usize, word: &str| {
                let here = text.as_bytes().get(at..at + word.len());
                here.is_some_and(|here| here.eq_ignore_ascii_case(word.as_bytes()))
            };
            let at = |at: usize| words.into_iter().filter(move |word| starts_with(at, word)).map(move |word| (word, at));
            let expected: Vec<_> = (0..text.len()).flat_map(at).collect();
            prop_assert_eq!(found(&words, &text), expected);
        }
    }

    fn found(words: &[&'static str], text: &str) -> Vec<(&'static str, usize)> {
        let keywords = Keywords::new(words.to_vec());
        let mut all = Vec::new();
        keywords.find(text.as_bytes(), |found| all.push((keywords.word(found.keyword), found.start)));
        all
    }

    #[test]
    fn every_keyword_is_found_at_every_place() {
        let words = ["x-", "token", "tok", "://", "aaaa", "-----begin"];
        assert_eq!(found(&words, "x-"), [("x-", 0)]);
        assert_eq!(found(&words, "aX-"), [("x-", 1)]);
        assert_eq!(found(&words, "TOKEN"), [("token", 0), ("tok", 0)]);
        assert_eq!(found(&words, "é tok ://"), [("tok", 3), ("://", 7)]);
        assert_eq!(found(&words, "aaaaaa"), [("aaaa", 0), ("aaaa", 1), ("aaaa", 2)]);
        assert_eq!(found(&words, "------BEGIN x"), [("-----begin", 1)]);
        for text in ["", "x", "-", "to", "x ", "aaa"] {
            assert_eq!(found(&words, text), [], "{text:?}");
        }
    }

    #[test]
    fn more_kinds_of_bytes_than_there_are_numbers_do_no_harm() {
        let all: Vec<&'static str> =
            vec!["abcdefghijklmnopqrstuvwxyz0123456789", "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", "\u{1}\u{2}\u{3}\u{4}"];
        for word in &all {
            assert_eq!(found(&all, &format!("{word}.")), [(*word, 0)]);
        }
    }
}
