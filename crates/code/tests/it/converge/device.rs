//! One device: a home, a clone, a clock of its own, and a network that comes and goes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use carry_code::capture::{Capturer, Look, Outcome, Request};
use carry_code::context::Context;
use carry_code::drift::{self, Drift};
use carry_code::git::ObjectId;
use carry_code::registry::{Added, Consent, Registry, Tree};
use carry_code::remote::{Io, Reach, Remote};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_code::{gather, history, prune, publish, retention};
use carry_kernel::clock::{ManualClock, Timestamp};
use carry_kernel::config::Sources;
use carry_kernel::device::Device as Identity;
use carry_kernel::home::Home;
use carry_testkit::git;

use super::lines::Lines;

pub(super) struct Device {
    pub(super) root: PathBuf,
    pub(super) ctx: Context,
    pub(super) clock: Arc<ManualClock>,
    pub(super) tree: Tree,
    pub(super) online: bool,
    /// What the file of lines is here now.
    pub(super) lines: Lines,
    remote: Remote,
    capturer: Capturer,
}

impl Device {
    /// A device `name` with a clone of `remote`; its clock shows `now`.
    pub(super) fn new(dir: &Path, name: &str, remote: &Path, now: Timestamp) -> Self {
        let root = dir.join(name);
        git::succeed(git::command(dir, dir, git::EPOCH).args(["clone", "-q"]).arg(remote).arg(&root));
        for setting in [["config", "gc.auto", "0"], ["config", "maintenance.auto", "false"]] {
            git::succeed(git::command(&root, dir, git::EPOCH).args(setting));
        }
        let home = Home::at(dir.join(format!("{name}-home")));
        let identity = Identity::load_or_create(&home, name).unwrap();
        let clock = Arc::new(ManualClock::new(now));
        let ctx = Context { home, device: identity.into(), clock: clock.clone(), sources: Sources::default() };
        let repo = Repo::open(&root).unwrap();
        let mut registry = Registry::open(&ctx.home).unwrap();
        let Added::New(tree) = registry.add(&repo, &ctx.device.id(), now, false, None).unwrap() else {
            panic!("it is new")
        };
        let url = remote.to_str().unwrap().to_owned();
        let remote = Remote { name: "origin".to_owned(), url, reach: Reach::Local };
        registry
            .update_link(repo.common_dir(), &remote.name, &remote.url, |link| link.consent = Some(Consent::Agreed))
            .unwrap();
        let capturer = Capturer::new(ctx.clone(), tree.clone());
        Self { root, ctx, clock, tree, online: true, lines: Lines::first(), remote, capturer }
    }

    pub(super) fn repo(&self) -> Repo {
        Repo::open(&self.root).unwrap()
    }

    /// Captures everything; says whether it is a new snapshot.
    pub(super) fn capture(&mut self) -> (Snapshot, bool) {
        self.clock.advance(Duration::from_secs(90));
        let cancel = AtomicBool::new(false);
        let request = Request::new(Look::Everything, &cancel);
        let report = self.capturer.capture(&request).unwrap();
        assert_eq!(report.skipped, []);
        match report.outcome {
            Outcome::Captured(snapshot) => (snapshot, true),
            Outcome::Unchanged(Some(snapshot)) => (snapshot, false),
            other => panic!("nothing came of a capture: {other:?}"),
        }
    }

    pub(super) fn publish(&self) {
        let report = with_io(|io| {
            publish::push(&self.ctx, &self.repo(), &self.tree, &self.remote, &publish::Options::default(), io).unwrap()
        });
        assert!(report.refused.is_empty() && report.held.is_empty() && !report.renewed, "{report:?}");
    }

    /// Fetches, and approves whoever is there.
    pub(super) fn gather(&self) {
        let trees = std::slice::from_ref(&self.tree);
        let report = with_io(|io| gather::fetch(&self.ctx, &self.repo(), trees, &self.remote, io).unwrap());
        assert!(report.refused.is_empty() && !report.renewed, "{report:?}");
        let mut registry = Registry::open(&self.ctx.home).unwrap();
        for id in &report.new_devices {
            assert!(registry.approve_device(id, self.ctx.clock.now()).unwrap());
        }
    }

    pub(super) fn drift(&self, current: &Snapshot) -> Vec<Drift> {
        drift::look(&self.ctx, &self.repo(), &self.tree.id, &current.meta.branch).unwrap()
    }

    /// Thins the line as far as it may be; returns what went.
    pub(super) fn thin(&self) -> Vec<ObjectId> {
        self.clock.advance(Duration::from_secs(3 * 3600));
        let none = Duration::ZERO;
        let policy = retention::Policy { all: none, hourly: none, daily: none, weekly: none };
        let repo = self.repo();
        let ids = |repo: &Repo| -> Vec<ObjectId> {
            history::of_tree(repo, &self.tree.id).unwrap().map(|s| s.unwrap().commit).collect()
        };
        let before = ids(&repo);
        let plans = prune::plan(&self.ctx, &repo, &self.tree.id, &policy, self.ctx.clock.now()).unwrap();
        prune::execute(&self.ctx, &repo, &self.tree.id, &plans).unwrap();
        let after = ids(&self.repo());
        before.into_iter().filter(|id| !after.contains(id)).collect()
    }

    /// Commits all there is, if there is anything.
    pub(super) fn commit(&self) {
        let at = u64::try_from(self.ctx.clock.now().as_secs()).unwrap();
        for args in [["add", "-A"].as_slice(), &["commit", "-q", "--allow-empty", "-m", "work"]] {
            git::succeed(git::command(&self.root, &self.root, at).args(args));
        }
    }

    /// What git prints here.
    pub(super) fn git(&self, args: &[&str]) -> String {
        git::read(&self.root, args)
    }
}

fn with_io<T>(run: impl FnOnce(&Io<'_>) -> T) -> T {
    let cancel = AtomicBool::new(false);
    run(&Io { interactive: false, cancel: &cancel, progress: &|_, _, _| {} })
}
