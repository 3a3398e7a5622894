//! One cycle from its lease to its end, and what to do next when none runs.

use std::time::Duration;

use super::{Effect, Failure, Life, Phase, Reason, Wait, Worker};
use crate::backoff::RETRY_AFTER_MAX;
use crate::clock::Timestamp;
use crate::gate::Gate;

/// The step a cycle is in before it names one.
const FIRST_STEP: &str = "start";

/// The step at which a cycle failed that could not ask for its lease.
const LEASE_STEP: &str = "lease";

/// A refused lease is asked for again no sooner than this, whatever deadline was named: the holder may renew.
const BUSY_MIN: Duration = Duration::from_secs(1);

/// A refused lease is asked for again at least this often, however far the deadline: holders mostly give it back long
/// before, asking is cheap, and the deadline may be nonsense.
const BUSY_MAX: Duration = Duration::from_secs(3);

/// While gates hold work back, the shell is woken this often to measure them again.
const GATE_LOOK: Duration = Duration::from_secs(60);

/// A cycle that runs.
#[derive(Clone, Debug)]
pub(super) struct Cycle {
    renewed_at: Timestamp,
    has_lease: bool,
    is_cancelled: bool,
}

/// How a cycle ended.
pub(super) enum End {
    Succeeded,
    Failed(Failure),
    Panicked(String),
    Cancelled,
}

impl Worker {
    pub(super) fn lease_granted(&mut self, now: Timestamp, fence: u64) {
        if self.asked_at.take().is_none() {
            // Nobody waits for it: a second answer, or one that came after the wish was given up. While a cycle
            // holds the lease it is the same one.
            if self.cycle.as_ref().is_none_or(|cycle| !cycle.has_lease) {
                self.effects.push(Effect::ReleaseLease);
            }
            return;
        }
        (self.busy_until, self.is_busy) = (None, false);
        let may_run = !self.is_paused && self.disabled.is_none() && self.life == Life::Live;
        if !may_run || self.is_gated(now) {
            self.effects.push(Effect::ReleaseLease);
            return;
        }
        self.triggers.take(now);
        (self.wait, self.load_since, self.battery_since) = (None, None, None);
        self.cycle = Some(Cycle { renewed_at: now, has_lease: true, is_cancelled: false });
        self.enter(Phase::Working(FIRST_STEP.to_owned()));
        self.effects.push(Effect::Run { fence });
    }

    pub(super) fn lease_refused(&mut self, now: Timestamp, until: Timestamp) {
        if self.asked_at.take().is_some() {
            self.busy_until = Some(until.max(now.after(BUSY_MIN)).min(now.after(BUSY_MAX)));
            self.is_busy = true;
        }
    }

    pub(super) fn lease_lost(&mut self) {
        if let Some(cycle) = &mut self.cycle {
            cycle.has_lease = false;
            self.cancel();
        }
    }

    /// Asks the running cycle, if there is one, to end. Once is enough.
    pub(super) fn cancel(&mut self) {
        if let Some(cycle) = &mut self.cycle
            && !std::mem::replace(&mut cycle.is_cancelled, true)
        {
            self.effects.push(Effect::Cancel);
        }
    }

    pub(super) fn end_cycle(&mut self, now: Timestamp, end: End) {
        let Some(cycle) = self.cycle.take() else {
            self.could_not_ask(now, end);
            return;
        };
        let keeps_lease = matches!(self.life, Life::Stopping { for_upgrade: true, .. });
        if cycle.has_lease && !keeps_lease {
            self.effects.push(Effect::ReleaseLease);
        }
        match end {
            End::Succeeded => {
                self.backoff.succeed();
                (self.failure, self.wait) = (None, None);
                self.last_success = Some(now);
                self.n_cycles += 1;
                self.enter(Phase::Healthy);
                if !cycle.has_lease {
                    // It should have been cancelled; to do it again is safe, to miss it is not.
                    self.triggers.mark_dirty(now);
                }
            }
            End::Cancelled => {
                self.triggers.mark_dirty(now);
                self.enter(Phase::Idle);
            }
            End::Failed(failure) => self.fail(now, failure),
            End::Panicked(message) => {
                self.n_panics += 1;
                let message = format!("An internal error ended the cycle: {message}");
                self.fail(now, Failure { reason: Reason::InternalError, message, retry_after: None });
            }
        }
        if let Life::Stopping { for_upgrade, .. } = self.life {
            self.life = Life::Ended { for_upgrade, keeps_lease: keeps_lease && cycle.has_lease };
        }
    }

