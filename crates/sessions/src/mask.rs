//! Masking sessions on the way out.
//!
//! Everything that is text is masked, whatever it is for: a secret in a branch's name is as good as one in a prompt. Texts that
//! follow each other are looked at together, too: a secret may begin in one and end in the next. What was found once is masked
//! everywhere in the session, also where nothing beside it says that it is a secret.

use std::collections::BTreeSet;

use carry_kernel::home::Home;
use carry_kernel::secret::{self, SecretError};
use carry_redact::{AllowList, Encoding, Finding, Fingerprint, Key, Redactor, Rules};

use crate::archive::{SessionRow, StoredMessage};
use crate::curation::Pin;
use crate::git_links::GitLink;
use crate::model::{Block, CallRef, Message, NativeId, ResultEvent, ToolCall};

mod joined;
#[cfg(test)]
mod tests;

/// Characters of a prompt as sessions keep it: one of this length was cut.
const PROMPT_CHARS: usize = 299;
/// Bytes of a value that is looked for everywhere; longer ones are whole blocks, found by themselves.
const VALUE_BYTES_MAX: usize = 4096;
/// How many values are looked for everywhere: each takes some kilobytes of the search's tables.
const VALUES_MAX: usize = 20_000;
/// Letters of a word: a shorter value of nothing but letters stands in too many places.
const WORD_LETTERS: usize = 16;

/// Why masking could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum MaskError {
    /// There is no key.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// An entry of `sessions.allow` means nothing.
    #[error("sessions.allow: {entry:?} is not a fingerprint (8 hex digits), \"rule:NAME\" or \"value:TEXT\"")]
    Allow {
        /// The entry.
        entry: String,
    },
}

/// This device's masking key (`mask.key` beside its identity, 0600), made at the first use.
///
/// # Errors
/// [`MaskError`].
pub fn key(home: &Home) -> Result<Key, MaskError> {
    Ok(Key::new(secret::load_or_create(&home.device_file().with_file_name("mask.key"))?))
}

/// A redactor with this device's key and what the configuration (`sessions.allow`) lets through.
///
/// # Errors
/// [`MaskError`].
pub fn redactor(home: &Home, allow: &[String]) -> Result<Redactor, MaskError> {
    let allow = allow_list(allow)?;
    Ok(Redactor::new(Rules::builtin(), key(home)?).allowing(allow))
}

fn allow_list(entries: &[String]) -> Result<AllowList, MaskError> {
    let mut list = AllowList::default();
    for entry in entries {
        let invalid = || MaskError::Allow { entry: entry.clone() };
        if let Some(rule) = entry.strip_prefix("rule:").filter(|rule| !rule.is_empty()) {
            list.rules.push(rule.to_owned());
        } else if let Some(value) = entry.strip_prefix("value:").filter(|value| !value.is_empty()) {
            list.values.push(value.to_owned());
        } else {
            list.fingerprints.push(fingerprint(entry).ok_or_else(invalid)?);
        }
    }
    Ok(list)
}

fn fingerprint(text: &str) -> Option<Fingerprint> {
    let is_one = text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_one.then(|| u32::from_str_radix(text, 16).ok()).flatten().map(|n| Fingerprint(n.to_be_bytes()))
}

/// A session with everything that may leave: every text field of every part has been masked.
#[derive(Clone, Debug)]
pub struct Safe {
    /// The session.
    pub session: SessionRow,
    /// Its messages.
    pub messages: Vec<StoredMessage>,
    /// Its pins.
    pub pins: Vec<Pin>,
    /// Its links.
    pub links: Vec<GitLink>,
    /// What was found.
    pub findings: Vec<Finding>,
    /// How many of the values that were found were too many to be looked for elsewhere in the session, too.
    pub unchecked: usize,
}

/// Masks a session: names, prompt, paths, branch, labels, notes, links, blocks, inputs, outputs. A secret that runs across blocks is
/// found in the joined text.
pub fn mask(
    redactor: &Redactor,
    mut session: SessionRow,
    mut messages: Vec<StoredMessage>,
    mut pins: Vec<Pin>,
    mut links: Vec<GitLink>,
) -> Safe {
    let mut mask = Masking { redactor, findings: Vec::new(), values: BTreeSet::new(), unchecked: 0 };
    mask.joined(&mut messages);
    mask.everything(&mut session, &mut messages, &mut pins, &mut links);
    let values: Vec<String> = std::mem::take(&mut mask.values).into_iter().collect();
    let unchecked = mask.unchecked;
    let mut findings = mask.findings;
    if !values.is_empty() {
        let knowing = redactor.clone().knowing(&values);
        let mut again = Masking { redactor: &knowing, findings, values: BTreeSet::new(), unchecked: 0 };
        again.everything(&mut session, &mut messages, &mut pins, &mut links);
        findings = again.findings;
    }
    Safe { session, messages, pins, links, findings, unchecked }
}

/// Masking under way.
struct Masking<'r> {
    redactor: &'r Redactor,
    findings: Vec<Finding>,
    /// Secrets as they stand in the text.
    values: BTreeSet<String>,
    /// Those that are too many.
    unchecked: usize,
}

impl Masking<'_> {
    fn everything(
        &mut self,
        session: &mut SessionRow,
        messages: &mut [StoredMessage],
        pins: &mut [Pin],
        links: &mut [GitLink],
    ) {
        self.session(session);
        for stored in messages {
            self.message(&mut stored.message);
            for result in &mut stored.results {
                self.result(&mut result.result);
            }
        }
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

    /// Keeps what was found in `text`, so that it is masked elsewhere, too.
    fn remember(&mut self, text: &str, findings: &[Finding]) {
        for finding in findings {
            let Some(value) = text.get(finding.span.clone()) else { continue };
            // Behind an encoding the text is not the value; JSON strings without escapes are.
            let is_plain =
                finding.encoding == Encoding::Plain || (finding.encoding == Encoding::Escaped && !value.contains('\\'));
            let is_word = value.len() < WORD_LETTERS && value.bytes().all(|byte| byte.is_ascii_alphabetic());
            let is_short = value.len() <= VALUE_BYTES_MAX;
            if !is_plain || !is_short || is_word || finding.rule == carry_redact::WITHHELD {
                continue;
            }
            if self.values.len() < VALUES_MAX {
                self.values.insert(value.to_owned());
            } else if !self.values.contains(value) {
                self.unchecked += 1;
            }
        }
    }

    fn text(&mut self, text: &mut String) {
        let masked = self.redactor.text(text);
        if masked.findings.is_empty() {
            return;
        }
        self.remember(text, &masked.findings);
        self.findings.extend(masked.findings);
        *text = masked.text.into_owned();
    }

    /// Text that is JSON; what is not is masked as text.
    fn json(&mut self, text: &mut String) {
        let masked = self.redactor.json(text);
        if masked.findings.is_empty() {
            return;
        }
        self.remember(text, &masked.findings);
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
