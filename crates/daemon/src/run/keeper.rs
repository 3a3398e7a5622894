//! Workers that the configuration names, such as team stores and remotes: which there are, when they start, and when they go.
//!
//! Each has a worker of its own, so that one that fails, hangs or is full holds up no other. What is the same for every
//! [`Kind`] is here; what a cycle does, and what came of it, is the kind's own affair.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use carry_code::context::Context;
use carry_code::remote::Reach;
use carry_kernel::clock::Timestamp;
use carry_kernel::worker::{Input, Settings, Status};

use super::chores::Daemon;
use super::event::Event;
use super::slot::{Key, Slot};
use super::tuning::Tuning;

/// One kind of workers that the configuration names; a value is what one of them has beside its worker.
pub(super) trait Kind: Sized {
    /// What the cycles of all of them go by: what the configuration says.
    type Ground;

    /// What the names of their rows on the status board begin with.
    const ROWS: &'static str;
    /// One of them, with its article, for the log.
    const ONE: &'static str;
    /// Whether one whose settings are read again, and are what they were, is to run a cycle.
    const RUNS_ON_RELOAD: bool;

    /// Those of this kind.
    fn keeper<'d>(daemon: &'d mut Daemon<'_>) -> &'d mut Keeper<Self>;
    /// The worker of this name.
    fn key(name: String) -> Key;
    /// Reads the configuration.
    fn read(ctx: &Context, tuning: &Tuning) -> Self::Ground;
    /// Those that are configured, each once.
    fn plans(ground: &Self::Ground) -> Vec<Plan>;
    /// What one has that was just taken up.
    fn new(name: &str, events: &SyncSender<Event>) -> Self;
    /// Whether a cycle of this one would be another one with `after` than it is with `before`.
    fn differs(name: &str, before: &Self::Ground, after: &Self::Ground) -> bool;
    /// When it has something for its worker that the worker does not know of.
    fn due(&self, slot: &Slot) -> Option<Timestamp>;
    /// What that is, once it is due.
    fn take_due(&mut self, slot: &Slot, now: Timestamp) -> Option<Input>;
    /// Whether anything of it is at work beside its worker.
    fn is_at_work(&self) -> bool {
        false
    }
}

/// One that is configured.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) reach: Reach,
    /// The lease under which its cycles run.
    pub(super) lease: String,
    /// How its worker behaves.
    pub(super) worker: Settings,
}

/// One of them: its worker, what its cycles go by, and what it has of its own.
pub(super) struct Named<K: Kind> {
    pub(super) name: String,
    pub(super) slot: Slot,
    /// What the next cycle goes by.
    pub(super) ground: Arc<K::Ground>,
    reach: Reach,
    /// What the last cycle left undone, for the status.
    pub(super) aside: Option<String>,
    /// It is not configured any more; it goes when its worker has ended.
    pub(super) is_leaving: bool,
    pub(super) own: K,
}

impl<K: Kind> Named<K> {
    /// One whose worker has not started.
    fn new(plan: Plan, ground: Arc<K::Ground>, events: &SyncSender<Event>) -> Self {
        let Plan { name, reach, lease, worker } = plan;
        let seed = name.bytes().fold(u64::from(std::process::id()), |seed, byte| {
            seed.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(byte)
        });
        let slot = Slot::new(format!("{}{name}", K::ROWS), lease, worker, seed);
        let own = K::new(&name, events);
        Self { name, slot, ground, reach, aside: None, is_leaving: false, own }
    }

    /// The worker's status, with what else there is to know about it.
    pub(super) fn status(&self) -> Status {
        let mut status = self.slot.worker.status();
        status.message = status.message.or_else(|| self.aside.clone());
        status
    }

    fn due(&self) -> Option<Timestamp> {
        let own = if self.is_leaving { None } else { self.own.due(&self.slot) };
        [self.slot.wake, own].into_iter().flatten().min()
    }

    /// Whether nothing of it is at work any more, nor ever will be.
    fn has_ended(&self) -> bool {
        self.slot.has_ended() && !self.own.is_at_work()
    }
}

