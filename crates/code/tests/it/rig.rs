//! One repository, one home, and captures in this process.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use carry_code::capture::{CaptureError, Capturer, Look, Outcome, Report, Request};
use carry_code::context::Context;
use carry_code::git::BString;
use carry_code::registry::{Added, Registry, Tree};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_kernel::clock::SystemClock;
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;
use carry_testkit::fingerprint::Fingerprint;
use carry_testkit::git_tree::git_tree_of;
use carry_testkit::repo::TestRepo;

pub(crate) struct Rig {
    pub(crate) git: TestRepo,
    pub(crate) ctx: Context,
    pub(crate) tree: Tree,
    pub(crate) capturer: Capturer,
    dir: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::over(TestRepo::new())
    }

    pub(crate) fn over(git: TestRepo) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let device = Device::load_or_create(&home, "testhost").unwrap();
        let sources = Sources { user: Some(home.config_file()), ..Sources::default() };
        let ctx = Context { home, device: device.into(), clock: Arc::new(SystemClock), sources };
        let repo = Repo::open(git.root()).unwrap();
        let mut registry = Registry::open(&ctx.home).unwrap();
        let now = carry_kernel::clock::Timestamp::from_secs(1);
        let (Added::New(tree) | Added::Known(tree) | Added::Moved { tree, .. }) =
            registry.add(&repo, &ctx.device.id(), now, false, None).unwrap();
        let capturer = Capturer::new(ctx.clone(), tree.clone());
        Self { git, ctx, tree, capturer, dir }
    }

    pub(crate) fn configure(&self, toml: &str) {
        carry_kernel::disk::write_atomic(&self.ctx.home.config_file(), toml.as_bytes()).unwrap();
    }

    /// Where its home is.
    pub(crate) fn home(&self) -> &std::path::Path {
        self.dir.path()
    }

    pub(crate) fn try_capture(&mut self, look: Look) -> Result<Report, CaptureError> {
        let cancel = AtomicBool::new(false);
        self.capturer.capture(&Request::new(look, &cancel))
    }

    /// Looks at everything with a fresh capturer, as a cold command does. The user's side must not change.
    #[track_caller]
    pub(crate) fn cold(&mut self) -> Report {
        self.capturer = Capturer::new(self.ctx.clone(), self.tree.clone());
        self.quietly(Look::Everything)
    }

    /// Looks only at `paths`, as the daemon does.
    #[track_caller]
    pub(crate) fn warm(&mut self, paths: &[&str]) -> Report {
        let paths: BTreeSet<BString> = paths.iter().map(|p| BString::from(*p)).collect();
        self.quietly(Look::At(paths))
    }

    #[track_caller]
    fn quietly(&mut self, look: Look) -> Report {
        let before = Fingerprint::of(self.git.root());
        let report = self.try_capture(look).unwrap();
        Fingerprint::of(self.git.root()).assert_same_as(&before);
        report
    }

    /// Captures cold and compares the tree with Git's.
    #[track_caller]
    pub(crate) fn check(&mut self) -> Snapshot {
        let expected = git_tree_of(self.git.root());
        let report = self.cold();
        let snapshot = snapshot_of(&report);
        assert_eq!(snapshot.tree.to_string(), expected.id, "the tree is not Git's\n{}", self.explain(&snapshot));
        snapshot
    }

    /// Captures warm at `paths` and compares the tree with Git's.
    #[track_caller]
    pub(crate) fn check_warm(&mut self, paths: &[&str]) -> (Snapshot, Report) {
        let expected = git_tree_of(self.git.root());
        let report = self.warm(paths);
        let snapshot = snapshot_of(&report);
        assert_eq!(snapshot.tree.to_string(), expected.id, "the tree is not Git's\n{}", self.explain(&snapshot));
        (snapshot, report)
    }

    fn explain(&self, snapshot: &Snapshot) -> String {
        format!("ours:\n{}", self.git.git(["ls-tree", "-r", &snapshot.tree.to_string()]))
    }

    pub(crate) fn files(&self, snapshot: &Snapshot) -> Vec<String> {
        let out = self.git.git(["ls-tree", "-r", "--name-only", &snapshot.commit.to_string()]);
        out.lines().map(str::to_owned).collect()
    }

    pub(crate) fn content(&self, snapshot: &Snapshot, path: &str) -> String {
        self.git.git(["show", &format!("{}:{path}", snapshot.commit)])
    }

    pub(crate) fn fsck(&self) {
        let out = self.git.try_git(["fsck", "--full", "--strict", "--no-dangling"]);
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "fsck: {text}");
    }
}

#[track_caller]
pub(crate) fn snapshot_of(report: &Report) -> Snapshot {
    match &report.outcome {
        Outcome::Captured(snapshot) | Outcome::Unchanged(Some(snapshot)) => snapshot.clone(),
        other => panic!("no snapshot: {other:?}"),
    }
}

pub(crate) fn is_new(report: &Report) -> bool {
    matches!(report.outcome, Outcome::Captured(_))
}
