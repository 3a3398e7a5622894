//! Search over everything that was said, called and returned.
//!
//! Words are looked up in the index (identifiers split at case and underscore, Chinese, Japanese and Korean as pairs of
//! characters); what the index proposes is then compared with the text itself, which also finds phrases, fields and the place to show.
//! Substrings and regular expressions read the text of candidate sessions.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::archive::{Archive, ArchiveError, SessionRow};
use crate::list::Filter;
use crate::model::{Block, Role};

pub mod words;

mod candidates;
mod query;
mod snippet;
mod verify;
mod wanted;

pub use wanted::{Spot, Wanted, Word};

use candidates::Candidate;
use query::Meaning;
use verify::Found;

/// Places that match are ranked, the newest so many.
const PLACES_MAX: usize = 500;

/// Bytes of text that are compared with the query, when the index proposes them: once there are enough places, and at most.
const ENOUGH_BYTES: usize = 1024 * 1024;
const COMPARED_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How the query is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Words, "phrases in quotes", `begin*`, `-without`.
    #[default]
    Words,
    /// This text, anywhere, case as given only if it has upper case.
    Substring,
    /// A regular expression.
    Regex,
}

/// Where to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// What user and agent say.
    Text,
    /// Reasoning.
    Thinking,
    /// Inputs of tools.
    Input,
    /// Outputs of tools.
    Output,
}

/// What is asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// The query.
    pub text: String,
    /// How it is meant.
    pub kind: Kind,
    /// Which sessions.
    pub filter: Filter,
    /// Only in these; empty: everywhere.
    pub fields: Vec<Field>,
    /// Only what this role says.
    pub role: Option<Role>,
    /// Leave out so many hits, for the next page.
    pub offset: usize,
    /// At most so many hits.
    pub limit: usize,
}

/// A place that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// The session.
    pub session: SessionRow,
    /// The message.
    pub ordinal: u32,
    /// The call in it.
    pub call: Option<u32>,
    /// Where.
    pub field: Field,
    /// Who speaks.
    pub role: Role,
    /// The text around, without line breaks.
    pub snippet: String,
    /// What matches in it, in characters.
    pub highlights: Vec<std::ops::Range<usize>>,
    /// Its rank; greater is better.
    pub score: f64,
}

/// Hits, best first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hits {
    /// The hits.
    pub hits: Vec<Hit>,
    /// Whether there are more.
    pub has_more: bool,
    /// Whether the search looked at the newest candidates only, because there were too many.
    pub is_bounded: bool,
}

/// Why a search could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The query means nothing.
    #[error("cannot search for {query:?}: {why}")]
    Query {
        /// The query.
        query: String,
        /// Why.
        why: String,
    },
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Archive {
    /// Searches.
    ///
    /// # Errors
    /// [`SearchError`].
    pub fn search(&self, query: &Query) -> Result<Hits, SearchError> {
        let meaning = query::meaning_of(query)?;
        let failed = self.db.failed();
        let mut ranked = Vec::new();
        let end = query.offset.saturating_add(query.limit);
        let wanted = end.saturating_add(1);
        let (mut bytes, mut error) = (0, None);
        let is_bounded = candidates::propose(self, query, &meaning, &mut |candidate| {
            let texts = match self.texts(&candidate) {
                Ok(texts) => texts,
                Err(failure) => {
                    error = Some(failure);
                    return Ok(false);
                }
            };
            bytes += texts.iter().map(|part| part.text.len()).sum::<usize>();
            ranked.extend(look(query, &meaning, &candidate, &texts, ranked.len()));
            let is_enough = ranked.len() >= wanted && bytes >= ENOUGH_BYTES;
            let is_too_much = ranked.len() == PLACES_MAX.max(wanted) || bytes >= COMPARED_BYTES_MAX;
            Ok(candidate.with_results && ranked.len() < PLACES_MAX.max(wanted) || !(is_enough || is_too_much))
        })
        .map_err(|error| ArchiveError::from(failed(error)))?;
        if let Some(error) = error {
            return Err(error.into());
        }
        // Stable: of equals, the newest stays first.
        ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
        let has_more = ranked.len() > end;
        let mut sessions: HashMap<i64, SessionRow> = HashMap::new();
        let mut hits = Vec::new();
        for place in ranked.into_iter().skip(query.offset).take(query.limit) {
            let session = match sessions.get(&place.session) {
                Some(session) => session.clone(),
                None => {
                    let Some(session) = self.session(place.session)? else { continue };
                    sessions.insert(place.session, session.clone());
                    session
                }
            };
            hits.push(Hit {
                session,
                ordinal: place.ordinal,
                call: place.call,
                field: place.field,
                role: place.role,
                snippet: place.snippet,
                highlights: place.highlights,
                score: place.score,
            });
        }
        Ok(Hits { hits, has_more, is_bounded })
    }
}

