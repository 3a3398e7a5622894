//! Where objects lie on disk: a file each, or in one of the packs, here or in an alternate.
//!
//! Made for one question and dropped, so that nothing is remembered of packs that a gc replaced. Only what is certainly
//! absent is missing: history is given up for that. What cannot be read is an error.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use carry_kernel::disk::DiskError;
use gix::odb::pack::index::File as Index;

use crate::git::{HashKind, ObjectId};
use crate::pack::touch;
use crate::repo::Repo;

/// The object folders of a repository.
pub(super) struct Disk {
    stores: Vec<PathBuf>,
    hash: HashKind,
    packs: Vec<Pack>,
    known: HashSet<PathBuf>,
}

struct Pack {
    path: PathBuf,
    index: Index,
    /// Git keeps unreachable objects there, each with a time of its own.
    cruft: bool,
}

impl Disk {
    pub(super) fn new(repo: &Repo) -> Result<Self, DiskError> {
        let own = repo.objects_dir();
        let alternates = gix::odb::alternate::resolve(own.clone(), repo.root())
            .map_err(|e| DiskError::at("find the alternates of", &own)(io::Error::other(e.to_string())))?;
        let stores = std::iter::once(own).chain(alternates).collect();
        let mut disk = Self { stores, hash: repo.hash(), packs: Vec::new(), known: HashSet::new() };
        disk.find_packs()?;
        Ok(disk)
    }

    pub(super) fn missing(&mut self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, DiskError> {
        let mut missing = self.absent(ids)?;
        // A gc writes its packs before it removes others: what it moved meanwhile is in a new one.
        if !missing.is_empty() && self.find_packs()? {
            missing = self.absent(&missing)?;
        }
        if !missing.is_empty() {
            self.stores.iter().try_for_each(|store| is_there(store))?;
        }
        Ok(missing)
    }

    fn absent(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, DiskError> {
        let mut absent = Vec::new();
        for id in ids {
            if !self.exists(id)? {
                absent.push(*id);
            }
        }
        Ok(absent)
    }

    pub(super) fn freshen(&mut self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, DiskError> {
        let mut touched = HashMap::new();
        let unprotected = self.freshen_known(ids, &mut touched)?;
        if unprotected.is_empty() || !self.find_packs()? {
            return Ok(unprotected);
        }
        self.freshen_known(&unprotected, &mut touched)
    }

    fn exists(&self, id: &ObjectId) -> Result<bool, DiskError> {
        for pack in self.packs.iter().filter(|pack| pack.index.lookup(id).is_some()) {
            if pack.path.try_exists().map_err(DiskError::at("read", &pack.path))? {
                return Ok(true);
            }
        }
        Ok(self.loose(id)?.is_some())
    }

    /// Those of `ids` that could not be marked. `touched` holds what was tried already.
    fn freshen_known(
        &self,
        ids: &[ObjectId],
        touched: &mut HashMap<PathBuf, bool>,
    ) -> Result<Vec<ObjectId>, DiskError> {
        let mut unprotected = Vec::new();
        for id in ids {
            let holders = self.packs.iter().filter(|pack| !pack.cruft && pack.index.lookup(id).is_some());
            let mut marked = false;
            for path in holders.map(|pack| pack.path.clone()).chain(self.loose(id)?) {
                marked = match touched.get(&path) {
                    Some(known) => *known,
                    None => *touched.entry(path.clone()).or_insert(touch_if_ours(&path)?),
                };
                if marked {
                    break;
                }
            }
            if !marked {
                unprotected.push(*id);
            }
        }
        Ok(unprotected)
    }

    /// The file of a loose object. An empty one is what a power loss leaves, and no object.
    fn loose(&self, id: &ObjectId) -> Result<Option<PathBuf>, DiskError> {
        let hex = id.to_string();
        for store in &self.stores {
            let path = store.join(&hex[..2]).join(&hex[2..]);
            match path.metadata() {
                Ok(meta) if meta.is_file() && meta.len() > 0 => return Ok(Some(path)),
                Ok(_) => {}
                Err(e) if is_absence(&e) => {}
                Err(e) => return Err(DiskError::at("read", &path)(e)),
            }
        }
        Ok(None)
    }

    /// Opens packs that were not known yet; says whether there were any.
    fn find_packs(&mut self) -> Result<bool, DiskError> {
        let before = self.packs.len();
        for store in &self.stores {
            let folder = store.join("pack");
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if is_absence(&e) => continue,
                Err(e) => return Err(DiskError::at("list", &folder)(e)),
            };
            for entry in entries {
                let path = entry.map_err(DiskError::at("list", &folder))?.path();
                if path.extension().is_none_or(|e| e != "idx") || !self.known.insert(path.clone()) {
                    continue;
                }
                if let Some(index) = open(&path, self.hash)? {
                    let cruft = path.with_extension("mtimes").exists();
                    self.packs.push(Pack { path: path.with_extension("pack"), index, cruft });
                }
            }
        }
        Ok(self.packs.len() > before)
    }
}

/// An index; `None` when it is gone already, or damaged so that it holds nothing that can be relied on.
fn open(path: &Path, hash: HashKind) -> Result<Option<Index>, DiskError> {
    if let Ok(index) = Index::at(path, hash) {
        return Ok(Some(index));
    }
    // Why it failed: when it can be read from end to end, its content is to blame.
    match std::fs::read(path) {
        Ok(_) => Ok(Index::at(path, hash).ok()),
        Err(e) if is_absence(&e) => Ok(None),
        Err(e) => Err(DiskError::at("read", path)(e)),
    }
}

/// Fails for an object folder that cannot be listed or is empty, as the place is where a disk is not mounted.
fn is_there(store: &Path) -> Result<(), DiskError> {
    match std::fs::read_dir(store).map(|mut entries| entries.next()) {
        Ok(Some(Ok(_))) => Ok(()),
        Ok(None) => Err(DiskError::at("read", store)(io::Error::other("it is empty; is its disk mounted?"))),
        Ok(Some(Err(e))) | Err(e) => Err(DiskError::at("list", store)(e)),
    }
}

fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Stamps a file; `false` when it is gone or may not be stamped.
fn touch_if_ours(path: &Path) -> Result<bool, DiskError> {
    match touch(path) {
        Ok(()) => Ok(true),
        Err(e) => match e.source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Ok(false),
            _ => Err(e),
        },
    }
}
