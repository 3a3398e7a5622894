//! Which trees there are, whether they are there, and how their changes are noticed.

use std::time::SystemTime;

use carry_code::registry::{Coverage, Presence, Tree, TreeState};
use carry_code::repo::Repo;
use carry_code::settings::Settings;
use carry_code::watch::{Event as Heard, Hint};
use carry_kernel::id::TreeId;
use carry_kernel::worker::Input;

use super::chores::Daemon;
use super::job::{Job, Watch, worker_settings};

/// Files in a root that hold settings of that tree.
const SETTINGS_FILES: &[&[u8]] = &[b"carry.toml", b"pyproject.toml"];

impl Daemon<'_> {
    /// Brings the trees and their settings up to date with the registry and the configuration.
    pub(super) fn reload(&mut self) {
        if self.is_stopping() {
            return;
        }
        self.reload_identity();
        let trees = match self.registry.trees() {
            Ok(trees) => trees,
            Err(error) => return self.complain("the registry cannot be read", &error),
        };
        let gone: Vec<TreeId> =
            self.jobs.keys().filter(|id| !trees.iter().any(|tree| tree.id == **id)).cloned().collect();
        for id in gone {
            self.leave(&id);
        }
        for tree in &trees {
            self.take_up(tree.clone());
        }
        for tree in trees {
            self.take_up_linked(&tree.id);
        }
    }

    /// Takes up a tree, or what changed of one that is known.
    fn take_up(&mut self, tree: Tree) {
        let id = tree.id.clone();
        let config = self.ctx.config(Some(&tree.root));
        let settings = match (config.broken().first(), self.jobs.get(&id)) {
            // What such a file says is not known, so that what was known last holds.
            (Some(warning), Some(job)) => {
                tracing::warn!(%warning, "the settings known last are kept");
                job.settings.clone()
            }
            _ => Settings::new(&config),
        };
        match self.jobs.get_mut(&id) {
            Some(job) if job.is_leaving => return,
            Some(job) => {
                let moved = job.tree.root != tree.root || job.tree.common_dir != tree.common_dir;
                let (paused, was_paused) = (tree.paused, job.tree.paused);
                let other_watch = job.settings.ignore != settings.ignore || job.settings.enabled != settings.enabled;
                let changed = job.settings != settings;
                job.tree = tree;
                job.settings = settings;
                if moved {
                    (job.capturer, job.is_warm, job.last, job.found) = (None, false, None, None);
                    job.pending.everything();
                }
                if changed {
                    let polled = matches!(job.watch, Watch::Polled(_));
                    let settings = worker_settings(&job.settings, polled);
                    job.pending.everything();
                    self.step(&id, Input::Reconfigure(Box::new(settings)));
                    self.feed(&id, Input::Dirty);
                }
                if paused != was_paused {
                    self.step(&id, if paused { Input::Pause } else { Input::Resume });
                }
                if moved || other_watch {
                    self.watch(&id);
                }
            }
            None => {
                let seed = u64::from_str_radix(id.as_str(), 16).unwrap_or(0) ^ u64::from(std::process::id());
                let mut job = Job::new(tree, settings, self.now(), seed);
                job.linked_changed = linked_changed(&job.tree);
                let paused = job.tree.paused;
                self.jobs.insert(id.clone(), job);
                self.step(&id, Input::Gates(self.local_gates().to_vec()));
                if paused {
                    self.step(&id, Input::Pause);
                }
                self.watch(&id);
            }
        }
        self.look_for(&id);
        self.look_for_remotes(&id);
        if self.jobs.get(&id).is_some_and(|job| job.tree.paused) {
            self.refuse_asks(&id, "This working tree is paused.");
        }
    }

    /// A tree that is not registered any more.
    fn leave(&mut self, id: &TreeId) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.is_leaving = true;
        self.unarranged.insert(job.tree.common_dir.clone());
        self.watching.remove(id);
        self.refuse_asks(id, "This working tree is not registered any more.");
        self.step(id, Input::Stop);
    }

    /// Drops a tree that left once nothing of it is at work.
    pub(super) fn drop_if_left(&mut self, id: &TreeId) {
        let is_done = |job: &Job| job.is_leaving && job.slot.has_ended() && !job.is_kept_up;
        if !self.jobs.get(id).is_some_and(is_done) {
            return;
        }
        if let Some(job) = self.jobs.remove(id) {
            self.remove_row(&job.slot.row);
        }
    }

    /// Reads the settings of a tree that is switched off again: nobody watches it, so that nobody tells when the file that
    /// says so goes, or another branch is checked out.
    pub(super) fn look_again(&mut self, id: &TreeId) {
        let is_off = |job: &&Job| !job.settings.enabled && job.watch != Watch::Absent;
        if let Some(tree) = self.jobs.get(id).filter(is_off).map(|job| job.tree.clone()) {
            self.take_up(tree);
        }
    }

    /// Switches the worker off and on as the configuration says.
    fn show_enabled(&mut self, id: &TreeId) {
        let look_again_at = self.now().after(self.tuning.absent_check);
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.watch == Watch::Absent {
            return;
        }
        if job.settings.enabled {
            self.step(id, Input::Enable);
        } else {
            job.look_for_it_at = Some(look_again_at);
            self.step(id, Input::Disable("It is switched off by `code.enabled`.".to_owned()));
            self.refuse_asks(id, "This working tree is switched off by `code.enabled`.");
        }
    }

    /// Asks for the tree to be watched (again).
    pub(super) fn watch(&mut self, id: &TreeId) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.watch == Watch::Absent || job.is_leaving {
            return;
        }
        job.attempt += 1;
        if !job.settings.enabled {
            self.watching.remove(id);
            return self.set_watch(id, Watch::Asked);
        }
        self.watching.add(id, job.attempt, job.tree.root.clone(), job.settings.ignore.clone());
    }

    /// The tree is watched, or cannot be.
    pub(super) fn watching_answered(&mut self, id: &TreeId, attempt: u64, outcome: Result<(), String>) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.attempt == attempt && job.watch != Watch::Absent) else {
            return;
        };
        let watch = outcome.map_or_else(Watch::Polled, |()| Watch::Watched);
        // What changed before it was watched is not told.
        job.pending.everything();
        self.set_watch(id, watch);
        if self.is_stopping() {
            return;
        }
        // Its first cycle comes with the start.
        let input = if self.start_worker(id) { Input::Tick } else { Input::Dirty };
        self.feed(id, input);
    }

    /// Starts a tree's worker, unless it was started before; says whether it did.
    pub(super) fn start_worker(&mut self, id: &TreeId) -> bool {
        let Some(job) = self.jobs.get_mut(id) else { return false };
        if std::mem::replace(&mut job.slot.has_started, true) {
            return false;
        }
        self.feed(id, Input::Start);
        true
    }

    fn set_watch(&mut self, id: &TreeId, watch: Watch) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id) else { return };
        let changed = job.watch != watch;
        job.watch = watch;
        let polled = matches!(job.watch, Watch::Polled(_));
        job.rewatch_at = polled.then(|| now.after(self.tuning.rewatch_every));
        let settings = worker_settings(&job.settings, polled);
        let (coverage, reason) = match &job.watch {
            Watch::Asked | Watch::Absent => (Coverage::Unwatched, None),
            Watch::Watched => (Coverage::Watched, None),
            Watch::Polled(why) => (Coverage::Polled, Some(why.clone())),
        };
        if let (true, Some(why)) = (changed, &reason) {
            tracing::warn!(tree = %id, "polled instead of watched: {why}");
        }
        let note = |state: &mut TreeState| (state.coverage, state.coverage_reason) = (Some(coverage), reason);
        if let Err(error) = self.registry.update_state(id, note) {
            self.complain("the coverage cannot be noted", &error);
        }
        self.step(id, Input::Reconfigure(Box::new(settings)));
    }

    /// The watcher says something.
    pub(super) fn heard(&mut self, event: Heard) {
        match event {
            Heard::Changed(id, hint) => self.changed(&id, hint),
            Heard::Gone(id) => {
                // Said of a tree that is known to be away, it is late: whoever sees it back must not be undone.
                let Some(job) = self.jobs.get_mut(&id).filter(|job| job.watch != Watch::Absent) else { return };
                // Nobody watches it now. If it is there after all, it is taken up anew.
                job.watch = Watch::Asked;
                job.pending.everything();
                self.look_for(&id);
                self.watch(&id);
            }
            Heard::Unwatchable(id, why) => {
                if let Some(job) = self.jobs.get_mut(&id).filter(|job| job.watch != Watch::Absent) {
                    job.pending.everything();
                    self.set_watch(&id, Watch::Polled(why));
                    self.feed(&id, Input::Dirty);
                }
            }
            Heard::Synced(number) => self.synced(number),
        }
    }

    fn changed(&mut self, id: &TreeId, hint: Hint) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        let mut other_settings = false;
        match hint {
            Hint::Paths(paths) => {
                other_settings = SETTINGS_FILES.iter().any(|file| paths.contains(*file));
                job.pending.paths(paths);
            }
            Hint::Git => {
                // One look at a folder's time instead of opening the repository at each `git status`.
                job.may_publish_elsewhere = true;
                let changed = linked_changed(&job.tree);
                self.linked_are(id, changed);
            }
            Hint::Rescan => {
                (other_settings, job.may_publish_elsewhere) = (true, true);
                job.pending.everything();
                let changed = linked_changed(&job.tree);
                self.linked_are(id, changed);
            }
        }
        if other_settings && let Some(tree) = self.jobs.get(id).map(|job| job.tree.clone()) {
            self.take_up(tree);
        }
        self.feed(id, Input::Dirty);
    }

    /// Git changed its list of linked worktrees then. If that is new, they are looked for soon.
    pub(super) fn linked_are(&mut self, id: &TreeId, changed: Option<SystemTime>) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id) else { return };
        if changed != job.linked_changed {
            job.linked_changed = changed;
            job.linked_at = self.tuning.linked_after.map(|later| now.after(later)).to_vec();
        }
    }

    /// Looks whether a tree is where it was: cheap, and its worker is switched off while it is not.
    pub(super) fn look_for(&mut self, id: &TreeId) {
        let now = self.now();
        let Some(job) = self.jobs.get_mut(id).filter(|job| !job.is_leaving) else { return };
        let message = match self.registry.presence(&job.tree) {
            Presence::Present => {
                if job.watch == Watch::Absent {
                    tracing::info!(tree = %id, root = %job.tree.root.display(), "the working tree is back");
                    job.watch = Watch::Asked;
                    job.pending.everything();
                    let tree = job.tree.clone();
                    self.note_error(id, None);
                    // Its settings may be others by now.
                    self.take_up(tree);
                    self.watch(id);
                } else {
                    self.show_enabled(id);
                }
                return;
            }
            Presence::Missing => format!("{} is not there.", job.tree.root.display()),
            Presence::Replaced => format!("{} holds another repository, or none.", job.tree.root.display()),
        };
        job.look_for_it_at = Some(now.after(self.tuning.absent_check));
        if job.watch == Watch::Absent {
            return;
        }
        tracing::warn!(tree = %id, "{message}");
        self.unarranged.insert(job.tree.common_dir.clone());
        (job.capturer, job.is_warm, job.last, job.scan_at) = (None, false, None, None);
        self.watching.remove(id);
        self.set_watch(id, Watch::Absent);
        self.step(id, Input::Disable(message.clone()));
        self.note_error(id, Some(message.clone()));
        self.refuse_asks(id, &message);
    }

    /// Registers linked worktrees that Git made meanwhile, and takes them up.
    pub(super) fn take_up_linked(&mut self, id: &TreeId) {
        let Some(job) = self.jobs.get(id).filter(|job| job.watch != Watch::Absent && !job.is_leaving) else { return };
        if job.linked_changed.is_none() {
            return;
        }
        let Ok(repo) = Repo::open(&job.tree.root) else { return };
        match self.registry.add_linked(&repo, &self.ctx.device.id(), self.ctx.clock.now()) {
            Ok(found) => {
                for tree in found {
                    tracing::info!(tree = %tree.id, root = %tree.root.display(), "a linked worktree is captured from now on");
                    self.take_up(tree);
                }
            }
            Err(error) => self.complain("linked worktrees cannot be registered", &error),
        }
    }

    /// Notes why the last look at a tree failed, or that nothing is wrong.
    pub(super) fn note_error(&mut self, id: &TreeId, why: Option<String>) {
        if let Err(error) = self.registry.update_state(id, |state| state.error = why) {
            self.complain("a failure cannot be noted", &error);
        }
    }
}

/// When Git last changed the list of linked worktrees; `None` when there never was one.
pub(super) fn linked_changed(tree: &Tree) -> Option<SystemTime> {
    tree.common_dir.join("worktrees").metadata().and_then(|found| found.modified()).ok()
}
