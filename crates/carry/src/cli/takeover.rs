//! What `sync` and `finalize` have in common: showing what a handoff would do, and carrying it out.

use carry_code::git::BString;
use carry_code::handoff::{self, Done, Handoff};
use carry_code::restore::{Action, Plan, Step};
use carry_code::snapshot::Snapshot;

use crate::failure::Failure;
use crate::links::{self, Here};
use crate::output::style;
use crate::progress::Spinner;
use crate::size::Size;
use crate::wire::Shell;
use crate::{take, text};

/// Steps named one by one before a question; `--dry-run` and JSON have all.
const NAMED_MAX: usize = 20;

/// Says what became of HEAD, branch and files, before anything is done.
pub(super) fn show(shell: &Shell, here: &Here, handoff: &Handoff, files: &Plan, all: bool) -> Result<(), Failure> {
    let out = &shell.out;
    let limit = if all { usize::MAX } else { NAMED_MAX };
    for step in files.steps.iter().take(limit) {
        let size = Size::of_step(&here.repo, &handoff.merged, handoff.current.tree, step)?;
        let lines = if size.added + size.removed > 0 {
            out.paint(style::DIM, format_args!("  +{} -{}", size.added, size.removed))
        } else {
            String::new()
        };
        let line = format!("  {:<9} {}{lines}", verb(step), text::path(step.path.as_ref()));
        if all { out.line(line)? } else { out.say(line)? }
    }
    if files.steps.len() > limit {
        let n = u64::try_from(files.steps.len() - limit).unwrap_or(u64::MAX);
        out.say(format_args!("  and {}", text::count(n, "more file")))?;
    }
    if let Some(head) = &handoff.head {
        let branch = head.branch.strip_prefix("refs/heads/").unwrap_or(&head.branch);
        let at = head.new.get(..10).unwrap_or(&head.new);
        match &head.old {
            Some(old) if *old == head.new => out.note(format_args!("{} is checked out.", text::line(branch))),
            Some(_) => out.note(format_args!("{} moves forward to {at}.", text::line(branch))),
            None => out.note(format_args!("{} is made at {at}.", text::line(branch))),
        }
    }
    if handoff.commits_as_changes > 0 {
        out.note(format_args!(
            "{} of theirs arrive as changes: the branch here has commits of its own, and stays where it is.",
            text::count(handoff.commits_as_changes, "commit")
        ));
    }
    for path in handoff.not_captured.iter().take(NAMED_MAX) {
        out.note(format_args!("{} was not captured there and stays as it is here.", text::path(path.as_ref())));
    }
    Ok(())
}

fn verb(step: &Step) -> &'static str {
    match step.action {
        Action::Create => "create",
        Action::Replace => "overwrite",
        Action::KeepAside => "set aside",
        Action::Delete => "delete",
    }
}

/// What was done, and the snapshot of it.
pub(super) struct Carried {
    /// To files, index and branch.
    pub(super) done: Done,
    /// The snapshot taken right after: others learn from it that their work was taken over.
    pub(super) after: Option<Snapshot>,
}

/// Carries a handoff out and captures what came of it.
pub(super) fn carry_out(
    shell: &Shell,
    here: &Here,
    handoff: &Handoff,
    files: &Plan,
    what: &str,
) -> Result<Carried, Failure> {
    let progress = Spinner::new(shell, "writing files");
    let done = handoff::execute(&here.ctx, &here.repo, &here.tree, handoff, files, what);
    drop(progress);
    let done = done?;
    Ok(Carried { done, after: capture_after(shell, here) })
}

/// Captures what is there now. The files are written and noted; a failure here is made good by the next capture.
pub(super) fn capture_after(shell: &Shell, here: &Here) -> Option<Snapshot> {
    let after = take::one(shell, &here.tree);
    if let Err(failure) = &after {
        shell.out.warn(format_args!("what was taken over could not be captured: {}", failure.in_one_line()));
    }
    links::remember(here);
    shell.reload_daemon();
    after.ok()
}

/// Says what was done to files, index and branch, and fails when some was not.
pub(super) fn say(shell: &Shell, before: &Snapshot, done: &Done) -> Result<(), Failure> {
    let trouble = trouble(shell, done);
    shell.out.note(format_args!(
        "What was there before is kept in snapshot {}; `carry undo` brings it back.",
        text::short(&before.commit)
    ));
    trouble
}

/// Says what stood in the way, and fails when not all was done.
pub(super) fn trouble(shell: &Shell, done: &Done) -> Result<(), Failure> {
    let out = &shell.out;
    let restored = &done.files;
    for (path, kept) in &restored.kept {
        out.note(format_args!("What was at {} is kept as {}.", text::path(path.as_ref()), text::file(kept)));
    }
    for (path, why) in &restored.failed {
        out.warn(format_args!("{} could not be written: {why}", text::path(path.as_ref())));
    }
    if let Some(why) = &done.staged {
        out.warn(format_args!("what is staged could not be brought there: {}", text::line(why)));
    }
    if done.finished {
        return Ok(());
    }
    let what = match text::len(&restored.failed) {
        0 => "not all of it was done".to_owned(),
        n => format!("{} could not be written", text::count(n, "path")),
    };
    Err(Failure::partly(what)
        .hint("`carry sync` tries again when nothing stands in the way any more; `carry undo` goes back."))
}

/// Paths for machines.
pub(super) fn paths_json(paths: &[BString]) -> Vec<String> {
    paths.iter().map(|path| text::json_path(path.as_ref())).collect()
}
