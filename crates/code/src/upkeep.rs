//! What has to be done now and then so that nothing grows without bound: folding packs, thinning snapshots, clearing
//! away what was left behind.
//!
//! What goes is decided by the user's configuration alone: a repository's own file may have less captured, but must not
//! take away what was.
//!
//! One process at a time works on an object store, under a lease. Whoever comes second leaves it to the first.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::db::DbError;
use carry_kernel::disk::DiskError;
use carry_kernel::lease::{Lease, Outcome, Owner};

use crate::budget::{FREE_MIN, Level};
use crate::context::Context;
use crate::pack;
use crate::prune::{self, PruneError, Pruned};
use crate::registry::{Registry, Tree};
use crate::repo::{OpenError, Repo};
use crate::retention::Policy;

mod clock;

/// Packs of ours that an object store may hold before some are folded: well below the 50 at which Git's gc would start
/// in the user's `git commit`, which counts the user's packs too.
pub const PACKS_KEEP: usize = 12;

/// The lease's time. Folding the largest packs that the default ceiling allows takes less; a process that dies gives
/// its lease back anyway.
const LEASE_TTL: Duration = Duration::from_secs(15 * 60);

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpkeepReport {
    /// Whether another process was at it, so that nothing was done.
    pub busy: bool,
    /// Packs folded into one.
    pub packs_folded: usize,
    /// Bytes written for that.
    pub bytes_written: u64,
    /// What thinning did.
    pub pruned: Pruned,
    /// Lines that could not be read and were left as they are, for people.
    pub problems: Vec<String>,
    /// Files of ours removed that a process left behind when it died.
    pub leftovers: usize,
    /// What the user's budget allows now.
    pub level: Level,
}

