//! That the segments of list and head, together, cover each stream from its first record to its last, once.

use std::collections::BTreeMap;

use super::Head;
use crate::limits::TAIL_MAX;
use crate::list::List;
use crate::name::StreamName;
use crate::segment::SegmentRef;

/// All segments of a log by stream, oldest first.
pub type Segments = BTreeMap<StreamName, Vec<SegmentRef>>;

/// Segments that leave something out, or hold something twice.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("stream {stream}: {problem}")]
pub struct TilingError {
    /// The stream.
    pub stream: StreamName,
    /// What is wrong.
    pub problem: &'static str,
}

impl TilingError {
    fn new(stream: &StreamName, problem: &'static str) -> Self {
        Self { stream: stream.clone(), problem }
    }
}

/// The segments that `head` names, with those of its list. `list` is the one that the head refers to, read with
/// [`List::read`].
///
/// # Errors
/// [`TilingError`] when they do not tile `1..=last` of each stream, or the list has a stream that the head does not.
pub fn segments(head: &Head, list: Option<&List>) -> Result<Segments, TilingError> {
    if let Some(unknown) = list.and_then(|list| list.streams.keys().find(|name| !head.streams.contains_key(name))) {
        return Err(TilingError::new(unknown, "the list has it, the head does not"));
    }
    let streams = head.streams.iter().map(|(stream, state)| {
        let older = list.and_then(|list| list.streams.get(stream)).map(Vec::as_slice).unwrap_or_default();
        let all: Vec<_> = older.iter().chain(&state.tail).copied().collect();
        match runs_on(stream, &all)? {
            (1, last) if last == state.last => Ok((stream.clone(), all)),
            _ => Err(TilingError::new(stream, "its segments do not go from the first record to the last")),
        }
    });
    streams.collect()
}

/// What of [`segments`] can be checked without the list.
pub(super) fn check_tails(head: &Head) -> Result<(), TilingError> {
    let mut n_segments = 0;
    for (stream, state) in &head.streams {
        n_segments += state.tail.len();
        if n_segments > TAIL_MAX {
            return Err(TilingError::new(stream, "the head names too many segments"));
        }
        if state.tail.is_empty() && head.list.is_some() {
            continue;
        }
        let (first, last) = runs_on(stream, &state.tail)?;
        if last != state.last || (head.list.is_none() && first != 1) {
            return Err(TilingError::new(stream, "its segments do not go from the first record to the last"));
        }
    }
    Ok(())
}

/// The first and the last record of segments that follow one another.
pub(crate) fn runs_on(stream: &StreamName, segments: &[SegmentRef]) -> Result<(u64, u64), TilingError> {
    if segments.windows(2).any(|two| two[0].last + 1 != two[1].first) {
        return Err(TilingError::new(stream, "its segments do not follow one another"));
    }
    match (segments.first(), segments.last()) {
        (Some(first), Some(last)) => Ok((first.first, last.last)),
        _ => Err(TilingError::new(stream, "it has no segments")),
    }
}
