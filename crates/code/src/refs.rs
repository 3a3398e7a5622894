//! Moving our refs so that they are never empty, dangling or half-moved, not even after a power loss.
//!
//! Refs kept as files are written here, because Git by itself syncs neither their content reliably nor their folders,
//! and would run the user's hooks. Reftable repositories and deletion, both rare, go through the git program.

use crate::git::{ByteSlice as _, ObjectId};
use crate::repo::Repo;

pub(crate) mod files;
mod lock;
mod program;
mod repair;
mod update;

/// Why a ref could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum RefError {
    /// It no longer has the value it was expected to have.
    #[error("{name} moved meanwhile")]
    Moved {
        /// The ref.
        name: String,
        /// What it has now.
        found: Option<ObjectId>,
    },
    /// Another process holds its lock.
    #[error("{name} is locked by another process")]
    Locked {
        /// The ref.
        name: String,
    },
    /// The file system failed.
    #[error(transparent)]
    Disk(#[from] carry_kernel::disk::DiskError),
    /// Git failed.
    #[error("git could not move {name}: {message}")]
    Git {
        /// The ref.
        name: String,
        /// What it said.
        message: String,
    },
}

impl RefError {
    fn git(name: &str, message: impl Into<String>) -> Self {
        Self::Git { name: name.to_owned(), message: message.into() }
    }
}

/// The value of a ref (never symbolic); `None` when it does not exist.
///
/// # Errors
/// [`RefError`], also for a ref that is broken or symbolic.
pub fn read(repo: &Repo, name: &str) -> Result<Option<ObjectId>, RefError> {
    check_name(name)?;
    if repo.is_reftable() {
        return program::read(repo, name);
    }
    match files::read(repo, name.into())? {
        None => Ok(None),
        Some(files::Value::Id(id)) => Ok(Some(id)),
        Some(files::Value::Symbolic(_)) => Err(RefError::git(name, "it is a symbolic ref")),
        Some(files::Value::Broken(problem)) => Err(RefError::git(name, problem)),
    }
}

/// Moves `name` from `old` (`None`: must not exist) to `new` and puts it on stable storage. No reflog, no hooks. Locks
/// it as Git does (`<ref>.lock`), so that Git and we exclude each other. A lock of ours whose process died is removed at
/// once; so is one older than a minute that lies where only we write and that no living process of ours holds. Reftable repositories go through the
/// git program. Passes the fault points `ref.locked`, `ref.written`, `ref.renamed`, `ref.done`. Returns the number
/// of syncs made.
///
/// # Errors
/// [`RefError`].
pub fn update(repo: &Repo, name: &str, old: Option<ObjectId>, new: ObjectId) -> Result<u32, RefError> {
    check_name(name)?;
    if new.is_null() {
        return Err(RefError::git(name, "the null id is no value"));
    }
    if repo.is_reftable() {
        return program::update(repo, name, old, new);
    }
    update::run(repo, name, new, |now| match now {
        None if old.is_none() => Ok(()),
        Some(files::Value::Id(id)) if old == Some(*id) => Ok(()),
        Some(files::Value::Id(id)) => Err(RefError::Moved { name: name.to_owned(), found: Some(*id) }),
        None => Err(RefError::Moved { name: name.to_owned(), found: None }),
        Some(files::Value::Symbolic(_)) => Err(RefError::git(name, "it is a symbolic ref")),
        Some(files::Value::Broken(problem)) => Err(RefError::git(name, problem.clone())),
    })
}

/// Puts on stable storage that `name` is where it is: for a ref whose writer may have died between moving it and
/// syncing its folder.
///
/// # Errors
/// [`RefError`].
pub fn sync(repo: &Repo, name: &str) -> Result<(), RefError> {
    check_name(name)?;
    let path = files::path_of(repo, name.into());
    // A reftable and `packed-refs` are Git's to sync; the folders may then be missing.
    for folder in path.ancestors().skip(1).take_while(|folder| *folder != repo.common_dir()) {
        match carry_kernel::disk::sync_dir(folder) {
            Err(e) if e.source.kind() != std::io::ErrorKind::NotFound => return Err(e.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes `name` if it has the value `old`, loose and packed.
///
/// # Errors
/// [`RefError`].
pub fn delete(repo: &Repo, name: &str, old: ObjectId) -> Result<(), RefError> {
    let found = read(repo, name)?;
    if found != Some(old) {
        return Err(RefError::Moved { name: name.to_owned(), found });
    }
    program::delete(repo, name, Some(old))
}

/// All refs below `prefix` with their values, by name. Broken and symbolic ones are left out; [`broken`] names
/// those of ours.
///
/// # Errors
/// [`RefError`].
pub fn list(repo: &Repo, prefix: &str) -> Result<Vec<(String, ObjectId)>, RefError> {
    if repo.is_reftable() {
        return program::list(repo, prefix);
    }
    let values = files::list(repo, prefix)?.into_iter();
    Ok(values
        .filter_map(|(name, value)| if let files::Value::Id(id) = value { Some((name, id)) } else { None })
        .collect())
}

/// A ref of ours that Git could not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The ref.
    pub name: String,
    /// What is wrong: empty file, not an id, object missing.
    pub problem: String,
}

/// Finds refs of ours that are empty, torn or dangling. Reads only.
///
/// # Errors
/// [`RefError`].
pub fn broken(repo: &Repo) -> Result<Vec<Broken>, RefError> {
    repair::find(repo)
}

/// Repairs what [`broken`] found: points the ref at the newest keeper that is still whole (`candidates`, newest
/// first). When none is, what it said is noted below `refs/carry-keep/torn/` and it is removed. Does nothing when the ref
/// is whole again meanwhile.
///
/// # Errors
/// [`RefError`], also when it cannot be told what is whole: then the ref stays as it is.
pub fn repair(repo: &Repo, broken: &Broken, candidates: &[ObjectId]) -> Result<(), RefError> {
    check_name(&broken.name)?;
    repair::run(repo, &broken.name, candidates)
}

/// Refuses what is no full ref name, before it becomes part of a path.
fn check_name(name: &str) -> Result<(), RefError> {
    match gix::validate::reference::name(name.as_bytes().as_bstr()) {
        Ok(_) if name.starts_with("refs/") => Ok(()),
        Ok(_) => Err(RefError::git(name, "it is not below refs/")),
        Err(e) => Err(RefError::git(name, e.to_string())),
    }
}

#[cfg(test)]
mod tests;
