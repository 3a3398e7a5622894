//! Going through a folder with little memory, however much is in it.

use std::ops::ControlFlow;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use rustix::fd::OwnedFd;
use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use crate::name::{Entry, Folder};
use crate::remote::deadline::Deadline;
use crate::remote::error::RemoteError;
use crate::remote::{Listed, Listing, PAGE_FILES_MAX, TEMPORARY_KEPT, Version, file};

use super::blame::Blame;
use super::tree::{self, Seen};

/// Hands out the files of `dir`.
pub(super) fn list(
    blame: Blame<'_>,
    dir: &OwnedFd,
    deadline: &Deadline<'_>,
    each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
) -> Result<Listed, RemoteError> {
    let mut page = Vec::new();
    let walk = walk(blame, dir, deadline, &mut |name, _| {
        if !file::is_plain(name) {
            return Ok(ControlFlow::Continue(()));
        }
        page.extend(listing(name, tree::look(dir, name)).map_err(|e| blame.file(e))?);
        if page.len() < PAGE_FILES_MAX {
            return Ok(ControlFlow::Continue(()));
        }
        let next = each(&page);
        page.clear();
        Ok(next)
    })?;
    if walk.is_break() || (!page.is_empty() && each(&page).is_break()) {
        return Ok(Listed::Stopped);
    }
    Ok(Listed::Whole)
}

/// What is shown of a name.
pub(super) fn listing(name: &str, seen: Result<Option<Seen>, Errno>) -> Result<Option<Listing>, Errno> {
    let (bytes, version) = match seen {
        Ok(Some(seen)) if seen.is_file => (seen.bytes, seen.version),
        // What went since its name was read is not there any more.
        Ok(_) => return Ok(None),
        // One bad entry on a stick must not hide all others. Its name is taken, and no object has no bytes.
        Err(Errno::IO | Errno::ACCESS | Errno::PERM | Errno::OVERFLOW | Errno::BADMSG) => {
            (0, Version("unknown".to_owned()))
        }
        Err(e) => return Err(e),
    };
    Ok(Some(Listing { name: name.to_owned(), bytes, version }))
}

/// Removal of old temporaries.
pub(super) struct Sweep<'a> {
    pub(super) writers: &'a [[u8; 4]],
    pub(super) now: Timestamp,
    pub(super) deadline: &'a Deadline<'a>,
    pub(super) removed: u64,
}

impl Sweep<'_> {
    /// Sweeps one folder.
    pub(super) fn folder(&mut self, blame: Blame<'_>, dir: &OwnedFd) -> Result<(), RemoteError> {
        let deadline = self.deadline;
        walk(blame, dir, deadline, &mut |name, _| {
            if self.is_ours(name) && self.is_old(dir, name) && tree::remove(dir, name).map_err(|e| blame.write(e))? {
                self.removed += 1;
            }
            Ok(ControlFlow::Continue(()))
        })
        .map(drop)
    }

    /// Sweeps all folders in `dir`.
    pub(super) fn folders_in(&mut self, blame: Blame<'_>, dir: &OwnedFd) -> Result<(), RemoteError> {
        let deadline = self.deadline;
        walk(blame, dir, deadline, &mut |name, kind| {
            // Some file systems do not say what an entry is; opening it does.
            let may_be_ours = matches!(kind, FileType::Directory | FileType::Unknown);
            if may_be_ours && format!("carry/l/{name}").parse::<Folder>().is_ok() {
                match tree::folder(dir, name) {
                    Ok(Some(inner)) => self.folder(blame, &inner)?,
                    Ok(None) | Err(Errno::NOTDIR | Errno::LOOP) => {}
                    Err(e) => return Err(blame.folder(e)),
                }
            }
            Ok(ControlFlow::Continue(()))
        })
        .map(drop)
    }

    fn is_ours(&self, name: &str) -> bool {
        // The form of a temporary name is the same in every folder.
        matches!(Entry::read(Folder::Heads, name), Entry::Temporary(temporary) if self.writers.contains(&temporary.log))
    }

    fn is_old(&self, dir: &OwnedFd, name: &str) -> bool {
        // A second of slack, since the seconds were rounded down.
        let kept = TEMPORARY_KEPT + Duration::from_secs(1);
        // What cannot be looked at stays: waste, and no harm.
        let seen = tree::look(dir, name).ok().flatten();
        seen.is_some_and(|seen| seen.is_file && self.now.since(Timestamp::from_secs(seen.modified_s)) > kept)
    }
}

/// Takes a name and what it is the name of.
type Each<'a> = &'a mut dyn FnMut(&str, FileType) -> Result<ControlFlow<()>, RemoteError>;

/// Hands each name in `dir` to `each` until that breaks. Names that are not UTF-8 are not ours.
fn walk(
    blame: Blame<'_>,
    dir: &OwnedFd,
    deadline: &Deadline<'_>,
    each: Each<'_>,
) -> Result<ControlFlow<()>, RemoteError> {
    for entry in Dir::read_from(dir).map_err(|e| blame.folder(e))? {
        deadline.check(blame.place)?;
        let entry = entry.map_err(|e| blame.read(e.into()))?;
        if let Ok(name) = entry.file_name().to_str()
            && each(name, entry.file_type())?.is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}