    /// Without a running cycle an end is a late word of one that was given up, and means nothing; a failure while
    /// the lease is asked for says that this was impossible.
    fn could_not_ask(&mut self, now: Timestamp, end: End) {
        let End::Failed(failure) = end else { return };
        if self.asked_at.take().is_some() && !self.is_paused && self.disabled.is_none() {
            self.is_busy = false;
            // The wish is still there, and would ask again without a pause.
            self.triggers.calm();
            self.enter(Phase::Working(LEASE_STEP.to_owned()));
            self.fail(now, failure);
        }
    }

    fn fail(&mut self, now: Timestamp, failure: Failure) {
        let step = match &self.phase {
            Phase::Working(step) => step.clone(),
            _ => FIRST_STEP.to_owned(),
        };
        let until = now.after(self.backoff.fail(failure.retry_after));
        let asked = now.after(failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX));
        self.wait = Some(Wait { since: now, until, asked });
        self.failure = Some((failure.reason, failure.message));
        self.last_failure = Some(now);
        self.n_failures += 1;
        self.triggers.owe();
        self.enter(Phase::Failed(step));
    }

    /// Decides what follows from the state at `now`.
    pub(super) fn settle(&mut self, now: Timestamp) {
        match self.life {
            Life::New => self.show_hold(),
            Life::Stopping { since, for_upgrade } => self.settle_stop(now, since, for_upgrade),
            Life::Live if self.cycle.is_some() => self.renew_if_due(now),
            Life::Live => {
                self.show_hold();
                self.ask_if_due(now);
            }
            Life::Ended { .. } => {}
        }
    }

    fn settle_stop(&mut self, now: Timestamp, since: Timestamp, for_upgrade: bool) {
        let mut keeps_lease = false;
        match &self.cycle {
            Some(_) if now < since.after(self.settings.grace) => return self.renew_if_due(now),
            Some(cycle) => {
                // The lease is not given back: the cycle may still be at work, and dies with the process.
                keeps_lease = for_upgrade && cycle.has_lease;
                self.cycle = None;
                self.triggers.mark_dirty(now);
                self.effects.push(Effect::Abandon);
                self.enter(Phase::Idle);
            }
            None => {
                // The answer may be under way.
                if self.asked_at.take().is_some() && !for_upgrade {
                    self.effects.push(Effect::ReleaseLease);
                }
            }
        }
        self.life = Life::Ended { for_upgrade, keeps_lease };
    }

    /// Shows in the phase that the worker is paused or disabled, or is so no more.
    fn show_hold(&mut self) {
        match self.phase {
            // Seen first; see `step`.
            Phase::Failed(_) => {}
            _ if self.disabled.is_some() => self.enter(Phase::Disabled),
            _ if self.is_paused => self.enter(Phase::Paused),
            Phase::Paused | Phase::Disabled => {
                self.enter(if self.wait.is_some() { Phase::Backoff } else { Phase::Idle });
            }
            _ => {}
        }
    }

    fn is_held(&self) -> bool {
        matches!(self.phase, Phase::Failed(_) | Phase::Paused | Phase::Disabled)
    }

    fn renew_at(&self) -> Option<Timestamp> {
        let third = (self.settings.lease_ttl / 3).max(Duration::from_millis(1));
        self.cycle.as_ref().filter(|cycle| cycle.has_lease).map(|cycle| cycle.renewed_at.after(third))
    }

    fn renew_if_due(&mut self, now: Timestamp) {
        if self.renew_at().is_some_and(|at| at <= now)
            && let Some(cycle) = &mut self.cycle
        {
            cycle.renewed_at = now;
            self.effects.push(Effect::RenewLease);
        }
    }

    fn ask_if_due(&mut self, now: Timestamp) {
        if self.is_held() {
            return;
        }
        let is_due = match self.asked_at {
            // The shell owes an answer; after a lease's time it is taken for lost.
            Some(_) => self.ask_again_at().is_some_and(|at| at <= now),
            None => self.ready_at(now).is_some_and(|at| at <= now) && self.passes_gates(now),
        };
        if is_due {
            self.asked_at = Some(now);
            self.busy_until = None;
            self.effects.push(Effect::AcquireLease);
        }
    }

    /// Whether nothing holds back what is ready. The time that load and battery may do so runs from the first refusal.
    fn passes_gates(&mut self, now: Timestamp) -> bool {
        if self.is_loaded() {
            self.load_since.get_or_insert(now);
        }
        if self.is_drained() {
            self.battery_since.get_or_insert(now);
        }
        !self.is_gated(now)
    }

    fn ask_again_at(&self) -> Option<Timestamp> {
        Some(self.asked_at?.after(self.settings.lease_ttl.max(BUSY_MIN)))
    }

    /// From when on a cycle may ask for its lease, gates aside.
    fn ready_at(&self, now: Timestamp) -> Option<Timestamp> {
        let ready = self.triggers.ready_at(now, &self.settings)?;
        let wait = self.wait.filter(|_| !self.triggers.is_urgent()).map(|wait| wait.until);
        [wait, self.busy_until].into_iter().flatten().chain([ready]).max()
    }

    pub(super) fn is_loaded(&self) -> bool {
        self.gates.iter().any(|gate| matches!(gate, Gate::Load { .. }))
    }

    pub(super) fn is_drained(&self) -> bool {
        self.gates.iter().any(|gate| matches!(gate, Gate::BatteryCritical { .. }))
    }

    /// Whether gates hold back what is ready. A busy or drained machine holds it back only for so long.
    fn is_gated(&self, now: Timestamp) -> bool {
        let holds = |gate| self.hold_ends_at(gate).is_none_or(|end| now < end);
        !self.triggers.is_urgent() && self.gates.iter().any(holds)
    }

    /// Until when a gate may hold back what is ready; `None` for as long as it is shut.
    fn hold_ends_at(&self, gate: &Gate) -> Option<Timestamp> {
        match gate {
            Gate::Load { .. } => Some(self.load_since?.after(self.settings.load_wait_max)),
            Gate::BatteryCritical { .. } => Some(self.battery_since?.after(self.settings.battery_wait_max)),
            Gate::Eco { .. } | Gate::Metered | Gate::Offline => None,
        }
    }

    /// When the worker must be called again even if nothing happens.
    pub(super) fn next_wake(&self, now: Timestamp) -> Option<Timestamp> {
        match self.life {
            Life::New | Life::Ended { .. } => None,
            Life::Stopping { since, .. } => {
                let grace = since.after(self.settings.grace);
                Some(self.renew_at().map_or(grace, |at| at.min(grace)))
            }
            Life::Live if self.cycle.is_some() => self.renew_at(),
            Life::Live if matches!(self.phase, Phase::Failed(_)) => Some(now),
            Life::Live if self.is_held() => None,
            Life::Live if self.asked_at.is_some() => self.ask_again_at(),
            Life::Live => {
                let ready = self.ready_at(now)?;
                if ready > now {
                    return Some(ready);
                }
                // Ready and not asked for: gates hold it back. The next look is not put off by what happens meanwhile.
                let look = now.after(GATE_LOOK);
                let look = self.wake.filter(|wake| *wake > now).map_or(look, |wake| wake.min(look));
                let ends = self.gates.iter().filter_map(|gate| self.hold_ends_at(gate)).filter(|end| *end > now);
                Some(ends.fold(look, Timestamp::min))
            }
        }
    }
}
