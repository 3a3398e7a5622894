//! Files below the home: `exchange/<log>/` with the segments, `exchange/pending/` with own attachments that are in none
//! yet, `exchange/tmp/` with what is being written, `exchange/aside/` with what no row knows, and a key beside
//! the device's identity for each log of this device.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::disk::{self, DiskError};
use carry_kernel::home::Home;
use rustix::fs::{FlockOperation, OFlags, flock};

use super::StoreError;
use super::fault::point;
use crate::name::LogId;

/// Folder of files that are being written.
const TEMPORARY: &str = "tmp";
/// Folder of own attachments that are in no segment yet.
const PENDING: &str = "pending";
/// Folder of files that no row knew, each in a folder called like the one that it lay in.
const ASIDE: &str = "aside";

/// Where things are.
#[derive(Clone, Debug)]
pub(super) struct Places {
    root: PathBuf,
    data: PathBuf,
}

/// A file that is being written. It is removed again unless it is accepted.
///
/// While there is one, no process takes files away that no row knows.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: PathBuf,
    _guard: Guard,
    is_kept: bool,
}

/// Held while a file has no row yet. Released when dropped.
#[derive(Debug)]
pub(super) struct Guard(#[expect(dead_code, reason = "its lock ends when it is closed")] File);

impl Places {
    pub(super) fn new(home: &Home) -> Self {
        Self { root: home.data_dir().join("exchange"), data: home.data_dir().to_owned() }
    }

    /// Folder of one log's files.
    pub(super) fn log_dir(&self, log: LogId) -> PathBuf {
        self.root.join(log.to_string())
    }

    /// One file of a log.
    pub(super) fn file(&self, log: LogId, name: &str) -> PathBuf {
        self.log_dir(log).join(name)
    }

    /// The key of one of this device's logs.
    pub(super) fn key_file(&self, log: LogId) -> PathBuf {
        self.data.join(format!("exchange-{log}.key"))
    }

    /// The logs of which a key is there, and since when.
    pub(super) fn keys(&self) -> Result<Vec<(LogId, Timestamp)>, DiskError> {
        let mut keys = Vec::new();
        for name in names(&self.data)? {
            let log = name.strip_prefix("exchange-").and_then(|name| name.strip_suffix(".key"));
            let Some(log) = log.and_then(|log| log.parse().ok()) else { continue };
            let path = self.key_file(log);
            let since = std::fs::metadata(&path).and_then(|data| data.modified());
            keys.push((log, since.map_err(DiskError::at("read", &path))?.into()));
        }
        Ok(keys)
    }

    /// The file that who says something holds locked.
    pub(super) fn saying_file(&self) -> PathBuf {
        self.data.join("exchange.saying")
    }

    fn tmp_dir(&self) -> PathBuf {
        self.root.join(TEMPORARY)
    }

    /// Taken by whoever writes files whose rows follow.
    pub(super) fn guard(&self) -> Result<Guard, DiskError> {
        self.lock(FlockOperation::LockShared).map(Guard)
    }

    /// Taken by who moves or removes files without rows; `None` while anybody writes some.
    pub(super) fn try_alone(&self) -> Result<Option<Guard>, DiskError> {
        match self.lock(FlockOperation::NonBlockingLockExclusive) {
            Ok(file) => Ok(Some(Guard(file))),
            Err(e) if e.source.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn lock(&self, how: FlockOperation) -> Result<File, DiskError> {
        disk::create_dir(&self.root)?;
        let path = self.root.join("lock");
        let failed = || DiskError::at("lock", &path);
        let open = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let file = open.map_err(failed())?;
        loop {
            match flock(&file, how) {
                Ok(()) => return Ok(file),
                Err(e) if e == rustix::io::Errno::INTR => {}
                Err(e) => return Err(failed()(e.into())),
            }
        }
    }

    /// A file to write to.
    pub(super) fn incoming(&self) -> Result<Incoming, DiskError> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let guard = self.guard()?;
        let dir = self.tmp_dir();
        disk::create_dir(&dir)?;
        loop {
            let n = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("{}-{n}.tmp", std::process::id()));
            let open = OpenOptions::new().create_new(true).read(true).write(true).mode(0o600).open(&path);
            match open {
                Ok(file) => return Ok(Incoming { file, path, _guard: guard, is_kept: false }),
                // Left behind by a process that had our number.
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(DiskError::at("make", &path)(e)),
            }
        }
    }

    /// Bytes of the disk that are free to us, and all of them.
    pub(super) fn disk_bytes(&self) -> Result<(u64, u64), DiskError> {
        let found = rustix::fs::statvfs(&self.data);
        let found = found.map_err(|e| DiskError::at("ask for the free room of", &self.data)(e.into()))?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize.max(1));
        Ok((bytes(found.f_bavail), bytes(found.f_blocks)))
    }

    /// Folder of files that were set aside.
    pub(super) fn aside_dir(&self) -> PathBuf {
        self.root.join(ASIDE)
    }

    /// When a file of a log was written; `None` if it is gone.
    pub(super) fn written_at(&self, log: LogId, name: &str) -> Result<Option<Timestamp>, DiskError> {
        let path = self.file(log, name);
        match std::fs::symlink_metadata(&path).and_then(|data| data.modified()) {
            Ok(at) => Ok(Some(at.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(DiskError::at("read", &path)(e)),
        }
    }

    /// Folder of own attachments that are in no segment yet.
    pub(super) fn pending_dir(&self) -> PathBuf {
        self.root.join(PENDING)
    }

    /// Gives a written file its name in a folder, durably. The row may follow.
    pub(super) fn keep(&self, mut incoming: Incoming, dir: &Path, name: &str) -> Result<Guard, StoreError> {
        disk::create_dir(dir)?;
        point("exchange.file.written")?;
        incoming.file.sync_all().map_err(DiskError::at("sync", &incoming.path))?;
        point("exchange.file.synced")?;
        let path = dir.join(name);
        std::fs::rename(&incoming.path, &path).map_err(DiskError::at("rename", &path))?;
        incoming.is_kept = true;
        point("exchange.file.renamed")?;
        disk::sync_dir(dir)?;
        point("exchange.file.kept")?;
        // One more lock, so that none is missing when the incoming's own ends.
        Ok(self.guard()?)
    }

    /// Removes files that a process was writing when it died. Only for who is [alone](Self::try_alone).
    pub(super) fn remove_temporary(&self) -> Result<(), DiskError> {
        let dir = self.tmp_dir();
        names(&dir)?.iter().filter(|name| name.ends_with(".tmp")).try_for_each(|name| remove(&dir.join(name)))
    }

    /// Files of logs and of what is in no segment yet, each with the folder that it lies in.
    pub(super) fn all(&self) -> Result<Vec<(String, String)>, DiskError> {
        let mut all = Vec::new();
        for folder in names(&self.root)? {
            let dir = self.root.join(&folder);
            if (folder == PENDING || folder.parse::<LogId>().is_ok()) && dir.is_dir() {
                all.extend(names(&dir)?.into_iter().map(|name| (folder.clone(), name)));
            }
        }
        Ok(all)
    }

    /// Where one of [these](Self::all) lies.
    pub(super) fn path(&self, (folder, name): &(String, String)) -> PathBuf {
        self.root.join(folder).join(name)
    }

    /// Moves one of [these](Self::all) aside, where it lies as of `now`. What lies there under its name stays, too.
    pub(super) fn set_aside(&self, file: &(String, String), now: Timestamp) -> Result<(), DiskError> {
        let (from, dir) = (self.path(file), self.aside_dir().join(&file.0));
        disk::create_dir(&dir)?;
        let mut to = dir.join(&file.1);
        for n in 1.. {
            if !to.exists() {
                break;
            }
            to = dir.join(format!("{}.{n}", file.1));
        }
        let at = std::time::UNIX_EPOCH + Duration::from_millis(u64::try_from(now.as_millis()).unwrap_or(0));
        let touched = File::options().read(true).open(&from).and_then(|file| file.set_modified(at));
        touched.map_err(DiskError::at("touch", &from))?;
        std::fs::rename(&from, &to).map_err(DiskError::at("rename", &to))?;
        disk::sync_dir(&dir)
    }

    /// What was set aside: path, bytes, and since when.
    pub(super) fn aside(&self) -> Result<Vec<(PathBuf, u64, Timestamp)>, DiskError> {
        let (root, mut all) = (self.aside_dir(), Vec::new());
        for folder in names(&root)? {
            let dir = root.join(folder);
            for path in names(&dir)?.into_iter().map(|name| dir.join(name)) {
                match std::fs::symlink_metadata(&path).and_then(|data| Ok((data.len(), data.modified()?.into()))) {
                    Ok((bytes, since)) => all.push((path, bytes, since)),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(DiskError::at("read", &path)(e)),
                }
            }
        }
        Ok(all)
    }
}

impl Incoming {
    /// The file, from its beginning.
    pub(super) fn rewind(&mut self) -> Result<(&mut File, u64), DiskError> {
        let failed = || DiskError::at("read", &self.path);
        let bytes = self.file.metadata().map_err(failed())?.len();
        self.file.rewind().map_err(failed())?;
        Ok((&mut self.file, bytes))
    }

    /// The file, for whoever writes to it in place.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }
}

impl Write for Incoming {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.is_kept {
            // What is left is removed by the next exchange.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens a file for reading, without following a link at its end.
pub(super) fn open(path: &Path) -> Result<File, DiskError> {
    disk::open_regular(path, OFlags::NOFOLLOW).map_err(DiskError::at("read", path))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), DiskError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(DiskError::at("remove", path)(e)),
        _ => Ok(()),
    }
}

/// The names in a folder that are text; none when there is no folder.
fn names(dir: &Path) -> Result<Vec<String>, DiskError> {
    let failed = || DiskError::at("list", dir);
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed()(e)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed())?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}
