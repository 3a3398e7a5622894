//! Folding tips into one, as if one device had all of it.

use super::{Refusal, Row, commits};
use crate::context::Context;
use crate::handoff::HandoffError;
use crate::line::{LineName, quote};
use crate::merge::{self, Bench};
use crate::repo::Repo;
use crate::seen::Relation;
use crate::snapshot::{SkipReason, Skipped, Snapshot};
use crate::tips::{Tip, Trust, Writer};

use crate::git::ByteSlice as _;

/// What was gathered so far.
pub(super) struct Gathered {
    /// All of it, as one tip: ours, with the tree, the HEAD and the vector that came of it.
    pub(super) tip: Tip,
    /// Commits of others that HEAD does not go forward to.
    pub(super) commits_as_changes: u64,
}

/// Our snapshot as a tip.
pub(super) fn own_tip(ctx: &Context, ours: &Snapshot) -> Tip {
    let meta = &ours.meta;
    let line = LineName::new(&meta.device, &meta.tree_id, &meta.branch);
    Tip {
        writer: Writer::Carry { line, label: ctx.device.get().label().to_owned(), key: None },
        trust: Trust::Own,
        branch: meta.branch.clone(),
        commit: ours.commit,
        tree: ours.tree,
        head: meta.head,
        staged: meta.staged,
        time: crate::tips::moment(ours),
        seen: meta.seen.clone(),
        skipped: meta.skipped.clone(),
        skipped_more: meta.skipped_more,
        finished: false,
    }
}

/// The tips that are to be gathered: first those that no other has seen, then the rest, which by then is contained.
pub(super) fn in_order(tips: Vec<Tip>, gathered: &Gathered, accept_unknown: bool) -> Vec<Tip> {
    let tips: Vec<Tip> = tips.into_iter().filter(|tip| !tip.finished && tip.trust != Trust::Impostor).collect();
    let comes_in = |tip: &Tip| is_taken(tip.trust, accept_unknown);
    let is_covered = |tip: &Tip| {
        gathered.tip.seen.has_seen(&tip.seen)
            || tips.iter().any(|other| comes_in(other) && other.seen.compare(&tip.seen) == Relation::Newer)
    };
    let (covered, latest): (Vec<Tip>, Vec<Tip>) = tips.iter().cloned().partition(is_covered);
    latest.into_iter().chain(covered).collect()
}

/// Whether the work of a device that is trusted so is gathered. That of others is named and left out.
fn is_taken(trust: Trust, accept_unknown: bool) -> bool {
    match trust {
        Trust::Own | Trust::Approved => true,
        Trust::Unknown => accept_unknown,
        Trust::Revoked | Trust::Impostor => false,
    }
}

impl Gathered {
    pub(super) fn new(ours: Tip) -> Self {
        Self { tip: Tip { staged: None, ..ours }, commits_as_changes: 0 }
    }

    /// Takes in the tip of `row`, and notes there and in `refusals` what comes of it.
    pub(super) fn take(
        &mut self,
        ctx: &Context,
        repo: &Repo,
        bench: &mut Bench,
        row: &mut Row,
        accept_unknown: bool,
        refusals: &mut Vec<Refusal>,
    ) -> Result<(), HandoffError> {
        let theirs = &row.tip;
        if self.tip.seen.has_seen(&theirs.seen) {
            row.contained = true;
            return Ok(());
        }
        let device = theirs.writer.name().to_owned();
        if !is_taken(theirs.trust, accept_unknown) {
            row.left_out = true;
            return Ok(());
        }
        if matches!(theirs.writer, Writer::Carry { .. })
            && let Some(state) = theirs.snapshot(repo)?.meta.state
        {
            refusals.push(Refusal::InProgress { what: format!("{state} on {device}") });
        }
        let missing = not_captured(theirs);
        if !missing.is_empty() {
            refusals.push(Refusal::NotCaptured { device: device.clone(), paths: missing });
        }
        if self.tip.tree == theirs.tree {
            row.contained = true;
        } else {
            let base = merge::base_on(ctx, repo, bench, &self.tip, theirs)?;
            let labels = ["base", "gathered", &device];
            let (tree, conflicts) = merge::merge_on(bench, base, self.tip.tree, theirs.tree, labels)?;
            self.tip.tree = tree;
            if !conflicts.is_empty() {
                let paths = conflicts.iter().map(|c| quote::printable(c.path.as_bstr())).collect();
                refusals.push(Refusal::Conflicts { device, paths });
            }
            row.conflicts = conflicts;
        }
        self.take_head(bench.gix(), theirs);
        self.tip.seen = self.tip.seen.union(&theirs.seen);
        Ok(())
    }

    /// Goes forward to their HEAD if it descends from ours. Otherwise its commits arrive as changes.
    fn take_head(&mut self, gix: &gix::Repository, theirs: &Tip) {
        let Some(head) = theirs.head else { return };
        match self.tip.head {
            Some(ours) if commits::descends(gix, ours, head) => {}
            Some(ours) if !commits::descends(gix, head, ours) => {
                self.commits_as_changes += commits::ahead(gix, head, Some(ours));
            }
            _ => self.tip.head = Some(head),
        }
    }
}

/// Files that would be missing because their device could not read them. What cannot be in Git at all is none of them.
fn not_captured(tip: &Tip) -> Vec<String> {
    let is_missing = |skipped: &&Skipped| !matches!(skipped.reason, SkipReason::Special | SkipReason::InvalidName);
    let named = tip.skipped.iter().filter(is_missing).map(|skipped| quote::printable(skipped.path.as_bstr()));
    let more = (tip.skipped_more > 0).then(|| format!("and {} more", tip.skipped_more));
    named.chain(more).collect()
}
