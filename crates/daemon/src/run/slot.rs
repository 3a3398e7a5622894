//! A worker and what the daemon keeps beside it, whatever its cycles do: lease, timer, row on the status board.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use carry_kernel::lease::{self, Held};
use carry_kernel::worker::{Effect, Failure, Input, Reason, Settings, Worker};

use super::chores::Daemon;
use super::link::{LinkId, Role};
use super::remotes::Remote;
use super::results;
use super::team::Store;

/// A cycle is shown on the board when it takes longer than this. Most captures take milliseconds, and writing that down
/// would cost as much as they do.
pub(super) const SHOW_AFTER: Duration = Duration::from_secs(1);

/// Whose worker is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// The one that captures a tree.
    Tree(TreeId),
    /// One of a link's two.
    Link(LinkId, Role),
    /// The one that archives sessions.
    Sessions,
    /// The one that pushes to the team store of this name.
    Team(String),
    /// The one that exchanges with the remote of this name.
    Remote(String),
}

/// A cycle that runs.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) cancel: Arc<AtomicBool>,
    /// Since when, on the steady clock.
    pub(super) since: Timestamp,
    /// Whether the status board knows of it.
    pub(super) is_shown: bool,
    pub(super) step: String,
    /// When it last told of progress, on the steady clock.
    pub(super) moved_at: Timestamp,
}

impl Running {
    /// One that begins now.
    pub(super) fn new(now: Timestamp) -> Self {
        Self { cancel: Arc::default(), since: now, is_shown: false, step: String::new(), moved_at: now }
    }
}

/// A worker with its lease, its timer and its row.
pub(super) struct Slot {
    /// Its row on the status board.
    pub(super) row: String,
    lease_name: String,
    pub(super) worker: Worker,
    /// When the worker wants to be called, on the steady clock.
    pub(super) wake: Option<Timestamp>,
    pub(super) held: Option<Held>,
    pub(super) running: Option<Running>,
    /// A cycle is to begin when something else is done.
    pub(super) waits: bool,
    pub(super) has_started: bool,
    /// Its worker has ended.
    pub(super) has_stopped: bool,
}

impl Slot {
    /// A worker that has not started.
    pub(super) fn new(row: String, lease_name: String, settings: Settings, seed: u64) -> Self {
        Self {
            row,
            lease_name,
            worker: Worker::new(settings, seed),
            wake: None,
            held: None,
            running: None,
            waits: false,
            has_started: false,
            has_stopped: false,
        }
    }

    /// Whether nothing of it is at work any more, nor ever will be.
    pub(super) fn has_ended(&self) -> bool {
        self.has_stopped && self.running.is_none()
    }

    /// A cycle begins; it ends early when what is returned is set.
    pub(super) fn begin(&mut self, now: Timestamp) -> Arc<AtomicBool> {
        self.running.insert(Running::new(now)).cancel.clone()
    }

    /// Asks the running cycle to end. `true` when none has begun yet, so that nobody else will say that it ended.
    fn cancel(&mut self) -> bool {
        match &self.running {
            Some(running) => {
                running.cancel.store(true, Ordering::Relaxed);
                false
            }
            None => std::mem::take(&mut self.waits),
        }
    }
}

