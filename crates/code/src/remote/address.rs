//! What a remote's URL says: where it is reached, and what of it may be shown.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::git::{BStr, BString, ByteSlice as _};
use crate::remote::{Reach, Remote};
use crate::repo::Repo;

/// Where `url` is reached, as Git reads it.
pub(super) fn reach(url: &str) -> Reach {
    if let Some((scheme, rest)) = split_scheme(url) {
        if scheme.eq_ignore_ascii_case("file") {
            return Reach::Local;
        }
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        return reach_of_host(host_of(authority));
    }
    if is_helper(url) {
        // What a helper does is its own; it may well go over the network.
        return Reach::Network;
    }
    match scp_like(url) {
        Some((host, _)) => reach_of_host(host),
        None => Reach::Local,
    }
}

/// `scheme` and what follows `://`.
fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    (!scheme.is_empty() && scheme.chars().all(plain)).then_some((scheme, rest))
}

/// Whether it is `<helper>::<address>`.
fn is_helper(url: &str) -> bool {
    let helper = url.split_once("::").map_or("", |(helper, _)| helper);
    !helper.is_empty() && helper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

/// Host and path of `[user@]host:path`; `None` for a path of this machine. A colon after a slash belongs to a path.
fn scp_like(url: &str) -> Option<(&str, &str)> {
    let start = url.rfind("@[").map_or(0, |at| at + 1);
    if url[start..].starts_with('[') {
        let end = url[start..].find(']')? + start;
        let path = url[end + 1..].strip_prefix(':')?;
        return Some((host_of(&url[..=end]), path));
    }
    let (before, path) = url.split_once(':')?;
    (!before.contains('/') && !before.is_empty()).then(|| (host_of(before), path))
}

/// The host in `user:password@host:port`.
fn host_of(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.split_once(']').map_or(inner, |(inner, _)| inner);
        // `[host:port]:path` is Git's way to give a port where there is no scheme.
        return if inner.matches(':').count() == 1 { inner.split(':').next().unwrap_or(inner) } else { inner };
    }
    host.split(':').next().unwrap_or(host)
}

fn reach_of_host(host: &str) -> Reach {
    let host = host.trim_end_matches('.');
    let is_loopback = host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| match address {
            std::net::IpAddr::V4(v4) => v4.is_loopback(),
            std::net::IpAddr::V6(v6) => v6.is_loopback() || v6.to_ipv4_mapped().is_some_and(|v4| v4.is_loopback()),
        });
    if is_loopback { Reach::Loopback } else { Reach::Network }
}

/// Whether `text` can be taken for an address although no remote has that name.
pub(super) fn is_address(text: &str) -> bool {
    text.starts_with('/') || split_scheme(text).is_some() || is_helper(text) || scp_like(text).is_some()
}

/// `text` with all URLs in it as they may be shown: passwords, and names that may be tokens, are left out, and so is what
/// follows a `?`.
pub fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let start = at + 3;
        let ssh = rest[..at].to_ascii_lowercase().ends_with("ssh");
        out.push_str(&rest[..start]);
        let end = rest[start..]
            .find(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | '<' | '>'))
            .map_or(rest.len(), |n| start + n);
        out.push_str(&masked_address(&rest[start..end], ssh));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// What a repository at `url` is called on every device: host and path, however they are reached. None for a place that
/// other machines know by another name, or not at all. No password, token or user's name is in it.
pub(crate) fn shared_name(url: &str) -> Option<String> {
    let url = masked_url(url);
    if reach(&url) != Reach::Network {
        return None;
    }
    let (host, path) = match split_scheme(&url) {
        Some((_, rest)) => {
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (host_of(authority), path)
        }
        None if is_helper(&url) => return None,
        None => scp_like(&url)?,
    };
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    (!host.is_empty() && !path.is_empty()).then(|| format!("{host}/{path}"))
}

