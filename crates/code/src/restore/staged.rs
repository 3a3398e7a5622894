//! What was staged, brought back to the user's index through the git program.
//!
//! Only entries that differ are written, so that all others keep what Git knows of their files, and a large repository
//! is not read again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;
use std::process::Stdio;

use gix::index::entry::Flags;

use super::look::{Entry, leaves};
use super::{RestoreError, paths};
use crate::git::{self, BStr, BString, ByteSlice as _, ObjectId};
use crate::history;
use crate::line::quote;
use crate::repo::Repo;
use crate::shadow_index::git_mode;
use crate::snapshot::Snapshot;

/// One path of an index: its entry at each stage it has, and its marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Staged {
    stages: BTreeMap<u32, Entry>,
    intent_to_add: bool,
}

/// An index, as far as it is asked for.
#[derive(Debug, Default)]
struct Index {
    paths: BTreeMap<BString, Staged>,
    skip_worktree: BTreeSet<BString>,
    assume_unchanged: BTreeSet<BString>,
}

pub(super) fn restore(repo: &Repo, snapshot: &Snapshot, asked: &[BString]) -> Result<(), RestoreError> {
    let lock = is_free(repo)?;
    let asked = if asked.is_empty() { vec![BString::default()] } else { paths::outermost(asked) };
    let gix = repo.gix();
    let now = current(repo, &gix, &asked)?;
    let sparse = gix.config_snapshot().boolean("core.sparseCheckout").unwrap_or(false);
    let wanted = wanted(repo, &gix, snapshot, &asked, &now, sparse)?;
    bring(repo, lock, &now, &wanted)
}

/// Brings all of the index to what a tree holds.
pub(super) fn stage_tree(repo: &Repo, tree: ObjectId) -> Result<(), RestoreError> {
    let lock = is_free(repo)?;
    let everything = [BString::default()];
    let gix = repo.gix();
    let now = current(repo, &gix, &everything)?;
    let mut wanted = Index::default();
    wanted.take(&gix, tree, b"".as_bstr(), 0, &everything)?;
    for (path, _) in now.paths.iter().filter(|(_, staged)| staged.intent_to_add) {
        wanted.paths.entry(path.clone()).or_insert(Staged { intent_to_add: true, ..Staged::default() });
    }
    wanted.skip_worktree.clone_from(&now.skip_worktree);
    wanted.assume_unchanged.clone_from(&now.assume_unchanged);
    bring(repo, lock, &now, &wanted)
}

/// Clears the marks of a sparse checkout at these paths.
pub(super) fn expect_files(repo: &Repo, paths: &[BString]) -> Result<(), RestoreError> {
    let gix = repo.gix();
    if paths.is_empty() || !gix.config_snapshot().boolean("core.sparseCheckout").unwrap_or(false) {
        return Ok(());
    }
    let lock = is_free(repo)?;
    let now = current(repo, &gix, &[BString::default()])?;
    let marked: Vec<BString> = paths.iter().filter(|path| now.skip_worktree.contains(*path)).cloned().collect();
    if marked.is_empty() {
        return Ok(());
    }
    let mut git = Program { repo, lock, wrote: false };
    git.run(&["update-index", "-z", "--no-skip-worktree", "--stdin"], &listed(&marked))
}

/// The index's lock, which nobody holds.
pub(super) fn is_free(repo: &Repo) -> Result<PathBuf, RestoreError> {
    let lock = repo.git_dir().join("index.lock");
    match lock.symlink_metadata() {
        Ok(_) => Err(RestoreError::IndexLocked { path: lock }),
        Err(_) => Ok(lock),
    }
}

