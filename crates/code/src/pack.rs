//! Objects of one capture, written as one pack.
//!
//! A [`Batch`] collects objects in memory, each compressed once; [`Batch::write`] puts them on stable storage as
//! `objects/pack/pack-<hash>.{pack,idx}` in the order Git needs: pack, then index, then the folder. Our packs hold
//! whole objects only, no deltas, so that [`fold`] can copy them as they are; Git's gc makes deltas of them later.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use carry_kernel::disk::DiskError;

use crate::git::{HashKind, ObjectId};

mod adopt;
mod entry;
mod fold;
mod gc;
mod index;
mod keep;
mod orphan;
mod plan;
mod store;
mod writer;

pub(crate) use adopt::adopt;
pub use fold::fold;
pub use keep::{Keep, remove_leftovers};
pub use orphan::{remove_orphans, without_index};
pub use plan::plan_fold;
pub(crate) use writer::touch;

/// The kinds of objects we write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A commit.
    Commit,
    /// A tree.
    Tree,
    /// A blob.
    Blob,
}

/// Objects to be written together.
#[derive(Debug)]
pub struct Batch {
    hash: HashKind,
    entries: Vec<index::Entry>,
    by_id: HashMap<ObjectId, usize>,
    store: store::Store,
    compress: entry::Compressor,
}

/// What writing a batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The pack; `None` when the batch was empty.
    pub pack: Option<PathBuf>,
    /// Objects in it.
    pub objects: usize,
    /// Bytes of pack and index.
    pub bytes: u64,
    /// Syncs made.
    pub fsyncs: u32,
}

impl Batch {
    /// An empty batch for a repository of this hash. What does not fit in memory goes to the system's folder for
    /// temporary files.
    pub fn new(hash: HashKind) -> Self {
        Self::spilling_to(hash, std::env::temp_dir())
    }

    /// An empty batch that puts what does not fit in memory into a nameless file in `dir`. The repository's own
    /// object folder is a good place, since all of it goes there in the end.
    pub fn spilling_to(hash: HashKind, dir: PathBuf) -> Self {
        Self {
            hash,
            entries: Vec::new(),
            by_id: HashMap::new(),
            store: store::Store::new(dir),
            compress: entry::Compressor::default(),
        }
    }

    /// Adds an object unless it is in the batch already; returns its id. Compresses at once.
    ///
    /// The null id, with nothing added, means that the bytes were made to collide with another object's name. Git
    /// refuses such an object as well: its caller leaves the path out.
    pub fn add(&mut self, kind: Kind, bytes: &[u8]) -> ObjectId {
        let id = Self::id_of(self.hash, kind, bytes);
        if id.is_null() || self.contains(&id) {
            return id;
        }
        let offset = self.store.len();
        let crc32 = self.compress.append(kind, bytes, self.store.tail());
        self.store.settle();
        self.by_id.insert(id, self.entries.len());
        self.entries.push(index::Entry { id, crc32, offset });
        id
    }

    /// The id `bytes` would have, without adding it. The null id as for [`Batch::add`].
    pub fn id_of(hash: HashKind, kind: Kind, bytes: &[u8]) -> ObjectId {
        // Hashing fails for one reason only: an attack on SHA-1 was noticed.
        gix::objs::compute_hash(hash, kind.into(), bytes).unwrap_or_else(|_| hash.null())
    }

    /// Whether the batch holds `id`.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.by_id.contains_key(id)
    }

    /// The ids of all objects, in the order in which they were added.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ObjectId> {
        self.entries.iter().map(|entry| entry.id)
    }

    /// An object of the batch, unpacked.
    pub fn get(&self, id: &ObjectId) -> Option<(Kind, Vec<u8>)> {
        let at = *self.by_id.get(id)?;
        let end = self.entries.get(at + 1).map_or(self.store.len(), |next| next.offset);
        entry::unpack(&self.store.read(self.entries[at].offset, end).ok()?)
    }

    /// Bytes of pack and index around `objects` objects of this hash, besides the objects themselves.
    pub fn framing_bytes(hash: HashKind, objects: usize) -> u64 {
        let hash_len = hash.len_in_bytes() as u64;
        // Pack: header and checksum. Index: header, fan-out, two checksums, and id, CRC and offset of each object.
        12 + hash_len + 8 + 1024 + 2 * hash_len + objects as u64 * (hash_len + 8)
    }

    /// Compressed size so far, in bytes.
    pub fn bytes(&self) -> u64 {
        self.store.len()
    }

    /// How many objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes and syncs pack and index below `objects` (the repository's object folder). Passes the fault points
    /// `pack.begin`, `pack.written` (which can be torn), `pack.synced`, `pack.idx.synced`, `pack.renamed`,
    /// `pack.done`. On failure no file of ours with Git's names stays behind; temporary ones are named
    /// `tmp_pack_carry_…`, which Git's gc also removes. A pack of the same content that is there already is kept
    /// and marked as in use now.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn write(&self, objects: &Path) -> Result<Written, DiskError> {
        self.write_kept(objects).map(|(written, _)| written)
    }

    /// As [`Batch::write`], and Git leaves the pack as it is until the second value goes: before a ref holds them, a
    /// `git gc --prune=now` would take new objects away.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn write_kept(&self, objects: &Path) -> Result<(Written, Option<Keep>), DiskError> {
        if self.is_empty() {
            return Ok((Written::default(), None));
        }
        let mut pack = writer::Writer::begin(objects, self.hash, self.entries.len())?;
        let start = pack.offset();
        self.store.for_each_chunk(|chunk| pack.append(chunk)).map_err(|e| e.or_at("read", objects))?;
        let entries = self.entries.iter().map(|e| index::Entry { offset: e.offset + start, ..*e }).collect();
        pack.finish(entries)
    }
}

impl From<Kind> for gix::objs::Kind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Commit => Self::Commit,
            Kind::Tree => Self::Tree,
            Kind::Blob => Self::Blob,
        }
    }
}

#[cfg(test)]
mod tests;
