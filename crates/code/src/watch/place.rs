//! What a name in a git directory means to us. Pure, but for reading HEAD.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::git::{BString, ByteSlice as _};

/// A folder of Git's that is watched, without what lies below it. Object stores and our own refs are none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    /// The tree's own git directory: HEAD, index, state.
    GitDir,
    /// The shared one: packed refs, configuration.
    Common,
    /// `info` of either: excludes, attributes, sparse checkout.
    Info,
    /// `refs/heads`: moves when HEAD's branch moves without the index.
    Heads,
    /// `worktrees`: where linked worktrees come and go.
    Worktrees,
    /// `logs`: HEAD's log grows with each move of HEAD, whatever branch it is on.
    Logs,
    /// The git directory of the submodule at this path, or its `logs`.
    Submodule(BString),
    /// A folder outside, in which this name is a file of rules or leads to one.
    Rules(BString),
}

/// What a change there means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// HEAD or a state file.
    State,
    /// The index: what is tracked may be other than before.
    Index,
    /// A branch; it counts if HEAD is on it.
    Branch,
    /// Rules or configuration: anything may be ignored or not, and filtered otherwise.
    Rules,
    /// A folder that should be watched has come into being.
    Folder,
    /// A submodule's HEAD.
    Submodule,
}

/// Files in a tree's git directory that say what Git is in the middle of.
const STATE_FILES: &[&str] = &[
    "HEAD",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "REBASE_HEAD",
    "BISECT_LOG",
    "rebase-merge",
    "rebase-apply",
    "sequencer",
];

/// Longest HEAD, or file that names a git directory, that is read, in bytes.
const HEAD_BYTES_MAX: u64 = 4096;

/// What a change of `name` in a folder of this role means; `None` for what does not concern us: locks, messages being
/// edited, temporary files.
pub(super) fn meaning(role: &Role, name: &[u8]) -> Option<Meaning> {
    if name.ends_with(b".lock") {
        return None;
    }
    match role {
        Role::GitDir => match name {
            b"index" => Some(Meaning::Index),
            b"config.worktree" => Some(Meaning::Rules),
            b"info" | b"logs" => Some(Meaning::Folder),
            _ => STATE_FILES.iter().any(|known| known.as_bytes() == name).then_some(Meaning::State),
        },
        Role::Common => match name {
            b"packed-refs" => Some(Meaning::State),
            b"config" => Some(Meaning::Rules),
            b"info" | b"worktrees" => Some(Meaning::Folder),
            _ => None,
        },
        Role::Info => matches!(name, b"exclude" | b"attributes" | b"sparse-checkout").then_some(Meaning::Rules),
        Role::Worktrees => Some(Meaning::State),
        Role::Heads => Some(Meaning::Branch),
        Role::Logs => (name == b"HEAD").then_some(Meaning::State),
        // A reset that leaves the index alone shows in the former head, where no log is kept.
        Role::Submodule(_) => matches!(name, b"HEAD" | b"ORIG_HEAD").then_some(Meaning::Submodule),
        Role::Rules(file) => (file.as_slice() == name).then_some(Meaning::Rules),
    }
}

/// Whether HEAD of `git_dir` is on the branch `name`. When it cannot be told, it is.
pub(super) fn is_on(git_dir: &Path, name: &[u8]) -> bool {
    let Ok(Some(head)) = carry_kernel::disk::read_bounded(&git_dir.join("HEAD"), HEAD_BYTES_MAX) else { return true };
    match head.strip_prefix(b"ref: refs/heads/") {
        Some(branch) => branch.trim_end() == name,
        None => false,
    }
}

/// The git directory of the repository whose working tree is `folder`, read off its files.
pub(super) fn git_dir_of(folder: &Path) -> Option<PathBuf> {
    let dot_git = folder.join(".git");
    let kind = dot_git.metadata().ok()?;
    if kind.is_dir() {
        return Some(dot_git);
    }
    // Asked first: opening a FIFO would wait for a writer.
    if !kind.is_file() {
        return None;
    }
    let text = carry_kernel::disk::read_bounded(&dot_git, HEAD_BYTES_MAX).ok().flatten()?;
    let named = text.strip_prefix(b"gitdir:")?.trim_ascii_start().trim_end_with(|c| c == '\n' || c == '\r');
    // Events name folders without links in their path.
    folder.join(OsStr::from_bytes(named)).canonicalize().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(role: Role, name: &str, expected: Option<Meaning>) {
        assert_eq!(meaning(&role, name.as_bytes()), expected, "{role:?} {name}");
    }

    #[test]
    fn only_what_matters_in_a_git_directory_is_heard() {
        check(Role::GitDir, "index", Some(Meaning::Index));
        check(Role::GitDir, "index.lock", None);
        check(Role::GitDir, "HEAD", Some(Meaning::State));
        check(Role::GitDir, "HEAD.lock", None);
        check(Role::GitDir, "MERGE_HEAD", Some(Meaning::State));
        check(Role::GitDir, "rebase-merge", Some(Meaning::State));
        check(Role::GitDir, "COMMIT_EDITMSG", None);
        check(Role::GitDir, "FETCH_HEAD", None);
        check(Role::GitDir, "objects", None);
        check(Role::Common, "packed-refs", Some(Meaning::State));
        check(Role::Common, "config", Some(Meaning::Rules));
        check(Role::Common, "config.lock", None);
        check(Role::Info, "exclude", Some(Meaning::Rules));
        check(Role::Info, "refs", None);
        check(Role::Heads, "main", Some(Meaning::Branch));
        check(Role::Heads, "main.lock", None);
        check(Role::Worktrees, "new", Some(Meaning::State));
        check(Role::Logs, "HEAD", Some(Meaning::State));
        check(Role::Submodule("sub".into()), "HEAD", Some(Meaning::Submodule));
        check(Role::Submodule("sub".into()), "index", None);
        check(Role::Rules("ignore".into()), "ignore", Some(Meaning::Rules));
        check(Role::Rules("ignore".into()), "config", None);
    }

    #[test]
    fn head_is_on_the_branch_it_names() {
        let dir = tempfile::tempdir().unwrap();
        carry_kernel::disk::write_cache(&dir.path().join("HEAD"), b"ref: refs/heads/feature/x\n").unwrap();
        assert!(is_on(dir.path(), b"feature/x"));
        assert!(!is_on(dir.path(), b"feature"));
        assert!(is_on(&dir.path().join("elsewhere"), b"any"));
    }
}
