//! Carrying out what the journal notes, begun or gone on with. Every step can be done again.

use std::time::Duration;

use carry_kernel::disk::DiskError;
use carry_kernel::fault;
use carry_kernel::lease::{Held, Lease, Outcome, Owner};

use super::{Done, Handoff, HandoffError, Index, Interrupted, head, index, plan};
use crate::context::Context;
use crate::git::{BString, ByteSlice as _, ObjectId};
use crate::history::{self, cannot_read};
use crate::line::Branch;
use crate::merge::{self, Bench};
use crate::pack::Kind;
use crate::prune;
use crate::registry::{HandoffEntry, Registry, Tree, UndoEntry};
use crate::repo::{Head, Repo};
use crate::restore::{self, Action, Plan as FilePlan};
use crate::seen::Seen;
use crate::snapshot::Snapshot;
use crate::tips;

/// How long a handoff is waited for before another process may take its place. A process that died is not waited for.
const LEASE_TTL: Duration = Duration::from_secs(60 * 60);
/// Why what a handoff goes towards is kept until it is there.
const PIN: &str = "handoff";
/// In the journal: all of the index.
const WHOLE_INDEX: &[u8] = b"/";

pub(super) fn execute(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    handoff: &Handoff,
    files: &FilePlan,
    what: &str,
) -> Result<Done, HandoffError> {
    let Some((target, paths)) = &handoff.settled else {
        return Err(HandoffError::Conflicts { conflicts: handoff.merged.conflicts.clone() });
    };
    let here = repo.head().map_err(|e| cannot_read("HEAD", repo.root(), e))?;
    if here.commit != handoff.current.meta.head || repo.branch_of(&here) != handoff.current.meta.branch {
        return Err(head::refused("HEAD", "it moved after the snapshot was taken".to_owned()));
    }
    let branch = &handoff.branch;
    let seen_before = seen_on(ctx, repo, tree, branch, &handoff.current)?;
    let (index, staged_of) = match handoff.index {
        Index::Stays => (None, None),
        Index::Of(snapshot) => (None, Some(snapshot)),
        Index::Tree(tree) => (Some(tree), None),
    };
    let entry = UndoEntry {
        id: 0,
        tree: tree.id.clone(),
        time: ctx.clock.now(),
        what: what.to_owned(),
        before: handoff.current.commit,
        paths: with_index(paths.clone(), handoff.index != Index::Stays),
        staged: handoff.index != Index::Stays,
        handoff: Some(HandoffEntry {
            target: target.to_string(),
            index: index.map(|id| id.to_string()),
            staged_of: staged_of.map(|id| id.to_string()),
            head: handoff.head.clone(),
            branch: branch.to_trailer(),
            seen: Some(handoff.seen.to_string()),
            seen_before: Some(seen_before.to_string()),
            done: false,
        }),
    };
    let _running = Running::begin(ctx, tree)?;
    plan::refuse_busy(repo)?;
    if entry.staged {
        restore::index_is_free(repo)?;
    }
    let kept = merge::write(ctx, repo, &handoff.merged.objects)?;
    let wanted: Vec<ObjectId> = [handoff.current.commit, handoff.tip.commit].into_iter().chain(staged_of).collect();
    hold(ctx, repo, tree, *target, index, &wanted)?;
    drop(kept);
    point(repo, "handoff.written")?;
    prune::pin(repo, &tree.id, prune::UNDO, entry.before)?;
    let id = Registry::open(&ctx.home)?.note_undo(&entry)?;
    Job { ctx, repo, tree, entry: &UndoEntry { id, ..entry }, files, index_stays: None }.run()
}