/// Writes what differs.
fn bring(repo: &Repo, lock: PathBuf, now: &Index, wanted: &Index) -> Result<(), RestoreError> {
    let null = ObjectId::null(repo.hash());
    let (mut removed, mut added, mut intended, mut rewritten) = (Vec::new(), Vec::new(), Vec::new(), BTreeSet::new());
    for path in now.paths.keys().chain(wanted.paths.keys().filter(|path| !now.paths.contains_key(*path))) {
        let after = wanted.paths.get(path);
        if now.paths.get(path) == after {
            continue;
        }
        rewritten.insert(path.clone());
        line(&mut removed, 0, null, 0, path.as_bstr());
        let Some(after) = after else { continue };
        for (stage, (mode, id)) in &after.stages {
            line(&mut added, *mode, *id, *stage, path.as_bstr());
        }
        if after.intent_to_add && repo.root().join(super::os_path(path.as_bstr())).symlink_metadata().is_ok() {
            intended.push(path.clone());
        }
    }
    let mut git = Program { repo, lock, wrote: false };
    if !removed.is_empty() {
        // All that goes, goes first: a file must not meet the folder that takes its place.
        removed.append(&mut added);
        git.run(&["update-index", "-z", "--index-info"], &removed)?;
    }
    if !intended.is_empty() {
        let add = [
            "--literal-pathspecs",
            "add",
            "--intent-to-add",
            "--force",
            "--sparse",
            "--pathspec-from-file=-",
            "--pathspec-file-nul",
        ];
        git.run(&add, &listed(&intended))?;
    }
    // An entry that was written anew has lost its marks.
    let marks = [
        (&now.skip_worktree, &wanted.skip_worktree, "--skip-worktree", "--no-skip-worktree"),
        (&now.assume_unchanged, &wanted.assume_unchanged, "--assume-unchanged", "--no-assume-unchanged"),
    ];
    for (before, after, set, clear) in marks {
        let has_one = |path: &&BString| wanted.paths.get(*path).is_some_and(|staged| staged.stages.contains_key(&0));
        let to_set: Vec<BString> = after
            .iter()
            .filter(|path| !before.contains(*path) || rewritten.contains(*path))
            .filter(has_one)
            .cloned()
            .collect();
        let to_clear: Vec<BString> = before
            .iter()
            .filter(|path| !after.contains(*path) && !rewritten.contains(*path))
            .filter(has_one)
            .cloned()
            .collect();
        for (paths, flag) in [(to_set, set), (to_clear, clear)] {
            if !paths.is_empty() {
                git.run(&["update-index", "-z", flag, "--stdin"], &listed(&paths))?;
            }
        }
    }
    if git.wrote { git.refresh() } else { Ok(()) }
}

/// The user's index now.
fn current(repo: &Repo, gix: &gix::Repository, asked: &[BString]) -> Result<Index, RestoreError> {
    // Read from disk: what this process knows of the index may be old.
    let mut state: gix::index::State = if repo.git_dir().join("index").exists() {
        gix.open_index().map_err(|e| RestoreError::cannot_read("Git's index", repo, e))?.into()
    } else {
        gix::index::State::new(gix.object_hash())
    };
    crate::staged::expand_sparse(&mut state, gix).map_err(|e| RestoreError::cannot_read("Git's index", repo, e))?;
    let mut index = Index::default();
    for entry in state.entries() {
        let path = entry.path(&state);
        if !is_asked(path, asked) {
            continue;
        }
        let intent_to_add = entry.flags.contains(Flags::INTENT_TO_ADD);
        let staged = index.paths.entry(path.to_owned()).or_default();
        staged.intent_to_add |= intent_to_add;
        if !intent_to_add {
            staged.stages.insert(entry.stage_raw(), (git_mode(entry), entry.id));
        }
        if entry.flags.contains(Flags::SKIP_WORKTREE) {
            index.skip_worktree.insert(path.to_owned());
        }
        if entry.flags.contains(Flags::ASSUME_VALID) {
            index.assume_unchanged.insert(path.to_owned());
        }
    }
    Ok(index)
}

