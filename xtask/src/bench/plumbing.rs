//! The Git commands git-pulsar runs for one snapshot, without its stray `git add` on the user's index.
//!
//! They work on a copy of the git directory, so that their loose objects are not in the way of the others. With an index
//! from nothing each time this is what git-pulsar does; with a kept one it is what it could have done.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use carry_testkit::git;

use super::measure::{syncs_in, traced};
use super::subject::Subject;
use crate::Outcome;
use crate::run::captured;

const LINE: &str = "refs/heads/wip/pulsar/bench--01234567/main";

/// A copy of a git directory on the same working tree.
#[derive(Debug)]
pub(super) struct Plumbing {
    pub(super) git_dir: PathBuf,
    root: PathBuf,
    folder: PathBuf,
    keeps_index: bool,
    /// Counts syncs instead of time: each command runs under strace, which writes to this file.
    trace: Option<PathBuf>,
    pub(super) syncs: u32,
}

impl Plumbing {
    /// Copies the git directory of `subject`.
    pub(super) fn new(subject: &Subject, name: &str, keeps_index: bool) -> Outcome<Self> {
        let git_dir = subject.folder.join(name);
        captured(Command::new("cp").arg("-a").arg(subject.root.join(".git")).arg(&git_dir))?;
        let (root, folder) = (subject.root.clone(), subject.folder.clone());
        let plumbing = Self { git_dir, root, folder, keeps_index, trace: None, syncs: 0 };
        plumbing.refresh()?;
        Ok(plumbing)
    }

    /// Takes over the index of the real git directory, time stamp included.
    pub(super) fn refresh(&self) -> Outcome {
        let real = self.root.join(".git/index");
        captured(Command::new("cp").arg("-p").arg(&real).arg(self.git_dir.join("index")))?;
        captured(Command::new("cp").arg("-p").arg(&real).arg(self.private_index())).map(drop)
    }

    /// Forgets all snapshots and the kept index, as before the first capture.
    pub(super) fn forget(&self) -> Outcome {
        remove(&self.private_index())?;
        remove(&self.git_dir.join(LINE))
    }

    /// One snapshot; returns the commit. Nothing is committed when the tree is that of the snapshot before.
    pub(super) fn snapshot(&mut self) -> Outcome<String> {
        if !self.keeps_index {
            remove(&self.private_index())?;
        }
        self.git(&["ls-files", "--others", "--modified", "--exclude-standard"])?;
        self.git(&["branch", "--show-current"])?;
        // Fails before the first snapshot, as it does there.
        let _ = self.git(&["log", "-1", "--format=%ct", LINE]);
        self.private(&["add", "."])?;
        let tree = self.private(&["write-tree"])?;
        let old = self.git(&["rev-parse", "--verify", "--quiet", LINE]).unwrap_or_default();
        let head = self.git(&["rev-parse", "HEAD"])?;
        if !old.is_empty() && self.git(&["rev-parse", &format!("{old}^{{tree}}")])? == tree {
            return Ok(old);
        }
        let mut commit =
            vec!["commit-tree", tree.as_str(), "-m", "Shadow backup 2026-01-01 00:00:00", "-p", head.as_str()];
        if !old.is_empty() {
            commit.extend(["-p", old.as_str()]);
        }
        let new = self.git(&commit)?;
        self.git(&["update-ref", "-m", "Pulsar backup", LINE, &new])?;
        Ok(new)
    }

    /// One snapshot with its syncs counted.
    pub(super) fn count_syncs(&mut self) -> Outcome<u32> {
        self.trace = Some(self.folder.join("strace.log"));
        self.syncs = 0;
        let done = self.snapshot();
        self.trace = None;
        done.map(|_| self.syncs)
    }

    fn private_index(&self) -> PathBuf {
        self.git_dir.join("pulsar_index")
    }

    fn git(&mut self, args: &[&str]) -> Outcome<String> {
        let command = self.command(args);
        self.run(command)
    }

    fn private(&mut self, args: &[&str]) -> Outcome<String> {
        let mut command = self.command(args);
        command.env("GIT_INDEX_FILE", self.private_index());
        self.run(command)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut git = git::command(&self.root, &self.folder, git::EPOCH);
        git.env("GIT_DIR", &self.git_dir).env("GIT_WORK_TREE", &self.root).args(args);
        git
    }

    fn run(&mut self, mut command: Command) -> Outcome<String> {
        let Some(log) = &self.trace else { return Ok(captured(&mut command)?.trim_end().to_owned()) };
        let said = captured(&mut traced(&command, log));
        self.syncs += syncs_in(log);
        Ok(said?.trim_end().to_owned())
    }
}

fn remove(path: &Path) -> Outcome {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
