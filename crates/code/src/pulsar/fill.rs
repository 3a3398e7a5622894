//! The tree of a shadow commit, with what its writer leaves out without meaning to.
//!
//! git-pulsar stages everything into an empty index. That leaves out tracked files that are ignored, files outside a sparse
//! checkout and submodules that are not checked out; without file modes or links on its file system it loses those; and it
//! writes line endings anew. Each of these looks like a change by the user. What the stream never had otherwise is taken
//! from HEAD's tree instead; what an earlier shadow commit had is a change.

use gix::objs::CommitRef;

use self::doubt::{Doubt, Sign};
use super::shadow::{self, Shadow};
use crate::diff::{self, mode};
use crate::git::{BStr, ByteSlice as _, ObjectId};
use crate::history::{HistoryError, cannot_read, entry_at, find_commit, find_object};
use crate::pack::{Batch, Kind};
use crate::tree::{self, Edit};

mod doubt;
mod ignored;

/// Larger files are not compared by their line endings, in bytes.
const LINES_BYTES_MAX: u64 = 4 << 20;
/// Nor are more than this many bytes of one tree.
const LINES_TOTAL_MAX: u64 = 256 << 20;

/// The tree, filled in. What the repository lacks of it is added to `batch`.
pub(super) fn tree(gix: &gix::Repository, shadow: &Shadow, batch: &mut Batch) -> Result<ObjectId, HistoryError> {
    let Some(head) = shadow.head(gix)? else { return Ok(shadow.tree) };
    let doubts = doubts(gix, tree_of(gix, head)?, shadow.tree)?;
    if doubts.is_empty() {
        return Ok(shadow.tree);
    }
    let meant = doubt::meant(gix, shadow.parents.first().copied(), &doubts)?;
    let mut rules = ignored::Rules::new(gix, shadow.tree);
    let mut edits = Vec::<Edit>::new();
    for (doubt, meant) in doubts.into_iter().zip(meant) {
        // One that is ignored by now went without being deleted.
        if !meant || doubt.sign == Sign::Any && rules.ignore(doubt.path.as_bstr())? {
            edits.push((doubt.path, Some(doubt.instead)));
        }
    }
    if edits.is_empty() {
        return Ok(shadow.tree);
    }
    let mut write = |bytes: &[u8]| {
        let id = Batch::id_of(gix.object_hash(), Kind::Tree, bytes);
        if id.is_null() || gix.has_object(id) { id } else { batch.add(Kind::Tree, bytes) }
    };
    tree::edit(gix, shadow.tree, &edits, &mut write)
        .map_err(|e| cannot_read(&format!("tree {}", shadow.tree), gix.path(), e))
}

/// What may have been lost on the way from `head` to `tree`, by path.
fn doubts(gix: &gix::Repository, head: ObjectId, tree: ObjectId) -> Result<Vec<Doubt>, HistoryError> {
    let mut doubts = Vec::new();
    let mut room = LINES_TOTAL_MAX;
    for delta in diff::trees(gix, Some(head), Some(tree), BStr::new(""))? {
        let Some(old) = delta.old else { continue };
        let doubt = match delta.new {
            None if is_taken(gix, tree, delta.path.as_bstr())? => None,
            // Nothing that git-pulsar does to a submodule takes it away.
            None if old.0 == mode::SUBMODULE => Some((Sign::Never, old)),
            None => Some((Sign::Any, old)),
            Some(new) if old.0 == mode::LINK && new == (mode::FILE, old.1) => Some((Sign::Mode(old.0), old)),
            Some(new) if is_file(old.0) && is_file(new.0) => {
                let lost_mode = (old.0, new.0) == (mode::EXECUTABLE, mode::FILE);
                let lost_lines = old.1 != new.1 && is_same_text(gix, old.1, new.1, &mut room)?;
                let id = if lost_lines { old.1 } else { new.1 };
                match (lost_mode, lost_lines) {
                    (false, false) => None,
                    (true, _) => Some((Sign::Mode(old.0), (old.0, id))),
                    (false, true) => Some((Sign::Content(old.1), (new.0, id))),
                }
            }
            Some(_) => None,
        };
        doubts.extend(doubt.map(|(sign, instead)| Doubt { path: delta.path, sign, instead }));
    }
    Ok(doubts)
}

/// Whether `path` cannot be filled in: something else has its place, or that of a folder it lies in.
fn is_taken(gix: &gix::Repository, tree: ObjectId, path: &BStr) -> Result<bool, HistoryError> {
    let folders = path.find_iter("/").map(|at| path[..at].as_bstr());
    for folder in folders.chain([path]) {
        match entry_at(gix, tree, folder)? {
            Some((mode::FOLDER, _)) if folder.len() < path.len() => {}
            Some(_) => return Ok(true),
            None => return Ok(false),
        }
    }
    Ok(false)
}

/// Whether `new` is `old` but for line endings that were CRLF.
fn is_same_text(gix: &gix::Repository, old: ObjectId, new: ObjectId, room: &mut u64) -> Result<bool, HistoryError> {
    let size = |id| gix.find_header(id).map_or(u64::MAX, |header| header.size());
    let (old_size, new_size) = (size(old), size(new));
    if new_size >= old_size || old_size > LINES_BYTES_MAX || old_size > *room {
        return Ok(false);
    }
    *room -= old_size;
    let (old, new) = (find_object(gix, old)?, find_object(gix, new)?);
    Ok(!diff::is_binary(&old.data) && old.data.replace("\r\n", "\n") == new.data)
}

fn is_file(entry_mode: u32) -> bool {
    matches!(entry_mode, mode::FILE | mode::EXECUTABLE)
}

fn tree_of(gix: &gix::Repository, commit: ObjectId) -> Result<ObjectId, HistoryError> {
    let unreadable = |problem: String| cannot_read(&format!("commit {commit}"), gix.path(), problem);
    let object = find_commit(gix, commit)?;
    Ok(CommitRef::from_bytes(&object.data, commit.kind()).map_err(|e| unreadable(e.to_string()))?.tree())
}
