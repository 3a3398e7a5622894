//! Which lines of a repository belong to a tree that is not registered (any more).
//!
//! A tree that was removed, or whose registration was lost, or that was copied to another disk, goes on under the id its
//! lines stand under: under a new one its snapshots would be out of reach. An id that another folder may still use is
//! never taken, and where several could be meant none is.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use carry_kernel::db::rusqlite::{Error, OptionalExtension as _, Transaction};
use carry_kernel::id::{DeviceId, TreeId};

use super::TreeState;
use super::place::{self, Place};
use super::trees::{self, Candidate, Known};
use crate::history::{self, Line};
use crate::repo::{OpenError, Repo};

/// What a tree goes on as.
pub(super) enum Found {
    /// As one that is registered where nothing is any more.
    Elsewhere(Box<Known>),
    /// Under an id that is not registered.
    Unregistered(TreeId),
}

/// What is remembered of an id that was removed. The repository is not known of those removed long ago.
struct Removed {
    root: PathBuf,
    place: Place,
    common_dir: Option<PathBuf>,
}

/// The lines of `device` in the repository. Sealed ones came from a remote: they are those of another folder.
pub(super) fn lines(repo: &Repo, device: &DeviceId) -> Result<Vec<Line>, OpenError> {
    let all = history::lines_where(repo, |name| name.device == *device).map_err(OpenError::damaged(repo.root()))?;
    Ok(all.into_iter().filter(|line| line.seal.is_none()).collect())
}

/// What `new` goes on as. One that comes by itself only takes up what is remembered of its own folder.
pub(super) fn find(
    tx: &Transaction<'_>,
    new: &Candidate<'_>,
    lines: &[Line],
    automatic: bool,
) -> Result<Option<Found>, Error> {
    let ids: BTreeSet<&TreeId> = lines.iter().map(|line| &line.name.tree).collect();
    let mut found = Vec::new();
    for id in ids {
        if let Some(known) = trees::find(tx, "id = ?", [id.as_str()])?.into_iter().next() {
            // Its folder and others that were registered under it before are looked at by the caller.
            if is_copied_from(new, &known.tree.root, Some(&known.tree.common_dir)) {
                found.push(Found::Elsewhere(Box::new(known)));
            }
            continue;
        }
        match removed(tx, id)? {
            Some(removed) if removed.root == new.root || removed.place.is(&new.place) => {
                return Ok(Some(Found::Unregistered(id.clone())));
            }
            Some(removed) if !is_copied_from(new, &removed.root, removed.common_dir.as_deref()) => {}
            _ => found.push(Found::Unregistered(id.clone())),
        }
    }
    let only = found.pop().filter(|_| found.is_empty() && !automatic);
    Ok(only)
}

/// Whether `new` can be what was at `root`, carried over with its whole repository. What is left of a repository that is
/// still there are worktrees that were deleted, and those have nothing to do with a new one.
fn is_copied_from(new: &Candidate<'_>, root: &Path, common_dir: Option<&Path>) -> bool {
    let is_main = |root: &Path, common_dir: &Path| common_dir.parent() == Some(root);
    let fits = |old: &Path| place::is_gone(old) && is_main(root, old) == is_main(new.root, new.common_dir);
    place::is_gone(root) && common_dir.is_none_or(fits)
}

/// What is remembered of `id`.
fn removed(tx: &Transaction<'_>, id: &TreeId) -> Result<Option<Removed>, Error> {
    let path = |bytes: Vec<u8>| PathBuf::from(OsString::from_vec(bytes));
    let sql = "SELECT root, dev, ino, born, common_dir FROM unwanted WHERE id = ?";
    let row = tx.query_row(sql, [id.as_str()], |row| {
        Ok(Removed {
            root: path(row.get(0)?),
            place: Place { dev: row.get(1)?, ino: row.get(2)?, born: row.get(3)? },
            common_dir: row.get::<_, Option<Vec<u8>>>(4)?.map(path),
        })
    });
    row.optional()
}

/// What a tree's lines hold. Nothing was looked at yet, so that nothing else is known.
pub(super) fn state(repo: &Repo, lines: &[Line], id: &TreeId) -> TreeState {
    let mut state = TreeState::default();
    for line in lines.iter().filter(|line| line.name.tree == *id) {
        for snapshot in history::snapshots(repo, line) {
            match snapshot {
                Ok(snapshot) => {
                    state.snapshots += 1;
                    state.bytes = state.bytes.saturating_add(snapshot.meta.bytes);
                }
                // Capturing does not depend on it, and what can be read counts.
                Err(error) => {
                    tracing::warn!(line = line.name.ref_name(), %error, "a line cannot be counted to its end")
                }
            }
        }
    }
    state
}

#[cfg(test)]
mod tests;
