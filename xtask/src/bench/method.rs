//! The ways to take a snapshot that are compared, on one tree.

use std::path::{Path, PathBuf};

use carry_testkit::git;

use super::carry::Carry;
use super::measure::{Sample, sample, syncs_in, traced};
use super::plumbing::Plumbing;
use super::subject::Subject;
use crate::Outcome;
use crate::run::{captured, find};

/// One way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// `git status --porcelain`: takes no snapshot; the yardstick.
    Status,
    /// git-pulsar's plumbing, index from nothing.
    Fresh,
    /// The same with a private index that is kept.
    Kept,
    /// `carry now` without a daemon.
    Cold,
    /// `carry now --watched` with one.
    Warm,
    /// The same inside the daemon, through its socket.
    Inside,
}

impl Method {
    /// For the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Status => "`git status --porcelain`",
            Self::Fresh => "git-pulsar's plumbing, index from nothing",
            Self::Kept => "the same, private index kept",
            Self::Cold => "`carry now`, no daemon",
            Self::Warm => "`carry now --watched`, daemon warm",
            Self::Inside => "capture inside the warm daemon",
        }
    }
}

/// Everything the methods need on one tree.
#[derive(Debug)]
pub(super) struct Rig {
    pub(super) subject: Subject,
    program: PathBuf,
    fresh: Plumbing,
    kept: Plumbing,
    cold: Carry,
    pub(super) warm: Carry,
    n_homes: usize,
}

impl Rig {
    /// Sets everything up and lets each method take its first snapshot.
    pub(super) fn new(subject: Subject, program: &Path) -> Outcome<Self> {
        let fresh = Plumbing::new(&subject, "fresh.git", false)?;
        let kept = Plumbing::new(&subject, "kept.git", true)?;
        let cold = Carry::new(program, &subject.folder.join("cold"))?;
        let mut warm = Carry::new(program, &subject.folder.join("warm"))?;
        cold.run(&subject.root, &["add", "."])?;
        warm.run(&subject.root, &["add", "."])?;
        warm.start()?;
        let mut rig = Self { subject, program: program.to_owned(), fresh, kept, cold, warm, n_homes: 0 };
        for method in [Method::Fresh, Method::Kept, Method::Cold, Method::Warm] {
            rig.run(method)?;
        }
        Ok(rig)
    }

    /// Puts the tree back to HEAD and lets every method see that.
    pub(super) fn reset(&mut self) -> Outcome {
        self.subject.reset()?;
        self.fresh.refresh()?;
        self.kept.refresh()
    }

    /// Makes `method` forget that it ever saw the tree.
    pub(super) fn forget(&mut self, method: Method) -> Outcome {
        match method {
            Method::Fresh => self.fresh.forget(),
            Method::Kept => self.kept.forget(),
            Method::Cold => {
                self.n_homes += 1;
                self.cold = Carry::new(&self.program, &self.subject.folder.join(format!("cold{}", self.n_homes)))?;
                self.cold.run(&self.subject.root, &["add", "."]).map(drop)
            }
            Method::Status | Method::Warm | Method::Inside => Ok(()),
        }
    }

    /// Runs and measures.
    pub(super) fn run(&mut self, method: Method) -> Outcome<Sample> {
        let root = self.subject.root.clone();
        let daemon: Vec<u32> = self.warm.daemon.into_iter().collect();
        Ok(match method {
            Method::Status => sample(&[], || captured(&mut self.status()))?.0,
            Method::Fresh => sample(&[], || self.fresh.snapshot())?.0,
            Method::Kept => sample(&[], || self.kept.snapshot())?.0,
            Method::Cold => sample(&[], || self.cold.run(&root, &["now"]))?.0,
            Method::Warm => sample(&daemon, || self.warm.run(&root, &["now", "--watched"]))?.0,
            Method::Inside => sample(&daemon, || self.warm.capture_inside())?.0,
        })
    }

    /// Whether the newest snapshot of `method` holds `paths` as they are.
    pub(super) fn verify(&mut self, method: Method, paths: &[PathBuf]) -> Outcome {
        let root = &self.subject.root;
        match method {
            Method::Status => Ok(()),
            // Taking it again finds the tree unchanged and names the snapshot that is there.
            Method::Fresh => self.subject.verify(&self.fresh.snapshot()?, paths, Some(&self.fresh.git_dir)),
            Method::Kept => self.subject.verify(&self.kept.snapshot()?, paths, Some(&self.kept.git_dir)),
            Method::Cold => self.subject.verify(&self.cold.newest(root)?, paths, None),
            Method::Warm | Method::Inside => self.subject.verify(&self.warm.newest(root)?, paths, None),
        }
    }

    /// Syncs of one run; `None` without strace, and where the run is not one of processes.
    pub(super) fn count_syncs(&mut self, method: Method) -> Outcome<Option<u32>> {
        if find("strace").is_none() {
            return Ok(None);
        }
        let root = self.subject.root.clone();
        match method {
            Method::Status => {
                let log = self.subject.folder.join("strace.log");
                captured(&mut traced(&self.status(), &log))?;
                Ok(Some(syncs_in(&log)))
            }
            Method::Fresh => self.fresh.count_syncs().map(Some),
            Method::Kept => self.kept.count_syncs().map(Some),
            Method::Cold => self.cold.count_syncs(&root, &["now"]).map(Some),
            Method::Warm | Method::Inside => self.warm.count_syncs(&root, &["now", "--watched"]).map(Some),
        }
    }

    fn status(&self) -> std::process::Command {
        let mut status = git::command(&self.subject.root, &self.subject.folder, git::EPOCH);
        status.args(["status", "--porcelain"]);
        status
    }
}
