//! What the user asked for, and where they said it.
//!
//! Strands declare their settings as tables of [`Key`]s; the shell loads them together. Layers, weakest
//! first: defaults, the user's file, the repository's file, environment, flags. Lists append, all
//! else replaces. A repository's file is hostile input and may only narrow (see [`RepoRule`]).
//! Bad values and unknown keys are [`Warning`]s that name file and line; the weaker value stays.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

mod address;
mod edit;
mod load;
mod names;
mod template;
mod value;

pub use edit::{
    ConfigEditError, append_user_list, remove_user_list, replace_user_list, set_user_value, unset_user_value,
};
pub use template::template;
pub use value::{parse_duration, parse_size};

/// One setting that exists.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Dotted name, e.g. `limits.large_file`.
    pub name: &'static str,
    /// Older names that mean the same, newest first; the newest name wins inside one layer.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub kind: Kind,
    /// Default, as it would stand in TOML (`"2s"` with its quotes, `10`, `[]`); empty for unset.
    pub default: &'static str,
    /// What a repository's own file may do with it.
    pub repo: RepoRule,
    /// Whether its text, or each item of its list, is an address, which may hold a password (see [`Resolved::shown`]).
    pub is_address: bool,
    /// One or two sentences: what it does and why this default.
    pub doc: &'static str,
}

/// What a setting holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number within bounds, ends included.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A duration: whole seconds, or text such as `2s`, `10 min`, `1h`, `7d`, `4w`, `1y` (ms, s, m, h, d, w, y
    /// and their long names; decimals allowed).
    Duration,
    /// A size in bytes: a whole number, or text such as `100 MiB`, `2g` (powers of 1024).
    Size,
    /// Any text.
    Text,
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// A list of texts; layers append, repeats are dropped, order is kept.
    List,
}

/// What a repository's own file (`carry.toml`, or `[tool.carry]` in `pyproject.toml`) may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepoRule {
    /// Nothing: it is named in a warning and has no effect.
    Ignored,
    /// Set a smaller number, size or duration than the weaker layers gave. Where they gave none there
    /// is nothing to lower: what an unset limit comes to is known only to whoever reads it.
    Lower,
    /// Set a larger number, size or duration than the weaker layers gave, or one where they gave none
    /// (a longer interval is less work).
    Raise,
    /// Append to the list; but no item that begins with `!`, since in lists of patterns that takes an
    /// earlier item back, and none with control characters, which could smuggle in another line.
    Append,
    /// Say `false` (switch off).
    OffOnly,
}

/// A checked value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Of [`Kind::Bool`].
    Bool(bool),
    /// Of [`Kind::Integer`].
    Integer(i64),
    /// Of [`Kind::Duration`].
    Duration(Duration),
    /// Of [`Kind::Size`], in bytes.
    Size(u64),
    /// Of [`Kind::Text`] and [`Kind::Choice`].
    Text(String),
    /// Of [`Kind::List`].
    List(Vec<String>),
}

/// Where a value was said.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Built in.
    Default,
    /// The user's file.
    User {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
    },
    /// The repository's file.
    Repository {
        /// The file.
        file: PathBuf,
        /// From 1.
        line: usize,
    },
    /// An environment variable (`CARRY_LIMITS_LARGE_FILE` for `limits.large_file`).
    Environment(String),
    /// A command-line flag (`--config key=value`).
    Flag,
}

/// Something a file says that has no effect, with file, line and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub origin: Origin,
    /// A full sentence.
    pub message: String,
}

/// What is to be read. All parts may be empty.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The user's file, whether or not it exists.
    pub user: Option<PathBuf>,
    /// The root of the working tree whose `carry.toml` (else `pyproject.toml`) counts.
    pub repository: Option<PathBuf>,
    /// Environment: names and values; only those that begin with `CARRY_`, name a key and are not
    /// empty count. Lists are separated by commas.
    pub environment: Vec<(String, String)>,
    /// Flags as `(key, TOML value or bare text)`.
    pub flags: Vec<(String, String)>,
}

/// A value and where it came from; lists may have several origins, one an item.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// The setting.
    pub key: &'static Key,
    /// Its value; `None` when unset and without default.
    pub value: Option<Value>,
    /// Where it was said, weakest first, so that the last one counts and the others are what it
    /// replaced; for a list one origin an item.
    pub origins: Vec<Origin>,
}

impl Resolved {
    /// Its value as it is shown: an address without its password.
    pub fn shown(&self) -> Option<Value> {
        let value = self.value.as_ref()?;
        Some(match value {
            Value::Text(text) if self.key.is_address => Value::Text(address::without_password(text)),
            Value::List(items) if self.key.is_address => {
                Value::List(items.iter().map(|item| address::without_password(item)).collect())
            }
            value => value.clone(),
        })
    }
}

