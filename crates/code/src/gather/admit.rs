//! Taking over what was verified: objects first, then refs, then a look whether all is there.

use carry_kernel::disk::DiskError;

use super::Report;
use super::verify::Move;
use crate::durable;
use crate::git::ObjectId;
use crate::pack::{self, Batch, Keep, Kind};
use crate::refs::{self, RefError};
use crate::registry::Registry;
use crate::remote::{Quarantine, RemoteError};
use crate::repo::Repo;

/// From so many objects on, or …
const COPIED_OBJECTS_MAX: usize = 20_000;
/// … so many packed bytes, packs are moved as they are: copies hold whole objects, and would be much larger.
const COPIED_BYTES_MAX: u64 = 64 << 20;
/// The same for one object as it is unpacked, …
const UNPACKED_OBJECT_MAX: u64 = 64 << 20;
/// … and for all together: a few packed bytes can stand for any number.
const UNPACKED_BYTES_MAX: u64 = 512 << 20;

/// Puts all objects of `quarantine` into the repository. They are kept until the value goes.
pub(crate) fn objects(
    repo: &Repo,
    quarantine: &Quarantine,
    gix: &gix::Repository,
    registry: &mut Registry,
) -> Result<Vec<Keep>, RemoteError> {
    let packs = quarantine.packs()?;
    let mut ids = quarantine.loose()?;
    let mut bytes = 0;
    for path in &packs {
        let index = gix::odb::pack::index::File::at(path.with_extension("idx"), repo.hash())
            .map_err(|e| DiskError::at("read", path)(std::io::Error::other(e.to_string())))?;
        ids.extend(index.iter().map(|entry| entry.oid));
        bytes += path.metadata().map_or(0, |meta| meta.len());
    }
    let objects = repo.objects_dir();
    let promised = packs.iter().any(|path| path.with_extension("promisor").exists());
    let too_much = promised || ids.len() > COPIED_OBJECTS_MAX || bytes > COPIED_BYTES_MAX;
    if let Some(batch) = (!too_much).then(|| copy(&objects, repo, gix, &ids)).flatten() {
        let (written, keep) = batch.write_kept(&objects)?;
        if let Some(path) = &written.pack {
            registry.note_pack(repo.common_dir(), path, written.bytes)?;
        }
        return Ok(keep.into_iter().collect());
    }
    let mut kept = Vec::new();
    for path in &packs {
        kept.extend(pack::adopt(&objects, path)?.1);
    }
    // Those cannot be moved, and what is not there would be missed only later.
    let left = || std::io::Error::other("loose objects came that cannot be copied");
    let batch = copy(&objects, repo, gix, &quarantine.loose()?);
    let batch = batch.ok_or_else(|| DiskError::at("copy", quarantine.dir())(left()))?;
    if !batch.is_empty() {
        let (written, keep) = batch.write_kept(&objects)?;
        if let Some(path) = &written.pack {
            registry.note_pack(repo.common_dir(), path, written.bytes)?;
        }
        kept.extend(keep);
    }
    Ok(kept)
}

/// `None` when there is something that cannot be copied so, or is too large for it: then the packs are moved.
fn copy(objects: &std::path::Path, repo: &Repo, gix: &gix::Repository, ids: &[ObjectId]) -> Option<Batch> {
    let mut bytes: u64 = 0;
    for id in ids {
        let size = gix.find_header(*id).ok()?.size();
        bytes = bytes.saturating_add(size);
        if size > UNPACKED_OBJECT_MAX || bytes > UNPACKED_BYTES_MAX {
            return None;
        }
    }
    let mut batch = Batch::spilling_to(repo.hash(), objects.to_owned());
    for id in ids {
        let object = gix.find_object(*id).ok()?;
        let kind = match object.kind {
            gix::objs::Kind::Commit => Kind::Commit,
            gix::objs::Kind::Tree => Kind::Tree,
            gix::objs::Kind::Blob => Kind::Blob,
            gix::objs::Kind::Tag => return None,
        };
        if batch.add(kind, &object.data) != *id {
            return None;
        }
    }
    Some(batch)
}

/// Moves one ref, and back if what it needs is not there. One that moved meanwhile, or is locked, is left for the next fetch.
pub(crate) fn move_ref(repo: &Repo, step: &Move, report: &mut Report) -> Result<(), RemoteError> {
    match refs::update(repo, &step.name, step.old, step.new) {
        Ok(_) => {}
        Err(error @ (RefError::Moved { .. } | RefError::Locked { .. } | RefError::Git { .. })) => {
            tracing::info!(name = step.name, %error, "a ref is left for the next fetch");
            report.refused.push((step.shown.clone(), error.to_string()));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    // Only now that the ref holds them are they safe.
    let missing = durable::missing(repo, &step.needed);
    if matches!(&missing, Ok(missing) if missing.is_empty()) {
        if step.is_news {
            report.moved.push(step.shown.clone());
        }
        return Ok(());
    }
    tracing::warn!(name = step.name, "objects of a fetched line are missing; it stays as it was");
    let back = match step.old {
        Some(old) => refs::update(repo, &step.name, Some(step.new), old).map(drop),
        None => refs::delete(repo, &step.name, step.new),
    };
    match back {
        Ok(()) | Err(RefError::Moved { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    missing?;
    report.refused.push((step.shown.clone(), "objects that it needs vanished while it was fetched".to_owned()));
    Ok(())
}
