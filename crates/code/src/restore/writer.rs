//! One step at a time, below one folder. What is written becomes visible whole, by one rename, after its content is on
//! stable storage.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use carry_kernel::disk::DiskError;
use rustix::fs::{FileType, Mode, RawMode};
use rustix::io::Errno;

use super::filters::Filters;
use super::folder::{Blocked, Folder};
use super::look::Entry;
use super::{Action, RestoreError, Restored, Step, os_path, paths};
use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice as _};
use crate::shadow_index::Stat;

/// Longest name that file systems take, in bytes.
const NAME_BYTES_MAX: usize = 255;
/// How many names are tried to keep something aside.
const ASIDE_MAX: u32 = 10_000;

/// Writes below one folder.
pub(super) struct Writer<'r> {
    at: &'r Path,
    root: Folder,
    gix: &'r gix::Repository,
    pub(super) filters: Filters<'r>,
    keep_links: bool,
    pub(super) restored: Restored,
    /// The folder opened last, since paths come in order.
    last: Option<(BString, Folder)>,
    /// Folders whose entries changed, or may have.
    touched: BTreeSet<BString>,
    /// Folders that something was deleted from.
    emptied: BTreeSet<BString>,
    nonce: u64,
    n_temporary: u64,
}

impl<'r> Writer<'r> {
    pub(super) fn new(at: &'r Path, gix: &'r gix::Repository, filters: Filters<'r>) -> Result<Self, RestoreError> {
        let root = Folder::root(at).map_err(|e| DiskError::at("open", at)(e.into()))?;
        let mut nonce = [0; 8];
        getrandom::fill(&mut nonce)
            .map_err(|e| DiskError::at("name a file in", at)(std::io::Error::other(e.to_string())))?;
        Ok(Self {
            at,
            root,
            gix,
            filters,
            keep_links: gix.config_snapshot().boolean("core.symlinks").unwrap_or(true),
            restored: Restored::default(),
            last: None,
            touched: BTreeSet::new(),
            emptied: BTreeSet::new(),
            nonce: u64::from_ne_bytes(nonce),
            n_temporary: 0,
        })
    }

    /// Runs one step; a failure is noted and stops nothing else.
    pub(super) fn run(&mut self, path: &BString, step: impl FnOnce(&mut Self) -> Result<(), String>) {
        if let Err(problem) = step(self) {
            self.restored.failed.push((path.clone(), problem));
        }
    }

    pub(super) fn delete(&mut self, step: &Step) -> Result<(), String> {
        let (folder_path, name) = paths::split(step.path.as_bstr());
        let folder = match self.folder(step.path.as_bstr(), false) {
            Err(Blocked::Missing) => {
                self.note_left_out(step);
                return Ok(());
            }
            folder => folder.map_err(|e| e.to_string())?,
        };
        match folder.stat(name).map_err(|e| e.to_string())? {
            None => self.note_left_out(step),
            Some(stat) if Some(Stat::of(&stat)) == step.found => {
                folder.remove(name).map_err(|e| format!("it cannot be deleted: {e}"))?;
                self.touch(folder_path);
                self.emptied.insert(folder_path.to_owned());
                self.restored.deleted.push(step.path.clone());
            }
            Some(_) => return Err("it changed meanwhile".to_owned()),
        }
        Ok(())
    }

    /// What a sparse checkout left out is deleted without there being a file.
    fn note_left_out(&mut self, step: &Step) {
        if step.is_left_out() {
            self.restored.deleted.push(step.path.clone());
        }
    }

    pub(super) fn move_aside(&mut self, step: &Step) -> Result<(), String> {
        let (folder_path, name) = paths::split(step.path.as_bstr());
        let folder = match self.folder(step.path.as_bstr(), false) {
            Err(Blocked::Missing) => return Ok(()),
            folder => folder.map_err(|e| e.to_string())?,
        };
        if folder.stat(name).map_err(|e| e.to_string())?.is_some() {
            let kept = set_aside(folder, name)?;
            self.touch(folder_path);
            self.note_kept(step.path.as_bstr(), kept.as_bstr());
            // What moved may be a folder that is held open.
            self.last = None;
        }
        Ok(())
    }

    /// Writes a file or link of the working tree, and keeps aside what no snapshot holds.
    pub(super) fn put(&mut self, step: &Step) -> Result<(), String> {
        let Some(entry) = step.entry else { return Ok(()) };
        let (path, name) = (step.path.as_bstr(), paths::split(step.path.as_bstr()).1);
        let temporary = self.write_temporary(path, entry)?;
        let placed = self.place(step, name, &temporary);
        self.settle(path, name, temporary, placed)
    }

