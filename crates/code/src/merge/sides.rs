//! What each side did to the base: which paths it changed, and which of those are renames.

use std::collections::BTreeMap;

use super::Entry;
use crate::diff;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, cannot_read};

/// How alike two files must be for one to be the other renamed, as in Git.
const SIMILARITY: f32 = 0.5;
/// Most files that are compared with each other to find renames, as in Git.
const COMPARED_MAX: usize = 1000;

/// One side's changes.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// By path: before and after.
    pub(super) changes: BTreeMap<BString, (Option<Entry>, Option<Entry>)>,
    /// From, to; both are among the changes.
    pub(super) renames: BTreeMap<BString, BString>,
}

impl Side {
    /// Where the base's file `path`, which is `entry` there, is on this side.
    pub(super) fn find(&self, path: &BString, entry: Entry) -> Option<(BString, Entry)> {
        if let Some(to) = self.renames.get(path) {
            return Some((to.clone(), self.changes.get(to)?.1?));
        }
        let now = self.changes.get(path).map_or(Some(entry), |change| change.1)?;
        Some((path.clone(), now))
    }

    /// What this side added at `path`, if that is no file of the base renamed.
    pub(super) fn added(&self, path: &BString) -> Option<Entry> {
        let (before, after) = self.changes.get(path)?;
        let is_target = || self.renames.values().any(|to| to == path);
        after.filter(|_| before.is_none() && !is_target())
    }
}

/// Compares both sides with the base. Renames are looked for only where they matter: the other side changed the file too.
pub(super) fn sides(
    gix: &gix::Repository,
    base: ObjectId,
    ours: ObjectId,
    theirs: ObjectId,
) -> Result<[Side; 2], HistoryError> {
    let mut sides = [Side::default(), Side::default()];
    for (side, tree) in sides.iter_mut().zip([ours, theirs]) {
        let deltas = diff::trees(gix, Some(base), Some(tree), b"".as_bstr())?;
        side.changes = deltas.into_iter().map(|delta| (delta.path, (delta.old, delta.new))).collect();
    }
    let is_deleted = |side: &Side, path: &BString| side.changes.get(path).is_some_and(|change| change.1.is_none());
    let mut wanted = [false; 2];
    for (path, _) in sides[0].changes.iter().filter(|(path, _)| sides[1].changes.contains_key(*path)) {
        wanted = [wanted[0] || is_deleted(&sides[0], path), wanted[1] || is_deleted(&sides[1], path)];
    }
    for ((side, tree), _) in sides.iter_mut().zip([ours, theirs]).zip(wanted).filter(|(_, wanted)| *wanted) {
        side.renames = renames(gix, base, tree)?;
        let known = |path: &BString| side.changes.contains_key(path);
        side.renames.retain(|from, to| known(from) && known(to));
    }
    Ok(sides)
}

fn renames(gix: &gix::Repository, base: ObjectId, tree: ObjectId) -> Result<BTreeMap<BString, BString>, HistoryError> {
    use gix::object::tree::diff::ChangeDetached;
    let failed = |e: gix::Error| cannot_read(&format!("tree {tree}"), gix.path(), e);
    let find = |id: ObjectId| {
        if id.is_empty_tree() { Ok(gix.empty_tree()) } else { gix.find_tree(id) }
    };
    let (old, new) = (find(base).map_err(failed)?, find(tree).map_err(failed)?);
    let mut options = gix::diff::Options::default();
    options.track_path().track_rewrites(Some(gix::diff::Rewrites {
        copies: None,
        percentage: Some(SIMILARITY),
        limit: COMPARED_MAX,
        track_empty: false,
    }));
    let changes = gix.diff_tree_to_tree(&old, &new, options).map_err(failed)?;
    let pair = |change| match change {
        ChangeDetached::Rewrite { source_location, location, source_entry_mode, entry_mode, copy, .. }
            if !copy && source_entry_mode.is_blob() && entry_mode.is_blob() =>
        {
            Some((source_location, location))
        }
        _ => None,
    };
    Ok(changes.into_iter().filter_map(pair).collect())
}
