//! Finished: work that went into a commit, and what it builds on with it.

use std::collections::BTreeMap;

use super::{Tip, Trust};
use crate::history::{self, HistoryError};
use crate::line::Branch;
use crate::registry::Registry;
use crate::seen::Seen;
use crate::snapshot::Snapshot;

/// Whether `newest`, the newest snapshot of a line of this device's, is finished. A mark holds on when snapshots follow
/// that hold the same tree: committing moves HEAD, which is captured too.
///
/// # Errors
/// [`HistoryError`] when the registry cannot be read.
pub fn is_finished(registry: &Registry, repo: &gix::Repository, newest: &Snapshot) -> Result<bool, HistoryError> {
    let marks = registry.finished(&newest.meta.tree_id)?;
    let Some((_, marked)) = marks.into_iter().find(|(branch, _)| *branch == newest.meta.branch) else {
        return Ok(false);
    };
    // A marked snapshot that is gone by now was not the newest.
    Ok(marked == newest.commit || history::snapshot(repo, marked).is_ok_and(|marked| marked.tree == newest.tree))
}

/// Whatever a finished tip of the same branch has seen is finished too. Only those who are trusted finish the work of
/// others: anybody can claim to have seen everything.
pub(super) fn spread(tips: &mut [Tip]) {
    let mut finished: BTreeMap<Branch, Vec<Seen>> = BTreeMap::new();
    for tip in tips.iter().filter(|tip| tip.finished && matches!(tip.trust, Trust::Own | Trust::Approved)) {
        finished.entry(tip.branch.clone()).or_default().push(tip.seen.clone());
    }
    for tip in tips.iter_mut().filter(|tip| tip.branch != Branch::Detached && !tip.seen.is_empty()) {
        let all = finished.get(&tip.branch);
        tip.finished |= all.is_some_and(|all| all.iter().any(|seen| seen.has_seen(&tip.seen)));
    }
}
