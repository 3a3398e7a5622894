//! What the user does, at random.

use std::path::{Path, PathBuf};

use carry_testkit::rng::Rng;

use super::control::Twins;

mod branches;
mod files;
mod index;
mod rules;

/// Somebody at work.
pub(super) struct User {
    pub(super) twins: Twins,
    rng: Rng,
    /// The pair is aged; attributes, line ends, filters and sparse checkouts are played with.
    aged: bool,
}

/// What can be done, how often (of all that can be done), and how.
type Operation = (usize, &'static str, fn(&mut User));

/// What Git is in the middle of, and the command that ends it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    Sequence(&'static str),
    Bisect,
}

impl User {
    pub(super) fn new(twins: Twins, rng: Rng, aged: bool) -> Self {
        Self { twins, rng, aged }
    }

    /// Some files and a commit to start from.
    pub(super) fn settle_in(&mut self) {
        self.twins.begin("the first commit");
        for path in ["a", "b.txt", "d/x", "d/y.md", "d/e/z"] {
            files::write_text(self, Path::new(path));
        }
        if self.rng.chance(50) {
            // Otherwise every reflog entry is old enough to go at the first gc, for the dates of the commits are in the past.
            self.twins.git(&["config", "gc.reflogExpire", "never"]);
            self.twins.git(&["config", "gc.reflogExpireUnreachable", "never"]);
        }
        if self.aged {
            self.twins.git(&["config", "filter.up.clean", "tr a-z A-Z"]);
            self.twins.git(&["config", "filter.up.smudge", "tr A-Z a-z"]);
        }
        if self.rng.chance(80) {
            self.twins.git(&["add", "."]);
            self.twins.git(&["commit", "-qm", "first"]);
        }
    }

    /// Does one thing.
    pub(super) fn act(&mut self) {
        if let Some(unfinished) = self.unfinished()
            && self.rng.chance(30)
        {
            self.twins.begin("finish");
            self.finish(unfinished);
        } else {
            let (_, name, operation) = self.some_operation();
            self.twins.begin(name);
            operation(self);
        }
    }

    fn some_operation(&mut self) -> Operation {
        let in_aged: &[Operation] = if self.aged { rules::IN_AGED_PAIRS } else { &[] };
        let all = [files::OPERATIONS, index::OPERATIONS, branches::OPERATIONS, rules::OPERATIONS, in_aged].concat();
        let mut at = self.rng.below(all.iter().map(|o| o.0).sum());
        for operation in all {
            match at.checked_sub(operation.0) {
                Some(rest) => at = rest,
                None => return operation,
            }
        }
        unreachable!("the number is below the sum");
    }

    fn unfinished(&self) -> Option<Unfinished> {
        let there = |name: &str| self.twins.captured.path(".git").join(name).exists();
        if there("rebase-merge") || there("rebase-apply") {
            return Some(Unfinished::Sequence("rebase"));
        }
        for (file, command) in [("CHERRY_PICK_HEAD", "cherry-pick"), ("REVERT_HEAD", "revert"), ("MERGE_HEAD", "merge")]
        {
            if there(file) {
                return Some(Unfinished::Sequence(command));
            }
        }
        there("BISECT_LOG").then_some(Unfinished::Bisect)
    }

    fn finish(&mut self, unfinished: Unfinished) {
        match unfinished {
            Unfinished::Bisect => {
                let args = *self.rng.pick(&[&["bisect", "good"], &["bisect", "bad"], &["bisect", "reset"]]);
                self.twins.git(args);
            }
            Unfinished::Sequence(command) if self.rng.chance(40) => {
                self.twins.git(&[command, "--abort"]);
            }
            Unfinished::Sequence("rebase") if self.rng.chance(20) => {
                self.twins.git(&["rebase", "--skip"]);
            }
            Unfinished::Sequence(command) => {
                self.twins.git(&["add", "-A"]);
                self.twins.git(&[command, "--continue"]);
            }
        }
    }

    /// A file or link of the working tree, if there is one.
    fn some_file(&mut self) -> Option<PathBuf> {
        let files = files::list(self.twins.captured.root(), false);
        (!files.is_empty()).then(|| self.rng.pick(&files).clone())
    }

    /// One that Git may have, or have had.
    fn some_path(&mut self) -> PathBuf {
        if self.rng.chance(70)
            && let Some(file) = self.some_file()
        {
            return file;
        }
        files::some_name(&mut self.rng)
    }
}
