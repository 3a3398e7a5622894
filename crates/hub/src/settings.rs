//! The settings of the server.

use std::path::{Path, PathBuf};

use carry_kernel::config::{Config, Key, Kind, RepoRule};
use carry_kernel::home::Home;

use crate::exchange::Quota;
use crate::rate::Rate;

macro_rules! key {
    ($name:literal, $kind:expr, $default:literal, $doc:literal) => {
        Key {
            name: $name,
            aliases: &[],
            kind: $kind,
            default: $default,
            repo: RepoRule::Ignored,
            is_address: false,
            doc: $doc,
        }
    };
}

/// Every setting of the server.
pub const KEYS: &[Key] = &[
    key!(
        "serve.listen",
        Kind::Text,
        "\"127.0.0.1:7777\"",
        "The address that `carry serve` listens at. One that other machines reach needs serve.tls_cert and serve.tls_key, or serve.behind_proxy."
    ),
    key!(
        "serve.hosts",
        Kind::List,
        "[]",
        "Names by which the server is called, besides localhost and its address. A request for any other is refused, so that no page elsewhere reaches it under a name of its own."
    ),
    key!(
        "serve.tls_cert",
        Kind::Text,
        "",
        "The file with the server's certificate and those between it and its root, in PEM."
    ),
    key!(
        "serve.tls_key",
        Kind::Text,
        "",
        "The file with the certificate's private key in PEM, for the owner alone (0600)."
    ),
    key!(
        "serve.behind_proxy",
        Kind::Bool,
        "false",
        "Whether a proxy before the server encrypts. Its last X-Forwarded-For then counts as the address of who asks."
    ),
    key!(
        "serve.folder",
        Kind::Text,
        "",
        "The folder of the exchange that is served; \"~/\" is the home directory. Empty: exchange/hub in Carry's data. Another one must be marked already, by `carry remote add` or `carry serve --init`."
    ),
    key!(
        "serve.token_file",
        Kind::Text,
        "",
        "The file with the devices' credentials, for the owner alone (0600), a line each: a name, and the credential or \"sha256:\" and its digest. Empty: serve.tokens in Carry's data."
    ),
    key!(
        "serve.connections",
        Kind::Integer { min: 1, max: 400 },
        "256",
        "Connections at once. Each may hold a megabyte of memory while something comes in."
    ),
    key!(
        "serve.requests_per_second",
        Kind::Integer { min: 1, max: 100_000 },
        "100",
        "Requests a second in the long run that one device may make; ten times as many at once. An address may make twice as many."
    ),
    key!(
        "serve.quota_per_device",
        Kind::Size,
        "\"50 GiB\"",
        "Bytes that one credential may put; a file counts as 4 KiB at least. What is beyond is refused, and what is there stays."
    ),
    key!(
        "serve.files_per_device",
        Kind::Integer { min: 1, max: 1_000_000_000 },
        "200000",
        "Files that one credential may put. What is beyond is refused, and what is there stays."
    ),
    key!("serve.quota", Kind::Size, "\"200 GiB\"", "Bytes that all credentials together may put."),
];

/// The settings as they hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where to listen, as it was written.
    pub listen: String,
    /// Further names of the server.
    pub hosts: Vec<String>,
    /// The certificate.
    pub tls_cert: Option<PathBuf>,
    /// Its key.
    pub tls_key: Option<PathBuf>,
    /// Whether a proxy encrypts.
    pub behind_proxy: bool,
    /// The folder that is served, if it is not [`default_folder`].
    pub folder: Option<PathBuf>,
    /// The file with the credentials.
    pub token_file: PathBuf,
    /// Connections at once.
    pub connections: usize,
    /// How often one device may ask.
    pub of_caller: Rate,
    /// How often one address may ask.
    pub of_address: Rate,
    /// How much may be put.
    pub quota: Quota,
}

impl Settings {
    /// Reads them. `user_home` is what `~/` stands for.
    pub fn new(config: &Config, home: &Home, user_home: Option<&Path>) -> Self {
        let text = |key| config.text(key).filter(|text| !text.is_empty());
        let path = |key| text(key).map(|text| expanded(text, user_home));
        let number = |key| u32::try_from(config.integer(key).unwrap_or(1)).unwrap_or(u32::MAX);
        let per_second = number("serve.requests_per_second");
        Self {
            listen: text("serve.listen").unwrap_or("127.0.0.1:7777").to_owned(),
            hosts: config.list("serve.hosts").to_vec(),
            tls_cert: path("serve.tls_cert"),
            tls_key: path("serve.tls_key"),
            behind_proxy: config.bool("serve.behind_proxy"),
            folder: path("serve.folder"),
            token_file: path("serve.token_file").unwrap_or_else(|| default_token_file(home)),
            connections: number("serve.connections") as usize,
            of_caller: rate(per_second),
            of_address: rate(per_second.saturating_mul(2)),
            quota: Quota {
                of_credential: config.size("serve.quota_per_device").unwrap_or(u64::MAX),
                of_all: config.size("serve.quota").unwrap_or(u64::MAX),
                files_of_credential: number("serve.files_per_device").into(),
            },
        }
    }
}

fn rate(per_second: u32) -> Rate {
    Rate { per_second, burst: per_second.saturating_mul(10) }
}

fn expanded(text: &str, user_home: Option<&Path>) -> PathBuf {
    match (text.strip_prefix("~/"), user_home) {
        (Some(below), Some(home)) => home.join(below),
        _ => PathBuf::from(text),
    }
}

/// The folder that is served if no other is named.
pub fn default_folder(home: &Home) -> PathBuf {
    home.data_dir().join("exchange").join("hub")
}

/// The file of credentials if no other is named.
pub fn default_token_file(home: &Home) -> PathBuf {
    home.data_dir().join("serve.tokens")
}
