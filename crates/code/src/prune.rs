//! Thinning by retention: plan, show, execute.
//!
//! While the user agreed to publish a repository, what no remote has yet stays whatever its age, unless the budget runs out.
//!
//! Thinning rebuilds a line's keepers without the dropped snapshots and moves the ref. Snapshots that stay keep their ids.
//! Nothing is deleted by us: what no ref reaches any more is Git's to collect.

use std::collections::HashSet;
use std::path::Path;

use carry_kernel::clock::Timestamp;
use carry_kernel::disk::DiskError;
use carry_kernel::id::TreeId;

use crate::budget::{Budget, Level};
use crate::context::Context;
use crate::durable;
use crate::git::{self, ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError, Line};
use crate::keeper::keeper_bytes;
use crate::pack::{Batch, Kind};
use crate::refs::{self, RefError};
use crate::registry::Registry;
use crate::repo::Repo;
use crate::retention;
use pins::unthinned;
use unpublished::Publishing;

mod pins;
mod unpublished;

pub(crate) use pins::pinned_as;
pub use pins::{UNDO, pin, pins, unpin};

/// What thinning would do to one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinePlan {
    /// The line as it was when planned; executing checks that it still is.
    pub line: Line,
    /// The branch, for people.
    pub branch: String,
    /// What stays and goes.
    pub plan: retention::Plan,
}

/// A line that could not be read, and why. It is left as it is.
#[derive(Debug)]
pub struct Unreadable {
    /// Its name.
    pub line: crate::line::LineName,
    /// Why.
    pub error: HistoryError,
}

/// What thinning did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Snapshots dropped.
    pub snapshots: u64,
    /// Bytes they had written; they come back at Git's next gc.
    pub bytes: u64,
    /// Lines left alone because they moved meanwhile.
    pub moved: u64,
}

