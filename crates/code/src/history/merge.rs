//! Several lines as one history, by HLC.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::{HistoryError, keeper};
use crate::git::ObjectId;
use crate::snapshot::Snapshot;

/// Lines merged. Holds one snapshot of each line at a time.
pub(super) struct Merged {
    repo: gix::Repository,
    waiting: BinaryHeap<Waiting>,
    failed: VecDeque<HistoryError>,
}

/// The next snapshot of one line.
struct Waiting {
    snapshot: Snapshot,
    previous: Option<ObjectId>,
}

impl Merged {
    pub(super) fn new(repo: gix::Repository, keepers: impl Iterator<Item = ObjectId>) -> Self {
        let mut merged = Self { repo, waiting: BinaryHeap::new(), failed: VecDeque::new() };
        keepers.for_each(|keeper| merged.read(keeper));
        merged
    }

    fn read(&mut self, next: ObjectId) {
        match keeper(&self.repo, next) {
            Ok((snapshot, previous)) => self.waiting.push(Waiting { snapshot, previous }),
            Err(error) => self.failed.push_back(error),
        }
    }
}

impl Iterator for Merged {
    type Item = Result<Snapshot, HistoryError>;
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.failed.pop_front() {
            return Some(Err(error));
        }
        let Waiting { snapshot, previous } = self.waiting.pop()?;
        if let Some(previous) = previous {
            self.read(previous);
        }
        Some(Ok(snapshot))
    }
}

impl Waiting {
    fn rank(&self) -> (carry_kernel::hlc::Hlc, ObjectId) {
        (self.snapshot.meta.hlc, self.snapshot.commit)
    }
}
impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}
impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Waiting {}
