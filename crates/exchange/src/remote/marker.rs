//! The marker of a place: what follows from what it says, and whether it was seen.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::name::Format;

use super::deadline::Deadline;
use super::error::RemoteError;
use super::{Init, Remote};

/// Bytes of a marker that are read: one more than are ever parsed, since what is longer is none.
pub(super) const MARKER_BYTES_MAX: usize = 4097;

/// Goes on if what the marker of `place` says is ours; it is `None` where there is no marker.
pub(super) fn judge(place: &str, marker: Option<Format>) -> Result<(), RemoteError> {
    let version = match marker {
        Some(Format::Ours) => return Ok(()),
        None => return Err(RemoteError::NoMarker { place: place.to_owned() }),
        Some(Format::Other(version)) => Some(version),
        Some(Format::Unknown) => None,
    };
    Err(RemoteError::WrongFormat { place: place.to_owned(), version })
}

/// Marks a place unless it is marked. `put` puts the marker and says whether it made one; another may be quicker.
pub(super) fn init(
    remote: &impl Remote,
    deadline: &Deadline<'_>,
    put: impl FnOnce() -> Result<bool, RemoteError>,
) -> Result<Init, RemoteError> {
    match remote.check(deadline) {
        Ok(()) => return Ok(Init::Already),
        Err(RemoteError::NoMarker { .. }) => {}
        Err(error) => return Err(error),
    }
    let is_ours = put()?;
    remote.check(deadline)?;
    Ok(if is_ours { Init::Created } else { Init::Already })
}

/// Whether the marker was seen, at a place where it is looked for once and then remembered.
#[derive(Debug, Default)]
pub(super) struct Mark(AtomicBool);

impl Mark {
    pub(super) fn is_seen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on if this place is marked, which it is asked only where the marker was not seen yet.
    pub(super) fn look(&self, remote: &impl Remote, deadline: &Deadline<'_>) -> Result<(), RemoteError> {
        if self.is_seen() { deadline.check(remote.place()) } else { remote.check(deadline) }
    }

    /// Notes what the marker says now. As [`judge`] otherwise.
    pub(super) fn judge(&self, place: &str, marker: Option<Format>) -> Result<(), RemoteError> {
        self.0.store(marker == Some(Format::Ours), Ordering::Relaxed);
        judge(place, marker)
    }
}
