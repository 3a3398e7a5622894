//! The worktrees that share a repository.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{Repo, options};
use crate::repo::discover::Found;

/// Roots of the worktrees of `repo` other than itself, sorted.
pub(super) fn others(repo: &Repo) -> Vec<PathBuf> {
    let mut roots: Vec<PathBuf> = linked(&repo.common_dir).chain(main(repo)).collect();
    roots.retain(|root| *root != repo.root);
    roots.sort();
    roots.dedup();
    roots
}

/// The main worktree, unless the repository is bare.
fn main(repo: &Repo) -> Option<PathBuf> {
    if repo.git_dir == repo.common_dir {
        return None;
    }
    let found = Found { git: repo.common_dir.clone(), owned: true };
    let main = options::open(&found).ok()?;
    main.work_dir()?.canonicalize().ok().filter(|root| root.join(".git").exists())
}

/// The linked worktrees that are where they were registered and still lead back.
fn linked(common_dir: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(common_dir.join("worktrees")).into_iter().flatten();
    entries.filter_map(|entry| {
        let registered = entry.ok()?.path();
        let gitfile = std::fs::read(registered.join("gitdir")).ok()?;
        let gitfile = registered.join(Path::new(OsStr::from_bytes(gitfile.trim_ascii_end()))).canonicalize().ok()?;
        let leads_to = gix::discover::path::from_gitdir_file(&gitfile).ok()?.canonicalize().ok()?;
        let root = gitfile.parent()?.to_owned();
        (leads_to == registered.canonicalize().ok()?).then_some(root)
    })
}
