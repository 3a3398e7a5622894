//! Two machines write as this device, as after a home was copied: this one goes on under a new identity.
//!
//! Nothing is lost and nothing is taken for seen that was not: each line goes on from where it is, and forgets what of the
//! old name lies past the point up to which both are surely the same.

use std::collections::HashMap;

use carry_kernel::device::Device;
use carry_kernel::disk::DiskError;
use carry_kernel::id::DeviceId;

use super::Fetched;
use super::known::is_seal;
use super::verify::{Fork, own_count};
use crate::context::Context;
use crate::git::ObjectId;
use crate::history;
use crate::line::LineName;
use crate::prune::{self, PruneError};
use crate::refs::{self, RefError};
use crate::registry::{Registry, Tree};
use crate::remote::RemoteError;
use crate::repo::Repo;
use crate::seen::Source;

/// Makes the new identity and carries every line of every registered tree on under it.
pub(super) fn renew(fetched: &Fetched<'_>, forks: &[Fork], registry: &mut Registry) -> Result<(), RemoteError> {
    let old = fetched.known.device.clone();
    let host = old.as_str().rsplit_once('-').map_or(old.as_str(), |(host, _)| host);
    // Another process may have found the same; then only what it left is carried on.
    fetched.ctx.refresh_device()?;
    if fetched.ctx.device.id() == old {
        let device = Device::renew(&fetched.ctx.home, host)?;
        tracing::warn!(
            old = old.as_str(),
            new = device.id().as_str(),
            "another machine writes as this device; it goes on under a new id"
        );
        fetched.ctx.device.replace(device);
    }
    let shared: HashMap<&LineName, u64> = forks.iter().map(|fork| (&fork.name, fork.shared)).collect();
    for tree in registry.trees()? {
        let repo = if tree.common_dir == fetched.repo.common_dir() {
            fetched.repo.clone()
        } else {
            match Repo::open(&tree.root) {
                Ok(repo) => repo,
                // It has its lines again under the old id when it is back, and forks then.
                Err(error) => {
                    tracing::warn!(root = %tree.root.display(), %error, "lines of a tree stay under the old id");
                    continue;
                }
            }
        };
        if let Err(error) = carry_on(fetched.ctx, &repo, &tree, &old, Cap::Published(&shared), registry) {
            if tree.common_dir == fetched.repo.common_dir() {
                return Err(error);
            }
            tracing::warn!(root = %tree.root.display(), %error, "lines of a tree stay under the old id");
        }
    }
    Ok(())
}

/// Carries lines on that were left under a former id, by a process that died on the way or since their folder was away.
pub(super) fn resume(ctx: &Context, repo: &Repo, trees: &[Tree], registry: &mut Registry) -> Result<(), RemoteError> {
    for former in ctx.device.get().former() {
        for tree in trees {
            carry_on(ctx, repo, tree, &former.id, Cap::Nothing, registry)?;
        }
    }
    Ok(())
}

/// How much of the old name's line was surely seen.
#[derive(Clone, Copy)]
enum Cap<'a> {
    /// What both have of these lines; of others what was published.
    Published(&'a HashMap<&'a LineName, u64>),
    /// Nobody can tell any more.
    Nothing,
}

/// One tree's lines.
fn carry_on(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    old: &DeviceId,
    cap: Cap<'_>,
    registry: &mut Registry,
) -> Result<(), RemoteError> {
    let new = ctx.device.id();
    let gix = repo.gix();
    let published: Vec<_> = registry
        .links(repo.common_dir())?
        .iter()
        .map(|link| registry.published(repo.common_dir(), &link.url))
        .collect::<Result<Vec<_>, _>>()?
        .into_iter()
        .flatten()
        .collect();
    for (name, keeper) in refs::list(repo, crate::line::LINES)? {
        let Some(line) = LineName::from_ref(&name).filter(|line| line.device == *old && line.tree == tree.id) else {
            continue;
        };
        // A seal came from the remote, and is another machine's or another clone's.
        if is_seal(&gix, keeper) {
            continue;
        }
        let Ok((tip, _)) = history::keeper(&gix, keeper) else { continue };
        let next = LineName { device: new.clone(), ..line.clone() };
        let shared = |line: &LineName| match cap {
            Cap::Published(shared) => shared.get(line).copied(),
            Cap::Nothing => Some(0),
        };
        let seen_of_old = shared(&line).unwrap_or_else(|| {
            let rows = published.iter().filter(|row| row.line == line).filter_map(|row| row.snapshot);
            let counts = rows.filter_map(|commit| Some(own_count(&line, &history::snapshot(&gix, commit).ok()?)));
            counts.max().unwrap_or(0)
        });
        let source = Source::line(old, &tree.id);
        let mut held = refs::read(repo, &next.ref_name())?;
        let is_whole = loop {
            // It may have gone on already, even from elsewhere: whoever captured after a renewal that died.
            let newest = match held {
                None => Some(tip.clone()),
                Some(held) => history::keeper(&gix, held).ok().map(|(newest, _)| newest),
            };
            // First of all: a capture that finds the line under its new name must not take for seen what was not.
            if let Some(newest) = newest {
                let mut seen = registry.pending_seen(&tree.id, &tip.meta.branch)?.unwrap_or(newest.meta.seen);
                let capped = seen.get(&source).min(seen_of_old);
                seen.set(source.clone(), capped);
                registry.set_pending_seen(&tree.id, &tip.meta.branch, Some(&seen))?;
            }
            if let Some(held) = held {
                break holds(&gix, held, tip.commit);
            }
            match refs::update(repo, &next.ref_name(), None, keeper) {
                Ok(_) => break true,
                Err(RefError::Moved { found, .. }) => held = found,
                Err(error) => return Err(error.into()),
            }
        };
        if !is_whole {
            keep(repo, tree, keeper)?;
        }
        // The old name is another machine's from now on; what it says there comes with this fetch or the next.
        if !matches!(cap, Cap::Published(shared) if shared.contains_key(&line)) {
            match refs::delete(repo, &name, keeper) {
                Ok(()) | Err(RefError::Moved { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Whether the line at `keeper` has `snapshot`. Of one that cannot be read nobody can tell.
fn holds(gix: &gix::Repository, keeper: ObjectId, snapshot: ObjectId) -> bool {
    let mut next = Some(keeper);
    while let Some(id) = next {
        match history::keeper(gix, id) {
            Ok((found, _)) if found.commit == snapshot => return true,
            Ok((_, before)) => next = before,
            Err(_) => return false,
        }
    }
    false
}

/// Keeps a line that did not go on, under no name of a line.
fn keep(repo: &Repo, tree: &Tree, keeper: ObjectId) -> Result<(), RemoteError> {
    tracing::warn!(tree = %tree.id, %keeper, "a line went on from elsewhere under the new id; what it was is pinned");
    match prune::pin(repo, &tree.id, "renewed", keeper) {
        Ok(()) => Ok(()),
        Err(PruneError::Ref(error)) => Err(error.into()),
        Err(error) => Err(DiskError::at("keep a line in", repo.root())(std::io::Error::other(error)).into()),
    }
}
