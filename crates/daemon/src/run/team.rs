//! The team stores: which there are, when they are pushed to, and what came of it.
//!
//! Each has a worker of its own, so that one that fails or hangs holds up no other. A push has a thread of its own, too, and
//! opens all that it needs; between pushes there is neither thread nor connection.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use carry_code::remote::Reach;
use carry_kernel::clock::Timestamp;
use carry_kernel::config::Config;
use carry_kernel::worker::{Failure, Input, Reason};
use carry_team::postgres::is_here;
use carry_team::settings::Settings;

use super::chores::Daemon;
use super::slot::{Key, Running, SHOW_AFTER, Slot};

mod failure;
mod push;
mod store;

pub(super) use push::{MakeSink, Outcome, Pushed, connect};

use store::Store;

/// What the names of all rows of stores begin with.
const ROWS: &str = "team/";

/// The stores that are configured, and those that are leaving.
#[derive(Default)]
pub(super) struct Team {
    stores: BTreeMap<String, Store>,
    settings: Option<Arc<Settings>>,
}

impl Team {
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Slot> {
        self.stores.get_mut(name).map(|store| &mut store.slot)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Store> {
        self.stores.get(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.stores.keys().cloned().collect()
    }

    /// Those that are configured.
    pub(super) fn present(&self) -> impl Iterator<Item = &Store> {
        self.stores.values().filter(|store| !store.is_leaving)
    }

    /// How each is reached.
    pub(super) fn reaches(&self) -> Vec<(String, Reach)> {
        self.stores.iter().map(|(name, store)| (name.clone(), store.reach)).collect()
    }

    /// The next thing that is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.stores.values().filter_map(Store::due).min()
    }

    /// Whether nothing is at work any more, nor ever will be.
    pub(super) fn has_ended(&self) -> bool {
        self.stores.values().all(|store| store.slot.has_ended())
    }
}

impl Daemon<'_> {
    /// Takes up what the configuration says about team stores.
    pub(super) fn reload_team(&mut self) {
        if self.is_stopping() {
            return;
        }
        let config = Config::load(super::KEYS, &self.ctx.sources);
        let variable = self.tuning.variable.clone();
        let home = variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let settings = Settings::new(&config, home.as_deref(), &*variable);
        settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let settings = Arc::new(settings);
        self.team.settings = Some(settings.clone());
        for name in self.team.names() {
            if settings.store(&name).is_none() {
                self.leave_store(&name);
            }
        }
        for store in &settings.stores {
            self.take_up_store(&store.name, &settings);
        }
        self.sweep_stores();
    }

    fn take_up_store(&mut self, name: &str, settings: &Arc<Settings>) {
        let Some(wanted) = settings.store(name) else { return };
        // Neither a metered nor a missing network holds back what lies on this machine.
        let reach = if is_here(wanted) { Reach::Local } else { Reach::Network };
        let key = Key::Team(name.to_owned());
        let worker = store::worker_settings(settings, reach);
        let mut starts_afresh = false;
        match self.team.stores.get_mut(name) {
            // It is taken up anew when the old one has gone.
            Some(store) if store.is_leaving => return,
            Some(store) => {
                // What was wrong need not be wrong any more, and a push that runs goes by what does not hold any more.
                starts_afresh = store.differs(settings) || store.slot.worker.status().consecutive_failures > 0;
                (store.settings, store.reach) = (settings.clone(), reach);
                self.drive(&key, Input::Reconfigure(Box::new(worker)));
            }
            None => {
                tracing::info!(store = name, "a team store is taken up");
                let store = Store::new(name, settings.clone(), reach, worker);
                self.team.stores.insert(name.to_owned(), store);
            }
        }
        let gates = self.gates_for(reach).to_vec();
        self.drive(&key, Input::Gates(gates));
        if starts_afresh {
            self.drive(&key, Input::Disable("Its settings have changed.".to_owned()));
            self.feed_store(name, Input::Enable);
        } else if self.team.get(name).is_some_and(|store| store.slot.has_started) {
            self.feed_store(name, Input::Dirty);
        }
        self.start_store(name);
    }

    /// Starts a store's worker, unless it was. One that goes over the network waits until it is known what that costs.
    fn start_store(&mut self, name: &str) {
        let Some(store) = self.team.stores.get_mut(name).filter(|store| !store.is_leaving) else { return };
        if store.reach == Reach::Network && !self.metered.is_known() {
            return self.measure_metered();
        }
        if !std::mem::replace(&mut store.slot.has_started, true) {
            self.feed_store(name, Input::Start);
        }
    }

    /// What the network costs is known now, perhaps for the first time.
    pub(super) fn start_stores(&mut self) {
        for name in self.team.names() {
            self.start_store(&name);
        }
    }

