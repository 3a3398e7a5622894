//! How much each credential has put, and how much it may.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a file takes at least, in bytes, however small it is: a block of the disk.
pub(super) const FILE_BYTES_MIN: u64 = 4096;

/// How much may be put. A file counts as 4 KiB at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes by one credential.
    pub of_credential: u64,
    /// Bytes by all.
    pub of_all: u64,
    /// Files by one credential.
    pub files_of_credential: u64,
}

/// What a credential uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Used {
    /// What its files count, in bytes.
    pub(super) bytes: u64,
    pub(super) files: u64,
}

/// What was put and what is on its way.
#[derive(Debug, Clone)]
pub(super) struct Usage {
    quota: Quota,
    used: Arc<Mutex<HashMap<String, Used>>>,
}

/// Room for a file that is on its way, given back unless it is kept.
#[derive(Debug)]
pub(super) struct Room {
    usage: Usage,
    who: String,
    bytes: u64,
    is_kept: bool,
}

impl Usage {
    pub(super) fn new(quota: Quota, used: HashMap<String, Used>) -> Self {
        Self { quota, used: Arc::new(Mutex::new(used)) }
    }

    /// Room for a file of so many bytes of `who`; `None` if that is more than there may be.
    pub(super) fn room(&self, who: &str, bytes: u64) -> Option<Room> {
        let more = bytes.max(FILE_BYTES_MIN);
        // Each change is one assignment.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of_all = used.values().fold(more, |sum, used| sum.saturating_add(used.bytes));
        let its = used.get(who).copied().unwrap_or_default();
        let its = Used { bytes: its.bytes.saturating_add(more), files: its.files.saturating_add(1) };
        let Quota { of_credential, of_all: of_all_max, files_of_credential } = self.quota;
        if of_all > of_all_max || its.bytes > of_credential || its.files > files_of_credential {
            return None;
        }
        used.insert(who.to_owned(), its);
        Some(Room { usage: self.clone(), who: who.to_owned(), bytes, is_kept: false })
    }

    /// Gives back what a file of so many bytes took that `who` no longer has.
    pub(super) fn give_back(&self, who: &str, bytes: u64) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(its) = used.get_mut(who) {
            let less = bytes.max(FILE_BYTES_MIN);
            *its = Used { bytes: its.bytes.saturating_sub(less), files: its.files.saturating_sub(1) };
        }
    }
}

impl Room {
    /// It is used now.
    pub(super) fn keep(mut self) {
        self.is_kept = true;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.is_kept {
            self.usage.give_back(&self.who, self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1024;

    #[test]
    fn room_is_bounded_for_each_and_for_all_and_comes_back() {
        let quota = Quota { of_credential: 100 * KIB, of_all: 150 * KIB, files_of_credential: u64::MAX };
        let usage = Usage::new(quota, [("a".to_owned(), Used { bytes: 40 * KIB, files: 1 })].into());
        assert!(usage.room("a", 70 * KIB).is_none());
        let on_its_way = usage.room("a", 60 * KIB).unwrap();
        assert!(usage.room("a", 1).is_none(), "what is on its way counts");
        assert!(usage.room("b", 60 * KIB).is_none(), "all together");
        usage.room("b", 50 * KIB).unwrap().keep();
        drop(on_its_way);
        assert!(usage.room("a", 60 * KIB).is_some());
        usage.give_back("b", 50 * KIB);
        usage.give_back("b", 50 * KIB);
        assert!(usage.room("b", 100 * KIB).is_some());
        assert!(usage.room("c", u64::MAX).is_none());
    }

    #[test]
    fn a_small_file_counts_as_a_block() {
        let quota = Quota { of_credential: 3 * FILE_BYTES_MIN, of_all: u64::MAX, files_of_credential: u64::MAX };
        let usage = Usage::new(quota, HashMap::new());
        for _ in 0..3 {
            usage.room("a", 1).unwrap().keep();
        }
        assert!(usage.room("a", 0).is_none());
        usage.give_back("a", 1);
        assert!(usage.room("a", FILE_BYTES_MIN).is_some());
    }

    #[test]
    fn files_are_counted() {
        let quota = Quota { of_credential: u64::MAX, of_all: u64::MAX, files_of_credential: 2 };
        let usage = Usage::new(quota, HashMap::new());
        usage.room("a", 1).unwrap().keep();
        let on_its_way = usage.room("a", 1).unwrap();
        assert!(usage.room("a", 1).is_none());
        usage.room("b", 1).unwrap().keep();
        drop(on_its_way);
        usage.room("a", 1).unwrap().keep();
        assert!(usage.room("a", 1).is_none());
        usage.give_back("a", 1);
        assert!(usage.room("a", 1).is_some());
    }
}
