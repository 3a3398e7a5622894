//! One shadow commit, and the chain below it.

use carry_kernel::clock::Timestamp;
use gix::objs::CommitRef;

use super::SHADOWS_MAX;
use crate::git::{ByteSlice as _, ObjectId};
use crate::history::{COMMIT_BYTES_MAX, HistoryError, cannot_read, find_object, no_commit};
use crate::snapshot::NotASnapshot;

/// How the message of each begins.
pub(super) const SUBJECT: &str = "Shadow backup";
/// The trailer that tells ours.
pub(super) const DEVICE: &str = "Carry-Device: ";

/// A shadow commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shadow {
    pub(super) id: ObjectId,
    /// As it stands in the commit.
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    /// The committer's.
    pub(super) time: Timestamp,
    /// Its message.
    pub(super) message: String,
}

impl Shadow {
    /// Whether a Carry wrote it.
    pub(super) fn is_carrys(&self) -> bool {
        self.trailer(DEVICE).is_some()
    }

    /// What stands behind `key` (`Carry-Device: `).
    pub(super) fn trailer(&self, key: &str) -> Option<&str> {
        self.message.lines().skip(1).find_map(|line| line.strip_prefix(key))
    }

    /// The commit that HEAD was at: the parent that is no shadow commit. A HEAD at a shadow commit is told by coming second.
    pub(super) fn head(&self, repo: &gix::Repository) -> Result<Option<ObjectId>, HistoryError> {
        Ok(match self.parents[..] {
            [] => None,
            [only] => (!is_shadow(repo, only)?).then_some(only),
            [first, second, ..] => Some(if is_shadow(repo, first)? { second } else { first }),
        })
    }
}

/// Reads a shadow commit; `None` when the object is none, or larger than any.
pub(super) fn find(repo: &gix::Repository, id: ObjectId) -> Result<Option<Shadow>, HistoryError> {
    if no_commit(repo, id, COMMIT_BYTES_MAX)?.is_some() {
        return Ok(None);
    }
    let object = find_object(repo, id)?;
    let unreadable = |problem: String| cannot_read(&format!("commit {id}"), repo.path(), problem);
    let commit = CommitRef::from_bytes(&object.data, id.kind()).map_err(|e| unreadable(e.to_string()))?;
    if !commit.message.starts_with(SUBJECT.as_bytes()) {
        return Ok(None);
    }
    let time = commit.committer().ok().and_then(|who| who.time().ok()).map_or(0, |time| time.seconds);
    Ok(Some(Shadow {
        id,
        tree: commit.tree(),
        parents: commit.parents().collect(),
        time: Timestamp::from_secs(time),
        message: commit.message.to_str_lossy().into_owned(),
    }))
}

/// The same, where there must be one.
pub(super) fn get(repo: &gix::Repository, id: ObjectId) -> Result<Shadow, HistoryError> {
    let none = || NotASnapshot { commit: id, problem: "it is no shadow commit of git-pulsar".to_owned() };
    Ok(find(repo, id)?.ok_or_else(none)?)
}

/// The chain's commits from `tip` on, which must be one, back to the first. Read one by one as asked for.
pub(super) struct Walk<'r> {
    repo: &'r gix::Repository,
    shallow: bool,
    next: Option<ObjectId>,
    left: u64,
}

pub(super) fn walk(repo: &gix::Repository, tip: Option<ObjectId>) -> Walk<'_> {
    Walk { repo, shallow: repo.is_shallow().unwrap_or(false), next: tip, left: SHADOWS_MAX }
}

impl Iterator for Walk<'_> {
    type Item = Result<Shadow, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let id = self.next.take()?;
        // Below its boundary a shallow clone has nothing, and Git says so by no error.
        if self.shallow && !self.repo.has_object(id) {
            return None;
        }
        let shadow = find(self.repo, id).transpose()?;
        if self.left == 0 {
            let problem = format!("it has more than {SHADOWS_MAX} shadow commits");
            return Some(Err(cannot_read(&format!("the stream that goes on with {id}"), self.repo.path(), problem)));
        }
        self.left -= 1;
        if let Ok(shadow) = &shadow {
            self.next = shadow.parents.first().copied();
        }
        Some(shadow)
    }
}

/// The ids of the whole chain, from `tip` on.
pub(super) fn chain(repo: &gix::Repository, tip: ObjectId) -> Result<Vec<ObjectId>, HistoryError> {
    get(repo, tip)?;
    walk(repo, Some(tip)).map(|shadow| shadow.map(|shadow| shadow.id)).collect()
}

fn is_shadow(repo: &gix::Repository, id: ObjectId) -> Result<bool, HistoryError> {
    Ok(find(repo, id)?.is_some())
}
