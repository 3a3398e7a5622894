//! Objects that are made on the way, readable at once and written only if they are wanted.

use carry_kernel::fault;
use gix::objs::Write as _;

use super::HistoryError;
use crate::context::Context;
use crate::git::ObjectId;
use crate::history::cannot_read;
use crate::pack::{Batch, Keep, Kind};
use crate::registry::Registry;
use crate::repo::Repo;
use crate::tree::{self, Edit};

/// A repository with objects that only this process knows.
pub(crate) struct Bench {
    gix: gix::Repository,
    objects: Batch,
}

impl Bench {
    /// With nothing of its own yet.
    pub(crate) fn new(repo: &Repo) -> Self {
        Self::over(repo, Batch::spilling_to(repo.hash(), repo.objects_dir()))
    }

    /// With the objects of a batch.
    pub(crate) fn over(repo: &Repo, objects: Batch) -> Self {
        let mut gix = repo.gix();
        gix.objects.enable_object_memory();
        for id in objects.ids() {
            if let Some((kind, bytes)) = objects.get(&id) {
                // Memory always takes them.
                let _ = gix.objects.write_buf(kind.into(), &bytes);
            }
        }
        Self { gix, objects }
    }

    /// The handle that can read all of them.
    pub(crate) fn gix(&self) -> &gix::Repository {
        &self.gix
    }

    /// Adds an object; one that the repository has already is not made anew.
    pub(crate) fn add(&mut self, kind: Kind, bytes: &[u8]) -> Result<ObjectId, HistoryError> {
        put(&self.gix, &mut self.objects, kind, bytes)
    }

    /// Applies edits to a tree.
    pub(crate) fn edit(&mut self, base: ObjectId, edits: &[Edit]) -> Result<ObjectId, HistoryError> {
        if edits.is_empty() {
            return Ok(base);
        }
        let Self { gix, objects } = self;
        let mut failed = None;
        let edited = tree::edit(gix, base, edits, &mut |bytes| {
            put(gix, objects, Kind::Tree, bytes).unwrap_or_else(|error| {
                failed.get_or_insert(error);
                ObjectId::null(gix.object_hash())
            })
        });
        match failed {
            Some(error) => Err(error),
            None => edited.map_err(|e| cannot_read(&format!("tree {base}"), self.gix.path(), e)),
        }
    }

    /// The new objects alone.
    pub(crate) fn into_objects(self) -> Batch {
        self.objects
    }

    /// Puts the new objects on stable storage, where Git leaves them until the value goes.
    pub(crate) fn write(&self, ctx: &Context, repo: &Repo) -> Result<Option<Keep>, HistoryError> {
        write(ctx, repo, &self.objects)
    }
}

/// Puts objects on stable storage as a pack of ours; Git leaves it as it is until the value goes.
pub(crate) fn write(ctx: &Context, repo: &Repo, objects: &Batch) -> Result<Option<Keep>, HistoryError> {
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| cannot_read("what was merged", repo.root(), e);
    let (written, keep) = objects.write_kept(&repo.objects_dir()).map_err(|e| failed(e.into()))?;
    if let Some(pack) = &written.pack {
        let noted = Registry::open(&ctx.home).and_then(|mut r| r.note_pack(repo.common_dir(), pack, written.bytes));
        noted.map_err(|e| failed(e.into()))?;
    }
    fault::point("merge.written").map_err(|e| failed(e.into()))?;
    Ok(keep)
}

fn put(gix: &gix::Repository, objects: &mut Batch, kind: Kind, bytes: &[u8]) -> Result<ObjectId, HistoryError> {
    use gix::objs::Exists as _;
    let id = Batch::id_of(gix.object_hash(), kind, bytes);
    let refused = |problem: String| cannot_read("what was merged", gix.path(), problem);
    if id.is_null() {
        return Err(refused("its content was made to collide with another object's name".to_owned()));
    }
    if objects.contains(&id) || gix.objects.exists(&id) {
        return Ok(id);
    }
    objects.add(kind, bytes);
    gix.objects.write_buf(kind.into(), bytes).map_err(|e| refused(e.to_string()))
}
