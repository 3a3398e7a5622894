//! Secrets that begin in one text and end in another.
//!
//! Texts that follow each other without anything between them form a run: pieces of an answer, neighbouring messages of one
//! speaker, outputs of one call. What is found in the joined text and lies in more than one of them becomes a placeholder in the
//! first, and vanishes from the others. A secret that is found in the first text alone ends there when the next begins with a word:
//! people end a message with a password, and begin the next.

use std::ops::Range;

use carry_redact::{Finding, Redactor};

use super::look::Values;
use crate::archive::{StoredMessage, StoredResult};
use crate::model::{Block, CallRef, Role};

/// What the texts of a run have in common: who speaks, and whether they are thoughts.
pub(super) type Kind = (Role, bool);

/// Which run a block of this speaker belongs to; `None`: it ends any.
pub(super) fn kind_of(role: Role, block: &Block) -> Option<Kind> {
    match block {
        Block::Text(_) => Some((role, false)),
        Block::Thinking(_) => Some((role, true)),
        Block::Call(_) | Block::Image(_) | Block::Other { .. } => None,
    }
}

/// Whether a run of texts could go from `before` over into the message that follows it. Where it says no, none does.
pub fn is_joined(before: &StoredMessage, after: &StoredMessage) -> bool {
    match (edge(before, before.message.blocks.last()), edge(after, after.message.blocks.first())) {
        (Edge::Kind(before), Edge::Kind(after)) => before == after,
        (before, after) => before != Edge::Closed && after != Edge::Closed,
    }
}

/// Whether a run of texts could go on behind this message.
pub fn ends_open(message: &StoredMessage) -> bool {
    edge(message, message.message.blocks.last()) != Edge::Closed
}

/// Whether a run of texts that began before this message could go on in it.
pub fn starts_open(message: &StoredMessage) -> bool {
    edge(message, message.message.blocks.first()) != Edge::Closed
}

/// What a message begins or ends with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edge {
    /// What ends any run.
    Closed,
    /// A text of such a run.
    Kind(Kind),
    /// It says nothing: runs go past it.
    Empty,
}

fn edge(stored: &StoredMessage, block: Option<&Block>) -> Edge {
    match block {
        None => Edge::Empty,
        Some(block) => kind_of(stored.message.role, block).map_or(Edge::Closed, Edge::Kind),
    }
}

/// Masks what runs across outputs of one call.
pub(super) fn outputs(redactor: &Redactor, values: &mut Values, results: &mut [StoredResult]) -> Vec<Finding> {
    let of = |result: &StoredResult| match &result.result.call {
        CallRef::At { ordinal, index } => Some((*ordinal, *index)),
        CallRef::Id(_) => None,
    };
    let mut findings = Vec::new();
    for events in results.chunk_by_mut(|one, next| of(one).is_some() && of(one) == of(next)) {
        let mut run: Vec<&mut String> = events.iter_mut().map(|event| &mut event.result.content).collect();
        findings.extend(across(redactor, values, &mut run).into_iter().map(|(_, finding)| finding));
    }
    findings
}

/// Masks what runs across the texts of a run. Says what was found, each with the text that it begins in.
pub(super) fn across(redactor: &Redactor, values: &mut Values, run: &mut [&mut String]) -> Vec<(usize, Finding)> {
    if run.len() < 2 {
        return Vec::new();
    }
    let joined: String = run.iter().map(|text| text.as_str()).collect();
    let starts = starts(run);
    let masked = redactor.text(&joined);
    let mut crossing = masked.findings;
    crossing.retain(|finding| {
        crosses(&starts, &finding.span) && !ends_at_border(redactor, values, &*run, &starts, &joined, &finding.span)
    });
    // From the end, so that places before it stay true.
    for finding in crossing.iter().rev() {
        cut(run, &starts, finding);
    }
    values.learn(&joined, &crossing);
    crossing.into_iter().map(|finding| (text_at(&starts, finding.span.start), finding)).collect()
}

/// Where each text begins in the joined one.
fn starts(run: &[&mut String]) -> Vec<usize> {
    let mut at = 0;
    run.iter()
        .map(|text| {
            let start = at;
            at += text.len();
            start
        })
        .collect()
}

/// Whether a text begins inside the span.
fn crosses(starts: &[usize], span: &Range<usize>) -> bool {
    let next = starts.partition_point(|start| *start <= span.start);
    starts.get(next).is_some_and(|start| *start < span.end)
}

/// Whether what was found is a secret of the first text alone, behind which the next goes on with a word. What the first text has
/// of it is learned either way.
fn ends_at_border(
    redactor: &Redactor,
    values: &mut Values,
    run: &[&mut String],
    starts: &[usize],
    joined: &str,
    span: &Range<usize>,
) -> bool {
    let first = text_at(starts, span.start);
    let (text, start) = (run[first].as_str(), starts[first]);
    let at_end = |finding: &Finding| finding.span.end == text.len() && start + finding.span.end > span.start;
    let alone: Vec<Finding> = redactor.text(text).findings.into_iter().filter(at_end).collect();
    values.learn(text, &alone);
    let rest = joined.get(start + text.len()..span.end).unwrap_or_default();
    !alone.is_empty() && is_word(rest)
}

/// Whether this is a word of a sentence, or begins an address. Secrets hardly ever go on like that.
fn is_word(text: &str) -> bool {
    if text.starts_with("http://") || text.starts_with("https://") {
        return true;
    }
    let word = text.trim_end_matches(|c: char| c.is_ascii_punctuation());
    let mut letters = word.chars();
    let begins = letters.next().is_some_and(char::is_alphabetic);
    begins && (letters.all(|c| c.is_lowercase() || c == '\'') || word.chars().all(char::is_uppercase))
}

/// The text that this byte lies in.
fn text_at(starts: &[usize], at: usize) -> usize {
    starts.partition_point(|start| *start <= at).saturating_sub(1)
}

/// Puts a placeholder where the finding begins, and takes the rest of it out.
fn cut(run: &mut [&mut String], starts: &[usize], finding: &Finding) {
    let placeholder = carry_redact::placeholder(finding.rule, finding.fingerprint);
    let first = text_at(starts, finding.span.start);
    for (i, start) in starts.iter().enumerate().skip(first).take_while(|(_, start)| **start < finding.span.end) {
        let text = &mut *run[i];
        let from = finding.span.start.saturating_sub(*start).min(text.len());
        let to = (finding.span.end - start).min(text.len());
        if text.is_char_boundary(from) && text.is_char_boundary(to) {
            text.replace_range(from..to, if i == first { &placeholder } else { "" });
        }
    }
}
