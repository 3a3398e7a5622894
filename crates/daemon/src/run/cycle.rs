//! Workers and their cycles: carries out what a worker asks for and tells it what came of it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carry_code::budget::Level;
use carry_code::capture::{self, Capturer, Look};
use carry_code::upkeep::{UpkeepError, UpkeepReport};
use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use carry_kernel::lease;
use carry_kernel::worker::{Effect, Failure, Input, Phase, Reason};

use super::chores::Daemon;
use super::job::{Running, Watch};
use super::pool::{CaptureWork, Ended, Outcome, Work};
use super::results;

/// A capture is shown on the board when it takes longer than this. Most take milliseconds, and writing that down would cost
/// as much as they do.
const SHOW_AFTER: Duration = Duration::from_secs(1);

impl Daemon<'_> {
    /// Tells a worker something, with the gates as they are if it may start work because of it.
    pub(super) fn feed(&mut self, id: &TreeId, input: Input) {
        if matches!(input, Input::Dirty | Input::Tick | Input::Start | Input::Resume | Input::Enable) {
            self.measure_gates();
        }
        self.step(id, input);
    }

    /// Tells a worker something and carries out what it asks for.
    pub(super) fn step(&mut self, id: &TreeId, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.now();
            let Some(job) = self.jobs.get_mut(id) else { return };
            for effect in job.worker.step(now, input) {
                inputs.extend(self.carry_out(id, effect, now));
            }
        }
        self.drop_if_left(id);
    }

    fn carry_out(&mut self, id: &TreeId, effect: Effect, now: Timestamp) -> Option<Input> {
        match effect {
            Effect::AcquireLease => return Some(self.acquire(id, now)),
            Effect::RenewLease => return self.renew(id, now),
            Effect::ReleaseLease => self.release(id),
            Effect::Run { .. } => self.run_cycle(id, now),
            Effect::Cancel => {
                let job = self.jobs.get_mut(id)?;
                match &job.running {
                    Some(running) => running.cancel.store(true, Ordering::Relaxed),
                    // It has not begun.
                    None if std::mem::take(&mut job.waits_for_upkeep) => return Some(Input::Cancelled),
                    None => {}
                }
            }
            Effect::Abandon => tracing::warn!(tree = %id, "a capture did not end within its grace and is given up"),
            Effect::WakeAt(at) => {
                if let Some(job) = self.jobs.get_mut(id) {
                    job.wake = Some(at);
                }
            }
            Effect::Publish => self.publish(id, now, false),
            Effect::Stopped => {
                if let Some(job) = self.jobs.get_mut(id) {
                    (job.has_stopped, job.wake) = (true, None);
                }
            }
        }
        None
    }

    fn acquire(&mut self, id: &TreeId, now: Timestamp) -> Input {
        let Some(job) = self.jobs.get_mut(id) else { return Input::Tick };
        let ttl = carry_kernel::worker::Settings::default().lease_ttl;
        match self.lease.acquire(&job.name(), ttl, now) {
            Ok(lease::Outcome::Granted(held)) => {
                let fence = held.fence;
                job.held = Some(held);
                Input::LeaseGranted { fence }
            }
            Ok(lease::Outcome::Refused { owner, until }) => {
                tracing::debug!(tree = %id, pid = owner.pid, "another process captures this tree");
                Input::LeaseRefused { until }
            }
            Err(error) => {
                let message = results::sentence(&error);
                self.complain("the lease cannot be asked for", &error);
                Input::Failed(Failure { reason: Reason::InternalError, message, retry_after: None })
            }
        }
    }

    fn renew(&mut self, id: &TreeId, now: Timestamp) -> Option<Input> {
        let held = self.jobs.get(id)?.held.clone()?;
        let ttl = carry_kernel::worker::Settings::default().lease_ttl;
        match self.lease.renew(&held, ttl, now) {
            Ok(Some(held)) => {
                self.jobs.get_mut(id)?.held = Some(held);
                None
            }
            Ok(None) => {
                tracing::warn!(tree = %id, "the lease was lost; nothing is committed");
                self.jobs.get_mut(id)?.held = None;
                Some(Input::LeaseLost)
            }
            // It is still ours until its deadline, and is asked again before.
            Err(error) => {
                self.complain("the lease cannot be renewed", &error);
                None
            }
        }
    }

    fn release(&mut self, id: &TreeId) {
        let Some(held) = self.jobs.get_mut(id).and_then(|job| job.held.take()) else { return };
        // It lapses by itself.
        if let Err(error) = self.lease.release(held) {
            self.complain("a lease cannot be given back", &error);
        }
    }

    /// Begins a cycle, or lets it wait until upkeep of the tree is done.
    fn run_cycle(&mut self, id: &TreeId, now: Timestamp) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.is_kept_up {
            job.waits_for_upkeep = true;
            return;
        }
        let Some(held) = job.held.clone() else { return };
        if job.watch != Watch::Watched {
            job.pending.everything();
        }
        let look = job.pending.take();
        if look == Look::Everything {
            job.scan_at = None;
        }
        let capturer = job.capturer.take().unwrap_or_else(|| Capturer::new(self.ctx.clone(), job.tree.clone()));
        let asks = std::mem::take(&mut job.asks);
        let cancel = Arc::new(AtomicBool::new(false));
        let force = !asks.is_empty();
        job.running = Some(Running {
            cancel: cancel.clone(),
            since: now,
            asks,
            is_shown: false,
            step: String::new(),
            moved_at: now,
        });
        job.busy_at = now;
        tracing::debug!(tree = %id, everything = look == Look::Everything, "capturing");
        self.pool.give(Work::Capture(Box::new(CaptureWork { tree: id.clone(), capturer, look, held, cancel, force })));
    }

    /// A capture took a step.
    pub(super) fn progress(&mut self, id: &TreeId, step: String, done: u64, total: u64) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id) else { return };
        let Some(running) = &mut job.running else { return };
        running.moved_at = now;
        job.stalls_at = Some(now.after(self.tuning.stall_after));
        let is_new = running.step != step;
        running.step.clone_from(&step);
        let goes_on = job.stalled.is_some();
        let is_slow = goes_on || !running.is_shown && now.since(running.since) >= SHOW_AFTER;
        let asks = running.asks.clone();
        if goes_on {
            self.goes_on(id);
        }
        self.tell_progress(&asks, id, &step, done, total);
        if is_new {
            self.step(id, Input::Step(step));
        }
        if is_slow {
            self.publish(id, now, true);
        }
    }

    /// A capture ended.
    pub(super) fn ended(&mut self, ended: Ended) {
        let Ended { tree: id, capturer, look, outcome, took, linked } = ended;
        let now = self.now();
        self.goes_on(&id);
        let n_trees = u32::try_from(self.jobs.len()).unwrap_or(u32::MAX);
        let Some(job) = self.jobs.get_mut(&id) else { return };
        let Some(running) = job.running.take() else { return };
        job.stalls_at = None;
        job.busy_at = now;
        // A tree that moved meanwhile needs a capturer that knows.
        job.capturer = capturer.filter(|capturer| *capturer.tree() == job.tree);
        job.is_warm = job.capturer.is_some();
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
        for ask in running.asks {
            self.answer(ask, result.clone());
        }
        if failed {
            // Perhaps because it is not there.
            self.look_for(&id);
        }
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
        if std::mem::take(&mut job.waits_for_upkeep) {
            self.run_cycle(id, now);
        } else if hung {
            self.publish(id, now, false);
        }
        self.drop_if_left(id);
    }

    /// Writes a worker's row. Short captures are not worth one; `slow` shows one that is not short.
    pub(super) fn publish(&mut self, id: &TreeId, now: Timestamp, slow: bool) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let status = job.status(now);
        if let (Phase::Working(_), Some(running)) = (&status.phase, &mut job.running) {
            if !slow && !running.is_shown {
                return;
            }
            running.is_shown = true;
        } else if matches!(status.phase, Phase::Working(_)) {
            return;
        }
        let wall = self.ctx.clock.now();
        let name = job.name();
        if let Err(error) = self.board.publish(&name, &status.on_wall_clock(now, wall), std::process::id(), wall) {
            self.complain("a status cannot be published", &error);
        }
    }
}
