//! Capturing on request: by the daemon if one runs, which knows what changed, else in this process.

use std::cell::{Cell, RefCell};
use std::sync::atomic::AtomicBool;

use carry_code::capture::{Capturer, Look, Outcome, Report, Request as CaptureRequest};
use carry_code::context::Context;
use carry_code::git::{BString, ObjectId};
use carry_code::history::HistoryError;
use carry_code::registry::{Registry, Tree};
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use carry_daemon::handle::{Answer, CaptureResult, Handle as _, Request, reason};
use carry_daemon::socket::Remote;
use carry_kernel::id::TreeId;
use carry_kernel::lease::{Held, Lease, Owner};

use crate::failure::Failure;
use crate::lease::{self, LEASE};
use crate::progress::Progress;
use crate::text;
use crate::wire::Shell;

/// Packs of ours in one repository above which a capture is followed by folding them.
const PACKS_MAX: usize = 12;

/// What a capture came to.
#[derive(Debug)]
pub(crate) struct Taken {
    /// The newest snapshot; none of an empty working tree.
    pub(crate) snapshot: Option<Snapshot>,
    /// Whether it is new.
    pub(crate) new: bool,
    /// Paths left out, and why.
    pub(crate) skipped: Vec<(BString, String)>,
}

/// Captures each of `trees`; one that fails does not stop the rest. `watched` trusts the daemon's watcher.
pub(crate) fn each(shell: &Shell, trees: Vec<Tree>, watched: bool) -> Vec<(Tree, Result<Taken, Failure>)> {
    // What a file leaves out that cannot be parsed must not be captured, and nobody knows what that is.
    let unsure = |tree: &Tree| shell.check_config(Some(&tree.root)).err();
    let sure: Vec<Tree> = trees.iter().filter(|tree| unsure(tree).is_none()).cloned().collect();
    let mut answers = from_daemon(shell, &sure, watched);
    let mut ctx = None;
    let each = trees.into_iter().map(|tree| {
        if let Some(failure) = unsure(&tree) {
            return (tree, Err(failure));
        }
        let answer = answers.iter().position(|answer| answer.tree == tree.id).map(|at| answers.swap_remove(at));
        let taken = match answer {
            Some(answer) => understand(&tree, answer),
            None => in_process(shell, &mut ctx, &tree, false),
        };
        (tree, taken)
    });
    each.collect()
}

/// Captures `tree` and returns the snapshot of what is there now: what an undo goes back to.
pub(crate) fn one(shell: &Shell, tree: &Tree) -> Result<Snapshot, Failure> {
    taken(shell, tree)?.snapshot.ok_or_else(nothing)
}

/// The same also where there is nothing yet, no file and no commit: an undo goes back to that, too.
pub(crate) fn one_even_empty(shell: &Shell, tree: &Tree) -> Result<Snapshot, Failure> {
    match taken(shell, tree)?.snapshot {
        Some(snapshot) => Ok(snapshot),
        // Nobody else captures nothing.
        None => in_process(shell, &mut None, tree, true)?.snapshot.ok_or_else(nothing),
    }
}

fn taken(shell: &Shell, tree: &Tree) -> Result<Taken, Failure> {
    let mut taken = each(shell, vec![tree.clone()], false).into_iter().map(|(_, taken)| taken);
    let taken = taken.next().expect("one answer for one tree")?;
    for (path, reason) in &taken.skipped {
        shell.out.note(format_args!("Not in the snapshot taken first: {} ({reason}).", text::path(path.as_ref())));
    }
    Ok(taken)
}

fn nothing() -> Failure {
    Failure::failed("nothing was ever captured here").hint("There are no files and no commits yet.")
}

/// Reads a snapshot by its commit.
pub(crate) fn read(repo: &Repo, commit: ObjectId) -> Result<Snapshot, Failure> {
    let gix = repo.gix();
    let found = gix.find_object(commit).map_err(|source| HistoryError::Git {
        what: format!("snapshot {commit}"),
        repo: repo.root().to_owned(),
        source: source.into(),
    })?;
    Ok(Snapshot::from_commit(commit, &found.data).map_err(HistoryError::from)?)
}

/// What the daemon answers for the trees it captures; nothing when none runs or it cannot be understood, since then
/// this process does the work: the lease keeps the two apart.
fn from_daemon(shell: &Shell, trees: &[Tree], watched: bool) -> Vec<CaptureResult> {
    // A daemon leaves paused trees and those that are switched off alone; who asks by name is served by this process. It
    // knows nothing of this run's flags and variables either.
    let is_active = |tree: &&Tree| !tree.paused && shell.is_enabled(&tree.root);
    let active: Vec<TreeId> = trees.iter().filter(is_active).map(|tree| tree.id.clone()).collect();
    if active.is_empty() || shell.has_overrides() || !matches!(shell.daemon(), Ok(Some(_))) {
        return Vec::new();
    }
    let mut results = ask(shell, trees, active, watched);
    let is_off = |result: &CaptureResult| result.reason.as_deref() == Some(reason::SWITCHED_OFF);
    let outdated: Vec<TreeId> = results.iter().filter(|result| is_off(result)).map(|r| r.tree.clone()).collect();
    if !outdated.is_empty() {
        // They were switched on since it last read the configuration.
        shell.reload_daemon();
        results.retain(|result| !is_off(result));
        results.extend(ask(shell, trees, outdated, watched));
    }
    results
}

