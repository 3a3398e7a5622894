use carry_kernel::config::Sources;
use proptest::prelude::*;

use super::*;

fn config(flags: &[(&str, &str)]) -> Config {
    let flags = flags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Config::load(&[crate::settings::KEYS], &Sources { flags, ..Sources::default() })
}

fn budget(ceiling: u64, repository_used: u64, total_used: u64) -> Budget {
    Budget { repository: ceiling, total: ceiling, repository_used, total_used, free: u64::MAX }
}

#[test]
fn an_unset_ceiling_is_a_twentieth_of_free_and_used_or_two_gibibytes() {
    let small = Budget::new(&config(&[]), 1_000, 3_000, 39_000);
    assert_eq!((small.repository, small.total), (2_000, 2_100));
    let large = Budget::new(&config(&[]), 0, 0, u64::MAX);
    assert_eq!((large.repository, large.total), (DEFAULT_MAX, DEFAULT_MAX));
}

#[test]
fn a_ceiling_that_is_set_counts_alone() {
    let set = Budget::new(&config(&[("budget.repository", "\"10 MiB\""), ("budget.total", "5000")]), 0, 0, 1);
    assert_eq!((set.repository, set.total), (10 << 20, 5000));
}

#[test]
fn each_level_begins_past_its_threshold() {
    for (used, level) in [
        (0, Level::Normal),
        (800, Level::Normal),
        (801, Level::Tight),
        (900, Level::Tight),
        (901, Level::TrackedOnly),
        (999, Level::TrackedOnly),
        (1000, Level::Full),
        (u64::MAX, Level::Full),
    ] {
        assert_eq!(budget(1000, used, 0).level(), level, "{used}");
        assert_eq!(budget(1000, 0, used).level(), level, "{used}");
    }
    assert_eq!(budget(0, 0, 0).level(), Level::Full);
}

#[test]
fn too_little_free_space_stops_everything() {
    let low = Budget { free: FREE_MIN - 1, ..budget(u64::MAX, 0, 0) };
    assert_eq!(low.level(), Level::Full);
    assert!(!low.allows(0));
    let enough = Budget { free: FREE_MIN + 5, ..budget(u64::MAX, 0, 0) };
    assert!(enough.allows(5));
    assert!(!enough.allows(6));
}

proptest! {
    #[test]
    fn what_is_allowed_never_passes_a_ceiling(
        ceiling: u64, used: u64, total: u64, free: u64, bytes: u64,
    ) {
        let budget = Budget { repository: ceiling, total: ceiling, repository_used: used, total_used: total, free };
        if budget.allows(bytes) {
            prop_assert!(u128::from(used) + u128::from(bytes) <= u128::from(ceiling));
            prop_assert!(u128::from(total) + u128::from(bytes) <= u128::from(ceiling));
            prop_assert!(free - bytes >= FREE_MIN);
        } else if bytes == 0 {
            prop_assert_eq!(budget.level(), Level::Full);
        }
        if budget.level() == Level::Full && free >= FREE_MIN {
            prop_assert!(!budget.allows(1));
        }
    }

    #[test]
    fn using_more_never_raises_what_may_be_done(ceiling: u64, used: u64, more: u64) {
        prop_assert!(budget(ceiling, used, 0).level() <= budget(ceiling, used.saturating_add(more), 0).level());
    }
}
