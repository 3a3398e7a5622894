//! Which paths count.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use crate::git;

/// Everything in the working tree's own git directory and the one it shares, except what Carry may write.
#[track_caller]
pub(super) fn git(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let dir = |which| PathBuf::from(git::read(root, ["rev-parse", "--path-format=absolute", which]));
    let (own, common) = (dir("--git-dir"), dir("--git-common-dir"));
    let mut entries = BTreeMap::new();
    collect(&own, Path::new("git"), &is_carrys, &mut entries);
    if own != common {
        collect(&common, Path::new("common"), &is_carrys, &mut entries);
    }
    // Folders of the git directory change their time whenever Git or we put a lock beside a file.
    entries.retain(|_, entry| !entry.is_folder());
    entries
}

/// Everything below the root except its `.git`.
#[track_caller]
pub(super) fn working_tree(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut entries = BTreeMap::new();
    collect(root, Path::new("tree"), &|path| path == Path::new(".git"), &mut entries);
    entries
}

/// What Carry writes in a git directory: objects, and refs below its two names. `objects/info/alternates` is the user's.
fn is_carrys(path: &Path) -> bool {
    let object = path.starts_with("objects") && !path.starts_with("objects/info");
    let derived = path == Path::new("objects/info/packs") || path.starts_with("objects/info/commit-graph");
    let folder = path == Path::new("objects");
    let line = path.starts_with("refs/carry") || path.starts_with("refs/carry-keep") || is_tables(path);
    (object && !folder) || derived || line
}

/// Reftable repositories keep all refs in files that every change of a ref rewrites; compare `git for-each-ref` there.
fn is_tables(path: &Path) -> bool {
    path.starts_with("reftable")
}

fn collect(base: &Path, name: &Path, skip: &dyn Fn(&Path) -> bool, into: &mut BTreeMap<PathBuf, Entry>) {
    let mut pending = vec![PathBuf::new()];
    while let Some(below) = pending.pop() {
        let path = base.join(&below);
        // A file that vanishes while we look is gone; the comparison says so.
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        if meta.is_dir() {
            let children = fs::read_dir(&path).into_iter().flatten().flatten();
            pending.extend(children.map(|child| below.join(child.file_name())).filter(|child| !skip(child)));
        }
        let is_packed_refs = below == Path::new("packed-refs");
        let mut entry = Entry::of(&path, &meta, |bytes| if is_packed_refs { without_ours(&bytes) } else { bytes });
        if is_packed_refs {
            // Git rewrites the file when a ref of ours is packed or deleted.
            entry.forget_time();
        }
        into.insert(name.join(below), entry);
    }
}

/// `packed-refs` without our refs and what they peel to.
fn without_ours(text: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let mut was_ours = false;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let name = line.splitn(2, |byte| *byte == b' ').nth(1).unwrap_or_default();
        let is_peeled = line.starts_with(b"^");
        was_ours = if is_peeled {
            was_ours
        } else {
            name.starts_with(b"refs/carry/") || name.starts_with(b"refs/carry-keep/")
        };
        if !was_ours {
            kept.extend_from_slice(line);
        }
    }
    kept
}
