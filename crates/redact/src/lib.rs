//! Finds secrets in text and JSON, and masks them.
//!
//! A pure function over text: a [`Redactor`] has a rule set, a key and a list of what is allowed, and turns text into text
//! in which each secret is a placeholder such as `[REDACTED:github-pat:1f3a09be]`. The eight hex digits are the start of
//! a keyed hash of the secret: the same secret gives the same placeholder everywhere under one key, and nobody without
//! the key can try candidates. JSON stays valid JSON of the same shape. A placeholder is never a match, and what was masked
//! is looked through until nothing is found any more, so that masking twice changes nothing.
//!
//! Nothing here reads a file, an environment or a clock, and nothing is logged.

mod broken;
mod cluster;
mod decode;
mod decoy;
mod json;
mod keywords;
mod known;
mod mask;
pub mod matrix;
mod name;
mod pem;
mod placeholder;
mod resolve;
mod rules;
mod scan;
mod set;
mod view;

pub use mask::{AllowList, Encoding, FIELD_BYTES_MAX, Finding, Fingerprint, Key, Masked, Redactor, bare};
pub use placeholder::{WITHHELD, placeholder};
pub use rules::{Confidence, Rule, Rules, RulesError};
