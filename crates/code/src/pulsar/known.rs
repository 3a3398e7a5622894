//! What was found out about a stream's tip, kept in a ref: its number, its chain's first commit, and its tree as filled in.
//!
//! The ref points at a commit of ours with that tree and the shadow commit as its parent. So Git keeps the tree, and counting
//! a long stream again takes no more steps than it grew by. Nothing depends on it: without it everything is found again.

use carry_kernel::clock::Timestamp;
use gix::objs::CommitRef;

use super::Stream;
use crate::git::{ByteSlice as _, ObjectId};
use crate::history;
use crate::keeper::IDENTITY;
use crate::repo::Repo;

/// Where these refs live.
pub(super) const READ: &str = "refs/carry-keep/pulsar-read/";
/// How their messages begin. Another number means that they say other things, or that trees were filled in by
/// other rules.
const SUBJECT: &str = "carry stream 2\n\ncount ";
/// What stands before the first commit's id.
const ROOT: &str = "\nroot ";

/// What is known of a tip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// The shadow commit.
    pub(super) shadow: ObjectId,
    /// Its number in the stream.
    pub(super) count: u64,
    /// The oldest shadow commit of its chain.
    pub(super) root: ObjectId,
    /// Its tree, filled in.
    pub(super) tree: ObjectId,
}

impl Known {
    /// The commit that says so (without its header).
    pub(super) fn to_commit(&self, time: Timestamp) -> Vec<u8> {
        let Self { shadow, count, root, tree } = self;
        let who = format!("{IDENTITY} {} +0000", time.as_secs().max(0));
        format!("tree {tree}\nparent {shadow}\nauthor {who}\ncommitter {who}\n\n{SUBJECT}{count}{ROOT}{root}\n")
            .into_bytes()
    }
}

impl Stream {
    pub(super) fn read_ref(&self) -> String {
        self.below(READ)
    }
}

/// What the ref of `stream` says, and what it points at. What cannot be read is not known.
pub(super) fn find(repo: &Repo, gix: &gix::Repository, stream: &Stream) -> (Option<Known>, Option<ObjectId>) {
    let Ok(Some(id)) = crate::refs::read(repo, &stream.read_ref()) else { return (None, None) };
    (read(gix, id), Some(id))
}

fn read(gix: &gix::Repository, id: ObjectId) -> Option<Known> {
    let object = history::find_commit(gix, id).ok()?;
    let commit = CommitRef::from_bytes(&object.data, id.kind()).ok()?;
    let (count, root) = commit.message.to_str().ok()?.strip_prefix(SUBJECT)?.trim_end().split_once(ROOT)?;
    let (count, root) = (count.parse().ok()?, ObjectId::from_hex(root.as_bytes()).ok()?);
    let tree = commit.tree();
    let known = Known { shadow: commit.parents().next()?, count, root, tree };
    (tree.is_empty_tree() || gix.has_object(tree)).then_some(known)
}
