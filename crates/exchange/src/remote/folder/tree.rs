//! Steps from a folder to what is directly in it. None follows a link, so that no name leads out of the place.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use carry_kernel::fault;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::remote::Version;

/// The folder below the place in which everything lies.
pub(super) const NAME: &str = "carry";
/// The path of the marker.
pub(super) const MARKER: &str = crate::name::FORMAT_PATH;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// What tells one file from all others: its file system and its number there.
pub(super) type Identity = (rustix::fs::Dev, u64);

/// What a look at a name shows.
pub(super) struct Seen {
    pub(super) is_file: bool,
    pub(super) bytes: u64,
    pub(super) modified_s: i64,
    pub(super) version: Version,
    pub(super) identity: Identity,
}

/// Opens the place. The user may reach it over links.
pub(super) fn root(path: &Path) -> Result<OwnedFd, Errno> {
    fs::open(path, FOLDER, Mode::empty())
}

/// The same folder once more.
pub(super) fn same(folder: &OwnedFd) -> Result<OwnedFd, Errno> {
    rustix::io::fcntl_dupfd_cloexec(folder, 0)
}

/// Opens a folder, if it is there.
pub(super) fn folder(at: &OwnedFd, name: &str) -> Result<Option<OwnedFd>, Errno> {
    found(fs::openat(at, name, FOLDER | OFlags::NOFOLLOW, Mode::empty()))
}

/// Opens a folder and makes it if it is missing, 0700 and durable.
pub(super) fn make(at: &OwnedFd, name: &str) -> Result<OwnedFd, Errno> {
    if let Some(there) = folder(at, name)? {
        return Ok(there);
    }
    match fs::mkdirat(at, name, Mode::RWXU) {
        // Somebody else was quicker.
        Ok(()) | Err(Errno::EXIST) => {}
        Err(e) => return Err(e),
    }
    fault::point("exchange.folder.made").map_err(|_| Errno::IO)?;
    sync(at)?;
    folder(at, name)?.ok_or(Errno::NOENT)
}

/// Opens a regular file for reading, if it is there, without waiting for what is none.
///
/// # Errors
/// [`Errno::LOOP`] for a link and what else is no file.
pub(super) fn file(at: &OwnedFd, name: &str) -> Result<Option<File>, Errno> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let Some(opened) = found(fs::openat(at, name, flags, Mode::empty()))? else { return Ok(None) };
    let stat = fs::fstat(&opened)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile {
        Ok(Some(opened.into()))
    } else {
        Err(Errno::LOOP)
    }
}

/// The first `bytes` bytes of a file.
pub(super) fn beginning(file: File, bytes: u64) -> io::Result<Vec<u8>> {
    let mut read = Vec::new();
    file.take(bytes).read_to_end(&mut read)?;
    Ok(read)
}

/// Looks at what has a name, if anything does.
pub(super) fn look(at: impl AsFd, name: &str) -> Result<Option<Seen>, Errno> {
    Ok(found(fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW))?.map(|stat| seen(&stat)))
}

/// Which file an open one is.
pub(super) fn identity(file: impl AsFd) -> Result<Identity, Errno> {
    fs::fstat(file).map(|stat| seen(&stat).identity)
}

/// The version of an open file.
pub(super) fn version(file: impl AsFd) -> Result<Version, Errno> {
    fs::fstat(file).map(|stat| seen(&stat).version)
}

/// Removes a name; says whether it was there.
pub(super) fn remove(at: impl AsFd, name: &str) -> Result<bool, Errno> {
    found(fs::unlinkat(at, name, AtFlags::empty())).map(|removed| removed.is_some())
}

/// Puts a folder's entries on stable storage. Some file systems cannot do that for a folder and say so: they order it
/// themselves, or give no promise at all.
pub(super) fn sync(dir: impl AsFd) -> Result<(), Errno> {
    match fs::fsync(dir) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::BADF) => Ok(()),
        done => done,
    }
}

fn seen(stat: &Stat) -> Seen {
    Seen {
        is_file: FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile,
        bytes: u64::try_from(stat.st_size).unwrap_or_default(),
        modified_s: stat.st_mtime,
        // Sync tools set the time of modification to what it is elsewhere; the time of change is the machine's own.
        version: Version(format!(
            "{}-{}.{:09}-{}.{:09}",
            stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec
        )),
        identity: (stat.st_dev, stat.st_ino),
    }
}

fn found<T>(result: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match result {
        Ok(there) => Ok(Some(there)),
        Err(Errno::NOENT) => Ok(None),
        Err(e) => Err(e),
    }
}
