//! A file on its way to its name.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use carry_kernel::fault;
use rustix::fd::OwnedFd;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;

use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::pipe::Opened;
use crate::remote::{Put, Source};

use super::FolderRemote;
use super::blame::Blame;
use super::tree;

/// How often a name that is taken is drawn anew. Four random bytes meet so often only if somebody means it.
const DRAWS_MAX: u32 = 16;

/// Puts `source` as `name` into `dir`. `path` is for errors.
pub(super) fn put(
    remote: &FolderRemote,
    dir: &OwnedFd,
    name: &str,
    path: &str,
    source: Source<'_>,
    deadline: &Deadline<'_>,
) -> Result<Put, RemoteError> {
    let blame = remote.blame(path);
    let source = Opened::open(source, blame.place)?;
    if let Some(there) = exists(blame, dir, name)? {
        return Ok(there);
    }
    let mut draft = Draft::new(remote, blame, dir)?;
    draft.fill(source, deadline)?;
    deadline.check(blame.place)?;
    let put = match draft.name(remote, name)? {
        Named::As(put) => put,
        Named::NoWay => return draft.copy_to(name, deadline),
    };
    fault::point("exchange.folder.named").map_err(|e| blame.written(e))?;
    drop(draft);
    fault::point("exchange.folder.tidied").map_err(|e| blame.written(e))?;
    tree::sync(dir).map_err(|e| blame.write(e))?;
    fault::point("exchange.folder.done").map_err(|e| blame.written(e))?;
    Ok(put)
}

/// Whether something has this name.
fn exists(blame: Blame<'_>, dir: &OwnedFd, name: &str) -> Result<Option<Put>, RemoteError> {
    let Some(seen) = tree::look(dir, name).map_err(|e| blame.file(e))? else { return Ok(None) };
    // Who put it may not have come to this yet, and our caller takes it for durable.
    tree::sync(dir).map_err(|e| blame.write(e))?;
    Ok(Some(Put::Exists { bytes: if seen.is_file { seen.bytes } else { 0 } }))
}

/// A temporary file, removed again unless it became the real one.
struct Draft<'a> {
    blame: Blame<'a>,
    dir: &'a OwnedFd,
    name: String,
    file: File,
    is_left: bool,
}

/// How naming ended.
enum Named {
    As(Put),
    /// The file system has none of the ways.
    NoWay,
}

impl<'a> Draft<'a> {
    fn new(remote: &FolderRemote, blame: Blame<'a>, dir: &'a OwnedFd) -> Result<Self, RemoteError> {
        let mut draws = 0;
        loop {
            let name = remote.temporary();
            match create(dir, &name) {
                Ok(file) => {
                    let draft = Self { blame, dir, name, file, is_left: true };
                    fault::point("exchange.folder.created").map_err(|e| blame.written(e))?;
                    return Ok(draft);
                }
                Err(Errno::EXIST) if draws < DRAWS_MAX => draws += 1,
                Err(e) => return Err(blame.write(e)),
            }
        }
    }

    fn fill(&mut self, source: Opened<'_>, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let (blame, file) = (self.blame, &mut self.file);
        source.pour(blame.place, deadline, |piece| {
            let n = fault::write_point("exchange.folder.write", piece.len()).map_err(|e| blame.written(e))?;
            file.write_all(&piece[..n]).map_err(|e| blame.written(e))?;
            if n < piece.len() {
                fault::die();
            }
            Ok(())
        })?;
        self.file.sync_all().map_err(|e| blame.written(e))?;
        fault::point("exchange.folder.synced").map_err(|e| blame.written(e))
    }