/// A hit before its session is known.
#[derive(Debug, PartialEq)]
struct Place {
    session: i64,
    ordinal: u32,
    call: Option<u32>,
    field: Field,
    role: Role,
    snippet: String,
    highlights: Vec<std::ops::Range<usize>>,
    score: f64,
}

/// A text of a row.
struct Part<'p> {
    field: Field,
    call: Option<u32>,
    text: Cow<'p, str>,
}

/// Compares a candidate with the query: all texts of the row together must hold it, the best of them is shown.
fn look(query: &Query, meaning: &Meaning, candidate: &Candidate, parts: &[Part<'_>], age: usize) -> Option<Place> {
    let (weight, part, found) = best_of(meaning, &query.fields, parts)?;
    let (snippet, highlights) = snippet::snippet(&part.text, &found.places);
    let by_user = if candidate.role == Role::User && part.field == Field::Text { 1.2 } else { 1.0 };
    // Newer rows are worth up to half as much again.
    let recency = 1.0 + 0.5 / (1.0 + age as f64 / 50.0);
    Some(Place {
        session: candidate.session,
        ordinal: candidate.ordinal,
        call: part.call,
        field: part.field,
        role: candidate.role,
        snippet,
        highlights,
        score: weight * by_user * recency,
    })
}

/// The part that is shown, what is found in it, and the weight of all parts, when these together hold what is looked for. Only
/// `fields` count; none: all do.
fn best_of<'p>(meaning: &Meaning, fields: &[Field], parts: &'p [Part<'p>]) -> Option<(f64, &'p Part<'p>, Found)> {
    let needed = match meaning {
        Meaning::Terms { groups, .. } => u32::MAX >> (32 - groups.len()),
        Meaning::Expression { .. } => 1,
    };
    let mut groups = 0;
    let mut weight = 0.0;
    let mut best: Option<(f64, &Part<'_>, Found)> = None;
    for part in parts {
        if !fields.is_empty() && !fields.contains(&part.field) {
            continue;
        }
        let found = verify::find(meaning, &part.text);
        if found.is_refused {
            return None;
        }
        groups |= found.groups;
        // Many matches say more than one, but not in proportion.
        let score = found.weight.ln_1p() * factor(part.field);
        weight += score;
        if found.groups != 0 && best.as_ref().is_none_or(|(most, ..)| score > *most) {
            best = Some((score, part, found));
        }
    }
    let (_, part, found) = best.filter(|_| groups == needed)?;
    Some((weight, part, found))
}

fn factor(field: Field) -> f64 {
    match field {
        Field::Text => 1.0,
        Field::Thinking => 0.8,
        Field::Input => 0.7,
        Field::Output => 0.5,
    }
}

/// The text of a block.
fn part(block: Block) -> Option<Part<'static>> {
    let (field, call, text) = match block {
        Block::Text(text) => (Field::Text, None, text),
        Block::Thinking(text) => (Field::Thinking, None, text),
        Block::Call(call) => (Field::Input, Some(call.index), words::unescaped(&call.input).into_owned()),
        Block::Image(_) | Block::Other { .. } => return None,
    };
    Some(Part { field, call, text: text.into() })
}

impl Archive {
    /// The texts of a row.
    fn texts(&self, candidate: &Candidate) -> Result<Vec<Part<'static>>, ArchiveError> {
        if let Some(call) = candidate.call {
            let text = self.result_text(candidate.n)?;
            return Ok(vec![Part { field: Field::Output, call: Some(call), text: text.into() }]);
        }
        let mut parts: Vec<Part<'_>> = self.blocks(candidate.n)?.into_iter().filter_map(part).collect();
        if candidate.with_results {
            for (call, text) in self.result_texts(candidate.session, candidate.ordinal)? {
                parts.push(Part { field: Field::Output, call: Some(call), text: text.into() });
            }
        }
        Ok(parts)
    }
}

#[cfg(test)]
mod tests;
