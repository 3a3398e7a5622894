//! Which project a session belongs to.

mod disk;
mod remote;

#[cfg(test)]
mod tests;

pub use disk::Disk;
pub use remote::normal_remote;

/// A project: what tells it apart, and its name for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Project {
    /// Normalised remote (`host/owner/repo`), else root path, else name.
    pub key: String,
    /// Base name of the main repository's root, or what the rules make of the path; `-` becomes `_`.
    pub name: String,
    /// The normalised remote.
    pub remote: Option<String>,
    /// The main repository's root.
    pub root: Option<String>,
}

/// What is asked of the disk: the root of the main repository around a folder and its remote's address. Handed in, so that the
/// rules are pure.
pub trait Repositories {
    /// The main repository that encloses `cwd` (a linked worktree is resolved), and the address of its remote. `None` when there is
    /// none or the folder is gone.
    fn around(&mut self, cwd: &str) -> Option<(String, Option<String>)>;
}

/// The name of what belongs nowhere.
const UNKNOWN: &str = "unknown";

/// Folders under which people keep their repositories, as they stand in an encoded folder name.
const MARKERS: [&str; 6] = ["code", "projects", "repos", "src", "work", "dev"];

/// Names are cut here: they stand in lists.
const NAME_CHARS_MAX: usize = 128;

/// The project of a session that ran in `cwd`. `hint` is the agent's name for it or an encoded folder name; `recorded` a remote that
/// the agent recorded.
pub fn project_of(
    cwd: Option<&str>,
    hint: Option<&str>,
    recorded: Option<&str>,
    repositories: &mut dyn Repositories,
) -> Project {
    let recorded = recorded.and_then(normal_remote);
    let cwd = cwd.map(|cwd| cwd.trim_end_matches(['/', '\\'])).filter(|cwd| !cwd.is_empty());
    let Some(cwd) = cwd else {
        let name =
            hint.and_then(name_of_hint).or_else(|| recorded.as_deref().map(|remote| base_name(remote).to_owned()));
        return project(name, recorded, None);
    };
    if let Some((root, remote)) = repositories.around(cwd) {
        let remote = remote.as_deref().and_then(normal_remote).or(recorded);
        return project(Some(base_name(&root).to_owned()), remote, Some(root));
    }
    match layout_of(cwd) {
        Some(Layout::Inside(root)) => {
            if let Some((root, remote)) = repositories.around(root) {
                let remote = remote.as_deref().and_then(normal_remote).or(recorded);
                return project(Some(base_name(&root).to_owned()), remote, Some(root));
            }
            project(Some(base_name(root).to_owned()), recorded, Some(root.to_owned()))
        }
        Some(Layout::Named(name)) => project(Some(name.to_owned()), recorded, None),
        Some(Layout::Remote(remote)) => project(Some(base_name(&remote).to_owned()), recorded.or(Some(remote)), None),
        None => project(Some(base_name(cwd).to_owned()), recorded, Some(cwd.to_owned())),
    }
}

/// `to` as seen from `base`, without looking at the disk: `.` and `..` are resolved by their text. `None` when either cannot be known.
pub(crate) fn joined(base: Option<&str>, to: &str) -> Option<String> {
    if to.is_empty() || to == "-" || to.starts_with(['~', '$', '`', '+']) || to.contains("$(") || to.contains("${") {
        return None;
    }
    let is_drive = to.as_bytes().get(1) == Some(&b':') && to.as_bytes()[0].is_ascii_alphabetic();
    if is_drive {
        return Some(to.to_owned());
    }
    let base = if to.starts_with('/') { "" } else { base? };
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for part in to.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Some(format!("/{}", parts.join("/")))
}

fn project(name: Option<String>, remote: Option<String>, root: Option<String>) -> Project {
    let name: String = name
        .as_deref()
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .unwrap_or(UNKNOWN)
        .chars()
        .filter(|character| !character.is_control())
        .take(NAME_CHARS_MAX)
        .map(|character| if character == '-' { '_' } else { character })
        .collect();
    let name = if name.is_empty() { UNKNOWN.to_owned() } else { name };
    let key = remote.clone().or_else(|| root.clone()).unwrap_or_else(|| name.clone());
    Project { key, name, remote, root }
}

/// Where tools put their worktrees.
enum Layout<'p> {
    /// Inside the repository at this path.
    Inside(&'p str),
    /// Elsewhere; the path says the repository's name.
    Named(&'p str),
    /// Elsewhere; the path says the remote.
    Remote(String),
}

fn layout_of(path: &str) -> Option<Layout<'_>> {
    for inside in ["/.claude/worktrees/", "/.worktrees/", "/.git/worktrees/"] {
        if let Some(at) = path.find(inside).filter(|at| *at > 0) {
            return Some(Layout::Inside(&path[..at]));
        }
    }
    if let Some((_, rest)) = path.split_once("/worktrees/github.com/") {
        let mut parts = rest.split('/');
        if let (Some(owner), Some(repo)) =
            (parts.next().filter(|o| !o.is_empty()), parts.next().filter(|r| !r.is_empty()))
        {
            return Some(Layout::Remote(format!("github.com/{owner}/{repo}")));
        }
    }
    // The number of parts between the folder and the repository's name.
    const NAMED: [(&str, usize); 5] = [
        ("/.superset/worktrees/", 0),
        ("/conductor/workspaces/", 0),
        ("/.codex/worktrees/", 1),
        ("/.cursor/worktrees/", 0),
        ("/.roborev/ci-worktrees/", 0),
    ];
    NAMED.iter().find_map(|(folder, skipped)| {
        let (_, rest) = path.split_once(folder)?;
        rest.split('/').nth(*skipped).filter(|name| !name.is_empty()).map(Layout::Named)
    })
}

/// The name in what an agent calls the project: a path, a name, or a path whose separators were replaced.
fn name_of_hint(hint: &str) -> Option<String> {
    let hint = hint.trim().trim_end_matches(['/', '\\']);
    if hint.contains(['/', '\\']) {
        return match layout_of(hint) {
            Some(Layout::Inside(root)) => Some(base_name(root).to_owned()),
            Some(Layout::Named(name)) => Some(name.to_owned()),
            Some(Layout::Remote(remote)) => Some(base_name(&remote).to_owned()),
            None => Some(base_name(hint).to_owned()),
        };
    }
    let Some(encoded) = hint.strip_prefix('-').or_else(|| drive(hint)) else {
        return Some(hint.to_owned()).filter(|hint| !hint.is_empty());
    };
    // `/.` becomes `--`.
    let encoded = encoded.split("--claude-worktrees-").next().unwrap_or(encoded);
    let parts: Vec<&str> = encoded.split('-').collect();
    let after = |at: usize| parts.get(at + 1..).map(|rest| rest.join("-")).filter(|name| !name.is_empty());
    parts
        .iter()
        .rposition(|part| MARKERS.contains(part))
        .and_then(after)
        .or_else(|| matches!(parts.first(), Some(&"home" | &"Users")).then(|| after(1)).flatten())
        .or_else(|| parts.iter().rev().find(|part| !part.is_empty()).map(|part| (*part).to_owned()))
}

/// What follows the drive in an encoded path of Windows: `C--Users-…`.
fn drive(hint: &str) -> Option<&str> {
    hint.split_at_checked(3)
        .filter(|(drive, _)| drive.ends_with("--") && drive.as_bytes()[0].is_ascii_alphabetic())
        .map(|(_, rest)| rest)
}

/// The last part of a path of any system.
fn base_name(path: &str) -> &str {
    path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or(path)
}