/// Why thinning failed.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The lines could not be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A ref could not be moved.
    #[error(transparent)]
    Ref(#[from] crate::refs::RefError),
    /// The new keepers could not be written.
    #[error(transparent)]
    Disk(#[from] carry_kernel::disk::DiskError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] carry_kernel::db::DbError),
}

/// Plans for all lines of this device's `tree` in `repo`, also of branches that are gone: their age counts like that of
/// others, and the newest of each stays.
///
/// # Errors
/// [`PruneError`].
pub fn plan(
    ctx: &Context,
    repo: &Repo,
    tree: &TreeId,
    policy: &retention::Policy,
    now: Timestamp,
) -> Result<Vec<LinePlan>, PruneError> {
    let (plans, unreadable) = plan_readable(ctx, repo, tree, policy, now)?;
    match unreadable.into_iter().next() {
        Some(unreadable) => Err(unreadable.error.into()),
        None => Ok(plans),
    }
}

/// As [`plan`], for those lines that can be read, and which cannot.
///
/// # Errors
/// [`PruneError`] when the lines cannot be listed.
pub fn plan_readable(
    ctx: &Context,
    repo: &Repo,
    tree: &TreeId,
    policy: &retention::Policy,
    now: Timestamp,
) -> Result<(Vec<LinePlan>, Vec<Unreadable>), PruneError> {
    let pinned = unthinned(ctx, repo, tree)?;
    let publishing = Publishing::of(ctx, repo)?;
    let (mut plans, mut unreadable) = (Vec::new(), Vec::new());
    for line in own_lines(ctx, repo, tree)? {
        match plan_line(repo, &line, &pinned, publishing.as_ref(), policy, now) {
            Ok((branch, plan)) => plans.push(LinePlan { line, branch, plan }),
            Err(error) => unreadable.push(Unreadable { line: line.name, error }),
        }
    }
    Ok((plans, unreadable))
}

fn plan_line(
    repo: &Repo,
    line: &Line,
    pinned: &HashSet<ObjectId>,
    publishing: Option<&Publishing>,
    policy: &retention::Policy,
    now: Timestamp,
) -> Result<(String, retention::Plan), HistoryError> {
    let mut branch = None;
    let (mut items, mut order) = (Vec::new(), Vec::new());
    for snapshot in history::snapshots(repo, line) {
        let snapshot = snapshot?;
        branch.get_or_insert_with(|| snapshot.meta.branch.display());
        items.push(retention::Item { commit: snapshot.commit, time: snapshot.time, bytes: snapshot.meta.bytes });
        order.push((snapshot.commit, snapshot.meta.hlc));
    }
    let mut plan = retention::plan(&items, pinned, policy, now);
    if let Some(publishing) = publishing {
        unpublished::keep(&mut plan, &items, &publishing.lacked(repo, &line.name, &order));
    }
    Ok((branch.unwrap_or_default(), plan))
}

/// Carries the plans out and brings the registry's counts up to date.
///
/// All new keepers are on stable storage before the first line moves; each line moves only from where it was when
/// planned, and back if a gc took its new keepers away meanwhile. A line without anything to drop keeps its keepers as
/// they are.
///
/// # Errors
/// [`PruneError`]; lines done before the failure stay done.
pub fn execute(ctx: &Context, repo: &Repo, tree: &TreeId, plans: &[LinePlan]) -> Result<Pruned, PruneError> {
    let mut pruned = Pruned::default();
    let gix = repo.gix();
    let mut batch = Batch::new(gix.object_hash());
    let mut moves = Vec::new();
    // A snapshot pinned since the plan was made stays: the plan may have been shown for a long time.
    let pinned = unthinned(ctx, repo, tree)?;
    for plan in plans.iter().filter(|plan| !plan.plan.drop.is_empty()) {
        if history::line(repo, &plan.line.name)?.map(|line| line.tip) != Some(plan.line.tip) {
            pruned.moved += 1;
            continue;
        }
        let drop = plan.plan.drop.iter().copied().filter(|id| !pinned.contains(id)).collect();
        moves.extend(rebuild(&gix, plan.line.keeper, &drop, &mut batch)?.map(|rebuilt| (&plan.line, rebuilt)));
    }
    let mut registry = Registry::open(&ctx.home)?;
    // Held until the lines moved: before that nothing reaches the new keepers.
    let mut held = None;
    if !batch.is_empty() {
        let (written, keep) = batch.write_kept(&repo.common_dir().join("objects"))?;
        held = keep;
        if let Some(pack) = &written.pack {
            registry.note_pack(repo.common_dir(), pack, written.bytes)?;
        }
    }
    for (line, rebuilt) in moves {
        if move_line(repo, line, &rebuilt)? {
            pruned.snapshots += rebuilt.dropped;
            pruned.bytes = pruned.bytes.saturating_add(rebuilt.bytes);
        } else {
            pruned.moved += 1;
        }
    }
    drop(held);
    if pruned.snapshots > 0 {
        recount(ctx, repo, tree, &pruned, &mut registry)?;
    }
    Ok(pruned)
}

/// Moves a line to its new keeper; `false` when it moved meanwhile, or had to go back since new keepers are missing.
fn move_line(repo: &Repo, line: &Line, rebuilt: &Rebuilt) -> Result<bool, PruneError> {
    let name = line.name.ref_name();
    match refs::update(repo, &name, Some(line.tip), rebuilt.keeper) {
        Ok(_) => {}
        Err(RefError::Moved { .. }) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    // Only now that the line holds them are they safe.
    let checked = durable::missing(repo, &rebuilt.new);
    if matches!(&checked, Ok(missing) if missing.is_empty()) {
        return Ok(true);
    }
    tracing::warn!(name, "new keepers of a thinned line are missing; the line stays as it was");
    match refs::update(repo, &name, Some(rebuilt.keeper), line.tip) {
        Ok(_) | Err(RefError::Moved { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    checked?;
    Ok(false)
}

/// A line's new keeper, and what it no longer holds.
pub(crate) struct Rebuilt {
    pub(crate) keeper: ObjectId,
    /// All keepers that were made for it.
    new: Vec<ObjectId>,
    dropped: u64,
    bytes: u64,
}

/// Builds a line's keepers without the snapshots in `drop`, from the oldest of those on: the ones before it stay as
/// they are. `None` when there is nothing to drop, or nothing would be left.
pub(crate) fn rebuild(
    gix: &gix::Repository,
    keeper: ObjectId,
    drop: &HashSet<ObjectId>,
    batch: &mut Batch,
) -> Result<Option<Rebuilt>, HistoryError> {
    let mut newest_first = Vec::new();
    let mut next = Some(keeper);
    while let Some(id) = next {
        let (snapshot, previous) = history::keeper(gix, id)?;
        newest_first.push((id, snapshot.commit, snapshot.tree, snapshot.time, snapshot.meta.bytes));
        next = previous;
    }
    let (mut previous, mut rebuilt) = (None, Rebuilt { keeper, new: Vec::new(), dropped: 0, bytes: 0 });
    for (id, commit, tree, time, bytes) in newest_first.into_iter().rev() {
        if drop.contains(&commit) {
            rebuilt.dropped += 1;
            rebuilt.bytes = rebuilt.bytes.saturating_add(bytes);
        } else if rebuilt.dropped == 0 {
            previous = Some(id);
        } else {
            let new = batch.add(Kind::Commit, &keeper_bytes(commit, tree, previous, time));
            rebuilt.new.push(new);
            previous = Some(new);
        }
    }
    Ok(previous.filter(|_| rebuilt.dropped > 0).map(|keeper| Rebuilt { keeper, ..rebuilt }))
}

/// Counts what the tree's lines hold now; where one cannot be read, takes off what went.
fn recount(
    ctx: &Context,
    repo: &Repo,
    tree: &TreeId,
    pruned: &Pruned,
    registry: &mut Registry,
) -> Result<(), PruneError> {
    let lines = own_lines(ctx, repo, tree)?;
    let mut all = lines.iter().flat_map(|line| history::snapshots(repo, line));
    let counted = all.try_fold((0u64, 0u64), |(snapshots, bytes), snapshot| {
        Ok::<_, HistoryError>((snapshots + 1, bytes.saturating_add(snapshot?.meta.bytes)))
    });
    Ok(registry.update_state(tree, |state| {
        (state.snapshots, state.bytes) = counted
            .unwrap_or((state.snapshots.saturating_sub(pruned.snapshots), state.bytes.saturating_sub(pruned.bytes)));
    })?)
}

fn own_lines(ctx: &Context, repo: &Repo, tree: &TreeId) -> Result<Vec<Line>, HistoryError> {
    let device = ctx.device.id();
    history::lines_where(repo, |name| name.device == device && name.tree == *tree)
}

/// What the user's budget allows in `repo` now.
pub(crate) fn level(ctx: &Context, repo: &Repo) -> Result<Level, PruneError> {
    let common = repo.common_dir();
    let space = carry_kernel::gate::disk_space(common).map_err(DiskError::at("measure the space of", common))?;
    let (repository, total) = match Registry::open_read_only(&ctx.home)? {
        Some(registry) => registry.bytes_used(common)?,
        None => (0, 0),
    };
    Ok(Budget::new(&ctx.config(None), repository, total, space.free).level())
}

/// Runs Git's own gc in the repository at `root`, which gives the space back (for objects that nothing has reached for
/// as long as Git's `gc.pruneExpire` says: two weeks unless set otherwise).
///
/// # Errors
/// Git's message.
pub fn gc(root: &Path) -> Result<(), String> {
    let output =
        git::command(root).args(["gc", "--quiet"]).output().map_err(|e| format!("git could not be started: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let message = output.stderr.trim().to_str_lossy().into_owned();
    Err(if message.is_empty() { format!("git gc ended with {}", output.status) } else { message })
}

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
