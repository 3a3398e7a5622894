//! One pass over the sessions, on a thread of its own that ends with it: between passes nothing is held in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;

use carry_code::context::Context;
use carry_kernel::worker::{Failure, Reason};
use carry_sessions::archive::{Archive, ArchiveError};
use carry_sessions::ingest::{Pass, Progress, Report};
use carry_sessions::settings::Settings;

use super::super::event::Event;
use super::super::outcome::{self, Teller};
use super::super::results::{of_disk, sentence};
use super::super::slot::Key;

/// What a pass is to do.
pub(super) struct Work {
    pub(super) ctx: Context,
    pub(super) settings: Arc<Settings>,
    /// Only there; `None`: everywhere.
    pub(super) only: Option<Vec<PathBuf>>,
    pub(super) cancel: Arc<AtomicBool>,
}

/// How it ended.
pub(in super::super) type Outcome = outcome::Outcome<Box<Report>>;

/// Starts it; the end comes as [`Event::SessionsPassed`].
pub(super) fn start(work: Work, events: SyncSender<Event>) -> Result<(), Failure> {
    let cycle = move |teller: &Teller| match run(&work, teller) {
        Ok(report) => Outcome::Done(Box::new(report)),
        Err(error) => Outcome::Failed(failure(&error)),
    };
    outcome::start(Key::Sessions, ("carry-sessions", "the archive"), events, cycle, Event::SessionsPassed)
}

fn run(work: &Work, teller: &Teller) -> Result<Report, ArchiveError> {
    let Work { ctx, settings, only, cancel } = work;
    let mut archive = Archive::open(&ctx.home, ctx.device.id().as_str())?;
    let pass = Pass {
        sources: &settings.sources(),
        places: &settings.places,
        only: only.as_deref(),
        now: ctx.clock.now(),
        limits: settings.limits,
        progress: &|progress| teller.tell(|| step(&progress)),
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
