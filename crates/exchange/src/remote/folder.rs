//! A folder as a place: one that a sync tool replicates, a network drive, a stick.
//!
//! A file is written under a temporary name in its folder, synced, and given its name in one step that never replaces, so
//! that nobody sees half of it under its name, and a process that dies leaves at most a temporary file. File systems differ
//! in what they offer for that step; [`Ways`] says how each is served. Below the place no symbolic link is followed:
//! everything is opened from the folder above it.

use std::io::{Seek as _, SeekFrom, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use carry_kernel::fault;
use rustix::fd::OwnedFd;

use crate::name::{FORMAT_BYTES, Folder, Format, LogId, Temporary};

use super::deadline::Deadline;
use super::dice::Dice;
use super::error::RemoteError;
use super::file::RemoteFile;
use super::marker::{self, MARKER_BYTES_MAX};
use super::pipe::{self, Stamp};
use super::{Got, Init, Listed, Listing, Part, Put, Remote, Source};

mod blame;
mod draft;
mod scan;
mod tree;

use blame::Blame;
use tree::{MARKER, NAME};

/// A folder of a file system.
///
/// Its files are 0600 and its folders 0700. A put may leave half a file under its final name only where the file system can
/// neither link nor rename, and only if the process or the machine dies meanwhile; see [`Ways`].
#[derive(Debug)]
pub struct FolderRemote {
    root: PathBuf,
    place: String,
    writer: [u8; 4],
    nonces: Dice,
    ways: Ways,
}

/// In which ways a finished file may be given its name, tried in this order. All are, unless a place is known to lie about
/// one.
///
/// 1. `link`: a second name for the file, then the temporary one goes. It fails where the name is taken, on every file
///    system that has links, NFS included.
/// 2. `rename_new`: a rename that fails where the name is taken. FAT and exFAT have it on Linux, and no links.
/// 3. `rename`: a look, then a rename. Whoever takes the name between the two is replaced. That harms nobody: a name has one
///    valid content, so what is replaced is either the same or damaged; and it is never half a file.
/// 4. Without any of these, as on some mounted buckets, the file is made under its own name and written there. Nothing is
///    replaced, but a process that dies leaves half a file, which others see as one that is still arriving. Its author finds
///    it by its size and puts a replica beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ways {
    /// The first.
    pub link: bool,
    /// The second.
    pub rename_new: bool,
    /// The third.
    pub rename: bool,
}

impl Default for Ways {
    fn default() -> Self {
        Self { link: true, rename_new: true, rename: true }
    }
}

impl FolderRemote {
    /// The place that is the folder `root`, which may itself be reached over links. `writer` is the log whose device writes;
    /// its temporary files bear its name. From `seed` their names are drawn: a number that differs from process to process
    /// saves tries. Touches nothing.
    pub fn new(root: &Path, writer: LogId, seed: u64) -> Self {
        Self {
            root: root.to_owned(),
            place: root.display().to_string(),
            writer: first4(writer),
            nonces: Dice::new(seed),
            ways: Ways::default(),
        }
    }

    /// The same place with only these ways to name a file.
    #[must_use]
    pub fn with_ways(self, ways: Ways) -> Self {
        Self { ways, ..self }
    }

    fn blame<'a>(&'a self, file: &'a str) -> Blame<'a> {
        Blame { place: &self.place, file }
    }

    /// A temporary name.
    fn temporary(&self) -> String {
        let [a, b, c, d, ..] = self.nonces.roll().to_le_bytes();
        Temporary { log: self.writer, nonce: [a, b, c, d] }.to_string()
    }

    /// The folder `carry` of a place that is marked. What is done below it is done where the marker was seen, even if the
    /// place is unmounted meanwhile.
    fn marked(&self, deadline: &Deadline<'_>) -> Result<OwnedFd, RemoteError> {
        deadline.check(&self.place)?;
        let root = tree::root(&self.root).map_err(|e| self.blame("").reach(e))?;
        let carry = tree::folder(&root, NAME).map_err(|e| self.blame(NAME).folder(e))?;
        let carry = carry.ok_or_else(|| RemoteError::NoMarker { place: self.place.clone() })?;
        marker::judge(&self.place, self.marker(&carry)?)?;
        Ok(carry)
    }

    /// What the marker says; `None` where there is none.
    fn marker(&self, carry: &OwnedFd) -> Result<Option<Format>, RemoteError> {
        let blame = self.blame(MARKER);
        let Some(file) = tree::file(carry, "format.json").map_err(|e| blame.file(e))? else { return Ok(None) };
        let bytes = tree::beginning(file, MARKER_BYTES_MAX as u64).map_err(|e| blame.read(e))?;
        Ok(Some(Format::read(&bytes)))
    }

    /// The folder of this path below the place, e.g. `carry/h`, if it is there.
    fn folder(&self, carry: &OwnedFd, path: &str) -> Result<Option<OwnedFd>, RemoteError> {
        let mut at = tree::same(carry).map_err(|e| self.blame(path).folder(e))?;
        for name in path.split('/').skip(1) {
            match tree::folder(&at, name).map_err(|e| self.blame(path).folder(e))? {
                Some(inner) => at = inner,
                None => return Ok(None),
            }
        }
        Ok(Some(at))
    }

    /// The same, made where it is missing.
    fn made(&self, carry: &OwnedFd, path: &str) -> Result<OwnedFd, RemoteError> {
        let mut at = tree::same(carry).map_err(|e| self.blame(path).folder(e))?;
        for name in path.split('/').skip(1) {
            at = tree::make(&at, name).map_err(|e| self.blame(path).write(e))?;
        }
        Ok(at)
    }

