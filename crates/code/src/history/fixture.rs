//! Repositories for tests, made by Git itself, away from the configuration of whoever runs the tests.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::git::{self, ObjectId};

/// A repository with a working tree in a folder of its own, gone at the end of the test.
pub(crate) struct Fixture {
    dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let fixture = Self { dir: tempfile::tempdir().unwrap() };
        init(&fixture.root());
        fixture
    }

    /// The root of the working tree, links resolved.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder().join("repo")
    }

    /// The folder around it.
    pub(crate) fn folder(&self) -> PathBuf {
        self.dir.path().canonicalize().unwrap()
    }

    pub(crate) fn git<S: AsRef<OsStr>>(&self, args: &[S]) -> String {
        run(&self.root(), args)
    }

    pub(crate) fn gix(&self) -> gix::Repository {
        gix::open_opts(self.root(), gix::open::Options::isolated()).unwrap()
    }

    /// Writes a file below the root, with the folders above it.
    pub(crate) fn file(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::Write::write_all(&mut std::fs::File::create(path).unwrap(), content.as_ref()).unwrap();
    }

    /// The tree of everything that is in the working tree now.
    pub(crate) fn tree(&self) -> ObjectId {
        self.git(&["add", "-A"]);
        id(&self.git(&["write-tree"]))
    }

    /// Stores `content` as an object of the kind `kind`, whatever it is.
    pub(crate) fn object(&self, kind: &str, content: &[u8]) -> ObjectId {
        let mut git = isolated(&self.root());
        git.args(["hash-object", "-w", "--literally", "--stdin", "-t", kind])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = git.spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), content).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        id(std::str::from_utf8(&output.stdout).unwrap())
    }

    /// A commit with exactly this message, at this time.
    pub(crate) fn commit(&self, tree: ObjectId, parents: &[ObjectId], secs: i64, message: &[u8]) -> ObjectId {
        let mut raw = format!("tree {tree}\n");
        for parent in parents {
            raw.push_str(&format!("parent {parent}\n"));
        }
        raw.push_str(&format!(
            "author Carry <carry@localhost> {secs} +0000\ncommitter Carry <carry@localhost> {secs} +0000\n\n"
        ));
        self.object("commit", &[raw.as_bytes(), message].concat())
    }
}

pub(crate) fn init(root: &Path) {
    std::fs::create_dir_all(root).unwrap();
    run(root, &["init", "-q", "-b", "main"]);
}

/// Runs git and returns what it printed, without the last line feed.
pub(crate) fn run<S: AsRef<OsStr>>(dir: &Path, args: &[S]) -> String {
    let output = isolated(dir).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
}

fn isolated(dir: &Path) -> std::process::Command {
    let mut git = git::command(dir);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "Tester").env(format!("GIT_{who}_EMAIL"), "tester@localhost");
    }
    git
}

pub(crate) fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.trim().as_bytes()).unwrap()
}
