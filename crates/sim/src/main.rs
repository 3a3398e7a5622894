//! Runs seeds of the simulator on all cores. `cargo xtask sim` builds it and calls it.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use carry_sim::reached::Sum;
use carry_sim::run;
use carry_sim::trace::Show;

const HELP: &str = "\
Usage: carry-sim [--seeds N] [--from SEED] [--threads N] [--no-kept] [--fail-fast]
       carry-sim --seed SEED [--trace]

Runs the seeds that are kept because they failed once, then N seeds (1000) from SEED (1). Prints those that fail,
and what all of them reached: a check proves nothing of what never happened. With --fail-fast the first failure ends it.
With --trace each event of a single seed is one line.";

/// Seeds that failed once.
const KEPT: &str = include_str!("../seeds.txt");

/// What is asked for.
#[derive(Debug)]
struct Asked {
    seeds: u64,
    from: u64,
    threads: usize,
    with_kept: bool,
    fail_fast: bool,
    seed: Option<u64>,
    trace: bool,
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match read(&args) {
        Some(Asked { seed: Some(seed), trace, .. }) => one(seed, trace),
        Some(asked) => many(&asked),
        None => {
            line(HELP);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            line(&format!("Error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn read(args: &[String]) -> Option<Asked> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut asked =
        Asked { seeds: 1000, from: 1, threads, with_kept: true, fail_fast: false, seed: None, trace: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next()?.parse::<u64>().ok();
        match arg.as_str() {
            "--seeds" => asked.seeds = number()?,
            "--from" => asked.from = number()?,
            "--threads" => asked.threads = usize::try_from(number()?).ok()?.max(1),
            "--seed" => asked.seed = Some(number()?),
            "--fail-fast" => asked.fail_fast = true,
            "--no-kept" => asked.with_kept = false,
            "--trace" => asked.trace = true,
            _ => return None,
        }
    }
    Some(asked)
}

fn line(text: &str) {
    // Whoever reads may have had enough.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

fn one(seed: u64, trace: bool) -> io::Result<bool> {
    let show: Option<Show> = if trace { Some(Box::new(line)) } else { None };
    let outcome = run::seed(seed, show)?;
    match &outcome.wrong {
        None => line(&format!("seed {seed}: {} events, {}", outcome.n_events, outcome.digest)),
        Some(wrong) => line(&format!("seed {seed} fails: {wrong}")),
    }
    Ok(outcome.wrong.is_none())
}

/// Independent seeds, on several threads; each seed stays on one.
fn many(asked: &Asked) -> io::Result<bool> {
    let mut seeds = if asked.with_kept { run::kept(KEPT) } else { Vec::new() };
    seeds.extend(asked.from..asked.from.saturating_add(asked.seeds));
    let (next, n_failed, begun) = (AtomicUsize::new(0), AtomicUsize::new(0), Instant::now());
    let sum = Mutex::new(Sum::default());
    let work = || -> io::Result<()> {
        while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            if asked.fail_fast && n_failed.load(Ordering::Relaxed) > 0 {
                break;
            }
            let outcome = run::seed(seed, None)?;
            sum.lock().unwrap_or_else(PoisonError::into_inner).add(&outcome.reached);
            if let Some(wrong) = outcome.wrong {
                line(&format!("seed {seed} fails: {wrong}\n    cargo xtask sim --seed {seed} --trace"));
                n_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..asked.threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("a thread died"))))
    })?;
    let (n_failed, ms) = (n_failed.into_inner(), begun.elapsed().as_millis());
    let sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.lines().iter().for_each(|reached| line(reached));
    let n = seeds.len().min(next.into_inner());
    line(&format!(
        "{} seeds, {} failed, {} ms a seed and core",
        n,
        n_failed,
        ms * asked.threads as u128 / (n as u128).max(1)
    ));
    Ok(n_failed == 0)
}
