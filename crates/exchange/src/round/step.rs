//! What a round is at, for whoever watches it.

use crate::name::{ObjectName, StreamName};
use crate::store::Way;

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
    /// A repair fetched or put a file, or a part of one, with so many bytes.
    Healed {
        /// Whether it came or went.
        way: Way,
        /// Which.
        object: ObjectName,
        /// Bytes that moved.
        bytes: u64,
        /// Whether all of it did.
        is_whole: bool,
    },
    /// Removing what nobody names any more.
    Collecting,
}
