use proptest::prelude::*;

use super::*;

const MINUTE: u64 = 60_000;
const NOW: u64 = 1_790_000_000_000;

fn at(ms: u64) -> Timestamp {
    Timestamp::from_millis(i64::try_from(ms).unwrap())
}

fn stamp(wall_ms: u64, counter: u16) -> Hlc {
    Hlc { wall_ms, counter }
}

#[track_caller]
fn check(last: Hlc, now: u64, expected: Hlc, went_back: Option<u64>) {
    assert_eq!(next(last, at(now)), Next { at: expected, went_back: went_back.map(Duration::from_millis) });
}

#[test]
fn a_stamp_follows_the_clock() {
    check(stamp(NOW - 1, 9), NOW, stamp(NOW, 0), None);
    check(stamp(NOW, 9), NOW, stamp(NOW, 10), None);
    check(stamp(NOW, u16::MAX), NOW, stamp(NOW + 1, 0), None);
}

#[test]
fn a_little_ahead_is_gone_on_from_and_more_is_not() {
    check(stamp(NOW + 5 * MINUTE, 1), NOW, stamp(NOW + 5 * MINUTE, 2), None);
    check(stamp(NOW + 5 * MINUTE + 1, 1), NOW, stamp(NOW, 0), Some(5 * MINUTE + 1));
}

#[test]
fn a_clock_that_was_years_ahead_is_believed_once_it_is_set_right() {
    let wrong = next(Hlc::default(), at(NOW + 1_000_000 * MINUTE)).at;
    let right = next(wrong, at(NOW));
    assert_eq!(right.at, stamp(NOW, 0));
    assert!(right.went_back.is_some());
    assert_eq!(next(right.at, at(NOW + 5)).went_back, None);
}

#[test]
fn an_absurd_clock_is_not_believed() {
    for now in [i64::MIN, -1, i64::MAX] {
        let now = Timestamp::from_millis(now);
        assert_eq!(next(stamp(NOW, 1), now).at, stamp(NOW, 2));
        assert_eq!(observe(stamp(NOW, 1), stamp(NOW + 1, 0), now), stamp(NOW, 1));
    }
}

proptest! {
    #[test]
    fn nobody_pulls_the_clock_beyond_the_bound(seen in proptest::collection::vec((0..3 * NOW, any::<u16>()), 0..20)) {
        let mut last = stamp(NOW, 0);
        for (wall_ms, counter) in seen {
            last = observe(last, stamp(wall_ms, counter), at(NOW));
            last = next(last, at(NOW)).at;
            prop_assert!(last.wall_ms <= NOW + 5 * MINUTE + 1);
        }
    }

    #[test]
    fn own_stamps_ascend_while_the_clock_does(steps in proptest::collection::vec(0..1000u64, 1..50)) {
        let (mut now, mut last) = (NOW, Hlc::default());
        for step in steps {
            now += step;
            let stamped = next(last, at(now));
            prop_assert!(stamped.at > last && stamped.went_back.is_none());
            last = stamped.at;
        }
    }
}
