//! The words of a bucket, for full-text search.

use carry_sessions::search::words::Words;

use crate::unit::Body;

/// The words of a bucket take no more bytes: what comes after these is not found.
pub const WORDS_BYTES_MAX: usize = 512 * 1024;

/// Words, each once, in the order in which they come.
#[derive(Default)]
pub(super) struct Collected {
    words: Words,
}

impl Collected {
    /// Adds the words of a text.
    pub(super) fn add(&mut self, text: &str) {
        if !self.is_full() {
            self.words.add(text);
        }
    }

    /// Adds the words of an input.
    pub(super) fn add_input(&mut self, json: &str) {
        if !self.is_full() {
            self.words.add_json(json);
        }
    }

    fn is_full(&self) -> bool {
        self.words.bytes() >= WORDS_BYTES_MAX
    }

    /// The first of them up to the bound, in order of their bytes.
    pub(super) fn into_body(mut self) -> Option<Body> {
        let mut text = String::new();
        self.words.take(&mut text);
        let mut rest = WORDS_BYTES_MAX;
        let kept = text.split_ascii_whitespace().take_while(|word| {
            let is_kept = word.len() <= rest;
            rest = rest.saturating_sub(word.len());
            is_kept
        });
        let mut words: Vec<String> = kept.map(str::to_owned).collect();
        words.sort_unstable();
        words.dedup();
        (!words.is_empty()).then_some(Body::Words(words))
    }
}
