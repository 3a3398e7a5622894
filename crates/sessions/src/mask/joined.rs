//! Secrets that begin in one text and end in another.
//!
//! Texts that follow each other without anything between them form a run: pieces of an answer, neighbouring messages of one
//! speaker, outputs of one call. What is found in the joined text and lies in more than one of them becomes a placeholder in the
//! first, and vanishes from the others.

use std::ops::Range;

use carry_redact::Finding;

use super::Masking;
use crate::archive::StoredMessage;
use crate::model::{Block, CallRef};

impl Masking<'_> {
    /// Masks what runs across texts.
    pub(super) fn joined(&mut self, messages: &mut [StoredMessage]) {
        let mut run: Vec<&mut String> = Vec::new();
        let mut last = None;
        let mut outputs: Vec<Vec<&mut String>> = Vec::new();
        for stored in messages {
            for block in &mut stored.message.blocks {
                let (what, text) = match block {
                    Block::Text(text) => ((stored.message.role, false), text),
                    Block::Thinking(text) => ((stored.message.role, true), text),
                    Block::Call(_) | Block::Image(_) | Block::Other { .. } => {
                        self.run(&mut run);
                        last = None;
                        continue;
                    }
                };
                if last != Some(what) {
                    self.run(&mut run);
                    last = Some(what);
                }
                run.push(text);
            }
            let mut call = None;
            for result in &mut stored.results {
                let of = match &result.result.call {
                    CallRef::At { ordinal, index } => Some((*ordinal, *index)),
                    CallRef::Id(_) => None,
                };
                match outputs.last_mut() {
                    Some(events) if of.is_some() && of == call => events.push(&mut result.result.content),
                    _ => outputs.push(vec![&mut result.result.content]),
                }
                call = of;
            }
        }
        self.run(&mut run);
        for mut events in outputs {
            self.run(&mut events);
        }
    }

    /// Masks what runs across the texts of a run, and empties the run.
    fn run(&mut self, run: &mut Vec<&mut String>) {
        if run.len() > 1 {
            let joined: String = run.iter().map(|text| text.as_str()).collect();
            let starts = starts(run);
            let masked = self.redactor.text(&joined);
            let crossing: Vec<Finding> =
                masked.findings.into_iter().filter(|finding| crosses(&starts, &finding.span)).collect();
            // From the end, so that places before it stay true.
            for finding in crossing.iter().rev() {
                cut(run, &starts, finding);
            }
            self.remember(&joined, &crossing);
            self.findings.extend(crossing);
        }
        run.clear();
    }
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

/// Puts a placeholder where the finding begins, and takes the rest of it out.
fn cut(run: &mut [&mut String], starts: &[usize], finding: &Finding) {
    let placeholder = carry_redact::placeholder(finding.rule, finding.fingerprint);
    let first = starts.partition_point(|start| *start <= finding.span.start).saturating_sub(1);
    for (i, start) in starts.iter().enumerate().skip(first).take_while(|(_, start)| **start < finding.span.end) {
        let text = &mut *run[i];
        let from = finding.span.start.saturating_sub(*start).min(text.len());
        let to = (finding.span.end - start).min(text.len());
        if text.is_char_boundary(from) && text.is_char_boundary(to) {
            text.replace_range(from..to, if i == first { &placeholder } else { "" });
        }
    }
}
