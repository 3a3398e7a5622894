//! Everything that was ever captured, and what is known of it.

use std::collections::{BTreeMap, BTreeSet};

use carry_code::git::ObjectId;

use super::lines::Lines;

/// What was captured.
#[derive(Default)]
pub(super) struct Known {
    /// Snapshots that nobody thinned, with what the file of lines was in them.
    pub(super) snapshots: BTreeMap<ObjectId, Lines>,
    /// Snapshots that somebody thinned.
    pub(super) thinned: BTreeSet<ObjectId>,
    /// Contents that were captured.
    pub(super) blobs: BTreeSet<String>,
}
