//! Compare and set for refs kept as files.

use carry_kernel::disk::{DiskError, sync_dir};
use carry_kernel::fault;

use super::files::{self, Packed, Value};
use super::lock::Lock;
use super::{RefError, program};
use crate::git::ObjectId;
use crate::repo::Repo;

/// Points `name` at `new` if `check` agrees with what it says now. Returns the number of syncs.
pub(super) fn run(
    repo: &Repo,
    name: &str,
    new: ObjectId,
    check: impl FnOnce(Option<&Value>) -> Result<(), RefError>,
) -> Result<u32, RefError> {
    let (lock, now, packed) = locked(repo, name)?;
    check(now.as_ref())?;
    if now.is_none()
        && let Some(packed) = packed
        && clashes(&packed, name)
    {
        return Err(RefError::git(name, "it is a part of another ref's name, or the other way round"));
    }
    lock.commit(name, new)
}

/// Removes `name` if `check` agrees with what its file says now. A packed value that is no better goes too.
pub(super) fn remove(
    repo: &Repo,
    name: &str,
    check: impl Fn(Option<&Value>) -> Result<(), RefError>,
) -> Result<(), RefError> {
    let (lock, now, packed) = locked(repo, name)?;
    check(now.as_ref())?;
    match std::fs::remove_file(&lock.target) {
        Ok(()) => sync_dir(lock.target.parent().unwrap_or(&lock.target))?,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(DiskError::at("remove", &lock.target)(e).into()),
    }
    drop(lock);
    match packed.and_then(|packed| packed.get(name.into())) {
        Some(value) if check(Some(&value)).is_ok() => program::delete(repo, name, None),
        _ => Ok(()),
    }
}

/// Takes the lock, then reads.
fn locked(repo: &Repo, name: &str) -> Result<(Lock, Option<Value>, Option<Packed>), RefError> {
    let lock = Lock::acquire(repo, name)?;
    fault::point("ref.locked").map_err(DiskError::at("lock", &lock.target))?;
    let loose = files::loose(&lock.target, repo.hash())?;
    let packed = Packed::read(repo)?;
    let now = loose.or_else(|| packed.as_ref()?.get(name.into()));
    Ok((lock, now, packed))
}

/// Whether a packed ref needs as a folder what `name` needs as a file, or the other way round. Among files the file
/// system itself sees to that.
fn clashes(packed: &Packed, name: &str) -> bool {
    let above = |at: usize| packed.get(name[..at].into()).is_some();
    packed.below(&format!("{name}/")).next().is_some() || name.match_indices('/').any(|(at, _)| above(at))
}
