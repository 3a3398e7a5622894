//! Making seals, in a folder of their own that vanishes after the push.

use std::collections::HashSet;

use super::{Ready, read_own};
use crate::context::Context;
use crate::git::ObjectId;
use crate::line::Branch;
use crate::pack::{Batch, Kind};
use crate::prune;
use crate::registry::Registry;
use crate::remote::{Quarantine, Remote, RemoteError};
use crate::repo::Repo;
use crate::seal::Seal;

/// A seal that is about to be sent.
#[derive(Debug)]
pub(super) struct Sealed {
    /// Its id.
    pub(super) id: ObjectId,
    /// Its bytes.
    pub(super) raw: Vec<u8>,
    /// Its count.
    pub(super) count: u64,
}

/// Makes a seal for each line. Beside them go those that the remote has, so that Git knows what it need not send.
pub(super) fn seal(
    ctx: &Context,
    repo: &Repo,
    remote: &Remote,
    ready: &[Ready],
    finish: Option<&Branch>,
    quarantine: &Quarantine,
    registry: &Registry,
) -> Result<Vec<Sealed>, RemoteError> {
    let mut batch = Batch::new(repo.hash());
    let sealed = ready
        .iter()
        .map(|ready| one(ctx, repo, remote, ready, finish, &mut batch, registry))
        .collect::<Result<Vec<_>, _>>()?;
    batch.write(quarantine.dir())?;
    Ok(sealed)
}

fn one(
    ctx: &Context,
    repo: &Repo,
    remote: &Remote,
    Ready { due, left_out }: &Ready,
    finish: Option<&Branch>,
    batch: &mut Batch,
    registry: &Registry,
) -> Result<Sealed, RemoteError> {
    let gix = repo.gix();
    let keeper = without(&gix, due.keeper, left_out, batch)?;
    let (mut there, mut count) = (None, 0);
    let mut newest: Option<(Seal, Vec<u8>)> = None;
    for known in registry.seals(&due.name)? {
        count = count.max(known.count);
        let Some(seal) = read_own(repo.hash(), &known.raw) else { continue };
        if known.url == remote.key() {
            // What it stands on may have been made for the remote only.
            without(&gix, due.keeper, &registry.left_out(&remote.key(), &due.name)?, batch)?;
            if batch.contains(&seal.keeper) || gix.has_object(seal.keeper) {
                batch.add(Kind::Commit, &known.raw);
            }
            there = Some(known.count);
        }
        if newest.as_ref().is_none_or(|(other, _)| seal.count > other.count) {
            newest = Some((seal, known.raw));
        }
    }
    let device = ctx.device.get();
    // It has a new identity since this was planned; nobody believes a seal under the old id by the new key.
    if *device.id() != due.name.device {
        return Err(RemoteError::Cancelled { remote: remote.shown_name() });
    }
    let marked = registry.finished(&due.name.tree)?.contains(&(due.branch.clone(), due.tip.commit));
    let finished = finish == Some(&due.branch) || marked;
    let mut seal = Seal {
        line: due.name.clone(),
        branch: due.branch.clone(),
        keeper,
        label: device.label().to_owned(),
        key: device.public_key(),
        count,
        finished,
    };
    // The same state on two remotes is the same seal, so that nobody takes one for newer.
    if let Some((known, raw)) = newest
        && seal == known
        && there.is_none_or(|there| there < count)
    {
        let id = batch.add(Kind::Commit, &raw);
        return Ok(Sealed { id, raw, count });
    }
    seal.count = count.saturating_add(1);
    let raw = seal.to_commit(due.tip.tree, due.tip.time, &|message| device.sign(message));
    let id = batch.add(Kind::Commit, &raw);
    Ok(Sealed { id, raw, count: seal.count })
}

/// The chain of keepers without the snapshots in `left_out`.
fn without(
    gix: &gix::Repository,
    keeper: ObjectId,
    left_out: &HashSet<ObjectId>,
    batch: &mut Batch,
) -> Result<ObjectId, RemoteError> {
    if left_out.is_empty() {
        return Ok(keeper);
    }
    Ok(prune::rebuild(gix, keeper, left_out, batch)?.map_or(keeper, |rebuilt| rebuilt.keeper))
}
