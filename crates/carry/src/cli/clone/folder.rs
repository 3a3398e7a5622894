//! The folder that a repository is made in: new or empty, and left as it was found when nothing comes of it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use carry_code::git::{self, BStr, ByteSlice as _, HashKind};
use carry_code::registry::Tree;
use carry_code::repo::Repo;
use carry_code::stream;

use super::choice::Candidate;
use crate::cli::exchange::is_plain;
use crate::failure::Failure;
use crate::targets;
use crate::text;
use crate::wire::Shell;

/// Where it is to be made. Nothing is made yet.
pub(super) fn check(shell: &Shell, given: Option<&Path>, candidate: &Candidate) -> Result<PathBuf, Failure> {
    let folder = match given {
        Some(given) => shell.cwd.join(given),
        // What another device calls it is no path.
        None if is_plain(&candidate.name) => shell.cwd.join(&candidate.name),
        None => {
            return Err(Failure::usage(format!("{} cannot be the name of a folder", text::line(&candidate.name)))
                .hint("Say where it is to be made: `carry clone NAME DIR`."));
        }
    };
    let folder = crate::paths::without_dots(&folder);
    let shown = shell.folder(&folder);
    let failed = |error: io::Error| Failure::failed(format!("cannot look at {shown}: {error}"));
    match fs::read_dir(&folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(folder),
            Some(Err(error)) => Err(failed(error)),
            Some(Ok(_)) => Err(not_empty(shell, &folder, given.is_some(), candidate)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(Failure::failed(format!("{shown} is not a folder")).hint("Name a new or empty folder."))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = folder.parent().unwrap_or(Path::new("/"));
            match parent.is_dir() {
                true => Ok(folder),
                false => Err(Failure::failed(format!("there is no folder {}", shell.folder(parent)))
                    .hint("Make it first, or name another one.")),
            }
        }
        Err(error) => Err(failed(error)),
    }
}

/// What is there, and where to go instead.
fn not_empty(shell: &Shell, folder: &Path, is_given: bool, candidate: &Candidate) -> Failure {
    let (shown, name) = (shell.folder(folder), text::line(&candidate.name));
    let elsewhere = match is_given {
        true => "Name a new or empty folder.".to_owned(),
        false => format!("Name a new or empty folder: `carry clone {name} DIR`."),
    };
    let failure = Failure::failed(format!("{shown} is not empty")).hint(elsewhere);
    match folder.join(".git").exists() {
        true => failure.hint(format!(
            "It is a Git repository. If it is {name}, `carry add {shown}` registers it, and `carry sync` there takes over the work."
        )),
        false => failure,
    }
}

/// A repository that was made, and is taken away again unless it is [kept](Made::keep).
pub(super) struct Made<'a> {
    shell: &'a Shell,
    folder: PathBuf,
    is_new: bool,
    /// The registered tree.
    tree: Option<Tree>,
    is_kept: bool,
}

impl<'a> Made<'a> {
    /// Makes it, registers it, and says that it is the one that `candidate` is of.
    pub(super) fn make(shell: &'a Shell, folder: &Path, candidate: &Candidate, branch: &BStr) -> Result<Self, Failure> {
        let is_new = match fs::create_dir(folder) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
            Err(error) => return Err(Failure::failed(format!("cannot make {}: {error}", shell.folder(folder)))),
        };
        let mut made = Self { shell, folder: folder.to_owned(), is_new, tree: None, is_kept: false };
        // Somebody may have been faster.
        check(shell, Some(folder), candidate)?;
        init(folder, candidate.hash, branch)?;
        made.tree = Some(targets::register(shell, folder, false)?.tree().clone());
        let (ctx, repo) = (shell.context()?, made.repo()?);
        for line in candidate.lines() {
            stream::bind(&ctx, line.log, &line.repository, &repo)?;
        }
        Ok(made)
    }

    /// The repository as it is now.
    pub(super) fn repo(&self) -> Result<Repo, Failure> {
        Ok(Repo::open(&self.folder)?)
    }

    /// The registered tree.
    pub(super) fn tree(&self) -> Result<&Tree, Failure> {
        self.tree.as_ref().ok_or_else(|| Failure::failed("the new repository is not registered"))
    }

    /// It stays.
    pub(super) fn keep(&mut self) {
        self.is_kept = true;
    }

    fn take_away(&mut self) -> Result<(), Failure> {
        if let Some(tree) = self.tree.take() {
            stream::unbind(&self.shell.context()?, &tree.common_dir)?;
            self.shell.registry()?.remove(&tree.id)?;
            self.shell.reload_daemon();
        }
        let gone = |done: io::Result<()>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        };
        gone(fs::remove_dir_all(self.folder.join(".git")))?;
        if self.is_new {
            // Not more than what was made: what somebody put there meanwhile keeps the folder.
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
                done => gone(done)?,
            }
        }
        Ok(())
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        if let Err(failure) = self.take_away() {
            let folder = self.shell.folder(&self.folder);
            self.shell.out.warn(format_args!(
                "{folder} could not be taken away again: {}; `carry remove` and delete it",
                failure.in_one_line()
            ));
        }
    }
}

fn init(folder: &Path, hash: HashKind, branch: &BStr) -> Result<(), Failure> {
    let hash = match hash {
        HashKind::Sha1 => "sha1",
        HashKind::Sha256 => "sha256",
        other => return Err(Failure::failed(format!("repositories with the hash {other} are not known here"))),
    };
    let mut git = git::command(folder);
    let name = OsString::from_vec([&b"--initial-branch="[..], branch.as_bytes()].concat());
    git.env("GIT_DEFAULT_REF_FORMAT", "files");
    git.args(["init", "--quiet"]).arg(format!("--object-format={hash}")).arg(name);
    run(git, "make a repository")
}

/// Runs Git to its end.
pub(super) fn run(mut git: std::process::Command, what: &str) -> Result<(), Failure> {
    let output = git.output().map_err(|error| Failure::failed(format!("git could not be started: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = output.stderr.trim().to_str_lossy();
    let last = said.lines().rfind(|line| line.starts_with("fatal:") || line.starts_with("error:"));
    let said = text::line(last.or(said.lines().last()).unwrap_or("git says nothing"));
    Err(Failure::failed(format!("cannot {what}: {said}")))
}
