use proptest::prelude::*;

use super::*;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millis(ms)
}

fn stamp(wall_ms: u64, counter: u16) -> Hlc {
    Hlc { wall_ms, counter }
}

#[test]
fn a_stamp_follows_the_clock_and_counts_while_it_stands_or_goes_back() {
    assert_eq!(stamp(5, 9).tick(at(6)), stamp(6, 0));
    assert_eq!(stamp(5, 9).tick(at(5)), stamp(5, 10));
    assert_eq!(stamp(5, 9).tick(at(-1)), stamp(5, 10));
    assert_eq!(stamp(5, u16::MAX).tick(at(5)), stamp(6, 0));
}

#[test]
fn an_absurd_clock_is_not_believed() {
    assert_eq!(stamp(5, 0).tick(at(i64::MAX)), stamp(5, 1));
    assert_eq!(stamp(5, 0).tick(at(i64::MIN)), stamp(5, 1));
    assert_eq!(stamp(5, 0).observe(stamp(u64::MAX, u16::MAX), at(i64::MAX)), stamp(5, 1));
}

#[test]
fn a_stamp_from_elsewhere_is_followed_up_to_a_day_ahead() {
    let now = 1_000_000;
    let near = stamp((now + DAY_MS) as u64, 3);
    assert_eq!(stamp(5, 0).observe(near, at(now)), stamp(near.wall_ms, 4));
    let far = stamp(near.wall_ms + 1, 0);
    let next = stamp(5, 0).observe(far, at(now));
    assert_eq!(next, stamp(now as u64, 0));
    assert!(next < far);
}

#[test]
fn repeated_lies_do_not_pull_the_clock_along() {
    let mut own = Hlc::default();
    for day in 1..100 {
        own = own.observe(stamp((day * DAY_MS) as u64, 0), at(0));
    }
    assert!(own.wall_ms <= DAY_MS as u64);
}

#[test]
fn a_stamp_has_exactly_one_text() {
    assert_eq!(stamp(1_763_636_100_123, 0x2a).to_string(), "1763636100123-002a");
    for text in [
        "",
        "-",
        "1763636100123",
        "1763636100123-2a",
        "1763636100123-002A",
        "+763636100123-0000",
        "1763636100123-+02a",
        "763636100123-0000",
        "1763636100123-00000",
        "1763636100123-002a ",
        "١٧٦٣٦٣٦١٠٠١٢٣-0000",
    ] {
        assert!(text.parse::<Hlc>().is_err(), "{text:?}");
    }
}

fn any_stamp() -> impl Strategy<Value = Hlc> {
    (prop_oneof![0..20u64, 0..WALL_MS_MAX, Just(WALL_MS_MAX), Just(9_999_999_999_998)], any::<u16>())
        .prop_map(|(wall_ms, counter)| Hlc { wall_ms, counter })
}

fn any_now() -> impl Strategy<Value = Timestamp> {
    prop_oneof![(0..20i64).prop_map(at), any::<i64>().prop_map(at), (0..9_999_999_999_999i64).prop_map(at)]
}

proptest! {
    #[test]
    fn stamps_increase_whatever_the_clock_says(
        start in any_stamp(),
        steps in prop::collection::vec((any_now(), prop::option::of(any_stamp())), 0..50),
    ) {
        let mut last = start;
        for (now, seen) in steps {
            let next = match seen {
                Some(seen) => last.observe(seen, now),
                None => last.tick(now),
            };
            prop_assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn observing_orders_after_what_was_seen_unless_it_is_far_ahead(own in any_stamp(), seen in any_stamp(), now in any_now()) {
        let next = own.observe(seen, now);
        let ahead = i128::from(seen.wall_ms) - i128::from(now.as_millis());
        prop_assert!(next > seen || ahead > i128::from(DAY_MS) || seen.wall_ms > WALL_MS_MAX);
    }

    #[test]
    fn text_sorts_as_stamps_do_and_reads_back(a in any_stamp(), b in any_stamp()) {
        prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        prop_assert_eq!(a.to_string().parse::<Hlc>(), Ok(a));
    }
}