/// Those of one kind: the configured ones, and those that are leaving.
pub(super) struct Keeper<K: Kind> {
    named: BTreeMap<String, Named<K>>,
    ground: Option<Arc<K::Ground>>,
}

impl<K: Kind> Default for Keeper<K> {
    fn default() -> Self {
        Self { named: BTreeMap::new(), ground: None }
    }
}

impl<K: Kind> Keeper<K> {
    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Named<K>> {
        self.named.get_mut(name)
    }

    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Slot> {
        self.named.get_mut(name).map(|one| &mut one.slot)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.named.keys().cloned().collect()
    }

    /// The workers of all, with how each is reached.
    pub(super) fn reaches(&self) -> impl Iterator<Item = (Key, Reach)> {
        self.named.iter().map(|(name, one)| (K::key(name.clone()), one.reach))
    }

    /// The rows of those that are configured, with how they are.
    pub(super) fn statuses(&self) -> impl Iterator<Item = (String, Status)> {
        self.present().map(|one| (one.slot.row.clone(), one.status()))
    }

    /// How one is, as long as it is configured.
    pub(super) fn status(&self, name: &str) -> Option<Status> {
        self.named.get(name).filter(|one| !one.is_leaving).map(Named::status)
    }

    /// Whether one that is configured is reached over the network.
    pub(super) fn uses_network(&self) -> bool {
        self.present().any(|one| one.reach == Reach::Network)
    }

    /// The next thing that is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.named.values().filter_map(Named::due).min()
    }

    /// Whether nothing is at work any more, nor ever will be.
    pub(super) fn has_ended(&self) -> bool {
        self.named.values().all(Named::has_ended)
    }

    fn present(&self) -> impl Iterator<Item = &Named<K>> {
        self.named.values().filter(|one| !one.is_leaving)
    }
}

