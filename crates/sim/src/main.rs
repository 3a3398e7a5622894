//! Runs seeds of the simulator on all cores. `cargo xtask sim` builds it and calls it.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use carry_sim::run;
use carry_sim::trace::Show;

const HELP: &str = "\
Usage: carry-sim [--seeds N] [--from SEED] [--threads N] [--no-kept]
       carry-sim --seed SEED [--trace]

Runs the seeds that are kept because they failed once, then N seeds (1000) from SEED (1). Prints those that fail.
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
    let mut asked = Asked { seeds: 1000, from: 1, threads, with_kept: true, seed: None, trace: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let mut number = || args.next()?.parse::<u64>().ok();
        match arg.as_str() {
            "--seeds" => asked.seeds = number()?,
            "--from" => asked.from = number()?,
            "--threads" => asked.threads = usize::try_from(number()?).ok()?.max(1),
            "--seed" => asked.seed = Some(number()?),
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
    let (next, failed, begun) = (AtomicUsize::new(0), Mutex::new(Vec::new()), Instant::now());
    let work = || -> io::Result<()> {
        while let Some(&seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(wrong) = run::seed(seed, None)?.wrong {
                line(&format!("seed {seed} fails: {wrong}\n    cargo xtask sim --seed {seed} --trace"));
                failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(seed);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..asked.threads).map(|_| scope.spawn(work)).collect();
        all.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| Err(io::Error::other("a thread died"))))
    })?;
    let failed = failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    let ms = begun.elapsed().as_millis();
    line(&format!(
        "{} seeds, {} failed, {} ms a seed and core",
        seeds.len(),
        failed.len(),
        ms * asked.threads as u128 / (seeds.len() as u128).max(1)
    ));
    Ok(failed.is_empty())
}
