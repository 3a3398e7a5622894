//! What a watcher would say: the paths that changed between two moments, from comparing two walks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use carry_code::git::BString;
use carry_testkit::rng::Rng;

/// A working tree at one moment: kind, and of files all that tells a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Walk(BTreeMap<PathBuf, (u32, u64, [i64; 5])>);

impl Walk {
    /// Of everything below `root` but its `.git`.
    pub(super) fn of(root: &Path) -> Self {
        let mut walk = Self::default();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
                let path = folder.join(entry.file_name());
                let Ok(meta) = fs::symlink_metadata(root.join(&path)) else { continue };
                if path == Path::new(".git") {
                    continue;
                }
                let mut details = [0; 5];
                if meta.is_dir() {
                    folders.push(path.clone());
                } else {
                    let size = meta.size().cast_signed();
                    details = [size, meta.mtime(), meta.mtime_nsec(), meta.ctime(), meta.ctime_nsec()];
                }
                let mode = if meta.is_dir() { meta.mode() & 0o170_000 } else { meta.mode() };
                walk.0.insert(path, (mode, meta.ino(), details));
            }
        }
        walk
    }

    /// What changed since `before`. A folder that came or went is sometimes all that is said of what is in it, for nobody
    /// had watched it before, or it was moved in one piece.
    pub(super) fn changed_since(&self, before: &Self, rng: &mut Rng) -> BTreeSet<BString> {
        let whole_folders = rng.chance(50);
        let mut changed: BTreeSet<&PathBuf> = BTreeSet::new();
        changed.extend(self.0.iter().filter(|(path, what)| before.0.get(*path) != Some(what)).map(|(path, _)| path));
        changed.extend(before.0.keys().filter(|path| !self.0.contains_key(*path)));
        let folder_changed = |path: &Path| {
            let parents = path.ancestors().skip(1);
            parents.filter(|p| !p.as_os_str().is_empty()).any(|p| changed.iter().any(|c| c.as_path() == p))
        };
        let said = changed.iter().filter(|path| !whole_folders || !folder_changed(path));
        said.map(|path| BString::from(path.as_os_str().as_bytes())).collect()
    }
}
