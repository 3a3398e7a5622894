//! What the user had staged: Git's index, read and recorded beside a snapshot.
//!
//! When the index differs from HEAD, a *side commit* records it. Its tree has one folder per index stage that has
//! entries (`0` for what is staged, `1` to `3` for a conflict's base, ours and theirs), each with full paths below. Its message names
//! intent-to-add and flagged paths in trailers. No side commit means: the index is what HEAD is.

use sha2::{Digest as _, Sha256};

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice, ObjectId};
use crate::pack::Kind;
use crate::shadow_index::git_mode;

/// What Git's index says beyond the files' status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// The side commit's tree.
    pub tree: ObjectId,
    /// The tree of what is staged (stage 0), if anything is.
    pub staged: Option<ObjectId>,
    /// The side commit's message.
    pub message: Vec<u8>,
}

/// Most flagged paths a side commit names of each kind; sparse checkouts, whose flags come from patterns, name none.
const FLAGGED_MAX: usize = 10_000;

/// Digest of everything Git's index says but the files' status: paths, modes, ids, stages and flags.
pub fn digest(user: &gix::index::State) -> [u8; 32] {
    use gix::index::entry::Flags;
    let kept = Flags::STAGE_MASK | Flags::ASSUME_VALID | Flags::INTENT_TO_ADD | Flags::SKIP_WORKTREE;
    let mut hash = Sha256::new();
    let mut buf = Vec::with_capacity(64 * 1024);
    for entry in user.entries() {
        buf.extend_from_slice(&entry.mode.bits().to_le_bytes());
        buf.extend_from_slice(&(entry.flags & kept).bits().to_le_bytes());
        buf.extend_from_slice(entry.id.as_slice());
        buf.extend_from_slice(entry.path(user));
        buf.push(0);
        if buf.len() > 60 * 1024 {
            hash.update(&buf);
            buf.clear();
        }
    }
    hash.update(&buf);
    hash.finalize().into()
}

/// Replaces the folders of a sparse index by the files below them, which Git leaves out to save space.
///
/// # Errors
/// A tree cannot be read.
pub fn expand_sparse(
    user: &mut gix::index::State,
    repo: &gix::Repository,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    use gix::index::entry::{Flags, Mode, Stat};
    let folders: Vec<(BString, ObjectId)> =
        user.entries().iter().filter(|e| e.mode.is_sparse()).map(|e| (e.path(user).to_owned(), e.id)).collect();
    if folders.is_empty() {
        return Ok(());
    }
    user.remove_entries(|_, _, entry| entry.mode.is_sparse());
    for (folder, tree) in folders {
        for delta in crate::diff::trees(repo, None, Some(tree), BStr::new(b""))? {
            let (bits, id) = delta.new.expect("compared with nothing, everything is new");
            let Some(mode) = Mode::from_bits(bits) else { continue };
            let path = [folder.as_slice(), delta.path.as_slice()].concat();
            user.dangerously_push_entry(
                Stat::default(),
                id,
                Flags::SKIP_WORKTREE | Flags::EXTENDED,
                mode,
                path.as_bstr(),
            );
        }
    }
    user.sort_entries();
    Ok(())
}

/// Records Git's index; `None` when it holds just what `head_tree` does and nothing is in conflict or intended to be added.
/// `write` stores a tree object and returns its id; `sparse` says that skip-worktree flags come from patterns.
pub fn record(
    user: &gix::index::State,
    head_tree: Option<ObjectId>,
    sparse: bool,
    write: &mut dyn FnMut(Kind, &[u8]) -> ObjectId,
    hash_only: &mut dyn FnMut(&[u8]) -> ObjectId,
) -> Option<Side> {
    use gix::index::entry::Flags;
    let stage = |n: u32| {
        user.entries()
            .iter()
            .filter(move |e| e.stage_raw() == n && !e.flags.contains(Flags::INTENT_TO_ADD))
            .map(|e| (git_mode(e), e.id, e.path(user)))
    };
    let conflicts = user.entries().iter().any(|e| e.stage_raw() != 0);
    let intended = user.entries().iter().any(|e| e.flags.contains(Flags::INTENT_TO_ADD));
    let head_tree = head_tree.unwrap_or_else(|| ObjectId::empty_tree(user.object_hash()));
    if !conflicts && !intended {
        let staged = crate::tree::build(stage(0), &mut |bytes| hash_only(bytes));
        if staged == head_tree {
            return None;
        }
    }
    let mut root: Vec<(u32, ObjectId, &BStr)> = Vec::new();
    let mut staged = None;
    for (n, name) in [b"0", b"1", b"2", b"3"].into_iter().enumerate() {
        if stage(u32::try_from(n).expect("0 to 3")).next().is_some() {
            let id =
                crate::tree::build(stage(u32::try_from(n).expect("0 to 3")), &mut |bytes| write(Kind::Tree, bytes));
            root.push((mode::FOLDER, id, name.as_bstr()));
            if n == 0 {
                staged = Some(id);
            }
        }
    }
    let tree = write(Kind::Tree, &crate::tree::encode(&root));
    Some(Side { tree, staged, message: message(user, sparse) })
}

fn message(user: &gix::index::State, sparse: bool) -> Vec<u8> {
    use gix::index::entry::Flags;
    let mut text = b"carry staged\n".to_vec();
    let mut trailers = Vec::new();
    for (name, flag) in [
        ("Carry-Intent-To-Add", Flags::INTENT_TO_ADD),
        ("Carry-Skip-Worktree", Flags::SKIP_WORKTREE),
        ("Carry-Assume-Unchanged", Flags::ASSUME_VALID),
    ] {
        if sparse && flag == Flags::SKIP_WORKTREE {
            continue;
        }
        for entry in user.entries().iter().filter(|e| e.flags.contains(flag)).take(FLAGGED_MAX) {
            trailers.extend_from_slice(format!("{name}: {}\n", crate::line::quote::quote(entry.path(user))).as_bytes());
        }
    }
    if !trailers.is_empty() {
        text.push(b'\n');
        text.extend_from_slice(&trailers);
    }
    text
}