    fn absent(&self, file: &RemoteFile) -> RemoteError {
        RemoteError::NotThere { place: self.place.clone(), file: file.to_string() }
    }
}

impl Remote for FolderRemote {
    fn place(&self) -> &str {
        &self.place
    }

    fn check(&self, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        self.marked(deadline).map(drop)
    }

    /// The folder itself must be there: one that is missing may be a disk that is not mounted.
    fn init(&self, deadline: &Deadline<'_>) -> Result<Init, RemoteError> {
        deadline.check(&self.place)?;
        let root = tree::root(&self.root).map_err(|e| self.blame("").reach(e))?;
        let carry = tree::make(&root, NAME).map_err(|e| self.blame(NAME).write(e))?;
        let put = draft::put(self, &carry, "format.json", MARKER, Source::Bytes(FORMAT_BYTES), deadline)?;
        let said = self.marker(&carry)?.unwrap_or(Format::Unknown);
        match put {
            Put::Created => Ok(Init::Created),
            Put::Exists { .. } => marker::judge(&self.place, Some(said)).map(|()| Init::Already),
        }
    }

    fn list(
        &self,
        folder: Folder,
        deadline: &Deadline<'_>,
        each: &mut dyn FnMut(&[Listing]) -> ControlFlow<()>,
    ) -> Result<Listed, RemoteError> {
        let carry = self.marked(deadline)?;
        let path = folder.to_string();
        match self.folder(&carry, &path)? {
            Some(dir) => scan::list(self.blame(&path), &dir, deadline, each),
            None => Ok(Listed::Whole),
        }
    }

    fn get(
        &self,
        file: &RemoteFile,
        part: Part,
        into: &mut dyn Write,
        deadline: &Deadline<'_>,
    ) -> Result<Got, RemoteError> {
        let carry = self.marked(deadline)?;
        let blame = self.blame(file.path());
        let dir = self.folder(&carry, file.folder_path())?.ok_or_else(|| self.absent(file))?;
        let opened = tree::file(&dir, file.name()).map_err(|e| blame.file(e))?;
        let mut opened = opened.ok_or_else(|| self.absent(file))?;
        let before = Stamp::of(&opened).map_err(|e| blame.read(e))?;
        let (from, to) = part.within(before.bytes, &self.place, file)?;
        opened.seek(SeekFrom::Start(from)).map_err(|e| blame.read(e))?;
        let (mut at, mut piece) = (from, vec![0; pipe::PIECE_BYTES]);
        while at < to {
            deadline.check(&self.place)?;
            let room = usize::try_from(to - at).unwrap_or(usize::MAX).min(piece.len());
            fault::point("exchange.folder.read").map_err(|e| blame.read(e))?;
            let n = pipe::read_some(&mut opened, &mut piece[..room]).map_err(|e| blame.read(e))?;
            if n == 0 {
                break;
            }
            pipe::hand_over(into, &piece[..n], &self.place)?;
            at += n as u64;
        }
        let after = Stamp::of(&opened).map_err(|e| blame.read(e))?;
        if after != before {
            return Err(RemoteError::Changing { place: self.place.clone(), file: file.to_string() });
        }
        if at < to {
            return Err(blame.read(std::io::ErrorKind::UnexpectedEof.into()));
        }
        let version = tree::version(&opened).map_err(|e| blame.read(e.into()))?;
        Ok(Got { bytes: to - from, size: before.bytes, version })
    }

    fn put(&self, file: &RemoteFile, source: Source<'_>, deadline: &Deadline<'_>) -> Result<Put, RemoteError> {
        file.may_put()?;
        let carry = self.marked(deadline)?;
        let dir = self.made(&carry, file.folder_path())?;
        draft::put(self, &dir, file.name(), file.path(), source, deadline)
    }

    fn delete(&self, file: &RemoteFile, deadline: &Deadline<'_>) -> Result<bool, RemoteError> {
        file.may_delete()?;
        let carry = self.marked(deadline)?;
        let Some(dir) = self.folder(&carry, file.folder_path())? else { return Ok(false) };
        let blame = self.blame(file.path());
        deadline.check(&self.place)?;
        match tree::look(&dir, file.name()).map_err(|e| blame.write(e))? {
            None => Ok(false),
            Some(seen) if !seen.is_file => Err(blame.foreign()),
            Some(_) => tree::remove(&dir, file.name()).map_err(|e| blame.write(e)),
        }
    }

    fn sweep(&self, writers: &[LogId], now: Timestamp, deadline: &Deadline<'_>) -> Result<u64, RemoteError> {
        let carry = self.marked(deadline)?;
        let writers: Vec<[u8; 4]> = writers.iter().copied().map(first4).collect();
        let mut sweep = scan::Sweep { writers: &writers, now, deadline, removed: 0 };
        sweep.folder(self.blame(NAME), &carry)?;
        if let Some(heads) = self.folder(&carry, "carry/h")? {
            sweep.folder(self.blame("carry/h"), &heads)?;
        }
        if let Some(logs) = self.folder(&carry, "carry/l")? {
            sweep.folders_in(self.blame("carry/l"), &logs)?;
        }
        Ok(sweep.removed)
    }

    /// All heads lie in one folder; the other shows when that is made, and the marker.
    fn watched(&self) -> Vec<PathBuf> {
        vec![self.root.join("carry"), self.root.join("carry/h")]
    }
}

fn first4(log: LogId) -> [u8; 4] {
    let [a, b, c, d, ..] = *log.as_bytes();
    [a, b, c, d]
}

#[cfg(test)]
mod tests;
