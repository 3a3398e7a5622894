//! Machines that share a remote: each with a home, a clone and a registered working tree.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use carry_kernel::clock::ManualClock;
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::home::Home;

use crate::capture::{Capturer, Look, Outcome, Request};
use crate::context::Context;
use crate::git::ObjectId;
use crate::git::fixture::{command, git, write};
use crate::line::{Branch, LineName};
use crate::prune::fixture::NOW;
use crate::registry::{Added, Registry, Tree};
use crate::remote::{Io, Reach, Remote, RemoteError};
use crate::repo::Repo;
use crate::snapshot::Snapshot;
use crate::{gather, history, publish, refs};

/// A bare repository that machines share.
pub(crate) struct Fleet {
    dir: tempfile::TempDir,
}

/// One of them.
pub(crate) struct Machine {
    pub(crate) root: PathBuf,
    pub(crate) ctx: Context,
    pub(crate) tree: Tree,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) url: String,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        Self::init(&[])
    }

    /// With further arguments to `git init`.
    pub(crate) fn init(args: &[&str]) -> Self {
        let fleet = Self { dir: tempfile::tempdir().unwrap() };
        let mut all = vec!["init", "--quiet"];
        all.extend_from_slice(args);
        git(&fleet.path(), &[&all[..], &["--bare", "remote.git"]].concat());
        git(&fleet.path(), &[&all[..], &["seed"]].concat());
        let seed = fleet.path().join("seed");
        write(&seed.join("file"), b"one\n");
        git(&seed, &["add", "file"]);
        git(&seed, &["commit", "--quiet", "-m", "first"]);
        git(&seed, &["push", "--quiet", "../remote.git", "HEAD:refs/heads/main"]);
        fleet
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// Where the remote lies.
    pub(crate) fn remote(&self) -> PathBuf {
        self.path().join("remote.git")
    }

    /// Runs git in the remote.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.remote(), args)
    }

    /// The lines there, with their values.
    pub(crate) fn lines(&self) -> Vec<(String, ObjectId)> {
        let all = self.git(&["for-each-ref", "--format=%(refname) %(objectname)", "refs/carry/"]);
        let parse = |line: &str| {
            let (name, id) = line.split_once(' ').unwrap();
            (name.to_owned(), ObjectId::from_hex(id.as_bytes()).unwrap())
        };
        all.lines().map(parse).collect()
    }

    /// A new machine with a clone of its own.
    pub(crate) fn machine(&self, host: &str) -> Machine {
        self.machine_with(host, &[])
    }

    /// With further arguments to `git clone`.
    pub(crate) fn machine_with(&self, host: &str, args: &[&str]) -> Machine {
        let base = self.path().join(host);
        std::fs::create_dir(&base).unwrap();
        let url = format!("file://{}", self.remote().display());
        let mut clone = command(&base);
        clone.env("GIT_NO_LAZY_FETCH", "0").args(["clone", "--quiet"]).args(args).args([&url, "repo"]);
        assert!(clone.status().unwrap().success());
        let ctx = context(&base, host);
        let mut registry = Registry::open(&ctx.0.home).unwrap();
        let repo = Repo::open(&base.join("repo")).unwrap();
        let Added::New(tree) = registry.add(&repo, &ctx.0.device.id(), NOW, false, None).unwrap() else {
            panic!("it is new")
        };
        Machine { root: base.join("repo"), ctx: ctx.0, tree, clock: ctx.1, url }
    }

    /// A machine that was copied from another, home and repository.
    pub(crate) fn copy(&self, of: &Machine, host: &str) -> Machine {
        let (from, base) = (of.root.parent().unwrap(), self.path().join(host));
        let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(&base).status().unwrap();
        assert!(copied.success());
        let (ctx, clock) = context(&base, host);
        let root = base.join("repo");
        // There it lies at the same path as here; in a test it cannot.
        let db = carry_kernel::db::rusqlite::Connection::open(ctx.home.database("code")).unwrap();
        let bytes = |path: &Path| std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()).to_owned();
        db.execute("UPDATE trees SET root = ?, common_dir = ?", (bytes(&root), bytes(&root.join(".git")))).unwrap();
        for table in ["links", "published"] {
            db.execute(&format!("UPDATE {table} SET common_dir = ?"), [bytes(&root.join(".git"))]).unwrap();
        }
        drop(db);
        let tree = Registry::open(&ctx.home).unwrap().by_root(&root).unwrap().unwrap();
        Machine { root, ctx, tree, clock, url: of.url.clone() }
    }
}

