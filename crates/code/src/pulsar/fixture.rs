//! git-pulsar's own doings, with the git commands that it runs, for tests.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::AtomicBool;

use carry_kernel::clock::Timestamp;

use crate::git::ObjectId;
use crate::git::fixture::{command, git, write};
use crate::line::{Branch, LineName};
use crate::prune::fixture::{Made, World};
use crate::publish::{LineState, Published};
use crate::registry::Registry;
use crate::remote::{Io, Reach, Remote, RemoteError};
use crate::snapshot::Snapshot;

/// A clone in which git-pulsar runs.
pub(crate) struct Machine {
    pub(crate) root: PathBuf,
    pub(crate) slug: String,
}

impl Machine {
    /// One that works in the clone at `root`.
    pub(crate) fn at(root: &Path, slug: &str) -> Self {
        Self { root: root.to_owned(), slug: slug.to_owned() }
    }

    /// A new clone of `remote`.
    pub(crate) fn clone_of(remote: &Path, root: &Path, slug: &str) -> Self {
        git(remote, &["clone", "--quiet", ".", root.to_str().unwrap()]);
        let machine = Self::at(root, slug);
        machine.git(&["config", "user.name", "Someone"]);
        machine.git(&["config", "user.email", "someone@example.org"]);
        machine
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.root, args)
    }

    pub(crate) fn try_git(&self, args: &[&str]) -> Output {
        command(&self.root).args(args).output().unwrap()
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        write(&self.root.join(path), content.as_bytes());
    }

    pub(crate) fn branch(&self) -> String {
        self.git(&["branch", "--show-current"])
    }

    /// The stream's ref.
    pub(crate) fn stream(&self) -> String {
        format!("refs/heads/wip/pulsar/{}/{}", self.slug, self.branch())
    }

    /// One snapshot: an empty index of its own, everything added, a commit on the stream and on HEAD.
    pub(crate) fn snapshot(&self, secs: i64) -> ObjectId {
        let index = self.root.join(".git/pulsar_index");
        let staged = |args: &[&str]| {
            let output = command(&self.root).env("GIT_INDEX_FILE", &index).args(args).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        staged(&["add", "."]);
        let tree = staged(&["write-tree"]);
        std::fs::remove_file(&index).unwrap();

        let resolve = |name: &str| {
            let output = self.try_git(&["rev-parse", "--quiet", "--verify", name]);
            output.status.success().then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
        };
        let (old, head) = (resolve(&self.stream()), resolve("HEAD"));
        let mut parents: Vec<String> = old.iter().cloned().chain(head).collect();
        parents.dedup();
        let mut args = vec!["commit-tree", &tree, "-m", "Shadow backup 2026-11-20 10:55:00"];
        args.extend(parents.iter().flat_map(|parent| ["-p", parent.as_str()]));
        let date = format!("@{secs} +0100");
        let output = command(&self.root)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_DATE", &date)
            .args(&args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let commit = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let stream = self.stream();
        let mut update = vec!["update-ref", "-m", "Pulsar backup", &stream, &commit];
        update.extend(old.as_deref());
        self.git(&update);
        ObjectId::from_hex(commit.as_bytes()).unwrap()
    }

    /// As it pushes: never forced.
    pub(crate) fn push(&self) {
        let stream = self.stream();
        self.git(&["push", "--quiet", "origin", &format!("{stream}:{stream}")]);
    }

    /// As its radar fetches.
    pub(crate) fn fetch(&self) -> Output {
        let all = format!("refs/heads/wip/pulsar/*/{}", self.branch());
        self.try_git(&["fetch", "origin", &format!("{all}:{all}")])
    }

    /// The streams it sees on its branch.
    pub(crate) fn sees(&self) -> Vec<String> {
        let all = format!("refs/heads/wip/pulsar/*/{}", self.branch());
        self.git(&["for-each-ref", "--format=%(refname)", &all]).lines().map(str::to_owned).collect()
    }

    /// Its prune: every stream whose tip is older than `before` goes, whoever's it is.
    pub(crate) fn prune(&self, before: i64) {
        let format = "--format=%(committerdate:unix) %(refname)";
        for line in self.git(&["for-each-ref", format, "refs/heads/wip/pulsar/"]).lines() {
            let (secs, name) = line.split_once(' ').unwrap();
            if secs.parse::<i64>().unwrap() < before {
                self.git(&["update-ref", "-d", name]);
            }
        }
    }
}

/// A working tree of Carry's, a remote, and what was agreed.
pub(crate) struct Fleet {
    pub(crate) world: World,
    pub(crate) remote: Remote,
}

impl Fleet {
    pub(crate) fn new() -> Self {
        let mut world = World::new();
        let path = world.git.dir().join("remote.git");
        git(&world.git.dir(), &["init", "--quiet", "--bare", "remote.git"]);
        let url = path.to_str().unwrap().to_owned();
        world.git.git(&["remote", "add", "origin", &url]);
        world.git.git(&["push", "--quiet", "origin", "main"]);
        world.ctx.sources.flags.push(("code.namespace".to_owned(), "pulsar".to_owned()));
        Self { world, remote: Remote { name: "origin".to_owned(), url, reach: Reach::Local } }
    }

    pub(crate) fn remote_path(&self) -> &Path {
        Path::new(&self.remote.url)
    }

    /// Another machine, with git-pulsar.
    pub(crate) fn machine(&self, slug: &str) -> Machine {
        Machine::clone_of(self.remote_path(), &self.world.git.dir().join(slug), slug)
    }

    /// A file changes, a snapshot is taken and its line is published.
    pub(crate) fn work(&self, path: &str, content: &str, time: Timestamp) -> Snapshot {
        self.world.write(path, content);
        let snapshot = self.world.made(Made { time, ..Made::default() });
        self.line_published(&snapshot);
        snapshot
    }

    pub(crate) fn line_published(&self, snapshot: &Snapshot) {
        let branch = snapshot.meta.branch.clone();
        let published = Published {
            line: LineName::new(&self.world.ctx.device.id(), &self.world.tree, &branch),
            branch,
            seal: None,
            snapshot: Some(snapshot.commit),
            pushed: None,
            state: LineState::Published,
        };
        let mut registry = Registry::open(&self.world.ctx.home).unwrap();
        registry.note_published(self.world.repo().common_dir(), &self.remote.url, &published).unwrap();
    }

    pub(crate) fn publish(&self) -> Result<Vec<Branch>, RemoteError> {
        let registry = Registry::open(&self.world.ctx.home).unwrap();
        let tree = registry.trees().unwrap().into_iter().find(|tree| tree.id == self.world.tree).unwrap();
        let cancel = AtomicBool::new(false);
        let io = Io { interactive: false, cancel: &cancel, progress: &|_, _, _| {} };
        super::publish(&self.world.ctx, &self.world.repo(), &tree, &self.remote, &[], &io).map(|streams| streams.pushed)
    }

    pub(crate) fn slug(&self) -> String {
        super::slug(&self.world.ctx.device.id(), &self.world.tree)
    }

    /// Our stream of `main`.
    pub(crate) fn stream(&self) -> String {
        format!("refs/heads/wip/pulsar/{}/main", self.slug())
    }

    /// What the remote says.
    pub(crate) fn there(&self, args: &[&str]) -> String {
        git(self.remote_path(), args)
    }
}
