//! A registered working tree with lines made by hand, for tests that need history but no capture.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use carry_kernel::clock::{ManualClock, Timestamp};
use carry_kernel::config::Sources;
use carry_kernel::device::Device;
use carry_kernel::hlc::Hlc;
use carry_kernel::home::Home;
use carry_kernel::id::TreeId;

use crate::context::Context;
use crate::git::fixture::{self, Fixture};
use crate::git::{BString, ObjectId};
use crate::keeper::keeper_bytes;
use crate::line::{Branch, LineName};
use crate::pack::{Batch, Kind};
use crate::registry::{Added, Registry};
use crate::repo::Repo;
use crate::snapshot::{Meta, Skipped, Snapshot};
use crate::{history, refs};

/// When tests take place.
pub(crate) const NOW: Timestamp = Timestamp::from_secs(1_795_171_200);

/// A repository, a home and a context that belong together.
pub(crate) struct World {
    pub(crate) git: Fixture,
    pub(crate) home: tempfile::TempDir,
    pub(crate) ctx: Context,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) tree: TreeId,
}

/// What a snapshot made by hand says beside what it holds.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) branch: &'static str,
    pub(crate) time: Timestamp,
    pub(crate) bytes: u64,
    pub(crate) staged: Option<ObjectId>,
    pub(crate) skipped: Vec<Skipped>,
}

impl Default for Made {
    fn default() -> Self {
        Self { branch: "main", time: NOW, bytes: 100, staged: None, skipped: vec![] }
    }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Fixture::new())
    }

    pub(crate) fn with(git: Fixture) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path().join("carry"));
        let device = Device::load_or_create(&home, "laptop").unwrap().into();
        let clock = Arc::new(ManualClock::new(NOW));
        let ctx = Context { home, device, clock: clock.clone(), sources: Sources::default() };
        let mut registry = Registry::open(&ctx.home).unwrap();
        let Added::New(tree) = registry.add(&git.open(), &ctx.device.id(), NOW, false, None).unwrap() else {
            panic!("it is new")
        };
        Self { git, home: dir, ctx, clock, tree: tree.id }
    }

    pub(crate) fn repo(&self) -> Repo {
        self.git.open()
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.git.root().join(path)
    }

    pub(crate) fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        fixture::write(&self.path(path), content.as_ref());
    }

    pub(crate) fn read(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    pub(crate) fn exists(&self, path: &str) -> bool {
        self.path(path).symlink_metadata().is_ok()
    }

    /// What `git add -A` and `git write-tree` make of the working tree, on an index of their own.
    pub(crate) fn write_tree(&self) -> ObjectId {
        let index = self.home.path().join("index");
        let real = self.repo().git_dir().join("index");
        if real.exists() {
            std::fs::copy(real, &index).unwrap();
        }
        let run = |args: &[&str]| {
            let output = fixture::command(&self.git.root()).env("GIT_INDEX_FILE", &index).args(args).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap()
        };
        run(&["add", "-A"]);
        ObjectId::from_hex(run(&["write-tree"]).trim().as_bytes()).unwrap()
    }

    /// A snapshot of the working tree as it is.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.made(Made::default())
    }

    pub(crate) fn made(&self, made: Made) -> Snapshot {
        self.made_of(self.write_tree(), made)
    }

    /// A snapshot of `tree`, on its line.
    pub(crate) fn made_of(&self, tree: ObjectId, made: Made) -> Snapshot {
        let repo = self.repo();
        let head = repo.head().unwrap().commit;
        let name = LineName::new(&self.ctx.device.id(), &self.tree, &Branch::Named(made.branch.into()));
        let line = history::line(&repo, &name).unwrap();
        let n = history::of_tree(&repo, &self.tree).unwrap().count();
        let meta = Meta {
            subject: format!("snapshot {n}"),
            device: self.ctx.device.id(),
            tree_id: self.tree.clone(),
            branch: Branch::Named(made.branch.into()),
            head,
            staged: made.staged,
            hlc: Hlc { wall_ms: u64::try_from(NOW.as_millis()).unwrap(), counter: u16::try_from(n).unwrap() },
            seen: crate::seen::Seen::new(),
            state: None,
            skipped: made.skipped,
            skipped_more: 0,
            nested: vec![],
            bytes: made.bytes,
        };
        let parents: String = head.iter().chain(&made.staged).map(|id| format!("parent {id}\n")).collect();
        let who = format!("Carry <carry@localhost> {} +0000", made.time.as_secs());
        let raw = [format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\n").into_bytes(), meta.to_message()]
            .concat();
        let mut batch = Batch::new(repo.hash());
        let commit = batch.add(Kind::Commit, &raw);
        let previous = line.map(|line| line.keeper);
        let keeper = batch.add(Kind::Commit, &keeper_bytes(commit, tree, previous, made.time));
        batch.write(&repo.objects_dir()).unwrap();
        refs::update(&repo, &name.ref_name(), previous, keeper).unwrap();
        history::snapshot(&self.repo().gix(), commit).unwrap()
    }

    /// Stores an object whatever it is.
    pub(crate) fn object(&self, kind: Kind, bytes: &[u8]) -> ObjectId {
        let mut batch = Batch::new(self.repo().hash());
        let id = batch.add(kind, bytes);
        batch.write(&self.repo().objects_dir()).unwrap();
        id
    }
}

pub(crate) fn link(target: impl AsRef<Path>, at: &Path) {
    std::os::unix::fs::symlink(target, at).unwrap();
}

pub(crate) fn paths(all: &[&str]) -> Vec<BString> {
    all.iter().map(|path| BString::from(*path)).collect()
}
