//! Snapshots that are never thinned, each for a reason.

use std::collections::HashSet;

use carry_kernel::id::TreeId;

use super::PruneError;
use crate::context::Context;
use crate::git::ObjectId;
use crate::line::KEEP;
use crate::refs::{self, RefError};
use crate::registry::Registry;
use crate::repo::Repo;

/// Why [`pin`] keeps what `carry undo` goes back to.
pub const UNDO: &str = "undo";

/// Keeps `commit` from ever being thinned: a ref `refs/carry-keep/<tree>/<why>-<commit>`. Again is the same as once.
///
/// In `why` everything but `[a-z0-9-]` becomes a hyphen.
///
/// # Errors
/// [`PruneError`].
pub fn pin(repo: &Repo, tree: &TreeId, why: &str, commit: ObjectId) -> Result<(), PruneError> {
    match refs::update(repo, &pin_name(tree, why, commit), None, commit) {
        Ok(_) => Ok(()),
        Err(RefError::Moved { found, .. }) if found == Some(commit) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Takes a pin back; fine when there is none.
///
/// # Errors
/// [`PruneError`].
pub fn unpin(repo: &Repo, tree: &TreeId, why: &str, commit: ObjectId) -> Result<(), PruneError> {
    let name = pin_name(tree, why, commit);
    if let Some(value) = refs::read(repo, &name)? {
        refs::delete(repo, &name, value)?;
    }
    Ok(())
}

fn pin_name(tree: &TreeId, why: &str, commit: ObjectId) -> String {
    let why: String = why.chars().map(|c| if matches!(c, 'a'..='z' | '0'..='9') { c } else { '-' }).collect();
    format!("{KEEP}{tree}/{why}-{commit}")
}

/// The pinned snapshots of a tree.
///
/// # Errors
/// [`PruneError`].
pub fn pins(repo: &Repo, tree: &TreeId) -> Result<HashSet<ObjectId>, PruneError> {
    Ok(refs::list(repo, &format!("{KEEP}{tree}/"))?.into_iter().map(|(_, commit)| commit).collect())
}

/// The snapshots of a tree that are never thinned: the pinned ones, and those that are marked as finished, since others
/// are compared with them.
pub(super) fn unthinned(ctx: &Context, repo: &Repo, tree: &TreeId) -> Result<HashSet<ObjectId>, PruneError> {
    let mut all = pins(repo, tree)?;
    if let Some(registry) = Registry::open_read_only(&ctx.home)? {
        all.extend(registry.finished(tree)?.into_iter().map(|(_, snapshot)| snapshot));
    }
    Ok(all)
}

/// The snapshots of a tree that are pinned for the reason `why`.
pub(crate) fn pinned_as(repo: &Repo, tree: &TreeId, why: &str) -> Result<Vec<ObjectId>, PruneError> {
    let all = refs::list(repo, &format!("{KEEP}{tree}/"))?.into_iter();
    Ok(all.filter(|(name, commit)| *name == pin_name(tree, why, *commit)).map(|(_, commit)| commit).collect())
}
