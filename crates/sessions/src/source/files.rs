//! Folders of sessions: walking them, and what the file system says about a file.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{Places, Root, Stamp};
use crate::model::Agent;

/// The stamp of a file, with a number that covers what lies beside it.
pub(super) fn stamp(metadata: &Metadata, beside: u64) -> Stamp {
    let nanoseconds = |seconds: i64, rest: i64| seconds.saturating_mul(1_000_000_000).saturating_add(rest);
    Stamp {
        size: metadata.len(),
        mtime_ns: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
        ctime_ns: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
        inode: metadata.ino(),
        device: metadata.dev(),
        beside,
    }
}

/// The same for a path; what is no file is not there.
pub(super) fn stamp_of(path: &Path, beside: u64) -> std::io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() { Ok(stamp(&metadata, beside)) } else { Err(std::io::ErrorKind::NotFound.into()) }
}

/// A number for a text; never zero.
pub(super) fn number(text: &str) -> u64 {
    let hash = blake3::hash(text.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_le_bytes(bytes).max(1)
}

/// Calls `each` with every file below `folder`, down to `depth` folders below it. Links are followed, each folder that they lead
/// to once. A folder that is not there is no problem; what cannot be listed is said to `problem`.
pub(super) fn walk(
    folder: &Path,
    depth: usize,
    each: &mut dyn FnMut(PathBuf, &Metadata),
    problem: &mut dyn FnMut(&Path, std::io::Error),
    is_wanted: &dyn Fn(&Path) -> bool,
) {
    Walk { each, problem, is_wanted, linked: HashSet::new() }.folder(folder, depth);
}

struct Walk<'w> {
    each: &'w mut dyn FnMut(PathBuf, &Metadata),
    problem: &'w mut dyn FnMut(&Path, std::io::Error),
    is_wanted: &'w dyn Fn(&Path) -> bool,
    /// Folders that links led to.
    linked: HashSet<(u64, u64)>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return,
            Err(error) => return (self.problem)(folder, error),
        };
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    (self.problem)(folder, error);
                    continue;
                }
            };
            let path = entry.path();
            let kind = entry.file_type();
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
                if depth > 0 {
                    self.folder(&path, depth - 1);
                }
                continue;
            }
            let is_link = kind.is_ok_and(|kind| kind.is_symlink());
            if !is_link && !(self.is_wanted)(&path) {
                continue;
            }
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => {
                    if depth > 0 && self.linked.insert((metadata.dev(), metadata.ino())) {
                        self.folder(&path, depth - 1);
                    }
                }
                Ok(metadata) if metadata.is_file() && (self.is_wanted)(&path) => (self.each)(path, &metadata),
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => (self.problem)(&path, error),
            }
        }
    }
}

/// `default`, or `asked` when the environment names a place; and the places of the configuration.
pub(super) fn roots(places: &Places, agent: Agent, default: Vec<PathBuf>, asked: Vec<PathBuf>) -> Vec<Root> {
    let is_default = asked.is_empty();
    let base = if is_default { default } else { asked };
    let mut roots: Vec<Root> = base.into_iter().map(|path| Root { path, is_default }).collect();
    for (_, path) in places.extra.iter().filter(|(known, _)| *known == agent) {
        if roots.iter().all(|root| root.path != *path) {
            roots.push(Root { path: path.clone(), is_default: false });
        }
    }
    roots
}

/// The bytes of a small file beside a session; `None` when it is not there, cannot be read, or is larger than `bytes_max`.
pub(super) fn small(path: &Path, bytes_max: u64) -> Option<Vec<u8>> {
    let metadata = std::fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > bytes_max {
        return None;
    }
    std::fs::read(path).ok()
}
