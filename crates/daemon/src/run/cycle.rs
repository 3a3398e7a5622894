//! Workers and their cycles: carries out what a worker asks for and tells it what came of it.

use carry_code::budget::Level;
use carry_code::capture::{self, Capturer, Look};
use carry_code::upkeep::{UpkeepError, UpkeepReport};
use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::job::Watch;
use super::pool::{CaptureWork, Ended, Outcome, Work};
use super::results;
use super::slot::{Key, Running, SHOW_AFTER};

impl Daemon<'_> {
    /// Tells a worker something, with the gates as they are if it may start work because of it.
    pub(super) fn feed(&mut self, id: &TreeId, input: Input) {
        if matches!(input, Input::Dirty | Input::Tick | Input::Start | Input::Resume | Input::Enable) {
            self.measure_gates();
        }
        self.step(id, input);
    }

    /// Tells a tree's worker something and carries out what it asks for.
    pub(super) fn step(&mut self, id: &TreeId, input: Input) {
        self.drive(&Key::Tree(id.clone()), input);
    }

    /// Begins a cycle, or lets it wait until upkeep of the tree is done.
    pub(super) fn run_cycle(&mut self, id: &TreeId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.is_kept_up {
            job.slot.waits = true;
            return;
        }
        let Some(held) = job.slot.held.clone() else { return };
        if job.watch != Watch::Watched {
            job.pending.everything();
        }
        let look = job.pending.take();
        if look == Look::Everything {
            job.scan_at = None;
        }
        let capturer = job.capturer.take().unwrap_or_else(|| Capturer::new(self.ctx.clone(), job.tree.clone()));
        job.answers = std::mem::take(&mut job.asks);
        let force = !job.answers.is_empty();
        let running = Running::new(now);
        let cancel = running.cancel.clone();
        job.slot.running = Some(running);
        job.busy_at = now;
        tracing::debug!(tree = %id, everything = look == Look::Everything, "capturing");
        self.pool.give(Work::Capture(Box::new(CaptureWork {
            tree: id.clone(),
            capturer,
            look,
            held,
            cancel,
            force,
            drift: job.may_publish_elsewhere,
        })));
    }

    /// A capture took a step.
    pub(super) fn progress(&mut self, id: &TreeId, step: String, done: u64, total: u64) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id) else { return };
        let Some(running) = &mut job.slot.running else { return };
        running.moved_at = now;
        job.stalls_at = Some(now.after(self.tuning.stall_after));
        let is_new = running.step != step;
        running.step.clone_from(&step);
        let goes_on = job.stalled.is_some();
        let is_slow = goes_on || !running.is_shown && now.since(running.since) >= SHOW_AFTER;
        let asks = job.answers.clone();
        if goes_on {
            self.goes_on(id);
        }
        self.tell_progress(&asks, id, &step, done, total);
        if is_new {
            self.step(id, Input::Step(step));
        }
        if is_slow {
            self.publish(&Key::Tree(id.clone()), now, true);
        }
    }

    /// A capture ended.
    pub(super) fn ended(&mut self, ended: Ended) {
        let Ended { tree: id, capturer, look, outcome, took, linked } = ended;
        let now = self.now();
        self.goes_on(&id);
        let n_trees = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        if job.slot.running.take().is_none() {
            return;
        }
        let answers = std::mem::take(&mut job.answers);
        job.stalls_at = None;
        job.busy_at = now;
        // A tree that moved meanwhile needs a capturer that knows, and so does a device that has another name.
        let is_stale = std::mem::take(&mut job.drops_capturer);
        job.capturer = capturer.filter(|capturer| !is_stale && *capturer.tree() == job.tree);
        job.is_warm = job.capturer.is_some();
        let is_new =
            matches!(&outcome, Outcome::Done(report) if matches!(report.outcome, capture::Outcome::Captured(_)));
        let looks_again = matches!(outcome, Outcome::Done(_))
            && (std::mem::take(&mut job.may_publish_elsewhere) || job.found.is_none());
        let (input, result) = match outcome {
            Outcome::Done(report) => {
                tracing::debug!(
                    tree = %id, ?took, looked_at = report.looked_at, hashed = report.hashed, bytes = report.bytes_written,
                    full = report.full, new = matches!(report.outcome, capture::Outcome::Captured(_)), "captured"
                );
                let result = results::result(&id, &report);
                job.last = Some(crate::handle::CaptureResult { new: false, ..result.clone() });
                if matches!(report.outcome, capture::Outcome::Waiting(_)) {
                    // Nothing was looked at; when Git is done, its files change.
                    (job.last, job.is_warm) = (None, false);
                    job.pending.give_back(look);
                }
                if report.full {
                    let every = self
                        .tuning
                        .scan_every
                        .max(took.saturating_mul(self.tuning.scan_factor.saturating_mul(n_trees)));
                    job.scan_at = Some(now.after(every));
                }
                if report.full && job.watch == Watch::Watched {
                    self.watching.check_rules(&id);
                }
                if let Some(changed) = linked {
                    self.linked_are(&id, changed);
                }
                self.plan_upkeep(&id, Some(&report), now);
                (Input::Succeeded, result)
            }
            Outcome::Failed(error) => {
                job.pending.give_back(look);
                job.last = None;
                // Where there is no room, upkeep may make some.
                self.plan_upkeep(&id, None, now);
                match results::failure(&error) {
                    None => (Input::Cancelled, results::refusal(&id, "The capture was interrupted.")),
                    Some(failure) => {
                        tracing::warn!(tree = %id, reason = ?failure.reason, "{}", failure.message);
                        (Input::Failed(failure), results::refusal_of(&id, &error))
                    }
                }
            }
            Outcome::Panicked(message) => {
                // What it had changed of its own state is unknown; a new one looks at everything.
                job.pending.everything();
                job.last = None;
                tracing::error!(tree = %id, "a capture panicked: {message}");
                let result = results::refusal(&id, format!("An internal error ended the capture: {message}"));
                (Input::Panicked(message), result)
            }
        };
        let (panicked, failed) = (matches!(input, Input::Panicked(_)), matches!(input, Input::Failed(_)));
        self.step(&id, input);
        if panicked {
            self.note_error(&id, result.error.clone());
        }
        for ask in answers {
            self.answer(ask, result.clone());
        }
        if looks_again {
            self.look_for_remotes(&id);
        }
        if is_new {
            self.has_new_snapshot(&id);
        }
        if failed {
            // Perhaps because it is not there.
            self.look_for(&id);
        }
        self.notice_identity();
    }

    /// Upkeep follows the first capture, found it anything or not, and then comes by itself; sooner where room is short.
    fn plan_upkeep(&mut self, id: &TreeId, report: Option<&capture::Report>, now: Timestamp) {
        let captured = report.filter(|report| matches!(report.outcome, capture::Outcome::Captured(_)));
        let (gap, every) = (self.tuning.upkeep_gap, self.tuning.upkeep_every);
        let Some(job) = self.jobs.get_mut(id) else { return };
        let mut has_many_packs = || {
            self.registry.packs(&job.tree.common_dir).is_ok_and(|packs| packs.len() > carry_code::upkeep::PACKS_KEEP)
        };
        let is_urgent = captured.is_some_and(|report| report.level >= Level::Tight || has_many_packs());
        let usual = job.kept_at.map_or(now.after(gap), |kept| kept.after(every));
        let at = if is_urgent { job.kept_at.map_or(now, |kept| kept.after(gap)) } else { usual };
        job.upkeep_at = Some(job.upkeep_at.map_or(at, |planned| planned.min(at)));
    }

    /// Upkeep of a tree ended.
    pub(super) fn kept(&mut self, id: &TreeId, done: Result<Result<UpkeepReport, UpkeepError>, String>) {
        // While it hung, another one may have begun.
        if self.jobs.get(id).is_none_or(|job| job.stalled.is_none()) {
            self.is_keeping_up = false;
        }
        let hung = self.goes_on(id);
        match done {
            Ok(Ok(report)) => tracing::debug!(tree = %id, ?report, "kept up"),
            Ok(Err(error)) => self.complain("upkeep failed", &error),
            Err(message) => tracing::error!(tree = %id, "upkeep panicked: {message}"),
        }
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id) else { return };
        (job.is_kept_up, job.stalls_at) = (false, None);
        let next = now.after(self.tuning.upkeep_every);
        job.upkeep_at = Some(job.upkeep_at.map_or(next, |planned| planned.min(next)));
        if std::mem::take(&mut job.slot.waits) {
            self.run_cycle(id, now);
        } else if hung {
            self.publish(&Key::Tree(id.clone()), now, false);
        }
        self.drop_if_left(id);
    }
}