    /// Makes way for a written file. Looks only now: a filter may have taken its time.
    fn place(&mut self, step: &Step, name: &BStr, temporary: &Temporary) -> Result<Over, String> {
        let folder = self.folder(step.path.as_bstr(), false).map_err(|e| e.to_string())?;
        let Some(there) = folder.stat(name).map_err(|e| e.to_string())? else { return Ok(Over::Nothing) };
        let is_folder = FileType::from_raw_mode(there.st_mode) == FileType::Directory;
        if is_folder && step.action != Action::KeepAside {
            return match folder.remove_empty(name) {
                Ok(()) => Ok(Over::Nothing),
                Err(Errno::NOTEMPTY | Errno::EXIST) => Err("a folder that holds something stands there".to_owned()),
                Err(error) => Err(format!("the folder there cannot be removed: {error}")),
            };
        }
        if step.action == Action::Replace && Some(Stat::of(&there)) == step.found {
            if let Some(file) = &temporary.file
                && FileType::from_raw_mode(there.st_mode) == FileType::RegularFile
            {
                keep_permissions(file, there.st_mode, temporary.executable)?;
            }
            return Ok(Over::Same);
        }
        let kept = set_aside(folder, name)?;
        self.note_kept(step.path.as_bstr(), kept.as_bstr());
        Ok(Over::Nothing)
    }

    /// Writes a file or link where nothing may be.
    pub(super) fn put_new(&mut self, path: &BStr, entry: Entry) -> Result<(), String> {
        if entry.0 == mode::SUBMODULE {
            return Err(format!("it is a submodule, at commit {}", entry.1));
        }
        let name = paths::split(path).1;
        let temporary = self.write_temporary(path, entry)?;
        self.settle(path, name, temporary, Ok(Over::Nothing))
    }

    /// Gives a written file its name, or removes it again.
    fn settle(
        &mut self,
        path: &BStr,
        name: &BStr,
        temporary: Temporary,
        placed: Result<Over, String>,
    ) -> Result<(), String> {
        let folder = self.folder(path, false).map_err(|e| e.to_string())?;
        let from = temporary.name.as_bstr();
        let done = placed.and_then(|over| {
            let renamed = match over {
                Over::Nothing => folder.rename_new(from, name),
                Over::Same => folder.rename(from, name),
            };
            renamed.map_err(|error| match error {
                Errno::EXIST => "something is there already".to_owned(),
                error => format!("it cannot be put in its place: {error}"),
            })
        });
        if done.is_err() {
            // A file that stays behind is one too many, and the reason it failed is told already.
            let _ = folder.remove(from);
        } else {
            self.restored.written.push(path.to_owned());
        }
        self.touch(paths::split(path).0);
        done
    }

    /// Writes `entry` beside `path`, on stable storage.
    fn write_temporary(&mut self, path: &BStr, (entry_mode, id): Entry) -> Result<Temporary, String> {
        let object = self.gix.find_object(id).map_err(|e| format!("its content cannot be read: {e}"))?;
        if object.kind != gix::objs::Kind::Blob {
            return Err(format!("its content is a {}", object.kind));
        }
        let (is_link, executable) = match entry_mode & 0o170_000 {
            0o120_000 => (true, false),
            0o100_000 => (false, entry_mode & 0o100 != 0),
            _ => return Err(format!("its mode is {entry_mode:o}")),
        };
        self.n_temporary += 1;
        let name: BString = format!(".carry-tmp-{:016x}-{}", self.nonce, self.n_temporary).into();
        let keep_links = self.keep_links;
        self.folder(path, true).map_err(|e| e.to_string())?;
        let Some((_, folder)) = &self.last else { return Err(Blocked::Missing.to_string()) };
        if is_link && keep_links {
            folder.link(name.as_bstr(), &object.data).map_err(|e| format!("the link cannot be made: {e}"))?;
            return Ok(Temporary { name, file: None, executable });
        }
        let file = folder
            .create(name.as_bstr(), if executable { 0o777 } else { 0o666 })
            .map_err(|e| format!("it cannot be written: {e}"))?;
        let written = (|| {
            let mut to = BufWriter::new(&file);
            if is_link {
                to.write_all(&object.data)?;
            } else {
                self.filters.write(&object.data, path, &mut to)?;
            }
            to.flush()?;
            drop(to);
            file.sync_all()
        })();
        if let Err(error) = written {
            // As above.
            let _ = folder.remove(name.as_bstr());
            return Err(format!("it cannot be written: {error}"));
        }
        Ok(Temporary { name, file: Some(file), executable })
    }

