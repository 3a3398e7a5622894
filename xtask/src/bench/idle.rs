//! What the daemon costs while nothing happens.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use carry_testkit::synthetic::Synthetic;

use super::carry::Carry;
use crate::Outcome;
use crate::run::captured;

/// Repositories watched, and files in each.
const REPOSITORIES: usize = 20;
const FILES: usize = 1_000;
/// Time for the work of the start to end before the clock starts.
const CALM: Duration = Duration::from_secs(15);

/// The cost.
#[derive(Clone, Copy, Debug)]
pub(super) struct Idle {
    /// Of one processor, in percent.
    pub(super) cpu_percent: f64,
    /// Resident memory, in MiB.
    pub(super) resident_mib: f64,
    seconds: f64,
}

/// Watches twenty repositories for `seconds`.
pub(super) fn measure(folder: &Path, program: &Path, seconds: u64) -> Outcome<Idle> {
    std::fs::create_dir_all(folder)?;
    let mut carry = Carry::with_defaults(program, &folder.join("home"))?;
    for n in 0..REPOSITORIES {
        let root = folder.join(format!("repo{n}"));
        Synthetic { files: FILES, seed: n as u64 }.create(&root);
        carry.run(&root, &["add", "."])?;
    }
    carry.start()?;
    carry.run(folder, &["now"])?;
    std::thread::sleep(CALM);
    let ticks_per_second: f64 = captured(Command::new("getconf").arg("CLK_TCK"))?.trim().parse()?;
    let ticks = || carry.ticks().ok_or("the daemon's processor time cannot be read here");
    let (before, start) = (ticks()?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let busy = (ticks()? - before) as f64 / ticks_per_second;
    let resident = carry.resident_kib().ok_or("the daemon's memory cannot be read here")?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(Idle { cpu_percent: busy / seconds * 100.0, resident_mib: resident as f64 / 1024.0, seconds })
}

impl fmt::Display for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Idle, {REPOSITORIES} repositories of {FILES} files, {:.0} s: {:.3} % of a processor, {:.1} MiB resident.",
            self.seconds, self.cpu_percent, self.resident_mib
        )
    }
}
