//! Whether all that others said was read and folded, so that strands may be told that they were listened to. What a round names
//! as a problem it names once; what was not read then is still not read in the next one.

use std::collections::BTreeSet;

use super::{Round, RoundError};
use crate::limits::HEAD_BYTES_MAX;
use crate::name::{LogId, ObjectName, StreamName};
use crate::store::{Delivered, LogState, Store};

impl Round<'_> {
    /// Whether a log that counts has a head after those that are followed which could not be followed: it is of a later version
    /// or wrong, or what lies here under its name could not be read.
    pub(super) fn has_unread_head(&self, store: &Store) -> Result<bool, RoundError> {
        if store.has_unfollowed_head()? {
            return Ok(true);
        }
        for (log, (_, last)) in self.shown_numbers() {
            if !matches!(store.state(log)?, Some(LogState::Former | LogState::Approved)) {
                continue;
            }
            let followed = store.smallest_followed(log)?;
            if last > followed && self.shows_unknown(store, log, followed)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether something of a stream that others said may not have come. Nothing that counts is in `strangers`, the logs that
    /// nobody approved; of one that was never met nobody can tell.
    pub(super) fn lacks_of(&self, stream: &StreamName, strangers: &BTreeSet<LogId>) -> bool {
        self.gaps.iter().any(|(log, of)| {
            log.is_none_or(|log| !strangers.contains(&log)) && of.as_ref().is_none_or(|of| of == stream)
        })
    }

    /// Whether a head of a log after this number is there that was not judged. What is too large for a head is none.
    fn shows_unknown(&self, store: &Store, log: LogId, after: u64) -> Result<bool, RoundError> {
        for name in self.heads.objects() {
            let is_of_log = matches!(name, ObjectName::Head { log: of, n, .. } if *of == log && *n > after);
            let may_be = |name| self.heads.candidates(name).iter().any(|found| found.bytes <= HEAD_BYTES_MAX);
            if is_of_log && may_be(name) && !store.knows_head(name)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether all that is held was folded.
pub(super) fn is_all(delivered: &Delivered) -> bool {
    (delivered.n_deferred, delivered.n_waiting, delivered.n_damaged) == (0, 0, 0)
}
