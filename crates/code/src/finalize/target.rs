//! The branch that the change goes to, and the change itself.

use super::gathered::Gathered;
use super::{Refusal, commits};
use crate::git::{ByteSlice as _, ObjectId};
use crate::handoff::{HandoffError, HeadMove};
use crate::history::cannot_read;
use crate::line::{Branch, quote};
use crate::merge::{self, Bench};
use crate::repo::Repo;
use crate::tips::Tip;

/// Where the change goes, before anything is gathered.
pub(super) struct Start {
    /// Whether it is another branch than the one that is checked out.
    onto: Option<Onto>,
    /// The commit that the change is relative to, as far as it is known.
    pub(super) commit: Option<ObjectId>,
    /// What HEAD is at: our snapshot's.
    head: Option<ObjectId>,
    /// The branch that is checked out.
    branch: Branch,
}

/// Another branch.
struct Onto {
    branch: Branch,
    /// A working tree in which it is checked out already.
    taken: Option<String>,
}

/// What is to become of tree, index and HEAD.
pub(super) struct Change {
    pub(super) tree: ObjectId,
    pub(super) head: Option<HeadMove>,
}

/// Looks where `target` is. `own` is our tip on `branch`.
pub(super) fn start(
    repo: &Repo,
    gix: &gix::Repository,
    own: &Tip,
    branch: &Branch,
    target: &Branch,
) -> Result<Start, HandoffError> {
    if branch == target {
        return Ok(Start { onto: None, commit: own.head, head: own.head, branch: branch.clone() });
    }
    let commit = match target {
        Branch::Detached => None,
        Branch::Named(name) => {
            let name = [b"refs/heads/", name.as_slice()].concat();
            let failed = |e: Box<dyn std::error::Error + Send + Sync>| {
                cannot_read(&quote::printable(name.as_bstr()), repo.root(), e)
            };
            let found = gix.try_find_reference(name.as_bstr()).map_err(|e| failed(e.into()))?;
            found.map(|mut found| found.peel_to_id().map(gix::Id::detach)).transpose().map_err(|e| failed(e.into()))?
        }
    };
    // Two working trees on one branch would undo each other's commits.
    let has_target = |root: &std::path::PathBuf| {
        Repo::open(root).and_then(|other| other.head()).is_ok_and(|head| head.branch == *target)
    };
    let taken = repo.other_worktrees().into_iter().find(has_target).map(|root| root.display().to_string());
    Ok(Start { onto: Some(Onto { branch: target.clone(), taken }), commit, head: own.head, branch: branch.clone() })
}

/// The change that comes of what was gathered; `None`, and noted in `refusals`, where there is none. While `settled` is
/// false, the tree means nothing, and only the target itself is looked at.
pub(super) fn change(
    bench: &mut Bench,
    gathered: &Gathered,
    start: Start,
    settled: bool,
    refusals: &mut Vec<Refusal>,
) -> Result<Option<Change>, HandoffError> {
    match &start.onto {
        None if settled => here(bench, gathered, &start, refusals),
        None => Ok(None),
        Some(onto) => there(bench, gathered, &start, onto, settled, refusals),
    }
}

/// Relative to HEAD, which may go forward.
fn here(
    bench: &Bench,
    gathered: &Gathered,
    start: &Start,
    refusals: &mut Vec<Refusal>,
) -> Result<Option<Change>, HandoffError> {
    let tree = gathered.tip.tree;
    let head = match (gathered.tip.head, &start.branch) {
        (Some(new), Branch::Named(_)) if start.head != Some(new) => Some(HeadMove {
            branch: ref_name(&start.branch)?,
            old: start.head.map(|old| old.to_string()),
            new: new.to_string(),
            head: None,
            back: false,
        }),
        _ => None,
    };
    if head.is_none() && tree == commits::tree_of(bench.gix(), start.head)? {
        note_nothing(refusals);
        return Ok(None);
    }
    Ok(Some(Change { tree, head }))
}

/// Relative to another branch, which HEAD goes to.
fn there(
    bench: &mut Bench,
    gathered: &Gathered,
    start: &Start,
    onto: &Onto,
    settled: bool,
    refusals: &mut Vec<Refusal>,
) -> Result<Option<Change>, HandoffError> {
    let name = onto.branch.display();
    let Some(commit) = start.commit else {
        refusals.push(Refusal::NoTarget { branch: name });
        return Ok(None);
    };
    if let Some(root) = &onto.taken {
        refusals.push(Refusal::InProgress { what: format!("work on {name} in {root}, where it is checked out") });
    }
    if !settled {
        return Ok(None);
    }
    let common = commits::common(bench.gix(), Some(commit), gathered.tip.head);
    let base = commits::tree_of(bench.gix(), common)?;
    let target = commits::tree_of(bench.gix(), Some(commit))?;
    let labels = ["base", &name, "gathered"];
    let (tree, conflicts) = merge::merge_on(bench, base, target, gathered.tip.tree, labels)?;
    if !conflicts.is_empty() {
        let paths = conflicts.iter().map(|c| quote::printable(c.path.as_bstr())).collect();
        refusals.push(Refusal::Target { paths });
        return Ok(None);
    }
    if tree == target {
        note_nothing(refusals);
        return Ok(None);
    }
    let now = match &start.branch {
        branch @ Branch::Named(_) => ref_name(branch)?,
        Branch::Detached => start.head.map(|head| head.to_string()).unwrap_or_default(),
    };
    let head = HeadMove {
        branch: ref_name(&onto.branch)?,
        old: Some(commit.to_string()),
        new: commit.to_string(),
        head: Some(now),
        back: false,
    };
    Ok(Some(Change { tree, head: Some(head) }))
}

/// Nothing differs; unless something was left out, and that is the reason.
fn note_nothing(refusals: &mut Vec<Refusal>) {
    if refusals.is_empty() {
        refusals.push(Refusal::Nothing);
    }
}

/// The full name of a branch. The journal that undo goes back by holds text.
fn ref_name(branch: &Branch) -> Result<String, HandoffError> {
    let name = match branch {
        Branch::Named(name) => name.to_str().ok(),
        Branch::Detached => None,
    };
    name.map(|name| format!("refs/heads/{name}"))
        .ok_or_else(|| HandoffError::Head { branch: branch.display(), message: "its name is not UTF-8".to_owned() })
}
