//! Differences as Git shows them: between two trees, and between a tree and the files on disk.
//!
//! The second must see untracked files and write nothing to the repository. So a copy of the user's index, which
//! knows which files are unchanged, is told of the untracked ones in a temporary folder, and Git compares through it.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use carry_code::git::{self, BString, ByteSlice as _, ObjectId};
use carry_code::repo::Repo;

use crate::failure::Failure;
use crate::wire::Shell;

/// Where one side of a comparison is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    /// A tree; `None` is the empty one.
    Tree(Option<ObjectId>),
    /// The files on disk.
    Disk,
}

/// A comparison that was made ready.
pub(crate) struct TreeDiff<'a> {
    shell: &'a Shell,
    repo: &'a Repo,
    old: String,
    /// A tree, or nothing for the files on disk.
    new: Option<String>,
    paths: &'a [BString],
    scratch: Option<Scratch>,
}

/// One path that differs.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Changed {
    /// From the root.
    pub(crate) path: BString,
    /// `added`, `deleted`, `modified` or `type-changed`.
    pub(crate) status: &'static str,
}

/// The temporary index and object folder.
struct Scratch {
    folder: tempfile::TempDir,
    objects: PathBuf,
}

impl<'a> TreeDiff<'a> {
    /// Makes ready to compare `old` with `new` below `paths` (root-relative; none: everything).
    pub(crate) fn new(
        shell: &'a Shell,
        repo: &'a Repo,
        old: Option<ObjectId>,
        new: Side,
        paths: &'a [BString],
    ) -> Result<Self, Failure> {
        let name =
            |tree: Option<ObjectId>| tree.unwrap_or_else(|| ObjectId::empty_tree(repo.gix().object_hash())).to_string();
        let (new, scratch) = match new {
            Side::Tree(tree) => (Some(name(tree)), None),
            Side::Disk => (None, Some(Scratch::new(shell, repo)?)),
        };
        Ok(Self { shell, repo, old: name(old), new, paths, scratch })
    }

    /// Shows it as `git diff` does, where the output goes.
    pub(crate) fn show(&self, stat: bool) -> Result<(), Failure> {
        let mut git = self.git();
        git.args(["diff", if self.shell.out.has_color() { "--color=always" } else { "--color=never" }]);
        if stat {
            git.arg("--stat").arg("--patch");
        }
        self.add_sides(&mut git);
        // Messages and the encoding of the pager are the user's here.
        match std::env::var_os("LC_ALL") {
            Some(locale) => git.env("LC_ALL", locale),
            None => git.env_remove("LC_ALL"),
        };
        let status = git.stdout(self.shell.out.child_stdout()?).status()?;
        // A reader that went away ends Git by a signal, which is as good as having shown all.
        match status.code() {
            Some(0) | None => Ok(()),
            Some(code) => Err(Failure::failed(format!("git diff ended with exit code {code}"))),
        }
    }

    /// The paths that differ.
    pub(crate) fn changed(&self) -> Result<Vec<Changed>, Failure> {
        let mut git = self.git();
        git.args(["diff", "--name-status", "-z", "--no-renames", "--no-ext-diff"]);
        self.add_sides(&mut git);
        let said = run(&mut git)?;
        let mut parts = said.split_str(b"\0").filter(|part| !part.is_empty());
        let mut changed = Vec::new();
        while let (Some(status), Some(path)) = (parts.next(), parts.next()) {
            let status = match status.first() {
                Some(b'A') => "added",
                Some(b'D') => "deleted",
                Some(b'T') => "type-changed",
                _ => "modified",
            };
            changed.push(Changed { path: path.into(), status });
        }
        Ok(changed)
    }

    fn git(&self) -> Command {
        let mut git = git::command(self.repo.root());
        if let Some(scratch) = &self.scratch {
            scratch.prepare(&mut git, self.repo);
        }
        git.args(["--no-pager", "--literal-pathspecs", "-c", "core.fsmonitor=false"]);
        git
    }