/// Asks the daemon to capture those of `trees` that are named by `ids`.
fn ask(shell: &Shell, trees: &[Tree], ids: Vec<TreeId>, watched: bool) -> Vec<CaptureResult> {
    let progress = Progress::new(shell);
    let request = Request::Capture { trees: ids, watched };
    let answer = Remote::new(&shell.home).ask(&request, &mut |answer| {
        if let Answer::Progress { tree, step, done, total } = answer {
            let name = trees.iter().find(|known| known.id == *tree).map(|known| shell.folder(&known.root));
            progress.show(&format!("{}: {step}", name.unwrap_or_default()), *done, *total);
        }
    });
    drop(progress);
    let problem = match answer {
        Ok(Answer::Captured(results)) => return results,
        Ok(Answer::Failed { message }) => message,
        Ok(_) => "it gave an answer that does not fit".to_owned(),
        Err(error) => error.to_string(),
    };
    shell.out.note(format_args!("The daemon cannot capture ({problem}); this process does."));
    Vec::new()
}

fn understand(tree: &Tree, answer: CaptureResult) -> Result<Taken, Failure> {
    if let Some(error) = answer.error {
        return Err(Failure::of_daemon(&tree.root, &error, answer.reason.as_deref()));
    }
    let commit = answer.snapshot.map(|id| id.parse::<ObjectId>()).transpose().map_err(Failure::from_error)?;
    let snapshot = match commit {
        Some(commit) => Some(read(&Repo::open(&tree.root)?, commit)?),
        None => None,
    };
    let skipped =
        answer.skipped.iter().map(|(path, reason)| (text::unquote(path), text::reason_name(reason))).collect();
    Ok(Taken { snapshot, new: answer.new, skipped })
}

fn in_process(shell: &Shell, ctx: &mut Option<Context>, tree: &Tree, even_empty: bool) -> Result<Taken, Failure> {
    let ctx = match ctx {
        Some(ctx) => ctx,
        None => ctx.insert(shell.context()?),
    };
    let name = format!("code/{}", tree.id);
    let mut lease = Lease::open(&shell.home, Owner::this_process())?;
    let held = lease::acquire(shell, &mut lease, &name, "capturing this working tree")?;
    let (lease, held) = (RefCell::new(lease), RefCell::new(held));
    let result = capture(shell, ctx, tree, even_empty, &lease, &held);
    if result.is_ok() && matches!(shell.daemon(), Ok(None)) {
        tidy(shell, ctx, tree);
    }
    // One that was lost is gone already; one that cannot be given back lapses when this process ends.
    let _ = lease.into_inner().release(held.into_inner());
    let report = result?;
    let skipped = report.skipped.iter().map(|skipped| (skipped.path.clone(), text::reason(&skipped.reason))).collect();
    let (snapshot, new) = match report.outcome {
        Outcome::Captured(snapshot) => (Some(snapshot), true),
        Outcome::Unchanged(snapshot) => (snapshot, false),
        // Does not happen to what is asked for by force.
        Outcome::Waiting(state) => return Err(Failure::failed(format!("Git is in the middle of a {state}"))),
    };
    Ok(Taken { snapshot, new, skipped })
}

fn capture(
    shell: &Shell,
    ctx: &Context,
    tree: &Tree,
    even_empty: bool,
    lease: &RefCell<Lease>,
    held: &RefCell<Held>,
) -> Result<Report, Failure> {
    let progress = Progress::new(shell);
    let folder = shell.folder(&tree.root);
    let renewed = Cell::new(shell.clock.steady());
    let request = CaptureRequest {
        look: Look::Everything,
        // A lease that cannot be asked about may be lost; then nothing may be committed.
        may_commit: &|| lease.borrow().check(&held.borrow()).unwrap_or(false),
        cancel: &AtomicBool::new(false),
        progress: &|step, done, total| {
            progress.show(&format!("{folder}: {step}"), done, total);
            let now = shell.clock.steady();
            if now.since(renewed.get()) > LEASE / 3 {
                renewed.set(now);
                // Whether it is still ours is asked again before anything is committed.
                if let Ok(Some(longer)) = lease.borrow_mut().renew(&held.borrow(), LEASE, now) {
                    held.replace(longer);
                }
            }
        },
        force: true,
    };
    let capturer = Capturer::new(ctx.clone(), tree.clone());
    let mut capturer = if even_empty { capturer.even_empty() } else { capturer };
    Ok(capturer.capture(&request)?)
}

/// What a daemon would do in its idle time.
fn tidy(shell: &Shell, ctx: &Context, tree: &Tree) {
    let packs = Registry::open(&shell.home).and_then(|mut registry| registry.packs(&tree.common_dir));
    if packs.is_ok_and(|packs| packs.len() > PACKS_MAX) {
        // The snapshot is safe without it; the next capture tries again.
        if let Err(error) = carry_code::upkeep::upkeep(ctx, tree) {
            tracing::warn!(%error, "upkeep failed");
        }
    }
}