/// Why it failed. What was done before stays done; the rest is done next time.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The working tree could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Thinning failed.
    #[error(transparent)]
    Prune(#[from] PruneError),
    /// Folding failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Folds packs when there are more than [`PACKS_KEEP`], thins the tree's snapshots by retention, more tightly when the
/// budget runs out, and clears away what processes that died left of ours. Nothing is thinned until the clock has been
/// known for an hour and was not set in that time.
///
/// # Errors
/// [`UpkeepError`].
pub fn upkeep(ctx: &Context, tree: &Tree) -> Result<UpkeepReport, UpkeepError> {
    let repo = Repo::open(&tree.root)?;
    let mut lease = Lease::open(&ctx.home, Owner::this_process())?.with_clock(ctx.clock.clone());
    let Outcome::Granted(held) = lease.acquire(&lease_name(repo.common_dir()), LEASE_TTL, ctx.clock.steady())? else {
        return Ok(UpkeepReport { busy: true, ..UpkeepReport::default() });
    };
    let done = work(ctx, tree, &repo);
    lease.release(held)?;
    done
}

/// Folds packs when there are more than [`PACKS_KEEP`], and nothing else. Does nothing while somebody else is at it.
///
/// # Errors
/// [`UpkeepError`].
pub(crate) fn fold_packs(ctx: &Context, repo: &Repo) -> Result<(), UpkeepError> {
    let mut registry = Registry::open(&ctx.home)?;
    if registry.packs(repo.common_dir())?.len() <= PACKS_KEEP {
        return Ok(());
    }
    let mut lease = Lease::open(&ctx.home, Owner::this_process())?.with_clock(ctx.clock.clone());
    let Outcome::Granted(held) = lease.acquire(&lease_name(repo.common_dir()), LEASE_TTL, ctx.clock.steady())? else {
        return Ok(());
    };
    let done = fold(&mut registry, repo, &mut UpkeepReport::default());
    lease.release(held)?;
    done
}

fn work(ctx: &Context, tree: &Tree, repo: &Repo) -> Result<UpkeepReport, UpkeepError> {
    let mut report = UpkeepReport { level: prune::level(ctx, repo)?, ..UpkeepReport::default() };
    // Thinned first: its new keepers are a pack too. The rest is done whatever came of that.
    let thinned = release_undone(ctx, tree, repo).and_then(|()| thin(ctx, tree, repo, &mut report));
    let mut registry = Registry::open(&ctx.home)?;
    let packs: Vec<PathBuf> = registry.packs(repo.common_dir())?.into_iter().map(|(path, _)| path).collect();
    pack::remove_leftovers(&repo.objects_dir());
    report.leftovers = pack::remove_orphans(&repo.objects_dir(), &packs);
    fold(&mut registry, repo, &mut report)?;
    thinned?;
    if report.pruned.snapshots > 0 {
        report.level = prune::level(ctx, repo)?;
    }
    Ok(report)
}

fn thin(ctx: &Context, tree: &Tree, repo: &Repo, report: &mut UpkeepReport) -> Result<(), UpkeepError> {
    let policy = Policy::new(&ctx.config(None));
    let now = ctx.clock.now();
    if !clock::is_trusted(ctx, policy.all)? {
        tracing::info!("the clock was set, or is not known for an hour yet; nothing is thinned");
        return Ok(());
    }
    let policy = if report.level >= Level::Tight { policy.tightened() } else { policy };
    let (plans, unreadable) = prune::plan_readable(ctx, repo, &tree.id, &policy, now)?;
    for found in unreadable {
        tracing::warn!(line = %found.line.ref_name(), error = %found.error, "a line cannot be read; it is not thinned");
        report.problems.push(format!("{} cannot be read: {}", found.line.ref_name(), found.error));
    }
    if plans.iter().any(|plan| !plan.plan.drop.is_empty()) {
        report.pruned = prune::execute(ctx, repo, &tree.id, &plans)?;
    }
    Ok(())
}

/// Takes back the pins of snapshots that the journal of `carry undo` does not name any more.
fn release_undone(ctx: &Context, tree: &Tree, repo: &Repo) -> Result<(), UpkeepError> {
    // In this order: a pin is made before its entry.
    let pinned = prune::pinned_as(repo, &tree.id, prune::UNDO)?;
    if pinned.is_empty() {
        return Ok(());
    }
    let named = Registry::open(&ctx.home)?.undo_snapshots(&tree.id)?;
    for commit in pinned.into_iter().filter(|commit| !named.contains(commit)) {
        prune::unpin(repo, &tree.id, prune::UNDO, commit)?;
    }
    Ok(())
}

fn fold(registry: &mut Registry, repo: &Repo, report: &mut UpkeepReport) -> Result<(), UpkeepError> {
    let packs = registry.packs(repo.common_dir())?;
    if packs.len() <= PACKS_KEEP {
        return Ok(());
    }
    let sizes: Vec<u64> = packs.iter().map(|(_, bytes)| *bytes).collect();
    let chosen: Vec<PathBuf> = pack::plan_fold(&sizes, PACKS_KEEP).into_iter().map(|at| packs[at].0.clone()).collect();
    let common = repo.common_dir();
    let free = carry_kernel::gate::disk_space(common).map_err(DiskError::at("measure the space of", common))?.free;
    if chosen.is_empty() || !fits(&sizes, free) {
        return Ok(());
    }
    let written = pack::fold(&repo.common_dir().join("objects"), &chosen, repo.gix().object_hash())?;
    if let Some(pack) = &written.pack {
        registry.note_pack(repo.common_dir(), pack, written.bytes)?;
        report.packs_folded = chosen.len();
        report.bytes_written = written.bytes;
    }
    Ok(())
}

/// Whether the new pack may lie beside all the old ones for a while without filling the disk.
fn fits(sizes: &[u64], free: u64) -> bool {
    sizes.iter().fold(FREE_MIN, |sum, bytes| sum.saturating_add(*bytes)) <= free
}

/// One lease for each object store. The path itself may be no text, and too long for a name.
fn lease_name(common_dir: &Path) -> String {
    let mut hash = DefaultHasher::new();
    common_dir.hash(&mut hash);
    format!("code-upkeep/{:016x}", hash.finish())
}

#[cfg(test)]
mod tests;
