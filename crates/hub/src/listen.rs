//! Where a server may listen, and by which names it is called.

use std::net::{IpAddr, SocketAddr};

/// Names that a server is called by at most.
const NAMES_MAX: usize = 64;

/// Why a server may not listen so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenError {
    /// Others could read everything on the way.
    #[error("{0} can be reached from other machines, and what is sent there would not be encrypted")]
    Plain(SocketAddr),
    /// A proxy and TLS of our own are two answers to one question.
    #[error("a server behind a proxy that encrypts does not encrypt itself")]
    Both,
    /// A name is none.
    #[error("{0:?} is not the name of a host")]
    Name(String),
}

/// Whether a server may listen at `at`.
///
/// # Errors
/// [`ListenError`].
pub fn check(at: SocketAddr, has_tls: bool, is_behind_proxy: bool) -> Result<(), ListenError> {
    match (has_tls, is_behind_proxy) {
        (true, true) => Err(ListenError::Both),
        (false, false) if !at.ip().to_canonical().is_loopback() => Err(ListenError::Plain(at)),
        _ => Ok(()),
    }
}

/// The names by which a server is called. A page elsewhere whose name was made to lead here calls it otherwise.
#[derive(Clone, Debug)]
pub struct Names {
    listen: IpAddr,
    names: Vec<String>,
}

impl Names {
    /// Those of a server that listens at `at`: this machine's, its address's, and `names`.
    ///
    /// # Errors
    /// [`ListenError::Name`].
    pub fn new(at: SocketAddr, names: &[String]) -> Result<Self, ListenError> {
        let names = names.iter().take(NAMES_MAX).map(|name| {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let is_host = (1..=253).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
            let is_address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
            if is_host || is_address { Ok(name) } else { Err(ListenError::Name(name.chars().take(160).collect())) }
        });
        Ok(Self { listen: at.ip().to_canonical(), names: names.collect::<Result<_, _>>()? })
    }

    /// Whether `authority`, a host and perhaps a port, is one of them.
    pub fn allow(&self, authority: &str) -> bool {
        let Some(host) = host_of(authority) else { return false };
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        if self.names.contains(&host) || host == "localhost" {
            return true;
        }
        let Ok(ip) = host.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
        let ip = ip.to_canonical();
        // An address cannot be made to lead elsewhere. Where all of the machine's are listened at, any may be called.
        ip.is_loopback() || ip == self.listen || self.listen.is_unspecified()
    }

    /// Whether the page at `origin`, as browsers say it, is one of ours.
    pub fn allow_origin(&self, origin: &str) -> bool {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority.is_some_and(|authority| self.allow(authority))
    }
}

fn host_of(authority: &str) -> Option<&str> {
    let (host, port) = match authority.find(']') {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let is_port = |port: &str| port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit());
    (!host.is_empty() && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_is_sent_in_the_clear_to_other_machines() {
        for here in ["127.0.0.1:7777", "[::1]:7777", "127.8.8.8:1", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(check(at(here), false, false), Ok(()));
        }
        for there in ["0.0.0.0:7777", "[::]:7777", "192.168.1.2:7777", "[fe80::1]:7777"] {
            assert_eq!(check(at(there), false, false), Err(ListenError::Plain(at(there))));
            assert_eq!(check(at(there), true, false), Ok(()));
            assert_eq!(check(at(there), false, true), Ok(()));
            assert_eq!(check(at(there), true, true), Err(ListenError::Both));
        }
    }

    #[test]
    fn only_our_names_are_ours() {
        let names = Names::new(at("192.168.1.2:7777"), &["Hub.Example.org.".to_owned()]).unwrap();
        for ours in [
            "localhost",
            "LOCALHOST:7777",
            "127.0.0.1:7777",
            "[::1]:1",
            "192.168.1.2:7777",
            "192.168.1.2",
            "hub.example.org",
            "HUB.example.org:443",
            "hub.example.org.",
        ] {
            assert!(names.allow(ours), "{ours}");
        }
        for foreign in [
            "",
            ":7777",
            "evil.example.org",
            "localhost.evil.org",
            "192.168.1.3",
            "hub.example.org@evil.org",
            "localhost:x",
            "localhost:99999",
            "localhost:+1",
            "[::1",
            "hub.example.org:443:443",
            "127.0.0.1.nip.io",
            "[::2]",
        ] {
            assert!(!names.allow(foreign), "{foreign}");
        }
        assert!(names.allow_origin("http://localhost:7777") && names.allow_origin("https://hub.example.org"));
        for foreign in ["null", "", "localhost", "http://evil.org", "file://", "https://hub.example.org.evil.org"] {
            assert!(!names.allow_origin(foreign), "{foreign}");
        }
        let everywhere = Names::new(at("0.0.0.0:1"), &[]).unwrap();
        assert!(everywhere.allow("10.1.2.3:1") && !everywhere.allow("evil.org"));
        assert!(Names::new(at("0.0.0.0:1"), &["a b".to_owned()]).is_err());
    }
}
