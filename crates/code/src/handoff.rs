//! Taking over another device's work: plan, show, execute, and the way back.
//!
//! Whoever plans has captured the working tree first. What is to happen is noted before the first file is touched, so that
//! a process that dies leaves a state from which one can go on or back.

use carry_kernel::clock::Timestamp;

use crate::context::Context;
use crate::git::{BString, ObjectId};
use crate::history::HistoryError;
use crate::line::Branch;
use crate::merge::{Choice, Conflict, Merged};
use crate::registry::Tree;
use crate::repo::Repo;
use crate::restore::{Plan as FilePlan, RestoreError, Restored};
use crate::seen::{Relation, Seen};
use crate::snapshot::Snapshot;
use crate::tips::Tip;

mod head;
mod index;
mod job;
mod plan;
mod undo;

pub use undo::Undo;

/// What becomes of HEAD and a branch.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct HeadMove {
    /// The branch, by its full ref name.
    pub branch: String,
    /// Where it is now; `None` when it does not exist yet.
    pub old: Option<String>,
    /// Where it goes; the same as `old` when only HEAD moves, all zeros when it is not to exist.
    pub new: String,
    /// What HEAD points at now, if it is to point at `branch` and does not: a ref name, or a commit when detached.
    pub head: Option<String>,
    /// Whether this is the way back: HEAD then goes from `branch` to `head`.
    #[serde(default)]
    pub back: bool,
}

/// What taking over would do.
#[derive(Debug)]
pub struct Handoff {
    /// Whose work.
    pub tip: Tip,
    /// Theirs beside ours.
    pub relation: Relation,
    /// What was captured just before.
    pub current: Snapshot,
    /// The merge; without conflicts, `tree` is what the working tree becomes.
    pub merged: Merged,
    /// HEAD and branch, if they move (the other HEAD descends from ours and our branch has no commits of its own, or
    /// the branch is made).
    pub head: Option<HeadMove>,
    /// Commits of theirs that arrive as changes, since HEAD stays.
    pub commits_as_changes: u64,
    /// What the next snapshot has seen.
    pub seen: Seen,
    /// Paths that were not captured there, and stay as they are here.
    pub not_captured: Vec<BString>,
    /// The branch it is about.
    pub branch: Branch,
    /// What becomes of the index. With [`crate::finalize`] all of it becomes the squashed change.
    pub(crate) index: Index,
    /// The tree that the working tree becomes and the paths that differ from it, once conflicts are settled.
    pub(crate) settled: Option<(ObjectId, Vec<BString>)>,
}

impl Handoff {
    /// Whether something is staged there that will not be staged here.
    pub fn staged_stays_behind(&self) -> bool {
        self.tip.staged.is_some() && !matches!(self.index, Index::Of(_))
    }
}

/// What becomes of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// It stays.
    Stays,
    /// What was staged with this snapshot.
    Of(ObjectId),
    /// This tree.
    Tree(ObjectId),
}

/// What was done.
#[derive(Debug, Default)]
pub struct Done {
    /// To files.
    pub files: Restored,
    /// Whether the index was brought there too, or why not.
    pub staged: Option<String>,
    /// Whether HEAD or the branch moved.
    pub head_moved: bool,
    /// Why they stay where they are, when they should have moved back.
    pub head_stays: Option<String>,
    /// Whether it came to its end. Otherwise `files.failed` or `staged` says what stopped it, the journal's entry stays
    /// open, and [`resume`] goes on.
    pub finished: bool,
}

