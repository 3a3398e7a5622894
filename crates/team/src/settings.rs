//! The settings of team stores.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::config::{Config, Key, Kind, RepoRule};

use crate::share::Shares;

mod read;
#[cfg(test)]
mod tests;

use read::Reading;

/// The name of the store that `team.url` describes.
pub const DEFAULT_STORE: &str = "default";

/// Every setting of team stores.
pub const KEYS: &[Key] = &[
    Key {
        name: "team.url",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: true,
        doc: "The team store, as \"postgres://user@host/database\". A password has no place here: see team.url_file, team.password_file and team.password_command.",
    },
    Key {
        name: "team.url_file",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "A file for the owner alone (0600) that holds the store's URL with its password; \"~/\" is the home directory.",
    },
    Key {
        name: "team.password_file",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "A file for the owner alone (0600) that holds the password of the store at team.url.",
    },
    Key {
        name: "team.password_command",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "A command whose first line of output is the password of the store at team.url; it is run by the shell, whenever a connection is made.",
    },
    Key {
        name: "team.stores",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: true,
        doc: "Further stores, each as \"name=url\" or \"name=file:path\" (a 0600 file that holds the URL).",
    },
    Key {
        name: "team.share",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "What is shared, each as \"project=mode\" or \"project=mode@store\". The project is a remote (github.com/acme/api), a folder, one of these with * at its end, or * for all; the mode is off, aggregates, metadata, prompts or full. What is not named is not shared.",
    },
    Key {
        name: "team.person",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Your name in team stores; empty: Git's user.name.",
    },
    Key {
        name: "team.schema",
        aliases: &[],
        kind: Kind::Text,
        default: "\"carry\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "The schema that holds Carry's tables in the database.",
    },
    Key {
        name: "team.mask_key_file",
        aliases: &[],
        kind: Kind::Text,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "A file (0600) with a masking key of 64 hex digits that the team has in common, so that one secret has one placeholder whoever pushes it; empty: this device's own key.",
    },
    Key {
        name: "team.quiet",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"10s\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How long the archive must be quiet before the daemon pushes to team stores; six times that at the most.",
    },
    Key {
        name: "team.reconcile",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"15m\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How often the daemon compares with team stores, whether or not anything has changed.",
    },
    Key {
        name: "team.allow_insecure",
        aliases: &[],
        kind: Kind::Bool,
        default: "false",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Whether a store on another machine may be reached without TLS.",
    },
];

/// The defaults of `team.quiet` and `team.reconcile`.
const QUIET: Duration = Duration::from_secs(10);
const RECONCILE: Duration = Duration::from_secs(15 * 60);
/// Stores are not compared more often than this.
const RECONCILE_MIN: Duration = Duration::from_secs(10);

/// Where a store's URL comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Address {
    /// It is this. May hold a password: never shown.
    Url(String),
    /// It stands in this file.
    File(PathBuf),
}

/// Where a password comes from, when the URL has none: the first of these that there is, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Password {
    /// A file.
    pub file: Option<PathBuf>,
    /// A command.
    pub command: Option<String>,
    /// What `PGPASSWORD` says. The default store's alone: another one's host is not to be told.
    pub environment: Option<Secret>,
    /// A file of passwords by host, as PostgreSQL's own programs read it (`PGPASSFILE`, else `~/.pgpass`). It need not exist.
    pub by_host: Option<PathBuf>,
}

/// Text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Url(_) => f.write_str("Url(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// One store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreSettings {
    /// Its name.
    pub name: String,
    /// Where it is.
    pub address: Address,
    /// The password.
    pub password: Password,
    /// The schema.
    pub schema: String,
    /// Whether it may be reached without TLS.
    pub allow_insecure: bool,
    /// What is shared with it.
    pub shares: Shares,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The stores, the default one first.
    pub stores: Vec<StoreSettings>,
    /// Your name; empty when nobody says.
    pub person: String,
    /// The team's masking key.
    pub mask_key_file: Option<PathBuf>,
    /// What is let through unmasked (`sessions.allow`).
    pub allow: Vec<String>,
    /// Quiet before a push.
    pub quiet: Duration,
    /// Between comparisons.
    pub reconcile: Duration,
    /// What is wrong with the settings, as full sentences.
    pub warnings: Vec<String>,
}

impl Settings {
    /// What the configuration says. `home` is the user's home directory; `variable` reads the environment (`PGPASSWORD`,
    /// `PGPASSFILE`). `config` must hold the keys of sessions, too.
    pub fn new(config: &Config, home: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let mut reading = Reading { config, home, variable, warnings: Vec::new() };
        let stores = reading.stores();
        Self {
            stores,
            person: reading.person(),
            mask_key_file: reading.path("team.mask_key_file"),
            allow: config.list("sessions.allow").to_vec(),
            quiet: config.duration("team.quiet").unwrap_or(QUIET),
            reconcile: config.duration("team.reconcile").unwrap_or(RECONCILE).max(RECONCILE_MIN),
            warnings: reading.warnings,
        }
    }

    /// The store of this name.
    pub fn store(&self, name: &str) -> Option<&StoreSettings> {
        self.stores.iter().find(|store| store.name == name)
    }
}

/// Whether a store may be called so: 1 to 32 of a-z, 0-9 and -.
pub fn is_store_name(name: &str) -> bool {
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Whether a schema may be called so: a plain identifier that needs no quotes, and none of PostgreSQL's own.
pub fn is_schema_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let is_own = name == "public" || name == "information_schema" || name.starts_with("pg_");
    (1..=63).contains(&name.len()) && name.bytes().all(is_plain) && !name.as_bytes()[0].is_ascii_digit() && !is_own
}
