//! Addresses with a password in them: `scheme://user:password@host`.

use crate::git::ByteSlice as _;

use super::Found;
use super::values::is_placeholder;

/// Longest address part that is looked at, in bytes.
const AUTHORITY_BYTES_MAX: usize = 512;

/// Longest scheme, in bytes.
const SCHEME_BYTES_MAX: usize = 24;

/// Shortest password that counts, in bytes: shorter ones stand in examples and on one's own machine.
const PASSWORD_BYTES_MIN: usize = 6;

/// Hosts of development set-ups, whose passwords everybody knows.
const HOSTS: &[&str] = &[
    "localhost",
    "host",
    "hostname",
    "server",
    "db",
    "database",
    "postgres",
    "postgresql",
    "mysql",
    "mariadb",
    "redis",
    "mongo",
    "mongodb",
    "rabbitmq",
    "host.docker.internal",
    "0.0.0.0",
    "[::1]",
];

/// Ends of hosts that are reserved for examples, or lead to this machine.
const HOST_ENDS: &[&str] = &[
    "example.com",
    "example.org",
    "example.net",
    ".example",
    ".test",
    ".invalid",
    ".localhost",
    "domain.com",
    "domain.tld",
];

/// Looks for them.
pub(super) fn look(text: &[u8], found: &mut Found) {
    if let Some(at) = text.find_iter(b"://").find(|&at| has_password(text, at).is_some()) {
        found.insert("address with a password", Some(at));
    }
}

/// The password of the address whose `://` stands at `at`, if it has one that counts.
pub(super) fn has_password(text: &[u8], at: usize) -> Option<&[u8]> {
    let before = &text[at.saturating_sub(SCHEME_BYTES_MAX)..at];
    let scheme = before.iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b"+.-".contains(b)).count();
    if !before[before.len() - scheme..].iter().any(u8::is_ascii_alphabetic) {
        return None;
    }
    let rest = &text[at + 3..];
    let rest = &rest[..rest.len().min(AUTHORITY_BYTES_MAX)];
    let ends = |byte: &u8| byte.is_ascii_whitespace() || byte.is_ascii_control() || b"/?#\"'`<>\\,;|()".contains(byte);
    let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
    let (user_and_password, host) = authority.rsplit_once_str("@")?;
    let (user, password) = user_and_password.split_once_str(":")?;
    let counts = password.len() >= PASSWORD_BYTES_MIN
        && password != user
        && !password.contains_str("${")
        && !password.contains_str("{{")
        && !is_placeholder(password)
        && !is_example(host);
    counts.then_some(password)
}

/// Whether a host, with or without its port, is one of examples and of one's own machine.
fn is_example(host: &[u8]) -> bool {
    let name = match host.find_byte(b']') {
        Some(end) => &host[..=end],
        None => host.split(|&byte| byte == b':').next().unwrap_or_default(),
    };
    let name = name.to_ascii_lowercase();
    name.is_empty()
        || name.starts_with(b"127.")
        || is_placeholder(&name)
        || HOSTS.iter().any(|known| name == known.as_bytes())
        || HOST_ENDS.iter().any(|end| name.ends_with(end.as_bytes()))
}
