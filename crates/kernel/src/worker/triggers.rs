//! Why a cycle should run, and from when on.
//!
//! A change asks for a cycle after a time of quiet; a poll, a start or a failed cycle asks whether or not anything
//! changed; a person asks for now. Everything is kept as what happened when, and judged by the settings of
//! the moment, so that new settings apply to waits that already run.

use std::time::Duration;

use super::Settings;
use crate::backoff::Dice;
use crate::clock::Timestamp;

/// The shortest poll interval, so that a nonsensical one does not keep a processor busy.
pub(super) const POLL_MIN: Duration = Duration::from_millis(100);

/// What asks for a cycle.
#[derive(Clone, Debug)]
pub(super) struct Triggers {
    dirty: Option<Change>,
    /// A cycle is owed whatever changed: the first one, or one to redo.
    owed: bool,
    /// A person asked; past debounce, interval, backoff and gates.
    urgent: bool,
    /// When the last cycle started.
    last_start: Option<Timestamp>,
    /// From when the poll interval counts.
    poll_from: Option<Timestamp>,
    /// By how much this poll interval is longer or shorter.
    poll_part: f64,
    dice: Dice,
}

/// Changes that no cycle has seen yet.
#[derive(Clone, Copy, Debug)]
struct Change {
    first: Timestamp,
    last: Timestamp,
}

impl Triggers {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            dirty: None,
            owed: false,
            urgent: false,
            last_start: None,
            poll_from: None,
            poll_part: 1.0,
            dice: Dice::new(seed),
        }
    }

    /// Something changed.
    pub(super) fn mark_dirty(&mut self, now: Timestamp) {
        let first = self.dirty.map_or(now, |change| change.first);
        self.dirty = Some(Change { first, last: now });
    }

    /// A cycle must run, changed or not.
    pub(super) fn owe(&mut self) {
        self.owed = true;
    }

    /// A person asks.
    pub(super) fn ask_now(&mut self) {
        self.urgent = true;
    }

    /// A person's wish becomes an ordinary one: it cannot be served now, and must not skip the gates much later.
    pub(super) fn calm(&mut self) {
        self.owed |= std::mem::take(&mut self.urgent);
    }

    /// The poll interval counts from `now`.
    pub(super) fn start_poll(&mut self, now: Timestamp) {
        self.poll_from = Some(now);
        self.poll_part = 0.9 + 0.2 * self.dice.unit();
    }

    /// A cycle starts at `now` and takes all wishes with it.
    pub(super) fn take(&mut self, now: Timestamp) {
        (self.dirty, self.owed, self.urgent) = (None, false, false);
        self.last_start = Some(now);
        self.start_poll(now);
    }

    pub(super) fn is_urgent(&self) -> bool {
        self.urgent
    }

    /// Whether something waits to be done, other than the next poll.
    pub(super) fn is_waiting(&self) -> bool {
        self.dirty.is_some() || self.owed || self.urgent
    }

    /// From when on a cycle should run; not after `now` means at once. `None` without any wish.
    pub(super) fn ready_at(&self, now: Timestamp, settings: &Settings) -> Option<Timestamp> {
        if self.owed || self.urgent {
            return Some(now);
        }
        [self.change_at(settings), self.poll_at(settings)].into_iter().flatten().min()
    }

    fn change_at(&self, settings: &Settings) -> Option<Timestamp> {
        let Change { first, last } = self.dirty?;
        let quiet = last.after(settings.quiet).min(first.after(settings.max_wait));
        Some(self.last_start.map_or(quiet, |start| quiet.max(start.after(settings.min_interval))))
    }

    fn poll_at(&self, settings: &Settings) -> Option<Timestamp> {
        // An interval so long that the product overflows means never.
        let interval = Duration::try_from_secs_f64(settings.poll?.max(POLL_MIN).as_secs_f64() * self.poll_part).ok()?;
        Some(self.poll_from?.after(interval))
    }
}
