//! Masking sessions on the way out.
//!
//! Everything that is text is masked, whatever it is for: a secret in a branch's name is as good as one in a prompt. Texts that
//! follow each other are looked at together, too: a secret may begin in one and end in the next. What was found once is masked
//! everywhere in the session, also where nothing beside it says that it is a secret.
//!
//! So each session is looked through twice: by a [`Masker`], which masks what shows by itself and learns its values, and with what
//! that has learned ([`Knowing`]). Neither needs all messages at a time: [`pieces`] masks a session part by part, and only what has
//! changed.

use carry_kernel::home::Home;
use carry_kernel::secret::{self, SecretError};
use carry_redact::{AllowList, Finding, Fingerprint, Key, Redactor, Rules};

use crate::archive::{SessionRow, StoredMessage};
use crate::curation::Pin;
use crate::git_links::GitLink;

mod joined;
mod look;
mod masker;
pub mod pieces;
#[cfg(test)]
mod tests;

pub use joined::{ends_open, is_joined, starts_open};
pub use masker::{Knowing, Looked, Masker};

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
    // Looked at first: a key is not made for nothing.
    let allow = allow_list(allow)?;
    Ok(Redactor::new(Rules::builtin(), key(home)?).allowing(allow))
}

/// A redactor with another key.
///
/// # Errors
/// [`MaskError`].
pub fn redactor_with(key: Key, allow: &[String]) -> Result<Redactor, MaskError> {
    Ok(Redactor::new(Rules::builtin(), key).allowing(allow_list(allow)?))
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
/// found in the joined text. Masking it piece by piece with a [`Masker`] gives the same.
pub fn mask(
    redactor: &Redactor,
    mut session: SessionRow,
    messages: Vec<StoredMessage>,
    mut pins: Vec<Pin>,
    mut links: Vec<GitLink>,
) -> Safe {
    let mut masker = Masker::new(redactor);
    let mut findings = masker.head(&mut session, &mut pins, &mut links);
    let mut looked = Vec::with_capacity(messages.len());
    for message in messages {
        masker.take(message, &mut looked);
    }
    masker.end(&mut looked);
    let unchecked = masker.unchecked();
    let knowing = masker.knowing();
    findings.extend(knowing.head(&mut session, &mut pins, &mut links));
    let mut messages = Vec::with_capacity(looked.len());
    for mut looked in looked {
        knowing.look(&mut looked);
        findings.append(&mut looked.findings);
        messages.push(looked.message);
    }
    Safe { session, messages, pins, links, findings, unchecked }
}
