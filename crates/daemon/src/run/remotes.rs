//! The remotes of the exchange: when there is a round with each, and what came of it.
//!
//! A round has a thread of its own, with a store and strands of its own; between rounds there is no more than a watch on a
//! folder, or a question to a peer.

use carry_code::context::Context;
use carry_kernel::clock::Timestamp;
use carry_kernel::config::Config;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::keeper::Keeper;
use super::slot::{Key, Running};
use super::tuning::Tuning;
use crate::exchange::settings::Settings;
use crate::exchange::{Around, Ground, Sum};

mod failure;
mod remote;
mod round;

pub(super) use remote::Remote;
pub(super) use round::{Came, Make, Outcome};

/// The remotes that are configured, and those that are leaving.
pub(super) type Remotes = Keeper<Remote>;

/// Reads what the configuration says about remotes.
fn read(ctx: &Context, tuning: &Tuning) -> Ground {
    let config = Config::load(super::KEYS, &ctx.sources);
    let (variable, home) = (tuning.variable.clone(), tuning.user_home());
    let settings = Settings::new(&config, home.as_deref(), &*variable);
    settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    Ground { ctx: ctx.clone(), settings, around: Around { variable, home } }
}

impl Daemon<'_> {
    /// The archive of sessions has changed here: stores and remotes are to have it.
    pub(super) fn archive_changed(&mut self) {
        self.stores_are_to_follow();
        self.work_changed(false);
    }

    /// Something changed here that goes to remotes; with `is_code` to those to which code goes.
    pub(super) fn work_changed(&mut self, is_code: bool) {
        for name in self.remotes.names() {
            let Some(remote) = self.remotes.get_mut(&name) else { continue };
            if !is_code || remote.takes_code() {
                remote.own.is_dirty = true;
                self.feed_named::<Remote>(&name, Input::Dirty);
            }
        }
    }

    /// There may be news at a remote.
    pub(super) fn remote_stirred(&mut self, name: &str) {
        let now = self.now();
        if let Some(remote) = self.remotes.get_mut(name) {
            remote.stirred(now);
        }
    }

    /// Begins a round.
    pub(super) fn run_round(&mut self, name: &str, now: Timestamp) {
        let desktop = self.desktop.clone();
        let Some(remote) = self.remotes.get_mut(name) else { return };
        let cancel = remote.slot.begin(now);
        let work = remote.work(now, &self.tuning, desktop, cancel);
        (remote.own.is_dirty, remote.own.news_at) = (false, None);
        if let Err(failure) = round::start(work, self.events.clone()) {
            self.round_ended(name, false, Outcome::Failed(failure));
        }
    }

    /// A round ended. A `last` one is what is put when the daemon stops, beside the worker.
    pub(super) fn round_ended(&mut self, name: &str, last: bool, outcome: Outcome) {
        let now = self.now();
        let Some(remote) = self.remotes.get_mut(name) else { return };
        if last {
            remote.own.flush = None;
            return self.drop_named_if_left::<Remote>(name);
        }
        if remote.slot.running.take().is_none() {
            return;
        }
        let mut came = Came::default();
        let row = remote.slot.row.clone();
        let input = outcome.settle(&row, |done| {
            tracing::debug!(
                remote = name, moved = ?Sum::of(&done.report), problems = done.report.problems.len(),
                has_more = done.report.has_more, "exchanged"
            );
            remote.note(&done.report);
            came = done.came;
            if done.report.has_more {
                remote.stirred(now);
            }
            Input::Succeeded
        });
        self.drive(&Key::Remote(name.to_owned()), input);
        self.others_are_to_know(name, came);
    }

    /// What came from one remote is passed on to the others, and to whatever goes by the archive.
    fn others_are_to_know(&mut self, from: &str, came: Came) {
        if came.anything {
            for name in self.remotes.names() {
                if name != from {
                    self.feed_named::<Remote>(&name, Input::Dirty);
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
            let Some(remote) = self.remotes.get_mut(&name) else { continue };
            let is_well = remote.slot.has_started && remote.slot.worker.status().consecutive_failures == 0;
            if remote.is_leaving || !remote.own.is_dirty || !is_well {
                continue;
            }
            let running = Running::new(now);
            let work = remote.work(now, &self.tuning, desktop, running.cancel.clone()).last();
            remote.own.flush = Some(running);
            if round::start(work, self.events.clone()).is_err() {
                remote.own.flush = None;
            }
        }
    }
}