impl Daemon<'_> {
    /// Tells a worker something and carries out what it asks for.
    pub(super) fn drive(&mut self, key: &Key, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now = self.now();
            let Some(slot) = self.slot(key) else { return };
            for effect in slot.worker.step(now, input) {
                inputs.extend(self.carry_out(key, effect, now));
            }
        }
        match key {
            Key::Tree(id) => self.drop_if_left(id),
            Key::Link(id, _) => self.drop_link_if_left(id),
            Key::Sessions => {}
            Key::Team(name) => self.drop_named_if_left::<Store>(name),
            Key::Remote(name) => self.drop_named_if_left::<Remote>(name),
        }
    }

    /// A cycle tells how far it is.
    pub(super) fn stepped(&mut self, key: &Key, step: String) {
        let now = self.now();
        let Some(running) = self.slot(key).and_then(|slot| slot.running.as_mut()) else { return };
        running.moved_at = now;
        running.step.clone_from(&step);
        let is_slow = !running.is_shown && now.since(running.since) >= SHOW_AFTER;
        self.drive(key, Input::Step(step));
        if is_slow {
            self.publish(key, now, true);
        }
    }

    pub(super) fn slot(&mut self, key: &Key) -> Option<&mut Slot> {
        match key {
            Key::Tree(id) => self.jobs.get_mut(id).map(|job| &mut job.slot),
            Key::Link(id, role) => self.links.get_mut(id).map(|link| link.slot(*role)),
            Key::Sessions => Some(&mut self.sessions.slot),
            Key::Team(name) => self.team.slot(name),
            Key::Remote(name) => self.remotes.slot(name),
        }
    }

    fn carry_out(&mut self, key: &Key, effect: Effect, now: Timestamp) -> Option<Input> {
        match effect {
            Effect::AcquireLease => return Some(self.acquire(key, now)),
            Effect::RenewLease => return self.renew(key, now),
            Effect::ReleaseLease => self.release(key),
            Effect::Run { .. } => match key {
                Key::Tree(id) => self.run_cycle(id, now),
                Key::Link(id, role) => self.run_exchange(id, *role, now),
                Key::Sessions => self.run_pass(now),
                Key::Team(name) => self.run_push(name, now),
                Key::Remote(name) => self.run_round(name, now),
            },
            Effect::Cancel => return self.slot(key)?.cancel().then_some(Input::Cancelled),
            Effect::Abandon => {
                let row = self.slot(key)?.row.clone();
                tracing::warn!(worker = row, "a cycle did not end within its grace and is given up");
            }
            Effect::WakeAt(at) => self.slot(key)?.wake = Some(at),
            Effect::Publish => self.publish(key, now, false),
            Effect::Stopped => {
                let slot = self.slot(key)?;
                (slot.has_stopped, slot.wake) = (true, None);
            }
        }
        None
    }

    fn acquire(&mut self, key: &Key, now: Timestamp) -> Input {
        let Some(name) = self.slot(key).map(|slot| slot.lease_name.clone()) else { return Input::Tick };
        match self.lease.acquire(&name, Settings::default().lease_ttl, now) {
            Ok(lease::Outcome::Granted(held)) => {
                let fence = held.fence;
                if let Some(slot) = self.slot(key) {
                    slot.held = Some(held);
                }
                Input::LeaseGranted { fence }
            }
            Ok(lease::Outcome::Refused { owner, until }) => {
                tracing::debug!(lease = name, pid = owner.pid, "another process does this work");
                Input::LeaseRefused { until }
            }
            Err(error) => {
                let message = results::sentence(&error);
                self.complain("the lease cannot be asked for", &error);
                Input::Failed(Failure { reason: Reason::InternalError, message, retry_after: None })
            }
        }
    }

    fn renew(&mut self, key: &Key, now: Timestamp) -> Option<Input> {
        let held = self.slot(key)?.held.clone()?;
        match self.lease.renew(&held, Settings::default().lease_ttl, now) {
            Ok(Some(held)) => {
                self.slot(key)?.held = Some(held);
                None
            }
            Ok(None) => {
                tracing::warn!(lease = held.name, "the lease was lost; nothing is committed");
                self.slot(key)?.held = None;
                Some(Input::LeaseLost)
            }
            // It is still ours until its deadline, and is asked again before.
            Err(error) => {
                self.complain("the lease cannot be renewed", &error);
                None
            }
        }
    }

    fn release(&mut self, key: &Key) {
        let Some(held) = self.slot(key).and_then(|slot| slot.held.take()) else { return };
        // It lapses by itself.
        if let Err(error) = self.lease.release(held) {
            self.complain("a lease cannot be given back", &error);
        }
    }
}
