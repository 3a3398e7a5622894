//! A team store as the daemon sees it: its settings, what was set aside.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use carry_code::context::Context;
use carry_code::remote::Reach;
use carry_kernel::backoff::Policy;
use carry_kernel::clock::Timestamp;
use carry_kernel::worker::{self, Input};
use carry_team::postgres::is_here;
use carry_team::push::worker_name;
use carry_team::settings::{Settings, StoreSettings};

use super::super::chores::Daemon;
use super::super::event::Event;
use super::super::keeper::{Kind, Named, Plan};
use super::super::slot::{Key, Slot};
use super::super::tuning::Tuning;
use super::Team;
use super::push::Pushed;

/// How many times the quiet a change waits at the most.
const MAX_WAIT: u32 = 6;

/// What was set aside is not tried again sooner than this, whatever the clock says.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// What a store has beside its worker.
#[derive(Default)]
pub(in super::super) struct Store {
    /// When what was set aside is tried again, on the steady clock.
    pub(super) retry_at: Option<Timestamp>,
}

impl Kind for Store {
    type Ground = Settings;

    const ROWS: &'static str = "team/";
    const ONE: &'static str = "a team store";
    const RUNS_ON_RELOAD: bool = true;

    fn keeper<'d>(daemon: &'d mut Daemon<'_>) -> &'d mut Team {
        &mut daemon.team
    }

    fn key(name: String) -> Key {
        Key::Team(name)
    }

    fn read(ctx: &Context, tuning: &Tuning) -> Settings {
        super::read(ctx, tuning)
    }

    fn plans(settings: &Settings) -> Vec<Plan> {
        let plan = |store: &StoreSettings| {
            // Neither a metered nor a missing network holds back what lies on this machine.
            let reach = if is_here(store) { Reach::Local } else { Reach::Network };
            let worker = worker_settings(settings, reach);
            Plan { name: store.name.clone(), reach, lease: worker_name(&store.name), worker }
        };
        settings.stores.iter().map(plan).collect()
    }

    fn new(_name: &str, _events: &SyncSender<Event>) -> Self {
        Self::default()
    }

    fn differs(name: &str, before: &Settings, after: &Settings) -> bool {
        let of = |settings: &Settings| {
            (
                settings.store(name).cloned(),
                settings.person.clone(),
                settings.mask_key_file.clone(),
                settings.allow.clone(),
            )
        };
        of(before) != of(after)
    }

    fn due(&self, _slot: &Slot) -> Option<Timestamp> {
        self.retry_at
    }

    fn take_due(&mut self, _slot: &Slot, now: Timestamp) -> Option<Input> {
        self.retry_at.take_if(|at| *at <= now).map(|_| Input::Dirty)
    }
}

impl Named<Store> {
    /// Notes what a push set aside, now on both clocks.
    pub(super) fn note(&mut self, pushed: &Pushed, now: Timestamp, wall: Timestamp) {
        self.aside = aside(&pushed.aside);
        self.own.retry_at = pushed.retry_at.map(|at| now.after(at.since(wall).max(RETRY_MIN)));
    }
}

/// How a store's worker behaves.
fn worker_settings(settings: &Settings, reach: Reach) -> worker::Settings {
    let usual = worker::Settings::default();
    worker::Settings {
        quiet: settings.quiet,
        max_wait: settings.quiet.saturating_mul(MAX_WAIT),
        poll: Some(settings.reconcile),
        backoff: Policy { first: Duration::from_secs(10), max: Duration::from_secs(60 * 60), ..Policy::default() },
        battery_wait_max: if reach == Reach::Network { Duration::MAX } else { usual.battery_wait_max },
        ..usual
    }
}

/// What was set aside, as full sentences.
fn aside(reasons: &[String]) -> Option<String> {
    let (first, more) = reasons.split_first()?;
    let first = first.trim_end_matches('.');
    Some(match more.len() {
        0 => format!("One session is set aside and tried again later: {first}."),
        more => {
            let all = more + 1;
            format!(
                "{all} sessions are set aside and tried again later (`carry team status` lists them); the first: {first}."
            )
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_aside_is_said_with_the_first_reason() {
        assert_eq!(aside(&[]), None);
        let one = aside(&["a text is too large.".to_owned()]).unwrap();
        assert_eq!(one, "One session is set aside and tried again later: a text is too large.");
        let two = aside(&["no".to_owned(), "never".to_owned()]).unwrap();
        assert!(two.starts_with("2 sessions are") && two.ends_with("the first: no."), "{two}");
    }
}
