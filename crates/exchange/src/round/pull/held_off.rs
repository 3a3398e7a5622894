//! Logs that nobody approved and of which nothing is fetched for a while. How much a segment unpacks to is known only once it was
//! fetched, and a log may name thousands: of one for which there was no room left among all such logs, the others wait, too.

use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;

use crate::name::LogId;
use crate::round::fetch::AGAIN_AFTER;
use crate::round::wants::object_of;
use crate::round::{Problem, Round, RoundError};
use crate::store::{Limit, LogState, Rejection, Store};
use crate::wait::is_over;

impl Round<'_> {
    /// The logs of which a segment did not fit lately, wherever it was, each named. In a repair there are none. What was noted of
    /// one that was approved since is forgotten.
    pub(super) fn held_off(&mut self, store: &mut Store, now: Timestamp) -> Result<BTreeSet<LogId>, RoundError> {
        let mut logs = BTreeSet::new();
        if self.mend.is_some() {
            return Ok(logs);
        }
        for (path, last) in store.rejected_for(&Rejection::UnpackedTooMuch)? {
            let Some(log) = object_of(&path).map(|object| object.log()) else { continue };
            match store.state(log)? {
                Some(LogState::Unapproved) if is_over(last, AGAIN_AFTER, now) => {}
                Some(LogState::Unapproved) => drop(logs.insert(log)),
                Some(_) => store.forget_rejected(&self.options.remote, &path)?,
                None => {}
            }
        }
        for log in &logs {
            let reached = store.reached(Limit::UnpackedAll)?;
            self.problem(Problem::Quota(*log, reached));
        }
        Ok(logs)
    }
}
