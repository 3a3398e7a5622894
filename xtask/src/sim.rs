//! `cargo xtask sim`: the fleet simulator, built to be fast and with the points at which it lets things fail.

use std::process::Command;

use crate::Outcome;
use crate::run::{cargo, shown, target};

/// Seeds that `cargo xtask test` runs.
const SEEDS: &str = "10000";

/// Builds the simulator and hands it `args`; it runs seeds on all cores and fails if one does.
pub(crate) fn run(args: &[String]) -> Outcome {
    shown(&mut cargo(&["build", "--package", "carry-sim", "--bin", "carry-sim", "--profile", "sim", "--locked"]))?;
    shown(Command::new(target()?.join("sim/carry-sim")).args(args))
}

/// As many seeds as belong to all tests.
pub(crate) fn run_all() -> Outcome {
    run(&["--seeds".to_owned(), SEEDS.to_owned()])
}
