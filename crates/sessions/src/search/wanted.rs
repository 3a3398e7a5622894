//! A query of words, read once and held against messages wherever they lie: an index elsewhere is asked for its words, what that
//! proposes is compared here, by the same rules as in the archive.

use std::ops::Range;

use super::query::{self, Meaning, Term};
use super::{Field, Kind, Part, Query, SearchError, best_of, snippet, words};
use crate::archive::StoredMessage;
use crate::model::{Block, CallRef, Role};

/// What is looked for.
#[derive(Debug)]
pub struct Wanted {
    meaning: Meaning,
}

/// A word that an index is asked for, as [`words::Words`] gives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Word<'w> {
    /// The word: letters and digits, lower case.
    pub text: &'w str,
    /// Whether words that only begin so are meant, too.
    pub is_prefix: bool,
}

/// A place that matches.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot {
    /// The call.
    pub call: Option<u32>,
    /// Where.
    pub field: Field,
    /// Who speaks.
    pub role: Role,
    /// The text around, without line breaks.
    pub snippet: String,
    /// What matches in it, in characters.
    pub highlights: Vec<Range<usize>>,
}

impl Wanted {
    /// Reads a query of [`Kind::Words`].
    ///
    /// # Errors
    /// [`SearchError::Query`].
    pub fn parse(text: &str) -> Result<Self, SearchError> {
        let query = Query { text: text.to_owned(), kind: Kind::Words, ..Query::default() };
        Ok(Self { meaning: query::meaning_of(&query)? })
    }

    /// What an index is to be asked for: of every group one of its alternatives, of that all words. What must not be there is not
    /// in it: only the text can tell.
    pub fn groups(&self) -> Vec<Vec<Vec<Word<'_>>>> {
        match &self.meaning {
            Meaning::Terms { groups, .. } => {
                groups.iter().map(|group| group.iter().flat_map(alternatives).collect()).collect()
            }
            Meaning::Expression { .. } => Vec::new(),
        }
    }

    /// The places in a message: one in what it says and calls, and one in each of its results, that hold all that is looked for.
    pub fn spots(&self, stored: &StoredMessage) -> Vec<Spot> {
        let said: Vec<Part<'_>> = stored.message.blocks.iter().filter_map(part_of).collect();
        let mut spots: Vec<Spot> = self.spot(stored.message.role, &said).into_iter().collect();
        for stored_result in &stored.results {
            let call = match stored_result.result.call {
                CallRef::At { index, .. } => Some(index),
                CallRef::Id(_) => None,
            };
            let output = Part { field: Field::Output, call, text: stored_result.result.content.as_str().into() };
            spots.extend(self.spot(stored.message.role, &[output]));
        }
        spots
    }

    fn spot(&self, role: Role, parts: &[Part<'_>]) -> Option<Spot> {
        let (_, part, found) = best_of(&self.meaning, &[], parts)?;
        let (snippet, highlights) = snippet::snippet(&part.text, &found.places);
        Some(Spot { call: part.call, field: part.field, role, snippet, highlights })
    }
}

/// The words of a term, and for an identifier, itself instead of its parts.
fn alternatives(term: &Term) -> impl Iterator<Item = Vec<Word<'_>>> {
    let last = term.parts.len().saturating_sub(1);
    let parts = term.parts.iter().enumerate();
    let parts = parts.map(|(at, text)| Word { text, is_prefix: term.is_prefix && at == last }).collect();
    let whole = term.whole.as_deref().map(|text| vec![Word { text, is_prefix: term.is_prefix }]);
    std::iter::once(parts).chain(whole)
}

fn part_of(block: &Block) -> Option<Part<'_>> {
    let (field, call, text) = match block {
        Block::Text(text) => (Field::Text, None, text.as_str().into()),
        Block::Thinking(text) => (Field::Thinking, None, text.as_str().into()),
        Block::Call(call) => (Field::Input, Some(call.index), words::unescaped(&call.input)),
        Block::Image(_) | Block::Other { .. } => return None,
    };
    Some(Part { field, call, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::StoredResult;
    use crate::model::{Category, Message, ResultEvent, ResultStatus, ToolCall};

    fn message(blocks: Vec<Block>, output: &str) -> StoredMessage {
        let message = Message {
            ordinal: 3,
            key: None,
            role: Role::Assistant,
            subtype: None,
            is_system: false,
            is_abandoned: false,
            at: None,
            model: None,
            effort: None,
            provider_id: None,
            usage: None,
            blocks,
        };
        let result = ResultEvent {
            call: CallRef::At { ordinal: 3, index: 1 },
            source: String::new(),
            status: ResultStatus::Completed,
            at: None,
            content: output.to_owned(),
            images: Vec::new(),
            content_bytes: 0,
            subagent: None,
        };
        StoredMessage { n: 0, message, results: vec![StoredResult { n: 0, event: 0, result }] }
    }

    fn places(query: &str, message: &StoredMessage) -> Vec<(Field, Option<u32>)> {
        let wanted = Wanted::parse(query).expect("a query");
        wanted.spots(message).into_iter().map(|spot| (spot.field, spot.call)).collect()
    }

    #[test]
    fn an_index_is_asked_for_words_and_not_for_what_must_not_be_there() {
        let wanted = Wanted::parse("readFile* OR \"the end\" 登录 -gone").expect("a query");
        let word = |text| Word { text, is_prefix: false };
        let begin = |text| Word { text, is_prefix: true };
        assert_eq!(
            wanted.groups(),
            [
                vec![vec![word("read"), begin("file")], vec![begin("readfile")], vec![word("the"), word("end")]],
                vec![vec![word("登录")]],
            ]
        );
    }

    #[test]
    fn what_is_said_and_each_result_are_compared_by_themselves() {
        let call = ToolCall {
            index: 1,
            id: String::new(),
            name: "Bash".into(),
            category: Category::Bash,
            input: r#"{"command":"make\nneedle"}"#.into(),
            skill: None,
            subagent: None,
            file: None,
        };
        let message = message(vec![Block::Text("hay and straw".into()), Block::Call(call)], "a needle of steel");
        assert_eq!(places("needle", &message), [(Field::Input, Some(1)), (Field::Output, Some(1))]);
        assert_eq!(places("hay needle", &message).len(), 1);
        assert_eq!(places("hay steel", &message), []);
        assert_eq!(places("needle -steel", &message), [(Field::Input, Some(1))]);
        assert_eq!(places("\"hay and\"", &message), [(Field::Text, None)]);
        assert_eq!(places("\"straw hay\"", &message), []);
    }

    #[test]
    fn a_spot_is_shown_with_what_matches() {
        let spots =
            Wanted::parse("stra*").expect("a query").spots(&message(vec![Block::Text("hay\nstraw".into())], ""));
        assert_eq!(spots[0].snippet, "hay straw");
        assert_eq!((spots[0].highlights.len(), &spots[0].highlights[0]), (1, &(4..9)));
    }

    #[test]
    fn a_query_that_means_nothing_is_refused() {
        for text in ["", "-a", "\"", "*"] {
            assert!(matches!(Wanted::parse(text), Err(SearchError::Query { .. })), "{text:?}");
        }
    }
}