    fn add_sides(&self, git: &mut Command) {
        git.arg(&self.old).args(&self.new).arg("--");
        git.args(self.paths.iter().map(|path| if path.is_empty() { os(b".") } else { os(path) }));
    }
}

impl Scratch {
    fn new(shell: &Shell, repo: &Repo) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("carry-diff-").tempdir()?;
        let objects = folder.path().join("objects");
        fs::create_dir(&objects)?;
        let scratch = Self { folder, objects };
        match copy_index(&repo.git_dir().join("index"), &scratch.index()) {
            Ok(()) => {}
            // A repository without an index has staged nothing.
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(Failure::from_error(e)),
        }
        scratch.add_untracked(shell, repo)?;
        Ok(scratch)
    }

    fn index(&self) -> PathBuf {
        self.folder.path().join("index")
    }

    /// Points Git at the copy; what it might write goes to the temporary folder.
    fn prepare(&self, git: &mut Command, repo: &Repo) {
        git.env("GIT_INDEX_FILE", self.index())
            .env("GIT_OBJECT_DIRECTORY", &self.objects)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", alternate(&repo.common_dir().join("objects")));
    }

    /// Enters untracked files that a capture would take as "to be added", without their contents.
    fn add_untracked(&self, shell: &Shell, repo: &Repo) -> Result<(), Failure> {
        let mut list = git::command(repo.root());
        self.prepare(&mut list, repo);
        list.args(["-c", "core.fsmonitor=false", "ls-files", "-z", "--others", "--exclude-standard"]);
        for pattern in shell.config(Some(repo.root())).list("files.ignore") {
            list.arg(format!("--exclude={pattern}"));
        }
        let found = run(&mut list)?;
        // A path that ends in a slash is a repository of its own, which no capture enters.
        let files: Vec<_> = found.split_str(b"\0").filter(|path| !path.is_empty() && !path.ends_with(b"/")).collect();
        if files.is_empty() {
            return Ok(());
        }
        let mut names = tempfile::tempfile()?;
        names.write_all(&files.join(&b"\0"[..]))?;
        names.rewind()?;
        let mut add = git::command(repo.root());
        self.prepare(&mut add, repo);
        add.args(["--literal-pathspecs", "-c", "core.fsmonitor=false", "add", "--intent-to-add", "--ignore-errors"])
            .args(["--pathspec-from-file=-", "--pathspec-file-nul"])
            .stdin(Stdio::from(names))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A file that cannot be read is named by the capture that skipped it; the others are shown all the same.
        add.status()?;
        Ok(())
    }
}

/// Copies an index with its time: by it Git tells which entries are too young for their files' times to be trusted.
fn copy_index(from: &Path, to: &Path) -> std::io::Result<()> {
    let time = fs::metadata(from)?.modified()?;
    fs::copy(from, to)?;
    // Whoever owns a file may set its time; writing it may be forbidden.
    fs::File::open(to)?.set_modified(time)
}

/// An object folder as the environment takes it: quoted, because a colon would end it.
fn alternate(objects: &Path) -> std::ffi::OsString {
    let mut quoted = Vec::from(&b"\""[..]);
    for &byte in crate::paths::bytes(objects).iter() {
        if matches!(byte, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(byte);
    }
    quoted.push(b'"');
    os(&quoted).to_owned()
}

fn os(bytes: &[u8]) -> &std::ffi::OsStr {
    std::os::unix::ffi::OsStrExt::from_bytes(bytes)
}

/// Runs Git and returns what it says.
pub(crate) fn run(git: &mut Command) -> Result<Vec<u8>, Failure> {
    let said = git.output()?;
    if said.status.success() {
        return Ok(said.stdout);
    }
    Err(Failure::failed(format!("git failed: {}", String::from_utf8_lossy(&said.stderr).trim())))
}
