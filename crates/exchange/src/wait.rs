//! Waits that end by the wall clock. One that was ahead when they began, and was set right since, puts nothing off.

use std::time::Duration;

use carry_kernel::clock::Timestamp;

/// Whether `wait` has passed since `last`. A `last` that is still to come was noted by a clock that was wrong, and is long ago.
pub(crate) fn is_over(last: Timestamp, wait: Duration, now: Timestamp) -> bool {
    now < last || now.since(last) >= wait
}

/// Whether it is less than `time` from `at` to `now`, or from `now` to `at`: for what must not end because a clock was set back a
/// little.
pub(crate) fn is_near(at: Timestamp, time: Duration, now: Timestamp) -> bool {
    now.since(at) < time && at.since(now) < time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_still_to_come_is_over_and_near_only_for_as_long_as_it_may_last() {
        let (minute, now) = (Duration::from_secs(60), Timestamp::from_millis(1_790_000_000_000));
        for (last, over, near) in [
            (now.before(minute), true, false),
            (now.before(minute / 2), false, true),
            (now, false, true),
            (now.after(minute / 2), true, true),
            (now.after(minute), true, false),
        ] {
            assert_eq!((is_over(last, minute, now), is_near(last, minute, now)), (over, near), "{last:?}");
        }
    }
}
