//! HEAD and what Git is in the middle of, read from the files as they are now.

use std::path::Path;

use super::{Head, OpenError, Repo};
use crate::git::{self, BStr, BString, ByteSlice as _};
use crate::line::Branch;
use crate::refs::files::{self, Value};
use crate::snapshot::State;

/// How many symbolic refs Git follows.
const DEPTH_MAX: usize = 5;

/// What HEAD points at.
pub(super) fn read(repo: &Repo) -> Result<Head, OpenError> {
    if repo.reftable { read_reftable(repo) } else { read_files(repo) }
}

fn read_files(repo: &Repo) -> Result<Head, OpenError> {
    let path = repo.git_dir.join("HEAD");
    let damaged = |problem: String| OpenError::damaged(&path)(problem);
    let mut branch = Branch::Detached;
    let mut value = files::loose(&path, repo.hash()).map_err(OpenError::damaged(&path))?;
    for _ in 0..=DEPTH_MAX {
        match value {
            Some(Value::Id(commit)) => return Ok(Head { branch, commit: Some(commit) }),
            Some(Value::Symbolic(name)) => {
                if branch == Branch::Detached {
                    branch = branch_of(name.as_bstr());
                }
                value = files::read(repo, name.as_bstr()).map_err(OpenError::damaged(&path))?;
            }
            Some(Value::Broken(problem)) => return Err(damaged(format!("HEAD cannot be resolved: {problem}"))),
            None if branch == Branch::Detached => return Err(damaged("HEAD is not there".into())),
            None => return Ok(Head { branch, commit: None }),
        }
    }
    Err(damaged("HEAD goes through too many symbolic refs".into()))
}

/// HEAD itself says nothing there; the git program has to be asked.
fn read_reftable(repo: &Repo) -> Result<Head, OpenError> {
    let path = repo.git_dir.join("HEAD");
    let ask = |args: &[&str]| {
        let output = git::command(&repo.root).args(args).output().map_err(OpenError::damaged(&path))?;
        // 1 is the answer no; anything above is a failure.
        match output.status.code() {
            Some(0) => Ok(Some(BString::from(output.stdout.trim_ascii_end()))),
            Some(1) => Ok(None),
            _ => Err(OpenError::damaged(&path)(output.stderr.to_str_lossy().into_owned())),
        }
    };
    let branch = ask(&["symbolic-ref", "--quiet", "HEAD"])?.map_or(Branch::Detached, |name| branch_of(name.as_bstr()));
    let commit = ask(&["rev-parse", "--quiet", "--verify", "HEAD"])?;
    let commit = commit.map(|hex| git::ObjectId::from_hex(&hex).map_err(OpenError::damaged(&path))).transpose()?;
    Ok(Head { branch, commit })
}

fn branch_of(name: &BStr) -> Branch {
    Branch::Named(name.strip_prefix(b"refs/heads/").unwrap_or(name).into())
}

/// What Git is in the middle of. A rebase comes first: it uses the other files for its own steps.
pub(super) fn state(repo: &Repo) -> Option<State> {
    let there = |name: &str| repo.git_dir.join(name).symlink_metadata().is_ok();
    if there("rebase-apply/applying") {
        return Some(State::Am);
    }
    if there("rebase-merge") || there("rebase-apply") {
        return Some(State::Rebase);
    }
    if there("MERGE_HEAD") {
        return Some(State::Merge);
    }
    // Between two commits of a series only the list of what is left says so.
    let todo = std::fs::read(repo.git_dir.join("sequencer/todo")).unwrap_or_default();
    let first = todo.fields().next().unwrap_or_default();
    // With reftable these two are refs, and no files.
    let is_ref = |name: &str| {
        let ask = || git::command(&repo.root).args(["rev-parse", "--quiet", "--verify", name]).output().ok();
        repo.reftable && ask().is_some_and(|o| o.status.success())
    };
    if first == b"pick" || there("CHERRY_PICK_HEAD") || is_ref("CHERRY_PICK_HEAD") {
        return Some(State::CherryPick);
    }
    if first == b"revert" || there("REVERT_HEAD") || is_ref("REVERT_HEAD") {
        return Some(State::Revert);
    }
    there("BISECT_LOG").then_some(State::Bisect)
}

/// The branch a rebase or `git am` will come back to.
pub(super) fn rebasing_branch(git_dir: &Path) -> Option<Branch> {
    let name = ["rebase-merge/head-name", "rebase-apply/head-name"]
        .iter()
        .find_map(|file| std::fs::read(git_dir.join(file)).ok())?;
    let name = name.trim_ascii_end();
    // Otherwise it says `detached HEAD`.
    name.starts_with(b"refs/").then(|| branch_of(name.as_bstr()))
}
