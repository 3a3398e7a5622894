//! What is shared: nothing, until somebody says so.
//!
//! A rule is `PATTERN=MODE`, or `PATTERN=MODE@STORE` for a store other than the default one. The pattern is a project's
//! normalised remote (`github.com/acme/api`), its name if it has neither remote nor folder, a folder with all that lies below
//! it, any of these with `*` at its end for all that begin so, or `*` alone for every project. `github.com/acme/*` takes what
//! lies below, `github.com/acme/a*` what begins with these letters. Remotes and names are compared without regard to case,
//! folders with it.
//!
//! Of the rules about a session's remote (or name) and of those about its folder, the most particular one each counts, whatever
//! their order, and of the two the one that shares less; `*` counts where there is neither. Its folder is where it ran, or its
//! project's root where that is elsewhere; of a remote, whose clones are many, that root only ever makes it less.

use std::fmt;
use std::path::Path;

use crate::settings::{DEFAULT_STORE, is_store_name};

mod edit;
mod judge;
mod pattern;
#[cfg(test)]
mod tests;

pub use edit::{normal_pattern, with_rule, without_rule};
use pattern::Pattern;

/// How much of a project's sessions is shared. Each mode lets through all that the one before does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Nothing.
    #[default]
    Off,
    /// Sums over days: no single session can be seen.
    Aggregates,
    /// That a session took place, when, with what, for how much, and its commits and requests. No text that anybody wrote.
    Metadata,
    /// Also titles, labels, notes, and what users wrote.
    Prompts,
    /// Everything, masked.
    Full,
}

impl Mode {
    /// All of them, least first.
    pub const ALL: [Self; 5] = [Self::Off, Self::Aggregates, Self::Metadata, Self::Prompts, Self::Full];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Aggregates => "aggregates",
            Self::Metadata => "metadata",
            Self::Prompts => "prompts",
            Self::Full => "full",
        }
    }

    /// The mode of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == name)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which projects, in its normal form: an address of a remote without scheme and user, a folder from the root on.
    pub pattern: String,
    /// How much.
    pub mode: Mode,
    /// The store; the default one is `default`.
    pub store: String,
}

/// Why a rule means nothing. Never shows what could be a password in an address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RuleError {
    /// There is no `=`.
    #[error("{rule:?} is not \"project=mode\"")]
    Form {
        /// The rule.
        rule: String,
    },
    /// There is no such mode.
    #[error("{rule:?} has no mode that is known; the modes are off, aggregates, metadata, prompts and full")]
    Mode {
        /// The rule.
        rule: String,
    },
    /// No store can have this name.
    #[error("{store:?} is no name of a store (1 to 32 of a-z, 0-9 and -)")]
    Store {
        /// The name.
        store: String,
    },
    /// The pattern fits no project.
    #[error("{pattern:?} names no project: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        why: &'static str,
    },
}

impl Rule {
    /// Reads a rule. `home` is what `~/` stands for.
    ///
    /// # Errors
    /// [`RuleError`].
    pub fn parse(said: &str, home: Option<&Path>) -> Result<Self, RuleError> {
        let (pattern, how) =
            said.rsplit_once('=').ok_or_else(|| RuleError::Form { rule: pattern::rule_without_user(said) })?;
        let (mode, store) = how.split_once('@').unwrap_or((how, DEFAULT_STORE));
        let (mode, store) = (mode.trim(), store.trim());
        let mode = Mode::named(mode).ok_or_else(|| RuleError::Mode { rule: pattern::rule_without_user(said) })?;
        if !is_store_name(store) {
            return Err(RuleError::Store { store: pattern::without_user(store) });
        }
        Ok(Self { pattern: Pattern::parse(pattern, home)?.to_string(), mode, store: store.to_owned() })
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.pattern, self.mode)?;
        if self.store != DEFAULT_STORE {
            write!(f, "@{}", self.store)?;
        }
        Ok(())
    }
}

/// The rules of one store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    rules: Vec<Rule>,
    /// Of each rule.
    patterns: Vec<Pattern>,
}

/// A session's project as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct ProjectRef<'p> {
    /// Normalised remote, root path, or name.
    pub key: &'p str,
    /// The normalised remote.
    pub remote: Option<&'p str>,
    /// The main repository's root, as it was last seen.
    pub root: Option<&'p str>,
    /// Where the session ran.
    pub cwd: Option<&'p str>,
}

impl Shares {
    /// The rules for `store` among `said` (the list `team.share`). What cannot be understood, for whatever store it was meant,
    /// is left out and said, as full sentences. `home` is what `~/` stands for.
    pub fn parse(said: &[String], store: &str, home: Option<&Path>) -> (Self, Vec<String>) {
        let mut shares = Self::default();
        let mut warnings = Vec::new();
        for said in said {
            match Rule::parse(said, home) {
                Ok(rule) if rule.store == store => shares.push(rule, home),
                Ok(_) => {}
                Err(error) => warnings.push(format!("`team.share`: {error}.")),
            }
        }
        (shares, warnings)
    }

    fn push(&mut self, rule: Rule, home: Option<&Path>) {
        // What was normalised once is a pattern.
        if let Ok(pattern) = Pattern::parse(&rule.pattern, home) {
            self.patterns.push(pattern);
            self.rules.push(rule);
        }
    }

    /// How much of a project's session is shared.
    pub fn mode_of(&self, project: ProjectRef<'_>) -> Mode {
        self.rule_of(project).map_or(Mode::Off, |rule| rule.mode)
    }

    /// The rule that says so; `None` when none does, and nothing is shared.
    pub fn rule_of(&self, project: ProjectRef<'_>) -> Option<&Rule> {
        judge::rule_of(&self.rules, &self.patterns, project)
    }

    /// The rules.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }
}
