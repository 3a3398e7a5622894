//! The settings of the exchange: which remotes there are, and what goes there.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_exchange::head::Relay;
use carry_exchange::location::Location;
use carry_exchange::name::StreamName;
use carry_exchange::store::Free;
use carry_kernel::config::{Config, Key, Kind, RepoRule};

mod read;
#[cfg(test)]
mod tests;

use read::Reading;

/// Every setting of the exchange.
pub const KEYS: &[Key] = &[
    Key {
        name: "exchange.remotes",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: true,
        doc: "The places that devices exchange through, each as \"name=place\": a folder (nas=/mnt/nas/carry), a bucket (b=s3://bucket/prefix?endpoint=https://...), a folder over WebDAV (c=dav+https://...) or another device (hub=https://...). `carry remote add` sets a place up and writes it here; secrets have no place here.",
    },
    Key {
        name: "exchange.code",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "The names of the remotes to which uncommitted code goes, too. It goes there as it is: only conversations are masked.",
    },
    Key {
        name: "exchange.private",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "The names of the remotes that nobody but your own devices can read, so that streams whose author said \"sealed\" (exchange.relay) may be passed on there.",
    },
    Key {
        name: "exchange.relay",
        aliases: &[],
        kind: Kind::Choice(&["any", "sealed", "own"]),
        default: "\"any\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Where your other devices may pass on what this one writes: to any of their remotes, only to private ones, or nowhere.",
    },
    Key {
        name: "exchange.token_files",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Files for the owner alone (0600) that hold the token for a remote at an https:// address, or user:password for one at a dav+https:// address, each as \"name=path\". CARRY_REMOTE_TOKEN_NAME in the environment comes first.",
    },
    Key {
        name: "exchange.ca_files",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "Files (PEM) with the certificate that a remote at an https:// or dav+https:// address signs its own with, each as \"name=path\"; it counts besides those of this machine.",
    },
    Key {
        name: "exchange.rates",
        aliases: &[],
        kind: Kind::List,
        default: "[]",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How much a second goes to and comes from a remote at the most, on the average, each as \"name=size\" (hub=500 KiB), from 16 KiB on. One file goes in one go, and the next waits for it. Unset: as fast as it goes.",
    },
    Key {
        name: "exchange.quiet",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"2s\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How long it must be quiet before what is new here is exchanged; five times that at the most.",
    },
    Key {
        name: "exchange.poll",
        aliases: &[],
        kind: Kind::Duration,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How often a remote is asked for news that cannot tell by itself; unset: a folder every 30 s, a bucket or a folder over WebDAV every minute.",
    },
    Key {
        name: "exchange.grace",
        aliases: &[],
        kind: Kind::Duration,
        default: "\"7d\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How long files stay at a remote that no head names any more: a device that comes back later reads the newer ones.",
    },
    Key {
        name: "exchange.free_min",
        aliases: &[],
        kind: Kind::Size,
        default: "",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How much of this disk must be free, so that what other devices bring is taken in; with less, only what people decided is. 0: it is never too full. Unset: 5 % of the disk, but no more than 2 GiB.",
    },
    Key {
        name: "exchange.quota_per_device",
        aliases: &[],
        kind: Kind::Size,
        default: "\"50 GiB\"",
        repo: RepoRule::Ignored,
        is_address: false,
        doc: "How much is kept here of what one device exchanges, beside conversations once they are archived and code once it is unpacked. What is beyond is not taken in, and what is here stays.",
    },
];

/// The defaults of `exchange.quiet` and `exchange.grace`.
const QUIET: Duration = Duration::from_secs(2);
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The default of `exchange.quota_per_device`.
const QUOTA: u64 = 50 * 1024 * 1024 * 1024;
/// Less would take from a device what it is about to read.
const GRACE_MIN: Duration = Duration::from_secs(60 * 60);
/// How often a folder is asked, and a bucket or what is behind another server.
const FOLDER_POLL: Duration = Duration::from_secs(30);
const BUCKET_POLL: Duration = Duration::from_secs(60);
/// More often no remote is asked.
const POLL_MIN: Duration = Duration::from_secs(2);
/// The stream of uncommitted code.
pub const CODE: &str = "code";
/// The streams that go to every remote.
pub const PLAIN: [&str; 4] = ["control", "curation", "memory", "sessions"];
/// The beginning of the variables that hold tokens.
pub const TOKEN_VARIABLE: &str = "CARRY_REMOTE_TOKEN_";

