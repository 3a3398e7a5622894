//! The one background loop every strand runs on: triggers, lease, gates, backoff, phases.
//!
//! [`Worker`] is a state machine without I/O: inputs and the (steady) time come in, effects go out. A shell
//! (the daemon, or the simulator) carries the effects out and feeds back what came of them. One cycle
//! runs at a time; what becomes dirty meanwhile is done in the next. The table of allowed phase
//! changes is [`Phase::may_become`].
//!
//! ```text
//! trigger ─▶ quiet, interval ─▶ backoff ─▶ gates ─▶ lease ─▶ Run … renew … ─▶ release
//!               Now skips ───────────────────▶          │ refused: wait, ask again
//! ```
//!
//! No wish is ever dropped: a cycle that fails is owed until one succeeds, one that was cancelled leaves its work
//! dirty, and what waits always has a [`Effect::WakeAt`] ahead of it unless the worker is paused, disabled
//! or stopped.

use crate::backoff::Backoff;
use crate::clock::Timestamp;
use crate::gate::Gate;

mod cycle;
mod input;
mod phase;
mod settings;
mod status;
mod triggers;

pub use input::{Effect, Failure, Input, Reason};
pub use phase::Phase;
pub use settings::Settings;
pub use status::Status;

use cycle::{Cycle, End};
use triggers::Triggers;

/// One background job's state machine.
#[derive(Clone, Debug)]
pub struct Worker {
    settings: Settings,
    backoff: Backoff,
    triggers: Triggers,
    life: Life,
    phase: Phase,
    cycle: Option<Cycle>,
    /// When the lease was asked for; the answer is still to come.
    asked_at: Option<Timestamp>,
    /// The lease was refused; asked for again then.
    busy_until: Option<Timestamp>,
    /// The last answer about the lease was a refusal.
    is_busy: bool,
    wait: Option<Wait>,
    gates: Vec<Gate>,
    /// Since when [`Gate::Load`] has held back a cycle that was ready.
    load_since: Option<Timestamp>,
    /// The same for [`Gate::BatteryCritical`].
    battery_since: Option<Timestamp>,
    is_paused: bool,
    /// Why it is switched off.
    disabled: Option<String>,
    failure: Option<(Reason, String)>,
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    n_cycles: u64,
    n_failures: u64,
    n_panics: u64,
    /// Effects of the step at hand.
    effects: Vec<Effect>,
    /// The wake that the shell was asked for and that has not come.
    wake: Option<Timestamp>,
    published: Option<Status>,
}

/// Where the worker stands between its start and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    New,
    Live,
    /// A cycle still runs.
    Stopping {
        since: Timestamp,
        for_upgrade: bool,
    },
    Ended {
        for_upgrade: bool,
        keeps_lease: bool,
    },
}

/// The wait after a failure.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Timestamp,
    until: Timestamp,
    /// Not before this, whatever our own policy says: the other side asked for it.
    asked: Timestamp,
}