/// The effective configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    values: BTreeMap<&'static str, Resolved>,
    warnings: Vec<Warning>,
    broken: Vec<Warning>,
}

impl Config {
    /// Reads all layers. Never fails: what cannot be read or understood is a [`Warning`]. Panics if a
    /// table declares a default that is not valid: that is our mistake.
    pub fn load(keys: &[&'static [Key]], sources: &Sources) -> Self {
        load::load(keys, sources)
    }

    /// What was said without effect.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
    /// The files that cannot be read or parsed, so that nobody knows what they say: the place of the error in each. They are among
    /// [`Self::warnings`], too.
    pub fn broken(&self) -> &[Warning] {
        &self.broken
    }
    /// All settings by name.
    pub fn iter(&self) -> impl Iterator<Item = &Resolved> {
        self.values.values()
    }
    /// One setting. `None` when no table declares it.
    pub fn get(&self, name: &str) -> Option<&Resolved> {
        self.values.get(name)
    }
    /// A [`Kind::Bool`]. Panics if no table declares `name` so: that is our mistake.
    pub fn bool(&self, name: &str) -> bool {
        match self.value(name) {
            Some(Value::Bool(value)) => *value,
            other => wrong_kind(name, "true or false", other),
        }
    }
    /// A [`Kind::Integer`]; `None` when unset.
    pub fn integer(&self, name: &str) -> Option<i64> {
        self.value(name).map(|value| match value {
            Value::Integer(value) => *value,
            other => wrong_kind(name, "a whole number", Some(other)),
        })
    }
    /// A [`Kind::Duration`]; `None` when unset.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        self.value(name).map(|value| match value {
            Value::Duration(value) => *value,
            other => wrong_kind(name, "a duration", Some(other)),
        })
    }
    /// A [`Kind::Size`] in bytes; `None` when unset.
    pub fn size(&self, name: &str) -> Option<u64> {
        self.value(name).map(|value| match value {
            Value::Size(value) => *value,
            other => wrong_kind(name, "a size", Some(other)),
        })
    }
    /// A [`Kind::Text`] or [`Kind::Choice`]; `None` when unset.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name).map(|value| match value {
            Value::Text(value) => value.as_str(),
            other => wrong_kind(name, "text", Some(other)),
        })
    }
    /// A [`Kind::List`].
    pub fn list(&self, name: &str) -> &[String] {
        match self.value(name) {
            Some(Value::List(items)) => items,
            None => &[],
            other => wrong_kind(name, "a list", other),
        }
    }
    /// How near to the user a setting was said: 0 default, 1 user file, 2 repository, 3 environment, 4 flag.
    /// Of several origins the nearest counts. A preset and an explicit interval are compared by this.
    pub fn layer(&self, name: &str) -> u8 {
        self.resolved(name).origins.iter().map(Origin::layer).max().unwrap_or(0)
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.resolved(name).value.as_ref()
    }

    fn resolved(&self, name: &str) -> &Resolved {
        self.values.get(name).unwrap_or_else(|| panic!("no table declares the setting {name}"))
    }
}

fn wrong_kind(name: &str, kind: &str, value: Option<&Value>) -> ! {
    panic!("the setting {name} was asked for as {kind}, but holds {value:?}")
}

impl Origin {
    /// As [`Config::layer`] counts.
    fn layer(&self) -> u8 {
        match self {
            Self::Default => 0,
            Self::User { .. } => 1,
            Self::Repository { .. } => 2,
            Self::Environment(_) => 3,
            Self::Flag => 4,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::User { file, line } | Self::Repository { file, line } => write!(f, "{}:{line}", file.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag => f.write_str("--config"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.message)
    }
}

/// The kernel's own settings. Git-pulsar's names are accepted with the reading given in each doc.
pub const KEYS: &[Key] = &[
    Key {
        name: "daemon.min_battery_percent",
        aliases: &[],
        kind: Kind::Integer { min: 0, max: 100 },
        default: "10",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "On battery below this charge, background work waits; captures at most ten minutes in a row. Explicit commands do not.",
    },
    Key {
        name: "daemon.eco_mode_percent",
        aliases: &[],
        kind: Kind::Integer { min: 0, max: 100 },
        default: "20",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "On battery below this charge, nothing is sent over the network in the background.",
    },
    Key {
        name: "daemon.max_load",
        aliases: &[],
        kind: Kind::Integer { min: 1, max: 1000 },
        default: "4",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "One-minute load average per processor above which background work waits, at most a minute.",
    },
    Key {
        name: "limits.max_log_size",
        aliases: &[],
        kind: Kind::Size,
        default: "\"5 MiB\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Size at which the log file is rotated; five old ones are kept.",
    },
];

#[cfg(test)]
mod tests;
