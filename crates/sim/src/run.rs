//! Runs seeds.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use carry_kernel::{db, fault};

use crate::reached::Reached;
use crate::trace::{Show, Trace};
use crate::world::World;

/// What a run came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What is wrong, if anything is.
    pub wrong: Option<String>,
    /// The digest of all that happened.
    pub digest: String,
    /// How many events there were.
    pub n_events: usize,
    /// What the run reached.
    pub reached: Reached,
}

/// Runs one seed in a folder of its own, in memory where there is a file system for that. Each event goes to `show`.
///
/// # Errors
/// When no folder can be made.
pub fn seed(seed: u64, show: Option<Show>) -> io::Result<Outcome> {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("carry-sim-");
    let dir = if memory.is_dir() { builder.tempdir_in(memory)? } else { builder.tempdir()? };
    db::alone();
    fault::passed();
    // A panic is one of the things that must not happen; the other seeds go on.
    let done = catch_unwind(AssertUnwindSafe(|| match World::new(seed, dir.path(), Trace::new(show)) {
        Ok(mut world) => (world.run().err(), world.trace, world.reached),
        Err(wrong) => (Some(wrong), Trace::new(None), Reached::default()),
    }));
    fault::arm(None);
    let (wrong, trace, mut reached) = match done {
        Ok((wrong, trace, reached)) => {
            (wrong.map(|wrong| wrong.to_string().replace(&*dir.path().to_string_lossy(), "~")), trace, reached)
        }
        Err(panic) => (Some(format!("it panicked: {}", said(&*panic))), Trace::new(None), Reached::default()),
    };
    reached.pass(fault::passed());
    Ok(Outcome { wrong, digest: trace.digest(), n_events: trace.n_lines(), reached })
}

/// What a panic said.
fn said(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("nothing")
}

/// The seeds of a kept list: the first word of each line that is a number; `#` begins a remark.
pub fn kept(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.split_whitespace().next()?.parse().ok()).collect()
}
