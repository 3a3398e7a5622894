//! The lock of a ref, as Git takes it: `<ref>.lock`, made by whoever may write, renamed to the ref or removed.
//!
//! We also hold an advisory lock on that file, and make it unlike Git's by taking from its owner the right to write, so
//! that one of ours that a dead process left is known at once.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use carry_kernel::disk::{DiskError, sync_dir};
use carry_kernel::fault;
use rustix::fs::FlockOperation;

use super::{RefError, files};
use crate::git::ObjectId;
use crate::line::{KEEP, LINES};
use crate::repo::Repo;

/// How long to wait between attempts: a second in all, since Git holds such a lock for milliseconds.
const WAITS_MS: &[u64] = if cfg!(test) { &[1, 2] } else { &[1, 2, 5, 10, 20, 50, 100, 200, 300, 300] };

/// How often a folder may be removed under us, by Git packing refs, before we give up.
const VANISHED_MAX: usize = 20;

/// Whether its owner may write a file.
const OWNER_WRITES: u32 = 0o200;

/// Age at which a lock in our part of the refs is a leftover even though it is not known to be ours.
const STALE_AFTER: Duration = Duration::from_secs(60);

/// A lock that is held. Removed when dropped, unless it became the ref.
pub(super) struct Lock {
    /// Where the ref's file is or will be.
    pub(super) target: PathBuf,
    /// Syncs of folders made so far.
    pub(super) fsyncs: u32,
    path: PathBuf,
    file: File,
    renamed: bool,
}

