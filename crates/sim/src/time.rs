//! Simulated time. The world's time only goes forward; each device's wall clock shows it wrongly in its own way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use carry_kernel::clock::{Clock, Timestamp};

/// Where the world's time begins, in milliseconds since 1970.
const START_MS: i64 = 1_790_000_000_000;

/// The world's time. Clones show the same.
#[derive(Clone, Debug, Default)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    /// Milliseconds since the world began.
    pub fn ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&self, ms: i64) {
        self.0.fetch_add(ms.max(0), Ordering::Relaxed);
    }
}

/// One device's clocks. The wall clock is off, drifts, and may be set; the steady clock is right.
#[derive(Debug)]
pub struct DeviceClock {
    time: Time,
    off_ms: AtomicI64,
    /// How much too fast it goes, in millionths.
    drift: i64,
}

impl DeviceClock {
    /// A clock that is off by so much.
    pub fn new(time: Time, off_ms: i64, drift: i64) -> Self {
        Self { time, off_ms: AtomicI64::new(off_ms), drift }
    }

    /// Sets the wall clock forward, or back.
    pub fn jump(&self, ms: i64) {
        self.off_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// How far the wall clock is from the world's time, drift left out.
    pub fn off_ms(&self) -> i64 {
        self.off_ms.load(Ordering::Relaxed)
    }
}

impl Clock for DeviceClock {
    fn now(&self) -> Timestamp {
        let ms = self.time.ms();
        Timestamp::from_millis(START_MS + ms + ms / 1_000_000 * self.drift + self.off_ms())
    }

    fn steady(&self) -> Timestamp {
        Timestamp::from_millis(self.time.ms())
    }
}
