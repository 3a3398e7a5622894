//! From what we have and what they have to what the working tree is to become. Reads only.

use std::collections::BTreeSet;

use super::{Handoff, HandoffError, Index, head, index};
use crate::context::Context;
use crate::diff::{self, mode};
use crate::drift;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, cannot_read, entry_at};
use crate::line::{Branch, LineName, quote};
use crate::merge::{self, Bench, Choice, Conflict, Merged};
use crate::registry::Tree;
use crate::repo::Repo;
use crate::restore::{self, Plan as FilePlan};
use crate::seen::{Relation, Seen};
use crate::snapshot::{Snapshot, State};
use crate::tips::{self, Tip, Trust, Writer};
use crate::tree::Edit;

/// What we have on the branch.
enum Ours {
    /// Nothing.
    Nothing,
    /// A snapshot.
    Snapshot(Box<Tip>),
    /// A branch that has commits which neither they nor a snapshot of ours have.
    Commit { tree: ObjectId, base: ObjectId },
}

pub(super) fn plan(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    ours: &Snapshot,
    theirs: &Tip,
    switch: Option<&Branch>,
) -> Result<Handoff, HandoffError> {
    let mut bench = Bench::new(repo);
    refuse_busy(repo)?;
    if index::is_unmerged(&mut bench, ours)? {
        return Err(HandoffError::Busy { state: State::Merge });
    }
    let here = repo.head().map_err(|e| cannot_read("HEAD", repo.root(), e))?;
    let branch = switch.unwrap_or(&theirs.branch).clone();
    let is_switch = switch.is_some_and(|branch| *branch != here.branch);
    let (mine, known) = if is_switch {
        on_branch(ctx, repo, &bench, tree, &branch, theirs)?
    } else {
        let tip = tip_of(ctx, ours);
        (Ours::Snapshot(Box::new(tip)), ours.meta.seen.clone())
    };
    let relation = match &mine {
        Ours::Nothing => Relation::Newer,
        Ours::Snapshot(tip) => drift::relation(ctx, repo, tip, theirs)?,
        Ours::Commit { .. } => Relation::Diverged,
    };
    let (theirs_tree, refused) = writable(&mut bench, ours.tree, theirs.tree)?;
    let tip = theirs;
    let theirs = &Tip { tree: theirs_tree, ..tip.clone() };
    let (merged, conflicts, is_theirs) = combine(ctx, repo, &mut bench, &mine, theirs, relation)?;
    let decided = match (relation, is_switch) {
        (Relation::Older, false) => head::Decided { commit: here.commit, ..head::Decided::default() },
        (_, true) => head::switch(repo, &here, &branch, theirs.head)?,
        (_, false) => head::follow(repo, &here, &branch, theirs.head)?,
    };
    let index = match relation {
        Relation::Older if !is_switch => Index::Stays,
        _ => index::decide(&mut bench, ours, theirs, &decided, is_theirs, is_switch)?,
    };
    Ok(Handoff {
        tip: tip.clone(),
        relation,
        current: ours.clone(),
        merged: Merged { tree: merged, conflicts, objects: bench.into_objects() },
        head: decided.moves,
        commits_as_changes: decided.commits_as_changes,
        seen: known.union(&theirs.seen),
        not_captured: theirs.skipped.iter().map(|skipped| skipped.path.clone()).chain(refused).collect(),
        branch,
        index,
        settled: None,
    })
}

pub(super) fn files(
    repo: &Repo,
    handoff: &mut Handoff,
    choices: &[(BString, Choice)],
) -> Result<FilePlan, HandoffError> {
    let settled: BTreeSet<&BString> = choices.iter().map(|(path, _)| path).collect();
    let open: Vec<Conflict> =
        handoff.merged.conflicts.iter().filter(|conflict| !settled.contains(&conflict.path)).cloned().collect();
    if !open.is_empty() {
        return Err(HandoffError::Conflicts { conflicts: open });
    }
    let target = merge::settle(repo, &mut handoff.merged, choices)?;
    let objects = std::mem::replace(&mut handoff.merged.objects, crate::pack::Batch::new(repo.hash()));
    let bench = Bench::over(repo, objects);
    let planned = plan_files(repo, &bench, &handoff.current, target);
    handoff.merged.objects = bench.into_objects();
    let (plan, paths) = planned?;
    handoff.settled = Some((target, paths));
    Ok(plan)
}

