//! Three-way merges of whole trees, and the base they start from.
//!
//! The base is what both sides have seen last: snapshots known to both by their vectors, and the commit that both HEADs
//! come from. Where several are equally late they are merged into one first.
//!
//! Each file of the base is followed to where it is on either side, renamed or not, and merged there. What a file of one
//! side and a folder of the other both need is one conflict. A renamed folder does not take along what the other side
//! puts into it: that file stays where it was put. Merge drivers that Git's configuration names are not run; files that
//! ask for one are merged as text.

use crate::context::Context;
use crate::diff::mode;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError};
use crate::pack::Batch;
use crate::repo::Repo;
use crate::tips::Tip;
use crate::tree::Edit;

mod base;
mod bench;
mod content;
mod item;
mod sides;
#[cfg(test)]
mod tests;
mod whole;

pub(crate) use bench::{Bench, write};

/// Mode and id of what lies at one path: a file, a link, a submodule, or a folder where the other side has a file.
pub type Entry = (u32, ObjectId);

/// A path that could not be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Where it lies in the merged tree.
    pub path: BString,
    /// What the base had.
    pub base: Option<Entry>,
    /// What we have.
    pub ours: Option<Entry>,
    /// What they have.
    pub theirs: Option<Entry>,
    /// Both with markers; `None` where that makes no sense (binary, deleted on one side, folder against file).
    pub marked: Option<Entry>,
}

/// A merged tree.
#[derive(Debug)]
pub struct Merged {
    /// With each conflict as `ours` has it.
    pub tree: ObjectId,
    /// What was not merged, by path.
    pub conflicts: Vec<Conflict>,
    /// New objects that the tree and the conflicts name, to be written before anybody relies on them.
    pub objects: Batch,
}

/// How one conflict is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// As we have it.
    Ours,
    /// As they have it.
    Theirs,
    /// Both, with markers. What cannot be marked is as we have it, and theirs beside it, named `<name>.carry-theirs`.
    Markers,
    /// This blob (from a merge tool), with this mode.
    Blob(Entry),
}

/// Merges `theirs` into `ours` from `base`; `labels` name these three in markers, in this order. Renames and deletions
/// travel. Deterministic: swapping the sides swaps the conflicts and nothing else.
///
/// # Errors
/// [`HistoryError`].
pub fn merge(
    repo: &Repo,
    base: ObjectId,
    ours: ObjectId,
    theirs: ObjectId,
    labels: [&str; 3],
) -> Result<Merged, HistoryError> {
    let mut bench = Bench::new(repo);
    let (tree, conflicts) = whole::merge(&mut bench, base, ours, theirs, labels)?;
    Ok(Merged { tree, conflicts, objects: bench.into_objects() })
}

/// The same on objects that need not be in the repository yet.
pub(crate) fn merge_on(
    bench: &mut Bench,
    base: ObjectId,
    ours: ObjectId,
    theirs: ObjectId,
    labels: [&str; 3],
) -> Result<(ObjectId, Vec<Conflict>), HistoryError> {
    whole::merge(bench, base, ours, theirs, labels)
}

/// The tree to merge `ours` and `theirs` from, written to the repository where it had to be made.
///
/// # Errors
/// [`HistoryError`].
pub fn base(ctx: &Context, repo: &Repo, ours: &Tip, theirs: &Tip) -> Result<ObjectId, HistoryError> {
    let mut bench = Bench::new(repo);
    let tree = base::find(ctx, repo, &mut bench, ours, theirs)?;
    bench.write(ctx, repo)?;
    Ok(tree)
}

/// The same, kept on the bench.
pub(crate) fn base_on(
    ctx: &Context,
    repo: &Repo,
    bench: &mut Bench,
    ours: &Tip,
    theirs: &Tip,
) -> Result<ObjectId, HistoryError> {
    base::find(ctx, repo, bench, ours, theirs)
}

/// The merged tree with its conflicts settled; objects go into `merged.objects`. What no choice speaks of stays as we
/// have it.
///
/// # Errors
/// [`HistoryError`].
pub fn settle(repo: &Repo, merged: &mut Merged, choices: &[(BString, Choice)]) -> Result<ObjectId, HistoryError> {
    let objects = std::mem::replace(&mut merged.objects, Batch::new(repo.hash()));
    let mut bench = Bench::over(repo, objects);
    let settled = settle_on(&mut bench, merged.tree, &merged.conflicts, choices);
    merged.objects = bench.into_objects();
    settled
}

/// The same on objects that need not be in the repository yet.
pub(crate) fn settle_on(
    bench: &mut Bench,
    tree: ObjectId,
    conflicts: &[Conflict],
    choices: &[(BString, Choice)],
) -> Result<ObjectId, HistoryError> {
    let mut edits: Vec<Edit> = Vec::new();
    for conflict in conflicts {
        let chosen = choices.iter().rev().find(|(path, _)| *path == conflict.path);
        let Some((path, choice)) = chosen else { continue };
        match (choice, conflict.marked, conflict.theirs) {
            (Choice::Ours, ..) | (Choice::Markers, None, None) => {}
            (Choice::Theirs, _, theirs) => edits.push((path.clone(), theirs)),
            (Choice::Blob(entry), ..) => edits.push((path.clone(), Some(*entry))),
            (Choice::Markers, Some(marked), _) => edits.push((path.clone(), Some(marked))),
            // Another commit of a submodule has no place beside it.
            (Choice::Markers, None, Some(theirs)) if theirs.0 == mode::SUBMODULE => {}
            (Choice::Markers, None, Some(theirs)) => {
                edits.push((beside(bench, tree, path, &edits)?, Some(theirs)));
            }
        }
    }
    bench.edit(tree, &edits)
}

/// A free name for what they have at `path`.
fn beside(bench: &Bench, tree: ObjectId, path: &BString, edits: &[Edit]) -> Result<BString, HistoryError> {
    let mut name = BString::from([path.as_slice(), b".carry-theirs"].concat());
    let mut n = 2;
    while edits.iter().any(|(taken, _)| *taken == name) || {
        history::entry_at(bench.gix(), tree, name.as_bstr())?.is_some()
    } {
        name = [path.as_slice(), format!(".carry-theirs-{n}").as_bytes()].concat().into();
        n += 1;
    }
    Ok(name)
}
