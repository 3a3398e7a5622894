//! A Git repository in a temporary folder.

use std::cell::Cell;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use tempfile::TempDir;

use crate::git;

/// A repository made for one test. Its folder lies in a temporary one, beside an empty home, and vanishes with the last
/// clone of this value. Commits are one minute apart, so that ids are the same in each run.
#[derive(Clone, Debug)]
pub struct TestRepo {
    dir: Rc<TempDir>,
    root: PathBuf,
    now: Rc<Cell<u64>>,
}

impl TestRepo {
    /// An empty repository on the unborn branch `main`.
    #[track_caller]
    pub fn new() -> Self {
        Self::init(&["--initial-branch=main"])
    }

    /// As [`TestRepo::new`], with these arguments to `git init` (`--object-format=sha256`, `--ref-format=reftable`, …).
    #[track_caller]
    pub fn init(args: &[&str]) -> Self {
        let dir = TempDir::new().expect("a temporary folder can be made");
        // Links in the path of the temporary folder (macOS has one) would make paths differ from those Git reports.
        let base = dir.path().canonicalize().expect("the folder was just made");
        let repo = Self { dir: Rc::new(dir), root: base.join("repo"), now: Rc::new(Cell::new(git::EPOCH)) };
        fs::create_dir(repo.home()).expect("the folder is empty");
        fs::create_dir(&repo.root).expect("the folder is empty");
        repo.git(["init", "--quiet"].iter().chain(args));
        // No background work of Git's own that could run beside the test.
        repo.git(["config", "gc.auto", "0"]);
        repo.git(["config", "maintenance.auto", "false"]);
        for rules in [".git/config", ".git/info/exclude"] {
            if repo.path(rules).exists() {
                repo.age(rules);
            }
        }
        repo
    }

    /// The root of the working tree.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The home folder that Git sees: empty, for tests to put a `.gitconfig` in.
    pub fn home(&self) -> PathBuf {
        self.base().join("home")
    }
    /// The folder that holds the repository and its home; further clones and worktrees fit beside them.
    pub fn base(&self) -> PathBuf {
        self.root.parent().expect("the root lies in the temporary folder").to_owned()
    }
    /// The same repository seen from another working tree beside the first (a linked worktree, a clone, a nested repository).
    pub fn at(&self, root: impl AsRef<Path>) -> Self {
        Self { root: self.root.join(root), ..self.clone() }
    }
    /// A path below the root.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.root.join(path)
    }

    /// `git` in the working tree, to be given arguments. Each call moves the clock of commits on by a minute.
    pub fn command(&self) -> Command {
        self.now.set(self.now.get() + 60);
        git::command(&self.root, &self.home(), self.now.get())
    }
    /// Sets a file's time of change back to long ago, so that no time stamp leaves in doubt whether it changed since it was
    /// read, however quickly that came.
    #[track_caller]
    pub fn age(&self, path: impl AsRef<Path>) -> &Self {
        let path = self.path(path);
        fs::File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_modified(UNIX_EPOCH + Duration::from_secs(git::EPOCH)))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        self
    }
    /// Runs `git`, which must succeed; returns what it printed.
    #[track_caller]
    pub fn git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> String {
        String::from_utf8_lossy(&git::succeed(self.command().args(args))).into_owned()
    }
    /// Runs `git`, whatever comes of it: for merges that conflict, and questions answered by the exit code.
    #[track_caller]
    pub fn try_git<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Output {
        git::run(self.command().args(args))
    }
    /// What a revision is: a full object id.
    #[track_caller]
    pub fn id(&self, revision: &str) -> String {
        self.git(["rev-parse", "--verify", "--end-of-options", revision]).trim_end().to_owned()
    }

    /// Writes a file, making its folders.
    #[track_caller]
    pub fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> &Self {
        let path = self.path(path);
        write_file(&path, content.as_ref());
        self
    }
    /// Reads a file.
    #[track_caller]
    pub fn read(&self, path: impl AsRef<Path>) -> Vec<u8> {
        let path = self.path(path);
        fs::read(&path).unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display()))
    }
    /// Deletes a file or a whole folder; does nothing when it is not there.
    #[track_caller]
    pub fn delete(&self, path: impl AsRef<Path>) -> &Self {
        let path = self.path(path);
        let done = match fs::symlink_metadata(&path) {
            Ok(meta) if meta.is_dir() => fs::remove_dir_all(&path),
            Ok(_) => fs::remove_file(&path),
            Err(_) => Ok(()),
        };
        done.unwrap_or_else(|error| panic!("cannot delete {}: {error}", path.display()));
        self
    }
    /// Makes a symbolic link.
    #[track_caller]
    pub fn symlink(&self, path: impl AsRef<Path>, target: impl AsRef<Path>) -> &Self {
        let path = self.path(path);
        make_parent(&path);
        std::os::unix::fs::symlink(target, &path)
            .unwrap_or_else(|error| panic!("cannot link {}: {error}", path.display()));
        self
    }
    /// Sets a file's mode, e.g. `0o755`.
    #[track_caller]
    pub fn chmod(&self, path: impl AsRef<Path>, mode: u32) -> &Self {
        let path = self.path(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
            .unwrap_or_else(|error| panic!("cannot change the mode of {}: {error}", path.display()));
        self
    }
    /// Makes a FIFO, which blocks whoever opens it to read.
    #[track_caller]
    pub fn fifo(&self, path: impl AsRef<Path>) -> &Self {
        git::succeed(Command::new("mkfifo").arg(self.path(path)));
        self
    }

    /// `git add` of one path.
    #[track_caller]
    pub fn stage(&self, path: impl AsRef<Path>) -> &Self {
        self.git([OsStr::new("add"), OsStr::new("--"), path.as_ref().as_os_str()]);
        self
    }
    /// Commits what is staged.
    #[track_caller]
    pub fn commit(&self, message: &str) -> &Self {
        self.git(["commit", "--quiet", "--allow-empty", "-m", message]);
        self
    }
    /// Stages and commits everything.
    #[track_caller]
    pub fn commit_all(&self, message: &str) -> &Self {
        self.git(["add", "--all"]);
        self.commit(message)
    }

    /// Keeps the folder on disk when the test ends, for looking at; returns where it is.
    pub fn keep(self) -> PathBuf {
        if let Ok(dir) = Rc::try_unwrap(self.dir) {
            let _ = dir.keep();
        }
        self.root
    }
}

impl Default for TestRepo {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes a file, making its folders.
#[track_caller]
pub fn write_file(path: &Path, content: &[u8]) {
    use std::io::Write as _;
    make_parent(path);
    fs::File::create(path)
        .and_then(|mut file| file.write_all(content))
        .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
}

#[track_caller]
fn make_parent(path: &Path) {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).unwrap_or_else(|error| panic!("cannot make {}: {error}", parent.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_steps_give_the_same_ids() {
        let make = || {
            let repo = TestRepo::new();
            repo.write("a/b", "1\n").commit_all("one").write("a/b", "2\n").stage("a/b").commit("two");
            repo.id("HEAD")
        };
        assert_eq!(make(), make());
    }

    #[test]
    fn nothing_of_the_machine_leaks_in() {
        let repo = TestRepo::new();
        let origins = repo.git(["config", "--list", "--show-origin"]);
        assert!(origins.lines().all(|line| line.starts_with("file:.git/config")), "{origins}");
    }
}
