//! A folder of objects beside the repository's own, for what is not trusted yet, or never becomes the repository's.
//!
//! Git reads what the repository has through it and writes into it alone. It vanishes with this value; what a process that
//! died left is removed later, by us or by `git gc`, which knows the beginning of the name.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use carry_kernel::disk::DiskError;
use rustix::fs::FlockOperation;

use crate::git::ObjectId;
use crate::repo::Repo;

/// How the names of such folders begin. Git's own begin with `tmp_objdir-`.
const PREFIX: &str = "tmp_objdir-carry-";
/// The file whose lock says that somebody uses the folder.
const LOCK: &str = "carry.lock";
/// What it is called until it is locked.
const LOCK_UNNAMED: &str = "carry.lock.new";

/// Such a folder.
#[derive(Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    hash: gix::hash::Kind,
    _lock: File,
}

impl Quarantine {
    /// Makes one in the object folder of `repo`.
    pub(crate) fn new(repo: &Repo) -> Result<Self, DiskError> {
        let objects = repo.objects_dir();
        let failed = || DiskError::at("write", &objects);
        // The process id tells a folder whose lock is about to be taken from a leftover.
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(&objects).map_err(failed())?.keep();
        let lock = prepare(&dir, &objects);
        match lock {
            Ok(lock) => Ok(Self { dir, hash: repo.hash(), _lock: lock }),
            Err(error) => {
                let _ = std::fs::remove_dir_all(&dir);
                Err(failed()(error))
            }
        }
    }

    /// The folder.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes Git write here.
    pub(crate) fn redirect(&self, git: &mut Command) {
        git.env("GIT_OBJECT_DIRECTORY", &self.dir);
    }

    /// A handle that reads what is here and what the repository has.
    pub(crate) fn open(&self, repo: &Repo) -> Result<gix::Repository, DiskError> {
        let mut gix = repo.gix();
        let handle = gix::odb::at(&self.dir, self.hash).map_err(DiskError::at("read", &self.dir))?;
        gix.objects = gix::odb::memory::Proxy::from(handle).with_write_passthrough();
        gix.object_cache_size_if_unset(4 * 1024 * 1024);
        Ok(gix)
    }

    /// The packs here.
    pub(crate) fn packs(&self) -> Result<Vec<PathBuf>, DiskError> {
        let folder = self.dir.join("pack");
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(DiskError::at("list", &folder)(e)),
        };
        let mut packs = Vec::new();
        for entry in entries {
            let path = entry.map_err(DiskError::at("list", &folder))?.path();
            if path.extension().is_some_and(|e| e == "pack") && path.with_extension("idx").exists() {
                packs.push(path);
            }
        }
        packs.sort();
        Ok(packs)
    }

    /// The loose objects here: Git writes none, but a server's objects may be so few that a setting has them unpacked.
    pub(crate) fn loose(&self) -> Result<Vec<ObjectId>, DiskError> {
        let store = gix::odb::loose::Store::at(&self.dir, self.hash);
        let ids: Result<Vec<ObjectId>, _> = store.iter().collect();
        ids.map_err(|e| DiskError::at("list", &self.dir)(io::Error::other(e.to_string())))
    }

    /// Removes what processes that died left in `repo`.
    pub(crate) fn remove_leftovers(repo: &Repo) {
        for entry in std::fs::read_dir(repo.objects_dir()).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(rest) = name.as_bytes().strip_prefix(PREFIX.as_bytes()) else { continue };
            let path = entry.path();
            if is_leftover(&path, rest) {
                tracing::info!(path = %path.display(), "removing what a process that died left");
                let _ = std::fs::remove_dir_all(&path);
            }
        }
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // Packs are read-only, their folder is not. What cannot be removed is a leftover.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn prepare(dir: &Path, objects: &Path) -> io::Result<File> {
    // It gets its name when it is locked: one that is found free belongs to nobody, whoever looks at whatever moment.
    let unnamed = dir.join(LOCK_UNNAMED);
    let lock = File::create(&unnamed)?;
    // Where the file system cannot do it, nobody takes the folder for a leftover either.
    let _ = rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive);
    std::fs::rename(&unnamed, dir.join(LOCK))?;
    std::fs::create_dir(dir.join("info"))?;
    std::fs::create_dir(dir.join("pack"))?;
    let mut alternates = File::create(dir.join("info/alternates"))?;
    alternates.write_all(&quoted(objects.as_os_str().as_bytes()))?;
    alternates.write_all(b"\n")?;
    Ok(lock)
}

/// A path as Git reads it in that file: quoted where it would be taken for something else.
fn quoted(path: &[u8]) -> Vec<u8> {
    if !path.contains(&b'\n') && !path.starts_with(b"\"") && !path.starts_with(b"#") {
        return path.to_owned();
    }
    let mut out = vec![b'"'];
    for &byte in path {
        match byte {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out
}

/// Whether nobody uses the folder: its lock is free, or it never came to one and its process is gone.
fn is_leftover(path: &Path, rest: &[u8]) -> bool {
    match File::open(path.join(LOCK)) {
        Ok(lock) => rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            let pid = rest.split(|b| *b == b'-').next().and_then(|pid| std::str::from_utf8(pid).ok()?.parse().ok());
            let alive = |pid| rustix::process::test_kill_process(pid).is_ok();
            pid.and_then(rustix::process::Pid::from_raw).is_some_and(|pid| !alive(pid))
        }
        Err(_) => false,
    }
}