/// The index as the snapshot recorded it. Marks that it does not speak of stay as they are.
fn wanted(
    repo: &Repo,
    gix: &gix::Repository,
    snapshot: &Snapshot,
    asked: &[BString],
    now: &Index,
    sparse: bool,
) -> Result<Index, RestoreError> {
    let mut index = Index::default();
    let Some(side) = snapshot.meta.staged else {
        // Nothing was staged: the index was what HEAD is.
        if let Some(head) = snapshot.meta.head {
            let tree =
                gix.find_commit(head).map_err(|e| RestoreError::cannot_read(&format!("commit {head}"), repo, e))?;
            let tree =
                tree.tree_id().map_err(|e| RestoreError::cannot_read(&format!("commit {head}"), repo, e))?.detach();
            index.take(gix, tree, b"".as_bstr(), 0, asked)?;
        }
        index.skip_worktree.clone_from(&now.skip_worktree);
        index.assume_unchanged.clone_from(&now.assume_unchanged);
        return Ok(index);
    };
    let object = history::find_object(gix, side)?;
    let commit = gix::objs::CommitRef::from_bytes(&object.data, side.kind())
        .map_err(|e| RestoreError::cannot_read(&format!("commit {side}"), repo, e))?;
    for stage in 0..=3u32 {
        index.take(gix, commit.tree(), stage.to_string().as_bytes().as_bstr(), stage, asked)?;
    }
    let marked = |name: &str| -> Vec<BString> {
        let prefix = format!("{name}: ");
        let values = commit.message.lines().filter_map(|line| line.strip_prefix(prefix.as_bytes()));
        values
            .filter_map(|value| quote::unquote(value.as_bstr()))
            .filter(|path| is_asked(path.as_bstr(), asked))
            .collect()
    };
    index.skip_worktree =
        if sparse { now.skip_worktree.clone() } else { marked("Carry-Skip-Worktree").into_iter().collect() };
    index.assume_unchanged = marked("Carry-Assume-Unchanged").into_iter().collect();
    for path in marked("Carry-Intent-To-Add") {
        index.paths.entry(path).or_default().intent_to_add = true;
    }
    Ok(index)
}

impl Index {
    /// Takes over what a tree has below `folder` as entries of one stage.
    fn take(
        &mut self,
        gix: &gix::Repository,
        tree: ObjectId,
        folder: &BStr,
        stage: u32,
        asked: &[BString],
    ) -> Result<(), RestoreError> {
        for below in asked {
            let at = if below.is_empty() { folder.to_owned() } else { paths::join(folder, below.as_bstr()) };
            for (path, entry) in leaves(gix, tree, at.as_bstr())? {
                let path = if folder.is_empty() { path.as_bstr() } else { path[folder.len() + 1..].as_bstr() };
                // Git's index holds no folders, and nothing that a checkout would refuse.
                if paths::parts(path).is_ok() {
                    self.paths.entry(path.to_owned()).or_default().stages.insert(stage, entry);
                }
            }
        }
        Ok(())
    }
}

fn is_asked(path: &BStr, asked: &[BString]) -> bool {
    asked.iter().any(|folder| paths::is_within(path, folder.as_bstr()))
}

/// One line for `git update-index --index-info`; mode 0 removes the path at all stages.
fn line(to: &mut Vec<u8>, mode: u32, id: ObjectId, stage: u32, path: &BStr) {
    to.extend_from_slice(format!("{mode:06o} {id} {stage}\t").as_bytes());
    to.extend_from_slice(path);
    to.push(0);
}

fn listed(paths: &[BString]) -> Vec<u8> {
    paths.iter().flat_map(|path| path.iter().copied().chain([0])).collect()
}

/// The git program, working on the user's own index.
struct Program<'r> {
    repo: &'r Repo,
    lock: PathBuf,
    wrote: bool,
}

impl Program<'_> {
    fn run(&mut self, args: &[&str], input: &[u8]) -> Result<(), RestoreError> {
        let failed = |what: &str, error: std::io::Error| RestoreError::Git(format!("{what}: {error}"));
        // Through a file: neither side can then wait for the other.
        let mut file = tempfile::tempfile().map_err(|e| failed("no temporary file", e))?;
        file.write_all(input).and_then(|()| file.rewind()).map_err(|e| failed("no temporary file", e))?;
        let output = git::command(self.repo.root())
            .args(args)
            .stdin(Stdio::from(file))
            .output()
            .map_err(|e| failed("git could not be started", e))?;
        self.wrote = true;
        if output.status.success() {
            return Ok(());
        }
        let message = output.stderr.trim().to_str_lossy().into_owned();
        if message.contains("index.lock") {
            return Err(RestoreError::IndexLocked { path: self.lock.clone() });
        }
        Err(RestoreError::Git(if message.is_empty() { format!("it ended with {}", output.status) } else { message }))
    }

    /// Has Git note the status of files whose entries are new. Its failing only says that some files differ.
    fn refresh(&self) -> Result<(), RestoreError> {
        git::command(self.repo.root())
            .args(["update-index", "-q", "--refresh", "--unmerged"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map(drop)
            .map_err(|e| RestoreError::Git(format!("git could not be started: {e}")))
    }
}
