//! Bringing files, folders and staged parts back from a snapshot: plan, show, execute, undo.
//!
//! Whoever executes has captured the working tree first, so that undo always goes back. What that capture could not
//! hold (too large, ignored) is never overwritten: it is kept beside, named `<name>.carry-kept-<n>`.
//!
//! What decides is the disk: a file counts as held only if its content, as Git would store it, is what the capture has
//! at its path. Nothing is ever written through a link, into another repository, or to a path that Git would refuse.

use std::path::{Path, PathBuf};

use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::repo::Repo;
use crate::shadow_index::Stat;
use crate::snapshot::Snapshot;

mod filters;
mod folder;
mod look;
mod paths;
mod plan;
mod source;
mod staged;
mod write;
mod writer;

#[cfg(test)]
mod tests;

/// What is to be done to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write it: it is missing.
    Create,
    /// Overwrite it: it differs, and the capture taken just before holds what is there.
    Replace,
    /// Move what is there aside first: no snapshot holds it. Without an entry, nothing takes its place.
    KeepAside,
    /// Delete it; the capture taken just before holds it. Where the snapshot has nothing, inside a folder restored with
    /// `exact`, or something else: a folder in a file's place, or the other way round.
    Delete,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// From the root.
    pub path: BString,
    /// What to do.
    pub action: Action,
    /// Mode and id to write; `None` for [`Action::Delete`].
    pub entry: Option<(u32, ObjectId)>,
    /// What was there when this was planned. If it is another by then, it is kept aside.
    found: Option<Stat>,
}

impl Step {
    /// Whether a file is to go that a sparse checkout leaves out: there is none to delete.
    pub(crate) fn is_left_out(&self) -> bool {
        self.action == Action::Delete && self.found.is_none()
    }
}

/// What a restore would do, by path. Paths that are as wanted already do not appear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// Asked-for paths that the snapshot does not have.
    pub not_found: Vec<BString>,
    /// Submodules, left alone.
    pub submodules: Vec<BString>,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// Paths written.
    pub written: Vec<BString>,
    /// Paths deleted.
    pub deleted: Vec<BString>,
    /// What was moved aside: from, to.
    pub kept: Vec<(BString, PathBuf)>,
    /// Paths that could not be written, and why. The rest was done.
    pub failed: Vec<(BString, String)>,
}