/// Where the token for a peer, or the user and password for WebDAV, comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Token {
    /// A variable of the environment said it.
    Said(String),
    /// It stands in this file, which must be the owner's alone.
    File(PathBuf),
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(_) => f.write_str("Said(…)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// One remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteSettings {
    /// Its name: 1 to 32 of a-z, 0-9 and -.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// Whether uncommitted code goes there.
    pub has_code: bool,
    /// Whether nobody but the owner's devices can read there.
    pub is_private: bool,
    /// Where its token comes from; only peers have one, and WebDAV a user and password in its stead.
    pub token: Option<Token>,
    /// A file with certificates that count besides those of this machine; only for peers and WebDAV.
    pub ca_file: Option<PathBuf>,
    /// Bytes a second that are moved at the most, on the average.
    pub rate: Option<NonZeroU64>,
}

impl RemoteSettings {
    /// The name of the variable that holds its token.
    pub fn token_variable(&self) -> String {
        token_variable(&self.name)
    }
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The remotes, in the order in which they were said.
    pub remotes: Vec<RemoteSettings>,
    /// Where others may pass on what this device writes.
    pub relay: Relay,
    /// Quiet before an exchange.
    pub quiet: Duration,
    /// Between two questions to a remote that cannot tell by itself, where the user says so.
    pub poll: Option<Duration>,
    /// How long files stay that no head names.
    pub grace: Duration,
    /// How much of the disk stays free of what others bring.
    pub free: Free,
    /// Bytes that are kept of one log of others.
    pub quota: u64,
    /// What masking lets through (`sessions.allow`).
    pub allow: Vec<String>,
    /// What is wrong with the settings, as full sentences.
    pub warnings: Vec<String>,
}

impl Settings {
    /// What the configuration says. `home` is the user's home directory; `variable` reads the environment.
    pub fn new(config: &Config, home: Option<&Path>, variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let mut reading = Reading { config, home, variable, warnings: Vec::new() };
        let remotes = reading.remotes();
        let grace = config.duration("exchange.grace").unwrap_or(GRACE);
        if grace < GRACE_MIN {
            reading.warnings.push("`exchange.grace` is less than an hour; an hour counts.".to_owned());
        }
        let quota = config.size("exchange.quota_per_device").unwrap_or(QUOTA);
        if quota == 0 {
            let warning = "`exchange.quota_per_device` is 0, with which nothing would be taken in; 50 GiB counts.";
            reading.warnings.push(warning.to_owned());
        }
        Self {
            remotes,
            relay: match config.text("exchange.relay") {
                Some("sealed") => Relay::Sealed,
                Some("own") => Relay::Own,
                _ => Relay::Any,
            },
            quiet: config.duration("exchange.quiet").unwrap_or(QUIET),
            poll: config.duration("exchange.poll").map(|poll| poll.max(POLL_MIN)),
            grace: grace.max(GRACE_MIN),
            free: config.size("exchange.free_min").map_or(Free::Usual, Free::Bytes),
            quota: if quota == 0 { QUOTA } else { quota },
            allow: config.list("sessions.allow").to_vec(),
            warnings: reading.warnings,
        }
    }

    /// The remote of this name.
    pub fn remote(&self, name: &str) -> Option<&RemoteSettings> {
        self.remotes.iter().find(|remote| remote.name == name)
    }

    /// Whether anything that exchanges with the remote of this name go by is otherwise in `after`: whoever goes by the settings from
    /// before must not go on.
    pub fn differ_for(&self, name: &str, after: &Self) -> bool {
        let others =
            |settings: &Self| (settings.relay, settings.grace, settings.free, settings.quota, settings.allow.clone());
        self.remote(name) != after.remote(name) || others(self) != others(after)
    }

    /// Whether a stream of others is taken in at all: it comes from at least one remote. What a later version added is kept.
    pub fn takes(&self, stream: &StreamName) -> bool {
        stream.as_str() != CODE || self.remotes.iter().any(|remote| remote.has_code)
    }

    /// How long at the most after the first change, however much goes on.
    pub fn quiet_max(&self) -> Duration {
        self.quiet.saturating_mul(5)
    }

    /// How often this remote is asked, where it cannot tell by itself.
    pub fn poll_of(&self, remote: &RemoteSettings) -> Duration {
        self.poll.unwrap_or(match remote.location {
            Location::Bucket(_) | Location::WebDav { .. } => BUCKET_POLL,
            Location::Folder(_) | Location::Peer { .. } => FOLDER_POLL,
        })
    }

    /// What of these settings a remote is given under another name, as before it is added.
    pub fn relay_of_streams(&self) -> BTreeMap<StreamName, Relay> {
        let all: BTreeSet<&str> = PLAIN.into_iter().chain([CODE]).collect();
        all.into_iter().filter_map(|stream| Some((stream.parse().ok()?, self.relay))).collect()
    }
}

/// Whether a remote may be called so: 1 to 32 of a-z, 0-9 and -, a letter or digit at both ends.
pub fn is_remote_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (1..=32).contains(&name.len())
        && name.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// The name of the variable that holds the token for a remote.
pub fn token_variable(name: &str) -> String {
    format!("{TOKEN_VARIABLE}{}", name.to_ascii_uppercase().replace('-', "_"))
}
