//! What stays gone where Git does not look.
//!
//! A sparse checkout has no place in which a file outside of it could be missing: there Git's index stands for the file. So a
//! deletion outside, taken over from another device or made before the checkout became sparse, is held by snapshots alone.
//! It holds until the index says something else of the path, or the file is there again.

use std::collections::HashMap;

use super::{CaptureError, Registry};
use crate::diff::{self, mode};
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError, entry_at};
use crate::line::Branch;
use crate::registry::Tree;
use crate::snapshot::Snapshot;

/// What the working tree was known to hold last, and Git's index beside it.
#[derive(Debug)]
pub(super) struct Base {
    tree: ObjectId,
    index: ObjectId,
}

impl Base {
    /// After a handoff (`is_taken_over`) what that went towards; else the line's newest snapshot. A new line begins with what
    /// the working tree's newest snapshot has, if HEAD has not moved since.
    pub(super) fn find(
        gix: &gix::Repository,
        registry: &Registry,
        tree: &Tree,
        branch: &Branch,
        head: Option<ObjectId>,
        previous: Option<&Snapshot>,
        is_taken_over: bool,
    ) -> Result<Option<Self>, CaptureError> {
        if !gix.config_snapshot().boolean("core.sparseCheckout").unwrap_or(false) {
            return Ok(None);
        }
        let taken = if is_taken_over { registry.last_undo(&tree.id)? } else { None };
        let newest = if previous.is_none() { registry.state(&tree.id)?.snapshot } else { None };
        let found = || -> Result<Option<Self>, HistoryError> {
            let base = if let Some(entry) = &taken
                && let Some(handoff) = entry.handoff.as_ref().filter(|h| h.branch == branch.to_trailer())
            {
                let index = match (parse(handoff.index.as_ref()), parse(handoff.staged_of.as_ref())) {
                    (Some(index), _) => index,
                    (None, of) => index_of(gix, &history::snapshot(gix, of.unwrap_or(entry.before))?)?,
                };
                parse(Some(&handoff.target)).map(|tree| Self { tree, index })
            } else {
                let newest = newest.map(|commit| history::snapshot(gix, commit)).transpose()?;
                match previous.or(newest.as_ref().filter(|newest| newest.meta.head == head)) {
                    Some(last) => Some(Self { tree: last.tree, index: index_of(gix, last)? }),
                    None => None,
                }
            };
            base.map(|base| base.checked(gix)).transpose()
        };
        Ok(known(found()).flatten())
    }

    /// Makes sure that both trees are there, in packs that the handle knows from here on.
    fn checked(self, gix: &gix::Repository) -> Result<Self, HistoryError> {
        for tree in [self.tree, self.index] {
            if tree != ObjectId::empty_tree(gix.object_hash()) {
                history::find_object(gix, tree)?;
            }
        }
        Ok(self)
    }

    /// The paths that the tree lacks and the index had, with what it had.
    pub(super) fn gone(&self, gix: &gix::Repository) -> HashMap<BString, (u32, ObjectId)> {
        let found = || -> Result<_, HistoryError> {
            let mut gone = HashMap::new();
            for delta in diff::trees(gix, Some(self.index), Some(self.tree), BStr::new(b""))? {
                if let (Some(old), None) = (delta.old, delta.new)
                    && !self.is_covered(gix, delta.path.as_bstr())?
                {
                    gone.insert(delta.path, old);
                }
            }
            Ok(gone)
        };
        known(found()).unwrap_or_default()
    }

    /// Whether the tree lacks `path` only because something else is in its place.
    fn is_covered(&self, gix: &gix::Repository, path: &BStr) -> Result<bool, HistoryError> {
        for at in path.find_iter("/").chain([path.len()]) {
            match entry_at(gix, self.tree, path[..at].as_bstr())? {
                None => return Ok(false),
                Some((mode::FOLDER, _)) if at < path.len() => {}
                Some(_) => return Ok(true),
            }
        }
        Ok(false)
    }
}

/// What could be read. A clone may lack trees, and Git's word for what it does not look at is better than no snapshot.
fn known<T>(found: Result<T, HistoryError>) -> Option<T> {
    found.inspect_err(|error| tracing::warn!(%error, "what was gone before could not be read")).ok()
}

/// The tree of what Git's index held, conflicts left out, when `snapshot` was taken.
fn index_of(gix: &gix::Repository, snapshot: &Snapshot) -> Result<ObjectId, HistoryError> {
    let empty = ObjectId::empty_tree(gix.object_hash());
    let tree_of = |commit: ObjectId| -> Result<ObjectId, HistoryError> {
        let failed = |e: String| history::cannot_read(&format!("commit {commit}"), gix.path(), e);
        let commit = gix.find_commit(commit).map_err(|e| failed(e.to_string()))?;
        commit.tree_id().map(gix::Id::detach).map_err(|e| failed(e.to_string()))
    };
    match (snapshot.meta.staged, snapshot.meta.head) {
        (Some(side), _) => {
            let staged = entry_at(gix, tree_of(side)?, BStr::new("0"))?;
            Ok(staged.filter(|entry| entry.0 == mode::FOLDER).map_or(empty, |entry| entry.1))
        }
        (None, Some(head)) => tree_of(head),
        (None, None) => Ok(empty),
    }
}

fn parse(hex: Option<&String>) -> Option<ObjectId> {
    ObjectId::from_hex(hex?.as_bytes()).ok()
}
