//! A few dozen seeds, twice: nothing is wrong, and the same seed gives the same run.

use carry_sim::run;

/// Seeds that are run here; `cargo xtask sim` runs thousands.
const SEEDS: u64 = 50;

#[test]
fn nothing_goes_wrong_and_a_seed_gives_the_same_run_twice() {
    for seed in 1..=SEEDS {
        let first = run::seed(seed, None).unwrap();
        assert_eq!(first.wrong, None, "seed {seed}: cargo xtask sim --seed {seed} --trace");
        let second = run::seed(seed, None).unwrap();
        assert_eq!(first, second, "seed {seed} does not give the same run twice");
    }
}

#[test]
fn kept_seeds_are_read_with_their_remarks() {
    assert_eq!(run::kept("# why\n12 a fork\n\n7\n"), [12, 7]);
}