/// Refuses while Git is in the middle of something here: what it knows of that would be lost.
pub(super) fn refuse_busy(repo: &Repo) -> Result<(), HandoffError> {
    repo.state().map_or(Ok(()), |state| Err(HandoffError::Busy { state }))
}

fn plan_files(
    repo: &Repo,
    bench: &Bench,
    current: &Snapshot,
    target: ObjectId,
) -> Result<(FilePlan, Vec<BString>), HandoffError> {
    let deltas = diff::trees(bench.gix(), Some(current.tree), Some(target), b"".as_bstr())?;
    let paths: Vec<BString> = deltas.into_iter().map(|delta| delta.path).collect();
    Ok((restore::plan_exactly(repo, bench.gix(), target, current, &paths)?, paths))
}

/// The tree that comes of both sides, its conflicts, and whether it is simply theirs.
fn combine(
    ctx: &Context,
    repo: &Repo,
    bench: &mut Bench,
    mine: &Ours,
    theirs: &Tip,
    relation: Relation,
) -> Result<(ObjectId, Vec<Conflict>, bool), HandoffError> {
    let (tree, base) = match mine {
        Ours::Nothing => return Ok((theirs.tree, Vec::new(), true)),
        Ours::Snapshot(tip) if relation == Relation::Older => return Ok((tip.tree, Vec::new(), false)),
        Ours::Snapshot(tip) if relation == Relation::Newer => {
            return Ok((as_captured(bench, tip.tree, theirs)?, Vec::new(), true));
        }
        Ours::Snapshot(tip) => {
            let base = merge::base_on(ctx, repo, bench, tip, theirs)?;
            if base == tip.tree && tip.staged.is_none() {
                // Nothing was done here since: what they have is taken over as it is, what they staged included.
                return Ok((as_captured(bench, tip.tree, theirs)?, Vec::new(), true));
            }
            (tip.tree, base)
        }
        Ours::Commit { tree, base } => (*tree, *base),
    };
    let their_tree = as_captured(bench, tree, theirs)?;
    let name = quote::printable(theirs.writer.name().into());
    let (merged, conflicts) = merge::merge_on(bench, base, tree, their_tree, ["before", "here", &name])?;
    // With nothing of our own, staged or not, it is theirs as it is: two devices that never heard of each other.
    let is_theirs = match mine {
        Ours::Snapshot(tip) => conflicts.is_empty() && merged == their_tree && tip.staged.is_none(),
        Ours::Nothing | Ours::Commit { .. } => false,
    };
    Ok((merged, conflicts, is_theirs))
}

/// Their tree, in which what they did not capture is as we have it.
fn as_captured(bench: &mut Bench, ours: ObjectId, theirs: &Tip) -> Result<ObjectId, HistoryError> {
    let mut edits: Vec<Edit> = Vec::new();
    for skipped in &theirs.skipped {
        let path = skipped.path.as_bstr();
        let (here, there) = (entry_at(bench.gix(), ours, path)?, entry_at(bench.gix(), theirs.tree, path)?);
        if here != there && has_room(bench, theirs.tree, path)? {
            edits.push((skipped.path.clone(), here));
        }
    }
    if theirs.skipped_more > 0 {
        // Any file that is not there may be one of those that are not named.
        for delta in diff::trees(bench.gix(), Some(ours), Some(theirs.tree), b"".as_bstr())? {
            let path = delta.path.as_bstr();
            let is_gone = delta.new.is_none() && entry_at(bench.gix(), theirs.tree, path)?.is_none();
            if is_gone && has_room(bench, theirs.tree, path)? {
                edits.push((delta.path, delta.old));
            }
        }
    }
    edits.sort();
    edits.dedup_by(|a, b| a.0 == b.0);
    bench.edit(theirs.tree, &edits)
}

