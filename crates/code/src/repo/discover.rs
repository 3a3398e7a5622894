//! Finding the repository a path belongs to, as Git does.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::OpenError;

/// A place that looks like a repository.
pub(super) struct Found {
    /// `.git` (a folder or a file) in a working tree, or a bare repository.
    pub(super) git: PathBuf,
    /// Whether everything that decides what Git does there belongs to this user.
    pub(super) owned: bool,
}

/// `path`, absolute, links resolved.
pub(super) fn resolve(path: &Path) -> Result<PathBuf, OpenError> {
    path.canonicalize().map_err(|e| match e.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => OpenError::Missing { path: path.to_owned() },
        _ => OpenError::damaged(path)(e),
    })
}

/// The repository of the folder `dir` itself.
pub(super) fn at(dir: &Path) -> Result<Option<Found>, OpenError> {
    let dot_git = dir.join(".git");
    let failed = match gix::discover::is_git(&dot_git) {
        Ok(_) => return found(dot_git, Some(dir)).map(Some),
        Err(e) => e,
    };
    // A file that leads nowhere is a broken worktree or submodule. Going on upwards would take it for a part of
    // the repository around it.
    if dot_git.is_file() {
        return Err(OpenError::damaged(dir)(failed));
    }
    if gix::discover::is_git(dir).is_ok() {
        return found(dir.to_owned(), None).map(Some);
    }
    Ok(None)
}

/// The repository of `from` or of the nearest folder above it, on the same file system.
pub(super) fn upwards(from: &Path) -> Result<Option<Found>, OpenError> {
    let start = if from.is_dir() { from } else { from.parent().unwrap_or(from) };
    let device = start.metadata().map_err(OpenError::damaged(start))?.dev();
    for dir in start.ancestors() {
        if !dir.metadata().is_ok_and(|m| m.dev() == device) {
            break;
        }
        if let Some(found) = at(dir)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Notes whose `git` is. Git looks at the `.git` file, the git directory and the working tree.
fn found(git: PathBuf, work_tree: Option<&Path>) -> Result<Found, OpenError> {
    let mut owned = is_owned(&git).map_err(OpenError::damaged(&git))?;
    if let Some(dir) = work_tree {
        owned &= is_owned(dir).map_err(OpenError::damaged(dir))?;
    }
    if git.is_file() {
        let git_dir = gix::discover::path::from_gitdir_file(&git).map_err(OpenError::damaged(&git))?;
        owned &= is_owned(&git_dir).map_err(OpenError::damaged(&git_dir))?;
    }
    Ok(Found { git, owned })
}

/// Whether `path` itself, not what it links to, belongs to the user we act for. Under `sudo` root acts for the one
/// who called it, as Git has it.
fn is_owned(path: &Path) -> io::Result<bool> {
    let owner = path.symlink_metadata()?.uid();
    let us = rustix::process::geteuid();
    if owner == us.as_raw() {
        return Ok(true);
    }
    let caller = || std::env::var("SUDO_UID").ok()?.parse::<u32>().ok();
    Ok(us.is_root() && caller() == Some(owner))
}
