//! The way back from a handoff, and from there.

use super::job::{Job, Running, files_of, head_of, noted, seen_on, with_index};
use super::plan::refuse_busy;
use super::{Done, HandoffError, HeadMove, head};
use crate::context::Context;
use crate::history;
use crate::line::Branch;
use crate::prune;
use crate::registry::{HandoffEntry, Registry, Tree, UndoEntry};
use crate::repo::Repo;
use crate::restore::{self, Plan as FilePlan};
use crate::snapshot::Snapshot;

/// What taking a handoff back would do.
#[derive(Debug)]
pub struct Undo {
    /// To files.
    pub files: FilePlan,
    /// To branch and HEAD.
    pub head: Option<HeadMove>,
    /// Why branch, HEAD and index stay as they are, if they should have moved.
    pub head_stays: Option<String>,
    /// The snapshot that is gone back to.
    pub before: Snapshot,
    /// The entry taken back.
    entry: UndoEntry,
    /// What there is now.
    current: Snapshot,
}

pub(super) fn plan(repo: &Repo, entry: &UndoEntry, current: &Snapshot) -> Result<Undo, HandoffError> {
    refuse_busy(repo)?;
    let noted = noted(repo, entry)?;
    let before = history::snapshot(&repo.gix(), entry.before)?;
    let here = head_of(repo, &noted, &before)?;
    let files = restore::undo_plan(repo, &before, current, &files_of(entry))?;
    let back = noted.head.as_ref().map(head::opposite);
    let (head, head_stays) = match back {
        Some(back) => match head::hindrance(repo, &back)? {
            None => (Some(back).filter(|back| !head::is_there(repo, &here, back)), None),
            Some(problem) => (None, Some(format!("{} stays where it is: {problem}", back.branch))),
        },
        None if here.commit != before.meta.head => {
            (None, Some("what is staged stays as it is: HEAD has moved since".to_owned()))
        }
        None => (None, None),
    };
    Ok(Undo { files, head, head_stays, before, entry: entry.clone(), current: current.clone() })
}

pub(super) fn execute(ctx: &Context, repo: &Repo, tree: &Tree, undo: &Undo, what: &str) -> Result<Done, HandoffError> {
    let noted = noted(repo, &undo.entry)?;
    let branch = Branch::from_trailer(noted.branch.as_str().into());
    let seen_before = branch.map(|branch| seen_on(ctx, repo, tree, &branch, &undo.current)).transpose()?;
    let _running = Running::begin(ctx, tree)?;
    refuse_busy(repo)?;
    let index = undo.entry.staged && undo.head_stays.is_none();
    if index {
        restore::index_is_free(repo)?;
    }
    prune::pin(repo, &tree.id, prune::UNDO, undo.current.commit)?;
    let entry = UndoEntry {
        id: 0,
        tree: tree.id.clone(),
        time: ctx.clock.now(),
        what: what.to_owned(),
        before: undo.current.commit,
        paths: with_index(files_of(&undo.entry), index),
        staged: index,
        handoff: Some(HandoffEntry {
            target: undo.before.tree.to_string(),
            index: None,
            staged_of: index.then(|| undo.before.commit.to_string()),
            head: undo.head.clone(),
            branch: noted.branch,
            seen: noted.seen_before,
            seen_before: seen_before.map(|seen| seen.to_string()),
            done: false,
        }),
    };
    let id = Registry::open(&ctx.home)?.note_undo_of(&entry, undo.entry.id)?;
    let entry = UndoEntry { id, ..entry };
    let job = Job { ctx, repo, tree, entry: &entry, files: &undo.files, index_stays: undo.head_stays.clone() };
    let mut done = job.run()?;
    done.head_stays.clone_from(&undo.head_stays);
    Ok(done)
}