/// Why nothing, or not all, was done.
#[derive(Debug, thiserror::Error)]
pub enum HandoffError {
    /// Something could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// Files or index could not be written.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] carry_kernel::db::DbError),
    /// A pin or ref could not be made.
    #[error(transparent)]
    Prune(#[from] crate::prune::PruneError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] carry_kernel::disk::DiskError),
    /// Conflicts are not settled.
    #[error("{} paths are in conflict", conflicts.len())]
    Conflicts {
        /// Which.
        conflicts: Vec<Conflict>,
    },
    /// Git is in the middle of something; taking over would lose it.
    #[error("Git is in the middle of a {state}")]
    Busy {
        /// What.
        state: crate::snapshot::State,
    },
    /// Another process is taking over in this working tree.
    #[error("another process ({owner}) is taking over work in this working tree")]
    Running {
        /// Which.
        owner: String,
    },
    /// The branch or HEAD could not be moved.
    #[error("git could not move {branch}: {message}")]
    Head {
        /// The branch.
        branch: String,
        /// What Git said.
        message: String,
    },
}

/// Plans to bring the working tree `tree` to `theirs`. `ours` is the snapshot just taken. `switch` says that `theirs` is of
/// another branch, which is then checked out (and made where it does not exist).
///
/// # Errors
/// [`HandoffError`].
pub fn plan(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    ours: &Snapshot,
    theirs: &Tip,
    switch: Option<&Branch>,
) -> Result<Handoff, HandoffError> {
    plan::plan(ctx, repo, tree, ours, theirs, switch)
}

/// What the plan writes and deletes, once its conflicts are settled as `choices` say.
///
/// # Errors
/// [`HandoffError::Conflicts`] while some are not.
pub fn files(repo: &Repo, handoff: &mut Handoff, choices: &[(BString, Choice)]) -> Result<FilePlan, HandoffError> {
    plan::files(repo, handoff, choices)
}

/// Carries it out: notes the way back (and pins the snapshot from before), writes files, index, branch and HEAD, marks the
/// journal entry as done. Passes the fault points `handoff.written`, `handoff.noted`, `handoff.file` (before each file),
/// `handoff.files`, `handoff.seen`, `handoff.index`, `handoff.head`, `handoff.done`. `what` names the command for the journal.
///
/// A file that cannot be written stops it before index and branch move.
///
/// # Errors
/// [`HandoffError`]; the journal then says how far it came.
pub fn execute(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    handoff: &Handoff,
    files: &FilePlan,
    what: &str,
) -> Result<Done, HandoffError> {
    job::execute(ctx, repo, tree, handoff, files, what)
}

/// A handoff that a process began and did not end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// The journal's row.
    pub entry: crate::registry::UndoEntry,
    /// When it began.
    pub since: Timestamp,
}

/// The newest journal entry of `tree`, if it was begun and not ended (whoever is at it holds the lease `handoff/<tree>`).
///
/// # Errors
/// [`HandoffError`].
pub fn interrupted(ctx: &Context, tree: &Tree) -> Result<Option<Interrupted>, HandoffError> {
    job::interrupted(ctx, tree)
}

/// Goes on with an interrupted handoff: brings the paths, the index and the branch to what was noted. What was edited
/// there since is captured first by the caller and kept aside by the writer.
///
/// # Errors
/// [`HandoffError`].
pub fn resume(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    interrupted: &Interrupted,
    current: &Snapshot,
) -> Result<Done, HandoffError> {
    job::resume(ctx, repo, tree, interrupted, current)
}

/// Plans to take back the handoff of `entry`, or to take that back, whether it came to its end or not. `current` is the
/// snapshot just taken.
///
/// A branch that moved since, by a commit for example, stays where it is, and so does the index: [`Undo::head_stays`] says why.
///
/// # Errors
/// [`HandoffError`].
pub fn plan_undo(repo: &Repo, entry: &crate::registry::UndoEntry, current: &Snapshot) -> Result<Undo, HandoffError> {
    undo::plan(repo, entry, current)
}

/// Carries it out: files, what the next snapshot has seen, index, branch and HEAD as they were before. Notes an entry of its
/// own, so that it can be taken back in turn, and marks the other as undone. `what` names the command for the journal.
///
/// # Errors
/// [`HandoffError`]; the journal then says how far it came.
pub fn undo(ctx: &Context, repo: &Repo, tree: &Tree, undo: &Undo, what: &str) -> Result<Done, HandoffError> {
    undo::execute(ctx, repo, tree, undo, what)
}
