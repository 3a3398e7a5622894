//! How often somebody may ask: a bucket of tokens each, in memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Askers that are remembered at most. Of those beyond, who has asked for nothing lately is forgotten.
pub const ASKERS_MAX: usize = 10_000;

/// How often: so many a second in the long run, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back a second; 0 counts as 1.
    pub per_second: u32,
    /// Tokens at most; 0 counts as 1.
    pub burst: u32,
}

/// A bucket for each who asks.
#[derive(Debug)]
pub struct Buckets<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn refilled(self, rate: Rate, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + passed * rate.tokens()).min(rate.full())
    }
}

impl Rate {
    fn tokens(self) -> f64 {
        f64::from(self.per_second.max(1))
    }
    fn full(self) -> f64 {
        f64::from(self.burst.max(1))
    }
}

impl<K: Eq + Hash> Buckets<K> {
    /// Full buckets.
    pub fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Takes a token from `who` at `now`.
    ///
    /// # Errors
    /// How long it takes until there is one again.
    pub fn take(&self, who: K, now: Instant) -> Result<(), Duration> {
        self.ask(who, now, 1.0)
    }

    /// Whether `who` has a token at `now`; takes none.
    ///
    /// # Errors
    /// As in [`Buckets::take`].
    pub fn has(&self, who: K, now: Instant) -> Result<(), Duration> {
        self.ask(who, now, 0.0)
    }

    fn ask(&self, who: K, now: Instant, cost: f64) -> Result<(), Duration> {
        let rate = self.rate;
        // A bucket is written in one step.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ASKERS_MAX && !buckets.contains_key(&who) {
            buckets.retain(|_, bucket| bucket.refilled(rate, now) < rate.full());
            if buckets.len() >= ASKERS_MAX {
                // A flood from everywhere. Forgetting gives each one burst more, and keeps memory bounded.
                buckets.clear();
            }
        }
        let bucket = buckets.entry(who).or_insert(Bucket { tokens: rate.full(), at: now });
        let tokens = bucket.refilled(rate, now);
        if tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - tokens) / rate.tokens()));
        }
        *bucket = Bucket { tokens: tokens - cost, at: now };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_spent_and_come_back() {
        let buckets = Buckets::new(Rate { per_second: 2, burst: 3 });
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(buckets.take("a", start), Ok(()));
        }
        assert_eq!(buckets.take("a", start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.has("a", start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take("b", start), Ok(()), "each has a bucket");
        let later = start + Duration::from_millis(500);
        assert_eq!(buckets.has("a", later), Ok(()));
        assert_eq!(buckets.take("a", later), Ok(()));
        assert!(buckets.take("a", later).is_err());
        let much_later = later + Duration::from_secs(1000);
        assert_eq!((0..10).filter(|_| buckets.take("a", much_later).is_ok()).count(), 3, "no more than the burst");
        assert_eq!(buckets.take("c", much_later), Ok(()));
        assert_eq!(buckets.take("c", start), Ok(()), "a time before the last adds nothing and fails nothing");
    }

    #[test]
    fn nobody_fills_the_memory() {
        let buckets = Buckets::new(Rate { per_second: 1, burst: 1 });
        let now = Instant::now();
        for who in 0..3 * ASKERS_MAX {
            let _ = buckets.take(who, now);
            assert!(buckets.buckets.lock().unwrap().len() <= ASKERS_MAX);
        }
    }
}
