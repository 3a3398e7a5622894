//! Turning the work of all devices on a branch into one change: plan only; the handoff's writer carries it out.
//!
//! Our snapshot comes first. Each tip that nothing gathered so far has seen is merged into it, from the base that both have.
//! What comes of it is one change relative to a commit: HEAD, or the tip of another branch. It ends up staged and is not
//! committed: that is the user's to do. Whatever would be lost on the way is a [`Refusal`], never passed over.

use crate::context::Context;
use crate::diff;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::handoff::{Handoff, HandoffError, Index};
use crate::line::Branch;
use crate::merge::{Bench, Conflict, Merged};
use crate::registry::Tree;
use crate::repo::Repo;
use crate::snapshot::Snapshot;
use crate::tips::{self, Tip};

mod commits;
mod gathered;
mod rows;
mod target;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

/// One line of the table that is shown first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub tip: Tip,
    /// Files that differ from the commit that the line and the target come from.
    pub files: usize,
    /// Lines added. Binary files, and ones too large to compare, have none.
    pub added: usize,
    /// Lines removed.
    pub removed: usize,
    /// Paths in conflict with what was gathered before it.
    pub conflicts: Vec<Conflict>,
    /// Whether what was gathered before it holds all of it already.
    pub contained: bool,
    /// Whether it is left out, since nobody approved its device, or it was revoked.
    pub left_out: bool,
    /// Whether the newest snapshot is not on any remote, as far as we know.
    pub unpublished: bool,
}

/// Why finalizing would lose something, or cannot be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Two devices changed the same; to be settled by `carry sync --device` first.
    Conflicts {
        /// The device's name.
        device: String,
        /// Where.
        paths: Vec<String>,
    },
    /// Files that a device could not capture, so that they would be missing.
    NotCaptured {
        /// The device's name.
        device: String,
        /// Which.
        paths: Vec<String>,
    },
    /// Git is in the middle of something here or there, or the target is checked out in another working tree.
    InProgress {
        /// What, and where.
        what: String,
    },
    /// The squashed change conflicts with the target branch.
    Target {
        /// Where.
        paths: Vec<String>,
    },
    /// The target branch does not exist.
    NoTarget {
        /// Its name.
        branch: String,
    },
    /// There is nothing that differs from the target.
    Nothing,
}

/// The plan.
#[derive(Debug)]
pub struct Finalize {
    /// The branch whose lines are gathered.
    pub branch: Branch,
    /// Where the change goes.
    pub target: Branch,
    /// Each line of the branch.
    pub rows: Vec<Row>,
    /// Why not.
    pub refusals: Vec<Refusal>,
    /// What the handoff's writer is to do; `None` while something is refused.
    pub handoff: Option<Handoff>,
    /// The whole index afterwards: the squashed change, staged.
    pub index: Option<ObjectId>,
    /// Files of the change in which a conflict was left open: they hold its markers.
    pub marked: Vec<BString>,
}

/// Plans to gather all lines of `branch`, which is checked out in `tree`, into one staged change on `target`. `ours` is the
/// snapshot just taken. Lines of devices that nobody approved are shown and left out, unless `accept_unknown`, and those of
/// revoked ones always; a line that
/// carries a known device's id under another key never comes in. Writes nothing.
///
/// With `target` being `branch`, HEAD stays, or goes forward to commits of another device that descend from it: those are not
/// squashed. With another one, HEAD goes to that, and the change is what `branch` has since both parted.
///
/// # Errors
/// [`HandoffError`].
pub fn plan(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    ours: &Snapshot,
    branch: &Branch,
    target: &Branch,
    accept_unknown: bool,
) -> Result<Finalize, HandoffError> {
    let mut bench = Bench::new(repo);
    let mut refusals = Vec::new();
    if let Some(state) = ours.meta.state.or_else(|| repo.state()) {
        refusals.push(Refusal::InProgress { what: format!("{state} in this working tree") });
    }
    let own = gathered::own_tip(ctx, ours);
    let start = target::start(repo, bench.gix(), &own, branch, target)?;
    let counter = rows::Counter::new(ctx, repo, start.commit)?;
    let mut rows = vec![counter.row(bench.gix(), own.clone())?];
    let mut gathered = gathered::Gathered::new(own);
    for tip in gathered::in_order(tips::others(ctx, repo, &tree.id, branch)?, &gathered, accept_unknown) {
        let mut row = counter.row(bench.gix(), tip)?;
        gathered.take(ctx, repo, &mut bench, &mut row, accept_unknown, &mut refusals)?;
        rows.push(row);
    }
    let settled = !rows.iter().any(|row| !row.conflicts.is_empty());
    let before = start.commit;
    let change = target::change(&mut bench, &gathered, start, settled, &mut refusals)?;
    let mut finalize = Finalize {
        branch: branch.clone(),
        target: target.clone(),
        rows,
        refusals,
        handoff: None,
        index: None,
        marked: Vec::new(),
    };
    if let Some(change) = change.filter(|_| finalize.refusals.is_empty()) {
        let seen = if branch == target {
            gathered.tip.seen.clone()
        } else {
            // Counts are per branch: what was seen of this one means nothing on the other.
            tips::own(ctx, repo, &tree.id, target)?.map(|tip| tip.seen).unwrap_or_default()
        };
        finalize.index = Some(change.tree);
        finalize.marked = marked(bench.gix(), before, change.tree)?;
        finalize.handoff = Some(Handoff {
            relation: gathered.tip.seen.compare(&ours.meta.seen),
            tip: Tip { tree: change.tree, ..gathered.tip },
            current: ours.clone(),
            merged: Merged { tree: change.tree, conflicts: Vec::new(), objects: bench.into_objects() },
            head: change.head,
            commits_as_changes: gathered.commits_as_changes,
            seen,
            not_captured: Vec::new(),
            branch: target.clone(),
            index: Index::Tree(change.tree),
            settled: None,
        });
    }
    Ok(finalize)
}

/// Files that `tree` has otherwise than the commit `before`, and that hold the markers of a conflict.
fn marked(gix: &gix::Repository, before: Option<ObjectId>, tree: ObjectId) -> Result<Vec<BString>, HandoffError> {
    let before = before.and_then(|commit| Some(gix.find_commit(commit).ok()?.tree_id().ok()?.detach()));
    let is_marked = |id: ObjectId| {
        let content = gix.find_blob(id).map(|mut blob| blob.take_data()).unwrap_or_default();
        let has = |mark: &[u8]| content.lines().any(|line| line.starts_with(mark));
        !diff::is_binary(&content) && has(b"<<<<<<< ") && has(b">>>>>>> ")
    };
    let changed = diff::trees(gix, before, Some(tree), BStr::new(b""))?.into_iter();
    let files = changed.filter(|delta| delta.new.is_some_and(|new| new.0 != diff::mode::SUBMODULE && is_marked(new.1)));
    Ok(files.map(|delta| delta.path).collect())
}
