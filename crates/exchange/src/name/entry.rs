//! What a name in a listing stands for.

use std::fmt;
use std::str::FromStr;

use super::{LogId, NameError, ObjectName};
use crate::hash;

/// Longest name that is looked at, in bytes: what file systems allow.
const NAME_BYTES_MAX: usize = 255;

/// A folder of a remote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Folder {
    /// `carry`: the marker.
    Root,
    /// `carry/h`: all heads of all logs, so that one listing finds all news.
    Heads,
    /// `carry/l/<log>`: a log's segments and lists.
    Log(LogId),
}

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The marker.
    Format,
    /// A candidate for an object.
    Object(ObjectName, Form),
    /// A file that somebody is putting, or has left behind.
    Temporary(Temporary),
    /// Not ours; left alone.
    Other,
}

/// Under what kind of name a candidate lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// The object's own.
    Itself,
    /// The numbered one of a replica, 1 to 9.
    Replica(u8),
    /// Another that begins with the object's: a sync tool's conflict copy.
    Copy,
}

/// The name of a file that is being written: `~<first 8 hex of the log>-<8 hex>.tmp`, which sync tools skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Temporary {
    /// The first bytes of the writer's log. Only the writer removes it.
    pub log: [u8; 4],
    /// Drawn anew for each file.
    pub nonce: [u8; 4],
}

impl Entry {
    /// Says what the file `name` in `folder` stands for. A path as a name, a device of Windows, hidden files, other
    /// alphabets: whatever does not begin as ours do is [`Entry::Other`].
    pub fn read(folder: Folder, name: &str) -> Self {
        let is_plain = name.len() <= NAME_BYTES_MAX && !name.contains(['/', '\\', ':', '\0']);
        if !is_plain {
            return Self::Other;
        }
        if let Some(temporary) = Temporary::read(name) {
            return Self::Temporary(temporary);
        }
        if folder == Folder::Root {
            return if name == "format.json" { Self::Format } else { Self::Other };
        }
        let Some((object, rest)) = ObjectName::begins(folder, name) else { return Self::Other };
        let form = Form::read(rest, object.extension());
        Self::Object(object, form)
    }
}

impl Form {
    /// Reads what follows a stem.
    fn read(rest: &str, extension: &str) -> Self {
        match rest.strip_suffix(extension).and_then(|rest| rest.strip_suffix('.')).map(str::as_bytes) {
            Some([]) => Self::Itself,
            Some([b'.', b'r', digit @ b'1'..=b'9']) => Self::Replica(digit - b'0'),
            _ => Self::Copy,
        }
    }
}

impl Temporary {
    fn read(name: &str) -> Option<Self> {
        let (log, nonce) = name.strip_prefix('~')?.strip_suffix(".tmp")?.split_once('-')?;
        Some(Self { log: hash::decode_hex(log)?, nonce: hash::decode_hex(nonce)? })
    }
}

impl fmt::Display for Temporary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{}-{}.tmp", hash::encode_hex(&self.log), hash::encode_hex(&self.nonce))
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("carry"),
            Self::Heads => f.write_str("carry/h"),
            Self::Log(log) => write!(f, "carry/l/{log}"),
        }
    }
}

impl FromStr for Folder {
    type Err = NameError;

    fn from_str(path: &str) -> Result<Self, NameError> {
        match path {
            "carry" => Ok(Self::Root),
            "carry/h" => Ok(Self::Heads),
            _ => {
                let log = path.strip_prefix("carry/l/").and_then(|log| log.parse().ok());
                log.map(Self::Log).ok_or_else(|| NameError::new("a folder of the exchange", path))
            }
        }
    }
}
