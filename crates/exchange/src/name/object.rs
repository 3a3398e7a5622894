//! The name of one object, and the paths it has.

use std::fmt;
use std::str::FromStr;

use super::entry::{Entry, Folder, Form};
use super::{LogId, NameError, ObjectId, StreamName, is_run};
use crate::hash::{self, Digest};
use crate::limits::NUMBER_MAX;

/// Digits of a number in a name.
const DIGITS: usize = 12;
/// Hex digits of an id in a name.
const HEX: usize = 32;
/// How a head's name ends, and so on.
const HEAD: &str = "head";
const LIST: &str = "list";
const SEGMENT: &str = "seg";

/// What names one object. Everything in it can be checked against the object's bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectName {
    /// A log's `n`th head.
    Head {
        /// The log.
        log: LogId,
        /// Its number, from 1.
        n: u64,
        /// From the SHA-256 of the file.
        id: ObjectId,
    },
    /// A list of a log's older segments.
    List {
        /// The log.
        log: LogId,
        /// From the SHA-256 of the file.
        id: ObjectId,
    },
    /// A run of records of one stream.
    Segment {
        /// The log in whose folder it lies.
        log: LogId,
        /// The stream.
        stream: StreamName,
        /// The first record.
        first: u64,
        /// The last record.
        last: u64,
        /// From the SHA-256 of the prelude and the header.
        id: ObjectId,
    },
}

impl ObjectName {
    /// The name of a log's head `n` whose file has this digest.
    pub fn head(log: LogId, n: u64, digest: Digest) -> Self {
        Self::Head { log, n, id: ObjectId::of(digest) }
    }

    /// The name of a log's list whose file has this digest.
    pub fn list(log: LogId, digest: Digest) -> Self {
        Self::List { log, id: ObjectId::of(digest) }
    }

    /// The log in whose name it stands.
    pub fn log(&self) -> LogId {
        match self {
            Self::Head { log, .. } | Self::List { log, .. } | Self::Segment { log, .. } => *log,
        }
    }

    /// The id that its bytes must have.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Head { id, .. } | Self::List { id, .. } | Self::Segment { id, .. } => *id,
        }
    }

    /// The folder it lies in.
    pub fn folder(&self) -> Folder {
        match self {
            Self::Head { .. } => Folder::Heads,
            Self::List { log, .. } | Self::Segment { log, .. } => Folder::Log(*log),
        }
    }

    /// Its path below a remote's root.
    pub fn path(&self) -> String {
        format!("{}/{}.{}", self.folder(), self.stem(), self.extension())
    }

    /// The path of its `n`th replica, put where a damaged file has taken the path itself. `n` is 1 to 9.
    pub fn replica_path(&self, n: u8) -> String {
        format!("{}/{}.r{n}.{}", self.folder(), self.stem(), self.extension())
    }

    /// What every candidate's name begins with.
    fn stem(&self) -> String {
        match self {
            Self::Head { log, n, id } => format!("{log}-{n:012}-{id}"),
            Self::List { id, .. } => id.to_string(),
            Self::Segment { stream, first, last, id, .. } => format!("{stream}-{first:012}-{last:012}-{id}"),
        }
    }

    /// How the name ends.
    pub(super) fn extension(&self) -> &'static str {
        match self {
            Self::Head { .. } => HEAD,
            Self::List { .. } => LIST,
            Self::Segment { .. } => SEGMENT,
        }
    }

    /// The object whose stem `name` begins with, and what follows the stem.
    pub(super) fn begins(folder: Folder, name: &str) -> Option<(Self, &str)> {
        let mut at = Stem(name);
        let object = match folder {
            Folder::Root => return None,
            Folder::Heads => {
                let log = at.id().and_then(|hex| hex.parse().ok())?;
                let n = at.hyphen().and_then(|()| at.number())?;
                at.hyphen()?;
                if n == 0 {
                    return None;
                }
                Self::Head { log, n, id: at.id()?.parse().ok()? }
            }
            Folder::Log(log) => match at.stream() {
                // No stem of a list holds a hyphen, and none of a segment goes without.
                None => Self::List { log, id: at.id()?.parse().ok()? },
                Some(stream) => {
                    let stream = stream.parse().ok()?;
                    let first = at.hyphen().and_then(|()| at.number())?;
                    let last = at.hyphen().and_then(|()| at.number())?;
                    at.hyphen()?;
                    if !is_run(first, last) {
                        return None;
                    }
                    Self::Segment { log, stream, first, last, id: at.id()?.parse().ok()? }
                }
            },
        };
        // Were the next character a letter or a digit, the stem would not end here.
        (!at.0.starts_with(|c: char| c.is_ascii_alphanumeric())).then_some((object, at.0))
    }
}

/// Reads a stem from its front.
struct Stem<'a>(&'a str);

impl<'a> Stem<'a> {
    fn take(&mut self, len: usize) -> Option<&'a str> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn hyphen(&mut self) -> Option<()> {
        self.0 = self.0.strip_prefix('-')?;
        Some(())
    }

    fn number(&mut self) -> Option<u64> {
        let digits = self.take(DIGITS)?;
        let number = if digits.bytes().all(|b| b.is_ascii_digit()) { digits.parse().ok() } else { None };
        number.filter(|n| *n <= NUMBER_MAX)
    }

    fn id(&mut self) -> Option<&'a str> {
        self.take(HEX).filter(|hex| hash::decode_hex::<{ HEX / 2 }>(hex).is_some())
    }

    /// The stream before `-<12>-<12>-<32>`. At most one length fits, since an id has no hyphen where a longer stream
    /// would need one.
    fn stream(&mut self) -> Option<&'a str> {
        let fits = |len: &usize| {
            let Some((_, rest)) = self.0.split_at_checked(*len) else { return false };
            let mut rest = Stem(rest);
            rest.hyphen().and_then(|()| rest.number()).is_some()
                && rest.hyphen().and_then(|()| rest.number()).is_some()
                && rest.hyphen().and_then(|()| rest.id()).is_some()
        };
        let len = (1..=super::STREAM_BYTES_MAX).find(fits)?;
        self.take(len)
    }
}

impl FromStr for ObjectName {
    type Err = NameError;

    /// Reads exactly the path that [`ObjectName::path`] gives.
    fn from_str(path: &str) -> Result<Self, NameError> {
        let wrong = || NameError::new("the path of an exchanged object", path);
        let (folder, name) = path.rsplit_once('/').ok_or_else(wrong)?;
        match Entry::read(folder.parse().map_err(|_| wrong())?, name) {
            Entry::Object(object, Form::Itself) => Ok(object),
            _ => Err(wrong()),
        }
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}
