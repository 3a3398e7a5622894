//! What a round is at, for whoever watches it.

use crate::name::StreamName;

/// What an exchange is doing, for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Looking what is there.
    Listing,
    /// Taking in: objects and bytes of all that this round fetches.
    Pulling {
        /// Objects so far.
        n_objects: usize,
        /// Of so many.
        n_total: usize,
        /// Bytes so far.
        bytes: u64,
    },
    /// Handing records to a strand.
    Folding(StreamName),
    /// Asking strands what there is to say.
    Saying,
    /// Putting: objects and bytes of all that this round puts.
    Pushing {
        /// Objects so far.
        n_objects: usize,
        /// Of so many.
        n_total: usize,
        /// Bytes so far.
        bytes: u64,
    },
    /// Reading what is there, to see whether it is as it was written: objects and bytes so far.
    Checking {
        /// Objects so far.
        n_objects: usize,
        /// Bytes so far.
        bytes: u64,
    },
    /// Removing what nobody names any more.
    Collecting,
}