/// One URL as it may be shown, whatever characters it holds.
pub(super) fn masked_url(url: &str) -> String {
    let Some((scheme, address)) = url.split_once("://") else { return url.to_owned() };
    let ssh = scheme.to_ascii_lowercase().ends_with("ssh");
    format!("{scheme}://{}", masked_address(address, ssh))
}

/// See [`Remote::key`].
pub(super) fn key(url: &str) -> String {
    let masked = masked_url(url);
    match (masked.ends_with("?…"), url.split_once('?')) {
        // What follows `?` may be a token as well as what tells two repositories apart.
        (true, Some((_, query))) if query != "…" && !query.starts_with("…-") => {
            let hex: String = Sha256::digest(query)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{masked}-{hex}")
        }
        (true, Some((_, query))) => format!("{}{query}", masked.trim_end_matches('…')),
        _ => masked,
    }
}

/// What follows `://`, without what may be secret.
fn masked_address(address: &str, ssh: bool) -> String {
    let path_at = address.find(['/', '?', '#']).unwrap_or(address.len());
    let (authority, path) = address.split_at(path_at);
    // A password may hold an unquoted slash; then the last `@` of all belongs to it.
    let (user, host, path) = match (authority.rsplit_once('@'), address.rsplit_once('@')) {
        (Some((user, host)), _) => (Some(user), host, path),
        (None, Some((user, rest))) if may_be_password(authority) && !ssh => {
            let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
            (Some(user), &rest[..at], &rest[at..])
        }
        _ => (None, authority, path),
    };
    let user = user.filter(|_| ssh).map(|user| user.split(':').next().unwrap_or(user));
    let user = user.map(|user| format!("{user}@")).unwrap_or_default();
    let path = path.split_once('?').map_or_else(|| path.to_owned(), |(path, _)| format!("{path}?…"));
    format!("{user}{host}{path}")
}

/// Whether what follows the host's colon is no port.
fn may_be_password(authority: &str) -> bool {
    !authority.starts_with('[')
        && authority.split_once(':').is_some_and(|(_, port)| !port.chars().all(|c| c.is_ascii_digit()))
}

/// What Git makes of `url`: the longest `url.<base>.insteadOf` that it begins with is replaced.
pub(crate) fn rewritten(config: &gix::config::File, url: &str) -> String {
    replaced(config, url, "insteadOf").unwrap_or_else(|| url.to_owned())
}

/// `url` with the longest `url.<base>.<key>` that it begins with replaced, if there is one.
fn replaced(config: &gix::config::File, url: &str, key: &str) -> Option<String> {
    let mut best: Option<(BString, BString)> = None;
    for section in config.sections_by_name("url").into_iter().flatten() {
        let Some(base) = section.header().subsection_name() else { continue };
        for prefix in section.values(key) {
            let longer = best.as_ref().is_none_or(|(_, known)| prefix.len() > known.len());
            if !prefix.is_empty() && longer && url.as_bytes().starts_with(&prefix) {
                best = Some((base.to_owned(), prefix));
            }
        }
    }
    best.map(|(base, prefix)| format!("{}{}", base.to_str_lossy(), &url[prefix.len()..]))
}

/// The URLs that a push to a remote may go to, as Git reads them: `pushUrl`, else what `pushInsteadOf` makes of its URL.
/// There are two where it hangs on whether Git is given the remote's name or its URL.
pub(super) fn pushed_to(config: &gix::config::File, name: &str, url: &str) -> Vec<String> {
    let by_url = |url: &str| replaced(config, url, "pushInsteadOf").unwrap_or_else(|| rewritten(config, url));
    match push_url(config, name) {
        Some(push_url) if name != url => vec![rewritten(config, &push_url), by_url(&push_url)],
        _ => vec![by_url(url)],
    }
}

/// The first `pushUrl` of a remote.
pub(crate) fn push_url(config: &gix::config::File, name: &str) -> Option<String> {
    let urls = config.strings_by("remote", Some(BStr::new(name)), "pushUrl").unwrap_or_default();
    let mut usable = urls.iter().filter_map(|url| url.to_str().ok());
    usable.find(|url| !url.is_empty() && !url.starts_with('-')).map(str::to_owned)
}

