//! Three devices, three clones, one remote; random edits, commits, captures, exchanges and handoffs, clocks that are days apart, and
//! devices that are offline for a stretch.
//!
//! Each seed is one sequence. When in the end everybody has exchanged everything: what was ever captured is on every device,
//! all working trees are the same, and no two devices changed one line unseen without a conflict being reported. A second kind
//! of run plays the same edits under several schedules and expects the same files each time.
//! `CARRY_TEST_SEEDS=100` runs that many more of each, `CARRY_TEST_SEED=17` one alone.

use std::panic::{AssertUnwindSafe, catch_unwind};

use carry_testkit::rng::Rng;

mod device;
mod files;
mod fleet;
mod known;
mod lines;

use fleet::Fleet;

/// What happens in one sequence.
const STEPS: usize = 80;
/// How many devices there are.
const DEVICES: usize = 3;
/// Edits that each device makes in a run under several schedules.
const EDITS: usize = 10;

macro_rules! seeds {
    ($check:ident: $($name:ident = $seed:literal,)*) => {$(
        #[test]
        fn $name() {
            named($seed, $check);
        }
    )*};
}

seeds! { anything:
    devices_come_to_agree_and_lose_nothing_1 = 1,
    devices_come_to_agree_and_lose_nothing_2 = 2,
    devices_come_to_agree_and_lose_nothing_3 = 3,
    devices_come_to_agree_and_lose_nothing_4 = 4,
    devices_come_to_agree_and_lose_nothing_5 = 5,
    devices_come_to_agree_and_lose_nothing_6 = 6,
    devices_come_to_agree_and_lose_nothing_7 = 7,
    devices_come_to_agree_and_lose_nothing_8 = 8,
}

seeds! { schedules:
    the_order_of_exchanges_does_not_matter_1 = 101,
    the_order_of_exchanges_does_not_matter_2 = 102,
    the_order_of_exchanges_does_not_matter_3 = 103,
    the_order_of_exchanges_does_not_matter_4 = 104,
}

/// Seeds asked for through the environment; none otherwise.
#[test]
fn devices_come_to_agree_under_further_seeds() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("CARRY_TEST_SEED") {
        Some(one) => vec![one],
        None => (1000..1000 + number("CARRY_TEST_SEEDS").unwrap_or(0)).collect(),
    };
    for seed in seeds {
        named(seed, anything);
        named(seed, schedules);
    }
}

/// Runs one sequence; panics with the seed.
fn named(seed: u64, check: fn(u64)) {
    if let Err(cause) = catch_unwind(AssertUnwindSafe(|| check(seed))) {
        let said = cause.downcast_ref::<String>().cloned();
        let said = said.or_else(|| cause.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default();
        panic!("seed {seed}: {said}");
    }
}

/// Anybody does anything to any file.
fn anything(seed: u64) {
    let mut rng = Rng::new(seed);
    let thins = seed.is_multiple_of(2);
    let mut fleet = Fleet::new(DEVICES, &mut rng);
    fleet.reported(|fleet| {
        for _ in 0..STEPS {
            let who = rng.below(DEVICES);
            match rng.below(100) {
                0..15 => fleet.edits_anything(who, &mut rng),
                15..34 => fleet.edits_a_line(who, &mut rng),
                34..50 => drop(fleet.captures(who)),
                50..62 => fleet.publishes(who),
                62..71 => fleet.gathers(who),
                71..82 => fleet.takes_over(who, &mut rng),
                82..87 => fleet.commits(who),
                87..91 => fleet.loses_or_finds_the_network(who, &mut rng),
                91..94 => fleet.sets_its_clock(who, &mut rng),
                _ if thins => fleet.thins(who),
                _ => fleet.edits_a_line(who, &mut rng),
            }
        }
        fleet.agrees(&mut rng);
        fleet.assert_everything_captured_is_everywhere(!thins);
    });
}

/// The same edits, each device on files of its own, under three schedules: what comes out is what was edited.
fn schedules(seed: u64) {
    let scripts: Vec<Vec<files::Edit>> = (0..DEVICES)
        .map(|who| {
            let mut rng = Rng::new(seed * 31 + who as u64);
            files::script(who, EDITS, &mut rng)
        })
        .collect();
    let expected = files::played(&scripts);
    for schedule in 0..3 {
        let mut rng = Rng::new(seed * 1000 + schedule);
        let mut fleet = Fleet::new(DEVICES, &mut rng);
        fleet.reported(|fleet| {
            let mut left: Vec<std::slice::Iter<'_, files::Edit>> = scripts.iter().map(|s| s.iter()).collect();
            while left.iter().any(|edits| edits.len() > 0) {
                let who = rng.below(DEVICES);
                match rng.below(10) {
                    0..5 => {
                        if let Some(edit) = left[who].next() {
                            fleet.edits(who, edit);
                        }
                    }
                    5 => drop(fleet.captures(who)),
                    6 => fleet.publishes(who),
                    7 => fleet.gathers(who),
                    8 => assert_eq!(fleet.takes_over_without_conflict(who, &mut rng), [""; 0]),
                    _ => fleet.loses_or_finds_the_network(who, &mut rng),
                }
            }
            fleet.agrees(&mut rng);
            assert_eq!(fleet.files(0), expected, "schedule {schedule}");
        });
    }
}
