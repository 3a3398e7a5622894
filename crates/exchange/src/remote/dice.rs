//! Numbers from a seed: for names of temporary files and for failing on purpose. Not for secrets.

use std::sync::atomic::{AtomicU64, Ordering};

/// The same seed gives the same numbers.
///
/// # Source
/// SplitMix64, G. Steele et al., OOPSLA 2014.
#[derive(Debug)]
pub(super) struct Dice(AtomicU64);

/// What the state grows by: an odd number, so that all states are passed.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    pub(super) fn roll(&self) -> u64 {
        let z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, 0 if `n` is.
    pub(super) fn below(&self, n: u64) -> u64 {
        self.roll().checked_rem(n).unwrap_or_default()
    }
}
