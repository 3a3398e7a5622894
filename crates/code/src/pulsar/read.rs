//! Streams as tips.

use std::collections::BTreeMap;

use super::known::{self, Known};
use super::shadow::{self, Shadow};
use super::{FETCHED, STREAMS, Stream, fill};
use crate::context::Context;
use crate::git::ObjectId;
use crate::history::{HistoryError, cannot_read};
use crate::line::Branch;
use crate::pack::{Batch, Kind};
use crate::refs::{self, RefError};
use crate::registry::Registry;
use crate::repo::Repo;
use crate::seen::{Seen, Source};
use crate::tips::{Tip, Trust};

pub(super) fn tips(ctx: &Context, repo: &Repo, branch: Option<&Branch>) -> Result<Vec<Tip>, HistoryError> {
    let registry = |e| cannot_read("the registry", repo.root(), e);
    let devices = match Registry::open_read_only(&ctx.home).map_err(registry)? {
        Some(open) => open.devices().map_err(registry)?,
        None => Vec::new(),
    };
    let known = |id: &str| devices.iter().find(|device| device.id == id);
    let mut tips = Vec::new();
    for (stream, found) in streams(repo)? {
        if branch.is_some_and(|branch| *branch != stream.branch) {
            continue;
        }
        match tip(ctx, repo, &stream, &found) {
            Ok(None) => {}
            Ok(Some(mut tip)) => {
                match known(&tip.writer.id()) {
                    Some(device) if device.is_revoked => tip.trust = Trust::Revoked,
                    Some(device) if device.approved.is_some() => tip.trust = Trust::Approved,
                    _ => {}
                }
                tips.push(tip);
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(slug = stream.slug, branch = stream.branch.display(), error, "a stream cannot be read");
            }
        }
    }
    Ok(tips)
}

/// All streams, by name, and where they end: as fetched and as git-pulsar keeps them here.
fn streams(repo: &Repo) -> Result<BTreeMap<Stream, Vec<ObjectId>>, HistoryError> {
    let list = |prefix| refs::list(repo, prefix).map_err(|e| cannot_read("the streams of git-pulsar", repo.root(), e));
    let fetched = list(FETCHED)?.into_iter().filter_map(|(name, id)| Some((Stream::from_fetched(&name)?, id)));
    let local = list(STREAMS)?.into_iter().filter_map(|(name, id)| Some((Stream::from_remote(&name)?, id)));
    let mut all = BTreeMap::<Stream, Vec<ObjectId>>::new();
    for (stream, id) in fetched.chain(local) {
        let found = all.entry(stream).or_default();
        if !found.contains(&id) {
            found.push(id);
        }
    }
    Ok(all)
}

/// The stream's tip; `None` when Carry wrote it, or it holds no shadow commit.
fn tip(ctx: &Context, repo: &Repo, stream: &Stream, found: &[ObjectId]) -> Result<Option<Tip>, HistoryError> {
    let gix = repo.gix();
    let mut shadows = Vec::new();
    for id in found {
        shadows.extend(shadow::find(&gix, *id)?);
    }
    let Some(shadow) = newest(&gix, shadows)?.filter(|shadow| !shadow.is_carrys()) else { return Ok(None) };
    let head = shadow.head(&gix)?;
    let Known { count, root, tree, .. } = know(ctx, repo, &gix, stream, &shadow)?;
    let seen = [(Source::stream(&stream.slug, root), count)].into_iter().collect::<Seen>();
    Ok(Some(Tip {
        writer: stream.writer(),
        trust: Trust::Unknown,
        branch: stream.branch.clone(),
        commit: shadow.id,
        tree,
        head,
        staged: None,
        time: shadow.time,
        seen,
        skipped: Vec::new(),
        skipped_more: 0,
        finished: false,
    }))
}

/// Of two ends of one stream the one that goes on from the other, else the one with the later time.
fn newest(gix: &gix::Repository, shadows: Vec<Shadow>) -> Result<Option<Shadow>, HistoryError> {
    let mut shadows = shadows.into_iter();
    let Some(a) = shadows.next() else { return Ok(None) };
    let Some(b) = shadows.next() else { return Ok(Some(a)) };
    // Walked together: the one that is behind is met after as many steps as it is behind.
    let (mut from_a, mut from_b) = (shadow::walk(gix, Some(a.id)), shadow::walk(gix, Some(b.id)));
    loop {
        let (below_a, below_b) = (from_a.next().transpose()?, from_b.next().transpose()?);
        if below_a.as_ref().is_some_and(|below| below.id == b.id) {
            return Ok(Some(a));
        }
        if below_b.as_ref().is_some_and(|below| below.id == a.id) {
            return Ok(Some(b));
        }
        if below_a.is_none() && below_b.is_none() {
            return Ok(Some(if b.time > a.time { b } else { a }));
        }
    }
}

/// Finds out number, first commit and tree of a tip, or remembers them.
fn know(
    ctx: &Context,
    repo: &Repo,
    gix: &gix::Repository,
    stream: &Stream,
    shadow: &Shadow,
) -> Result<Known, HistoryError> {
    let (known, at) = known::find(repo, gix, stream);
    if let Some(known) = known.as_ref().filter(|known| known.shadow == shadow.id) {
        return Ok(known.clone());
    }
    let (count, root) = count(gix, shadow.id, known.as_ref())?;
    let mut batch = Batch::new(repo.hash());
    let tree = fill::tree(gix, shadow, &mut batch)?;
    let known = Known { shadow: shadow.id, count, root, tree };
    let commit = batch.add(Kind::Commit, &known.to_commit(shadow.time));
    let keep = write(ctx, repo, &batch)?;
    match refs::update(repo, &stream.read_ref(), at, commit) {
        // Somebody else may be finding out the same.
        Ok(_) | Err(RefError::Moved { .. } | RefError::Locked { .. }) => {}
        Err(error) => return Err(cannot_read("what is known of a stream", repo.root(), error)),
    }
    drop(keep);
    Ok(known)
}

/// The number of `tip` in its chain, and the chain's first commit.
fn count(gix: &gix::Repository, tip: ObjectId, known: Option<&Known>) -> Result<(u64, ObjectId), HistoryError> {
    let (mut count, mut root) = (0, tip);
    for shadow in shadow::walk(gix, Some(tip)) {
        let shadow = shadow?;
        if let Some(known) = known.filter(|known| known.shadow == shadow.id) {
            return Ok((count + known.count, known.root));
        }
        count += 1;
        root = shadow.id;
    }
    Ok((count, root))
}

pub(super) fn tree_of(ctx: &Context, repo: &Repo, id: ObjectId) -> Result<ObjectId, HistoryError> {
    let gix = repo.gix();
    let shadow = shadow::get(&gix, id)?;
    let mut batch = Batch::new(repo.hash());
    let tree = fill::tree(&gix, &shadow, &mut batch)?;
    write(ctx, repo, &batch)?;
    Ok(tree)
}

/// Writes what is missing as a pack of ours.
pub(super) fn write(ctx: &Context, repo: &Repo, batch: &Batch) -> Result<Option<crate::pack::Keep>, HistoryError> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| cannot_read("a stream of git-pulsar", repo.root(), e);
    let (written, keep) = batch.write_kept(&repo.objects_dir()).map_err(|e| failed(e.into()))?;
    if let Some(pack) = &written.pack {
        let noted = Registry::open(&ctx.home)
            .and_then(|mut registry| registry.note_pack(repo.common_dir(), pack, written.bytes));
        noted.map_err(|e| failed(e.into()))?;
    }
    Ok(keep)
}
