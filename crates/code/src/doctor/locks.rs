//! Locks that were left behind: old, and held by no process.
//!
//! Age alone proves nothing: `git commit -a` holds the index lock, its file closed, as long as the editor is open. So a
//! lock is stale only if no process has it open and no git process works in the repository.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::clock::Timestamp;

use crate::repo::Repo;

/// Locks younger than this are never stale.
const AGE_MIN: Duration = Duration::from_secs(10 * 60);
/// The same where the system does not tell which process holds a file.
const AGE_MIN_BLIND: Duration = Duration::from_secs(24 * 60 * 60);
/// The same for git-pulsar's files, which no process holds open between its runs of git.
const AGE_MIN_PULSAR: Duration = Duration::from_secs(24 * 60 * 60);

/// What identifies a lock, so that one that was taken anew is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stale {
    device: u64,
    inode: u64,
    modified: Timestamp,
}

/// Whether the lock at `path` is stale; `around` are the folders whose git processes may hold it.
pub(super) fn stale(path: &Path, around: &[PathBuf], now: Timestamp) -> Option<Stale> {
    let found = path.symlink_metadata().ok()?;
    let modified = Timestamp::from(found.modified().ok()?);
    // Somebody else's process is none that we could see.
    let ours = found.uid() == rustix::process::geteuid().as_raw();
    let age_min = match path {
        path if super::pulsar::is_leftover(path) => AGE_MIN_PULSAR,
        _ if processes::VISIBLE => AGE_MIN,
        _ => AGE_MIN_BLIND,
    };
    if !found.is_file() || !ours || now.since(modified) < age_min || processes::hold(path, around) {
        return None;
    }
    Some(Stale { device: found.dev(), inode: found.ino(), modified })
}

/// The folders of a repository whose git processes may hold its locks.
pub(super) fn around(repo: &Repo) -> Vec<PathBuf> {
    let mut all = vec![repo.root().to_owned(), repo.git_dir().to_owned(), repo.common_dir().to_owned()];
    all.extend(repo.other_worktrees());
    all.dedup();
    all
}

/// Locks of Git's that stop us, and locks of our refs.
pub(super) fn candidates(repo: &Repo) -> Vec<PathBuf> {
    let mut locks = vec![repo.common_dir().join("packed-refs.lock")];
    let mut folders: Vec<PathBuf> =
        [crate::line::LINES, crate::line::KEEP].iter().map(|prefix| repo.common_dir().join(prefix)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(_) if entry.path().extension().is_some_and(|ext| ext == "lock") => locks.push(entry.path()),
                _ => {}
            }
        }
    }
    locks
}

#[cfg(target_os = "linux")]
mod processes {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::path::{Path, PathBuf};

    use crate::git::ByteSlice as _;

    pub(super) const VISIBLE: bool = true;

    /// Whether any process of ours has `lock` open, or is a git that works around it.
    pub(super) fn hold(lock: &Path, around: &[PathBuf]) -> bool {
        // Processes name files by their real paths.
        let real = lock
            .parent()
            .and_then(|dir| dir.canonicalize().ok())
            .zip(lock.file_name())
            .map(|(dir, name)| dir.join(name));
        let Some(lock) = real else { return true };
        let Ok(all) = fs::read_dir("/proc") else { return true };
        all.flatten()
            .filter(|entry| entry.file_name().as_bytes().iter().all(u8::is_ascii_digit))
            .any(|process| has_open(&process.path(), &lock) || is_git_in(&process.path(), around))
    }

    fn has_open(process: &Path, file: &Path) -> bool {
        let Ok(open) = fs::read_dir(process.join("fd")) else { return false };
        open.flatten().any(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == file))
    }

    fn is_git_in(process: &Path, around: &[PathBuf]) -> bool {
        if !fs::read(process.join("comm")).is_ok_and(|name| name.starts_with(b"git")) {
            return false;
        }
        let works_in =
            fs::read_link(process.join("cwd")).is_ok_and(|cwd| around.iter().any(|dir| cwd.starts_with(dir)));
        // `--git-dir` and `GIT_DIR` work from anywhere.
        let names = |what: &str| {
            let Ok(text) = fs::read(process.join(what)) else { return false };
            around.iter().any(|dir| text.contains_str(dir.as_os_str().as_bytes()))
        };
        works_in || names("cmdline") || names("environ")
    }
}

#[cfg(not(target_os = "linux"))]
mod processes {
    use std::path::{Path, PathBuf};

    pub(super) const VISIBLE: bool = false;

    pub(super) fn hold(_: &Path, _: &[PathBuf]) -> bool {
        false
    }
}
