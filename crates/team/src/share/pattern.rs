//! Which projects a rule is about.

use std::fmt;
use std::path::Path;

use carry_sessions::project::normal_remote;

use super::RuleError;

/// How particular a pattern is; greater is more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Those that begin with so many bytes.
    Begins(usize),
    /// This one.
    Exact,
}

/// What is compared, in its normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    All,
    Exact(String),
    Begins(String),
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn parse(said: &str, home: Option<&Path>) -> Result<Self, RuleError> {
        let said = said.trim();
        let failed = |why| RuleError::Pattern { pattern: without_user(said), why };
        if said == "*" {
            return Ok(Self::All);
        }
        let (base, is_beginning) = said.strip_suffix('*').map_or((said, false), |base| (base, true));
        if base.is_empty() || base.chars().any(char::is_control) {
            return Err(failed("it is empty or holds control characters"));
        }
        if base.contains('*') {
            return Err(failed("* stands only at the end"));
        }
        let normal = if base.starts_with(['/', '~']) {
            folder(base, is_beginning, home)
        } else if base.starts_with('.') {
            Err("a folder is written from / or ~/ on")
        } else if is_beginning {
            Ok(beginning(base).unwrap_or_else(|| base.to_owned())).and_then(plain)
        } else {
            Ok(normal_remote(base).unwrap_or_else(|| name(base))).and_then(plain)
        };
        let normal = normal.map_err(failed)?;
        Ok(if is_beginning { Self::Begins(normal) } else { Self::Exact(normal) })
    }

    /// How well it fits a remote or a name; `None`: not at all.
    pub(super) fn rank_of_name(&self, name: &str) -> Option<Rank> {
        match self {
            Self::All => None,
            Self::Exact(text) => name.eq_ignore_ascii_case(text).then_some(Rank::Exact),
            Self::Begins(text) => {
                let is_it = name.get(..text.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(text));
                is_it.then_some(Rank::Begins(text.len()))
            }
        }
    }

    /// The same, of a folder. A folder takes what lies below it.
    pub(super) fn rank_of_folder(&self, folder: &str) -> Option<Rank> {
        match self {
            Self::All => None,
            Self::Exact(text) if folder == text => Some(Rank::Exact),
            Self::Exact(text) => is_below(folder, text).then_some(Rank::Begins(text.len())),
            Self::Begins(text) => folder.starts_with(text.as_str()).then_some(Rank::Begins(text.len())),
        }
    }

    /// Whether it is about every project.
    pub(super) fn is_all(&self) -> bool {
        *self == Self::All
    }

    /// Whether two patterns are about the same, however they are written.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        let (one, other) = (self.to_string(), other.to_string());
        if one.starts_with('/') { one == other } else { one.eq_ignore_ascii_case(&other) }
    }
}

/// Whether a folder lies below another one.
pub(super) fn is_below(folder: &str, other: &str) -> bool {
    let other = other.trim_end_matches('/');
    folder.strip_prefix(other).is_some_and(|rest| rest.starts_with('/'))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Exact(text) => f.write_str(text),
            Self::Begins(text) => write!(f, "{text}*"),
        }
    }
}

/// A folder from the root on, without `.` and doubled or trailing slashes; a beginning keeps its last slash.
fn folder(said: &str, is_beginning: bool, home: Option<&Path>) -> Result<String, &'static str> {
    let path = match said.strip_prefix('~') {
        None => said.to_owned(),
        Some(rest) if rest.is_empty() || rest.starts_with('/') => {
            let home = home.ok_or("there is no home directory that ~/ could stand for")?;
            format!("{}{rest}", home.to_str().ok_or("the home directory's name is not UTF-8")?)
        }
        Some(_) => return Err("of home directories only your own, ~/, is known"),
    };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("a folder is written without ..");
    }
    let mut normal = format!("/{}", parts.join("/"));
    if is_beginning && path.ends_with('/') && normal.len() > 1 {
        normal.push('/');
    }
    Ok(normal)
}

/// The beginning of remotes in their normal form; `None` when it is none (a name, half a host).
fn beginning(said: &str) -> Option<String> {
    // With a letter behind it, it is an address, and no ending such as `.git` is taken off.
    let whole = normal_remote(&format!("{said}x"))?;
    whole.strip_suffix('x').map(str::to_owned)
}

/// A name as projects have it.
fn name(said: &str) -> String {
    let is_name = !said.contains(['/', '\\', ':', '.']);
    if is_name { said.replace('-', "_") } else { said.to_owned() }
}

/// Refuses an address that could not be understood: it may hold a password, and no project is called so.
fn plain(normal: String) -> Result<String, &'static str> {
    let is_address = normal.contains("://") || normal.contains('@');
    if is_address { Err("it is no address of a repository on a host") } else { Ok(normal) }
}

/// What was typed without what could be a user, a password or a token in it, for people: nothing before the last `@`, no query,
/// and of what has a colon where a host ends only the scheme.
pub(super) fn without_user(said: &str) -> String {
    let (said, query) = said.split_at(said.find(['?', '#']).unwrap_or(said.len()));
    let query = if query.is_empty() { "" } else { "?…" };
    let scheme = said.split_once("://").map(|(scheme, _)| scheme).filter(|scheme| !scheme.contains('@'));
    let scheme = scheme.map(|scheme| format!("{scheme}://")).unwrap_or_default();
    if let Some((_, rest)) = said.rsplit_once('@') {
        return format!("{scheme}…@{rest}{query}");
    }
    let authority = said[scheme.len()..].split('/').next().unwrap_or_default();
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((_, port)) if !scheme.is_empty() && !is_port(port) => format!("{scheme}…{query}"),
        _ => format!("{said}{query}"),
    }
}

/// A whole rule, the same way.
pub(super) fn rule_without_user(said: &str) -> String {
    let is_plain = |pattern: &str| !pattern.contains(['@', '?', '#', ':']);
    let is_word =
        |how: &str| how.len() <= 32 && how.bytes().all(|byte| byte.is_ascii_lowercase() || b"@-".contains(&byte));
    match said.rsplit_once('=') {
        Some((pattern, how)) if is_plain(pattern) && is_word(how) => said.to_owned(),
        Some((pattern, how)) if is_plain(pattern) && !how.contains('@') => format!("{pattern}=…"),
        Some((pattern, how)) if is_word(how) && pattern.contains('@') => format!("{}={how}", without_user(pattern)),
        _ => without_user(said),
    }
}
