//! The archive of sessions: its worker, what is known to have changed, how that is noticed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_code::registry::Tree;
use carry_kernel::clock::Timestamp;
use carry_kernel::config::Config;
use carry_kernel::id::TreeId;
use carry_kernel::worker::{self, Input, Status};
use carry_sessions::archive::Written;
use carry_sessions::ingest::{LEASE, Report, TurnEnd};
use carry_sessions::settings::Settings;

use super::chores::Daemon;
use super::slot::{Key, Slot};
use super::tuning::Tuning;

mod pass;
mod watch;

pub(super) use pass::Outcome;
pub(super) use watch::{Armed, Heard, Watch};

/// The worker's row on the status board.
pub(super) const ROW: &str = "sessions/ingest";

/// Paths kept for a pass to come; more are a look at everything.
const PATHS_MAX: usize = 4096;

/// The archive's worker and what it needs.
pub(super) struct Sessions {
    pub(super) slot: Slot,
    settings: Option<Arc<Settings>>,
    watch: Watch,
    /// Why some roots are not watched.
    polled: Option<String>,
    /// What changed and was not looked at yet.
    paths: BTreeSet<PathBuf>,
    everything: bool,
    /// What the running pass looks at; `None` inside: everything.
    looks_at: Option<Option<Vec<PathBuf>>>,
    /// When everything is looked at again, whatever was heard.
    reconcile_at: Option<Timestamp>,
    /// Files whose last line was being written, and when to look again.
    unfinished: Vec<PathBuf>,
    retry_at: Option<Timestamp>,
    /// What could not be read last time, for the status.
    trouble: Option<String>,
}

impl Sessions {
    /// One whose worker has not started.
    pub(super) fn new(watch: Watch, tuning: &Tuning) -> Self {
        let seed = u64::from(std::process::id());
        Self {
            slot: Slot::new(ROW.to_owned(), LEASE.to_owned(), worker_settings(tuning, false), seed),
            settings: None,
            watch,
            polled: None,
            paths: BTreeSet::new(),
            everything: true,
            looks_at: None,
            reconcile_at: None,
            unfinished: Vec::new(),
            retry_at: None,
            trouble: None,
        }
    }

    /// The worker's status, with what else there is to know about it.
    pub(super) fn status(&self) -> Status {
        let mut status = self.slot.worker.status();
        status.message = status.message.or_else(|| self.trouble.clone()).or_else(|| {
            self.polled.as_ref().map(|why| format!("Sessions are looked for now and then, not watched. {why}"))
        });
        status
    }

    /// The next thing that is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        [self.slot.wake, self.retry_at].into_iter().flatten().min()
    }

    fn look_at(&mut self, paths: impl IntoIterator<Item = PathBuf>) {
        if self.everything {
            return;
        }
        self.paths.extend(paths);
        if self.paths.len() > PATHS_MAX {
            self.look_at_everything();
        }
    }

    fn look_at_everything(&mut self) {
        (self.everything, self.paths) = (true, BTreeSet::new());
    }

    /// Where the next pass looks; from now on nothing is pending.
    fn take(&mut self) -> Option<Vec<PathBuf>> {
        let paths = std::mem::take(&mut self.paths);
        (!std::mem::take(&mut self.everything)).then(|| paths.into_iter().collect())
    }

    /// A pass that was to look there did not, or not at all of it.
    fn give_back(&mut self, looked: Option<Vec<PathBuf>>) {
        match looked {
            None => self.look_at_everything(),
            Some(paths) => self.look_at(paths),
        }
    }

    fn roots(&self) -> Vec<PathBuf> {
        let Some(settings) = self.settings.as_ref().filter(|settings| settings.enabled) else { return Vec::new() };
        let mut roots = BTreeSet::new();
        for source in settings.sources() {
            for root in source.roots(&settings.places) {
                // What lies beside a root counts like one: the folder that holds it is watched.
                roots.extend(source.beside(&root));
                roots.insert(root.path);
            }
        }
        roots.into_iter().collect()
    }
}

/// How the worker behaves; `polled` when nobody tells of some changes.
fn worker_settings(tuning: &Tuning, polled: bool) -> worker::Settings {
    worker::Settings {
        quiet: tuning.sessions_quiet,
        max_wait: tuning.sessions_quiet * 10,
        poll: Some(if polled { tuning.sessions_poll } else { tuning.sessions_reconcile }),
        ..worker::Settings::default()
    }
}