    /// The folder that `path` lies in, open.
    fn folder(&mut self, path: &BStr, make: bool) -> Result<&Folder, Blocked> {
        let folder_path = paths::split(path).0;
        if self.last.as_ref().is_none_or(|(at, _)| at != folder_path) {
            let parts = paths::parts(path).map_err(Blocked::Refused)?;
            let folder = self.root.below(&parts[..parts.len() - 1], make)?;
            self.last = Some((folder_path.to_owned(), folder));
        } else {
            paths::parts(path).map_err(Blocked::Refused)?;
        }
        self.last.as_ref().map(|(_, folder)| folder).ok_or(Blocked::Missing)
    }

    /// Notes that the entries of a folder changed; those above it may be new with it.
    fn touch(&mut self, folder: &BStr) {
        let mut here = folder;
        while !here.is_empty() && self.touched.insert(here.to_owned()) {
            here = paths::split(here).0;
        }
        self.touched.insert(BString::default());
    }

    fn note_kept(&mut self, path: &BStr, name: &BStr) {
        let to = paths::join(paths::split(path).0, name);
        self.restored.kept.push((path.to_owned(), self.at.join(os_path(to.as_bstr()))));
    }

    /// Removes the folders that deleting has left empty.
    pub(super) fn remove_emptied(&mut self) {
        self.last = None;
        while let Some(folder) = self.emptied.pop_last() {
            if folder.is_empty() {
                continue;
            }
            let (above, name) = paths::split(folder.as_bstr());
            // One that is gone, or is not empty, stays as it is.
            let removed = self.folder(folder.as_bstr(), false).is_ok_and(|parent| parent.remove_folder(name).is_ok());
            if removed {
                let above = above.to_owned();
                self.touch(above.as_bstr());
                self.emptied.insert(above);
            }
        }
    }

    /// Puts all folders on stable storage.
    pub(super) fn finish(mut self) -> Restored {
        for folder in std::mem::take(&mut self.touched) {
            let parts: Vec<&BStr> =
                folder.split(|b| *b == b'/').filter(|part| !part.is_empty()).map(|part| part.as_bstr()).collect();
            let synced = match self.root.below(&parts, false) {
                Ok(open) => open.sync().map_err(|e| e.to_string()),
                // Removed, or replaced by a file, which the folder above it tells.
                Err(Blocked::Missing | Blocked::Link(_) | Blocked::NoFolder(_)) => Ok(()),
                Err(blocked) => Err(blocked.to_string()),
            };
            if let Err(problem) = synced {
                self.restored.failed.push((folder, format!("it cannot be put on stable storage: {problem}")));
            }
        }
        self.restored.written.sort();
        self.restored.deleted.sort();
        self.restored
    }
}

/// A file or link written under a name of its own.
struct Temporary {
    name: BString,
    /// `None` for a link.
    file: Option<File>,
    executable: bool,
}

/// What a written file takes the place of.
enum Over {
    Nothing,
    /// What was there when it was planned, which is held.
    Same,
}

/// A file that only its owner may read stays so; execution follows the snapshot.
fn keep_permissions(file: &File, old: RawMode, executable: bool) -> Result<(), String> {
    let old = old & 0o777;
    let permissions = if executable { old | (old & 0o444) >> 2 } else { old & !0o111 };
    rustix::fs::fchmod(file, Mode::from_raw_mode(permissions))
        .map_err(|e| format!("its permissions cannot be set: {e}"))
}

/// Renames to the first `<name>.carry-kept-<n>` that is free; returns the new name.
fn set_aside(folder: &Folder, name: &BStr) -> Result<BString, String> {
    for n in 1..=ASIDE_MAX {
        let suffix = format!(".carry-kept-{n}");
        let mut length = name.len().min(NAME_BYTES_MAX - suffix.len());
        // Not in the middle of a character: some file systems take only UTF-8.
        while length > 0 && length < name.len() && name[length] & 0xc0 == 0x80 {
            length -= 1;
        }
        let kept: BString = [&name[..length], suffix.as_bytes()].concat().into();
        match folder.rename_new(name, kept.as_bstr()) {
            Ok(()) => return Ok(kept),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(format!("what is there cannot be moved aside: {error}")),
        }
    }
    Err("what is there cannot be moved aside: all names are taken".to_owned())
}
