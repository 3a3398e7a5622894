//! Time, bytes and syncs of something that runs.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use crate::Outcome;

/// One run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) ms: f64,
    /// Bytes handed to `write`, by whatever ran, pipes and sockets included; `None` where the system does not count.
    pub(super) bytes: Option<u64>,
}

/// Runs `work` and measures it. `others` are processes that do part of the work and live on.
pub(super) fn sample<T>(others: &[u32], work: impl FnOnce() -> Outcome<T>) -> Outcome<(Sample, T)> {
    let by_others = || others.iter().map(|pid| written_by(&pid.to_string())).sum::<Option<u64>>();
    let written = || Some(written_by("self")? + by_others()?);
    let before = written();
    let start = Instant::now();
    let result = work()?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let bytes = written().zip(before).map(|(after, before)| after.saturating_sub(before));
    Ok((Sample { ms, bytes }, result))
}

/// Bytes a process and its ended children wrote.
fn written_by(pid: &str) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("wchar: "))?.parse().ok()
}

/// Waits until what was written before is on the disk, so that no method pays for another.
pub(super) fn settle_disk() {
    // Without `sync` the numbers are only noisier.
    let _ = Command::new("sync").status();
}

/// Middle value, least and greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Spread {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(super) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median =
            if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) };
        Some(Self { median, min, max })
    }
}

/// `program` as strace runs it, writing the calls that sync to `log`.
pub(super) fn traced(program: &Command, log: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-q", "-e", "trace=fsync,fdatasync,syncfs,sync", "-o"]).arg(log).arg("--");
    strace.arg(program.get_program()).args(program.get_args());
    if let Some(dir) = program.get_current_dir() {
        strace.current_dir(dir);
    }
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

/// Syncs that a log of strace names.
pub(super) fn syncs_in(log: &Path) -> u32 {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let calls =
        text.lines().filter(|line| ["fsync(", "fdatasync(", "syncfs(", "sync("].iter().any(|call| line.contains(call)));
    u32::try_from(calls.count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn what_a_child_writes_is_counted() {
        let (sample, ()) =
            sample(&[], || crate::run::captured(Command::new("head").args(["-c", "100000", "/dev/zero"])).map(drop))
                .expect("head runs");
        assert!(sample.bytes.is_none_or(|bytes| bytes >= 100_000), "{sample:?}");
    }
}
