//! One working tree as the daemon sees it: its worker, what is known to have changed, what it waits for.

use std::collections::BTreeSet;
use std::time::Duration;

use carry_code::capture::{Capturer, Look};
use carry_code::git::BString;
use carry_code::registry::Tree;
use carry_code::settings::Settings;
use carry_kernel::clock::Timestamp;
use carry_kernel::worker::{self, Status};

use super::link::Found;
use super::slot::Slot;
use crate::handle::CaptureResult;

/// Most paths kept for a capture to come; more are a look at everything, which then costs less.
const PATHS_MAX: usize = 16_384;

/// What changed and was not looked at yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pending {
    paths: BTreeSet<BString>,
    everything: bool,
}

impl Pending {
    /// Nothing is known to have changed.
    pub(super) fn is_empty(&self) -> bool {
        !self.everything && self.paths.is_empty()
    }

    pub(super) fn everything(&mut self) {
        self.everything = true;
        self.paths = BTreeSet::new();
    }

    pub(super) fn paths(&mut self, paths: BTreeSet<BString>) {
        if self.everything {
            return;
        }
        if self.paths.is_empty() {
            self.paths = paths;
        } else {
            self.paths.extend(paths);
        }
        if self.paths.len() > PATHS_MAX {
            self.everything();
        }
    }

    /// Where the next capture is to look; from now on nothing is pending.
    pub(super) fn take(&mut self) -> Look {
        let Self { paths, everything } = std::mem::take(self);
        if everything { Look::Everything } else { Look::At(paths) }
    }

    /// A capture that was to look there did not.
    pub(super) fn give_back(&mut self, look: Look) {
        match look {
            Look::Everything => self.everything(),
            Look::At(paths) => self.paths(paths),
        }
    }
}

/// How changes of a tree are noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// The answer is still to come.
    Asked,
    Watched,
    /// It cannot be watched, and why.
    Polled(String),
    /// The tree is not there.
    Absent,
}

/// Work that hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stalled {
    pub(super) since: Timestamp,
    /// Whether another thread was started in its place.
    pub(super) has_spare: bool,
}

/// One working tree.
pub(super) struct Job {
    pub(super) tree: Tree,
    pub(super) settings: Settings,
    /// Its worker. A cycle waits while the tree is kept up.
    pub(super) slot: Slot,
    /// Not while a capture runs, nor before the first.
    pub(super) capturer: Option<Capturer>,
    pub(super) is_kept_up: bool,
    /// When what a thread does for it is taken for hung unless it tells of progress; `None` when nothing is done, or it hangs.
    pub(super) stalls_at: Option<Timestamp>,
    /// Since when what a thread does for it has made no progress, once that is too long.
    pub(super) stalled: Option<Stalled>,
    pub(super) upkeep_at: Option<Timestamp>,
    pub(super) kept_at: Option<Timestamp>,
    pub(super) pending: Pending,
    pub(super) watch: Watch,
    /// The number of the last attempt at watching.
    pub(super) attempt: u64,
    pub(super) rewatch_at: Option<Timestamp>,
    /// When to look whether it is back, or switched on again.
    pub(super) look_for_it_at: Option<Timestamp>,
    /// When everything is looked at again in the background.
    pub(super) scan_at: Option<Timestamp>,
    /// When to look for linked worktrees, soonest first, and when Git last changed their list.
    pub(super) linked_at: Vec<Timestamp>,
    pub(super) linked_changed: Option<std::time::SystemTime>,
    /// When it was last at work.
    pub(super) busy_at: Timestamp,
    pub(super) is_warm: bool,
    /// What the last capture came to, if it succeeded.
    pub(super) last: Option<CaptureResult>,
    /// Questions for the next capture.
    pub(super) asks: Vec<u64>,
    /// Questions that the running capture answers: those that were asked before it began.
    pub(super) answers: Vec<u64>,
    /// The remotes it is published to; `None` before they were first looked for.
    pub(super) found: Option<Found>,
    /// Whether they are being looked for, and whether what they depend on has changed since.
    pub(super) is_looked_for: bool,
    pub(super) may_have_others: bool,
    /// Another branch may be checked out, or Git configured otherwise.
    pub(super) may_publish_elsewhere: bool,
    /// What the running capture's capturer remembers is of no use any more.
    pub(super) drops_capturer: bool,
    /// It is not registered any more and goes when its worker has ended.
    pub(super) is_leaving: bool,
}

