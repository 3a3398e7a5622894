//! One pass over the sessions, on a thread of its own that ends with it: between passes nothing is held in memory.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use carry_code::context::Context;
use carry_kernel::worker::{Failure, Reason};
use carry_sessions::archive::{Archive, ArchiveError};
use carry_sessions::ingest::{Pass, Progress, Report};
use carry_sessions::settings::Settings;

use super::super::event::Event;
use super::super::results::{of_disk, panic_message, sentence};

/// How often a running pass tells of its progress.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What a pass is to do.
pub(super) struct Work {
    pub(super) ctx: Context,
    pub(super) settings: Arc<Settings>,
    /// Only there; `None`: everywhere.
    pub(super) only: Option<Vec<PathBuf>>,
    pub(super) cancel: Arc<AtomicBool>,
}

/// How it ended.
#[derive(Debug)]
pub(in super::super) enum Outcome {
    Done(Box<Report>),
    Failed(Failure),
    Panicked(String),
}

/// Starts it; the end comes as [`Event::SessionsPassed`].
pub(super) fn start(work: Work, events: SyncSender<Event>) -> std::io::Result<()> {
    let run = move || {
        // On Linux this is the thread's own; elsewhere it would slow the whole process.
        #[cfg(target_os = "linux")]
        let _ = rustix::process::setpriority_process(None, super::super::pool::NICENESS);
        let outcome = match catch_unwind(AssertUnwindSafe(|| run(&work, &events))) {
            Ok(Ok(report)) => Outcome::Done(Box::new(report)),
            Ok(Err(error)) => Outcome::Failed(failure(&error)),
            Err(payload) => Outcome::Panicked(panic_message(&*payload)),
        };
        // The loop may have ended.
        let _ = events.send(Event::SessionsPassed(outcome));
    };
    std::thread::Builder::new().name("carry-sessions".to_owned()).spawn(run).map(drop)
}

fn run(work: &Work, events: &SyncSender<Event>) -> Result<Report, ArchiveError> {
    let Work { ctx, settings, only, cancel } = work;
    let mut archive = Archive::open(&ctx.home, ctx.device.id().as_str())?;
    let told = Mutex::new(Instant::now());
    let progress = |progress: Progress| {
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            // Without anyone to tell, the pass goes on.
            let _ = events.send(Event::SessionsStep(step(&progress)));
        }
    };
    let pass = Pass {
        sources: &settings.sources(),
        places: &settings.places,
        only: only.as_deref(),
        now: ctx.clock.now(),
        limits: settings.limits,
        progress: &progress,
        should_stop: &|| cancel.load(Ordering::Relaxed),
    };
    let mut report = pass.run(&mut archive)?;
    for end in &mut report.turns_ended {
        // Trees are known by their real path.
        if let Ok(path) = end.cwd.canonicalize() {
            end.cwd = path;
        }
    }
    Ok(report)
}

/// Progress for people.
fn step(progress: &Progress) -> String {
    let ((read, units), (done, bytes)) = (progress.units, progress.bytes);
    let percent = (done.saturating_mul(100)).checked_div(bytes).unwrap_or(100);
    format!("reading sessions: {read} of {units} files, {percent} %")
}

fn failure(error: &ArchiveError) -> Failure {
    let reason = match error {
        ArchiveError::Disk(disk) => of_disk(disk),
        ArchiveError::Damaged { .. } => Reason::InvalidData,
        _ => Reason::InternalError,
    };
    Failure { reason, message: sentence(error), retry_after: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_files_and_bytes() {
        let progress = |units, bytes| step(&Progress { units, bytes });
        assert_eq!(progress((120, 597), (50, 200)), "reading sessions: 120 of 597 files, 25 %");
        assert_eq!(progress((0, 1), (0, 0)), "reading sessions: 0 of 1 files, 100 %");
    }
}