pub(super) fn interrupted(ctx: &Context, tree: &Tree) -> Result<Option<Interrupted>, HandoffError> {
    let Some(registry) = Registry::open_read_only(&ctx.home)? else { return Ok(None) };
    let open = registry.last_undo(&tree.id)?.filter(|entry| entry.handoff.as_ref().is_some_and(|h| !h.done));
    let Some(entry) = open else { return Ok(None) };
    match Running::begin(ctx, tree) {
        Ok(_) => {}
        // Somebody is at it.
        Err(HandoffError::Running { .. }) => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(Some(Interrupted { since: entry.time, entry }))
}

pub(super) fn resume(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    interrupted: &Interrupted,
    current: &Snapshot,
) -> Result<Done, HandoffError> {
    let entry = &interrupted.entry;
    let _running = Running::begin(ctx, tree)?;
    plan::refuse_busy(repo)?;
    let noted = noted(repo, entry)?;
    head_of(repo, &noted, &history::snapshot(&repo.gix(), entry.before)?)?;
    if let Some(moves) = &noted.head
        && let Some(problem) = head::hindrance(repo, moves)?
    {
        return Err(head::refused(&moves.branch, format!("{problem}; `carry undo` brings the files back")));
    }
    if entry.staged {
        restore::index_is_free(repo)?;
    }
    let files = go_on(repo, entry, parse_id(repo, &noted.target)?, current)?;
    Job { ctx, repo, tree, entry, files: &files, index_stays: None }.run()
}

/// What is left to do to files. What was edited since it stopped is neither what was before nor what is wanted: it is kept
/// aside.
fn go_on(repo: &Repo, entry: &UndoEntry, target: ObjectId, current: &Snapshot) -> Result<FilePlan, HandoffError> {
    let gix = repo.gix();
    let before = history::snapshot(&gix, entry.before)?;
    let mut files = restore::plan_exactly(repo, &gix, target, current, &files_of(entry))?;
    for step in &mut files.steps {
        let at = |tree| history::entry_at(&gix, tree, step.path.as_bstr());
        let now = at(current.tree)?;
        if now.is_some() && now != at(before.tree)? && now != at(target)? && step.action != Action::Create {
            step.action = Action::KeepAside;
        }
    }
    Ok(files)
}

/// One entry of the journal, being carried out.
pub(super) struct Job<'a> {
    pub(super) ctx: &'a Context,
    pub(super) repo: &'a Repo,
    pub(super) tree: &'a Tree,
    pub(super) entry: &'a UndoEntry,
    pub(super) files: &'a FilePlan,
    /// Why the index is left as it is, if it is.
    pub(super) index_stays: Option<String>,
}

impl Job<'_> {
    /// Takes all steps, or those up to one that fails.
    pub(super) fn run(&self) -> Result<Done, HandoffError> {
        let Self { ctx, repo, tree, entry, files, .. } = self;
        let noted = noted(repo, entry)?;
        let branch = Branch::from_trailer(noted.branch.as_str().into());
        let [seen, before] = [&noted.seen, &noted.seen_before].map(|text| text.as_deref().map(Seen::parse));
        point(repo, "handoff.noted")?;
        if let Some(branch) = &branch {
            // What is captured before the end has neither what is gone already nor what is still to come.
            let both = seen.clone().unwrap_or_default().meet(&before.unwrap_or_default());
            Registry::open(&ctx.home)?.set_pending_seen(&tree.id, branch, Some(&both))?;
        }
        let mut done =
            Done { files: restore::execute_with(repo, files, &|_| fault::point("handoff.file"))?, ..Done::default() };
        point(repo, "handoff.files")?;
        if !done.files.failed.is_empty() {
            return Ok(done);
        }
        if let Some(branch) = &branch {
            Registry::open(&ctx.home)?.set_pending_seen(&tree.id, branch, seen.as_ref())?;
        }
        point(repo, "handoff.seen")?;
        done.staged.clone_from(&self.index_stays);
        if self.index_stays.is_none()
            && let Err(error) = index::carry_out(repo, wanted_index(repo, &noted)?)
        {
            done.staged = Some(error.to_string());
            return Ok(done);
        }
        // What went where a sparse checkout shows nothing is to show as deleted.
        let gone: Vec<BString> = files.steps.iter().filter(|s| s.entry.is_none()).map(|s| s.path.clone()).collect();
        if let Err(error) = restore::expect_files(repo, &gone) {
            done.staged = Some(error.to_string());
            return Ok(done);
        }
        point(repo, "handoff.index")?;
        if let Some(moves) = &noted.head {
            done.head_moved = head::carry_out(repo, moves)?;
        }
        point(repo, "handoff.head")?;
        Registry::open(&ctx.home)?.finish_handoff(entry.id)?;
        for commit in prune::pinned_as(repo, &tree.id, PIN)? {
            prune::unpin(repo, &tree.id, PIN, commit)?;
        }
        done.finished = true;
        point(repo, "handoff.done")?;
        Ok(done)
    }
}

/// What the next snapshot of `branch` would have seen.
pub(super) fn seen_on(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    branch: &Branch,
    current: &Snapshot,
) -> Result<Seen, HandoffError> {
    if *branch == current.meta.branch {
        return Ok(current.meta.seen.clone());
    }
    if let Some(seen) = Registry::open(&ctx.home)?.pending_seen(&tree.id, branch)? {
        return Ok(seen);
    }
    Ok(tips::own(ctx, repo, &tree.id, branch)?.map(|tip| tip.seen).unwrap_or_default())
}

