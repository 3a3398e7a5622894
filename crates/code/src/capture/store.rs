//! Where a capture puts objects: into one batch, unless the repository has them already.

use std::collections::HashSet;

use crate::git::ObjectId;
use crate::pack::{Batch, Kind};

/// Collects the objects of one capture.
pub(super) struct Store<'r> {
    repo: &'r gix::Repository,
    /// What will be written.
    pub(super) batch: Batch,
    /// What is relied on although somebody else wrote it, and might be collected by Git any moment.
    pub(super) reused: HashSet<ObjectId>,
    /// Rely on nothing: objects vanished under the last try.
    rewrite: bool,
}

impl<'r> Store<'r> {
    /// `repo` must keep new objects in memory, so that trees of this batch can be read back through it.
    pub(super) fn new(repo: &'r gix::Repository, objects: &std::path::Path, rewrite: bool) -> Self {
        let batch = Batch::spilling_to(repo.object_hash(), objects.to_owned());
        Self { repo, batch, reused: HashSet::new(), rewrite }
    }

    /// Stores an object and returns its id; the null id for content made to collide.
    pub(super) fn put(&mut self, kind: Kind, bytes: &[u8]) -> ObjectId {
        use gix::objs::{Exists as _, Write as _};
        let id = Batch::id_of(self.repo.object_hash(), kind, bytes);
        if id.is_null() || self.batch.contains(&id) {
            return id;
        }
        if !self.rewrite && self.repo.objects.exists(&id) {
            self.reused.insert(id);
            return id;
        }
        if kind == Kind::Tree {
            // For the differences that the message tells of. Memory cannot fail to be written.
            let _ = self.repo.objects.write_buf(gix::objs::Kind::Tree, bytes);
        }
        self.batch.add(kind, bytes)
    }

    /// Copies an object that the repository has, but may lose, into the batch; `false` when it cannot be read.
    pub(super) fn copy(&mut self, id: ObjectId) -> bool {
        let Ok(object) = self.repo.find_object(id) else { return false };
        let kind = match object.kind {
            gix::objs::Kind::Blob => Kind::Blob,
            gix::objs::Kind::Tree => Kind::Tree,
            gix::objs::Kind::Commit => Kind::Commit,
            gix::objs::Kind::Tag => return false,
        };
        self.batch.add(kind, &object.data) == id
    }

    /// Relies on an object that Git's index names.
    pub(super) fn rely_on(&mut self, id: ObjectId) {
        if !self.batch.contains(&id) {
            self.reused.insert(id);
        }
    }

    /// The id an object would have.
    pub(super) fn id_of(&self, kind: Kind, bytes: &[u8]) -> ObjectId {
        Batch::id_of(self.repo.object_hash(), kind, bytes)
    }

    /// Whether ids that Git's index vouches for must be read and written all the same.
    pub(super) fn rewrites(&self) -> bool {
        self.rewrite
    }
}
