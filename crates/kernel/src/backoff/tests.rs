use proptest::prelude::*;

use super::*;

fn secs(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn plain() -> Policy {
    Policy { first: secs(1), max: secs(60), factor: 2.0, jitter: 0.0, ceiling: 100 }
}

#[track_caller]
fn check(policy: Policy, expected: &[u64]) {
    let mut backoff = Backoff::new(policy, 7);
    let waits: Vec<_> = expected.iter().map(|_| backoff.fail(None).as_secs()).collect();
    assert_eq!(waits, expected);
}

#[test]
fn waits_double_up_to_the_longest() {
    check(plain(), &[1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn the_ceiling_jumps_to_the_longest() {
    check(Policy { ceiling: 3, ..plain() }, &[1, 2, 60, 60]);
}

#[test]
fn a_factor_below_one_or_no_number_counts_as_one() {
    check(Policy { factor: 0.1, ..plain() }, &[1, 1, 1]);
    check(Policy { factor: f64::NAN, ..plain() }, &[1, 1, 1]);
}

#[test]
fn success_starts_over() {
    let mut backoff = Backoff::new(plain(), 0);
    backoff.fail(None);
    backoff.fail(None);
    backoff.succeed();
    assert_eq!(backoff.failures(), 0);
    assert_eq!(backoff.fail(None), secs(1));
}

#[test]
fn retry_after_is_a_lower_bound_of_at_most_a_day() {
    let mut backoff = Backoff::new(plain(), 0);
    assert_eq!(backoff.fail(Some(secs(300))), secs(300));
    assert_eq!(backoff.fail(Some(Duration::from_millis(1))), secs(2));
    assert_eq!(backoff.fail(Some(Duration::MAX)), RETRY_AFTER_MAX);
}

#[test]
fn a_new_policy_keeps_the_count() {
    let mut backoff = Backoff::new(plain(), 0);
    backoff.fail(None);
    backoff.fail(None);
    backoff.set_policy(Policy { first: secs(10), ..plain() });
    assert_eq!(backoff.fail(None), secs(40));
}

#[test]
fn jitter_spreads_waits_to_both_sides() {
    let policy = Policy { jitter: 0.2, first: secs(10), ..plain() };
    let waits: Vec<_> = (0..200).map(|seed| Backoff::new(policy, seed).fail(None).as_millis()).collect();
    assert!(waits.iter().all(|w| (8_000..=12_000).contains(w)));
    assert!(waits.iter().any(|w| *w < 8_500) && waits.iter().any(|w| *w > 11_500));
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let wait = prop_oneof![Just(0_u64), 1..100_000_u64, Just(u64::MAX)].prop_map(Duration::from_millis);
    let number = prop_oneof![0.0..10.0_f64, Just(f64::NAN), Just(f64::INFINITY), Just(-3.0), Just(1e300)];
    (wait.clone(), wait, number.clone(), number, 0..50_u32).prop_map(|(first, max, factor, jitter, ceiling)| Policy {
        first,
        max,
        factor,
        jitter,
        ceiling,
    })
}

proptest! {
    #[test]
    fn any_policy_gives_waits_within_its_bounds(policy in any_policy(), seed: u64, failures in 1..200_u32) {
        let mut backoff = Backoff::new(policy, seed);
        for n in 1..=failures {
            let wait = backoff.fail(None);
            prop_assert!(wait <= policy.max);
            prop_assert_eq!(backoff.failures(), n);
            if n >= policy.ceiling {
                prop_assert_eq!(wait, policy.max);
            }
        }
    }

    #[test]
    fn jitter_stays_within_its_part(jitter in 0.0..=1.0_f64, first_ms in 1..10_000_u64, seed: u64) {
        let first = Duration::from_millis(first_ms);
        let policy = Policy { first, max: Duration::from_secs(1_000_000), factor: 1.5, jitter, ceiling: u32::MAX };
        let mut backoff = Backoff::new(policy, seed);
        for n in 0..20 {
            let base = first.as_secs_f64() * 1.5_f64.powi(n);
            let wait = backoff.fail(None).as_secs_f64();
            prop_assert!(wait >= base * (1.0 - jitter) - 1e-6 && wait <= base * (1.0 + jitter) + 1e-6);
        }
    }

    #[test]
    fn retry_after_never_shortens_and_never_exceeds_a_day(policy in any_policy(), seed: u64, asked: u32) {
        let asked = Duration::from_secs(asked.into());
        let own = Backoff::new(policy, seed).fail(None);
        let wait = Backoff::new(policy, seed).fail(Some(asked));
        prop_assert_eq!(wait, own.max(asked.min(RETRY_AFTER_MAX)));
    }

    #[test]
    fn the_same_seed_gives_the_same_waits(policy in any_policy(), seed: u64) {
        let (mut a, mut b) = (Backoff::new(policy, seed), Backoff::new(policy, seed));
        for _ in 0..20 {
            prop_assert_eq!(a.fail(None), b.fail(None));
        }
    }
}