impl Daemon<'_> {
    /// Takes up what the configuration says about a kind.
    pub(super) fn reload_named<K: Kind>(&mut self) {
        if self.is_stopping() {
            return;
        }
        if K::keeper(self).ground.is_some()
            && let Some(warning) = self.ctx.config(None).broken().first()
        {
            // What does not stand in what is left of it is not taken for removed.
            tracing::warn!(%warning, "the settings known last are kept");
            return;
        }
        let ground = Arc::new(K::read(&self.ctx, &self.tuning));
        let plans = K::plans(&ground);
        K::keeper(self).ground = Some(ground.clone());
        for name in K::keeper(self).names() {
            if !plans.iter().any(|plan| plan.name == name) {
                self.leave_named::<K>(&name);
            }
        }
        for plan in plans {
            self.take_up_named::<K>(plan, &ground);
        }
        self.sweep_named::<K>();
    }

    fn take_up_named<K: Kind>(&mut self, plan: Plan, ground: &Arc<K::Ground>) {
        let (name, reach) = (plan.name.clone(), plan.reach);
        let key = K::key(name.clone());
        let events = self.events.clone();
        let named = &mut K::keeper(self).named;
        let mut starts_afresh = false;
        match named.get_mut(&name) {
            // It is taken up anew when the old one has gone.
            Some(one) if one.is_leaving => return,
            Some(one) => {
                // What was wrong need not be wrong any more, and a cycle that runs goes by what does not hold any more.
                let has_failed = one.slot.worker.status().consecutive_failures > 0;
                starts_afresh = has_failed || K::differs(&name, &one.ground, ground);
                (one.ground, one.reach) = (ground.clone(), reach);
                self.drive(&key, Input::Reconfigure(Box::new(plan.worker)));
            }
            None => {
                tracing::info!(name, "{} is taken up", K::ONE);
                named.insert(name.clone(), Named::new(plan, ground.clone(), &events));
            }
        }
        let gates = self.gates_for(reach).to_vec();
        self.drive(&key, Input::Gates(gates));
        if starts_afresh {
            self.drive(&key, Input::Disable("Its settings have changed.".to_owned()));
            self.feed_named::<K>(&name, Input::Enable);
        } else if K::RUNS_ON_RELOAD && K::keeper(self).slot(&name).is_some_and(|slot| slot.has_started) {
            self.feed_named::<K>(&name, Input::Dirty);
        }
        self.start_named::<K>(&name);
    }

    /// Starts a worker, unless it was. One that goes over the network waits until it is known what that costs.
    fn start_named<K: Kind>(&mut self, name: &str) {
        let is_known = self.metered.is_known();
        let Some(one) = K::keeper(self).get_mut(name).filter(|one| !one.is_leaving) else { return };
        if one.reach == Reach::Network && !is_known {
            return self.measure_metered();
        }
        if !std::mem::replace(&mut one.slot.has_started, true) {
            self.feed_named::<K>(name, Input::Start);
        }
    }

    /// What the network costs is known now, perhaps for the first time.
    pub(super) fn start_all_named<K: Kind>(&mut self) {
        for name in K::keeper(self).names() {
            self.start_named::<K>(&name);
        }
    }

    /// Ends all of a kind, as the daemon ends.
    pub(super) fn stop_named<K: Kind>(&mut self) {
        for name in K::keeper(self).names() {
            self.drive(&K::key(name), Input::Stop);
        }
    }

    /// One is not configured any more.
    fn leave_named<K: Kind>(&mut self, name: &str) {
        let Some(one) = K::keeper(self).get_mut(name) else { return };
        if !std::mem::replace(&mut one.is_leaving, true) {
            tracing::info!(name, "{} is left", K::ONE);
            self.drive(&K::key(name.to_owned()), Input::Stop);
        }
    }

    /// Takes the row of one that left, and drops it once nothing of it is at work.
    pub(super) fn drop_named_if_left<K: Kind>(&mut self, name: &str) {
        let has_left = |one: &&mut Named<K>| one.is_leaving && one.slot.has_stopped;
        let Some(one) = K::keeper(self).get_mut(name).filter(has_left) else { return };
        let (row, has_ended) = (one.slot.row.clone(), one.has_ended());
        // One that hangs shows nothing either.
        self.remove_row(&row);
        if !has_ended {
            return;
        }
        K::keeper(self).named.remove(name);
        if self.is_stopping() {
            return;
        }
        // It may be wanted again by now.
        let Some(ground) = K::keeper(self).ground.clone() else { return };
        if let Some(plan) = K::plans(&ground).into_iter().find(|plan| plan.name == name) {
            self.take_up_named::<K>(plan, &ground);
        }
    }

    /// Removes the rows of what is not configured, as an earlier daemon left them.
    fn sweep_named<K: Kind>(&mut self) {
        let rows = self.board.rows().unwrap_or_default();
        let named = &K::keeper(self).named;
        let is_stale = |row: &String| row.strip_prefix(K::ROWS).is_some_and(|name| !named.contains_key(name));
        let stale: Vec<String> = rows.into_iter().map(|row| row.worker).filter(is_stale).collect();
        stale.iter().for_each(|row| self.remove_row(row));
    }

    /// Tells a worker something, with the gates as they are if it may start work because of it.
    pub(super) fn feed_named<K: Kind>(&mut self, name: &str, input: Input) {
        if matches!(input, Input::Dirty | Input::Now | Input::Tick | Input::Start | Input::Enable) {
            self.measure_gates();
        }
        self.drive(&K::key(name.to_owned()), input);
    }

    /// Does what is due.
    pub(super) fn tick_named<K: Kind>(&mut self, now: Timestamp) {
        for name in K::keeper(self).names() {
            let Some(one) = K::keeper(self).get_mut(&name) else { continue };
            let own = one.own.take_due(&one.slot, now);
            let is_due = one.slot.wake.take_if(|at| *at <= now).is_some();
            if let Some(input) = own {
                self.feed_named::<K>(&name, input);
            }
            if is_due {
                self.feed_named::<K>(&name, Input::Tick);
            }
        }
    }
}