impl Worker {
    /// A worker that has not started. `seed` decides its jitter.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(settings.backoff, seed),
            // Another stream than the backoff's, so that polls and waits do not move together.
            triggers: Triggers::new(!seed),
            settings,
            life: Life::New,
            phase: Phase::Idle,
            cycle: None,
            asked_at: None,
            busy_until: None,
            is_busy: false,
            wait: None,
            gates: Vec::new(),
            load_since: None,
            battery_since: None,
            is_paused: false,
            disabled: None,
            failure: None,
            last_success: None,
            last_failure: None,
            n_cycles: 0,
            n_failures: 0,
            n_panics: 0,
            effects: Vec::new(),
            wake: None,
            published: None,
        }
    }

    /// Takes one input at the steady time `now` and returns what the shell must do, in order.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Vec<Effect> {
        // A failure is seen in one status; from the next input on it is a wait.
        if matches!(self.phase, Phase::Failed(_)) {
            self.enter(Phase::Backoff);
        }
        if self.wait.is_some_and(|wait| wait.until <= now) {
            self.wait = None;
        }
        if self.wake.is_some_and(|wake| wake <= now) {
            self.wake = None;
        }
        let had_ended = matches!(self.life, Life::Ended { .. });
        self.take_in(now, input);
        if had_ended && matches!(self.life, Life::Ended { .. }) {
            // It remembers what it was told in case it is resumed, but does nothing.
            self.effects.clear();
            return Vec::new();
        }
        self.settle(now);
        self.report(now)
    }

    /// Notes what happened. What follows from it is decided by [`Worker::settle`].
    fn take_in(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Start => self.start(now),
            Input::Dirty => self.triggers.mark_dirty(now),
            Input::Now => self.run_now(),
            Input::Tick => {}
            Input::LeaseGranted { fence } => self.lease_granted(now, fence),
            Input::LeaseRefused { until } => self.lease_refused(now, until),
            Input::LeaseLost => self.lease_lost(),
            Input::Step(step) => {
                if self.cycle.is_some() {
                    self.enter(Phase::Working(step));
                }
            }
            Input::Succeeded => self.end_cycle(now, End::Succeeded),
            Input::Failed(failure) => self.end_cycle(now, End::Failed(failure)),
            Input::Panicked(message) => self.end_cycle(now, End::Panicked(message)),
            Input::Cancelled => self.end_cycle(now, End::Cancelled),
            Input::Gates(gates) => self.set_gates(gates),
            Input::Pause => {
                self.is_paused = true;
                self.hold_back();
            }
            Input::Resume => self.is_paused = false,
            Input::Disable(why) => {
                self.disabled = Some(why);
                self.hold_back();
            }
            Input::Enable => self.enable(),
            Input::Reconfigure(settings) => self.reconfigure(*settings),
            Input::Stop => self.stop(now, false),
            Input::StopForUpgrade => self.stop(now, true),
            Input::ResumeAfterUpgrade => self.resume_after_upgrade(now),
        }
    }

    fn start(&mut self, now: Timestamp) {
        if self.life == Life::New {
            self.life = Life::Live;
            self.triggers.start_poll(now);
            if self.settings.at_start {
                self.triggers.owe();
            }
        }
    }

    fn run_now(&mut self) {
        if self.is_paused || self.disabled.is_some() {
            self.triggers.owe();
        } else {
            self.triggers.ask_now();
            // Asking for the lease is cheap, and whoever had it may have given it back early.
            self.busy_until = None;
        }
    }

    fn set_gates(&mut self, gates: Vec<Gate>) {
        self.gates = gates;
        if !self.is_loaded() {
            self.load_since = None;
        }
        if !self.is_drained() {
            self.battery_since = None;
        }
    }

    /// The user or the configuration wants no cycle to go on.
    fn hold_back(&mut self) {
        self.triggers.calm();
        self.cancel();
    }

    /// What was wrong when it was switched off need not be wrong any more: it starts afresh.
    fn enable(&mut self) {
        if self.disabled.take().is_some() {
            self.backoff.succeed();
            self.wait = None;
            self.failure = None;
            if self.settings.at_start {
                self.triggers.owe();
            }
        }
    }

    fn reconfigure(&mut self, settings: Settings) {
        self.backoff.set_policy(settings.backoff);
        if let Some(wait) = &mut self.wait {
            wait.until = wait.until.min(wait.since.after(settings.backoff.max)).max(wait.asked);
        }
        self.settings = settings;
    }

    fn stop(&mut self, now: Timestamp, for_upgrade: bool) {
        match &mut self.life {
            Life::New | Life::Live => {
                self.life = Life::Stopping { since: now, for_upgrade };
                self.cancel();
            }
            // The end for good wins; the grace runs from the first wish.
            Life::Stopping { for_upgrade: before, .. } | Life::Ended { for_upgrade: before, .. } => {
                *before &= for_upgrade;
            }
        }
    }

    fn resume_after_upgrade(&mut self, now: Timestamp) {
        match self.life {
            Life::New => self.start(now),
            Life::Stopping { for_upgrade: true, .. } => self.life = Life::Live,
            Life::Ended { for_upgrade: true, keeps_lease } => {
                self.life = Life::Live;
                self.published = None;
                self.triggers.start_poll(now);
                // Changes may have been missed meanwhile.
                self.triggers.owe();
                if keeps_lease {
                    // It may have lapsed; a new cycle asks for a new one.
                    self.effects.push(Effect::ReleaseLease);
                }
            }
            Life::Live | Life::Stopping { .. } | Life::Ended { .. } => {}
        }
    }

    /// Puts the phase, which must be allowed to follow the present one.
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            debug_assert!(self.phase.may_become(&phase), "{:?} must not become {phase:?}", self.phase);
            self.phase = phase;
        }
    }

    /// Gathers the effects of this step: what was decided, then the status, the cycle, the timer, the end.
    fn report(&mut self, now: Timestamp) -> Vec<Effect> {
        let status = self.worth_publishing();
        // A cycle comes after the status that announces it, so that a shell that runs it in place has told others.
        let run = self.effects.pop_if(|effect| matches!(effect, Effect::Run { .. }));
        if self.published.as_ref() != Some(&status) {
            self.published = Some(status);
            self.effects.push(Effect::Publish);
        }
        self.effects.extend(run);
        let wake = self.next_wake(now);
        if wake != self.wake {
            self.wake = wake;
            self.effects.extend(wake.map(Effect::WakeAt));
        }
        if matches!(self.life, Life::Ended { .. }) {
            self.effects.push(Effect::Stopped);
        }
        std::mem::take(&mut self.effects)
    }

    /// The status without what changes too often to tell everybody: the gates' percentages, and that a change waits
    /// only for quiet.
    fn worth_publishing(&self) -> Status {
        let mut status = self.status();
        for gate in &mut status.gates {
            match gate {
                Gate::BatteryCritical { percent } | Gate::Eco { percent } => *percent = 0,
                Gate::Load { percent } => *percent = 0,
                Gate::Metered | Gate::Offline => {}
            }
        }
        let is_held = self.is_paused
            || self.disabled.is_some()
            || self.wait.is_some()
            || self.busy_until.is_some()
            || !self.gates.is_empty();
        status.dirty &= is_held;
        status
    }

    /// The state as others see it. Times are on the steady clock; the shell converts them
    /// ([`Status::on_wall_clock`]).
    pub fn status(&self) -> Status {
        let (mut reason, mut message) = self.failure.clone().unzip();
        if let Some(why) = &self.disabled {
            message = Some(why.clone());
        } else if self.is_busy {
            (reason, message) = (Some(Reason::Busy), Some("Another process is doing this work.".to_owned()));
        }
        Status {
            phase: self.phase.clone(),
            last_success: self.last_success,
            last_failure: self.last_failure,
            reason,
            message,
            consecutive_failures: self.backoff.failures(),
            backoff_until: self.wait.map(|wait| wait.until),
            dirty: self.triggers.is_waiting(),
            gates: self.gates.clone(),
            cycles: self.n_cycles,
            failures: self.n_failures,
            panics: self.n_panics,
        }
    }
}

#[cfg(test)]
mod tests;