impl Daemon<'_> {
    /// Takes up what the configuration says about sessions.
    pub(super) fn reload_sessions(&mut self) {
        let keys = [carry_kernel::config::KEYS, carry_code::settings::KEYS, carry_sessions::settings::KEYS];
        let config = Config::load(&keys, &self.ctx.sources);
        if let Some(warning) = config.broken().first() {
            // What is not to be archived is not known; what was known last holds.
            tracing::warn!(%warning, "sessions go by the settings known last");
            if self.sessions.settings.is_none() {
                self.drive(&Key::Sessions, Input::Disable(format!("Its settings cannot be read: {warning}")));
            }
            return;
        }
        let variable = self.tuning.variable.clone();
        let Some(home) = self.tuning.user_home() else {
            let why = "Nobody says where your home directory is (HOME).".to_owned();
            return self.drive(&Key::Sessions, Input::Disable(why));
        };
        let settings = Settings::new(&config, &home, &*variable);
        settings.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let input = if settings.enabled {
            Input::Enable
        } else {
            Input::Disable("It is switched off by `sessions.enabled`.".to_owned())
        };
        self.sessions.settings = Some(Arc::new(settings));
        self.sessions.look_at_everything();
        let roots = self.sessions.roots();
        self.sessions.watch.arm(roots);
        self.drive(&Key::Sessions, input);
        if self.sessions.slot.has_started {
            self.drive(&Key::Sessions, Input::Dirty);
        }
    }

    /// The watcher heard something.
    pub(super) fn sessions_heard(&mut self, heard: Heard) {
        let Heard { paths, everything, roots } = heard;
        if everything {
            self.sessions.look_at_everything();
        }
        self.sessions.look_at(paths);
        if roots {
            let roots = self.sessions.roots();
            self.sessions.watch.arm(roots);
        }
        self.drive(&Key::Sessions, Input::Dirty);
    }

    /// The roots are watched now, as far as they can be. The first pass waits for this, so that nothing falls between.
    pub(super) fn sessions_armed(&mut self, armed: Armed) {
        let polled = armed.polled.is_some();
        if polled != self.sessions.polled.is_some() {
            let settings = worker_settings(&self.tuning, polled);
            self.drive(&Key::Sessions, Input::Reconfigure(Box::new(settings)));
        }
        self.sessions.polled = armed.polled;
        if armed.is_new {
            self.sessions.look_at_everything();
        }
        if !std::mem::replace(&mut self.sessions.slot.has_started, true) {
            self.drive(&Key::Sessions, Input::Start);
        } else if armed.is_new {
            self.drive(&Key::Sessions, Input::Dirty);
        }
    }

    /// Does what is due.
    pub(super) fn tick_sessions(&mut self, now: Timestamp) {
        if self.sessions.retry_at.take_if(|at| *at <= now).is_some() {
            let paths = std::mem::take(&mut self.sessions.unfinished);
            self.sessions.look_at(paths);
            self.drive(&Key::Sessions, Input::Dirty);
        }
        if self.sessions.slot.wake.take_if(|at| *at <= now).is_some() {
            self.drive(&Key::Sessions, Input::Tick);
        }
    }

    /// Begins a pass.
    pub(super) fn run_pass(&mut self, now: Timestamp) {
        let sessions = &mut self.sessions;
        let Some(settings) = sessions.settings.clone() else { return };
        let is_reconciled = sessions.reconcile_at.is_some_and(|at| now < at);
        if !is_reconciled || sessions.polled.is_some() || sessions.paths.is_empty() {
            sessions.look_at_everything();
        }
        let only = sessions.take();
        if only.is_none() {
            sessions.reconcile_at = Some(now.after(self.tuning.sessions_reconcile));
            // Watches may have gone unheard.
            let roots = sessions.roots();
            sessions.watch.arm(roots);
        }
        let cancel = sessions.slot.begin(now);
        let work = pass::Work { ctx: self.ctx.clone(), settings, only: only.clone(), cancel };
        sessions.looks_at = Some(only);
        if let Err(failure) = pass::start(work, self.events.clone()) {
            self.sessions_passed(Outcome::Failed(failure));
        }
    }

    /// A pass ended.
    pub(super) fn sessions_passed(&mut self, outcome: Outcome) {
        let (now, retry) = (self.now(), self.tuning.sessions_retry);
        if self.sessions.slot.running.take().is_none() {
            return;
        }
        let looked = self.sessions.looks_at.take().unwrap_or_default();
        let (mut ends, mut has_written) = (Vec::new(), true);
        match outcome {
            Outcome::Done(_) => {}
            Outcome::Cancelled | Outcome::Failed(_) => self.sessions.give_back(looked.clone()),
            Outcome::Panicked(_) => self.sessions.look_at_everything(),
        }
        let sessions = &mut self.sessions;
        let input = outcome.settle(ROW, |mut report| {
            tracing::debug!(
                read = report.read, unchanged = report.unchanged, missing = report.missing,
                failed = report.failed.len(), stopped = report.was_stopped, written = ?report.written,
                "sessions were archived"
            );
            ends = std::mem::take(&mut report.turns_ended);
            has_written = report.written != Written::default();
            if !report.unfinished.is_empty() {
                sessions.unfinished.append(&mut report.unfinished);
                sessions.retry_at = Some(now.after(retry));
            }
            if looked.is_none() || !report.failed.is_empty() {
                sessions.trouble = trouble(&report);
            }
            if report.was_stopped {
                sessions.give_back(looked);
                Input::Cancelled
            } else {
                Input::Succeeded
            }
        });
        self.drive(&Key::Sessions, input);
        // One that failed may have written before.
        if has_written {
            self.archive_changed();
        }
        for end in ends {
            self.turn_ended(&end);
        }
    }

    /// An agent waits for its user: what it did in this turn is captured as it is now.
    fn turn_ended(&mut self, end: &TurnEnd) {
        let Some(id) = enclosing(self.jobs.values().map(|job| &job.tree), &end.cwd).cloned() else { return };
        tracing::debug!(tree = %id, "a turn ended; its working tree is captured");
        // Nobody waits for the answer.
        let (reply, _) = std::sync::mpsc::channel();
        self.capture(vec![id], true, reply);
    }
}

/// The innermost of these trees that holds `path`.
fn enclosing<'a>(trees: impl Iterator<Item = &'a Tree>, path: &Path) -> Option<&'a TreeId> {
    let around = trees.filter(|tree| path.starts_with(&tree.root));
    around.max_by_key(|tree| tree.root.as_os_str().len()).map(|tree| &tree.id)
}

/// What a pass could not do, as a full sentence.
fn trouble(report: &Report) -> Option<String> {
    let (path, why) = report.failed.first().or(report.unlisted.first())?;
    let more = report.failed.len() + report.unlisted.len() - 1;
    let more =
        if more == 0 { String::new() } else { format!(" (and {more} more; `carry sessions sources` lists them)") };
    Some(format!("{} cannot be read: {why}{more}.", path.display()))
}
