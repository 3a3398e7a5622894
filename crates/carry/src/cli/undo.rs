//! `carry undo`: take the last restore back.

use carry_code::restore;

use super::restore::{Job, index_is_free};
use crate::failure::Failure;
use crate::journal::Touched;
use crate::wire::Shell;
use crate::{take, targets, text};

/// Take the last restore back
///
/// Brings the files that it changed to what they were, after capturing what is there now. An undo can be undone.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (repo, tree) = targets::open_here(shell)?;
    let Some(entry) = shell.registry()?.last_undo(&tree.id)? else {
        return Err(Failure::failed("there is nothing to undo here")
            .hint("`carry restore` can be undone; `carry log` lists the snapshots to restore from."));
    };
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
