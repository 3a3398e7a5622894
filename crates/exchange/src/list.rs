//! Lists: immutable files with a log's older segments, so that a head stays small however much there is.
//!
//! One line of JSON and a line feed: `{"v":1,"log":…,"streams":{stream:[[first,last,bytes,sha256],…]},"holds":{…}}`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::hash::Digest;
use crate::head::{ListRef, Segments, TilingError, runs_on};
use crate::holds::{self, Holds};
use crate::json::{self, JsonError, ShapeError};
use crate::limits::{JSON_NUMBER_MAX, LIST_BYTES_MAX, LIST_SEGMENTS_MAX, STREAMS_MAX};
use crate::name::{LogId, ObjectName};
use crate::segment::SegmentRef;

/// The version that is written.
const VERSION: u64 = 1;

/// What a list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// The log.
    pub log: LogId,
    /// Its older segments by stream, from the first record on.
    pub streams: Segments,
    /// What the author holds of others' logs, in full.
    pub holds: Holds,
}

/// A list as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenList {
    /// Its name.
    pub name: ObjectName,
    /// What the head says of it.
    pub reference: ListRef,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why bytes are not the list that a head refers to, or a list cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// It has not as many bytes as it must. It may still be arriving.
    #[error("the list has {found} bytes instead of {expected}")]
    Size {
        /// What the head says; when writing, the limit.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// The bytes are not those that the head refers to.
    #[error("the list is not the one that the head refers to")]
    Id,
    /// It does not end with a line feed.
    #[error("the list is not one line")]
    Form,
    /// It is no JSON of ours.
    #[error("the list cannot be read")]
    Json(#[from] JsonError),
    /// A member is missing or wrong.
    #[error("the list cannot be read")]
    Shape(#[from] ShapeError),
    /// It is another log's.
    #[error("the list is another log's")]
    Log,
    /// It needs a later version of the program.
    #[error("the list is of version {0} of the format")]
    Newer(u64),
    /// It names more segments than [`LIST_SEGMENTS_MAX`].
    #[error("the list names {0} segments, more than {LIST_SEGMENTS_MAX}")]
    Segments(usize),
    /// Its segments leave something out.
    #[error("the list's segments do not cover its streams")]
    Tiling(#[from] TilingError),
}

impl ListError {
    /// Whether a copy from elsewhere, or the same one later, may be good.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Size { .. } | Self::Id => true,
            Self::Form
            | Self::Json(_)
            | Self::Shape(_)
            | Self::Log
            | Self::Newer(_)
            | Self::Segments(_)
            | Self::Tiling(_) => false,
        }
    }
}

impl List {
    /// Writes it.
    ///
    /// # Errors
    /// [`ListError`] that a reader would report.
    pub fn write(&self) -> Result<WrittenList, ListError> {
        self.check()?;
        let streams = self.streams.iter().map(|(stream, segments)| {
            let segments: Vec<_> = segments.iter().map(|segment| segment.to_json()).collect();
            (stream.to_string(), Value::Array(segments))
        });
        let value = json!({
            "v": VERSION,
            "log": self.log.to_string(),
            "streams": streams.collect::<Map<_, _>>(),
            "holds": holds::to_json(&self.holds),
        });
        let bytes = format!("{value}\n").into_bytes();
        let found = bytes.len() as u64;
        if found > LIST_BYTES_MAX {
            return Err(ListError::Size { expected: LIST_BYTES_MAX, found });
        }
        let digest = Digest::of(&[&bytes]);
        let reference = ListRef { digest, bytes: found };
        Ok(WrittenList { name: ObjectName::list(self.log, digest), reference, bytes })
    }

    /// Reads the list of `log` that a head refers to. In this order: size, digest, JSON, version, members, tiling.
    ///
    /// # Errors
    /// [`ListError`].
    pub fn read(bytes: &[u8], log: LogId, reference: &ListRef) -> Result<Self, ListError> {
        let found = bytes.len() as u64;
        if found != reference.bytes {
            return Err(ListError::Size { expected: reference.bytes, found });
        }
        if Digest::of(&[bytes]) != reference.digest {
            return Err(ListError::Id);
        }
        let value = json::parse(bytes.strip_suffix(b"\n").ok_or(ListError::Form)?)?;
        let members = json::object(&value, "list", usize::MAX)?;
        let member = |name| json::member(members, name);
        let version = json::number(member("v")?, "v", 1, JSON_NUMBER_MAX)?;
        if version != VERSION {
            return Err(ListError::Newer(version));
        }
        if json::parsed::<LogId>(member("log")?, "log")? != log {
            return Err(ListError::Log);
        }
        let streams = json::object(member("streams")?, "streams", STREAMS_MAX)?.iter().map(|(stream, segments)| {
            let name = json::parsed(&Value::from(stream.as_str()), "streams")?;
            let segments = json::array(segments, "streams", LIST_SEGMENTS_MAX)?.iter();
            let segments = segments.map(|segment| SegmentRef::from_json(segment, "streams"));
            Ok((name, segments.collect::<Result<_, _>>()?))
        });
        let streams = streams.collect::<Result<BTreeMap<_, _>, ShapeError>>()?;
        let list = Self { log, streams, holds: holds::from_json(member("holds")?)? };
        list.check()?;
        Ok(list)
    }

    fn check(&self) -> Result<(), ListError> {
        let n_segments = self.streams.values().map(Vec::len).sum();
        if n_segments > LIST_SEGMENTS_MAX {
            return Err(ListError::Segments(n_segments));
        }
        if self.streams.len() > STREAMS_MAX {
            let expected = format!("an object of at most {STREAMS_MAX} members").into();
            return Err(ShapeError { member: "streams".to_owned(), expected }.into());
        }
        for (stream, segments) in &self.streams {
            if runs_on(stream, segments)?.0 != 1 {
                let problem = "its segments do not begin with the first record";
                return Err(TilingError { stream: stream.clone(), problem }.into());
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
