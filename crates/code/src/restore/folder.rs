//! Folders held open on the way to a file, so that no link is ever followed and what was checked is what is written to.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawMode, RenameFlags, Stat};
use rustix::io::Errno;

use crate::git::{BStr, ByteSlice as _};

/// A folder, open.
#[derive(Debug)]
pub(super) struct Folder(OwnedFd);

/// What stands in the way of reaching a folder.
#[derive(Debug)]
pub(super) enum Blocked {
    /// It, or one on the way, is not there.
    Missing,
    /// A link stands on the way: so many parts of the path lead to it.
    Link(usize),
    /// A file or something else stands on the way.
    NoFolder(usize),
    /// The folder on the way belongs to another repository.
    Repository,
    /// The path is none that may be written.
    Refused(String),
    /// The system refused.
    Failed(Errno),
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("its folder is not there"),
            Self::Link(_) => f.write_str("a symbolic link stands where its folder should be"),
            Self::NoFolder(_) => f.write_str("a file stands where its folder should be"),
            Self::Repository => f.write_str("it lies inside another repository"),
            Self::Refused(problem) => f.write_str(problem),
            Self::Failed(error) => write!(f, "its folder cannot be opened: {error}"),
        }
    }
}

const OPEN: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens the root, which may be reached through links.
    pub(super) fn root(path: &Path) -> Result<Self, Errno> {
        rustix::fs::open(path, OPEN.difference(OFlags::NOFOLLOW), Mode::empty()).map(Self)
    }

    /// Opens the folder that `parts` lead to from here; `make` makes what is missing.
    pub(super) fn below(&self, parts: &[&BStr], make: bool) -> Result<Self, Blocked> {
        let mut here = Self(rustix::io::dup(&self.0).map_err(Blocked::Failed)?);
        for (at, part) in parts.iter().enumerate() {
            here = match here.open(part, at + 1) {
                Err(Blocked::Missing) if make => {
                    here.make(part).map_err(Blocked::Failed)?;
                    here.open(part, at + 1)?
                }
                other => other?,
            };
            if here.stat(b".git".as_bstr()).map_err(Blocked::Failed)?.is_some() {
                return Err(Blocked::Repository);
            }
        }
        Ok(here)
    }

    fn open(&self, name: &BStr, n_parts: usize) -> Result<Self, Blocked> {
        match rustix::fs::openat(&self.0, name.as_bytes(), OPEN, Mode::empty()) {
            Ok(fd) => Ok(Self(fd)),
            Err(Errno::NOENT) => Err(Blocked::Missing),
            // Systems differ in what they say of a link that is not followed.
            Err(error @ (Errno::NOTDIR | Errno::LOOP | Errno::MLINK)) => match self.kind(name) {
                Ok(Some(FileType::Symlink)) => Err(Blocked::Link(n_parts)),
                Ok(Some(_)) => Err(Blocked::NoFolder(n_parts)),
                Ok(None) => Err(Blocked::Missing),
                Err(_) => Err(Blocked::Failed(error)),
            },
            Err(error) => Err(Blocked::Failed(error)),
        }
    }

    fn make(&self, name: &BStr) -> Result<(), Errno> {
        match rustix::fs::mkdirat(&self.0, name.as_bytes(), Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) => Ok(()),
            other => other,
        }
    }

    /// The status of an entry, links not followed; `None` when it is not there.
    pub(super) fn stat(&self, name: &BStr) -> Result<Option<Stat>, Errno> {
        match rustix::fs::statat(&self.0, name.as_bytes(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What kind of thing an entry is.
    pub(super) fn kind(&self, name: &BStr) -> Result<Option<FileType>, Errno> {
        Ok(self.stat(name)?.map(|stat| FileType::from_raw_mode(stat.st_mode)))
    }

    /// Makes a new file, or fails with [`Errno::EXIST`].
    pub(super) fn create(&self, name: &BStr, permissions: RawMode) -> Result<std::fs::File, Errno> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(permissions);
        rustix::fs::openat(&self.0, name.as_bytes(), flags, mode).map(Into::into)
    }

    /// Makes a new link, or fails with [`Errno::EXIST`].
    pub(super) fn link(&self, name: &BStr, target: &[u8]) -> Result<(), Errno> {
        rustix::fs::symlinkat(target, &self.0, name.as_bytes())
    }

    /// Gives `from` the name `to`, replacing what is there.
    pub(super) fn rename(&self, from: &BStr, to: &BStr) -> Result<(), Errno> {
        rustix::fs::renameat(&self.0, from.as_bytes(), &self.0, to.as_bytes())
    }

    /// Gives `from` the name `to` unless that is taken: [`Errno::EXIST`].
    pub(super) fn rename_new(&self, from: &BStr, to: &BStr) -> Result<(), Errno> {
        let flags = RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(&self.0, from.as_bytes(), &self.0, to.as_bytes(), flags) {
            // A file system that cannot; looking first is the next best.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => match self.stat(to)? {
                Some(_) => Err(Errno::EXIST),
                None => self.rename(from, to),
            },
            other => other,
        }
    }

    /// Removes a file or link.
    pub(super) fn remove(&self, name: &BStr) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.0, name.as_bytes(), AtFlags::empty())
    }

    /// Removes an empty folder.
    pub(super) fn remove_folder(&self, name: &BStr) -> Result<(), Errno> {
        rustix::fs::unlinkat(&self.0, name.as_bytes(), AtFlags::REMOVEDIR)
    }

    /// Removes a folder that holds nothing but folders; fails with [`Errno::NOTEMPTY`] when it holds more, and then
    /// leaves it as it is.
    pub(super) fn remove_empty(&self, name: &BStr) -> Result<(), Errno> {
        match self.remove_folder(name) {
            Err(Errno::NOTEMPTY | Errno::EXIST) if !self.inner(name)?.holds_files()? => {}
            other => return other,
        }
        let inner = self.inner(name)?;
        for folder in inner.names()? {
            inner.remove_empty(folder.as_bstr())?;
        }
        self.remove_folder(name)
    }

    /// The folder `name` in it.
    fn inner(&self, name: &BStr) -> Result<Self, Errno> {
        rustix::fs::openat(&self.0, name.as_bytes(), OPEN, Mode::empty()).map(Self)
    }

    /// Whether anything but folders lies in it, at any depth.
    fn holds_files(&self) -> Result<bool, Errno> {
        for name in self.names()? {
            let name = name.as_bstr();
            if self.kind(name)? != Some(FileType::Directory) || self.inner(name)?.holds_files()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The names in it, in no order.
    pub(super) fn names(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                names.push(name.to_vec());
            }
        }
        Ok(names)
    }

    /// Puts its entries on stable storage.
    pub(super) fn sync(&self) -> Result<(), Errno> {
        rustix::fs::fsync(&self.0)
    }
}
