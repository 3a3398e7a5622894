//! The rule set: what a secret looks like, as data.

#[macro_use]
mod shape;

mod cloud;
mod example;
mod files;
mod forges;
mod generic;
mod headers;
mod keys;
mod services;
mod urls;
mod value;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use crate::set::Set;

/// Grows when the way of looking changes.
const ENGINE: u32 = 4;

/// The rules that come with Carry, the most telling first: where two match the same, the earlier names it.
pub(crate) const BUILTIN: &[&[Rule]] = &[
    keys::RULES,
    forges::RULES,
    cloud::RULES,
    services::RULES,
    headers::RULES,
    files::RULES,
    urls::RULES,
    generic::RULES,
];

/// How sure a rule is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Confidence {
    /// Only masked in strict mode: looks random, and nothing names it.
    Guess,
    /// Named or shaped like a secret.
    Likely,
    /// The format says so: a provider's prefix, a checksum, a structure.
    Certain,
}

/// One kind of secret.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in placeholders and reports: lower case, digits, dashes.
    pub id: &'static str,
    /// What it finds, for people.
    pub about: &'static str,
    /// Literal texts (lower case) one of which occurs near every match; the prefilter looks for them without case.
    pub keywords: &'static [&'static str],
    /// A regular expression (linear time, no look-around). The group named `secret` is the secret; without one, all of the match.
    pub pattern: &'static str,
    /// Least Shannon entropy of the secret in bits per byte; zero asks for none.
    pub entropy_min: f32,
    /// How sure a match is.
    pub confidence: Confidence,
    /// A further look at the secret and what stands around it, where the format has a checksum or a structure.
    pub check: Option<fn(&str) -> bool>,
    /// A text in which the rule must find exactly `example.1`, put together from pieces so that no file holds a whole token.
    /// Used by tests and the matrix.
    pub example: fn() -> (String, String),
}

impl Rule {
    /// Whether the rule takes what is set to a name that ends in one of its keywords, and nothing else.
    pub(crate) fn is_of_names(&self) -> bool {
        const IDS: &[&str] = &[
            "env-secret",
            "env-signing-key",
            "named-password",
            "named-password-plain",
            "named-secret",
            "named-secret-plain",
        ];
        IDS.contains(&self.id)
    }

    /// Whether `keyword` stands only in the name that the rule takes something set to.
    pub(crate) fn is_of_name(&self, keyword: &str) -> bool {
        let letters = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let keyword = letters(keyword);
        let Some((name, value)) = self.pattern.split_once(shape::OPERATOR) else { return false };
        letters(name).contains(&keyword) && !letters(value).contains(&keyword) && !keyword.is_empty()
    }
}

/// A compiled rule set.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    set: Set,
    version: String,
}

/// Why rules could not be compiled.
#[derive(Debug, thiserror::Error)]
#[error("rule {rule} is not valid")]
pub struct RulesError {
    /// Which.
    pub rule: String,
    /// Why.
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl Rules {
    /// The rules that come with Carry, compiled once.
    pub fn builtin() -> &'static Self {
        static SET: OnceLock<Rules> = OnceLock::new();
        SET.get_or_init(|| Self::new(BUILTIN.concat()).unwrap_or_else(|error| panic!("{error}")))
    }

    /// Makes a set of these rules.
    ///
    /// # Errors
    /// [`RulesError`] if a keyword is too short to be searched for.
    pub fn new(all: Vec<Rule>) -> Result<Self, RulesError> {
        if let Some(rule) = all.iter().find(|rule| rule.keywords.iter().any(|keyword| keyword.len() < 2)) {
            return Err(RulesError { rule: rule.id.to_owned(), source: "its keywords are too short".into() });
        }
        let set = Set::new(&all);
        let mut hash = Sha256::new();
        for rule in &all {
            hash.update(format!("{:?}\n", (rule.id, rule.keywords, rule.pattern, rule.entropy_min, rule.confidence)));
        }
        let digest = hash.finalize();
        let version = format!("{ENGINE}-{:02x}{:02x}{:02x}{:02x}", digest[0], digest[1], digest[2], digest[3]);
        Ok(Self { all, set, version })
    }

    /// Names the set: a number that grows when the way of looking changes, and a hash of the rules. Kept with what was masked.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// All rules.
    pub fn all(&self) -> &[Rule] {
        &self.all
    }

    /// The set, ready to run.
    pub(crate) fn set(&self) -> &Set {
        &self.set
    }
}
