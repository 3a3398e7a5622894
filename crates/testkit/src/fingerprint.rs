//! A byte-exact picture of everything in a repository that is the user's, to be compared before and after.
//!
//! Git's side: every file in the git directories except objects, our refs, and our lines in `packed-refs`: index, HEAD and
//! its kin, logs, config, stash, hooks, states of merges and rebases. The working tree: every path with kind, mode, time of
//! change and content. Logs of our refs are *not* left out: none may be there.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod entry;
#[cfg(test)]
mod tests;
mod walk;

use entry::Entry;

/// The picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// By place: `git/…`, `common/…` or `tree/…`.
    entries: BTreeMap<PathBuf, Entry>,
}

impl Fingerprint {
    /// Of the repository and the working tree whose root is `root`.
    #[track_caller]
    pub fn of(root: &Path) -> Self {
        let mut entries = walk::git(root);
        entries.append(&mut walk::working_tree(root));
        Self { entries }
    }

    /// Of Git's side alone.
    #[track_caller]
    pub fn of_git(root: &Path) -> Self {
        Self { entries: walk::git(root) }
    }

    /// Of the working tree alone.
    #[track_caller]
    pub fn of_working_tree(root: &Path) -> Self {
        Self { entries: walk::working_tree(root) }
    }

    /// The same without times, for comparing two clones in which the same was done at different moments.
    #[must_use]
    pub fn without_times(mut self) -> Self {
        self.entries.values_mut().for_each(Entry::forget_time);
        self
    }

    /// What differs from an earlier picture, one line a path.
    pub fn differences(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (path, was) in &before.entries {
            match self.entries.get(path) {
                None => lines.push(format!("{}: gone (was {was})", path.display())),
                Some(now) if now != was => lines.push(format!("{}: {}", path.display(), now.difference(was))),
                Some(_) => {}
            }
        }
        let new = self.entries.iter().filter(|(path, _)| !before.entries.contains_key(*path));
        lines.extend(new.map(|(path, now)| format!("{}: new ({now})", path.display())));
        lines
    }

    /// Panics with the differences if there are any.
    #[track_caller]
    pub fn assert_same_as(&self, before: &Self) {
        let differences = self.differences(before);
        assert!(differences.is_empty(), "the user's state changed:\n  {}", differences.join("\n  "));
    }
}
