//! One look through a session's texts.

use std::collections::BTreeSet;

use carry_redact::{Encoding, Finding, Redactor};

use crate::archive::{SessionRow, StoredMessage};
use crate::curation::Pin;
use crate::git_links::GitLink;
use crate::model::{Block, CallRef, Message, NativeId, ResultEvent, ToolCall};

/// Characters of a prompt as sessions keep it: one of this length was cut.
const PROMPT_CHARS: usize = 299;
/// Bytes of a value that is looked for everywhere; longer ones are whole blocks, found by themselves.
const VALUE_BYTES_MAX: usize = 4096;
/// How many values are looked for everywhere: each takes some kilobytes of the search's tables.
const VALUES_MAX: usize = 20_000;
/// Letters of a word: a shorter value of nothing but letters stands in too many places.
const WORD_LETTERS: usize = 16;

/// Secrets as they stand in the text.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) all: BTreeSet<String>,
    /// How many were too many.
    pub(super) unchecked: usize,
}

impl Values {
    /// Keeps what was found in `text`, so that it is masked elsewhere, too.
    pub(super) fn learn(&mut self, text: &str, findings: &[Finding]) {
        for finding in findings {
            let Some(value) = text.get(finding.span.clone()).map(carry_redact::bare) else { continue };
            // Behind an encoding the text is not the value; JSON strings without escapes are.
            let is_plain =
                finding.encoding == Encoding::Plain || (finding.encoding == Encoding::Escaped && !value.contains('\\'));
            let is_word = value.len() < WORD_LETTERS && value.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_short = value.len() <= VALUE_BYTES_MAX;
            if !is_plain || !is_short || is_word || finding.rule == carry_redact::WITHHELD {
                continue;
            }
            if self.all.len() < VALUES_MAX {
                self.all.insert(value.to_owned());
            } else if !self.all.contains(value) {
                self.unchecked += 1;
            }
        }
    }
}

/// A look under way.
pub(super) struct Look<'l> {
    pub(super) redactor: &'l Redactor,
    /// What is learned goes there.
    pub(super) values: Option<&'l mut Values>,
    /// What was found.
    pub(super) findings: Vec<Finding>,
}

impl Look<'_> {
    /// Masks all of a session but its messages.
    pub(super) fn head(&mut self, session: &mut SessionRow, pins: &mut [Pin], links: &mut [GitLink]) {
        self.session(session);
        for pin in pins {
            self.text(&mut pin.message);
            self.text(&mut pin.note);
        }
        for link in links {
            self.text(&mut link.target);
            for field in [
                &mut link.repo,
                &mut link.branch,
                &mut link.subject,
                &mut link.full_sha,
                &mut link.supersedes,
                &mut link.superseded_by,
            ] {
                self.option(field);
            }
        }
    }

    /// Masks a message and its results, each text by itself.
    pub(super) fn stored(&mut self, stored: &mut StoredMessage) {
        self.message(&mut stored.message);
        for result in &mut stored.results {
            self.result(&mut result.result);
        }
    }

    fn learn(&mut self, text: &str, findings: &[Finding]) {
        if let Some(values) = &mut self.values {
            values.learn(text, findings);
        }
    }

    pub(super) fn text(&mut self, text: &mut String) {
        let masked = self.redactor.text(text);
        if masked.findings.is_empty() {
            return;
        }
        self.learn(text, &masked.findings);
        self.findings.extend(masked.findings);
        *text = masked.text.into_owned();
    }

    /// Text that is JSON; what is not is masked as text.
    fn json(&mut self, text: &mut String) {
        let masked = self.redactor.json(text);
        if masked.findings.is_empty() {
            return;
        }
        self.learn(text, &masked.findings);
        self.findings.extend(masked.findings);
        *text = masked.text.into_owned();
    }

    fn option(&mut self, text: &mut Option<String>) {
        if let Some(text) = text {
            self.text(text);
        }
    }

    fn native(&mut self, id: &mut NativeId) {
        self.text(&mut id.0);
    }

    fn session(&mut self, session: &mut SessionRow) {
        if let Some(prompt) = &mut session.first_prompt
            && prompt.chars().nth(PROMPT_CHARS).is_some()
        {
            // The last word was perhaps cut: half a secret looks like none.
            prompt.truncate(prompt.rfind(char::is_whitespace).unwrap_or(0));
            prompt.push('…');
        }
        for field in [
            &mut session.cwd,
            &mut session.branch,
            &mut session.name,
            &mut session.first_prompt,
            &mut session.entrypoint,
            &mut session.kind,
            &mut session.version,
            &mut session.resume,
            &mut session.model,
        ] {
            self.option(field);
        }
        self.text(&mut session.project);
        self.text(&mut session.project_key);
        self.native(&mut session.native);
        if let Some((parent, _)) = &mut session.parent {
            self.native(parent);
        }
        for label in &mut session.labels {
            self.text(label);
        }
        if let Some(path) = &mut session.path {
            let mut text = path.to_string_lossy().into_owned();
            self.text(&mut text);
            *path = text.into();
        }
    }

    fn message(&mut self, message: &mut Message) {
        for field in [&mut message.key, &mut message.subtype, &mut message.model, &mut message.effort] {
            self.option(field);
        }
        if let Some(id) = &mut message.provider_id {
            self.text(&mut id.message);
            self.text(&mut id.request);
        }
        for block in &mut message.blocks {
            match block {
                Block::Text(text) | Block::Thinking(text) => self.text(text),
                Block::Call(call) => self.call(call),
                Block::Image(image) => self.text(&mut image.media),
                Block::Other { kind, json } => {
                    self.text(kind);
                    self.json(json);
                }
            }
        }
    }

    fn call(&mut self, call: &mut ToolCall) {
        self.text(&mut call.id);
        self.text(&mut call.name);
        self.json(&mut call.input);
        self.option(&mut call.skill);
        self.option(&mut call.file);
        if let Some(id) = &mut call.subagent {
            self.native(id);
        }
    }

    fn result(&mut self, result: &mut ResultEvent) {
        if let CallRef::Id(id) = &mut result.call {
            self.text(id);
        }
        self.text(&mut result.source);
        self.text(&mut result.content);
        for image in &mut result.images {
            self.text(&mut image.media);
        }
        if let Some(id) = &mut result.subagent {
            self.native(id);
        }
    }
}
