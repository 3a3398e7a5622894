//! Heads and lists that were verified, so that the same bytes are not verified and parsed again and again.
//!
//! What is remembered is believed only for bytes that are equal to those that were verified: a row that was changed or damaged
//! since is read like any other. Nothing is remembered longer than the store is open, nor more than a bound.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use crate::hash::Digest;
use crate::head::{HeadError, ListRef, SignedHead};
use crate::list::{List, ListError};
use crate::name::{LogId, ObjectName};

/// Bytes of the files of one kind that are remembered in each of two generations: all heads of a fleet of hundreds, or some of
/// the largest lists. With two kinds, two generations and as much again for what was parsed, an open store keeps some 32 MiB at
/// the very most.
const BYTES_KEPT: usize = 4 * 1024 * 1024;

/// What was verified since the store was opened.
#[derive(Debug, Default)]
pub(super) struct Verified {
    heads: RefCell<Kept<SignedHead>>,
    lists: RefCell<Kept<Arc<ReadList>>>,
}

/// A list, with the bytes it was read from.
#[derive(Debug)]
struct ReadList {
    list: Arc<List>,
    bytes: Vec<u8>,
}

/// What remembers the file that it was read from.
trait OfFile: Clone {
    fn bytes(&self) -> &[u8];
}

impl OfFile for SignedHead {
    fn bytes(&self) -> &[u8] {
        self.bytes()
    }
}

impl OfFile for Arc<ReadList> {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What was read, in two generations: what is not asked for while one fills is forgotten with the next.
#[derive(Debug)]
struct Kept<T> {
    young: HashMap<(LogId, Digest), T>,
    old: HashMap<(LogId, Digest), T>,
    young_bytes: usize,
    bytes_max: usize,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, bytes_max: BYTES_KEPT }
    }
}

impl<T: OfFile> Kept<T> {
    /// What was read from a file of this digest, if it had exactly these bytes.
    fn find(&mut self, key: (LogId, Digest), bytes: &[u8]) -> Option<T> {
        if let Some(found) = self.young.get(&key) {
            return (found.bytes() == bytes).then(|| found.clone());
        }
        let found = self.old.remove(&key).filter(|found| found.bytes() == bytes)?;
        self.add(key, found.clone());
        Some(found)
    }

    fn add(&mut self, key: (LogId, Digest), value: T) {
        let bytes = value.bytes().len();
        if self.young_bytes + bytes > self.bytes_max {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        if let Some(before) = self.young.insert(key, value) {
            self.young_bytes -= before.bytes().len();
        }
    }
}

impl Verified {
    /// The head that lies under a name: as [`SignedHead::read`], which is asked unless it read the same bytes before.
    ///
    /// # Errors
    /// [`HeadError`].
    pub(super) fn head(&self, log: LogId, n: u64, digest: Digest, bytes: &[u8]) -> Result<SignedHead, HeadError> {
        let known = self.heads.borrow_mut().find((log, digest), bytes);
        if let Some(head) = known.filter(|head| head.head().n == n) {
            return Ok(head);
        }
        let head = SignedHead::read(&ObjectName::head(log, n, digest), bytes)?;
        self.add_head(log, &head);
        Ok(head)
    }

    /// Remembers a head that was read just now.
    pub(super) fn add_head(&self, log: LogId, head: &SignedHead) {
        self.heads.borrow_mut().add((log, head.digest()), head.clone());
    }

    /// The list that a head refers to: as [`List::read`], which is asked unless it read the same bytes before.
    ///
    /// # Errors
    /// [`ListError`].
    pub(super) fn list(&self, log: LogId, reference: &ListRef, bytes: Vec<u8>) -> Result<Arc<List>, ListError> {
        let key = (log, reference.digest);
        let known = self.lists.borrow_mut().find(key, &bytes);
        if let Some(known) = known.filter(|known| known.bytes.len() as u64 == reference.bytes) {
            return Ok(known.list.clone());
        }
        let list = Arc::new(List::read(&bytes, log, reference)?);
        self.lists.borrow_mut().add(key, Arc::new(ReadList { list: list.clone(), bytes }));
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct File(Vec<u8>);

    impl OfFile for File {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
    }

    fn key(number: u8) -> (LogId, Digest) {
        (LogId::of_key(&[number; 32]), Digest::of(&[&[number]]))
    }

    #[test]
    fn only_the_bytes_that_were_read_are_known() {
        let mut kept = Kept::default();
        kept.add(key(1), File(vec![1, 2, 3]));
        assert_eq!(kept.find(key(1), &[1, 2, 3]), Some(File(vec![1, 2, 3])));
        assert_eq!(kept.find(key(1), &[1, 2, 4]), None, "one bit differs");
        assert_eq!(kept.find(key(1), &[1, 2]), None, "it is cut");
        assert_eq!(kept.find((key(1).0, key(2).1), &[1, 2, 3]), None, "another digest");
        assert_eq!(kept.find((key(2).0, key(1).1), &[1, 2, 3]), None, "another log");
    }

    #[test]
    fn what_is_kept_is_bounded_and_what_is_asked_for_stays() {
        let mut kept = Kept { bytes_max: 100, ..Kept::default() };
        for number in 0..200 {
            kept.add(key(number), File(vec![number; 30]));
            assert_eq!(kept.find(key(0), &[0; 30]), Some(File(vec![0; 30])), "after {number}");
            let bytes: usize = kept.young.values().chain(kept.old.values()).map(|file| file.0.len()).sum();
            let young: usize = kept.young.values().map(|file| file.0.len()).sum();
            assert!(bytes <= 200, "{bytes} bytes are kept");
            assert_eq!(young, kept.young_bytes);
        }
        assert_eq!(kept.find(key(1), &[1; 30]), None, "what nobody asked for is forgotten");
        kept.add(key(250), File(vec![0; 1000]));
        kept.add(key(251), File(vec![0; 10]));
        kept.add(key(252), File(vec![0; 95]));
        assert_eq!(kept.find(key(250), &[0; 1000]), None, "what is larger than the bound goes first");
    }
}
