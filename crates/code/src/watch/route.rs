//! What an event means: for which tree, and what has to be watched because of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Instant;

use carry_kernel::id::TreeId;
use notify::EventKind;
use notify::event::{CreateKind, ModifyKind, RemoveKind, RenameMode};

use super::batch::Batch;
use super::place::{self, Meaning, Role};
use super::rules;
use super::trees::Trees;
use super::{Event, Style};
use crate::git::ByteSlice as _;

/// What happened to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    /// It came into being, or was moved here; whether it is a folder is known or not.
    Appeared(Option<bool>),
    /// It is not here any more.
    Vanished { folder: bool },
    /// Its permissions, owner or times.
    Status,
    /// Its content.
    Content,
}

impl Change {
    fn of(kind: EventKind) -> Self {
        match kind {
            EventKind::Create(CreateKind::Folder) => Self::Appeared(Some(true)),
            EventKind::Create(CreateKind::File) => Self::Appeared(Some(false)),
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_)) if !is_rename_from(kind) => {
                Self::Appeared(None)
            }
            EventKind::Remove(what) => Self::Vanished { folder: what == RemoveKind::Folder },
            EventKind::Modify(ModifyKind::Name(_)) => Self::Vanished { folder: false },
            EventKind::Modify(ModifyKind::Metadata(_)) => Self::Status,
            _ => Self::Content,
        }
    }
}

fn is_rename_from(kind: EventKind) -> bool {
    kind == EventKind::Modify(ModifyKind::Name(RenameMode::From))
}

impl Trees {
    /// Takes one event.
    pub(super) fn heard(&mut self, event: &notify::Event, batch: &mut Batch) {
        let change = Change::of(event.kind);
        for path in &event.paths {
            // On systems that do not tell from where to where, a name that is gone was moved away.
            let change = match change {
                Change::Appeared(None) if path.symlink_metadata().is_err() => Change::Vanished { folder: false },
                change => change,
            };
            self.heard_in_git(path, change, batch);
            for place in path.ancestors() {
                if let Some(id) = self.roots.get(place).cloned()
                    && let Ok(below) = path.strip_prefix(place)
                {
                    self.heard_in_tree(&id, &rules::relative(below), change, batch);
                }
            }
        }
    }

    /// A cookie was heard of.
    pub(super) fn cookie(&mut self, number: u64, batch: &mut Batch) {
        if self.awaited.remove(&number) {
            batch.synced(number);
        }
    }

    /// Events were lost: anything may have changed, folders may have come that are not watched, cookies gone unheard.
    pub(super) fn overflowed(&mut self, batch: &mut Batch) {
        tracing::warn!(trees = self.trees.len(), "events were lost; all trees are looked at again");
        let ids: Vec<TreeId> = self.ids().cloned().collect();
        for id in ids {
            self.check_presence(&id, batch);
        }
        // Whatever happened before they were asked for is found by the looks that come first.
        for number in std::mem::take(&mut self.awaited) {
            batch.synced(number);
        }
    }