/// Where `remote` is fetched from and where it is pushed to, when these are two places.
pub(super) fn elsewhere(repo: &Repo, remote: &Remote) -> Option<(String, String)> {
    let gix = repo.gix();
    let snapshot = gix.config_snapshot();
    let config = snapshot.plumbing();
    let fetched = rewritten(config, &remote.url);
    let pushed = pushed_to(config, &remote.name, &remote.url);
    let other = pushed.into_iter().find(|pushed| !is_same_place(repo.root(), &fetched, pushed))?;
    Some((masked_url(&fetched), masked_url(&other)))
}

/// Whether two URLs lead to the same repository: the same host and path. Schemes, users, and the ports of different
/// schemes do not count.
fn is_same_place(root: &Path, one: &str, other: &str) -> bool {
    let (one, other) = (Place::new(root, one), Place::new(root, other));
    let same_port = one.scheme != other.scheme || one.port == other.port;
    same_port && (one.host, one.path) == (other.host, other.path)
}

/// What tells repositories apart.
struct Place {
    scheme: String,
    /// Empty for this machine's files.
    host: String,
    port: String,
    path: String,
}

impl Place {
    fn new(root: &Path, url: &str) -> Self {
        let local = |path: &str| {
            let path = root.join(path);
            let path = path.canonicalize().unwrap_or(path).to_string_lossy().into_owned();
            Self { scheme: String::new(), host: String::new(), port: String::new(), path }
        };
        let far = |scheme: &str, host: &str, port: &str, path: &str| {
            let path = path.trim_matches('/');
            Self {
                scheme: scheme.to_ascii_lowercase(),
                host: host.trim_end_matches('.').to_ascii_lowercase(),
                port: port.to_owned(),
                path: path.strip_suffix(".git").unwrap_or(path).to_owned(),
            }
        };
        if let Some((scheme, rest)) = split_scheme(url) {
            if scheme.eq_ignore_ascii_case("file") {
                return local(rest);
            }
            let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
            let port = if port.chars().all(|c| c.is_ascii_digit()) { port } else { "" };
            return far(scheme, host_of(authority), port, path);
        }
        if is_helper(url) {
            return far("", "", "", url);
        }
        match scp_like(url) {
            Some((host, path)) => far("", host, "", path),
            None => local(url),
        }
    }
}

/// What Git is told to push to. By name the user's settings for that remote hold; but not where Git would then push
/// everything there is (`mirror`), push to several places, or move a tracking ref of the user's.
pub(crate) fn push_target(repo: &Repo, remote: &Remote) -> String {
    if remote.name == remote.url {
        return remote.url.clone();
    }
    let gix = repo.gix();
    let config = gix.config_snapshot();
    let name = BStr::new(&remote.name);
    let strings = |key: &str| config.plumbing().strings_by("remote", Some(name), key).unwrap_or_default();
    let push_urls = strings("pushUrl").len();
    let mirrors = config.boolean(format!("remote.{}.mirror", remote.name).as_str()).unwrap_or(false);
    let tracks = strings("fetch").iter().any(|spec| covers(spec.as_bstr()));
    if mirrors || tracks || push_urls > 1 || (push_urls == 0 && strings("url").len() > 1) {
        return push_url(config.plumbing(), &remote.name).unwrap_or_else(|| remote.url.clone());
    }
    remote.name.clone()
}

/// Whether a fetch refspec may take a line, or a stream of git-pulsar, for something to track.
fn covers(spec: &BStr) -> bool {
    let spec = spec.strip_prefix(b"+").unwrap_or(spec);
    if spec.starts_with(b"^") || !spec.contains(&b':') {
        return false;
    }
    let source = spec.split(|b| *b == b':').next().unwrap_or_default();
    let prefix = source.split(|b| *b == b'*').next().unwrap_or_default();
    let below = |ours: &[u8]| ours.starts_with(prefix) || prefix.starts_with(ours);
    below(b"refs/carry/")
}
