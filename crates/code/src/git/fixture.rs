//! Small repositories for tests, made by the real git program with nothing of this machine's configuration.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::ObjectId;

/// A temporary folder with a repository `repo` in it.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    /// An empty repository on the branch `main`, made with further arguments for `git init`.
    pub(crate) fn init(args: &[&str]) -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        let mut all = vec!["init", "--quiet"];
        all.extend_from_slice(args);
        all.push("repo");
        git(fixture.dir.path(), &all);
        fixture
    }

    /// A repository on `main` with one commit that holds the file `file`.
    pub(crate) fn new() -> Self {
        let fixture = Self::init(&[]);
        fixture.commit("file", "one\n");
        fixture
    }

    /// The temporary folder.
    pub(crate) fn dir(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    /// The root of the working tree.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir().join("repo")
    }

    /// The repository, opened.
    pub(crate) fn open(&self) -> crate::repo::Repo {
        crate::repo::Repo::open(&self.root()).unwrap()
    }

    /// Writes a file and commits it; returns the commit.
    pub(crate) fn commit(&self, path: &str, content: &str) -> ObjectId {
        write(&self.root().join(path), content.as_bytes());
        self.git(&["add", "--", path]);
        self.git(&["commit", "--quiet", "-m", path]);
        self.id("HEAD")
    }

    /// What a revision stands for.
    pub(crate) fn id(&self, revision: &str) -> ObjectId {
        ObjectId::from_hex(self.git(&["rev-parse", "--verify", revision]).as_bytes()).unwrap()
    }

    /// Runs git in the working tree; returns its output without the last line feed.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        git(&self.root(), args)
    }

    /// Runs git in the working tree; it may fail.
    pub(crate) fn try_git(&self, args: &[&str]) -> Output {
        command(&self.root()).args(args).output().unwrap()
    }

    /// Stores a blob as `git hash-object -w` does.
    pub(crate) fn loose_blob(&self, content: &[u8]) -> ObjectId {
        let mut child = command(&self.root())
            .args(["hash-object", "-w", "--stdin"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(content).unwrap();
        let output = child.wait_with_output().unwrap();
        ObjectId::from_hex(output.stdout.trim_ascii()).unwrap()
    }
}

/// The git program with an identity and without any configuration of this machine.
pub(crate) fn command(dir: &Path) -> Command {
    let mut git = super::command(dir);
    git.env("HOME", "/nonexistent")
        .env("XDG_CONFIG_HOME", "/nonexistent")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args(["-c", "user.name=Someone", "-c", "user.email=someone@example.org"])
        .args(["-c", "init.defaultBranch=main", "-c", "gc.auto=0", "-c", "protocol.file.allow=always"]);
    git
}

/// Runs git, which must succeed; returns its output without the last line feed.
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let output = command(dir).args(args).output().unwrap();
    assert!(
        output.status.success(),
        "git {args:?} in {}:\n{}{}",
        dir.display(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

/// Writes a file, making its folders.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}
