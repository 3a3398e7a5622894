//! A session, masked, beside what was said of it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Limits;
use super::super::burst::{self, Part};
use super::super::payload::{self, Name, UnsayableError};
use super::{AttemptError, Source, remembered};
use crate::archive::facts::SessionFacts;
use crate::archive::{SessionRow, StoredMessage};
use crate::mask::pieces::{Bucket, Known, MaskedHead, Masking};

/// What there is to say of a session.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) name: Name,
    /// The facts as JSON; `None` when they cannot be said.
    pub(super) facts: Option<String>,
    /// Messages that were not said like this.
    pub(super) out: Vec<Part>,
    /// How many were said otherwise.
    pub(super) changed: usize,
    /// What cannot be said, and why.
    pub(super) skipped: Vec<(Option<u32>, String)>,
    /// What to remember: buckets of which everything is said.
    pub(super) known: Known,
    /// Whether nothing is left to say.
    pub(super) is_complete: bool,
}

impl Attempt {
    /// Masks what must be looked at, and compares it with the hashes of what was said. No more than about `bytes` are to be
    /// said, but all that was said is compared.
    pub(super) fn make(
        source: Source<'_>,
        row: &SessionRow,
        mut facts: SessionFacts,
        known: Option<&Known>,
        said: &BTreeMap<u32, i64>,
        bytes: u64,
    ) -> Result<Self, AttemptError> {
        let mut texts = vec![row.agent.as_str().to_owned()];
        facts.each_text(&mut |text| texts.push(text.clone()));
        let Source { archive, redactor, limits } = source;
        let key = remembered::key(redactor);
        let mut masking = Masking::begin(archive, row, &[], &facts.links, texts, redactor, &key, known)?;
        let name = put_back(&mut facts, masking.head());
        let mut attempt = Self {
            name,
            facts: None,
            out: Vec::new(),
            changed: 0,
            skipped: Vec::new(),
            known: Known::default(),
            is_complete: true,
        };
        match payload::encode_facts(&facts).and_then(|json| sized(json, limits)) {
            Ok(json) => attempt.facts = Some(json),
            Err(error) => attempt.skipped.push((None, error.to_string())),
        }
        let last_said = said.keys().next_back().copied();
        let (mut weight, mut unfinished) = (0u64, BTreeSet::new());
        let mut out = Vec::new();
        while let Some(piece) = masking.next_piece()? {
            let mut last = 0;
            for (bucket, messages) in piece.buckets {
                for message in messages {
                    last = message.message.ordinal;
                    let Some(json) = attempt.json(&message, limits) else { continue };
                    match said.get(&last) {
                        Some(known) if *known == payload::hash(&json) => continue,
                        Some(_) => attempt.changed += 1,
                        None => {}
                    }
                    if weight >= bytes {
                        unfinished.insert(bucket);
                        continue;
                    }
                    weight = weight.saturating_add(json.len() as u64);
                    out.push((last, json));
                }
            }
            // Nothing behind this was ever said, so that nothing more can have changed.
            if !unfinished.is_empty() && last_said.is_none_or(|said| last > said) {
                break;
            }
        }
        attempt.out = burst::parts(out, limits);
        attempt.is_complete = unfinished.is_empty();
        attempt.known = masking.finish();
        attempt.known.buckets.retain(|bucket: &Bucket, _| !unfinished.contains(bucket));
        Ok(attempt)
    }

    fn json(&mut self, message: &StoredMessage, limits: Limits) -> Option<String> {
        match payload::encode_message(message).and_then(|json| sized(json, limits)) {
            Ok(json) => Some(json),
            Err(error) => {
                self.skipped.push((Some(message.message.ordinal), error.to_string()));
                None
            }
        }
    }
}

/// A text that readers take.
fn sized(json: String, limits: Limits) -> Result<String, UnsayableError> {
    payload::check_size(json.len(), limits.piece_bytes).map(|()| json)
}

/// Puts the masked texts where they came from, and says what the session goes by.
fn put_back(facts: &mut SessionFacts, head: &MaskedHead) -> Name {
    let mut texts = head.texts.iter();
    let agent = texts.next().cloned().unwrap_or_default();
    facts.each_text(&mut |text| {
        // As many come back as were handed in, in the same order; a text without its masked form must not leave.
        *text = texts.next().cloned().unwrap_or_default();
    });
    facts.links = head.links.clone();
    Name { origin: head.session.origin.clone(), agent, native: head.session.native.0.clone() }
}
