//! How long to wait after a failure: exponential, jittered, saturating, never for good.
//!
//! Pure: the randomness is a seed, so that the same seed gives the same waits in a test and in the
//! simulator. A [`Backoff`] knows no time; its owner adds the wait to its own clock.

use std::time::Duration;

/// The longest that another side's `Retry-After` is believed: a day. A server with a broken clock or a
/// hostile one must not silence us for good.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The shape of the waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    /// Before the second try.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Each wait is this many times the one before, at least 1.
    pub factor: f64,
    /// Part of each wait that is random, 0 to 1: 0.2 gives 80 % to 120 %.
    pub jitter: f64,
    /// After this many consecutive failures every wait is `max`.
    pub ceiling: u32,
}

/// Counts consecutive failures and gives the waits. Pure: randomness is a seed.
#[derive(Clone, Debug)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
    dice: Dice,
}

/// A small deterministic source of randomness for jitter. Not for secrets.
///
/// # Source
/// SplitMix64, G. Steele et al., OOPSLA 2014.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Default for Policy {
    fn default() -> Self {
        Self { first: Duration::from_secs(1), max: Duration::from_secs(900), factor: 2.0, jitter: 0.2, ceiling: 10 }
    }
}

impl Policy {
    /// The wait after failure number `failures` (from 1), before jitter.
    fn base(&self, failures: u32) -> Duration {
        // Written so that a factor that is not a number counts as 1.
        let factor = if self.factor > 1.0 { self.factor } else { 1.0 };
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        self.scaled(self.first.as_secs_f64() * factor.powi(exponent))
    }

    /// `secs`, at most `max`. What is too large for a duration, or not a number, is `max`.
    fn scaled(&self, secs: f64) -> Duration {
        Duration::try_from_secs_f64(secs).unwrap_or(self.max).min(self.max)
    }
}

impl Backoff {
    /// Starts with no failure. The same seed gives the same waits.
    pub fn new(policy: Policy, seed: u64) -> Self {
        Self { policy, failures: 0, dice: Dice::new(seed) }
    }

    /// Counts a failure and returns how long to wait. `retry_after`, when the other side gave one, is a
    /// lower bound, itself bounded by a day ([`RETRY_AFTER_MAX`]).
    pub fn fail(&mut self, retry_after: Option<Duration>) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let roll = self.dice.unit();
        let own = if self.failures >= self.policy.ceiling {
            self.policy.max
        } else {
            let jitter = if self.policy.jitter > 0.0 { self.policy.jitter.min(1.0) } else { 0.0 };
            let part = 1.0 + jitter * (2.0 * roll - 1.0);
            self.policy.scaled(self.policy.base(self.failures).as_secs_f64() * part)
        };
        own.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
    }

    /// Forgets all failures.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// Consecutive failures so far.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Changes the shape of the waits to come; the failures so far still count.
    pub fn set_policy(&mut self, policy: Policy) {
        self.policy = policy;
    }
}

impl Dice {
    /// The same seed gives the same rolls.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number from 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.roll() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests;
