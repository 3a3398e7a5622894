use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const TOP: u64 = 40;

fn some_ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
    proptest::collection::vec((1..TOP, 1..TOP), 0..12)
}

fn built(parts: &[(u64, u64)]) -> Ranges {
    let mut ranges = Ranges::new();
    for &(first, last) in parts {
        ranges.insert(first, last);
    }
    ranges
}

fn truth(parts: &[(u64, u64)]) -> BTreeSet<u64> {
    parts.iter().flat_map(|&(first, last)| first..=last).collect()
}

#[track_caller]
fn check(ranges: &Ranges, numbers: &BTreeSet<u64>) {
    assert_eq!(&ranges.iter().flatten().collect::<BTreeSet<_>>(), numbers);
    assert_eq!(ranges.count(), numbers.len() as u64);
    assert_eq!(ranges.last(), numbers.last().copied());
    let parts: Vec<_> = ranges.iter().collect();
    assert!(parts.iter().all(|part| !part.is_empty()));
    assert!(parts.windows(2).all(|two| two[0].end() + 1 < *two[1].start()), "{ranges} has one form");
}

proptest! {
    #[test]
    fn operations_are_those_of_sets(a in some_ranges(), b in some_ranges(), first in 1..TOP, last in 1..TOP) {
        let (x, y) = (built(&a), built(&b));
        let (p, q) = (truth(&a), truth(&b));
        check(&x, &p);
        check(&x.union(&y), &p.union(&q).copied().collect());
        check(&x.difference(&y), &p.difference(&q).copied().collect());
        check(&x.intersection(&y), &p.intersection(&q).copied().collect());
        check(&x.gaps(last), &(1..=last).filter(|n| !p.contains(n)).collect());
        check(&x.gaps_in(first, last), &(first..=last).filter(|n| !p.contains(n)).collect());
        prop_assert_eq!(x.contains(first), p.contains(&first));
        prop_assert_eq!(x.contains_all(first, last), (first..=last).all(|n| p.contains(&n)));
        prop_assert_eq!(x.intersects(first, last), (first..=last).any(|n| p.contains(&n)));
        prop_assert_eq!(x.first_run_end(), (1..).find(|n| !p.contains(n)).unwrap() - 1);
        prop_assert_eq!(a.iter().map(|&(first, last)| first..=last).collect::<Ranges>(), x);
    }
}

#[test]
fn the_ends_of_the_numbers_are_no_trap() {
    let mut ranges = Ranges::of(0, u64::MAX);
    ranges.insert(5, u64::MAX);
    assert_eq!(ranges.n_ranges(), 1);
    assert_eq!(ranges.difference(&Ranges::of(u64::MAX, u64::MAX)).last(), Some(u64::MAX - 1));
    assert_eq!(Ranges::of(3, 2), Ranges::new());
    assert_eq!(built(&[(1, 3), (5, 5), (4, 4), (9, 12)]).to_string(), "1-5 9-12");
    assert_eq!(Ranges::new().to_string(), "none");
}

#[test]
fn a_first_run_ends_before_the_first_gap() {
    assert_eq!(built(&[(1, 10), (12, 20)]).first_run_end(), 10);
    assert_eq!(built(&[(2, 20)]).first_run_end(), 0);
}
