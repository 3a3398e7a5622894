//! A snapshot: a commit of a working tree off the user's branches, and what its message says.
//!
//! Parents, in order: HEAD if there is one, then the side commit with the staged state if there is one (the
//! trailers `Carry-Head` and `Carry-Staged` say which is which). A snapshot never changes. The line's ref points at a *keeper*:
//! a commit whose tree is the newest snapshot's and whose parents are the previous keeper (if any) and the snapshot.

use carry_kernel::clock::Timestamp;
use carry_kernel::hlc::Hlc;
use carry_kernel::id::{DeviceId, TreeId};

use crate::git::{BString, ObjectId};
use crate::line::Branch;
use crate::seen::Seen;

mod decode;
mod encode;
#[cfg(test)]
mod tests;

/// What Git is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// `MERGE_HEAD` is there.
    Merge,
    /// `rebase-merge` or `rebase-apply` is there.
    Rebase,
    /// `rebase-apply/applying` is there.
    Am,
    /// `CHERRY_PICK_HEAD` is there.
    CherryPick,
    /// `REVERT_HEAD` is there.
    Revert,
    /// `BISECT_LOG` is there.
    Bisect,
}

/// Why one path was left as it was last known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReason {
    /// Larger than the limit.
    TooLarge,
    /// Permission denied or an I/O error.
    Unreadable,
    /// FIFO, socket or device.
    Special,
    /// Changed each time it was read.
    Changing,
    /// Its clean filter failed.
    FilterFailed,
    /// A name Git does not accept.
    InvalidName,
    /// Left out because the budget is nearly used up.
    OverBudget,
}

/// A path that a snapshot does not hold as it is on disk.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Skipped {
    /// From the root of the working tree.
    pub path: BString,
    /// Why.
    pub reason: SkipReason,
}

/// What a snapshot's message says. Written and read by [`Meta::to_message`] and [`Meta::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// First line: what changed.
    pub subject: String,
    /// `Carry-Device`.
    pub device: DeviceId,
    /// `Carry-Tree`.
    pub tree_id: TreeId,
    /// `Carry-Branch`.
    pub branch: Branch,
    /// `Carry-Head`: the commit HEAD was at; `None` (written `unborn`) on an unborn branch.
    pub head: Option<ObjectId>,
    /// `Carry-Staged`: the side commit.
    pub staged: Option<ObjectId>,
    /// `Carry-Hlc`.
    pub hlc: Hlc,
    /// `Carry-Seen`: what it builds on, itself included.
    pub seen: Seen,
    /// `Carry-State`.
    pub state: Option<State>,
    /// `Carry-Skipped`, one each: `<reason> <path>`; at most [`SKIPPED_MAX`], then `Carry-Skipped-More: n`.
    pub skipped: Vec<Skipped>,
    /// How many more were skipped than are named.
    pub skipped_more: u64,
    /// `Carry-Nested`, one each: a nested repository that was left out (at most [`SKIPPED_MAX`]).
    pub nested: Vec<BString>,
    /// `Carry-Bytes`: what this capture wrote, compressed.
    pub bytes: u64,
}

/// A snapshot as read from Git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// Its commit.
    pub commit: ObjectId,
    /// Its tree.
    pub tree: ObjectId,
    /// When it was made (committer time, in whole seconds, from the wall clock).
    pub time: Timestamp,
    /// What its message says.
    pub meta: Meta,
}

/// Most skipped or nested paths one message names.
pub const SKIPPED_MAX: usize = 50;
/// Longest path that a message names, in bytes.
pub const PATH_BYTES_MAX: usize = 4096;
/// Longest subject, in characters.
pub const SUBJECT_CHARS_MAX: usize = 200;
/// Largest message that is read, in bytes: more than any that is written.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// A message that is not a snapshot's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("commit {commit} is not a snapshot: {problem}")]
pub struct NotASnapshot {
    /// The commit.
    pub commit: ObjectId,
    /// What is wrong or missing.
    pub problem: String,
}

impl Meta {
    /// The commit message, ending in a line feed. Paths are quoted so that any bytes survive.
    ///
    /// The subject is made one line without control characters, at most [`SUBJECT_CHARS_MAX`] long. Skipped paths
    /// past [`SKIPPED_MAX`], and ones longer than [`PATH_BYTES_MAX`], are counted instead of named; nested ones are left out.
    pub fn to_message(&self) -> Vec<u8> {
        encode::message(self).into_bytes()
    }

    /// Reads a message back. Unknown trailers are ignored; so are a state and a reason that a newer Carry may know.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(message: &[u8]) -> Result<Self, String> {
        decode::message(message)
    }
}

impl Snapshot {
    /// Reads a snapshot commit from its raw object bytes. Its parents must be those that its message names.
    ///
    /// # Errors
    /// [`NotASnapshot`].
    pub fn from_commit(id: ObjectId, raw: &[u8]) -> Result<Self, NotASnapshot> {
        decode::commit(id, raw).map_err(|problem| NotASnapshot { commit: id, problem })
    }
}

impl State {
    const ALL: [(Self, &str); 6] = [
        (Self::Merge, "merge"),
        (Self::Rebase, "rebase"),
        (Self::Am, "am"),
        (Self::CherryPick, "cherry-pick"),
        (Self::Revert, "revert"),
        (Self::Bisect, "bisect"),
    ];

    /// As written in messages, databases and output: `cherry-pick`.
    pub fn name(self) -> &'static str {
        name_of(&Self::ALL, &self)
    }

    /// The state of that name; `None` for one that is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(state, _)| *state)
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl SkipReason {
    const ALL: [(Self, &str); 7] = [
        (Self::TooLarge, "too-large"),
        (Self::Unreadable, "unreadable"),
        (Self::Special, "special"),
        (Self::Changing, "changing"),
        (Self::FilterFailed, "filter-failed"),
        (Self::InvalidName, "invalid-name"),
        (Self::OverBudget, "over-budget"),
    ];

    /// As written in messages, databases and output: `too-large`.
    pub fn name(&self) -> &'static str {
        name_of(&Self::ALL, self)
    }

    /// The reason of that name; `None` for one that is not known.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(reason, _)| reason.clone())
    }
}

impl std::fmt::Display for SkipReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn name_of<T: PartialEq>(all: &[(T, &'static str)], wanted: &T) -> &'static str {
    all.iter().find(|(one, _)| one == wanted).map(|(_, name)| *name).expect("every variant has a name")
}
