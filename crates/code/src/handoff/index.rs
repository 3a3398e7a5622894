//! What becomes of the index.

use super::head::Decided;
use super::{HandoffError, Index};
use crate::diff::mode;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, cannot_read, entry_at};
use crate::merge::{self, Bench, Choice};
use crate::repo::Repo;
use crate::restore::{self, RestoreError};
use crate::snapshot::Snapshot;
use crate::tips::{Tip, Writer};
use crate::tree::Edit;

/// What is staged, as a snapshot has it: the tree of stage 0, and those of a conflict.
struct Staged {
    tree: ObjectId,
    conflicts: Vec<ObjectId>,
}

/// Decides. `is_theirs` says that the working tree becomes what they have.
pub(super) fn decide(
    bench: &mut Bench,
    ours: &Snapshot,
    theirs: &Tip,
    head: &Decided,
    is_theirs: bool,
    is_switch: bool,
) -> Result<Index, HandoffError> {
    let new = tree_of(bench, head.commit)?;
    if is_theirs && head.commit == theirs.head {
        if matches!(theirs.writer, Writer::Pulsar { .. }) {
            return Ok(Index::Tree(new));
        }
        let nothing_staged = theirs.staged.is_none() && ours.meta.staged.is_none();
        if nothing_staged && head.commit == ours.meta.head {
            return Ok(Index::Stays);
        }
        let staged = read(bench, theirs.staged, new)?;
        return match &staged.conflicts[..] {
            [] => Ok(Index::Of(theirs.commit)),
            // They were in the middle of something that does not come along; those paths are as HEAD has them.
            conflicts => Ok(Index::Tree(without(bench, staged.tree, conflicts, new)?)),
        };
    }
    if is_switch {
        return Ok(Index::Tree(new));
    }
    if head.commit == ours.meta.head {
        return Ok(Index::Stays);
    }
    // What we had staged stays staged, and nothing else becomes so.
    let old = tree_of(bench, ours.meta.head)?;
    let staged = read(bench, ours.meta.staged, old)?;
    let (merged, conflicts) = merge::merge_on(bench, old, staged.tree, new, ["", "", ""])?;
    let choices: Vec<(BString, Choice)> = conflicts.iter().map(|c| (c.path.clone(), Choice::Theirs)).collect();
    Ok(Index::Tree(merge::settle_on(bench, merged, &conflicts, &choices)?))
}

/// Whether a snapshot recorded an index in conflict.
pub(super) fn is_unmerged(bench: &mut Bench, snapshot: &Snapshot) -> Result<bool, HandoffError> {
    let head = tree_of(bench, None)?;
    Ok(!read(bench, snapshot.meta.staged, head)?.conflicts.is_empty())
}

/// Brings the user's index there.
pub(super) fn carry_out(repo: &Repo, index: Index) -> Result<(), RestoreError> {
    match index {
        Index::Stays => Ok(()),
        Index::Tree(tree) => restore::stage_tree(repo, tree),
        Index::Of(commit) => restore::restore_staged(repo, &crate::history::snapshot(&repo.gix(), commit)?, &[]),
    }
}

fn read(bench: &Bench, side: Option<ObjectId>, head: ObjectId) -> Result<Staged, HistoryError> {
    let Some(side) = side else { return Ok(Staged { tree: head, conflicts: Vec::new() }) };
    let root = tree_of(bench, Some(side))?;
    let at = |stage: &str| entry_at(bench.gix(), root, stage.into());
    let folder = |entry: Option<(u32, ObjectId)>| entry.filter(|entry| entry.0 == mode::FOLDER).map(|entry| entry.1);
    let empty = ObjectId::empty_tree(bench.gix().object_hash());
    let mut conflicts = Vec::new();
    for stage in ["1", "2", "3"] {
        conflicts.extend(folder(at(stage)?));
    }
    Ok(Staged { tree: folder(at("0")?).unwrap_or(empty), conflicts })
}

/// `staged` with the paths in conflict as `head` has them.
fn without(
    bench: &mut Bench,
    staged: ObjectId,
    conflicts: &[ObjectId],
    head: ObjectId,
) -> Result<ObjectId, HistoryError> {
    let mut edits: Vec<Edit> = Vec::new();
    for tree in conflicts {
        for delta in crate::diff::trees(bench.gix(), None, Some(*tree), b"".as_bstr())? {
            let entry = entry_at(bench.gix(), head, delta.path.as_bstr())?;
            if entry.is_some_and(|entry| entry.0 != mode::FOLDER) {
                edits.push((delta.path, entry));
            }
        }
    }
    bench.edit(staged, &edits)
}

fn tree_of(bench: &Bench, commit: Option<ObjectId>) -> Result<ObjectId, HistoryError> {
    let gix = bench.gix();
    let Some(commit) = commit else { return Ok(ObjectId::empty_tree(gix.object_hash())) };
    let failed = |e: String| cannot_read(&format!("commit {commit}"), gix.path(), e);
    let commit = gix.find_commit(commit).map_err(|e| failed(e.to_string()))?;
    commit.tree_id().map(gix::Id::detach).map_err(|e| failed(e.to_string()))
}
