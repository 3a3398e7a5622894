//! Masking: findings become placeholders.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::known::Known;
use crate::rules::{Confidence, Rules};
use crate::scan::Scan;
use crate::{json, placeholder, resolve};

/// The longest field that is looked through, in bytes. A longer one is withheld.
pub const FIELD_BYTES_MAX: usize = 64 << 20;

/// What placeholders are keyed with: the device's own until devices share one.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The fingerprint of `secret` under this key. What only ends a sentence does not count: see [`bare`].
    pub fn fingerprint(&self, secret: &str) -> Fingerprint {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Fingerprint([0; 4]) };
        mac.update(bare(secret).as_bytes());
        let bytes = mac.finalize().into_bytes();
        Fingerprint([bytes[0], bytes[1], bytes[2], bytes[3]])
    }
}

/// A secret without the marks at its end that may be its sentence's: what stands behind it is masked with it, but the same secret
/// is the same without. Short ones are left as they are.
pub fn bare(secret: &str) -> &str {
    /// Bytes that must be left.
    const LENGTH_MIN: usize = 8;
    let bare = secret.trim_end_matches(['.', ',', '!', '?', ':', ';', ')', '*', '`']);
    if bare.len() < LENGTH_MIN { secret } else { bare }
}

/// The first four bytes of the keyed hash of a secret; eight hex digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 4]);

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is not masked although a rule says so.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    /// Exact values.
    pub values: Vec<String>,
    /// Fingerprints, as placeholders show them.
    pub fingerprints: Vec<Fingerprint>,
    /// Whole rules, by id.
    pub rules: Vec<String>,
}

/// Through what a secret was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Encoding {
    /// As it stands.
    Plain,
    /// Escaped as in JSON or a string literal, once or more often.
    Escaped,
    /// Base64.
    Base64,
    /// Hexadecimal bytes.
    Hex,
    /// Percent-encoded.
    Percent,
    /// UTF-16 with its NULs, or what is left of it.
    Utf16,
    /// Broken over lines.
    Wrapped,
}

/// One secret that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// Where, in bytes of the text that was given.
    pub span: Range<usize>,
    /// Its fingerprint.
    pub fingerprint: Fingerprint,
    /// Through what it was seen.
    pub encoding: Encoding,
}

/// Text without its secrets.
#[derive(Clone, Debug)]
pub struct Masked<'t> {
    /// The text; borrowed when nothing was found.
    pub text: Cow<'t, str>,
    /// What was found, in order of place.
    pub findings: Vec<Finding>,
}

/// Finds and masks. Cheap to clone; used from many threads.
#[derive(Clone, Debug)]
pub struct Redactor {
    rules: &'static Rules,
    key: Key,
    allow: Arc<AllowList>,
    known: Option<Arc<Known>>,
    is_strict: bool,
}

impl Redactor {
    /// One with these rules and this key.
    pub fn new(rules: &'static Rules, key: Key) -> Self {
        Self { rules, key, allow: Arc::default(), known: None, is_strict: false }
    }

    /// The same, which lets through what `allow` names.
    #[must_use]
    pub fn allowing(self, allow: AllowList) -> Self {
        Self { allow: Arc::new(allow), ..self }
    }

    /// The same, which also masks exactly these values wherever they stand (at least 8 characters; from environment files
    /// and the like; kept in memory only).
    #[must_use]
    pub fn knowing(self, values: &[String]) -> Self {
        Self { known: Some(Arc::new(Known::new(values))), ..self }
    }

    /// The same, which also masks what only looks random.
    #[must_use]
    pub fn strict(self) -> Self {
        Self { is_strict: true, ..self }
    }

    /// The rule set's version, kept with what was masked.
    pub fn version(&self) -> &str {
        self.rules.version()
    }

    /// A text's fingerprint under this redactor's key: the same for the same text, and nothing that a guess can be tried against
    /// without the key.
    pub fn fingerprint(&self, text: &str) -> Fingerprint {
        self.key.fingerprint(text)
    }

