//! One path in a fingerprint.

use std::fmt;
use std::fs::{self, Metadata};
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Content up to this size is kept, so that a difference can be shown; of larger files length and hash, in bytes.
const KEPT_BYTES_MAX: usize = 256 * 1024;

/// What is at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    kind: &'static str,
    mode: u32,
    /// Time of the last change in nanoseconds since 1970; 0 where it does not count.
    changed: i128,
    content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Kept(Vec<u8>),
    Hashed { bytes: usize, hash: u64 },
    Unreadable(String),
}

impl Entry {
    /// Of the path as it is; of links, the link. `edit` may take out what does not count.
    pub(super) fn of(path: &Path, meta: &Metadata, edit: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let kind = meta.file_type();
        let (kind, content) = if kind.is_symlink() {
            ("link", fs::read_link(path).map(|target| target.as_os_str().as_bytes().to_vec()))
        } else if kind.is_dir() {
            ("folder", Ok(Vec::new()))
        } else if kind.is_file() {
            ("file", fs::read(path))
        } else if kind.is_fifo() {
            ("fifo", Ok(Vec::new()))
        } else {
            ("special file", Ok(Vec::new()))
        };
        let content = match content.map(edit) {
            Ok(bytes) if bytes.len() <= KEPT_BYTES_MAX => Content::Kept(bytes),
            Ok(bytes) => Content::Hashed { bytes: bytes.len(), hash: hash(&bytes) },
            Err(error) => Content::Unreadable(error.to_string()),
        };
        let changed = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Self { kind, mode: meta.mode() & 0o7777, changed, content }
    }

    pub(super) fn is_folder(&self) -> bool {
        self.kind == "folder"
    }

    pub(super) fn forget_time(&mut self) {
        self.changed = 0;
    }

    /// How this differs from what was there before.
    pub(super) fn difference(&self, before: &Self) -> String {
        if self.kind != before.kind {
            return format!("was {before}, is {self}");
        }
        let mut parts = Vec::new();
        if self.mode != before.mode {
            parts.push(format!("mode {:o} became {:o}", before.mode, self.mode));
        }
        if self.changed != before.changed {
            parts.push(format!("time moved by {} µs", (self.changed - before.changed) / 1000));
        }
        if self.content != before.content {
            parts.push(self.content.difference(&before.content));
        }
        parts.join(", ")
    }
}

impl Content {
    fn difference(&self, before: &Self) -> String {
        let (Self::Kept(now), Self::Kept(was)) = (self, before) else { return format!("{before} became {self}") };
        let at = now.iter().zip(was).take_while(|(a, b)| a == b).count();
        let excerpt = |bytes: &[u8]| {
            let end = bytes.len().min(at + 60);
            String::from_utf8_lossy(&bytes[at.min(end)..end]).escape_debug().to_string()
        };
        format!(
            "{} became {} bytes, from byte {at}: \"{}\" became \"{}\"",
            was.len(),
            now.len(),
            excerpt(was),
            excerpt(now)
        )
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:o} of {}", self.kind, self.mode, self.content)
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::Hashed { bytes, hash } => write!(f, "{bytes} bytes ({hash:016x})"),
            Self::Unreadable(why) => write!(f, "unreadable content ({why})"),
        }
    }
}

/// For comparing within one process only: the hasher is that of the standard library.
fn hash(bytes: &[u8]) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
