//! Finding refs of ours that would make the user's fetch or gc fail, and making them whole.
//!
//! History is given up for what is certainly missing or damaged only. What cannot be read now, on a disk that is not
//! there or with too many files open, leaves every ref as it is.

use std::collections::HashSet;
use std::error::Error;

use super::files::{self, Packed, Value};
use super::{Broken, RefError, program, update};
use crate::durable;
use crate::git::{self, ObjectId};
use crate::line::{KEEP, LINES};
use crate::pack::{Batch, Kind};
use crate::repo::Repo;
use crate::seal::Seal;

/// Below it, notes on what refs said that could not be made whole: blobs, which trouble neither gc nor fetch.
pub(super) const TORN: &str = "refs/carry-keep/torn/";

/// All broken refs of ours, by name.
pub(super) fn find(repo: &Repo) -> Result<Vec<Broken>, RefError> {
    let store = fresh(repo)?;
    let mut broken = Vec::new();
    for prefix in [LINES, KEEP] {
        for (name, value) in values(repo, prefix)? {
            // Our notes on refs that could not be made whole are no commits.
            if name.starts_with(TORN) {
                continue;
            }
            match problem(repo, &store, &value) {
                Ok(None) => {}
                Ok(Some(problem)) => broken.push(Broken { name, problem }),
                Err(error) => broken.push(Broken { name, problem: format!("it cannot be checked now: {error}") }),
            }
        }
    }
    broken.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(broken)
}

/// Points `name` at the first of `candidates` that is whole, else at what `packed-refs` still says if that is. Else it
/// has nothing to point at: what it said is noted below [`TORN`], and it is removed.
pub(super) fn run(repo: &Repo, name: &str, candidates: &[ObjectId]) -> Result<(), RefError> {
    let store = fresh(repo)?;
    let still_broken = |now: Option<&Value>| match now {
        Some(value) if problem(repo, &store, value)?.is_some() => Ok(()),
        Some(Value::Id(id)) => Err(RefError::Moved { name: name.to_owned(), found: Some(*id) }),
        _ => Err(RefError::Moved { name: name.to_owned(), found: None }),
    };
    let packed = if repo.is_reftable() { None } else { Packed::read(repo)?.and_then(|packed| packed.get(name.into())) };
    let packed = packed.and_then(|value| if let Value::Id(id) = value { Some(id) } else { None });
    let mut whole = None;
    for id in candidates.iter().chain(&packed) {
        if problem(repo, &store, &Value::Id(*id))?.is_none() && is_connected(repo, &store, *id)? {
            whole = Some(*id);
            break;
        }
    }
    let done = match (whole, repo.is_reftable()) {
        (Some(id), false) => update::run(repo, name, id, still_broken).map(drop),
        (None, false) => match files::read(repo, name.into())? {
            Some(value) => still_broken(Some(&value))
                .and_then(|()| note(repo, name, &value))
                .and_then(|()| update::remove(repo, name, still_broken)),
            None => Ok(()),
        },
        (whole, true) => {
            let now = program::read(repo, name)?.map(Value::Id);
            still_broken(now.as_ref()).and_then(|()| match (whole, &now) {
                (Some(id), _) => program::force(repo, name, id).map(drop),
                (None, Some(value)) => note(repo, name, value).and_then(|()| program::delete(repo, name, None)),
                (None, None) => Ok(()),
            })
        }
    };
    match done {
        // Somebody else made it whole, or removed it.
        Err(RefError::Moved { .. }) => Ok(()),
        other => other,
    }
}

