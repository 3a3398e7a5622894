//! Finds keywords in text, whatever their case: a look at three bytes in a row tells whether one may begin there.

/// How many kinds of bytes are told apart, as a power of two.
const CLASS_BITS: u32 = 6;

/// All triples of kinds.
const TRIPLES: usize = 1 << (3 * CLASS_BITS);

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
    /// One bit for each triple that begins a keyword.
    begins: Vec<u64>,
    /// The keywords that begin with each triple, as a place in `buckets`.
    places: Vec<u16>,
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
        let mut this = Self {
            words,
            classes,
            begins: vec![0; TRIPLES / 64],
            places: vec![0; TRIPLES],
            // The first is of those that begin no keyword.
            buckets: vec![Bucket::default()],
        };
        for (idx, word) in this.words.clone().into_iter().zip(0_u32..).map(|(word, idx)| (idx, word.as_bytes())) {
            let class = |at: usize| usize::from(this.classes[usize::from(word[at])]);
            let pair = (class(0) << CLASS_BITS | class(1)) << CLASS_BITS;
            // Two bytes begin as many triples as there are kinds.
            let thirds = if word.len() > 2 { class(2)..class(2) + 1 } else { 0..1 << CLASS_BITS };
            for third in thirds {
                this.add(pair | third, idx);
            }
        }
        this
    }

    fn add(&mut self, triple: usize, word: u32) {
        self.begins[triple / 64] |= 1 << (triple % 64);
        let place = &mut self.places[triple];
        if *place == 0 {
            *place = u16::try_from(self.buckets.len()).unwrap_or(0);
            self.buckets.push(Bucket::default());
        }
        let bucket = &mut self.buckets[usize::from(*place)];
        bucket.words.push(word);
        let fourth = self.words[word as usize].as_bytes().get(3);
        bucket.fourth |= fourth.map_or(u64::MAX, |byte| 1 << self.classes[usize::from(*byte)]);
    }

    /// The keyword at a place of the list.
    pub(crate) fn word(&self, keyword: u32) -> &'static str {
        self.words[keyword as usize]
    }

    /// Hands each keyword in `text` to `take`, by their starts.
    pub(crate) fn find(&self, text: &[u8], mut take: impl FnMut(Found)) {
        let Some(first) = text.first() else { return };
        let mut triple = usize::from(self.classes[usize::from(*first)]);
        // A keyword of two bytes may end the text: one byte that is in no keyword is read behind it.
        let classes = text[1..].iter().map(|byte| self.classes[usize::from(*byte)]).chain([0]);
        classes.enumerate().for_each(|(start, class)| {
            triple = (triple << CLASS_BITS | usize::from(class)) & (TRIPLES - 1);
            if self.begins[triple / 64] >> (triple % 64) & 1 == 1 && start > 0 {
                self.at(text, start - 1, triple, &mut take);
            }
        });
    }

    /// Hands over the keywords that begin at `start`.
    #[inline(never)]
    fn at(&self, text: &[u8], start: usize, triple: usize, take: &mut impl FnMut(Found)) {
        let bucket = &self.buckets[usize::from(self.places[triple])];
        let fourth = text.get(start + 3).map_or(0, |byte| self.classes[usize::from(*byte)]);
        if bucket.fourth >> fourth & 1 == 0 {
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

#[cfg(test)]
mod tests {
    use super::*;

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
