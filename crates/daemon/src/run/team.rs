//! The team stores: when they are pushed to, and what came of it.
//!
//! A push has a thread of its own and opens all that it needs; between pushes there is neither thread nor connection.

use carry_code::context::Context;
use carry_kernel::clock::Timestamp;
use carry_kernel::config::Config;
use carry_kernel::worker::Input;
use carry_team::settings::Settings;

use super::chores::Daemon;
use super::keeper::Keeper;
use super::slot::Key;
use super::tuning::Tuning;

mod failure;
mod push;
mod store;

pub(super) use push::{MakeSink, Outcome, Pushed, connect};
pub(super) use store::Store;

/// The stores that are configured, and those that are leaving.
pub(super) type Team = Keeper<Store>;

/// Reads what the configuration says about team stores.
fn read(ctx: &Context, tuning: &Tuning) -> Settings {
    let config = Config::load(super::KEYS, &ctx.sources);
    let settings = Settings::new(&config, tuning.user_home().as_deref(), &*tuning.variable);
    settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    settings
}

impl Daemon<'_> {
    /// The archive has changed: every store is to have it.
    pub(super) fn stores_are_to_follow(&mut self) {
        for name in self.team.names() {
            self.feed_named::<Store>(&name, Input::Dirty);
        }
    }

    /// Begins a push.
    pub(super) fn run_push(&mut self, name: &str, now: Timestamp) {
        let Some(store) = self.team.get_mut(name) else { return };
        let work = push::Work {
            ctx: self.ctx.clone(),
            settings: store.ground.clone(),
            store: name.to_owned(),
            cancel: store.slot.begin(now),
            sink: self.tuning.sink.clone(),
        };
        store.own.retry_at = None;
        if let Err(failure) = push::start(work, self.events.clone()) {
            self.pushed_to_store(name, Outcome::Failed(failure));
        }
    }

    /// A push ended.
    pub(super) fn pushed_to_store(&mut self, name: &str, outcome: Outcome) {
        let (now, wall) = (self.now(), self.ctx.clock.now());
        let Some(store) = self.team.get_mut(name) else { return };
        if store.slot.running.take().is_none() {
            return;
        }
        let row = store.slot.row.clone();
        let input = outcome.settle(&row, |pushed| {
            let Pushed { report, .. } = &*pushed;
            tracing::debug!(
                store = name, changed = report.done.len(), same = report.same, failed = report.failed.len(),
                repaired = report.was_repaired, stopped = report.was_stopped, traffic = ?report.traffic,
                "sessions were pushed"
            );
            store.note(&pushed, now, wall);
            if report.was_stopped { Input::Cancelled } else { Input::Succeeded }
        });
        self.drive(&Key::Team(name.to_owned()), input);
    }
}
