//! Which folder a path leads to, and which repository lies there.

use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::{Presence, Tree};
use crate::git::ByteSlice as _;

/// Longest `.git` file or `commondir` that is read, in bytes.
const POINTER_BYTES_MAX: u64 = 16 * 1024;

/// A folder as the file system knows it, whatever its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) dev: i64,
    pub(super) ino: i64,
    /// When it was made, in nanoseconds, where the file system tells: inode numbers are used again soon.
    pub(super) born: Option<i64>,
}

impl Place {
    /// The place of the folder at `path`; `None` when there is none that we may look at.
    pub(super) fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().filter(Metadata::is_dir).map(|found| Self::from(&found))
    }

    /// Whether both are the same folder, as far as can be told.
    pub(super) fn is(&self, other: &Self) -> bool {
        let same_birth = match (self.born, other.born) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => true,
        };
        (self.dev, self.ino) == (other.dev, other.ino) && same_birth
    }
}

impl From<&Metadata> for Place {
    fn from(found: &Metadata) -> Self {
        let born = found.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        Self {
            dev: found.dev().cast_signed(),
            ino: found.ino().cast_signed(),
            born: born.and_then(|at| i64::try_from(at.as_nanos()).ok()),
        }
    }
}

/// Whether nothing at all is at `path`. A path that we may not look at, or a file system that fails, does not count.
pub(super) fn is_gone(path: &Path) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    fs::symlink_metadata(path).is_err_and(|e| matches!(e.kind(), NotFound | NotADirectory))
}

pub(super) fn presence(tree: &Tree) -> Presence {
    if !tree.root.is_dir() {
        return Presence::Missing;
    }
    let real = |dir: &Path| fs::canonicalize(dir).ok();
    match common_dir(&tree.root).and_then(|found| real(&found)) {
        Some(found) if Some(&found) == real(&tree.common_dir).as_ref() => Presence::Present,
        _ => Presence::Replaced,
    }
}

/// The shared git directory of the working tree at `root`, read off its files without opening the repository: `status`
/// asks for every tree.
fn common_dir(root: &Path) -> Option<PathBuf> {
    let dot_git = root.join(".git");
    let git_dir = if dot_git.is_dir() {
        dot_git
    } else {
        let text = read_small(&dot_git)?;
        root.join(as_path(text.strip_prefix(b"gitdir:")?))
    };
    if !git_dir.join("HEAD").is_file() {
        return None;
    }
    match read_small(&git_dir.join("commondir")) {
        Some(text) => Some(git_dir.join(as_path(&text))),
        None => Some(git_dir),
    }
}

fn read_small(path: &Path) -> Option<Vec<u8>> {
    // Asked first: opening a FIFO would wait for a writer.
    if !path.is_file() {
        return None;
    }
    carry_kernel::disk::read_bounded(path, POINTER_BYTES_MAX).ok().flatten()
}

/// Git ends these files in a line feed and allows a space after `gitdir:`.
fn as_path(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text.trim_ascii_start().trim_end_with(|c| c == '\n' || c == '\r')))
}
