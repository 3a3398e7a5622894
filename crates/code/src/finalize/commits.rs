//! What commits have to do with each other. A clone need not have all that came before: what is not known is `None`.

use crate::git::ObjectId;
use crate::history::{HistoryError, cannot_read};

/// Most commits that are counted.
const COUNTED_MAX: usize = 10_000;

/// The best commit that both come from.
pub(super) fn common(gix: &gix::Repository, a: Option<ObjectId>, b: Option<ObjectId>) -> Option<ObjectId> {
    let (a, b) = (a?, b?);
    if a == b { Some(a) } else { gix.merge_base(a, b).ok().flatten().map(gix::Id::detach) }
}

/// Whether `commit` is `from` or came after it.
pub(super) fn descends(gix: &gix::Repository, commit: ObjectId, from: ObjectId) -> bool {
    common(gix, Some(commit), Some(from)) == Some(from)
}

/// How many commits `commit` has that `known` lacks.
pub(super) fn ahead(gix: &gix::Repository, commit: ObjectId, known: Option<ObjectId>) -> u64 {
    let walk = gix.rev_walk([commit]).with_hidden(known).all();
    walk.map_or(0, |walk| walk.take(COUNTED_MAX).filter(Result::is_ok).count() as u64)
}

/// The tree of a commit; the empty one where there is no commit.
pub(super) fn tree_of(gix: &gix::Repository, commit: Option<ObjectId>) -> Result<ObjectId, HistoryError> {
    let Some(id) = commit else { return Ok(ObjectId::empty_tree(gix.object_hash())) };
    let failed = |e: String| cannot_read(&format!("commit {id}"), gix.path(), e);
    let commit = gix.find_commit(id).map_err(|e| failed(e.to_string()))?;
    commit.tree_id().map(gix::Id::detach).map_err(|e| failed(e.to_string()))
}
