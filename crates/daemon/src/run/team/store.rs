//! A team store as the daemon sees it: its worker, its settings, what was set aside.

use std::sync::Arc;
use std::time::Duration;

use carry_code::remote::Reach;
use carry_kernel::backoff::Policy;
use carry_kernel::clock::Timestamp;
use carry_kernel::worker::{self, Status};
use carry_team::push::worker_name;
use carry_team::settings::Settings;

use super::super::slot::Slot;
use super::push::Pushed;

/// How many times the quiet a change waits at the most.
const MAX_WAIT: u32 = 6;

/// What was set aside is not tried again sooner than this, whatever the clock says.
const RETRY_MIN: Duration = Duration::from_secs(1);

/// One store.
pub(in super::super) struct Store {
    name: String,
    pub(in super::super) slot: Slot,
    /// What the next push goes by.
    pub(super) settings: Arc<Settings>,
    pub(super) reach: Reach,
    /// When what was set aside is tried again, on the steady clock.
    pub(super) retry_at: Option<Timestamp>,
    /// What the last push set aside, for the status.
    aside: Option<String>,
    /// It is not configured any more; it goes when its worker has ended.
    pub(in super::super) is_leaving: bool,
}

impl Store {
    /// One whose worker has not started.
    pub(super) fn new(name: &str, settings: Arc<Settings>, reach: Reach, worker: worker::Settings) -> Self {
        let seed = name.bytes().fold(u64::from(std::process::id()), |seed, byte| {
            seed.rotate_left(7).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(byte)
        });
        let row = worker_name(name);
        Self {
            name: name.to_owned(),
            slot: Slot::new(row.clone(), row, worker, seed),
            settings,
            reach,
            retry_at: None,
            aside: None,
            is_leaving: false,
        }
    }

    /// The worker's status, with what else there is to know about it.
    pub(in super::super) fn status(&self) -> Status {
        let mut status = self.slot.worker.status();
        status.message = status.message.or_else(|| self.aside.clone());
        status
    }

    /// The next thing that is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let retry_at = self.retry_at.filter(|_| !self.is_leaving);
        [self.slot.wake, retry_at].into_iter().flatten().min()
    }

    /// How it is reached.
    pub(in super::super) fn reach(&self) -> Reach {
        self.reach
    }

    /// Whether a push would go by other settings than those it has.
    pub(super) fn differs(&self, settings: &Settings) -> bool {
        let of = |settings: &Settings| {
            (
                settings.store(&self.name).cloned(),
                settings.person.clone(),
                settings.mask_key_file.clone(),
                settings.allow.clone(),
            )
        };
        of(&self.settings) != of(settings)
    }

    /// Notes what a push set aside, now on both clocks.
    pub(super) fn note(&mut self, pushed: &Pushed, now: Timestamp, wall: Timestamp) {
        self.aside = aside(&pushed.aside);
        self.retry_at = pushed.retry_at.map(|at| now.after(at.since(wall).max(RETRY_MIN)));
    }
}

/// How a store's worker behaves.
pub(super) fn worker_settings(settings: &Settings, reach: Reach) -> worker::Settings {
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
