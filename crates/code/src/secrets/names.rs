//! Tokens in names of files, folders and branches, and in messages that repeat such names.

use super::tokens;

/// Shorter than any token, in bytes. Most names are, and are passed over at once.
const TOKEN_BYTES_MIN: usize = 24;

/// The tokens in a name, or in the words of a text: what each is, and its bytes. In a name a token may follow what would make it a
/// part of a longer word elsewhere: `old-TOKEN`, `folder/TOKEN.txt`.
pub(crate) fn tokens(text: &[u8]) -> Vec<(&'static str, &[u8])> {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || b"/\"'`<>()".contains(byte);
    text.split(ends).filter(|word| word.len() >= TOKEN_BYTES_MIN).flat_map(in_word).collect()
}

fn in_word(word: &[u8]) -> impl Iterator<Item = (&'static str, &[u8])> {
    let begins = move |at: &usize| at.checked_sub(1).is_none_or(|before| !word[before].is_ascii_alphanumeric());
    (0..word.len()).filter(begins).filter_map(move |at| tokens::first(&word[at..]))
}
