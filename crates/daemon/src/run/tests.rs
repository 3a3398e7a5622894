use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

use carry_code::registry::{Added, Registry, Tree, TreeState};
use carry_code::repo::Repo;
use carry_kernel::clock::{Clock, SystemClock, Timestamp};
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::worker::{Phase, Status};
use carry_testkit::patience;

use super::*;
use crate::control::{self, Liveness};
use crate::handle::{Answer, CaptureResult, DaemonStatus, Handle as _, Request};
use crate::socket::Remote;

mod captures;
mod lifecycle;
mod links;
mod remotes;
mod sessions;
mod team;
mod trees;

/// Longer than anything takes, shorter than anyone waits.
const DEADLINE: Duration = Duration::from_secs(30);

/// A clock whose hands can be moved forward: the steady ones, as they are while the machine sleeps, and those on the wall.
#[derive(Debug, Default)]
struct Hands(AtomicU64, AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        SystemClock.now().after(Duration::from_millis(self.1.load(Ordering::SeqCst)))
    }
    fn steady(&self) -> Timestamp {
        SystemClock.steady().after(Duration::from_millis(self.0.load(Ordering::SeqCst)))
    }
}

/// A home with repositories beside it, and perhaps a daemon.
struct World {
    dir: tempfile::TempDir,
    ctx: Context,
    clock: Arc<Hands>,
    daemon: Option<JoinHandle<Result<(), RunError>>>,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().canonicalize().unwrap().join("home"));
        let device = Device::load_or_create(&home, "here").unwrap();
        let clock = Arc::new(Hands::default());
        // The machine that runs the tests may be busy.
        let flags = [
            ("daemon.max_load", "1000"),
            ("daemon.min_battery_percent", "0"),
            ("code.quiet", "50ms"),
            ("code.max_wait", "1s"),
            // Nobody's real sessions belong into a test.
            ("sessions.enabled", "false"),
        ];
        let flags = flags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
        let sources = Sources { user: Some(home.config_file()), flags, ..Sources::default() };
        let ctx = Context { home, device: device.into(), clock: clock.clone(), sources };
        Self { dir, ctx, clock, daemon: None }
    }

    /// With a daemon and these repositories.
    fn with(names: &[&str]) -> (Self, Vec<Tree>) {
        let mut world = Self::new();
        let trees = names.iter().map(|name| world.repo(name)).collect();
        world.start(Tuning::default());
        (world, trees)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().canonicalize().unwrap().join(name)
    }

    /// A registered repository with one commit.
    fn repo(&self, name: &str) -> Tree {
        let root = self.path(name);
        std::fs::create_dir(&root).unwrap();
        git(&root, &["init", "--quiet"]);
        write(&root.join("file"), "one\n");
        git(&root, &["add", "."]);
        git(&root, &["commit", "--quiet", "-m", "one"]);
        self.register(&root)
    }

    fn register(&self, root: &Path) -> Tree {
        let repo = Repo::open(root).unwrap();
        match self.registry().add(&repo, &self.ctx.device.id(), SystemClock.now(), false, None).unwrap() {
            Added::New(tree) | Added::Known(tree) | Added::Moved { tree, .. } => tree,
        }
    }

    fn registry(&self) -> Registry {
        Registry::open(&self.ctx.home).unwrap()
    }

    fn state(&self, tree: &Tree) -> TreeState {
        self.registry().state(&tree.id).unwrap()
    }

    fn start(&mut self, tuning: Tuning) {
        let ctx = self.ctx.clone();
        let run = move || {
            let (events, inbox) = sync_channel(EVENTS_MAX);
            run_with(&ctx, tuning, events, &inbox)
        };
        self.daemon = Some(std::thread::spawn(run));
        self.until("the daemon answers", || self.ask(&Request::Status).is_some());
    }

    fn ask(&self, request: &Request) -> Option<Answer> {
        Remote::new(&self.ctx.home).ask(request, &mut |_| {}).ok()
    }

    fn reload(&self) {
        assert_eq!(self.ask(&Request::Reload), Some(Answer::Done));
    }

    #[track_caller]
    fn now(&self, trees: &[&Tree], watched: bool) -> Vec<CaptureResult> {
        let trees = trees.iter().map(|tree| tree.id.clone()).collect();
        match self.ask(&Request::Capture { trees, watched }) {
            Some(Answer::Captured(results)) => results,
            other => panic!("{other:?}"),
        }
    }

    /// Captures one tree, which must succeed.
    #[track_caller]
    fn now_one(&self, tree: &Tree, watched: bool) -> CaptureResult {
        let [result] = &self.now(&[tree], watched)[..] else { panic!() };
        assert_eq!((&result.tree, &result.error), (&tree.id, &None));
        result.clone()
    }

    fn status(&self) -> DaemonStatus {
        match self.ask(&Request::Status) {
            Some(Answer::Status(status)) => *status,
            other => panic!("{other:?}"),
        }
    }

    fn worker(&self, tree: &Tree) -> Status {
        self.status().workers[tree.id.as_str()].clone()
    }

    /// What the newest snapshot holds at `path`.
    fn snapshot_of(&self, tree: &Tree, path: &str) -> Option<String> {
        let snapshot = self.state(tree).snapshot?;
        let mut show = carry_code::git::command(&tree.root);
        let shown = show.args(["show", &format!("{snapshot}:{path}")]).output().unwrap();
        shown.status.success().then(|| String::from_utf8(shown.stdout).unwrap())
    }

    #[track_caller]
    fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        let has_ended = || self.daemon.as_ref().map(JoinHandle::is_finished);
        assert!(patience::comes(holds), "in vain: {what}; the daemon ended: {:?}", has_ended());
    }

    /// Waits until nothing waits or runs there.
    fn quiet(&self, tree: &Tree) {
        self.until("it is quiet", || {
            let worker = self.worker(tree);
            !worker.dirty && worker.phase == Phase::Healthy
        });
    }

    fn join(&mut self) -> Result<(), RunError> {
        self.daemon.take().unwrap().join().unwrap()
    }

    fn stop(&mut self) {
        assert_eq!(self.ask(&Request::Stop), Some(Answer::Done));
        self.join().unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.daemon.is_some() && !std::thread::panicking() {
            self.stop();
        }
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let mut git = carry_code::git::command(dir);
    git.env("HOME", "/nonexistent").env("XDG_CONFIG_HOME", "/nonexistent").env("GIT_CONFIG_GLOBAL", "/dev/null");
    git.env("GIT_CONFIG_SYSTEM", "/dev/null").args(["-c", "user.name=Someone", "-c", "user.email=someone@example.org"]);
    let output = git.args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0"]).args(args).output().unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn write(path: &Path, text: &str) {
    use std::io::Write as _;
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}