    /// Gives it its name unless that is taken.
    fn name(&mut self, remote: &FolderRemote, name: &str) -> Result<Named, RemoteError> {
        let ways = remote.ways;
        if ways.link {
            match self.settle(name, fs::linkat(self.dir, &*self.name, self.dir, name, AtFlags::empty()))? {
                Named::NoWay => {}
                named => return Ok(named),
            }
        }
        if ways.rename_new {
            match self.moved(name, self.rename_new(name))? {
                Named::NoWay => {}
                named => return Ok(named),
            }
        }
        if !ways.rename {
            return Ok(Named::NoWay);
        }
        if let Some(there) = exists(self.blame, self.dir, name)? {
            return Ok(Named::As(there));
        }
        self.moved(name, fs::renameat(self.dir, &*self.name, self.dir, name))
    }

    /// What the answer to a rename means: the temporary name is gone with it.
    fn moved(&mut self, name: &str, done: Result<(), Errno>) -> Result<Named, RemoteError> {
        let named = self.settle(name, done)?;
        self.is_left = !matches!(named, Named::As(Put::Created));
        Ok(named)
    }

    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    fn rename_new(&self, name: &str) -> Result<(), Errno> {
        fs::renameat_with(self.dir, &*self.name, self.dir, name, fs::RenameFlags::NOREPLACE)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
    fn rename_new(&self, _name: &str) -> Result<(), Errno> {
        Err(Errno::NOSYS)
    }

    /// What the answer to a link or a rename means.
    fn settle(&self, name: &str, done: Result<(), Errno>) -> Result<Named, RemoteError> {
        let Err(e) = done else { return Ok(Named::As(Put::Created)) };
        let seen = tree::look(self.dir, name).map_err(|e| self.blame.file(e))?;
        let ours = tree::identity(&self.file).map_err(|e| self.blame.write(e))?;
        match seen {
            // A network drive asked twice when an answer was lost, and answered for the second time.
            Some(seen) if seen.is_file && seen.identity == ours => Ok(Named::As(Put::Created)),
            Some(seen) if e == Errno::EXIST => {
                Ok(Named::As(Put::Exists { bytes: if seen.is_file { seen.bytes } else { 0 } }))
            }
            _ if is_not_offered(e) => Ok(Named::NoWay),
            _ => Err(self.blame.write(e)),
        }
    }

    /// Makes the file anew under its own name, where nothing else is possible.
    fn copy_to(mut self, name: &str, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        let blame = self.blame;
        let file = match create(self.dir, name) {
            Ok(file) => file,
            Err(Errno::EXIST) => {
                return exists(blame, self.dir, name)?.ok_or_else(|| blame.write(Errno::NOENT));
            }
            Err(e) => return Err(blame.write(e)),
        };
        // From here on the final name is the one to be removed when something fails. The temporary file is closed before it
        // is read: some mounted buckets give no bytes of a file that is still open for writing.
        let temporary = std::mem::replace(&mut self.name, name.to_owned());
        self.file = file;
        let filled = self.refill(&temporary, deadline);
        // It is of no more use; if it cannot be removed now, a sweep does.
        let _ = tree::remove(self.dir, &temporary);
        filled?;
        self.is_left = false;
        tree::sync(self.dir).map_err(|e| blame.write(e))?;
        fault::point("exchange.folder.done").map_err(|e| blame.written(e))?;
        Ok(Put::Created)
    }

    fn refill(&mut self, temporary: &str, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        let blame = self.blame;
        let from = tree::file(self.dir, temporary).map_err(|e| blame.file(e))?;
        let from = from.ok_or_else(|| blame.write(Errno::NOENT))?;
        self.fill(Opened::of(from, Path::new(temporary), blame.place)?, deadline)
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.is_left {
            // What cannot be removed now, a sweep does.
            let _ = tree::remove(self.dir, &self.name);
        }
    }
}

fn create(dir: &OwnedFd, name: &str) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// How file systems say that they have no links, or no such rename.
fn is_not_offered(e: Errno) -> bool {
    // On Linux this is the same as the one below.
    e == Errno::NOTSUP
        || matches!(
            e,
            Errno::PERM | Errno::ACCESS | Errno::OPNOTSUPP | Errno::NOSYS | Errno::MLINK | Errno::XDEV | Errno::INVAL
        )
}

#[cfg(test)]
mod tests;
