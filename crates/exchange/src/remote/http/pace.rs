//! How slowly the other side may go. Who answers a byte now and then is never silent, and could hold a round for ever.

use std::time::Duration;

/// Bytes a second that a call must come to in the long run, whichever way they go. Whoever serves asks the same of us.
pub(in crate::remote) const BYTES_PER_SECOND_MIN: u64 = 8 * 1024;

/// What one call waited for the other side, and what came of it. Time that we take ourselves does not count.
#[derive(Clone, Debug)]
pub(in crate::remote) struct Pace {
    patience: Duration,
    bytes_per_second_min: u64,
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// The pace of a call that may wait for so long before a byte must have gone, and must then go so fast.
    pub(in crate::remote) fn new(patience: Duration, bytes_per_second_min: u64) -> Self {
        Self { patience, bytes_per_second_min, waited: Duration::ZERO, bytes: 0 }
    }

    pub(in crate::remote) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    pub(in crate::remote) fn moved(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes as u64);
    }

    /// Whether that is too slow, once `more` was waited.
    pub(in crate::remote) fn is_behind(&self, more: Duration) -> bool {
        let allowed = Duration::from_millis(self.bytes.saturating_mul(1000) / self.bytes_per_second_min);
        self.waited.saturating_add(more) > self.patience.saturating_add(allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_buys_a_little_time() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(10 * second, 8 * 1024);
        assert!(!pace.is_behind(10 * second));
        assert!(pace.is_behind(11 * second));
        pace.waited(10 * second);
        pace.moved(8 * 1024);
        assert!(!pace.is_behind(second));
        assert!(pace.is_behind(2 * second));
        for _ in 0..1000 {
            pace.waited(second);
            pace.moved(8 * 1024);
        }
        assert!(!pace.is_behind(second));
        pace.waited(2 * second);
        assert!(pace.is_behind(Duration::ZERO));
        pace.moved(usize::MAX);
        pace.moved(usize::MAX);
        assert!(!pace.is_behind(Duration::from_secs(1000)));
    }
}
