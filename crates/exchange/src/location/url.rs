//! Addresses with a scheme and a host.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::LocationError;

/// A server: scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether the connection is encrypted; if not, the host is this machine unless the user allowed otherwise.
    pub is_encrypted: bool,
    /// A name in lower case, or an address; one of IPv6 in brackets.
    pub host: String,
    /// The port, if it is not the scheme's own.
    pub port: Option<u16>,
}

impl Origin {
    /// Whether it is this machine.
    pub fn is_loopback(&self) -> bool {
        is_this_machine(&self.host)
    }
}

/// Splits `scheme://rest`, with the scheme in lower case.
pub(super) fn scheme(text: &str) -> Option<(String, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.len() <= 32
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    is_scheme.then(|| (scheme.to_ascii_lowercase(), rest))
}

/// Reads what follows `https://`: server and path.
pub(super) fn address(is_encrypted: bool, rest: &str) -> Result<(Origin, String), LocationError> {
    address_of(is_encrypted, rest, false)
}

fn address_of(is_encrypted: bool, rest: &str, allows_plain: bool) -> Result<(Origin, String), LocationError> {
    let (origin, path) = split(is_encrypted, rest, allows_plain)?;
    Ok((origin, plain_path(path)?))
}

/// Splits what follows `https://` into the server and the path, which is as it was written.
pub(super) fn split(is_encrypted: bool, rest: &str, allows_plain: bool) -> Result<(Origin, &str), LocationError> {
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(LocationError::Credentials);
    }
    if path.contains(['?', '#']) {
        // What stands there is often a token.
        return Err(LocationError::Address("it must end before the first ? or #"));
    }
    Ok((Origin::read(is_encrypted, authority, allows_plain)?, path))
}

impl Origin {
    /// Reads a server's address, without a path: `https://s3.example.org`. If `allows_plain`, one without encryption may be of
    /// another machine.
    ///
    /// # Errors
    /// [`LocationError`], which repeats nothing of the text.
    pub fn parse(text: &str, allows_plain: bool) -> Result<Self, LocationError> {
        let is_encrypted = match scheme(text.trim_end_matches('/')) {
            Some((scheme, _)) if scheme == "https" => true,
            Some((scheme, _)) if scheme == "http" => false,
            _ => return Err(LocationError::Address("the endpoint begins with https://")),
        };
        let (_, rest) = text.split_once("://").unwrap_or_default();
        match address_of(is_encrypted, rest, allows_plain)? {
            (origin, path) if path.is_empty() => Ok(origin),
            _ => Err(LocationError::Address("the endpoint has no path")),
        }
    }

    /// Host and port, as they stand in a request.
    pub fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    fn read(is_encrypted: bool, authority: &str, allows_plain: bool) -> Result<Self, LocationError> {
        let host_end = match authority.strip_prefix('[') {
            Some(inner) => {
                inner.find(']').map(|at| at + 2).ok_or(LocationError::Address("the ] after the host is missing"))?
            }
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, port) = authority.split_at(host_end);
        let host = host.to_ascii_lowercase();
        if !is_host(&host) {
            return Err(LocationError::Address("the host is missing or holds a character that hosts have not"));
        }
        let own = if is_encrypted { 443 } else { 80 };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                let port = digits.parse::<u16>().ok().filter(|port| *port > 0);
                Some(port.ok_or(LocationError::Address("the port is not one of 1 to 65535"))?)
            }
            _ => return Err(LocationError::Address("the port is not a number")),
        };
        if !is_encrypted && !allows_plain && !is_this_machine(&host) {
            return Err(LocationError::Plain);
        }
        Ok(Self { is_encrypted, host, port: port.filter(|port| *port != own) })
    }
}

fn is_host(host: &str) -> bool {
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return inner.parse::<Ipv6Addr>().is_ok();
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.strip_suffix('.').unwrap_or(host).split('.').all(is_label)
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host.parse::<Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
        || host.trim_matches(['[', ']']).parse::<Ipv6Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// A path without a slash at its end. What servers read in more than one way is refused.
fn plain_path(path: &str) -> Result<String, LocationError> {
    let path = path.trim_end_matches('/');
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
    };
    match path.strip_prefix('/') {
        None if path.is_empty() => Ok(String::new()),
        Some(segments) if segments.split('/').all(is_segment) => Ok(path.to_owned()),
        _ => Err(LocationError::Address("its path may hold letters, digits, - . _ ~ and single slashes")),
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}
