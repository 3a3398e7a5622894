//! One capture: look, hash what changed, write one pack, move the line.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_kernel::config::Config;
use carry_kernel::disk::DiskError;
use carry_kernel::fault;

use crate::budget::{Budget, Level};
use crate::context::Context;
use crate::git::{BString, ByteSlice, ObjectId};
use crate::line::LineName;
use crate::refs;
use crate::registry::{Registry, Tree, TreeState};
use crate::repo::Repo;
use crate::settings::{InProgress, Settings};
use crate::shadow_index::Stamp;
use crate::snapshot::{Skipped, Snapshot, State};

mod commit;
mod error;
mod look;
mod mend;
mod rules;
mod store;
mod unseen;

pub use error::CaptureError;

/// How to find what changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Look at every file's status.
    Everything,
    /// Trust that only these paths (files or folders, root-relative) changed since this capturer's last look. Falls back
    /// to everything when the capturer has nothing to build on, or rules changed.
    At(BTreeSet<BString>),
}

/// What a caller wants.
pub struct Request<'a> {
    /// Where to look.
    pub look: Look,
    /// Asked before the line moves; `false` means the lease was lost and nothing may be committed.
    pub may_commit: &'a dyn Fn() -> bool,
    /// Set by another thread to end the capture at its next step.
    pub cancel: &'a AtomicBool,
    /// Told of each step as it begins (`looking`, `hashing`, `writing`, `committing`, `verifying`), with how many of how many.
    pub progress: &'a dyn Fn(&str, u64, u64),
    /// Whether the working tree is captured even while Git is in the middle of something and the settings say to wait.
    pub force: bool,
}

impl<'a> Request<'a> {
    /// What `look` says, under no lease and told to nobody; setting `cancel` ends it.
    pub fn new(look: Look, cancel: &'a AtomicBool) -> Self {
        Self { look, may_commit: &|| true, cancel, progress: &|_, _, _| {}, force: false }
    }
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing differs from the newest snapshot (returned), or from an empty working tree without commits.
    Unchanged(Option<Snapshot>),
    /// A new snapshot; it is durable.
    Captured(Snapshot),
    /// Git is in the middle of this, and the settings say to wait.
    Waiting(State),
}

/// What a capture did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What came of it.
    pub outcome: Outcome,
    /// What is not held as it is on disk.
    pub skipped: Vec<Skipped>,
    /// Nested repositories left out.
    pub nested: Vec<BString>,
    /// Files whose status was read.
    pub looked_at: u64,
    /// Files whose content was read.
    pub hashed: u64,
    /// Bytes written to the repository.
    pub bytes_written: u64,
    /// Syncs made.
    pub fsyncs: u32,
    /// Whether every file was looked at.
    pub full: bool,
    /// What the budget allowed.
    pub level: Level,
}

/// Captures one working tree, remembering between captures what makes the next one quick. Everything remembered can be
/// made again, so a new capturer is always right, only slower.
#[derive(Debug)]
pub struct Capturer {
    ctx: Context,
    tree: Tree,
    repo: Option<Repo>,
    memory: Option<look::Memory>,
    registry: Option<Registry>,
    /// The stashes that are known to be kept, by the state of their log.
    stashes: Option<Stamp>,
    /// Whether what earlier captures left was looked after.
    mended: bool,
    /// Whether a first snapshot is made even of nothing.
    even_empty: bool,
    /// The configuration as it was when all its files could be parsed last.
    config: Option<Arc<Config>>,
}

/// How often a capture is tried: objects it relied on may be collected meanwhile, and others may move the line.
const TRIES: usize = 5;

impl Capturer {
    /// For a registered tree.
    pub fn new(ctx: Context, tree: Tree) -> Self {
        Self {
            ctx,
            tree,
            repo: None,
            memory: None,
            registry: None,
            stashes: None,
            mended: false,
            even_empty: false,
            config: None,
        }
    }