/// Their tree without files that Git would refuse to write, and the paths of those: no capture has any.
fn writable(bench: &mut Bench, ours: ObjectId, theirs: ObjectId) -> Result<(ObjectId, Vec<BString>), HistoryError> {
    let deltas = diff::trees(bench.gix(), Some(ours), Some(theirs), b"".as_bstr())?;
    let refused = deltas.into_iter().filter(|d| d.new.is_some() && !restore::is_allowed(d.path.as_bstr()));
    let refused: Vec<BString> = refused.map(|delta| delta.path).collect();
    let edits: Vec<Edit> = refused.iter().map(|path| (path.clone(), None)).collect();
    Ok((bench.edit(theirs, &edits)?, refused))
}

/// Whether no file stands in `tree` where `path` needs a folder.
fn has_room(bench: &Bench, tree: ObjectId, path: &BStr) -> Result<bool, HistoryError> {
    for at in path.find_iter("/") {
        if entry_at(bench.gix(), tree, path[..at].as_bstr())?.is_some_and(|entry| entry.0 != mode::FOLDER) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What we have on a branch that is not checked out, and what it has seen.
fn on_branch(
    ctx: &Context,
    repo: &Repo,
    bench: &Bench,
    tree: &Tree,
    branch: &Branch,
    theirs: &Tip,
) -> Result<(Ours, Seen), HandoffError> {
    let tip = tips::own(ctx, repo, &tree.id, branch)?;
    let seen = tip.as_ref().map(|tip| tip.seen.clone()).unwrap_or_default();
    let local = head::commit_of(repo, branch)?;
    let is_theirs = |local| theirs.head.is_some_and(|theirs| head::leads_to(repo, Some(local), theirs));
    let ours = match (tip, local) {
        (Some(tip), None) => Ours::Snapshot(Box::new(tip)),
        (Some(tip), Some(local)) if tip.head == Some(local) || is_theirs(local) => Ours::Snapshot(Box::new(tip)),
        (_, Some(local)) if !is_theirs(local) => {
            let base = theirs.head.and_then(|theirs| bench.gix().merge_base(local, theirs).ok().flatten());
            let base = match base {
                Some(base) => commit_tree(bench, base.detach())?,
                None => ObjectId::empty_tree(repo.hash()),
            };
            Ours::Commit { tree: commit_tree(bench, local)?, base }
        }
        _ => Ours::Nothing,
    };
    Ok((ours, seen))
}

fn commit_tree(bench: &Bench, commit: ObjectId) -> Result<ObjectId, HistoryError> {
    let failed = |e: String| cannot_read(&format!("commit {commit}"), bench.gix().path(), e);
    let commit = bench.gix().find_commit(commit).map_err(|e| failed(e.to_string()))?;
    commit.tree_id().map(gix::Id::detach).map_err(|e| failed(e.to_string()))
}

/// The snapshot just taken as a tip.
fn tip_of(ctx: &Context, ours: &Snapshot) -> Tip {
    let line = LineName::new(&ours.meta.device, &ours.meta.tree_id, &ours.meta.branch);
    Tip {
        writer: Writer::Carry { line, label: ctx.device.get().label().to_owned(), key: None },
        trust: Trust::Own,
        branch: ours.meta.branch.clone(),
        commit: ours.commit,
        tree: ours.tree,
        head: ours.meta.head,
        staged: ours.meta.staged,
        time: crate::tips::moment(ours),
        seen: ours.meta.seen.clone(),
        skipped: ours.meta.skipped.clone(),
        skipped_more: ours.meta.skipped_more,
        finished: false,
    }
}
