//! Both looks, message by message.

use std::collections::BTreeSet;

use carry_redact::{Finding, Redactor};

use super::joined::{self, Kind};
use super::look::{Look, Values};
use crate::archive::{SessionRow, StoredMessage};
use crate::curation::Pin;
use crate::git_links::GitLink;
use crate::model::Block;

/// A message that was looked through.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The message, masked.
    pub message: StoredMessage,
    /// What was found in it, or begins in it and ends in a later one.
    pub findings: Vec<Finding>,
}

/// The first look: masks what shows by itself to be a secret, and learns it. Messages are handed in one after the other and come
/// back when the runs of texts that they take part in are over.
///
/// How a session is cut into pieces changes nothing, as long as all of it is handed in, or at least all messages of each run.
#[derive(Debug)]
pub struct Masker<'r> {
    redactor: &'r Redactor,
    values: Values,
    /// Messages of the run that is open, from the one on that it begins in.
    held: Vec<Looked>,
    held_weight: usize,
    open: Option<Open>,
}

/// A run of texts whose end has not come yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    kind: Kind,
    /// Its first block, in the first message that is held.
    from: usize,
}

impl<'r> Masker<'r> {
    /// One that knows nothing yet.
    pub fn new(redactor: &'r Redactor) -> Self {
        Self { redactor, values: Values::default(), held: Vec::new(), held_weight: 0, open: None }
    }

    /// Masks all of a session but its messages.
    pub fn head(&mut self, session: &mut SessionRow, pins: &mut [Pin], links: &mut [GitLink]) -> Vec<Finding> {
        let mut look = Look { redactor: self.redactor, values: Some(&mut self.values), findings: Vec::new() };
        look.head(session, pins, links);
        look.findings
    }

    /// Masks other texts that go with the session.
    pub fn texts(&mut self, texts: &mut [String]) -> Vec<Finding> {
        let mut look = Look { redactor: self.redactor, values: Some(&mut self.values), findings: Vec::new() };
        texts.iter_mut().for_each(|text| look.text(text));
        look.findings
    }

    /// Takes the next message. Those that are done go to `done`, in order.
    pub fn take(&mut self, message: StoredMessage, done: &mut Vec<Looked>) {
        let (role, blocks) = (message.message.role, message.message.blocks.len());
        self.held_weight = self.held_weight.saturating_add(message.weight());
        self.held.push(Looked { message, findings: Vec::new() });
        for at in 0..blocks {
            let block = self.held.last().and_then(|last| last.message.message.blocks.get(at));
            let kind = block.and_then(|block| joined::kind_of(role, block));
            if self.open.is_some_and(|open| Some(open.kind) == kind) {
                continue;
            }
            self.close(at, done);
            self.open = kind.map(|kind| Open { kind, from: at });
        }
        if self.open.is_none() {
            self.release(self.held.len(), done);
        }
    }

    /// The session ends, or goes on somewhere else: the run that is open is over.
    pub fn end(&mut self, done: &mut Vec<Looked>) {
        self.close(usize::MAX, done);
        self.release(self.held.len(), done);
    }

    /// The first message that is held back, and about how many bytes all of them take.
    pub fn held(&self) -> Option<(u32, usize)> {
        self.held.first().map(|first| (first.message.message.ordinal, self.held_weight))
    }

    /// Ends the run that is open before this block of the newest message, and gives out messages before that one.
    fn close(&mut self, end: usize, done: &mut Vec<Looked>) {
        let Some(open) = self.open.take() else { return };
        let Some(last) = self.held.len().checked_sub(1) else { return };
        let (mut run, mut of) = (Vec::new(), Vec::new());
        for (at, looked) in self.held.iter_mut().enumerate() {
            let from = if at == 0 { open.from } else { 0 };
            let to = if at == last { end } else { usize::MAX };
            let texts = looked.message.message.blocks.iter_mut().take(to).skip(from);
            for text in texts.filter_map(|block| match block {
                Block::Text(text) | Block::Thinking(text) => Some(text),
                Block::Call(_) | Block::Image(_) | Block::Other { .. } => None,
            }) {
                run.push(text);
                of.push(at);
            }
        }
        for (text, finding) in joined::across(self.redactor, &mut self.values, &mut run) {
            self.held[of[text]].findings.push(finding);
        }
        self.release(last, done);
    }

    /// Looks at each text of the first so many messages, and gives them out.
    fn release(&mut self, count: usize, done: &mut Vec<Looked>) {
        for mut looked in self.held.drain(..count) {
            self.held_weight = self.held_weight.saturating_sub(looked.message.weight());
            let across = joined::outputs(self.redactor, &mut self.values, &mut looked.message.results);
            looked.findings.extend(across);
            let mut look = Look { redactor: self.redactor, values: Some(&mut self.values), findings: looked.findings };
            look.stored(&mut looked.message);
            looked.findings = look.findings;
            done.push(looked);
        }
        if self.held.is_empty() {
            self.held_weight = 0;
        }
    }

    /// Secrets that were found so far and are looked for elsewhere.
    pub fn values(&self) -> &BTreeSet<String> {
        &self.values.all
    }

    /// How many of the values that were found are too many to be looked for elsewhere.
    pub fn unchecked(&self) -> usize {
        self.values.unchecked
    }

    /// The second look, with what was learned.
    pub fn knowing(self) -> Knowing {
        let values: Vec<String> = self.values.all.into_iter().collect();
        Knowing { redactor: (!values.is_empty()).then(|| self.redactor.clone().knowing(&values)) }
    }
}

/// The second look: masks what the first one found elsewhere in the session, wherever it stands. Each text by itself.
#[derive(Debug)]
pub struct Knowing {
    /// `None` when there is nothing to look for.
    redactor: Option<Redactor>,
}

impl Knowing {
    /// Masks all of a session but its messages, after the first look at it.
    pub fn head(&self, session: &mut SessionRow, pins: &mut [Pin], links: &mut [GitLink]) -> Vec<Finding> {
        let Some(redactor) = &self.redactor else { return Vec::new() };
        let mut look = Look { redactor, values: None, findings: Vec::new() };
        look.head(session, pins, links);
        look.findings
    }

    /// Masks other texts that go with the session, after the first look at them.
    pub fn texts(&self, texts: &mut [String]) -> Vec<Finding> {
        let Some(redactor) = &self.redactor else { return Vec::new() };
        let mut look = Look { redactor, values: None, findings: Vec::new() };
        texts.iter_mut().for_each(|text| look.text(text));
        look.findings
    }

    /// Masks a message, after the first look at it.
    pub fn look(&self, looked: &mut Looked) {
        let Some(redactor) = &self.redactor else { return };
        let mut look = Look { redactor, values: None, findings: std::mem::take(&mut looked.findings) };
        look.stored(&mut looked.message);
        looked.findings = look.findings;
    }
}

#[cfg(test)]
mod tests;
