//! Packs that nobody can read: their process died between giving the pack its name and giving the index its.
//!
//! Git passes over a pack without an index, and never removes it.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::fold::multi_pack_index;
use super::gc;
use super::writer::TEMPORARY;
use crate::git::ByteSlice as _;

/// Whoever writes a pack gives it an index within moments.
const AGE_MIN: Duration = Duration::from_secs(10 * 60);

/// Age at which a temporary file is a leftover. Large ones are written for a while, and the machine may sleep meanwhile.
const TEMPORARY_AGE_MIN: Duration = Duration::from_secs(24 * 60 * 60);

/// The packs below `objects` that have had no index for ten minutes at `now`, by name. Nobody keeps them, and no
/// multi-pack index names them.
pub fn without_index(objects: &Path, now: SystemTime) -> Vec<PathBuf> {
    let is_orphan = |path: &PathBuf| {
        let is_pack = path.extension().is_some_and(|e| e == "pack")
            && path.file_stem().is_some_and(|stem| stem.as_encoded_bytes().starts_with(b"pack-"));
        is_pack && is_gone(&path.with_extension("keep")) && is_older(path, AGE_MIN, now) && lacks_index(objects, path)
    };
    let mut orphans: Vec<PathBuf> = files(objects).filter(is_orphan).collect();
    orphans.sort();
    orphans
}

/// Removes those of `ours` that have no index, and temporary files of ours that are a day old. Returns how many. Does
/// nothing while Git collects.
pub fn remove_orphans(objects: &Path, ours: &[PathBuf]) -> usize {
    let Some(now) = stamp(objects) else { return 0 };
    let is_temporary = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()))
            && is_older(path, TEMPORARY_AGE_MIN, now)
    };
    let mut leftovers: Vec<PathBuf> = files(objects).filter(is_temporary).collect();
    leftovers.extend(without_index(objects, now).into_iter().filter(|path| ours.contains(path)));
    if leftovers.is_empty() || gc::is_running(objects) {
        return 0;
    }
    let remove = |path: &&PathBuf| {
        tracing::info!(path = %path.display(), "removing what a process that died left");
        std::fs::remove_file(path).is_ok()
    };
    leftovers.iter().filter(remove).count()
}

/// Whether Git cannot read the pack at `path`. It does without the pack's own index where a multi-pack index names the pack.
pub(super) fn lacks_index(objects: &Path, path: &Path) -> bool {
    let is_named = || {
        let names = multi_pack_index(objects);
        path.file_stem().is_some_and(|stem| names.contains_str(stem.as_encoded_bytes()))
    };
    is_gone(&path.with_extension("idx")) && !is_named()
}

/// What a new file is stamped with: the time by the clock that stamped the packs.
fn stamp(objects: &Path) -> Option<SystemTime> {
    tempfile::tempfile_in(objects).and_then(|file| file.metadata()?.modified()).ok()
}

fn files(objects: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(objects.join("pack")).into_iter().flatten().flatten();
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())).map(|entry| entry.path())
}

/// Whether nothing is at `path`. One that cannot be looked at does not count.
fn is_gone(path: &Path) -> bool {
    matches!(path.try_exists(), Ok(false))
}

fn is_older(path: &Path, age: Duration, now: SystemTime) -> bool {
    let modified = path.metadata().and_then(|found| found.modified());
    modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|found| found >= age))
}

#[cfg(test)]
mod tests;
