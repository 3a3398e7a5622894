//! Which snapshot a restore takes when none is named.

use carry_kernel::id::TreeId;

use super::{RestoreError, paths};
use crate::git::{BStr, BString, ByteSlice as _};
use crate::history;
use crate::repo::Repo;
use crate::snapshot::{Skipped, Snapshot};

pub(super) fn default_source(
    repo: &Repo,
    tree: &TreeId,
    current: &Snapshot,
    asked: &[BString],
) -> Result<Option<Snapshot>, RestoreError> {
    let gix = repo.gix();
    let mut wanted = Vec::new();
    for path in paths::outermost(asked) {
        let now = history::entry_at(&gix, current.tree, path.as_bstr())?;
        if now.is_some() && !shows(repo, current, path.as_bstr()) {
            return Ok(Some(current.clone()));
        }
        wanted.push((path, now));
    }
    let mut broken = None;
    for snapshot in history::of_tree(repo, tree)? {
        let snapshot = match snapshot {
            Ok(snapshot) => snapshot,
            // One line that cannot be read does not hide what the others have.
            Err(error) => {
                broken.get_or_insert(error);
                continue;
            }
        };
        if snapshot.tree == current.tree {
            continue;
        }
        for (path, now) in &wanted {
            let then = history::entry_at(&gix, snapshot.tree, path.as_bstr())?;
            if then.is_some() && then != *now {
                return Ok(Some(snapshot));
            }
        }
    }
    broken.map_or(Ok(None), |error| Err(error.into()))
}

/// Whether what `current` has at `path` is also on disk. Of skipped paths only those that are named can be told; that one
/// file in a folder was skipped does not make the folder another.
fn shows(repo: &Repo, current: &Snapshot, path: &BStr) -> bool {
    let skipped = |s: &Skipped| paths::is_within(path, s.path.as_bstr());
    let there = path.is_empty() || repo.root().join(super::os_path(path)).symlink_metadata().is_ok();
    there && !current.meta.skipped.iter().any(skipped)
}
