//! The remotes of the exchange: which there are, when there is a round with each, and what came of it.
//!
//! Each has a worker of its own, so that one that fails, hangs or is full holds up no other. A round has a thread of its own, too,
//! with a store and strands of its own; between rounds there is no more than a watch on a folder, or a question to a peer.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use carry_code::remote::Reach;
use carry_kernel::clock::Timestamp;
use carry_kernel::config::Config;
use carry_kernel::worker::{Failure, Input, Reason};

use super::chores::Daemon;
use super::slot::{Key, Running, SHOW_AFTER, Slot};
use crate::exchange::settings::Settings;
use crate::exchange::{Around, Ground, Sum};

mod failure;
mod remote;
mod round;

pub(super) use round::{Came, Make, Outcome};

use remote::Remote;

/// What the names of all rows of remotes begin with.
const ROWS: &str = "exchange/";

/// The remotes that are configured, and those that are leaving.
#[derive(Default)]
pub(super) struct Remotes {
    remotes: BTreeMap<String, Remote>,
    ground: Option<Arc<Ground>>,
}

impl Remotes {
    pub(super) fn slot(&mut self, name: &str) -> Option<&mut Slot> {
        self.remotes.get_mut(name).map(|remote| &mut remote.slot)
    }

    pub(super) fn get(&self, name: &str) -> Option<&Remote> {
        self.remotes.get(name)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.remotes.keys().cloned().collect()
    }

    /// Those that are configured.
    pub(super) fn present(&self) -> impl Iterator<Item = &Remote> {
        self.remotes.values().filter(|remote| !remote.is_leaving)
    }

    /// How each is reached.
    pub(super) fn reaches(&self) -> Vec<(String, Reach)> {
        self.remotes.iter().map(|(name, remote)| (name.clone(), remote.reach)).collect()
    }

    /// The next thing that is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.remotes.values().filter_map(Remote::due).min()
    }

    /// Whether nothing is at work any more, nor ever will be.
    pub(super) fn has_ended(&self) -> bool {
        self.remotes.values().all(Remote::has_ended)
    }
}

