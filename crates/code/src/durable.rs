//! Putting on stable storage what others wrote and we rely on, and keeping Git's gc from taking it away.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::disk::{DiskError, sync_dir};

use crate::git::ObjectId;
use crate::repo::Repo;

mod objects;

/// How far file systems round the times they stamp files with.
const SLACK: Duration = Duration::from_secs(2);

/// From this many files on, one sync of the whole file system is cheaper than one each.
const SYNC_ALL: usize = 200;

/// Syncs every loose object that was written at or after `since` (all of them when `None`), and the folders they
/// lie in: Git itself syncs packs but, by default, no loose objects. Returns the number of syncs.
///
/// Goes by the times the file system stamped, those of renaming included. When the clock was set back since, the
/// caller passes `None`. Packs are left to Git, also where `core.fsync` tells it not to sync them; so are alternates.
///
/// # Errors
/// [`DiskError`].
pub fn sync_loose_since(repo: &Repo, since: Option<Timestamp>) -> Result<u32, DiskError> {
    let store = repo.objects_dir();
    let from = since.map(|since| since.before(SLACK));
    let (files, folders) = written_since(&store, from)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if files.len() >= SYNC_ALL {
        let dir = File::open(&store).map_err(DiskError::at("sync", &store))?;
        rustix::fs::syncfs(&dir).map_err(|e| DiskError::at("sync", &store)(e.into()))?;
        return Ok(1);
    }
    let mut fsyncs = 0;
    for path in files {
        match File::open(&path).and_then(|file| file.sync_all()) {
            Ok(()) => fsyncs += 1,
            // Packed by Git meanwhile, and packs are synced.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(DiskError::at("sync", &path)(e)),
        }
    }
    for path in folders {
        match sync_dir(&path) {
            Ok(()) => fsyncs += 1,
            Err(e) if e.source.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(fsyncs)
}

/// Loose objects written from `from` on, then the folders that changed.
fn written_since(store: &Path, from: Option<Timestamp>) -> Result<(Vec<PathBuf>, Vec<PathBuf>), DiskError> {
    let (mut files, mut folders) = (Vec::new(), Vec::new());
    for byte in 0..=u8::MAX {
        let folder = store.join(format!("{byte:02x}"));
        // A new object changes its folder, so that the others need not be read.
        if !is_since(&folder, from)? {
            continue;
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
            Err(e) => return Err(DiskError::at("list", &folder)(e)),
        };
        for entry in entries {
            let entry = entry.map_err(DiskError::at("list", &folder))?;
            // Others are files that Git is still writing.
            let is_object = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_hexdigit);
            let path = entry.path();
            if is_object && is_since(&path, from)? {
                files.push(path);
            }
        }
        folders.push(folder);
    }
    // Last, as it names the folders that are new.
    if is_since(store, from)? {
        folders.push(store.to_owned());
    }
    Ok((files, folders))
}

/// Whether `path` was written, renamed or changed from `from` on; not when it is gone.
fn is_since(path: &Path, from: Option<Timestamp>) -> Result<bool, DiskError> {
    match path.symlink_metadata() {
        // Seconds suffice: the slack is larger.
        Ok(meta) => Ok(from.is_none_or(|from| meta.mtime().max(meta.ctime()) >= from.as_secs())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(DiskError::at("read", path)(e)),
    }
}

/// Marks existing objects as in use now, as `git hash-object -w` would: the time stamp of the loose file or of the pack.
/// Returns those that do not exist (or no longer do), and those that cannot be protected so: in a pack for
/// unreachable objects, empty after a power loss, or belonging to somebody else. The caller writes them again.
///
/// # Errors
/// [`DiskError`].
pub fn freshen(repo: &Repo, ids: &[ObjectId]) -> Result<Vec<ObjectId>, DiskError> {
    objects::Disk::new(repo)?.freshen(ids)
}

/// Whether any of `ids` is a loose object, which Git, by default, does not sync.
pub fn any_loose(repo: &Repo, ids: &[ObjectId]) -> bool {
    let store = repo.objects_dir();
    ids.iter().any(|id| {
        let hex = id.to_string();
        store.join(&hex[..2]).join(&hex[2..]).exists()
    })
}

/// Which of `ids` certainly do not exist, looking at the disk as it is now.
///
/// # Errors
/// [`DiskError`] when that cannot be told: something cannot be read, or an alternate is not there.
pub fn missing(repo: &Repo, ids: &[ObjectId]) -> Result<Vec<ObjectId>, DiskError> {
    objects::Disk::new(repo)?.missing(ids)
}

#[cfg(test)]
mod tests;
