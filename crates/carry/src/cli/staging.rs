//! What was staged when a snapshot was taken, compared path by path.

use carry_code::git::{BString, ByteSlice as _, ObjectId};
use carry_code::history::{self, HistoryError};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_kernel::id::TreeId;

use crate::failure::Failure;

/// The newest snapshot of `tree` that has something staged which is not what is staged now at one of `paths`.
pub(super) fn default_source(
    repo: &Repo,
    tree: &TreeId,
    current: &Snapshot,
    paths: &[BString],
) -> Result<Option<Snapshot>, Failure> {
    let now = contents(repo, current, paths)?;
    for snapshot in history::of_tree(repo, tree)? {
        let snapshot = snapshot?;
        if snapshot.meta.staged.is_some() && contents(repo, &snapshot, paths)? != now {
            return Ok(Some(snapshot));
        }
    }
    Ok(None)
}

/// What the index had at each path: of its side commit, or of HEAD when nothing else was staged.
fn contents(repo: &Repo, snapshot: &Snapshot, paths: &[BString]) -> Result<Vec<Option<(u32, ObjectId)>>, Failure> {
    let gix = repo.gix();
    let tree_of = |commit: ObjectId| {
        let tree = gix.find_commit(commit).map_err(Failure::from_error)?.tree_id().map_err(Failure::from_error)?;
        Ok::<_, Failure>(tree.detach())
    };
    let index = match (snapshot.meta.staged, snapshot.meta.head) {
        // One folder for each stage; in the first lies what is staged.
        (Some(side), _) => history::entry_at(&gix, tree_of(side)?, b"0".as_bstr())?.map(|(_, id)| id),
        (None, Some(head)) => Some(tree_of(head)?),
        (None, None) => None,
    };
    let entry = |path: &BString| match index {
        Some(index) => history::entry_at(&gix, index, path.as_bstr()),
        None => Ok(None),
    };
    Ok(paths.iter().map(entry).collect::<Result<_, HistoryError>>()?)
}
