//! Differences between snapshots, and between a snapshot and the working tree.

use std::cmp::Ordering;

use gix::diff::blob::{Algorithm, Diff, InternedInput};

use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::history::{Entry, HistoryError, entries, entry_at};
use crate::message::Change;
use crate::repo::Repo;

#[cfg(test)]
mod tests;
mod unified;

/// How far into a file Git looks for a NUL, in bytes.
const BINARY_BYTES: usize = 8000;

/// Modes as Git writes them.
pub mod mode {
    /// A plain file.
    pub const FILE: u32 = 0o100_644;
    /// An executable file.
    pub const EXECUTABLE: u32 = 0o100_755;
    /// A symbolic link.
    pub const LINK: u32 = 0o120_000;
    /// A submodule.
    pub const SUBMODULE: u32 = 0o160_000;
    /// A folder.
    pub const FOLDER: u32 = 0o040_000;
}

/// A path that differs, with modes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta {
    /// From the root.
    pub path: BString,
    /// Before: mode and id.
    pub old: Option<(u32, ObjectId)>,
    /// After: mode and id.
    pub new: Option<(u32, ObjectId)>,
}

/// Paths (files, not folders) that differ between two trees, below `path` (empty: all), by path. `None` is the empty tree.
///
/// A file that became a folder is deleted, and the files in the folder are new. Names are as they stand in the trees:
/// a tree from elsewhere may hold ones that no file system should see.
///
/// # Errors
/// [`HistoryError::Git`].
pub fn trees(
    repo: &gix::Repository,
    old: Option<ObjectId>,
    new: Option<ObjectId>,
    path: &BStr,
) -> Result<Vec<Delta>, HistoryError> {
    let at = |tree: Option<ObjectId>| tree.map_or(Ok(None), |tree| entry_at(repo, tree, path));
    let (old, new) = (at(old)?, at(new)?);
    let mut found = Found::default();
    found.compare(path.to_owned(), old, new);
    while let Some((folder, old, new)) = found.folders.pop() {
        let list = |tree: Option<ObjectId>| tree.map_or(Ok(Vec::new()), |tree| sorted_entries(repo, tree));
        let (mut old, mut new) = (list(old)?.into_iter().peekable(), list(new)?.into_iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(old), Some(new)) => old.name.cmp(&new.name),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let old = old.next_if(|_| order != Ordering::Greater);
            let new = new.next_if(|_| order != Ordering::Less);
            let (old_entry, new_entry) = (old.as_ref().map(|e| (e.mode, e.id)), new.as_ref().map(|e| (e.mode, e.id)));
            if let Some(entry) = old.or(new).filter(|_| old_entry != new_entry) {
                found.compare(join(&folder, &entry.name), old_entry, new_entry);
            }
        }
    }
    // Folders are compared in no order; and a folder sorts by its name plus `/`, which files do not know.
    found.deltas.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found.deltas)
}

/// Added and removed lines between two blobs; `None` for binary ones.
pub fn line_counts(old: &[u8], new: &[u8]) -> Option<(usize, usize)> {
    if is_binary(old) || is_binary(new) {
        return None;
    }
    let input = InternedInput::new(old, new);
    let diff = Diff::compute(Algorithm::Myers, &input);
    Some((diff.count_additions() as usize, diff.count_removals() as usize))
}

/// Whether Git would take the content for binary: a NUL near its beginning.
pub fn is_binary(content: &[u8]) -> bool {
    content[..content.len().min(BINARY_BYTES)].contains(&0)
}

/// A unified diff of one delta as Git prints it, without colour. Binary blobs give Git's one line for them.
///
/// Content that is not UTF-8 is shown with replacement characters.
///
/// # Errors
/// [`HistoryError::Git`].
pub fn unified(repo: &Repo, delta: &Delta) -> Result<String, HistoryError> {
    unified::unified(&repo.gix(), delta).map(|text| text.to_str_lossy().into_owned())
}

/// As changes, for messages.
pub fn to_changes(deltas: &[Delta]) -> Vec<Change> {
    deltas.iter().map(|d| Change { path: d.path.clone(), old: d.old.map(|o| o.1), new: d.new.map(|n| n.1) }).collect()
}

/// What a comparison has found, and the folders it still has to look into.
#[derive(Default)]
struct Found {
    deltas: Vec<Delta>,
    folders: Vec<(BString, Option<ObjectId>, Option<ObjectId>)>,
}

impl Found {
    fn compare(&mut self, path: BString, old: Option<(u32, ObjectId)>, new: Option<(u32, ObjectId)>) {
        let folder = |entry: Option<(u32, ObjectId)>| entry.filter(|e| e.0 == mode::FOLDER).map(|e| e.1);
        let file = |entry: Option<(u32, ObjectId)>| entry.filter(|e| e.0 != mode::FOLDER);
        if folder(old) != folder(new) {
            self.folders.push((path.clone(), folder(old), folder(new)));
        }
        if file(old) != file(new) {
            self.deltas.push(Delta { path, old: file(old), new: file(new) });
        }
    }
}

/// The entries of a tree by name alone. Git sorts a folder as if its name ended in `/`; here a file and the folder that
/// took its place must meet.
fn sorted_entries(repo: &gix::Repository, tree: ObjectId) -> Result<Vec<Entry>, HistoryError> {
    let mut entries = entries(repo, tree)?;
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

fn join(folder: &BString, name: &BString) -> BString {
    if folder.is_empty() { name.clone() } else { [folder.as_slice(), b"/", name].concat().into() }
}
