//! Drift: what others have of the branch one is on that this working tree has not seen. Pure, but for reading tips.

use carry_kernel::id::TreeId;

use crate::context::Context;
use crate::git::ObjectId;
use crate::history::HistoryError;
use crate::line::Branch;
use crate::merge::{self, Bench};
use crate::repo::Repo;
use crate::seen::Relation;
use crate::tips::{Tip, Trust};

mod remember;
#[cfg(test)]
mod tests;

pub use remember::{Noted, RememberError, remember};

/// Another writer's tip, beside ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Theirs.
    pub tip: Tip,
    /// How theirs stands to ours: [`Relation::Newer`] can be taken over as it is, [`Relation::Diverged`] is merged.
    pub relation: Relation,
    /// Whether it is the one to take over first: no other is newer, and its clock stamp is the greatest of those.
    pub is_first: bool,
}

/// Compares. Of `others` those count that are trusted ([`crate::tips::Trust::Own`], `Approved`), not finished, newer or
/// diverged, and whose tree is another than ours. In the order in which they should be named.
///
/// A tip that another of them has seen is left out: taking over the later one brings both. So is one that a tip with our own
/// content has seen: what it brought is here. Times are only shown: a clock that lies can neither hide a tip nor hide others.
pub fn compare(ours: Option<&Tip>, others: &[Tip]) -> Vec<Drift> {
    let trusted: Vec<&Tip> =
        others.iter().filter(|tip| matches!(tip.trust, Trust::Own | Trust::Approved) && !tip.finished).collect();
    let relation = |tip: &Tip| ours.map_or(Relation::Newer, |ours| tip.seen.compare(&ours.seen));
    let is_ahead = |tip: &Tip| matches!(relation(tip), Relation::Newer | Relation::Diverged);
    let is_covered = |tip: &Tip| {
        let by = |other: &&Tip| is_ahead(other) && other.seen.compare(&tip.seen) == Relation::Newer;
        trusted.iter().any(by)
    };
    let mut drifts: Vec<Drift> = trusted
        .iter()
        .filter(|tip| is_ahead(tip) && ours.is_none_or(|ours| ours.tree != tip.tree) && !is_covered(tip))
        .map(|tip| Drift { tip: (*tip).clone(), relation: relation(tip), is_first: false })
        .collect();
    drifts.sort_by(|a, b| b.tip.time.cmp(&a.tip.time).then_with(|| a.tip.writer.source().cmp(&b.tip.writer.source())));
    if let Some(first) = drifts.first_mut() {
        first.is_first = true;
    }
    drifts
}

/// The same without those that diverged and bring nothing: a device that has not changed anything since a commit that both
/// come from, or that took back what it did. What diverged from a working tree in which nothing was done is newer: see
/// [`relation`].
///
/// # Errors
/// [`HistoryError`].
pub fn between(ctx: &Context, repo: &Repo, ours: Option<&Tip>, others: &[Tip]) -> Result<Vec<Drift>, HistoryError> {
    let mut found = Vec::new();
    for drift in compare(ours, others) {
        let relation = match ours {
            Some(ours) if drift.relation == Relation::Diverged => {
                if !brings_something(ctx, repo, ours, &drift.tip)? {
                    continue;
                }
                relation(ctx, repo, ours, &drift.tip)?
            }
            _ => drift.relation,
        };
        found.push(Drift { is_first: found.is_empty(), relation, ..drift });
    }
    Ok(found)
}

/// How `theirs` stands to `ours`: as their vectors say, but that nothing diverges from a working tree in which nothing was done
/// since what both have seen last, as in a fresh clone that was captured before it heard of others, or where somebody took work
/// over and did not go on with it. It has no files, nothing staged and no commits that theirs does not build on, so that theirs is
/// newer and taking it over as it is loses nothing.
///
/// # Errors
/// [`HistoryError`].
pub fn relation(ctx: &Context, repo: &Repo, ours: &Tip, theirs: &Tip) -> Result<Relation, HistoryError> {
    match theirs.seen.compare(&ours.seen) {
        Relation::Diverged if is_untouched(ctx, repo, ours, theirs)? => Ok(Relation::Newer),
        relation => Ok(relation),
    }
}

/// Whether nothing was done here since what both have seen last.
fn is_untouched(ctx: &Context, repo: &Repo, ours: &Tip, theirs: &Tip) -> Result<bool, HistoryError> {
    let gix = repo.gix();
    let leads_there = match (ours.head, theirs.head) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(from), Some(to)) => {
            from == to || gix.merge_base(from, to).is_ok_and(|base| base.is_some_and(|base| base == from))
        }
    };
    if !leads_there || ours.staged.is_some() {
        return Ok(false);
    }
    let mut bench = Bench::new(repo);
    Ok(merge::base_on(ctx, repo, &mut bench, ours, theirs)? == ours.tree)
}

/// Whether theirs differs from what both sides have seen last. Looks closely at clean working trees only: others differ from
/// something.
fn brings_something(ctx: &Context, repo: &Repo, ours: &Tip, theirs: &Tip) -> Result<bool, HistoryError> {
    if !is_clean(&repo.gix(), theirs) {
        return Ok(true);
    }
    let mut bench = Bench::new(repo);
    Ok(merge::base_on(ctx, repo, &mut bench, ours, theirs)? != theirs.tree)
}

/// Whether a tip has the files of its commit, and nothing staged.
fn is_clean(gix: &gix::Repository, tip: &Tip) -> bool {
    let is_as_committed = match tip.head {
        Some(head) => gix.find_commit(head).is_ok_and(|commit| commit.tree_id().is_ok_and(|tree| tree == tip.tree)),
        None => tip.tree.is_empty_tree(),
    };
    is_as_committed && tip.staged.is_none()
}

/// Of `others` the one whose commits can be taken over although it brings no other content: it has seen all that we have, or
/// has the same files, and its HEAD descends from ours. So it is after somebody committed, with [`crate::finalize`] or by
/// hand, what we still have as changes.
pub fn committed<'t>(repo: &Repo, ours: &Tip, others: &'t [Tip]) -> Option<&'t Tip> {
    let gix = repo.gix();
    let descends = |from: ObjectId, to: ObjectId| {
        from != to && gix.merge_base(from, to).is_ok_and(|base| base.is_some_and(|base| base == from))
    };
    let fits = |tip: &&Tip| {
        matches!(tip.trust, Trust::Own | Trust::Approved)
            && (tip.seen.has_seen(&ours.seen) || tip.tree == ours.tree)
            && ours.head.zip(tip.head).is_some_and(|(from, to)| descends(from, to))
    };
    others.iter().filter(fits).max_by_key(|tip| tip.time)
}

/// The same for `branch` in `tree`, read from the repository.
///
/// # Errors
/// [`HistoryError`].
pub fn look(ctx: &Context, repo: &Repo, tree: &TreeId, branch: &Branch) -> Result<Vec<Drift>, HistoryError> {
    let ours = crate::tips::own(ctx, repo, tree, branch)?;
    between(ctx, repo, ours.as_ref(), &crate::tips::others(ctx, repo, tree, branch)?)
}