    /// What the outcome depends on besides the text, in short: the rule set's version, and four keyed bytes over what is allowed and
    /// how strict it is. Values that are known besides do not count.
    pub fn stamp(&self) -> String {
        let AllowList { values, fingerprints, rules } = &*self.allow;
        let mut fingerprints = fingerprints.clone();
        fingerprints.sort_unstable();
        let mut said = format!("{} {}", self.version(), self.is_strict);
        let parts = fingerprints.iter().map(ToString::to_string);
        said.extend(parts.map(|fingerprint| format!(" f{fingerprint}")));
        for (kind, texts) in [('v', values), ('r', rules)] {
            let mut texts: Vec<&String> = texts.iter().collect();
            texts.sort_unstable();
            said.extend(texts.into_iter().map(|text| format!(" {kind}{}:{text}", text.len())));
        }
        format!("{}-{}", self.version(), self.key.fingerprint(&said))
    }

    /// Masks prose, code, shell output: any text. JSON inside it is looked into.
    ///
    /// What is too long, or decodes to too much, is withheld: the result is one placeholder.
    pub fn text<'t>(&self, text: &'t str) -> Masked<'t> {
        self.masked(text).unwrap_or_else(|| self.withheld(text, ""))
    }

    /// Masks a text that is one JSON value; the result is valid JSON of the same shape (keys are masked too). What does not
    /// parse is masked as text. Numbers keep their digits.
    ///
    /// What is too long, or decodes to too much, is withheld: the result is one JSON string.
    pub fn json<'t>(&self, json: &'t str) -> Masked<'t> {
        self.masked(json).unwrap_or_else(|| self.withheld(json, "\""))
    }

    /// Masks each string of a JSON value, names included.
    pub fn value(&self, value: &mut serde_json::Value) -> Vec<Finding> {
        let text = value.to_string();
        let masked = self.json(&text);
        if !masked.findings.is_empty() {
            json::replace(value, &masked.text);
        }
        masked.findings
    }

    /// `text`, masked until nothing is found any more: with a secret goes a quote or a name that other text was read by, and
    /// what is left is read in another way. Nothing if it cannot be looked through.
    fn masked<'t>(&self, text: &'t str) -> Option<Masked<'t>> {
        /// Looks after which there is no end to it. Two are enough for nearly all.
        const LOOKS_MAX: usize = 8;
        let mut masked = resolve::render(text, self.findings(text)?);
        for _ in 1..LOOKS_MAX {
            if masked.findings.is_empty() {
                return Some(masked);
            }
            let more = self.findings(&masked.text)?;
            if more.is_empty() {
                return Some(masked);
            }
            masked = resolve::render(text, resolve::join(masked.findings, more));
        }
        None
    }

    /// What is found in `text` by one look; nothing if it cannot be looked through.
    fn findings(&self, text: &str) -> Option<Vec<Finding>> {
        if text.len() > FIELD_BYTES_MAX {
            return None;
        }
        let scan = Scan::new(self, text.len());
        let mut hits = scan.text(text, 0);
        resolve::repeat(text, &mut hits);
        (!scan.is_over()).then(|| resolve::merge(text, hits, &self.key))
    }

    fn withheld(&self, text: &str, quote: &str) -> Masked<'static> {
        let fingerprint = self.key.fingerprint(text);
        let finding =
            Finding { rule: placeholder::WITHHELD, span: 0..text.len(), fingerprint, encoding: Encoding::Plain };
        let text = format!("{quote}{}{quote}", placeholder::placeholder(placeholder::WITHHELD, fingerprint));
        Masked { text: Cow::Owned(text), findings: vec![finding] }
    }

    /// The rules.
    pub(crate) fn rules(&self) -> &'static Rules {
        self.rules
    }

    /// Values that are masked whatever they look like.
    pub(crate) fn known(&self) -> Option<&Known> {
        self.known.as_deref()
    }

    /// Whether guesses are masked.
    pub(crate) fn is_strict(&self) -> bool {
        self.is_strict
    }

    /// Whether a rule is run at all.
    pub(crate) fn runs(&self, rule: u16) -> bool {
        let rule = &self.rules.all()[usize::from(rule)];
        (self.is_strict || rule.confidence > Confidence::Guess) && !self.allow.rules.iter().any(|id| id == rule.id)
    }

    /// Whether what `rule` found is masked.
    pub(crate) fn masks(&self, rule: &str, secret: &str) -> bool {
        let allow = &self.allow;
        let is_allowed = allow.rules.iter().any(|id| id == rule)
            || allow.values.iter().any(|value| value == secret || value == bare(secret))
            || (!allow.fingerprints.is_empty() && allow.fingerprints.contains(&self.key.fingerprint(secret)));
        !is_allowed
    }
}

#[cfg(test)]
mod tests;