impl Lock {
    /// Waits a second for it at most.
    pub(super) fn acquire(repo: &Repo, name: &str) -> Result<Self, RefError> {
        let target = files::path_of(repo, name.into());
        let mut path = target.clone().into_os_string();
        path.push(".lock");
        let path = PathBuf::from(path);
        let mut waits = WAITS_MS.iter();
        let mut fsyncs = 0;
        let mut vanished = 0;
        loop {
            fsyncs += make_folder(repo, name, &target)?;
            match File::options().write(true).create_new(true).mode(0o666 & !OWNER_WRITES).open(&path) {
                Ok(file) => {
                    if holds(&file, &path).map_err(DiskError::at("lock", &path))? {
                        return Ok(Self { target, fsyncs, path, file, renamed: false });
                    }
                    // Taken for a leftover in the moment before it was locked.
                    if vanished == VANISHED_MAX {
                        return Err(RefError::Locked { name: name.to_owned() });
                    }
                    vanished += 1;
                }
                Err(e) if e.kind() == io::ErrorKind::NotFound && vanished < VANISHED_MAX => vanished += 1,
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                    if remove_stale(repo, name, &path).map_err(DiskError::at("unlock", &path))? {
                        continue;
                    }
                    let Some(ms) = waits.next() else { return Err(RefError::Locked { name: name.to_owned() }) };
                    std::thread::sleep(Duration::from_millis(*ms));
                }
                Err(e) => return Err(DiskError::at("lock", &path)(e).into()),
            }
        }
    }

    /// Makes the ref say `new`, durably. Returns the syncs made in all.
    pub(super) fn commit(mut self, name: &str, new: ObjectId) -> Result<u32, RefError> {
        let failed = || DiskError::at("write", &self.target);
        let line = format!("{new}\n");
        let n = fault::write_point("ref.write", line.len()).map_err(failed())?;
        (&self.file).write_all(&line.as_bytes()[..n]).map_err(failed())?;
        if n < line.len() {
            fault::die();
        }
        self.file.sync_all().map_err(failed())?;
        fault::point("ref.written").map_err(failed())?;
        self.rename(name)?;
        let failed = || DiskError::at("write", &self.target);
        // Git replaces refs and does not mind; other programs may.
        let mode = self.file.metadata().map_err(failed())?.mode() | OWNER_WRITES;
        let _ = self.file.set_permissions(std::fs::Permissions::from_mode(mode));
        fault::point("ref.renamed").map_err(failed())?;
        self.sync_folder()?;
        fault::point("ref.done").map_err(failed())?;
        Ok(self.fsyncs + 2)
    }

    /// Puts the new name on stable storage: that of the file, or, where Git has packed the ref since and taken the folder
    /// away, that of `packed-refs`.
    fn sync_folder(&self) -> Result<(), DiskError> {
        match sync_dir(folder_of(&self.target)) {
            Err(e) if e.source.kind() == io::ErrorKind::NotFound => {}
            synced => return synced,
        }
        let above = self.target.ancestors().skip(2);
        match above.into_iter().find(|folder| folder.join("packed-refs").exists()) {
            Some(folder) => sync_dir(folder),
            None => sync_dir(folder_of(&self.target)),
        }
    }

    fn rename(&mut self, name: &str) -> Result<(), RefError> {
        let mut renamed = std::fs::rename(&self.path, &self.target);
        if renamed.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::IsADirectory) {
            // Empty folders are what remains of refs that were packed or deleted.
            remove_empty(&self.target);
            renamed = std::fs::rename(&self.path, &self.target);
        }
        match renamed {
            Ok(()) => {
                self.renamed = true;
                Ok(())
            }
            Err(e) if e.kind() == io::ErrorKind::IsADirectory => {
                Err(RefError::git(name, "there are refs below that name"))
            }
            Err(e) => Err(DiskError::at("write", &self.target)(e).into()),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.renamed {
            // Left behind it is a stale lock, which the next one deals with.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes the folder of `target`; what was made is synced. Returns the number of syncs.
///
/// The git directory itself is never made: if it was moved away, one with nothing but our folders would take its place.
fn make_folder(repo: &Repo, name: &str, target: &Path) -> Result<u32, RefError> {
    let folder = folder_of(target);
    let below = |dir: &&Path| *dir != repo.common_dir() && *dir != repo.git_dir();
    let missing: Vec<&Path> = folder.ancestors().take_while(below).take_while(|dir| !dir.is_dir()).collect();
    let make = |dir: &&Path| match std::fs::create_dir(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => Ok(()),
        made => made,
    };
    match missing.iter().rev().try_for_each(make) {
        Ok(()) => {}
        // Removed while it was being made; the caller finds out and tries again.
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) if matches!(e.kind(), io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists) => {
            return Err(RefError::git(name, "a part of its name is a ref by itself"));
        }
        Err(e) => return Err(DiskError::at("make", folder)(e).into()),
    }
    let mut fsyncs = 0;
    for made in missing {
        match sync_dir(folder_of(made)) {
            Ok(()) => fsyncs += 1,
            Err(e) if e.source.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(fsyncs)
}

/// Takes the advisory lock of the file just made at `path`. Says whether it is still the one that is there.
fn holds(file: &File, path: &Path) -> io::Result<bool> {
    // Where the file system cannot do it, age alone tells a leftover.
    if rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) == Err(rustix::io::Errno::WOULDBLOCK) {
        return Ok(false);
    }
    let held = file.metadata()?;
    match path.symlink_metadata() {
        Ok(at) => Ok(at.ino() == held.ino() && at.dev() == held.dev()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

/// Removes the lock at `path` if it is a leftover of a process that died. Says whether there is none any more.
fn remove_stale(repo: &Repo, name: &str, path: &Path) -> io::Result<bool> {
    if !name.starts_with(LINES) && !name.starts_with(KEEP) {
        return Ok(false);
    }
    let gone = |e: io::Error| if e.kind() == io::ErrorKind::NotFound { Ok(true) } else { Err(e) };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) => return gone(e),
    };
    let held = file.metadata()?;
    let locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
    let is_leftover = match locked {
        Err(rustix::io::Errno::WOULDBLOCK) => false,
        Ok(()) if held.mode() & OWNER_WRITES == 0 => true,
        _ => is_old(repo, &held),
    };
    if !is_leftover {
        return Ok(false);
    }
    // Two that found the same leftover: the second must not remove the first one's new lock.
    match path.symlink_metadata() {
        Ok(at) if at.ino() == held.ino() && at.dev() == held.dev() => {
            tracing::warn!(name, "removing the lock of a process that died");
            std::fs::remove_file(path).map(|()| true).or_else(gone)
        }
        Ok(_) => Ok(false),
        Err(e) => gone(e),
    }
}

fn is_old(repo: &Repo, lock: &std::fs::Metadata) -> bool {
    // What a new file is stamped with is the time by the clock that stamped the lock.
    let now = tempfile::tempfile_in(repo.objects_dir()).and_then(|f| f.metadata()?.modified());
    let age = now.and_then(|now| Ok(now.duration_since(lock.modified()?)));
    age.is_ok_and(|age| age.is_ok_and(|age| age > STALE_AFTER))
}

/// Removes `dir` if there are only empty folders in it. Failing is no loss: the rename then fails as before.
fn remove_empty(dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|t| t.is_dir()) {
            remove_empty(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(dir);
}

fn folder_of(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}