    fn heard_in_git(&mut self, path: &Path, change: Change, batch: &mut Batch) {
        if matches!(change, Change::Vanished { .. })
            && let Some(users) = self.git.get(path).cloned()
        {
            for (id, role) in users {
                self.git_folder_vanished(&id, path, &role, batch);
            }
        }
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return };
        let Some(users) = self.git.get(parent).cloned() else { return };
        let name = std::os::unix::ffi::OsStrExt::as_bytes(name);
        for (id, role) in users {
            match place::meaning(&role, name) {
                Some(Meaning::State) => batch.git(&id),
                Some(Meaning::Index) => {
                    self.index_changed(&id, Instant::now());
                    batch.git(&id);
                }
                Some(Meaning::Branch)
                    if self.trees.get(&id).is_some_and(|tree| place::is_on(tree.repo.git_dir(), name)) =>
                {
                    batch.git(&id);
                }
                Some(Meaning::Rules) => self.walk_again(&id, batch),
                Some(Meaning::Folder) => {
                    if let Err(error) = self.watch_git(&id) {
                        self.give_up(&id, &error, batch);
                    }
                    // What came into it before it was watched is not reported.
                    if name == b"info" { self.walk_again(&id, batch) } else { batch.git(&id) }
                }
                Some(Meaning::Submodule) => {
                    if let Role::Submodule(at) = role {
                        batch.path(&id, at);
                    }
                }
                Some(Meaning::Branch) | None => {}
            }
        }
    }

    /// Looks whether files outside that rules depend on changed unheard; if so, the tree is walked again.
    pub(super) fn check_rules(&mut self, id: &TreeId, batch: &mut Batch) {
        if self.has_other_rules(id) {
            self.walk_again(id, batch);
        }
    }

    fn git_folder_vanished(&mut self, id: &TreeId, path: &Path, role: &Role, batch: &mut Batch) {
        if matches!(role, Role::GitDir | Role::Common) {
            self.check_presence(id, batch);
            return;
        }
        if path.is_dir() {
            return;
        }
        if let Some(users) = self.git.get_mut(path) {
            users.retain(|(user, as_what)| (user, as_what) != (id, role));
            if users.is_empty() {
                self.git.remove(path);
                self.unwatch(path);
            }
        }
    }

    fn heard_in_tree(&mut self, id: &TreeId, path: &[u8], change: Change, batch: &mut Batch) {
        let vanished = matches!(change, Change::Vanished { .. });
        let is_root = path.is_empty();
        if is_root || path == b".git" {
            if vanished || matches!(change, Change::Appeared(_)) {
                self.check_presence(id, batch);
            }
            return;
        }
        if let Some(nested) = path.strip_suffix(b"/.git") {
            self.nested_changed(id, nested, batch);
            return;
        }
        if is_in_git(path) || !self.is_heard(id, path) {
            return;
        }
        let is_folder = match change {
            Change::Vanished { .. } if self.forget_below(id, path) => {
                // Another folder was moved over it; the system's watcher takes the old one's end for its.
                if self.is_folder(id, path) {
                    return self.folder_appeared(id, path, Change::Appeared(Some(true)), batch);
                }
                true
            }
            Change::Vanished { folder } => folder,
            Change::Appeared(Some(is_folder)) => is_folder,
            Change::Appeared(None) | Change::Status => self.is_folder(id, path),
            Change::Content => false,
        };
        let name = path.rfind_byte(b'/').map_or(path, |at| &path[at + 1..]);
        if name == b".gitignore" || name == b".gitattributes" {
            self.walk_again(id, batch);
        } else if is_folder && !vanished {
            self.folder_appeared(id, path, change, batch);
        } else if !self.is_ignored(id, path, is_folder) {
            batch.path(id, path.into());
        }
    }

    /// Whether events at `path` concern this tree: nested trees and ignored folders have others, or none.
    fn is_heard(&mut self, id: &TreeId, path: &[u8]) -> bool {
        let parent = path.rfind_byte(b'/').map_or(&b""[..], |at| &path[..at]);
        match self.style {
            Style::PerFolder => self.trees.get(id).is_some_and(|tree| tree.folders.contains(parent)),
            // Everything below is heard; a repository in between has its own tree or is left out.
            Style::Recursive => {
                let Some(root) = self.trees.get(id).map(|tree| tree.repo.root().to_owned()) else { return false };
                let mut ends = parent
                    .iter()
                    .enumerate()
                    .filter(|(_, byte)| **byte == b'/')
                    .map(|(at, _)| at)
                    .chain([parent.len()]);
                parent.is_empty() || !ends.any(|end| rules::absolute(&root, &parent[..end]).join(".git").exists())
            }
        }
    }

    fn is_folder(&self, id: &TreeId, path: &[u8]) -> bool {
        let Some(tree) = self.trees.get(id) else { return false };
        rules::absolute(tree.repo.root(), path).symlink_metadata().is_ok_and(|found| found.is_dir())
    }

    fn folder_appeared(&mut self, id: &TreeId, path: &[u8], change: Change, batch: &mut Batch) {
        let is_known = self.trees.get(id).is_none_or(|tree| tree.folders.contains(path));
        match change {
            // One that could not be read may be readable now; otherwise its own status is in no snapshot.
            Change::Status if is_known => return,
            // It was met when its parent was walked.
            Change::Appeared(Some(true)) if is_known => return batch.path(id, path.into()),
            // What was watched here before has another name.
            Change::Appeared(_) if is_known => drop(self.forget_below(id, path)),
            _ => {}
        }
        match self.watch_below(id, path, &BTreeSet::new()) {
            // Told after it is watched: what came into it before is found by looking.
            Ok(true) => batch.path(id, path.into()),
            Ok(false) => {
                // Ignored, or a repository of its own; the latter is named in snapshots.
                if !self.is_ignored(id, path, true) {
                    batch.path(id, path.into());
                }
            }
            Err(error) => self.give_up(id, &error, batch),
        }
    }

    /// A folder became a repository of its own, or is one no more.
    fn nested_changed(&mut self, id: &TreeId, nested: &[u8], batch: &mut Batch) {
        if is_in_git(nested) || !self.is_heard(id, nested) || self.is_ignored(id, nested, true) {
            return;
        }
        self.forget_below(id, nested);
        match self.watch_below(id, nested, &BTreeSet::new()).and_then(|_| self.watch_submodules(id)) {
            Ok(()) => batch.path(id, nested.into()),
            Err(error) => self.give_up(id, &error, batch),
        }
    }

    /// Rules changed or events were lost: what is watched is made anew, and everything is to be looked at.
    fn walk_again(&mut self, id: &TreeId, batch: &mut Batch) {
        let Some(tree) = self.trees.get_mut(id) else { return };
        tree.forget_rules();
        match tree.repo.reopen() {
            Ok(repo) => tree.repo = repo,
            Err(error) => {
                tracing::debug!(tree = %id, %error, "the repository cannot be opened again");
                self.check_presence(id, batch);
                return;
            }
        }
        match self.watch_git(id).and_then(|()| self.watch_folders(id)) {
            Ok(()) => batch.everything(id),
            Err(error) => self.give_up(id, &error, batch),
        }
    }

    /// The root, its `.git` or a git directory was replaced or is gone, or which folders are where they were is unknown.
    fn check_presence(&mut self, id: &TreeId, batch: &mut Batch) {
        let Some(tree) = self.trees.get(id) else { return };
        match tree.repo.reopen() {
            Ok(repo) if repo.git_dir() == tree.repo.git_dir() && repo.common_dir() == tree.repo.common_dir() => {
                // Other folders lie at the same places now; the old ones' watches went with them.
                let (repo, patterns) = (repo, tree.patterns().to_vec());
                self.remove(id);
                match self.add(id, repo, patterns) {
                    Ok(()) => batch.everything(id),
                    Err(error) => self.give_up(id, &error, batch),
                }
            }
            _ => {
                self.remove(id);
                batch.ended(id, Event::Gone(id.clone()));
            }
        }
    }
}

/// Whether a root-relative path lies in a git directory.
fn is_in_git(path: &[u8]) -> bool {
    path.split_str("/").any(|part| part == b".git")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_in_git_only_by_a_whole_name() {
        assert!(is_in_git(b".git/index"));
        assert!(is_in_git(b"sub/.git/HEAD"));
        assert!(!is_in_git(b".github/workflows"));
        assert!(!is_in_git(b"a.git/x"));
    }

    #[test]
    fn renames_are_told_apart_by_their_halves() {
        let name = |mode| Change::of(EventKind::Modify(ModifyKind::Name(mode)));
        assert_eq!(name(RenameMode::From), Change::Vanished { folder: false });
        assert_eq!(name(RenameMode::To), Change::Appeared(None));
        assert_eq!(name(RenameMode::Any), Change::Appeared(None));
    }
}
