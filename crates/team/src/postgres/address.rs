//! Where a store is, as a URL or as words: `postgres://user@host/database?sslmode=verify-full`, or `host=… dbname=…`.
//!
//! No error repeats a value: where an address is wrong, a piece of a password can stand anywhere.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::settings::Secret;
use crate::sink::{Class, SinkError};

mod parts;
#[cfg(test)]
mod tests;

/// What an address says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The servers, in the order in which they are tried.
    pub(crate) hosts: Vec<(Host, u16)>,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<String>,
    pub(crate) tls: Tls,
    /// Which of several servers will do.
    pub(crate) wants: Option<Wants>,
    pub(crate) application: Option<String>,
    pub(crate) connect_timeout: Option<Duration>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Host {
    /// A name or an address.
    Tcp(String),
    /// The folder of a socket on this machine.
    Unix(PathBuf),
}

/// What is said about encryption.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    pub(crate) mode: Option<TlsMode>,
    /// Authorities to trust instead of the machine's.
    pub(crate) roots: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

/// `sslmode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TlsMode {
    /// None.
    Disable,
    /// As if nothing were said.
    Prefer,
    /// With a certificate that is from a known authority, for whatever name.
    VerifyCa,
    /// With a certificate that is from a known authority and for this host. `require` is this, too.
    Require,
}

/// `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// Any.
    Any,
    /// One that can be written.
    ReadWrite,
    /// One that can only be read.
    ReadOnly,
}

impl Host {
    /// Whether nobody on another machine can listen to what is said to it.
    pub(crate) fn is_here(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp(name) => {
                name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
            }
        }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(name) => f.write_str(name),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Target {
    /// Whether every server it names is on this machine.
    pub(crate) fn is_here(&self) -> bool {
        self.hosts.iter().all(|(host, _)| host.is_here())
    }

    /// Reads an address.
    ///
    /// # Errors
    /// [`Class::Unsupported`]: it cannot be understood.
    pub(crate) fn parse(text: &str) -> Result<Self, SinkError> {
        let text = text.trim();
        let said = match text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://")) {
            Some(rest) => parts::of_url(rest),
            None if text.contains("://") => Err("it must begin with postgres://".to_owned()),
            None => parts::of_words(text),
        };
        said.and_then(|said| Self::of(&said)).map_err(|why| {
            SinkError::new(Class::Unsupported, format!("the store's address cannot be understood: {why}"))
                .with_hint("It is like postgres://user@host/database; what is special in a name or a password is written as % and two hex digits.")
        })
    }

    fn of(said: &parts::Parts) -> Result<Self, String> {
        let mut target = Self {
            hosts: Vec::new(),
            user: None,
            password: None,
            database: None,
            tls: Tls::default(),
            wants: None,
            application: None,
            connect_timeout: None,
        };
        let (mut hosts, mut ports) = (Vec::new(), Vec::new());
        for (name, value) in said {
            if value.contains('\0') {
                return Err(format!("{name} holds a NUL"));
            }
            let text = Some(value.clone()).filter(|value| !value.is_empty());
            match &**name {
                "host" => hosts = value.split(',').map(str::to_owned).collect(),
                "port" => ports = value.split(',').map(str::to_owned).collect(),
                "user" => target.user = text,
                "password" => target.password = text.map(Secret),
                "dbname" => target.database = text,
                "application_name" => target.application = text,
                "sslmode" => target.tls.mode = Some(tls_mode(value)?),
                "sslrootcert" => target.tls.roots = text.filter(|file| file != "system").map(PathBuf::from),
                "sslcert" => target.tls.certificate = text.map(PathBuf::from),
                "sslkey" => target.tls.key = text.map(PathBuf::from),
                "target_session_attrs" => target.wants = Some(wants(value)?),
                "connect_timeout" => {
                    let seconds: u32 = value.parse().map_err(|_| "connect_timeout is no number of seconds")?;
                    target.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds.into()));
                }
                // Names of settings are fixed words; another one may be a piece of anything.
                _ => {
                    return Err("a setting in it is not known; these are: host, port, user, password, dbname, \
                                application_name, sslmode, sslrootcert, sslcert, sslkey, target_session_attrs, \
                                connect_timeout"
                        .to_owned());
                }
            }
        }
        target.hosts = pair(&hosts, &ports)?;
        if target.tls.certificate.is_some() != target.tls.key.is_some() {
            return Err("sslcert and sslkey go together".to_owned());
        }
        Ok(target)
    }
}

fn tls_mode(value: &str) -> Result<TlsMode, String> {
    match value {
        "disable" => Ok(TlsMode::Disable),
        "allow" | "prefer" => Ok(TlsMode::Prefer),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "require" | "verify-full" => Ok(TlsMode::Require),
        _ => Err("sslmode is disable, prefer, require, verify-ca or verify-full".to_owned()),
    }
}

fn wants(value: &str) -> Result<Wants, String> {
    match value {
        "any" => Ok(Wants::Any),
        "read-write" | "primary" => Ok(Wants::ReadWrite),
        "read-only" | "standby" => Ok(Wants::ReadOnly),
        _ => Err("target_session_attrs is any, read-write or read-only".to_owned()),
    }
}

/// Hosts with their ports: one port is for all.
fn pair(hosts: &[String], ports: &[String]) -> Result<Vec<(Host, u16)>, String> {
    let port = |text: &str| match text {
        "" => Ok(5432),
        text => text.parse::<u16>().ok().filter(|port| *port > 0).ok_or("a port is no number from 1 to 65535"),
    };
    let ports = ports.iter().map(|text| port(text)).collect::<Result<Vec<_>, _>>()?;
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err("there are not as many ports as hosts".to_owned());
    }
    if hosts.is_empty() || hosts.iter().any(String::is_empty) {
        return Err("it names no host".to_owned());
    }
    let host = |text: &String| {
        if text.starts_with('/') { Host::Unix(PathBuf::from(text)) } else { Host::Tcp(text.clone()) }
    };
    let port_of = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
    Ok(hosts.iter().enumerate().map(|(at, text)| (host(text), port_of(at))).collect())
}
