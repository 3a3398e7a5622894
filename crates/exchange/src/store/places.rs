//! Files below the home: `exchange/<log>/` with the segments, `exchange/pending/` with own attachments that are in none
//! yet, `exchange/tmp/` with what is being written, and a key beside
//! the device's identity for each log of this device.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

/// Where things are.
#[derive(Clone, Debug)]
pub(super) struct Places {
    root: PathBuf,
    data: PathBuf,
}

/// A file that is being written. It is removed again unless it is accepted.
///
/// While there is one, no process takes unknown files away.
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

    /// Taken by who removes files without rows; `None` while anybody writes some.
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

    /// Removes what a process left behind: temporary files, and files for which `is_known` says no. `None` when somebody
    /// writes just now; else how many there were.
    pub(super) fn sweep(
        &self,
        is_known: &dyn Fn(&str, &str) -> Result<bool, StoreError>,
    ) -> Result<Option<usize>, StoreError> {
        let Some(_alone) = self.try_alone()? else { return Ok(None) };
        let mut n_removed = 0;
        for name in names(&self.root)? {
            let dir = self.root.join(&name);
            let is_ours = name == TEMPORARY || name == PENDING || name.parse::<LogId>().is_ok();
            if !is_ours || !dir.is_dir() {
                continue;
            }
            let folder = name;
            for name in names(&dir)? {
                if folder != TEMPORARY && is_known(&folder, &name)? {
                    continue;
                }
                let path = dir.join(&name);
                match std::fs::remove_file(&path) {
                    Ok(()) => n_removed += 1,
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(DiskError::at("remove", &path)(e).into()),
                }
            }
        }
        Ok(Some(n_removed))
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
            // What is left is removed when the store is opened.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Opens a file for reading, without following a link at its end.
pub(super) fn open(path: &Path) -> Result<File, DiskError> {
    disk::open_regular(path, OFlags::NOFOLLOW).map_err(DiskError::at("read", path))
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