impl Job {
    pub(super) fn new(tree: Tree, settings: Settings, now: Timestamp, seed: u64) -> Self {
        let name = name_of(&tree.id);
        let slot = Slot::new(name.clone(), name, worker_settings(&settings, false), seed);
        Self {
            tree,
            settings,
            slot,
            capturer: None,
            is_kept_up: false,
            stalls_at: None,
            stalled: None,
            upkeep_at: None,
            kept_at: None,
            pending: Pending { everything: true, ..Pending::default() },
            watch: Watch::Asked,
            attempt: 0,
            rewatch_at: None,
            look_for_it_at: None,
            scan_at: None,
            linked_at: Vec::new(),
            linked_changed: None,
            busy_at: now,
            is_warm: false,
            last: None,
            asks: Vec::new(),
            answers: Vec::new(),
            found: None,
            is_looked_for: false,
            may_have_others: false,
            may_publish_elsewhere: false,
            drops_capturer: false,
            is_leaving: false,
        }
    }

    /// Whether nothing is to be done for it in the background: it is paused, off or away.
    pub(super) fn is_left_alone(&self) -> bool {
        self.tree.paused || self.is_leaving || !self.settings.enabled || self.watch == Watch::Absent
    }

    /// The worker's state at `now`, and whether what it does hangs.
    pub(super) fn status(&self, now: Timestamp) -> Status {
        let mut status = self.slot.worker.status();
        if let Some(stalled) = self.stalled {
            let what = match &self.slot.running {
                Some(running) if running.step.is_empty() => "The capture".to_owned(),
                Some(running) => format!("The capture ({})", running.step),
                None => "Upkeep".to_owned(),
            };
            let seconds = now.since(stalled.since).as_secs();
            status.message = Some(format!("{what} has made no progress for {seconds} s."));
        }
        status
    }

    /// What the last capture found, if nothing can have changed since: the watcher vouches for that.
    pub(super) fn settled(&self) -> Option<&CaptureResult> {
        let is_settled = self.watch == Watch::Watched
            && self.pending.is_empty()
            && self.slot.running.is_none()
            && !self.slot.worker.status().dirty;
        self.last.as_ref().filter(|_| is_settled)
    }

    /// The next thing that is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let upkeep = self.upkeep_at.filter(|_| !self.is_kept_up && self.slot.running.is_none());
        let linked = self.linked_at.first().copied();
        let own = [self.slot.wake, upkeep, self.rewatch_at, self.look_for_it_at, self.scan_at, linked, self.stalls_at];
        own.into_iter().flatten().min()
    }
}

/// A tree's row on the status board, and its lease.
pub(super) fn name_of(tree: &carry_kernel::id::TreeId) -> String {
    format!("code/{tree}")
}

/// How the worker of a tree with these settings behaves; `polled` when nobody tells of changes.
pub(super) fn worker_settings(settings: &Settings, polled: bool) -> worker::Settings {
    worker::Settings {
        quiet: settings.quiet,
        max_wait: settings.max_wait.max(settings.quiet),
        min_interval: settings.min_interval,
        poll: polled.then(|| settings.poll.max(Duration::from_secs(1)).max(settings.min_interval)),
        at_start: true,
        ..worker::Settings::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(names: &[&str]) -> BTreeSet<BString> {
        names.iter().map(|name| BString::from(*name)).collect()
    }

    #[test]
    fn what_was_not_looked_at_stays_pending() {
        let mut pending = Pending::default();
        pending.paths(paths(&["a", "b"]));
        let look = pending.take();
        assert_eq!(look, Look::At(paths(&["a", "b"])));
        assert!(pending.is_empty());
        pending.paths(paths(&["c"]));
        pending.give_back(look);
        assert_eq!(pending.take(), Look::At(paths(&["a", "b", "c"])));
    }

    #[test]
    fn everything_swallows_paths() {
        let mut pending = Pending::default();
        pending.paths(paths(&["a"]));
        pending.everything();
        pending.paths(paths(&["b"]));
        assert_eq!(pending.take(), Look::Everything);
    }

    #[test]
    fn too_many_paths_are_everything() {
        let mut pending = Pending::default();
        pending.paths((0..=PATHS_MAX).map(|n| BString::from(n.to_string())).collect());
        assert_eq!(pending.take(), Look::Everything);
    }
}
