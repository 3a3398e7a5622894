//! What is on disk at a path, compared with what snapshots have there. Reads only.

use std::collections::HashMap;
use std::path::PathBuf;

use gix::index::entry::Flags;
use rustix::fs::FileType;

use super::folder::{Blocked, Folder};
use super::{RestoreError, paths};
use crate::clean::{Cleaned, Cleaner};
use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{self, HistoryError};
use crate::pack::{Batch, Kind};
use crate::repo::Repo;
use crate::shadow_index::Stat;

/// Mode and id.
pub(super) type Entry = (u32, ObjectId);

/// Largest file whose content is compared, in bytes, since it is held in memory. A larger one counts as not held.
const COMPARED_BYTES_MAX: u64 = 1 << 30;
/// Most entries one snapshot may have below the asked-for paths: a tree can name more than any disk holds.
const ENTRIES_MAX: usize = 20_000_000;

/// How a folder can be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// It is there.
    Folder,
    /// It, or one above it, is not there.
    Missing,
    /// Something that is no folder stands at `at`.
    Obstacle { at: BString, link: bool },
    /// It may not be written to; writing says why.
    Closed,
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    /// Nothing.
    Nothing,
    /// A file or link, with its status.
    File(Stat),
    /// A folder.
    Folder(Stat),
    /// A pipe, socket or device.
    Special(Stat),
    /// The system does not say.
    Unknown,
}

/// Looks at one working tree.
pub(super) struct Look<'r> {
    repo: &'r Repo,
    gix: &'r gix::Repository,
    index: gix::worktree::Index,
    cleaner: Cleaner<'r>,
    root: Folder,
    reached: HashMap<BString, Reach>,
}

impl<'r> Look<'r> {
    pub(super) fn new(repo: &'r Repo, gix: &'r gix::Repository) -> Result<Self, RestoreError> {
        let index = gix.index_or_empty().map_err(|e| RestoreError::cannot_read("Git's index", repo, e))?;
        let cleaner = Cleaner::new(gix, &index, COMPARED_BYTES_MAX)
            .map_err(|e| RestoreError::cannot_read("attributes and filters", repo, e))?;
        let root = Folder::root(repo.root())
            .map_err(|e| RestoreError::cannot_read("the working tree", repo, std::io::Error::from(e)))?;
        Ok(Self { repo, gix, index, cleaner, root, reached: HashMap::new() })
    }

    /// How the folder that `path` lies in can be reached.
    pub(super) fn reach(&mut self, path: &BStr) -> Reach {
        let folder = paths::split(path).0;
        if folder.is_empty() {
            return Reach::Folder;
        }
        if let Some(known) = self.reached.get(folder) {
            return known.clone();
        }
        let obstacle = |parts: &[&BStr], n: usize, link| Reach::Obstacle { at: joined(&parts[..n]), link };
        let reach = match paths::parts(folder) {
            Err(_) => Reach::Closed,
            Ok(parts) => match self.root.below(&parts, false) {
                Ok(_) => Reach::Folder,
                Err(Blocked::Missing) => Reach::Missing,
                Err(Blocked::Link(n)) => obstacle(&parts, n, true),
                Err(Blocked::NoFolder(n)) => obstacle(&parts, n, false),
                Err(Blocked::Repository | Blocked::Refused(_) | Blocked::Failed(_)) => Reach::Closed,
            },
        };
        self.reached.insert(folder.to_owned(), reach.clone());
        reach
    }

    /// What is at `path`, whose folder was reached.
    pub(super) fn thing(&self, path: &BStr) -> Thing {
        let stat = match rustix::fs::lstat(self.on_disk(path)) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Thing::Nothing,
            Err(_) => return Thing::Unknown,
        };
        let status = Stat::of(&stat);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile | FileType::Symlink => Thing::File(status),
            FileType::Directory => Thing::Folder(status),
            _ => Thing::Special(status),
        }
    }

    fn on_disk(&self, path: &BStr) -> PathBuf {
        self.repo.root().join(crate::restore::os_path(path))
    }

    /// The file or link at `path` as Git would store it, `known` being the mode it has in a snapshot; `None` when
    /// it cannot be read.
    pub(super) fn content(&mut self, path: &BStr, known: Option<u32>) -> Option<Entry> {
        let index = &self.index;
        let in_git = &mut || index.entry_by_path(path).map(|entry| entry.id);
        match self.cleaner.read(self.repo, path, known, in_git) {
            Cleaned::Content { bytes, mode, .. } => {
                Some((mode, Batch::id_of(self.gix.object_hash(), Kind::Blob, &bytes)))
            }
            Cleaned::Skip(_) | Cleaned::Gone => None,
        }
    }

    /// Whether Git does not expect a file at `path` (sparse checkout).
    pub(super) fn left_out(&self, path: &BStr) -> bool {
        match self.index.entry_by_path(path) {
            Some(entry) => entry.flags.contains(Flags::SKIP_WORKTREE),
            // In a sparse index only folders stand for what is left out.
            None => self.index.is_sparse(),
        }
    }

    /// The files below the folder at `path` with their status, if `held` has exactly their content; `None` when
    /// anything in it is not held, or it is another repository.
    pub(super) fn held_below(&mut self, path: &BStr, held: &HashMap<BString, Entry>) -> Option<Vec<(BString, Stat)>> {
        let mut files = Vec::new();
        let mut folders = vec![path.to_owned()];
        while let Some(folder) = folders.pop() {
            let parts = paths::parts(folder.as_bstr()).ok()?;
            for name in self.root.below(&parts, false).ok()?.names().ok()? {
                let path = paths::join(folder.as_bstr(), name.as_bstr());
                match self.thing(path.as_bstr()) {
                    Thing::Folder(_) => folders.push(path),
                    Thing::File(stat) => {
                        let entry = *held.get(&path)?;
                        if self.content(path.as_bstr(), Some(entry.0)) != Some(entry) {
                            return None;
                        }
                        files.push((path, stat));
                    }
                    Thing::Nothing => {}
                    Thing::Special(_) | Thing::Unknown => return None,
                }
            }
        }
        Some(files)
    }
}

fn joined(parts: &[&BStr]) -> BString {
    parts.iter().fold(BString::default(), |path, part| paths::join(path.as_bstr(), part))
}

/// The files, links and submodules at and below `path` in `tree`, in no order; empty when there is nothing.
pub(super) fn leaves(
    gix: &gix::Repository,
    tree: ObjectId,
    path: &BStr,
) -> Result<Vec<(BString, Entry)>, HistoryError> {
    let mut leaves = Vec::new();
    let Some(entry) = history::entry_at(gix, tree, path)? else { return Ok(leaves) };
    let mut folders = Vec::new();
    let mut sort = |path: BString, entry: Entry, folders: &mut Vec<_>| {
        if entry.0 == mode::FOLDER {
            folders.push((path, entry.1));
        } else {
            leaves.push((path, entry));
        }
        leaves.len() + folders.len()
    };
    sort(path.to_owned(), entry, &mut folders);
    while let Some((folder, tree)) = folders.pop() {
        for entry in history::entries(gix, tree)? {
            let path = paths::join(folder.as_bstr(), entry.name.as_bstr());
            if sort(path, (entry.mode, entry.id), &mut folders) > ENTRIES_MAX {
                let problem = format!("it has more than {ENTRIES_MAX} entries");
                return Err(history::cannot_read(&format!("tree {tree}"), gix.path(), problem));
            }
        }
    }
    Ok(leaves)
}