    /// The same, which makes a first snapshot even of an empty working tree without commits: a way back from what comes next.
    #[must_use]
    pub fn even_empty(mut self) -> Self {
        self.even_empty = true;
        self
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Forgets what was remembered in memory; the next capture looks at everything.
    pub fn forget(&mut self) {
        (self.repo, self.memory, self.registry, self.stashes) = (None, None, None, None);
    }

    /// Captures. When this returns [`Outcome::Captured`], snapshot and line are on stable storage.
    ///
    /// # Errors
    /// [`CaptureError`].
    pub fn capture(&mut self, request: &Request<'_>) -> Result<Report, CaptureError> {
        let result = self.try_capture(request);
        match &result {
            Ok(report) => self.remember(report)?,
            Err(error) => {
                self.forget();
                self.remember_failure(error);
            }
        }
        result
    }

    fn try_capture(&mut self, request: &Request<'_>) -> Result<Report, CaptureError> {
        let mut rewrite = false;
        let mut untracked = true;
        let mut left = TRIES;
        loop {
            left -= 1;
            match self.attempt(request, rewrite, untracked) {
                // What Git does not track may be what is too much; what it tracks must not wait for that.
                Err(CaptureError::OverBudget { .. }) if untracked && left > 0 => {
                    untracked = false;
                    self.forget();
                }
                Ok(Attempt::Done(report)) => return Ok(*report),
                Ok(Attempt::Vanished(n)) if left == 0 => return Err(CaptureError::Vanished { n }),
                Ok(Attempt::Vanished(n)) => {
                    tracing::warn!(tree = %self.tree.id, objects = n, "objects were collected meanwhile; writing them again");
                    rewrite = true;
                    self.forget();
                }
                Err(error) if left == 0 || !error.may_pass() => return Err(error),
                Err(error) => {
                    tracing::debug!(tree = %self.tree.id, error = chain(&error), "trying again");
                    // In the end nothing that is remembered of the repository may be what is wrong.
                    rewrite |= left == 1;
                    self.forget();
                }
            }
        }
    }

    fn attempt(&mut self, request: &Request<'_>, rewrite: bool, untracked: bool) -> Result<Attempt, CaptureError> {
        let started = self.ctx.clock.now();
        let config = self.config()?;
        let settings = Settings::new(&config);
        // A handle has the configuration of the moment when it was opened.
        let opened_ns = crate::shadow_index::file_clock_ns();
        let (repo, rules) = match (&request.look, &self.repo, &self.memory) {
            (Look::At(_), Some(repo), Some(memory)) if rules::Stamps::of(&repo.gix()).certainly_same(&memory.rules) => {
                (repo.clone(), memory.rules.clone())
            }
            _ => {
                let repo = Repo::open(&self.tree.root)?;
                let rules = rules::Stamps::of(&repo.gix()).read_at(opened_ns);
                (repo, rules)
            }
        };
        let state = repo.state();
        if let Some(state) = state
            && settings.in_progress == InProgress::Wait
            && !request.force
        {
            return Ok(Attempt::Done(Box::new(Report::of(Outcome::Waiting(state)))));
        }
        let mut gix = repo.gix();
        gix.objects.enable_object_memory();
        let head = repo.head()?;
        let branch = repo.branch_of(&head);
        let head_commit = match head.commit {
            None => None,
            Some(id) => {
                let commit = gix.find_commit(id).map_err(|e| git("the commit HEAD is at", e.into()))?;
                let tree = commit.tree_id().map_err(|e| git("the commit HEAD is at", e.into()))?;
                Some((id, tree.detach()))
            }
        };
        // Under a former identity the line may be another machine's by now.
        self.ctx.refresh_device()?;
        let device = self.ctx.device.get();
        let line = LineName::new(device.id(), &self.tree.id, &branch).ref_name();
        let tip = self.tip(&repo, &gix, &line, &device.public_key())?;
        let (keeper, previous) = tip.map(|tip| (tip.keeper, tip.snapshot)).unzip();
        let registry = open_registry(&mut self.registry, &self.ctx)?;
        let pending = registry.pending_seen(&self.tree.id, &branch)?;
        let head_id = head_commit.map(|h| h.0);
        let base =
            unseen::Base::find(&gix, registry, &self.tree, &branch, head_id, previous.as_ref(), pending.is_some())?;

        // Reading these made the handle look for the newest packs; from here on a missing object is an answer, not a
        // reason to look again.
        gix.objects.refresh_never();

        let budget = self.budget(&repo, &config)?;
        let level = if untracked { budget.level() } else { budget.level().max(Level::TrackedOnly) };
        let last_tree = match &self.memory {
            Some(memory) => Some(memory.tree),
            None => self.newest_tree(&gix)?,
        };
        let who = commit::Author::new(&gix, started);
        let looker = look::Looker {
            repo: &repo,
            gix: &gix,
            settings: &settings,
            rules,
            index_file: self.ctx.home.tree_dir(&self.tree.id).join("index"),
            request,
            head: head_commit,
            last_tree,
            base,
            side_before: previous.as_ref().and_then(|p| p.meta.staged),
            side_commit: &|side| commit::side_bytes(side, head_id, &who),
            untracked: level < Level::TrackedOnly,
        };
        let mut store = store::Store::new(&gix, &repo.objects_dir(), rewrite);
        let mut looked = None;
        // What a handoff changed may not be among the paths yet.
        if let (Look::At(paths), Some(memory), None) = (&request.look, &self.memory, &pending) {
            looked = looker.at(paths, memory, &mut store)?;
        }
        let looked = match looked {
            Some(looked) => looked,
            None => looker.everything(&mut store)?,
        };
        fault::point("capture.looked").map_err(DiskError::at("capture", repo.root()))?;

        if open_registry(&mut self.registry, &self.ctx)?.pending_seen(&self.tree.id, &branch)? != pending {
            return Err(git("what the snapshot has seen", "a handoff changed it meanwhile".into()));
        }
        let found = commit::Found {
            pending,
            tree: looked.memory.tree,
            side: looked.memory.staged.side,
            head: head_commit,
            state,
            branch,
            skipped: looked
                .memory
                .skipped
                .iter()
                .map(|(path, reason)| Skipped { path: path.clone(), reason: reason.clone() })
                .collect(),
            nested: looked.memory.nested.iter().cloned().collect(),
        };
        let mut report = Report {
            skipped: found.skipped.clone(),
            nested: found.nested.clone(),
            looked_at: looked.looked_at,
            hashed: looked.hashed,
            full: looked.full,
            level,
            ..Report::of(Outcome::Unchanged(previous.clone()))
        };
        let is_first = self.even_empty && previous.is_none();
        if is_first || found.is_new(previous.as_ref(), device.id(), gix.object_hash()) {
            let committing = commit::Committing {
                ctx: &self.ctx,
                device: device.id(),
                tree: &self.tree,
                repo: &repo,
                gix: &gix,
                request,
                budget: &budget,
                who: &who,
                line: &line,
                started,
            };
            let registry = open_registry(&mut self.registry, &self.ctx)?;
            match committing.commit(&found, previous.as_ref(), keeper, store, registry, &mut report)? {
                None => {}
                Some(vanished) => return Ok(Attempt::Vanished(vanished)),
            }
        }
        self.keep_stashes(&repo)?;
        if let Some(index) = &looked.save {
            // A cache: when it cannot be written the next look is slower, and the disk's state is reported elsewhere.
            if let Err(error) = index.save(&looker.index_file) {
                tracing::warn!(tree = %self.tree.id, %error, "the private index could not be written");
            }
        }
        self.memory = Some(looked.memory);
        self.repo = Some(repo);
        Ok(Attempt::Done(Box::new(report)))
    }

    /// What the line points at, made whole first where something went wrong before.
    fn tip(
        &mut self,
        repo: &Repo,
        gix: &gix::Repository,
        line: &str,
        key: &[u8; 32],
    ) -> Result<Option<mend::Tip>, CaptureError> {
        if !self.mended {
            mend::everything(repo);
            self.mended = true;
        }
        let mut tip = match mend::Tip::read(repo, gix, line, key) {
            // The objects may be in packs newer than what the handle knows, or the ref may be damaged.
            Err(CaptureError::Ref(_) | CaptureError::History(_)) => {
                mend::everything(repo);
                let gix = repo.reopen()?.gix();
                mend::put_aside(repo, &gix, line, key)?;
                mend::Tip::read(repo, &gix, line, key)?
            }
            other => other?,
        };
        let state = open_registry(&mut self.registry, &self.ctx)?.state(&self.tree.id)?;
        // A snapshot that was never reported: whoever made it may have died before it was verified and synced. There is
        // one of those at most, as each capture looks at the newest before it builds on it.
        if let Some(found) = tip.as_ref().filter(|found| state.snapshot != Some(found.snapshot.commit)) {
            if found.is_torn(repo, gix)? {
                if found.may_be_reported(state.captured) {
                    return Err(found.damaged(line));
                }
                found.take_back(repo, line)?;
                tip = mend::Tip::read(repo, gix, line, key)?;
                if let Some(before) = tip.as_ref().filter(|tip| state.snapshot != Some(tip.snapshot.commit))
                    && before.is_torn(repo, gix)?
                {
                    return Err(before.damaged(line));
                }
            } else {
                refs::sync(repo, line)?;
            }
        }
        Ok(tip)
    }

    /// Stashes are commits that only a reflog holds; each gets a ref of ours, once.
    fn keep_stashes(&mut self, repo: &Repo) -> Result<(), CaptureError> {
        let log = repo.common_dir().join("logs/refs/stash");
        let stamp = Stamp::of(&log);
        if self.stashes == Some(stamp) {
            return Ok(());
        }
        use gix::objs::Exists as _;
        if let Some(bytes) = carry_kernel::disk::read_bounded(&log, STASH_LOG_MAX)? {
            let gix = repo.gix();
            for id in bytes
                .lines()
                .filter_map(|line| line.split_str(" ").nth(1))
                .filter_map(|hex| ObjectId::from_hex(hex).ok())
            {
                let name = format!("{}{}/stash-{id}", crate::line::KEEP, self.tree.id);
                if gix.objects.exists(&id) && refs::read(repo, &name)?.is_none() {
                    match refs::update(repo, &name, None, id) {
                        // Another capture was quicker.
                        Ok(_) | Err(refs::RefError::Moved { .. }) => {}
                        Err(e) => return Err(e.into()),
                    }
                    if !crate::durable::missing(repo, &[id])?.is_empty() {
                        refs::delete(repo, &name, id)?;
                    }
                }
            }
        }
        self.stashes = Some(stamp);
        Ok(())
    }

    /// The configuration that holds now. While a file of it cannot be parsed it is the last one that could: what such a file left out
    /// must not be captured.
    fn config(&mut self) -> Result<Arc<Config>, CaptureError> {
        let config = self.ctx.config(Some(&self.tree.root));
        match config.broken().first() {
            None => Ok(Arc::clone(self.config.insert(Arc::new(config)))),
            Some(warning) => {
                let problem = warning.to_string().trim_end_matches('.').to_owned();
                self.config.clone().ok_or(CaptureError::Configuration { problem })
            }
        }
    }

    fn budget(&mut self, repo: &Repo, config: &Config) -> Result<Budget, CaptureError> {
        let space = carry_kernel::gate::disk_space(repo.common_dir())
            .map_err(DiskError::at("measure the space of", repo.common_dir()))?;
        let registry = open_registry(&mut self.registry, &self.ctx)?;
        let (repository, total) = registry.bytes_used(repo.common_dir())?;
        Ok(Budget::new(config, repository, total, space.free))
    }

    /// What the newest snapshot of this working tree holds, on whatever line, as far as it is known.
    fn newest_tree(&mut self, gix: &gix::Repository) -> Result<Option<ObjectId>, CaptureError> {
        let id = self.tree.id.clone();
        let newest = open_registry(&mut self.registry, &self.ctx)?.state(&id)?.snapshot;
        Ok(newest.and_then(|commit| gix.find_commit(commit).ok()?.tree_id().ok().map(gix::Id::detach)))
    }

    /// Keeps what `status` shows.
    fn remember(&mut self, report: &Report) -> Result<(), CaptureError> {
        let now = self.ctx.clock.now();
        let id = self.tree.id.clone();
        let registry = open_registry(&mut self.registry, &self.ctx)?;
        registry.update_state(&id, |state| {
            state.error = None;
            state.level = report.level;
            match &report.outcome {
                Outcome::Waiting(waiting) => state.state = Some(*waiting),
                Outcome::Unchanged(snapshot) => {
                    state.captured = Some(now);
                    state.skipped = named(&report.skipped);
                    state.nested = named(&report.nested);
                    if let Some(snapshot) = snapshot {
                        note_snapshot(state, snapshot);
                    }
                }
                Outcome::Captured(snapshot) => {
                    state.captured = Some(now);
                    state.skipped = named(&report.skipped);
                    state.nested = named(&report.nested);
                    state.snapshots += 1;
                    state.bytes += snapshot.meta.bytes;
                    note_snapshot(state, snapshot);
                }
            }
        })?;
        Ok(())
    }

    fn remember_failure(&mut self, error: &CaptureError) {
        let id = self.tree.id.clone();
        let message = chain(error);
        let outcome = open_registry(&mut self.registry, &self.ctx)
            .and_then(|registry| Ok(registry.update_state(&id, |state| state.error = Some(message))?));
        if let Err(error) = outcome {
            tracing::warn!(tree = %id, %error, "the failure could not be recorded");
        }
    }
}

/// Most paths that are remembered for `status` to name; a snapshot's message and a report say how many there are.
const NAMED_MAX: usize = 1_000;

fn named<T: Clone>(all: &[T]) -> Vec<T> {
    all[..all.len().min(NAMED_MAX)].to_vec()
}

/// Largest stash log that is read, in bytes.
const STASH_LOG_MAX: u64 = 16 << 20;

enum Attempt {
    Done(Box<Report>),
    /// So many objects that were relied on are gone.
    Vanished(usize),
}

fn note_snapshot(state: &mut TreeState, snapshot: &Snapshot) {
    state.snapshot = Some(snapshot.commit);
    state.branch = Some(snapshot.meta.branch.display());
    state.state = snapshot.meta.state;
}

fn open_registry<'a>(open: &'a mut Option<Registry>, ctx: &Context) -> Result<&'a mut Registry, CaptureError> {
    if open.is_none() {
        *open = Some(Registry::open(&ctx.home)?);
    }
    Ok(open.as_mut().expect("just opened"))
}

fn git(what: &str, source: Box<dyn std::error::Error + Send + Sync>) -> CaptureError {
    CaptureError::Git { what: what.to_owned(), source }
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

impl Report {
    fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            skipped: Vec::new(),
            nested: Vec::new(),
            looked_at: 0,
            hashed: 0,
            bytes_written: 0,
            fsyncs: 0,
            full: false,
            level: Level::Normal,
        }
    }
}
