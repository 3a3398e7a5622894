//! `carry undo`: take the last restore, sync or finalize back.

use carry_code::registry::UndoEntry;
use carry_code::{handoff, restore};

use super::restore::{Job, index_is_free, show_plan};
use super::restore_json::RestoredJson;
use super::takeover;
use crate::failure::Failure;
use crate::journal::Touched;
use crate::links::Here;
use crate::progress::Spinner;
use crate::wire::Shell;
use crate::{take, targets, text};

/// Take the last restore, sync or finalize back
///
/// Brings the files that it changed to what they were, after capturing what is there now; after a sync or finalize the index
/// and the branch, too. An undo can be undone.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (repo, tree) = targets::open_here(shell)?;
    let Some(entry) = shell.registry()?.last_undo(&tree.id)? else {
        return Err(Failure::failed("there is nothing to undo here").hint(
            "`carry restore`, `carry sync` and `carry finalize` can be undone; `carry log` lists the snapshots to restore \
             from.",
        ));
    };
    if entry.handoff.is_some() {
        let here = Here::new(shell, repo, tree)?;
        return take_back(shell, &here, &entry, args.dry_run);
    }
    let before = take::read(&repo, entry.before)?;
    let touched = Touched::of(&entry);
    if entry.staged {
        index_is_free(&repo)?;
    }
    let current = take::one(shell, &tree)?;
    let plan = restore::undo_plan(&repo, &before, &current, &touched.files)?;
    let age = carry_code::time::age(entry.time, shell.now());
    shell.out.say(format_args!("Undoing: {} ({age}).", text::line(&entry.what)))?;
    let job = Job {
        repo: &repo,
        tree: &tree,
        source: &before,
        current: &current,
        what: opposite(&entry.what),
        index: entry.staged.then_some(&touched.index),
        undoes: Some(entry.id),
    };
    job.carry_out(shell, &plan, args.dry_run)
}

/// Takes a handoff back: files, what was staged, and the branch. Of one that was interrupted, as far as it came.
pub(super) fn take_back(shell: &Shell, here: &Here, entry: &UndoEntry, dry_run: bool) -> Result<(), Failure> {
    index_is_free(&here.repo)?;
    let current = take::one(shell, &here.tree)?;
    let undo = handoff::plan_undo(&here.repo, entry, &current)?;
    let age = carry_code::time::age(entry.time, shell.now());
    shell.out.say(format_args!("Undoing: {} ({age}).", text::line(&entry.what)))?;
    if let Some(why) = &undo.head_stays {
        shell.out.warn(format_args!("the branch and what is staged stay as they are: {}", text::line(why)));
    }
    if dry_run {
        return show_plan(shell, &undo.before, &undo.files);
    }
    let progress = Spinner::new(shell, "bringing files back");
    let done = handoff::undo(&here.ctx, &here.repo, &here.tree, &undo, &opposite(&entry.what));
    drop(progress);
    let done = done?;
    if entry.what.starts_with("finalize ") {
        // What is no commit any more is work that others may want.
        shell.registry()?.clear_finished(&here.tree.id, &undo.before.meta.branch)?;
    }
    takeover::capture_after(shell, here);
    if shell.out.is_json() {
        shell.out.json(&RestoredJson::of_handoff(undo.before.commit, current.commit, &undo.files, &done))?;
    }
    let n = text::len(&done.files.written) + text::len(&done.files.deleted);
    let files = text::count(n, "file");
    let head = if done.head_moved { ", and the branch" } else { "" };
    shell.out.say(format_args!("brought {files} back{head}"))?;
    takeover::say(shell, &current, &done)
}

/// What taking `what` back is called. Undoing an undo is doing it again.
fn opposite(what: &str) -> String {
    match what.strip_prefix("undo of ") {
        Some(first) => first.to_owned(),
        None => format!("undo of {what}"),
    }
}

#[cfg(test)]
mod tests {
    use super::opposite;

    #[test]
    fn undoing_an_undo_is_the_first_step_again() {
        assert_eq!(opposite("restore a"), "undo of restore a");
        assert_eq!(opposite(&opposite("restore a")), "restore a");
    }
}
