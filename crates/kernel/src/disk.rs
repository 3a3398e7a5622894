//! Files that are either there whole or not at all.
//!
//! Every error carries the path it is about. Folders are made 0700, files 0600.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::fault;

/// A file operation that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
pub struct DiskError {
    /// What was tried, e.g. `write`.
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// Why it failed.
    pub source: io::Error,
}

impl DiskError {
    /// For `map_err`: keeps the path beside the cause.
    pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self { action, path: path.to_owned(), source }
    }
}

/// Makes `dir` and its missing parents, 0700. What exists is left as it is.
///
/// # Errors
/// [`DiskError`] if it cannot be made or is not a folder.
pub fn create_dir(dir: &Path) -> Result<(), DiskError> {
    if dir.as_os_str().is_empty() || dir.is_dir() {
        return Ok(());
    }
    let missing: Vec<&Path> = dir.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.is_dir()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(DiskError::at("make", dir))?;
    // A file is only as durable as the entries of all folders above it.
    for made in missing {
        sync_dir(&parent_of(made))?;
    }
    Ok(())
}

/// Replaces `path` with `bytes`, 0600: temporary file beside it, sync, rename, sync of the folder.
/// Makes the folder. After it returns the new content survives a power loss; before, the old does.
/// A symbolic link at `path` is replaced, not followed.
///
/// # Errors
/// [`DiskError`]; the old content is then untouched, unless only the last sync of the folder failed.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let failed = || DiskError::at("write", path);
    let dir = parent_of(path);
    create_dir(&dir)?;
    let mut temporary = temporary_in(&dir).map_err(failed())?;
    let n = fault::write_point("disk.write_atomic.write", bytes.len()).map_err(failed())?;
    temporary.write_all(&bytes[..n]).map_err(failed())?;
    if n < bytes.len() {
        fault::die();
    }
    temporary.as_file().sync_all().map_err(failed())?;
    fault::point("disk.write_atomic.written").map_err(failed())?;
    temporary.persist(path).map_err(|e| failed()(e.error))?;
    fault::point("disk.write_atomic.renamed").map_err(failed())?;
    sync_dir(&dir)
}

/// Like [`write_atomic`] without the syncs: after a power loss the file may be missing, old or torn.
/// For caches that verify themselves.
///
/// # Errors
/// [`DiskError`]; the old content is then untouched.
pub fn write_cache(path: &Path, bytes: &[u8]) -> Result<(), DiskError> {
    let failed = || DiskError::at("write", path);
    let dir = parent_of(path);
    create_dir(&dir)?;
    let mut temporary = temporary_in(&dir).map_err(failed())?;
    temporary.write_all(bytes).map_err(failed())?;
    temporary.persist(path).map_err(|e| failed()(e.error))?;
    Ok(())
}

/// Makes `path` hold `bytes`, 0600 and durable, unless something is there already; says whether it
/// did. Of several that try at the same time exactly one succeeds, and nobody sees half a file.
///
/// # Errors
/// [`DiskError`].
pub fn create_new(path: &Path, bytes: &[u8]) -> Result<bool, DiskError> {
    let failed = || DiskError::at("make", path);
    let dir = parent_of(path);
    create_dir(&dir)?;
    let mut temporary = temporary_in(&dir).map_err(failed())?;
    temporary.write_all(bytes).map_err(failed())?;
    temporary.as_file().sync_all().map_err(failed())?;
    fault::point("disk.create_new.written").map_err(failed())?;
    // Closed before it gets its name: closing a file drops every lock the process holds on it, and
    // a database is locked by other threads as soon as it can be seen.
    let made = match temporary.into_temp_path().persist_noclobber(path) {
        Ok(()) => true,
        Err(e) if e.error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(e) => return Err(failed()(e.error)),
    };
    // The loser syncs as well: the winner may not have come to it yet.
    sync_dir(&dir)?;
    Ok(made)
}

/// Reads a file of at most `limit` bytes; `None` when there is none. Anything but a regular file is
/// an error, so that a FIFO cannot hang the reader.
///
/// # Errors
/// [`DiskError`] if it cannot be read or is larger.
pub fn read_bounded(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, DiskError> {
    match open_regular(path, OFlags::empty()) {
        Ok(file) => read_at_most(file, limit).map(Some).map_err(DiskError::at("read", path)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(DiskError::at("read", path)(e)),
    }
}

/// Puts a folder's entries on stable storage.
///
/// # Errors
/// [`DiskError`] if it cannot be opened or synced.
pub fn sync_dir(dir: &Path) -> Result<(), DiskError> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(DiskError::at("sync", dir))
}

/// Opens a regular file for reading, without ever waiting for one that is not.
pub fn open_regular(path: &Path, flags: OFlags) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY | flags;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Opens a regular file that nobody but us (and root) can have put there, read or altered. It is the open file that is looked at, so
/// that it cannot be another one when it is read.
///
/// # Errors
/// Of kind [`io::ErrorKind::PermissionDenied`] and without a number of the system's: it is open to others.
pub fn open_private(path: &Path) -> io::Result<File> {
    let refused = |why: &str| Err(io::Error::new(io::ErrorKind::PermissionDenied, why.to_owned()));
    let file = open_regular(path, OFlags::empty())?;
    let data = file.metadata()?;
    if data.uid() != 0 && data.uid() != rustix::process::geteuid().as_raw() {
        return refused("it is somebody else's");
    }
    if data.mode() & 0o077 != 0 {
        return refused("others may read or write it; it must be for you alone (chmod 600)");
    }
    Ok(file)
}

/// Reads all of `file`, or fails when there are more than `limit` bytes.
///
/// # Errors
/// Whatever the system says, or [`io::ErrorKind::FileTooLarge`].
pub fn read_at_most(file: File, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|n| n <= limit) {
        Ok(bytes)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("larger than {limit} bytes")))
    }
}

/// The folder `path` lies in; the current one for a bare name.
fn parent_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        Some(_) => PathBuf::from("."),
        None => path.to_owned(),
    }
}

/// An empty file of a fresh name in `dir`, 0600, removed again unless it is given its final name.
fn temporary_in(dir: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".carry-").suffix(".tmp").tempfile_in(dir)
}

#[cfg(test)]
mod tests;