    /// A store is not configured any more.
    fn leave_store(&mut self, name: &str) {
        let Some(store) = self.team.stores.get_mut(name) else { return };
        if !std::mem::replace(&mut store.is_leaving, true) {
            tracing::info!(store = name, "a team store is left");
            self.drive(&Key::Team(name.to_owned()), Input::Stop);
        }
    }

    /// Takes the row of a store that left, and drops it once nothing of it is at work.
    pub(super) fn drop_store_if_left(&mut self, name: &str) {
        let Some(store) = self.team.get(name).filter(|store| store.is_leaving && store.slot.has_stopped) else {
            return;
        };
        let (row, has_ended) = (store.slot.row.clone(), store.slot.has_ended());
        // One that hangs shows nothing either.
        self.remove_row(&row);
        if !has_ended {
            return;
        }
        self.team.stores.remove(name);
        // It may be wanted again by now.
        if let Some(settings) = self.team.settings.clone()
            && !self.is_stopping()
        {
            self.take_up_store(name, &settings);
        }
    }

    /// Removes the rows of stores that are not configured, as an earlier daemon left them.
    fn sweep_stores(&mut self) {
        let rows = self.board.rows().unwrap_or_default();
        let is_stale = |row: &String| row.strip_prefix(ROWS).is_some_and(|name| self.team.get(name).is_none());
        let stale: Vec<String> = rows.into_iter().map(|row| row.worker).filter(is_stale).collect();
        stale.iter().for_each(|row| self.remove_row(row));
    }

    /// Tells a store's worker something, with the gates as they are if it may start work because of it.
    fn feed_store(&mut self, name: &str, input: Input) {
        if matches!(input, Input::Dirty | Input::Tick | Input::Start | Input::Enable) {
            self.measure_gates();
        }
        self.drive(&Key::Team(name.to_owned()), input);
    }

    /// The archive has changed: every store is to have it.
    pub(super) fn stores_are_to_follow(&mut self) {
        for name in self.team.names() {
            self.feed_store(&name, Input::Dirty);
        }
    }

    /// Does what is due.
    pub(super) fn tick_team(&mut self, now: Timestamp) {
        for name in self.team.names() {
            let Some(store) = self.team.stores.get_mut(&name) else { continue };
            let is_retried = store.retry_at.take_if(|at| *at <= now).is_some();
            let is_due = store.slot.wake.take_if(|at| *at <= now).is_some();
            if is_retried {
                self.feed_store(&name, Input::Dirty);
            }
            if is_due {
                self.feed_store(&name, Input::Tick);
            }
        }
    }

    /// Begins a push.
    pub(super) fn run_push(&mut self, name: &str, now: Timestamp) {
        let Some(store) = self.team.stores.get_mut(name) else { return };
        let running = Running::new(now);
        let work = push::Work {
            ctx: self.ctx.clone(),
            settings: store.settings.clone(),
            store: name.to_owned(),
            cancel: running.cancel.clone(),
            sink: self.tuning.sink.clone(),
        };
        store.slot.running = Some(running);
        store.retry_at = None;
        if let Err(error) = push::start(work, self.events.clone()) {
            let failure = Failure {
                reason: Reason::InternalError,
                message: format!("No thread for the push can be started: {error}."),
                retry_after: None,
            };
            self.pushed_to_store(name, Outcome::Failed(failure));
        }
    }

    /// A push tells how far it is.
    pub(super) fn pushing_to_store(&mut self, name: &str, step: String) {
        let now = self.now();
        let Some(running) = self.team.slot(name).and_then(|slot| slot.running.as_mut()) else { return };
        running.moved_at = now;
        running.step.clone_from(&step);
        let is_slow = !running.is_shown && now.since(running.since) >= SHOW_AFTER;
        let key = Key::Team(name.to_owned());
        self.drive(&key, Input::Step(step));
        if is_slow {
            self.publish(&key, now, true);
        }
    }

    /// A push ended.
    pub(super) fn pushed_to_store(&mut self, name: &str, outcome: Outcome) {
        let (now, wall) = (self.now(), self.ctx.clock.now());
        let Some(store) = self.team.stores.get_mut(name) else { return };
        if store.slot.running.take().is_none() {
            return;
        }
        let input = match outcome {
            Outcome::Done(pushed) => {
                let Pushed { report, .. } = &*pushed;
                tracing::debug!(
                    store = name, changed = report.done.len(), same = report.same, failed = report.failed.len(),
                    repaired = report.was_repaired, stopped = report.was_stopped, traffic = ?report.traffic,
                    "sessions were pushed"
                );
                store.note(&pushed, now, wall);
                if report.was_stopped { Input::Cancelled } else { Input::Succeeded }
            }
            Outcome::Failed(failure) => {
                tracing::warn!(store = name, reason = ?failure.reason, "{}", failure.message);
                Input::Failed(failure)
            }
            Outcome::Panicked(message) => {
                tracing::error!(store = name, "a push panicked: {message}");
                Input::Panicked(message)
            }
        };
        self.drive(&Key::Team(name.to_owned()), input);
    }
}