/// Keeps what a ref said, for whoever finds its objects again.
fn note(repo: &Repo, name: &str, value: &Value) -> Result<(), RefError> {
    let said = match value {
        Value::Id(id) => id.to_string(),
        Value::Symbolic(to) => format!("ref: {to}"),
        Value::Broken(problem) => problem.clone(),
    };
    tracing::error!(name, said, "a ref of ours has nothing whole to point at; its value is kept in a note");
    let mut batch = Batch::new(repo.hash());
    let note = batch.add(Kind::Blob, format!("{name} {said}\n").as_bytes());
    let (_, _keep) = batch.write_kept(&repo.objects_dir())?;
    match super::update(repo, &format!("{TORN}{note}"), None, note) {
        // Noted before.
        Ok(_) | Err(RefError::Moved { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

fn values(repo: &Repo, prefix: &str) -> Result<Vec<(String, Value)>, RefError> {
    if repo.is_reftable() {
        let all = program::list(repo, prefix)?.into_iter();
        return Ok(all.map(|(name, id)| (name, Value::Id(id))).collect());
    }
    Ok(files::list(repo, prefix)?.into_iter().collect())
}

/// The object store without anything remembered of how it was.
fn fresh(repo: &Repo) -> Result<gix::Repository, RefError> {
    repo.reopen().map(|repo| repo.gix()).map_err(|e| RefError::git("refs", e.to_string()))
}

/// What is wrong with a ref of this value, looking no further than at what its commit names, or where that is a seal,
/// what the keeper names that it stands on. An error when that cannot be told.
fn problem(repo: &Repo, store: &gix::Repository, value: &Value) -> Result<Option<String>, RefError> {
    let id = match value {
        Value::Id(id) => *id,
        Value::Symbolic(to) => return Ok(Some(format!("it is a symbolic ref to {to}"))),
        Value::Broken(problem) => return Ok(Some(problem.clone())),
    };
    match problem_of_commit(repo, store, id)? {
        Looked::At { sealed: Some(keeper) } => match problem_of_commit(repo, store, keeper)? {
            Looked::At { .. } => Ok(None),
            Looked::Broken(problem) => Ok(Some(problem)),
        },
        Looked::At { sealed: None } => Ok(None),
        Looked::Broken(problem) => Ok(Some(problem)),
    }
}

/// What a look at one commit found.
enum Looked {
    /// It is there, and so is what it names; if it says that it is a seal, on this keeper.
    At { sealed: Option<ObjectId> },
    /// What is wrong.
    Broken(String),
}

fn problem_of_commit(repo: &Repo, store: &gix::Repository, id: ObjectId) -> Result<Looked, RefError> {
    let commit = match store.try_find_object(id) {
        Ok(Some(object)) => object,
        Ok(None) => return absence(repo, id).map(Looked::Broken),
        Err(e) if is_of_the_system(&e) => return Err(RefError::git(&id.to_string(), e.to_string())),
        Err(e) => return Ok(Looked::Broken(format!("the object {id} cannot be read: {e}"))),
    };
    if commit.kind != gix::objs::Kind::Commit {
        return Ok(Looked::Broken(format!("{id} is no commit")));
    }
    let sealed = Seal::is_claimed(id, &commit.data);
    let Ok(commit) = gix::objs::CommitRef::from_bytes(&commit.data, id.kind()) else {
        return Ok(Looked::Broken(format!("the commit {id} is damaged")));
    };
    let mut named = std::iter::once(commit.tree()).chain(commit.parents());
    match named.find(|id| !store.has_object(*id)) {
        Some(missing) => absence(repo, missing).map(Looked::Broken),
        None => Ok(Looked::At { sealed: commit.parents().next().filter(|_| sealed) }),
    }
}

/// Says that an object is missing, if it certainly is.
fn absence(repo: &Repo, id: ObjectId) -> Result<String, RefError> {
    if durable::missing(repo, &[id])?.is_empty() {
        return Err(RefError::git(&id.to_string(), "the object is there, but cannot be read now"));
    }
    Ok(format!("the object {id} is missing"))
}

/// Whether the system failed, rather than what was read being damaged.
fn is_of_the_system(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<std::io::Error>().is_some_and(|error| error.raw_os_error().is_some()) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Whether everything is there that `commit` reaches and that the user's own refs do not hold.
fn is_connected(repo: &Repo, store: &gix::Repository, commit: ObjectId) -> Result<bool, RefError> {
    let listed = |missing: &[&str]| {
        git::command(repo.root())
            .args(["rev-list", "--objects"])
            .args(missing)
            .arg(commit.to_string())
            .args(["--not", "--branches", "--tags", "--remotes"])
            .output()
            .map_err(|e| RefError::git(&commit.to_string(), format!("git cannot be run: {e}")))
    };
    if listed(&["--quiet"])?.status.success() {
        return Ok(true);
    }
    // Why it failed: with this it goes on where something is missing, and names it.
    let output = listed(&["--missing=print"])?;
    let named = |line: &[u8]| ObjectId::from_hex(line.strip_prefix(b"?")?).ok();
    let mut suspects: Vec<ObjectId> = output.stdout.split(|b| *b == b'\n').filter_map(named).collect();
    if !output.status.success() {
        // Commits that are missing stop older versions all the same.
        suspects.extend(unreadable_commits(store, commit));
    }
    if durable::missing(repo, &suspects)?.is_empty() {
        return Err(RefError::git(&commit.to_string(), "git cannot read all that it reaches"));
    }
    Ok(false)
}

/// The commits among all that `commit` reaches that cannot be read.
fn unreadable_commits(store: &gix::Repository, commit: ObjectId) -> Vec<ObjectId> {
    let (mut next, mut seen, mut unreadable) = (vec![commit], HashSet::new(), Vec::new());
    while let Some(id) = next.pop() {
        if !seen.insert(id) {
            continue;
        }
        match store.find_commit(id) {
            Ok(commit) => next.extend(commit.parent_ids().map(gix::Id::detach)),
            Err(_) => unreadable.push(id),
        }
    }
    unreadable
}
