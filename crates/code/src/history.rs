//! Reading lines back: which there are, their snapshots newest first, and finding one by id or time.

use std::path::Path;

use carry_kernel::clock::Timestamp;
use carry_kernel::id::TreeId;
use gix::objs::CommitRef;

use crate::diff::mode;
use crate::git::{BStr, BString, ByteSlice as _, ObjectId};
use crate::line::{LINES, LineName};
use crate::repo::Repo;
use crate::seal::{NotASeal, Seal};
use crate::snapshot::{MESSAGE_BYTES_MAX, NotASnapshot, Snapshot};

mod find;
#[cfg(test)]
pub(crate) mod fixture;
mod merge;
mod sealed;
#[cfg(test)]
mod tests;

/// A line as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its name.
    pub name: LineName,
    /// What its ref points at: the keeper itself, or the seal on it. What moves the ref compares with this.
    pub tip: ObjectId,
    /// The newest keeper.
    pub keeper: ObjectId,
    /// What the seal says, if its ref points at one. Its signature holds, and it is of this line; whether its key is the
    /// one that is known of the device is for [`crate::tips`] to say.
    pub seal: Option<Seal>,
}

/// Why history could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// Git could not give an object or ref.
    #[error("cannot read {what} in {}", repo.display())]
    Git {
        /// What was asked for.
        what: String,
        /// Where.
        repo: std::path::PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A commit where a snapshot should be is none.
    #[error(transparent)]
    NotASnapshot(#[from] NotASnapshot),
    /// A commit where a seal should be is none that can be trusted.
    #[error(transparent)]
    NotASeal(#[from] NotASeal),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] carry_kernel::db::DbError),
    /// Nothing fits what was asked for.
    #[error("no snapshot matches {spec:?}")]
    NoMatch {
        /// What was asked for.
        spec: String,
    },
    /// It is a time before the first snapshot that is kept.
    #[error("no snapshot is as old as {spec:?}; the oldest is of {oldest}")]
    TooEarly {
        /// What was asked for.
        spec: String,
        /// When the oldest one was made.
        oldest: Timestamp,
    },
    /// Several do.
    #[error("{spec:?} matches {n} snapshots")]
    Ambiguous {
        /// What was asked for.
        spec: String,
        /// How many.
        n: usize,
    },
    /// It is neither an id nor a time.
    #[error("{spec:?} is neither a snapshot id nor a time such as `10 minutes ago` or `2026-11-20 10:55`")]
    BadSpec {
        /// What was given.
        spec: String,
    },
}

/// All lines in a repository, of all devices and trees, by name. Refs that are no lines are passed over.
///
/// # Errors
/// [`HistoryError::Git`].
pub fn lines(repo: &Repo) -> Result<Vec<Line>, HistoryError> {
    lines_where(repo, |_| true)
}

/// As [`lines`], those that `wanted` names; no object of the others is read.
///
/// # Errors
/// [`HistoryError::Git`].
pub fn lines_where(repo: &Repo, wanted: impl Fn(&LineName) -> bool) -> Result<Vec<Line>, HistoryError> {
    let refs = crate::refs::list(repo, LINES).map_err(|e| cannot_read("the lines", repo.root(), e))?;
    let named = refs.into_iter().filter_map(|(name, tip)| Some((LineName::from_ref(&name)?, tip)));
    let gix = repo.gix();
    let mut lines: Vec<Line> =
        named.filter(|(name, _)| wanted(name)).map(|(name, tip)| sealed::resolve(&gix, name, tip)).collect();
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(lines)
}

/// One line; `None` when it has no snapshot.
///
/// # Errors
/// [`HistoryError::Git`].
pub fn line(repo: &Repo, name: &LineName) -> Result<Option<Line>, HistoryError> {
    let tip = crate::refs::read(repo, &name.ref_name()).map_err(|e| cannot_read(&name.ref_name(), repo.root(), e))?;
    Ok(tip.map(|tip| sealed::resolve(&repo.gix(), name.clone(), tip)))
}

/// A line's newest snapshot.
///
/// # Errors
/// [`HistoryError`].
pub fn newest(repo: &gix::Repository, line: &Line) -> Result<Snapshot, HistoryError> {
    keeper(repo, line.keeper).map(|(snapshot, _)| snapshot)
}

/// The seal that a commit is, whose signature holds; `None` when it does not say that it is one.
///
/// # Errors
/// [`HistoryError`], also for a seal that cannot be trusted.
pub fn seal(repo: &gix::Repository, tip: ObjectId) -> Result<Option<Seal>, HistoryError> {
    sealed::read(repo, tip)
}

/// The keeper's snapshot and the keeper before it. A seal is no keeper: [`Line`] says which one it stands on.
///
/// # Errors
/// [`HistoryError`].
pub fn keeper(repo: &gix::Repository, keeper: ObjectId) -> Result<(Snapshot, Option<ObjectId>), HistoryError> {
    let no_keeper = |problem: &str| NotASnapshot { commit: keeper, problem: format!("not a keeper: {problem}") };
    let object = find_commit(repo, keeper)?;
    let commit = CommitRef::from_bytes(&object.data, keeper.kind()).map_err(|e| no_keeper(&e.to_string()))?;
    if commit.message != crate::keeper::MESSAGE {
        let problem = if Seal::is_claimed(keeper, &object.data) { "it is a seal" } else { "its message is another" };
        return Err(no_keeper(problem).into());
    }
    let (tree, parents): (ObjectId, Vec<ObjectId>) = (commit.tree(), commit.parents().collect());
    let (previous, id) = match parents[..] {
        [snapshot] => (None, snapshot),
        [previous, snapshot] => (Some(previous), snapshot),
        _ => return Err(no_keeper("it has neither one parent nor two").into()),
    };
    let snapshot = snapshot(repo, id)?;
    if snapshot.tree != tree {
        return Err(no_keeper("its tree is not its snapshot's").into());
    }
    Ok((snapshot, previous))
}

/// One snapshot, by the full id of its commit.
///
/// # Errors
/// [`HistoryError`].
pub fn snapshot(repo: &gix::Repository, commit: ObjectId) -> Result<Snapshot, HistoryError> {
    let object = find_commit_of(repo, commit, MESSAGE_BYTES_MAX as u64 + COMMIT_BYTES_MAX)?;
    Ok(Snapshot::from_commit(commit, &object.data)?)
}

/// A line's snapshots, newest first, read one by one as asked for. Ends after an error. Always ends: a commit cannot be
/// among its own ancestors.
#[derive(Debug)]
pub struct Snapshots {
    repo: gix::Repository,
    next: Option<ObjectId>,
}

/// Walks a line.
pub fn snapshots(repo: &Repo, line: &Line) -> Snapshots {
    Snapshots { repo: repo.gix(), next: Some(line.keeper) }
}

impl Iterator for Snapshots {
    type Item = Result<Snapshot, HistoryError>;
    fn next(&mut self) -> Option<Self::Item> {
        let read = keeper(&self.repo, self.next.take()?);
        Some(read.map(|(snapshot, previous)| {
            self.next = previous;
            snapshot
        }))
    }
}

/// All snapshots of one working tree on all its branches, newest first by HLC (a merge of its lines). A line that cannot
/// be read any further gives its error once and ends; the others go on.
///
/// # Errors
/// [`HistoryError`].
pub fn of_tree(
    repo: &Repo,
    tree: &TreeId,
) -> Result<Box<dyn Iterator<Item = Result<Snapshot, HistoryError>>>, HistoryError> {
    let heads = lines_where(repo, |name| name.tree == *tree)?.into_iter().map(|line| line.keeper);
    Ok(Box::new(merge::Merged::new(repo.gix(), heads)))
}

/// All snapshots in the repository, of all its working trees (removed ones too), lines and devices, newest first by HLC.
///
/// # Errors
/// [`HistoryError`].
pub fn of_repository(repo: &Repo) -> Result<Box<dyn Iterator<Item = Result<Snapshot, HistoryError>>>, HistoryError> {
    let heads = lines(repo)?.into_iter().map(|line| line.keeper);
    Ok(Box::new(merge::Merged::new(repo.gix(), heads)))
}

/// Finds the snapshot that `spec` names among those of `tree`: a commit id or its prefix (4 digits or more; if `tree` has
/// none, those of the whole repository count), or a time (see [`crate::time::parse`]), for which the newest snapshot not younger counts. Local times are in the machine's
/// time zone.
///
/// What is only hex digits is an id; if no snapshot has it, it may still be a time (`1000d`).
///
/// # Errors
/// [`HistoryError`].
pub fn find(repo: &Repo, tree: &TreeId, spec: &str, now: Timestamp) -> Result<Snapshot, HistoryError> {
    let tz = jiff::tz::TimeZone::system();
    match find::find(of_tree(repo, tree)?, spec, now, &tz) {
        // Ids mean the same everywhere: that of a worktree that was removed is still of use.
        Err(HistoryError::NoMatch { .. }) => find::find(of_repository(repo)?, spec, now, &tz),
        found => found,
    }
}

/// The entry at `path` (a file, link, submodule link or folder; empty path: the root) in a tree: mode and id.
///
/// The path is taken byte by byte: `a//b`, `./a` and `a/` name nothing.
///
/// # Errors
/// [`HistoryError::Git`].
pub fn entry_at(repo: &gix::Repository, tree: ObjectId, path: &BStr) -> Result<Option<(u32, ObjectId)>, HistoryError> {
    let mut here = (mode::FOLDER, tree);
    if path.is_empty() {
        return Ok(Some(here));
    }
    for name in path.split_str("/") {
        if here.0 != mode::FOLDER {
            return Ok(None);
        }
        let found = entries(repo, here.1)?.into_iter().find(|entry| entry.name == name);
        let Some(entry) = found else { return Ok(None) };
        here = (entry.mode, entry.id);
    }
    Ok(Some(here))
}

/// An entry of a tree object.
pub(crate) struct Entry {
    pub(crate) name: BString,
    pub(crate) mode: u32,
    pub(crate) id: ObjectId,
}

/// The entries of a tree object, as they stand in it.
pub(crate) fn entries(repo: &gix::Repository, tree: ObjectId) -> Result<Vec<Entry>, HistoryError> {
    // Git need not have stored the empty tree for it to exist.
    if tree.is_empty_tree() {
        return Ok(Vec::new());
    }
    let object = find_object(repo, tree)?;
    if object.kind != gix::objs::Kind::Tree {
        return Err(cannot_read(&format!("tree {tree}"), repo.path(), format!("it is a {}", object.kind)));
    }
    gix::objs::TreeRefIter::from_bytes(&object.data, tree.kind())
        .map(|entry| entry.map(|e| Entry { name: e.filename.into(), mode: e.mode.value().into(), id: e.oid.into() }))
        .collect::<Result<_, _>>()
        .map_err(|e| cannot_read(&format!("tree {tree}"), repo.path(), e.to_string()))
}

/// Largest commit that is read where a ref's value is somebody else's, in bytes. Seals, keepers and shadow commits are far
/// smaller; only a snapshot's own commit may be larger.
pub(crate) const COMMIT_BYTES_MAX: u64 = 1 << 20;

/// An object that is a commit (a blob may read like one) of at most [`COMMIT_BYTES_MAX`].
pub(crate) fn find_commit(repo: &gix::Repository, id: ObjectId) -> Result<gix::Object<'_>, HistoryError> {
    find_commit_of(repo, id, COMMIT_BYTES_MAX)
}

fn find_commit_of(repo: &gix::Repository, id: ObjectId, max: u64) -> Result<gix::Object<'_>, HistoryError> {
    match no_commit(repo, id, max)? {
        None => find_object(repo, id),
        Some(problem) => Err(NotASnapshot { commit: id, problem }.into()),
    }
}

/// What keeps an object from being read as a commit of at most `max` bytes; told by its header, so that nothing large is
/// inflated.
pub(crate) fn no_commit(repo: &gix::Repository, id: ObjectId, max: u64) -> Result<Option<String>, HistoryError> {
    let header = repo.find_header(id);
    let header = header.map_err(|e| cannot_read(&format!("object {id}"), repo.path(), e.to_string()))?;
    Ok(match header.kind() {
        gix::objs::Kind::Commit if header.size() <= max => None,
        gix::objs::Kind::Commit => Some(format!("it is a commit of {} bytes, and {max} are the most", header.size())),
        kind => Some(format!("it is a {kind}")),
    })
}

pub(crate) fn find_object(repo: &gix::Repository, id: ObjectId) -> Result<gix::Object<'_>, HistoryError> {
    repo.find_object(id).map_err(|e| cannot_read(&format!("object {id}"), repo.path(), e.to_string()))
}

pub(crate) fn cannot_read(
    what: &str,
    repo: &Path,
    source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> HistoryError {
    HistoryError::Git { what: what.to_owned(), repo: repo.to_owned(), source: source.into() }
}
