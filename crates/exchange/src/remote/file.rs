//! The name of one file at a place.

use std::fmt;

use crate::name::{Entry, Folder, Form, LogId, ObjectName};

use super::error::RemoteError;

/// Longest name, in bytes: what file systems allow.
const NAME_BYTES_MAX: usize = 255;

/// One file at a place: an object, a replica, or anything else that a listing showed. Its name is a plain one and cannot lead
/// out of its folder.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RemoteFile {
    path: String,
    name_at: usize,
    entry: Kind,
}

/// What may be done with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    /// An object's own name or a replica's: it may be put.
    Ours,
    /// A copy or a temporary: it may only be read and removed.
    Left,
    /// The marker or a foreign file: it may only be read.
    Foreign,
}

impl RemoteFile {
    /// The file `name` in `folder`.
    ///
    /// # Errors
    /// [`RemoteError::InvalidName`] if it is no plain name: empty, too long, a path, hidden, with control characters.
    pub fn new(folder: Folder, name: &str) -> Result<Self, RemoteError> {
        if !is_plain(name) {
            return Err(RemoteError::name(name));
        }
        let entry = match Entry::read(folder, name) {
            Entry::Object(_, Form::Itself | Form::Replica(_)) => Kind::Ours,
            Entry::Object(_, Form::Copy) | Entry::Temporary(_) => Kind::Left,
            Entry::Format | Entry::Other => Kind::Foreign,
        };
        let folder = folder.to_string();
        Ok(Self { path: format!("{folder}/{name}"), name_at: folder.len() + 1, entry })
    }

    /// An object under its own name.
    pub fn object(name: &ObjectName) -> Self {
        Self::ours(name, name.path())
    }

    /// An object's `n`th replica, 1 to 9.
    pub fn replica(name: &ObjectName, n: u8) -> Self {
        Self::ours(name, name.replica_path(n.clamp(1, 9)))
    }

    fn ours(name: &ObjectName, path: String) -> Self {
        Self { path, name_at: name.folder().to_string().len() + 1, entry: Kind::Ours }
    }

    /// The name in its folder.
    pub fn name(&self) -> &str {
        &self.path[self.name_at..]
    }

    /// The log of the object that it is; `None` of what is none.
    pub(super) fn log(&self) -> Option<LogId> {
        let folder = self.folder_path().parse().ok()?;
        match Entry::read(folder, self.name()) {
            Entry::Object(object, _) => Some(object.log()),
            _ => None,
        }
    }

    /// The path of its folder below the place, e.g. `carry/h`.
    pub fn folder_path(&self) -> &str {
        &self.path[..self.name_at - 1]
    }

    /// The path below the place.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn may_put(&self) -> Result<(), RemoteError> {
        if self.entry == Kind::Ours { Ok(()) } else { Err(RemoteError::name(&self.path)) }
    }

    pub(super) fn may_delete(&self) -> Result<(), RemoteError> {
        if self.entry == Kind::Foreign { Err(RemoteError::name(&self.path)) } else { Ok(()) }
    }
}

impl fmt::Display for RemoteFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)
    }
}

/// Whether a file of this name is shown in listings and may be named. Hidden files belong to sync tools.
pub(super) fn is_plain(name: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(|c: char| matches!(c, '/' | '\\' | ':') || c.is_control())
}