fn context(base: &Path, host: &str) -> (Context, Arc<ManualClock>) {
    let home = Home::at(base.join("carry"));
    let device = Device::load_or_create(&home, host).unwrap().into();
    let clock = Arc::new(ManualClock::new(NOW));
    (Context { home, device, clock: clock.clone(), sources: Sources::default() }, clock)
}

impl Machine {
    /// The one that lies in `base`, seen from another process.
    pub(crate) fn at(base: &Path) -> Self {
        let (ctx, clock) = context(base, "any");
        let root = base.join("repo");
        let tree = Registry::open(&ctx.home).unwrap().by_root(&root).unwrap().unwrap();
        let url = git(&root, &["config", "remote.origin.url"]);
        Self { root, ctx, tree, clock, url }
    }

    pub(crate) fn repo(&self) -> Repo {
        Repo::open(&self.root).unwrap()
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.root, args)
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        write(&self.root.join(path), content.as_bytes());
    }

    pub(crate) fn registry(&self) -> Registry {
        Registry::open(&self.ctx.home).unwrap()
    }

    pub(crate) fn remote(&self) -> Remote {
        Remote { name: "origin".to_owned(), url: self.url.clone(), reach: Reach::Local }
    }

    /// Captures, which must find something.
    pub(crate) fn capture(&self) -> Snapshot {
        self.clock.advance(Duration::from_secs(60));
        let cancel = AtomicBool::new(false);
        let request = Request::new(Look::Everything, &cancel);
        match Capturer::new(self.ctx.clone(), self.tree.clone()).capture(&request).unwrap().outcome {
            Outcome::Captured(snapshot) => snapshot,
            other => panic!("nothing was captured: {other:?}"),
        }
    }

    /// Writes a file and captures it.
    pub(crate) fn work(&self, content: &str) -> Snapshot {
        self.write("work", content);
        self.capture()
    }

    pub(crate) fn push(&self) -> publish::Report {
        self.try_push(publish::Options::default()).unwrap()
    }

    pub(crate) fn try_push(&self, options: publish::Options) -> Result<publish::Report, RemoteError> {
        publish::push(&self.ctx, &self.repo(), &self.tree, &self.remote(), &options, &io(&AtomicBool::new(false)))
    }

    pub(crate) fn fetch(&self) -> gather::Report {
        self.try_fetch().unwrap()
    }

    pub(crate) fn try_fetch(&self) -> Result<gather::Report, RemoteError> {
        let trees = std::slice::from_ref(&self.tree);
        gather::fetch(&self.ctx, &self.repo(), trees, &self.remote(), &io(&AtomicBool::new(false)))
    }

    /// Its line of `main`, under the id it has now.
    pub(crate) fn line(&self) -> LineName {
        LineName::new(&self.ctx.device.id(), &self.tree.id, &Branch::Named("main".into()))
    }

    /// The value of a line here.
    pub(crate) fn value(&self, line: &LineName) -> Option<ObjectId> {
        refs::read(&self.repo(), &line.ref_name()).unwrap()
    }

    /// The snapshots of a line, newest first, as they are here.
    pub(crate) fn snapshots(&self, line: &LineName) -> Vec<ObjectId> {
        let repo = self.repo();
        let Some(line) = history::line(&repo, line).unwrap() else { return Vec::new() };
        history::snapshots(&repo, &line).map(|snapshot| snapshot.unwrap().commit).collect()
    }

    /// That Git finds nothing wrong with the repository.
    pub(crate) fn check(&self) {
        let output =
            command(&self.root).args(["fsck", "--full", "--connectivity-only", "--no-dangling"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

pub(crate) fn io(cancel: &AtomicBool) -> Io<'_> {
    Io { interactive: false, cancel, progress: &|_, _, _| {} }
}
