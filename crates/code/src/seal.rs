//! The seal: the commit that is published in place of a keeper, signed by the device whose line it is.
//!
//! Whoever can write to a Git remote can put anything there. A seal says whose line it is, under which key, and how often it
//! was published, and its signature covers the keeper it stands on. Its tree is the keeper's and its only parent is the keeper.
//!
//! A seal has one form in bytes, so that nothing in it goes unsigned but its tree and date, and those are the keeper's.

use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;

use crate::git::ObjectId;
use crate::line::{Branch, LineName};

mod decode;
mod encode;
#[cfg(test)]
mod tests;

/// The first line of a seal's message.
pub const SUBJECT: &str = "carry seal";
/// Largest message that is read, in bytes: more than any that is written.
pub const MESSAGE_BYTES_MAX: usize = 64 * 1024;
/// Longest label that is written or read, in characters.
pub const LABEL_CHARS_MAX: usize = 100;

/// What a seal says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Whose line, of which tree and branch. The component is that of `branch`.
    pub line: LineName,
    /// The branch.
    pub branch: Branch,
    /// The keeper it stands on.
    pub keeper: ObjectId,
    /// The device's label, for people. As read it is fit for a terminal.
    pub label: String,
    /// The device's public key; the device's id was made of it.
    pub key: [u8; 32],
    /// How often this line was published, this time included. A later seal has a greater one.
    pub count: u64,
    /// Whether the work of the line's newest snapshot went into a commit, so that nobody needs to take it over.
    pub finished: bool,
}

/// A commit that is no seal, or one that cannot be trusted.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("commit {commit} is not a seal: {problem}")]
pub struct NotASeal {
    /// The commit.
    pub commit: ObjectId,
    /// What is wrong.
    pub problem: String,
}

impl Seal {
    /// The raw commit object (without its header). `tree` and `time` are the keeper's; `sign` is the device's.
    pub fn to_commit(&self, tree: ObjectId, time: Timestamp, sign: &dyn Fn(&[u8]) -> [u8; 64]) -> Vec<u8> {
        let message = encode::signed_message(self, sign);
        [encode::header(tree, self.keeper, time.as_secs()).as_bytes(), message.as_bytes()].concat()
    }

    /// Reads a seal and checks its signature, that the key fits the device's id, and that it has exactly one parent.
    /// Whether that parent is a keeper is for the caller to see.
    ///
    /// # Errors
    /// [`NotASeal`].
    pub fn from_commit(id: ObjectId, raw: &[u8]) -> Result<Self, NotASeal> {
        decode::commit(id, raw).map_err(|problem| NotASeal { commit: id, problem })
    }

    /// Whether a raw commit object says that it is a seal, true or not. Looks at its beginning only.
    pub fn is_claimed(id: ObjectId, raw: &[u8]) -> bool {
        decode::is_claimed(id, raw)
    }

    /// The tree it is of.
    pub fn tree(&self) -> &TreeId {
        &self.line.tree
    }
}
