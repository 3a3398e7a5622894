//! The repository that is measured on, and what is done to it between runs.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use carry_testkit::git;
use carry_testkit::rng::Rng;
use carry_testkit::synthetic::Synthetic;

use crate::Outcome;
use crate::run::captured;

/// Few files are changed again and again where one file changes, so that the tree does not fill with changes.
const POOL: usize = 32;
/// Marks the line that a change rewrites.
const MARK: &str = "bench ";

/// A repository with a working tree that may be changed.
#[derive(Debug)]
pub(super) struct Subject {
    /// For the table: `100,000 files`.
    pub(super) name: String,
    /// Number of tracked files.
    pub(super) files: usize,
    /// Everything lies below this.
    pub(super) folder: PathBuf,
    /// The working tree.
    pub(super) root: PathBuf,
    pub(super) rng: Rng,
    paths: Vec<PathBuf>,
    changes: u64,
}

impl Subject {
    /// A synthetic tree.
    pub(super) fn synthetic(folder: &Path, files: usize) -> Outcome<Self> {
        let root = folder.join("repo");
        Synthetic { files, seed: 1 }.create(&root);
        Self::new(folder, root, "synthetic")
    }

    /// A clone of a real repository.
    pub(super) fn clone_of(folder: &Path, real: &Path) -> Outcome<Self> {
        let root = folder.join("repo");
        fs::create_dir_all(folder)?;
        captured(Command::new("git").args(["clone", "--quiet", "--no-local"]).arg(real.canonicalize()?).arg(&root))?;
        captured(Command::new("git").current_dir(&root).args(["config", "gc.auto", "0"]))?;
        let name =
            real.canonicalize()?.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self::new(folder, root, &format!("real: {name}"))
    }

    fn new(folder: &Path, root: PathBuf, kind: &str) -> Outcome<Self> {
        let mut list = git::command(&root, folder, git::EPOCH);
        let listing = captured(list.args(["ls-files", "-s", "-z"]))?;
        let regular = listing.split('\0').filter(|line| line.starts_with("100644 "));
        let paths: Vec<PathBuf> =
            regular.filter_map(|line| line.split_once('\t')).map(|(_, path)| path.into()).collect();
        if paths.len() < POOL {
            return Err(format!("{} has too few files to measure on", root.display()).into());
        }
        let files = listing.split('\0').count() - 1;
        let name = format!("{} files ({kind})", thousands(files));
        let subject = Self { name, files, folder: folder.to_owned(), root, rng: Rng::new(7), paths, changes: 0 };
        subject.reset()?;
        Ok(subject)
    }

    /// Puts everything back to HEAD, with an index that no file in it is younger than.
    pub(super) fn reset(&self) -> Outcome {
        let git = |args: &[&str]| captured(git::command(&self.root, &self.folder, git::EPOCH).args(args));
        git(&["reset", "--hard", "--quiet"])?;
        // The clock of the file system ticks every few milliseconds; within one tick Git cannot tell what is younger.
        std::thread::sleep(std::time::Duration::from_millis(50));
        let status = git(&["status", "--porcelain"])?;
        if !status.is_empty() {
            return Err(format!("the tree is not clean after a reset: {}", status.trim()).into());
        }
        captured(Command::new("touch").arg(self.root.join(".git/index"))).map(drop)
    }

    /// Changes `n` files; returns them. One file comes from a small pool, many from all.
    pub(super) fn change(&mut self, n: usize) -> Outcome<Vec<PathBuf>> {
        let n = n.min(self.paths.len());
        let first =
            if n <= 1 { self.rng.below(POOL) * (self.paths.len() / POOL) } else { self.rng.below(self.paths.len()) };
        let changed: Vec<PathBuf> = (0..n).map(|i| self.paths[(first + i) % self.paths.len()].clone()).collect();
        for path in &changed {
            self.changes += 1;
            let file = self.root.join(path);
            let mut bytes = fs::read(&file)?;
            if let Some(at) = last_line(&bytes).filter(|at| bytes[*at..].starts_with(MARK.as_bytes())) {
                bytes.truncate(at);
            }
            bytes.extend_from_slice(format!("{MARK}{:09}\n", self.changes).as_bytes());
            // In place, as an editor that does not rename would: the inode stays.
            fs::File::create(&file)?.write_all(&bytes)?;
        }
        Ok(changed)
    }

    /// A few paths, for checking a snapshot after which nothing changed.
    pub(super) fn some(&self) -> Vec<PathBuf> {
        self.paths.iter().step_by(self.paths.len() / 3).cloned().collect()
    }

    /// Whether `commit` holds these paths as they are on disk, as Git sees it; an error names the first that it does not.
    pub(super) fn verify(&self, commit: &str, paths: &[PathBuf], git_dir: Option<&Path>) -> Outcome {
        for path in paths.iter().step_by((paths.len() / 5).max(1)) {
            let git = |args: &[&str]| {
                let mut git = git::command(&self.root, &self.folder, git::EPOCH);
                if let Some(dir) = git_dir {
                    git.env("GIT_DIR", dir).env("GIT_WORK_TREE", &self.root);
                }
                captured(git.args(args))
            };
            let held = git(&["rev-parse", &format!("{commit}:{}", path.display())])?;
            let there = git(&["hash-object", "--", &path.display().to_string()])?;
            if held != there {
                return Err(format!("{commit} does not hold {} as it is", path.display()).into());
            }
        }
        Ok(())
    }
}

/// Where the last line begins.
fn last_line(bytes: &[u8]) -> Option<usize> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    Some(body.iter().rposition(|byte| *byte == b'\n')? + 1)
}

/// `100,000`.
pub(super) fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!([7, 1_000, 100_000, 1_234_567].map(thousands), ["7", "1,000", "100,000", "1,234,567"]);
    }

    #[test]
    fn a_change_replaces_the_change_before() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut subject = Subject::synthetic(dir.path(), 64).expect("a tree");
        let bytes = |path: &Path, subject: &Subject| fs::read(subject.root.join(path)).expect("a file").len();
        let first = subject.change(64).expect("all files");
        let before: usize = first.iter().map(|path| bytes(path, &subject)).sum();
        let again = subject.change(64).expect("all files");
        assert_eq!(again.iter().map(|path| bytes(path, &subject)).sum::<usize>(), before);
        subject.reset().expect("back to HEAD");
    }
}
