//! Refs through the git program: those kept as reftable, and deletion, which may have to rewrite `packed-refs`.

use std::process::{Command, Output};

use carry_kernel::disk::{DiskError, sync_dir};
use carry_kernel::fault;

use super::RefError;
use crate::git::{self, ByteSlice as _, ObjectId};
use crate::repo::Repo;

/// The value of `name`.
pub(super) fn read(repo: &Repo, name: &str) -> Result<Option<ObjectId>, RefError> {
    Ok(list(repo, name)?.into_iter().find(|(found, _)| found == name).map(|(_, id)| id))
}

/// All refs that begin with `prefix`, by name; dangling ones too.
pub(super) fn list(repo: &Repo, prefix: &str) -> Result<Vec<(String, ObjectId)>, RefError> {
    // A pattern of this command matches whole components only.
    let folder = prefix.rfind('/').map_or("", |at| &prefix[..at]);
    let mut git = program(repo);
    git.args(["for-each-ref", "--format=%(objectname) %(refname)"]).args((!folder.is_empty()).then_some(folder));
    let output = run(repo, prefix, &mut git)?;
    if !output.status.success() {
        return Err(RefError::git(prefix, said(&output)));
    }
    let parse = |line: &[u8]| {
        let (id, name) = line.split_once_str(" ")?;
        Some((name.to_str().ok()?.to_owned(), ObjectId::from_hex(id).ok()?))
    };
    let all = output.stdout.lines().filter_map(parse);
    Ok(all.filter(|(name, _)| name.starts_with(prefix)).collect())
}

/// Moves `name` from `old` to `new`.
pub(super) fn update(repo: &Repo, name: &str, old: Option<ObjectId>, new: ObjectId) -> Result<u32, RefError> {
    let expected = old.unwrap_or_else(|| ObjectId::null(repo.hash()));
    let (new, expected) = (new.to_string(), expected.to_string());
    let output = run(repo, name, program(repo).args(["update-ref", "--no-deref", name, &new, &expected]))?;
    if output.status.success() {
        return synced(repo, name);
    }
    Err(failure(repo, name, old, &output))
}

/// Points `name` at `new` whatever it said.
pub(super) fn force(repo: &Repo, name: &str, new: ObjectId) -> Result<u32, RefError> {
    let output = run(repo, name, program(repo).args(["update-ref", "--no-deref", name, &new.to_string()]))?;
    if output.status.success() { synced(repo, name) } else { Err(RefError::git(name, said(&output))) }
}

/// Deletes `name` if it has the value `old`, whatever it is when `None`.
pub(super) fn delete(repo: &Repo, name: &str, old: Option<ObjectId>) -> Result<(), RefError> {
    let mut git = program(repo);
    git.args(["update-ref", "--no-deref", "-d", name]).args(old.map(|id| id.to_string()));
    let output = run(repo, name, &mut git)?;
    if output.status.success() { synced(repo, name).map(drop) } else { Err(failure(repo, name, old, &output)) }
}

/// Git with no reflogs, no hooks of the user, and everything it writes synced.
fn program(repo: &Repo) -> Command {
    let mut git = git::command(repo.root());
    git.args(["-c", "core.logAllRefUpdates=false", "-c", "core.hooksPath=/dev/null"]);
    git.args(["-c", "core.fsync=all", "-c", "core.fsyncMethod=fsync"]);
    git
}

fn run(repo: &Repo, name: &str, git: &mut Command) -> Result<Output, RefError> {
    git.output().map_err(|e| RefError::git(name, format!("cannot run git in {}: {e}", repo.root().display())))
}

/// Git syncs files, but not the folder it renames them in.
fn synced(repo: &Repo, name: &str) -> Result<u32, RefError> {
    let folder = if repo.is_reftable() { repo.common_dir().join("reftable") } else { repo.common_dir().to_owned() };
    sync_dir(&folder)?;
    fault::point("ref.done").map_err(DiskError::at("write", &folder.join(name)))?;
    Ok(1)
}

/// What a failed change means.
fn failure(repo: &Repo, name: &str, old: Option<ObjectId>, output: &Output) -> RefError {
    let said = said(output);
    match super::read(repo, name) {
        Ok(found) if found != old => RefError::Moved { name: name.to_owned(), found },
        _ if said.contains(".lock': File exists") || said.contains("data is locked") => {
            RefError::Locked { name: name.to_owned() }
        }
        _ => RefError::git(name, said),
    }
}

fn said(output: &Output) -> String {
    output.stderr.trim().to_str_lossy().into_owned()
}
