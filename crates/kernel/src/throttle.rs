//! At most so often per key: warnings, notifications, polls.
//!
//! The memory is bounded: of more than [`KEYS_MAX`] keys the one that passed longest ago is forgotten, and
//! with it how often it was held back. Forgetting lets a key pass early; it never holds one back.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::clock::Timestamp;

/// Keys a throttle remembers at the most; the oldest are forgotten first.
pub const KEYS_MAX: usize = 4096;

/// Lets each key through once an interval and counts what it held back.
#[derive(Clone, Debug)]
pub struct Throttle<K> {
    interval: Duration,
    /// When the key last passed, and how often it was held back since.
    seen: HashMap<K, (Timestamp, u64)>,
}

impl<K: Eq + Hash + Clone> Throttle<K> {
    /// At most one passage per key and `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, seen: HashMap::new() }
    }

    /// `Some(n)` when `key` may pass at `now`, n being how many were held back since it last passed;
    /// `None` when it must wait. A clock that went back lets it pass.
    pub fn pass(&mut self, key: &K, now: Timestamp) -> Option<u64> {
        if let Some((passed, held_back)) = self.seen.get_mut(key) {
            if now >= *passed && now.since(*passed) < self.interval {
                *held_back = held_back.saturating_add(1);
                return None;
            }
            *passed = now;
            return Some(std::mem::take(held_back));
        }
        if self.seen.len() >= KEYS_MAX {
            self.forget_oldest();
        }
        self.seen.insert(key.clone(), (now, 0));
        Some(0)
    }

    /// Linear, but only runs when a new key comes while the memory is full: 4096 entries take microseconds.
    fn forget_oldest(&mut self) {
        let oldest = self.seen.iter().min_by_key(|(_, (passed, _))| *passed).map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.seen.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millis(ms)
    }

    #[test]
    fn a_key_passes_once_an_interval_and_says_what_it_held_back() {
        let mut throttle = Throttle::new(Duration::from_millis(100));
        let got: Vec<_> = [0, 1, 99, 100, 150, 200].map(|ms| throttle.pass(&"a", at(ms))).into();
        assert_eq!(got, [Some(0), None, None, Some(2), None, Some(1)]);
    }

    #[test]
    fn keys_do_not_hold_each_other_back() {
        let mut throttle = Throttle::new(Duration::from_secs(1));
        assert_eq!(throttle.pass(&"a", at(0)), Some(0));
        assert_eq!(throttle.pass(&"b", at(0)), Some(0));
        assert_eq!(throttle.pass(&"a", at(1)), None);
    }

    #[test]
    fn a_clock_that_went_back_lets_it_pass() {
        let mut throttle = Throttle::new(Duration::from_secs(1));
        assert_eq!(throttle.pass(&"a", at(5_000)), Some(0));
        assert_eq!(throttle.pass(&"a", at(5_001)), None);
        assert_eq!(throttle.pass(&"a", at(4_999)), Some(1));
        assert_eq!(throttle.pass(&"a", at(5_000)), None);
    }

    #[test]
    fn an_interval_of_zero_holds_nothing_back() {
        let mut throttle = Throttle::new(Duration::ZERO);
        assert_eq!(throttle.pass(&1, at(0)), Some(0));
        assert_eq!(throttle.pass(&1, at(0)), Some(0));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_is_forgotten_first() {
        let mut throttle = Throttle::new(Duration::from_secs(3600));
        let n_keys = i64::try_from(KEYS_MAX).unwrap();
        for key in 0..n_keys + 10 {
            assert_eq!(throttle.pass(&key, at(key)), Some(0));
        }
        assert_eq!(throttle.seen.len(), KEYS_MAX);
        assert_eq!(throttle.pass(&10, at(n_keys + 10)), None, "the eleventh is still known");
        assert_eq!(throttle.pass(&9, at(n_keys + 10)), Some(0), "the tenth was forgotten");
    }
}