/// Why nothing was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The snapshot could not be read.
    #[error(transparent)]
    History(#[from] crate::history::HistoryError),
    /// The target folder is not empty or cannot be written.
    #[error(transparent)]
    Disk(#[from] carry_kernel::disk::DiskError),
    /// Git refused to take the staged state.
    #[error("git could not restore the staged state: {0}")]
    Git(String),
    /// The user's index is locked by a running Git command.
    #[error("the index is locked by another Git command ({})", path.display())]
    IndexLocked {
        /// The lock.
        path: PathBuf,
    },
}

impl RestoreError {
    fn cannot_read(what: &str, repo: &Repo, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::History(crate::history::cannot_read(what, repo.root(), source))
    }
}

/// Plans to bring `paths` (files or folders, root-relative; empty path: everything) in `repo` to what `snapshot` holds.
/// `current` is the snapshot just taken of what is there; `exact` also deletes files the snapshot lacks, in folders asked for.
///
/// Without paths there is nothing to do. Files that a sparse checkout leaves out stay out, unless they are asked for
/// by name or differ from what `current` has.
///
/// # Errors
/// [`RestoreError`].
pub fn plan(
    repo: &Repo,
    snapshot: &Snapshot,
    current: &Snapshot,
    paths: &[BString],
    exact: bool,
) -> Result<Plan, RestoreError> {
    plan::plan(repo, &repo.gix(), snapshot.tree, current, paths, plan::Missing { in_folders: exact, asked_for: false })
}

/// Plans to take a restore back: brings exactly `paths` to what `before` holds, deleting those it does not have.
///
/// # Errors
/// [`RestoreError`].
pub fn undo_plan(repo: &Repo, before: &Snapshot, current: &Snapshot, paths: &[BString]) -> Result<Plan, RestoreError> {
    plan_exactly(repo, &repo.gix(), before.tree, current, paths)
}

/// The same for any tree. `gix` may know objects that are not written yet.
pub(crate) fn plan_exactly(
    repo: &Repo,
    gix: &gix::Repository,
    tree: ObjectId,
    current: &Snapshot,
    paths: &[BString],
) -> Result<Plan, RestoreError> {
    plan::plan(repo, gix, tree, current, paths, plan::Missing { in_folders: true, asked_for: true })
}

/// Carries a plan out in the working tree. Each file is written beside and renamed over; links are never followed;
/// smudge filters and line ends apply as at a checkout. One bad path does not stop the rest.
///
/// What changed since the plan was made is kept aside, or, if it was to be deleted, left where it is. Files and
/// folders are on stable storage when this returns.
///
/// # Errors
/// [`RestoreError`].
pub fn execute(repo: &Repo, plan: &Plan) -> Result<Restored, RestoreError> {
    execute_with(repo, plan, &|_| Ok(()))
}

/// The same; `before` is asked before each step, which fails if it does.
pub(crate) fn execute_with(
    repo: &Repo,
    plan: &Plan,
    before: &dyn Fn(&Step) -> std::io::Result<()>,
) -> Result<Restored, RestoreError> {
    write::execute(repo, plan, before)
}

/// Writes `paths` of `snapshot` below the folder `to` instead; nothing in it is overwritten.
///
/// `to` is made when it is missing. Paths that exist there, that the snapshot does not have, and submodules are named
/// as failed. Filters and line ends apply as the snapshot's own attributes say.
///
/// # Errors
/// [`RestoreError`].
pub fn write_to(repo: &Repo, snapshot: &Snapshot, paths: &[BString], to: &Path) -> Result<Restored, RestoreError> {
    write::write_to(repo, snapshot, paths, to)
}

/// Brings the user's index to what was staged when `snapshot` was taken (all of it, or only `paths`). With [`stage_tree`] and
/// `expect_files` the only function that writes the user's index; it does so through the git program, with Git's own lock.
///
/// Entries that are as wanted keep what Git knows of their files. What intends to add a file needs that file to be there.
///
/// # Errors
/// [`RestoreError`].
pub fn restore_staged(repo: &Repo, snapshot: &Snapshot, paths: &[BString]) -> Result<(), RestoreError> {
    staged::restore(repo, snapshot, paths)
}

/// Brings the user's index to what `tree` holds, with nothing in conflict. Marks of its entries stay as they are, and so does
/// what intends to add a file, as far as the tree does not have it.
///
/// # Errors
/// [`RestoreError`].
pub fn stage_tree(repo: &Repo, tree: ObjectId) -> Result<(), RestoreError> {
    staged::stage_tree(repo, tree)
}

/// In a sparse checkout, has Git look at those of `paths` that it does not expect in the working tree, so that they show as
/// deleted. What is staged stays as it is.
///
/// # Errors
/// [`RestoreError`].
pub(crate) fn expect_files(repo: &Repo, paths: &[BString]) -> Result<(), RestoreError> {
    staged::expect_files(repo, paths)
}

/// Whether a file may be written at `path` at all, by Git's own rules.
pub(crate) fn is_allowed(path: &crate::git::BStr) -> bool {
    paths::parts(path).is_ok()
}

/// Fails while a Git command has the index locked.
pub(crate) fn index_is_free(repo: &Repo) -> Result<(), RestoreError> {
    staged::is_free(repo).map(drop)
}

/// The newest snapshot of `tree` in which one of `paths` differs from `current`, or that has one that `current` lacks.
///
/// `current` itself counts where it does not hold what is on disk: a file skipped, or not there.
///
/// # Errors
/// [`RestoreError`].
pub fn default_source(
    repo: &Repo,
    tree: &carry_kernel::id::TreeId,
    current: &Snapshot,
    paths: &[BString],
) -> Result<Option<Snapshot>, RestoreError> {
    source::default_source(repo, tree, current, paths)
}

/// Whether a capture left `path`, or something below it, as it was last known.
fn is_skipped(current: &Snapshot, path: &crate::git::BStr) -> bool {
    current.meta.skipped_more > 0
        || current
            .meta
            .skipped
            .iter()
            .any(|s| paths::is_within(path, s.path.as_bstr()) || paths::is_within(s.path.as_bstr(), path))
}

/// A path from the root as the system takes it.
fn os_path(path: &crate::git::BStr) -> &Path {
    Path::new(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path.as_bytes()))
}