/// The files of an entry, without what stands for the index.
pub(super) fn files_of(entry: &UndoEntry) -> Vec<BString> {
    entry.paths.iter().filter(|path| !path.starts_with(WHOLE_INDEX)).cloned().collect()
}

/// Files as the journal has them, and all of the index if it changes.
pub(super) fn with_index(mut files: Vec<BString>, index: bool) -> Vec<BString> {
    files.extend(index.then(|| BString::from(WHOLE_INDEX)));
    files
}

/// What the entry says of a handoff.
pub(super) fn noted(repo: &Repo, entry: &UndoEntry) -> Result<HandoffEntry, HandoffError> {
    let missing = || cannot_read("the journal", repo.root(), format!("entry {} is no handoff", entry.id));
    Ok(entry.handoff.clone().ok_or_else(missing)?)
}

/// HEAD, when it is on a branch that the entry is of: where it was, where it goes, or on the way.
pub(super) fn head_of(repo: &Repo, noted: &HandoffEntry, before: &Snapshot) -> Result<Head, HandoffError> {
    let here = repo.head().map_err(|e| cannot_read("HEAD", repo.root(), e))?;
    let is_of_entry = here.branch == before.meta.branch
        || here.branch.to_trailer() == noted.branch
        || noted.head.as_ref().is_some_and(|moves| head::is_on_the_way(&here, moves));
    if is_of_entry {
        return Ok(here);
    }
    let problem = format!("HEAD is on {}; check {} out first", here.branch.display(), noted.branch);
    Err(head::refused(&noted.branch, problem))
}

fn wanted_index(repo: &Repo, noted: &HandoffEntry) -> Result<Index, HandoffError> {
    Ok(match (&noted.index, &noted.staged_of) {
        (Some(tree), _) => Index::Tree(parse_id(repo, tree)?),
        (None, Some(snapshot)) => Index::Of(parse_id(repo, snapshot)?),
        (None, None) => Index::Stays,
    })
}

fn parse_id(repo: &Repo, hex: &str) -> Result<ObjectId, HandoffError> {
    ObjectId::from_hex(hex.as_bytes()).map_err(|e| cannot_read("the journal", repo.root(), e.to_string()).into())
}

/// Keeps what a handoff goes towards from Git's gc until it is there: a commit of the wanted tree, which has all else as
/// parents.
fn hold(
    ctx: &Context,
    repo: &Repo,
    tree: &Tree,
    target: ObjectId,
    index: Option<ObjectId>,
    wanted: &[ObjectId],
) -> Result<(), HandoffError> {
    let mut bench = Bench::new(repo);
    let who = format!("Carry <carry@localhost> {} +0000", ctx.clock.now().as_secs());
    let mut commit = |tree: ObjectId, parents: &[ObjectId]| {
        let parents: String = parents.iter().map(|id| format!("parent {id}\n")).collect();
        let text = format!("tree {tree}\n{parents}author {who}\ncommitter {who}\n\ncarry handoff\n");
        bench.add(Kind::Commit, text.as_bytes())
    };
    let mut parents = wanted.to_vec();
    if let Some(index) = index {
        parents.push(commit(index, &[])?);
    }
    let top = commit(target, &parents)?;
    let kept = bench.write(ctx, repo)?;
    prune::pin(repo, &tree.id, PIN, top)?;
    drop(kept);
    Ok(())
}

fn point(repo: &Repo, name: &str) -> Result<(), HandoffError> {
    Ok(fault::point(name).map_err(DiskError::at("take over in", repo.root()))?)
}

/// The right to change a working tree by a handoff, until it is dropped.
pub(super) struct Running {
    lease: Lease,
    held: Option<Held>,
}

impl Running {
    pub(super) fn begin(ctx: &Context, tree: &Tree) -> Result<Self, HandoffError> {
        let mut lease = Lease::open(&ctx.home, Owner::this_process())?.with_clock(ctx.clock.clone());
        match lease.acquire(&format!("handoff/{}", tree.id), LEASE_TTL, ctx.clock.steady())? {
            Outcome::Granted(held) => Ok(Self { lease, held: Some(held) }),
            Outcome::Refused { owner, .. } => {
                Err(HandoffError::Running { owner: format!("{} on {}", owner.pid, owner.host) })
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(held) = self.held.take()
            && let Err(error) = self.lease.release(held)
        {
            tracing::warn!(%error, "a lease could not be given back; it lapses with this process");
        }
    }
}