impl Daemon<'_> {
    /// Takes up what the configuration says about remotes.
    pub(super) fn reload_remotes(&mut self) {
        if self.is_stopping() {
            return;
        }
        let config = Config::load(super::KEYS, &self.ctx.sources);
        let variable = self.tuning.variable.clone();
        let home = variable("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let settings = Settings::new(&config, home.as_deref(), &*variable);
        settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let around = Around { variable, home };
        let ground = Arc::new(Ground { ctx: self.ctx.clone(), settings, around });
        self.remotes.ground = Some(ground.clone());
        for name in self.remotes.names() {
            if ground.settings.remote(&name).is_none() {
                self.leave_remote(&name);
            }
        }
        for remote in &ground.settings.remotes {
            self.take_up_remote(&remote.name, &ground);
        }
        self.sweep_remotes();
    }

    fn take_up_remote(&mut self, name: &str, ground: &Arc<Ground>) {
        let Some(wanted) = ground.settings.remote(name) else { return };
        let reach = remote::reach(&wanted.location);
        let key = Key::Remote(name.to_owned());
        let worker = remote::worker_settings(&ground.settings, wanted, reach);
        let mut starts_afresh = false;
        match self.remotes.remotes.get_mut(name) {
            // It is taken up anew when the old one has gone.
            Some(remote) if remote.is_leaving => return,
            Some(remote) => {
                // What was wrong need not be wrong any more, and a round that runs goes by what does not hold any more.
                starts_afresh = remote.differs(ground) || remote.slot.worker.status().consecutive_failures > 0;
                (remote.ground, remote.reach) = (ground.clone(), reach);
                self.drive(&key, Input::Reconfigure(Box::new(worker)));
            }
            None => {
                tracing::info!(remote = name, "a remote is taken up");
                let remote = Remote::new(name, ground.clone(), reach, worker, self.events.clone());
                self.remotes.remotes.insert(name.to_owned(), remote);
            }
        }
        let gates = self.gates_for(reach).to_vec();
        self.drive(&key, Input::Gates(gates));
        if starts_afresh {
            self.drive(&key, Input::Disable("Its settings have changed.".to_owned()));
            self.feed_remote(name, Input::Enable);
        }
        self.start_remote(name);
    }

    /// Starts a remote's worker, unless it was. One that goes over the network waits until it is known what that costs.
    fn start_remote(&mut self, name: &str) {
        let Some(remote) = self.remotes.remotes.get_mut(name).filter(|remote| !remote.is_leaving) else { return };
        if remote.reach == Reach::Network && !self.metered.is_known() {
            return self.measure_metered();
        }
        if !std::mem::replace(&mut remote.slot.has_started, true) {
            self.feed_remote(name, Input::Start);
        }
    }

    /// What the network costs is known now, perhaps for the first time.
    pub(super) fn start_remotes(&mut self) {
        for name in self.remotes.names() {
            self.start_remote(&name);
        }
    }

    /// A remote is not configured any more.
    fn leave_remote(&mut self, name: &str) {
        let Some(remote) = self.remotes.remotes.get_mut(name) else { return };
        if !std::mem::replace(&mut remote.is_leaving, true) {
            tracing::info!(remote = name, "a remote is left");
            self.drive(&Key::Remote(name.to_owned()), Input::Stop);
        }
    }

    /// Takes the row of a remote that left, and drops it once nothing of it is at work.
    pub(super) fn drop_remote_if_left(&mut self, name: &str) {
        let Some(remote) = self.remotes.get(name).filter(|remote| remote.is_leaving && remote.slot.has_stopped) else {
            return;
        };
        let (row, has_ended) = (remote.slot.row.clone(), remote.has_ended());
        // One that hangs shows nothing either.
        self.remove_row(&row);
        if !has_ended {
            return;
        }
        self.remotes.remotes.remove(name);
        // It may be wanted again by now.
        if let Some(ground) = self.remotes.ground.clone()
            && !self.is_stopping()
        {
            self.take_up_remote(name, &ground);
        }
    }

    /// Removes the rows of remotes that are not configured, as an earlier daemon left them.
    fn sweep_remotes(&mut self) {
        let rows = self.board.rows().unwrap_or_default();
        let is_stale = |row: &String| row.strip_prefix(ROWS).is_some_and(|name| self.remotes.get(name).is_none());
        let stale: Vec<String> = rows.into_iter().map(|row| row.worker).filter(is_stale).collect();
        stale.iter().for_each(|row| self.remove_row(row));
    }

    /// Tells a remote's worker something, with the gates as they are if it may start work because of it.
    fn feed_remote(&mut self, name: &str, input: Input) {
        if matches!(input, Input::Dirty | Input::Now | Input::Tick | Input::Start | Input::Enable) {
            self.measure_gates();
        }
        self.drive(&Key::Remote(name.to_owned()), input);
    }

    /// The archive of sessions has changed here: stores and remotes are to have it.
    pub(super) fn archive_changed(&mut self) {
        self.stores_are_to_follow();
        self.work_changed(false);
    }

    /// Something changed here that goes to remotes; with `is_code` to those to which code goes.
    pub(super) fn work_changed(&mut self, is_code: bool) {
        for name in self.remotes.names() {
            let Some(remote) = self.remotes.remotes.get_mut(&name) else { continue };
            if !is_code || remote.takes_code() {
                remote.is_dirty = true;
                self.feed_remote(&name, Input::Dirty);
            }
        }
    }

    /// There may be news at a remote.
    pub(super) fn remote_stirred(&mut self, name: &str) {
        let now = self.now();
        if let Some(remote) = self.remotes.remotes.get_mut(name) {
            remote.stirred(now);
        }
    }

    /// Does what is due.
    pub(super) fn tick_remotes(&mut self, now: Timestamp) {
        for name in self.remotes.names() {
            let Some(remote) = self.remotes.remotes.get_mut(&name) else { continue };
            let has_news = remote.take_news(now);
            let is_due = remote.slot.wake.take_if(|at| *at <= now).is_some();
            if has_news {
                self.feed_remote(&name, Input::Now);
            }
            if is_due {
                self.feed_remote(&name, Input::Tick);
            }
        }
    }

    /// Begins a round.
    pub(super) fn run_round(&mut self, name: &str, now: Timestamp) {
        let desktop = self.desktop.clone();
        let Some(remote) = self.remotes.remotes.get_mut(name) else { return };
        let running = Running::new(now);
        let work = remote.work(now, &self.tuning, desktop, running.cancel.clone());
        remote.slot.running = Some(running);
        (remote.is_dirty, remote.news_at) = (false, None);
        if let Err(error) = round::start(work, self.events.clone()) {
            let failure = Failure {
                reason: Reason::InternalError,
                message: format!("No thread for the exchange can be started: {error}."),
                retry_after: None,
            };
            self.round_ended(name, false, Outcome::Failed(failure));
        }
    }

    /// A round tells how far it is.
    pub(super) fn round_steps(&mut self, name: &str, step: String) {
        let now = self.now();
        let Some(running) = self.remotes.slot(name).and_then(|slot| slot.running.as_mut()) else { return };
        running.moved_at = now;
        running.step.clone_from(&step);
        let is_slow = !running.is_shown && now.since(running.since) >= SHOW_AFTER;
        let key = Key::Remote(name.to_owned());
        self.drive(&key, Input::Step(step));
        if is_slow {
            self.publish(&key, now, true);
        }
    }

    /// A round ended. A `last` one is what is put when the daemon stops, beside the worker.
    pub(super) fn round_ended(&mut self, name: &str, last: bool, outcome: Outcome) {
        let Some(remote) = self.remotes.remotes.get_mut(name) else { return };
        if last {
            remote.flush = None;
            return self.drop_remote_if_left(name);
        }
        if remote.slot.running.take().is_none() {
            return;
        }
        let mut came = Came::default();
        let input = match outcome {
            Outcome::Done(done) => {
                tracing::debug!(
                    remote = name, moved = ?Sum::of(&done.report), problems = done.report.problems.len(),
                    has_more = done.report.has_more, "exchanged"
                );
                remote.note(&done.report);
                came = done.came;
                if done.report.has_more {
                    remote.stirred(self.ctx.clock.steady());
                }
                Input::Succeeded
            }
            Outcome::Cancelled => Input::Cancelled,
            Outcome::Failed(failure) => {
                tracing::warn!(remote = name, reason = ?failure.reason, "{}", failure.message);
                Input::Failed(failure)
            }
            Outcome::Panicked(message) => {
                tracing::error!(remote = name, "an exchange panicked: {message}");
                Input::Panicked(message)
            }
        };
        self.drive(&Key::Remote(name.to_owned()), input);
        self.others_are_to_know(name, came);
    }

    /// What came from one remote is passed on to the others, and to whatever goes by the archive.
    fn others_are_to_know(&mut self, from: &str, came: Came) {
        if came.anything {
            for name in self.remotes.names() {
                if name != from {
                    self.feed_remote(&name, Input::Dirty);
                }
            }
        }
        if came.sessions {
            self.stores_are_to_follow();
        }
    }

    /// Puts what was said last to each remote to which something is to go, while everything else stops.
    pub(super) fn flush_remotes(&mut self) {
        let now = self.now();
        for name in self.remotes.names() {
            let desktop = self.desktop.clone();
            let Some(remote) = self.remotes.remotes.get_mut(&name) else { continue };
            let is_well = remote.slot.has_started && remote.slot.worker.status().consecutive_failures == 0;
            if remote.is_leaving || !remote.is_dirty || !is_well {
                continue;
            }
            let running = Running::new(now);
            let work = remote.work(now, &self.tuning, desktop, running.cancel.clone()).last();
            remote.flush = Some(running);
            if round::start(work, self.events.clone()).is_err() {
                remote.flush = None;
            }
        }
    }
}
