//! `cargo xtask test`: every test there is, and one line that says what came of them.

use std::io::{BufRead as _, BufReader};
use std::process::{ChildStdout, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};

use crate::run::cargo;
use crate::{Outcome, apt, out};

mod hang;

/// Where property tests begin.
const SEED: &str = "PROPTEST_RNG_SEED";

/// What the lines of one run add up to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    passed: u64,
    failed: u64,
    ignored: u64,
}

/// Runs `cargo test --workspace` with `args`, and counts. Without `args` the simulator follows.
pub(crate) fn run(args: &[String]) -> Outcome {
    apt::install_missing()?;
    let mut test = cargo(&["test", "--workspace", "--locked"]);
    // Property tests try the same cases in every run unless somebody asks for others.
    if std::env::var_os(SEED).is_none() {
        test.env(SEED, "1");
    }
    // One failure must not hide the next, unless the caller asked for less.
    let (ours, theirs) = args.split_at(args.iter().position(|arg| arg == "--").unwrap_or(args.len()));
    if !ours.iter().any(|arg| arg.contains("fail-fast")) {
        test.arg("--no-fail-fast");
    }
    let mut child = test.args(ours).args(theirs).stdout(Stdio::piped()).spawn()?;
    let lines = lines_of(child.stdout.take().expect("asked for a pipe"));
    let (mut count, mut running, mut n_hung) = (Count::default(), hang::Running::default(), 0u32);
    loop {
        match lines.recv_timeout(hang::LIMIT) {
            Ok(line) => {
                let line = line?;
                out::line(&line);
                count.add(&line);
                running.hear(&line);
            }
            Err(RecvTimeoutError::Timeout) if running.is_on() => {
                let is_ended = hang::end_children(child.id());
                out::note(&running.verdict(is_ended));
                n_hung += 1;
                // It says no more of itself.
                running = hang::Running::default();
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    let status = child.wait()?;
    let ignored = if count.ignored > 0 { format!(", {} ignored", count.ignored) } else { String::new() };
    let hung =
        if n_hung > 0 { format!(", {n_hung} hung with all that followed in its program") } else { String::new() };
    out::line(&format!("\n{} passed, {} failed{ignored}{hung}", count.passed, count.failed));
    // Whoever asks for some tests has no use for thousands of simulated fleets.
    let simulated = if args.is_empty() { crate::sim::run_all() } else { Ok(()) };
    if status.success() { simulated } else { Err(format!("cargo test ended with {status}").into()) }
}

/// What is said there, line by line, to wait for with a limit.
fn lines_of(stdout: ChildStdout) -> Receiver<std::io::Result<String>> {
    let (said, lines) = sync_channel(64);
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map(|line| String::from_utf8_lossy(&line).into_owned());
            if said.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

impl Count {
    /// Adds a summary line of the test harness, `test result: ok. 3 passed; 0 failed; 0 ignored; …`. Other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(rest) = line.strip_prefix("test result: ") else { return };
        let of = |what: &str| -> u64 {
            let words: Vec<&str> = rest.split([' ', ';', '.']).filter(|word| !word.is_empty()).collect();
            let at = words.iter().position(|word| *word == what);
            at.and_then(|at| words.get(at.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
        };
        self.passed += of("passed");
        self.failed += of("failed");
        self.ignored += of("ignored");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_add_up() {
        let mut count = Count::default();
        for line in [
            "running 3 tests",
            "test result: ok. 21 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.62s",
            "test passed ... ok",
            "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.00s",
        ] {
            count.add(line);
        }
        assert_eq!(count, Count { passed: 26, failed: 2, ignored: 1 });
    }
}
