//! What a query means.

use regex::{Regex, RegexBuilder};

use super::words::{Piece, hash, pieces};
use super::{Kind, Query, SearchError};

/// A query of more bytes is refused.
const QUERY_BYTES_MAX: usize = 4096;

/// A query of more terms is refused.
const TERMS_MAX: usize = 32;

/// A compiled expression may take so many bytes.
const REGEX_BYTES_MAX: usize = 1 << 20;

/// A word, an identifier, or a phrase: words that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Term {
    /// The words, as the index has them.
    pub(super) parts: Vec<String>,
    /// Their hashes.
    pub(super) hashes: Vec<u64>,
    /// For an identifier: its parts joined.
    pub(super) whole: Option<String>,
    /// Whether the last word only begins like this.
    pub(super) is_prefix: bool,
    /// Whether it was in quotes.
    pub(super) is_phrase: bool,
}

/// What is looked for.
#[derive(Debug)]
pub(super) enum Meaning {
    /// One of the terms of each group, and none of those without.
    Terms {
        /// All of these groups; of each, one.
        groups: Vec<Vec<Term>>,
        /// None of these.
        without: Vec<Term>,
    },
    /// An expression, or a text made into one.
    Expression {
        /// The expression.
        regex: Regex,
    },
}

/// Reads a query.
///
/// # Errors
/// [`SearchError::Query`].
pub(super) fn meaning_of(query: &Query) -> Result<Meaning, SearchError> {
    let text = query.text.as_str();
    let refuse = |why: &str| {
        let shown: String = text.chars().take(80).collect();
        SearchError::Query { query: shown, why: why.to_owned() }
    };
    if text.len() > QUERY_BYTES_MAX {
        return Err(refuse("it is too long: 4096 bytes are the most"));
    }
    if text.trim().is_empty() {
        return Err(refuse("it is empty"));
    }
    match query.kind {
        Kind::Words => words(text).map_err(refuse),
        Kind::Substring => {
            let is_exact = text.chars().any(char::is_uppercase);
            expression(&regex::escape(text), !is_exact).map_err(|why| refuse(&why))
        }
        Kind::Regex => expression(text, false).map_err(|why| refuse(&why)),
    }
}

fn expression(pattern: &str, is_caseless: bool) -> Result<Meaning, String> {
    let regex = RegexBuilder::new(pattern)
        .case_insensitive(is_caseless)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(Meaning::Expression { regex })
}

fn words(text: &str) -> Result<Meaning, &'static str> {
    let mut groups: Vec<Vec<Term>> = Vec::new();
    let mut without = Vec::new();
    let mut is_or = false;
    let mut rest = text.trim_start();
    let mut count = 0;
    while !rest.is_empty() {
        let is_without = rest.starts_with('-') && !rest[1..].starts_with(char::is_whitespace);
        let body = if is_without { &rest[1..] } else { rest };
        let (token, is_phrase, after) = match body.strip_prefix('"') {
            // A quote that is not closed goes to the end.
            Some(quoted) => {
                let end = quoted.find('"').unwrap_or(quoted.len());
                (&quoted[..end], true, quoted.get(end + 1..).unwrap_or(""))
            }
            None => {
                let end = body.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(body.len());
                (&body[..end], false, &body[end..])
            }
        };
        rest = after.trim_start();
        if !is_phrase && !is_without && token == "OR" && !groups.is_empty() {
            is_or = true;
            continue;
        }
        let Some(term) = term(token, is_phrase) else { continue };
        count += 1;
        if count > TERMS_MAX {
            return Err("it has too many words: 32 are the most");
        }
        match groups.last_mut() {
            _ if is_without => without.push(term),
            Some(group) if is_or => group.push(term),
            _ => groups.push(vec![term]),
        }
        is_or = false;
    }
    if groups.is_empty() {
        return Err("it has no word to look for");
    }
    Ok(Meaning::Terms { groups, without })
}

fn term(token: &str, is_phrase: bool) -> Option<Term> {
    let mut parts = Vec::new();
    let mut wholes = Vec::new();
    pieces(token, &mut |piece, word, _| match piece {
        Piece::Part => parts.push(word.to_owned()),
        Piece::Whole => wholes.push(word.to_owned()),
        Piece::Tail => {}
    });
    if parts.is_empty() {
        return None;
    }
    // One character of a script without blanks is the beginning of a pair.
    let is_character = parts.len() == 1 && parts[0].chars().count() == 1 && !parts[0].is_ascii();
    let is_prefix = !is_phrase && (token.ends_with('*') || is_character);
    // Only a token that is one identifier may be met joined.
    let is_identifier = wholes.len() == 1 && token.trim_matches('*').chars().all(|c| c == '_' || c.is_alphanumeric());
    let whole = wholes.pop().filter(|_| is_identifier);
    let hashes = parts.iter().map(|part| hash(part.as_bytes())).collect();
    Some(Term { parts, hashes, whole, is_prefix, is_phrase })
}

impl Meaning {
    /// The question to the index; `None` when it cannot narrow anything.
    pub(super) fn index_query(&self, query: &Query) -> Option<String> {
        let Self::Terms { groups, .. } = self else {
            return (query.kind == Kind::Substring).then(|| inner_words(&query.text)).flatten();
        };
        let groups = groups.iter().map(|group| {
            let terms: Vec<String> = group.iter().map(Term::index_query).collect();
            format!("({})", terms.join(" OR "))
        });
        Some(groups.collect::<Vec<_>>().join(" AND "))
    }
}

/// The words that stand between two gaps of a substring: a text that holds it has them, as words or as identifiers.
fn inner_words(text: &str) -> Option<String> {
    let is_gap = |c: char| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_';
    let start = text.find(is_gap)?;
    let end = text.rfind(is_gap)?;
    let words: Vec<String> = text[start..=end]
        .split(is_gap)
        .filter(|word| word.is_ascii() && word.len() <= super::words::WORD_BYTES_MAX)
        .map(|word| word.replace('_', "").to_ascii_lowercase())
        .filter(|word| !word.is_empty())
        .map(|word| format!("\"{word}\""))
        .take(TERMS_MAX)
        .collect();
    (!words.is_empty()).then(|| words.join(" AND "))
}

impl Term {
    /// Words hold letters and digits only, so that quotes around them are enough.
    fn index_query(&self) -> String {
        let last = self.parts.len() - 1;
        let star = |is_prefix: bool| if is_prefix { "*" } else { "" };
        let parts: Vec<String> = self
            .parts
            .iter()
            .enumerate()
            .map(|(at, part)| format!("\"{part}\"{}", star(self.is_prefix && at == last)))
            .collect();
        match &self.whole {
            Some(whole) => format!("(({}) OR \"{whole}\"{})", parts.join(" AND "), star(self.is_prefix)),
            None => format!("({})", parts.join(" AND ")),
        }
    }
}
