//! `carry finalize`: turn the work of all devices on a branch into one staged change.

use std::process::{Command, Stdio};

use carry_code::finalize::{self, Finalize, Refusal};
use carry_code::git::{self, ByteSlice as _};
use carry_code::handoff::{self, HeadMove};
use carry_code::line::Branch;
use carry_code::publish::Options;
use carry_code::registry::Consent;
use carry_code::snapshot::Snapshot;
use carry_code::time;
use carry_code::tips::Trust;

use super::finalize_json::{FinalizePlanJson, FinalizedJson};
use super::restore;
use super::takeover::{self, Carried};
use crate::failure::Failure;
use crate::links::{self, Here};
use crate::output::style;
use crate::size::Size;
use crate::wire::Shell;
use crate::{prompt, take, text, writers};

/// Paths of a refusal named one by one for people; JSON has all.
const NAMED_MAX: usize = 5;

/// Stage the work of all devices as one change
///
/// Fetches, captures what is here, gathers the newest work of every approved device on this branch, and stages it as one
/// change for you to commit. It refuses rather than leave something out. Devices that worked on the branch see afterwards that this
/// work is finished. `carry undo` brings everything back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Put the change onto this branch, and check it out; the present one by default
    #[arg(long, value_name = "BRANCH")]
    onto: Option<String>,
    /// Commit it, with your hooks
    #[arg(long)]
    commit: bool,
    /// Message of the commit; your editor opens without one
    #[arg(short, long, value_name = "MESSAGE", requires = "commit")]
    message: Option<String>,
    /// Do not ask the remotes; use what was fetched before
    #[arg(long)]
    offline: bool,
    /// Show what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let here = Here::open(shell)?;
    if here.branch == Branch::Detached {
        return Err(Failure::failed("no branch is checked out, and work is gathered branch by branch")
            .hint("`git switch BRANCH` checks one out."));
    }
    let target = args.onto.as_ref().map_or_else(|| here.branch.clone(), |name| writers::branch(name));
    finalize(shell, &here, &target, args)
}

fn finalize(shell: &Shell, here: &Here, target: &Branch, args: &Args) -> Result<(), Failure> {
    if let Some(interrupted) = handoff::interrupted(&here.ctx, &here.tree)? {
        return Err(Failure::failed(format!("`{}` was interrupted", text::line(&interrupted.entry.what)))
            .hint("`carry sync` completes it, `carry undo` takes it back."));
    }
    links::fetch(shell, here, args.offline)?;
    let current = take::one(shell, &here.tree)?;
    let mut plan = finalize::plan(&here.ctx, &here.repo, &here.tree, &current, &here.branch, target, false)?;
    show(shell, here, &plan)?;
    for row in plan.rows.iter().filter(|row| row.left_out) {
        let why = if row.tip.trust == Trust::Revoked { "is revoked" } else { "is not approved" };
        shell.out.note(format_args!(
            "{} {why} and left out; `carry devices approve {}` takes its work in.",
            text::line(&writers::name(shell, &row.tip)),
            writers::word(&row.tip)
        ));
    }
    if !plan.refusals.is_empty() {
        return refuse(shell, &plan);
    }
    let (branch, target) = (plan.branch.display(), plan.target.display());
    let Some(mut handoff) = plan.handoff.take() else {
        return Err(Failure::failed("there is nothing to gather").hint("`carry devices` shows who has what."));
    };
    let files = handoff::files(&here.repo, &mut handoff, &[])?;
    takeover::show(shell, here, &handoff, &files, args.dry_run && !shell.out.is_json())?;
    for path in &plan.marked {
        let path = text::path(path.as_ref());
        shell.out.warn(format_args!("{path} holds the markers of a conflict; edit it before you commit"));
    }
    let size = Size::of_steps(&here.repo, &handoff.merged, current.tree, &files.steps)?;
    if args.dry_run {
        shell.out.note(format_args!("{size} here would change; nothing was changed."));
        return Ok(());
    }
    let question = format!("Stage all work on {branch} as one change on {target}?");
    if !prompt::confirm(shell, &question, "--yes does it, --dry-run shows what would be done.")? {
        return Err(prompt::cancelled());
    }
    restore::index_is_free(&here.repo)?;
    let what = if branch == target { format!("finalize {branch}") } else { format!("finalize {branch} onto {target}") };
    let carried = takeover::carry_out(shell, here, &handoff, &files, &what)?;
    if carried.done.finished {
        after(shell, here, &plan, &current, &carried, args)
    } else {
        takeover::say(shell, &current, &carried.done)
    }
}

/// The table: who has what.
fn show(shell: &Shell, here: &Here, plan: &Finalize) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&FinalizePlanJson::new(here, plan));
    }
    let mut table = shell.out.table(&["DEVICE", "CAPTURED", "CHANGES", "CONFLICTS", "PUBLISHED"]);
    for row in &plan.rows {
        let size = Size { files: row.files, added: row.added, removed: row.removed };
        let changes = match row.files {
            _ if row.left_out => format!("{size} (left out)"),
            0 => "none".to_owned(),
            _ if row.contained => format!("{size} (in the above)"),
            _ => size.to_string(),
        };
        table.add_row([
            writers::name(shell, &row.tip),
            time::age(row.tip.time, shell.now()),
            changes,
            row.conflicts.len().to_string(),
            (if row.unpublished { "no" } else { "yes" }).to_owned(),
        ]);
    }
    shell.out.say(table.trim_fmt())
}

/// Names all that stands in the way.
fn refuse(shell: &Shell, plan: &Finalize) -> Result<(), Failure> {
    if let [Refusal::Nothing] = plan.refusals[..] {
        return Err(Failure::failed(format!("nothing differs from {}", plan.target.display()))
            .hint("All work is in that branch already."));
    }
    let mut failure = Failure::failed(format!("{} cannot be finalized", plan.branch.display()));
    for refusal in &plan.refusals {
        let (why, hint) = reason(refusal);
        shell.out.problem(style::WARNING, "Refused", &why);
        failure = failure.hint(hint);
    }
    Err(failure)
}

/// Why not, and what to do.
pub(super) fn reason(refusal: &Refusal) -> (String, String) {
    let paths = |paths: &[String]| {
        let mut named: Vec<String> = paths.iter().take(NAMED_MAX).map(|path| text::line(path)).collect();
        if paths.len() > NAMED_MAX {
            named.push(format!("{} more", paths.len() - NAMED_MAX));
        }
        named.join(", ")
    };
    match refusal {
        Refusal::Conflicts { device, paths: at } => (
            format!("{} changed the same as others: {}", text::line(device), paths(at)),
            format!("`carry sync --device {}` settles that first.", text::shell_word(device.as_ref())),
        ),
        Refusal::NotCaptured { device, paths: at } => (
            format!("{} could not capture {}, which would be missing", text::line(device), paths(at)),
            "Make them smaller or readable there, or ignore them there; then it captures again.".to_owned(),
        ),
        Refusal::InProgress { what } => {
            (format!("Git is in the middle of {}", text::line(what)), "Finish or abort that first.".to_owned())
        }
        Refusal::Target { paths: at } => (
            format!("the change conflicts with the branch it goes to: {}", paths(at)),
            "Merge that branch into this one first, and settle it there.".to_owned(),
        ),
        Refusal::NoTarget { branch } => (
            format!("there is no branch {}", text::line(branch)),
            "`git branch` lists those there are; `git branch NAME` makes one.".to_owned(),
        ),
        Refusal::Nothing => ("nothing differs".to_owned(), "All work is in that branch already.".to_owned()),
    }
}

/// Commits if asked to, marks the work as finished, and says what to do next.
fn after(
    shell: &Shell,
    here: &Here,
    plan: &Finalize,
    before: &Snapshot,
    carried: &Carried,
    args: &Args,
) -> Result<(), Failure> {
    let committed = if args.commit { Some(commit(shell, here, args)) } else { None };
    if let Some(Ok(())) = committed {
        note_commit(shell, here)?;
    }
    let after = match &committed {
        // HEAD has moved, which the next snapshot is to know.
        Some(Ok(())) => takeover::capture_after(shell, here),
        _ => carried.after.clone(),
    };
    let finished = finish(shell, here, plan, before, after.as_ref())?;
    if shell.out.is_json() {
        let commit = match &committed {
            Some(Ok(())) => here.repo.reopen()?.head()?.commit,
            _ => None,
        };
        shell.out.json(&FinalizedJson::new(here, plan, before, after.as_ref(), commit, &finished))?;
    }
    shell.out.say(format_args!(
        "The work of all devices is {}.",
        match &committed {
            Some(Ok(())) => "committed",
            _ => "staged as one change",
        }
    ))?;
    takeover::say(shell, before, &carried.done)?;
    match committed {
        Some(Err(failure)) => {
            Err(failure.into_partly().hint("The change is staged; `git commit` tries again, `carry undo` goes back."))
        }
        Some(Ok(())) => {
            shell.out.note("`git push` brings the commit to the others; `carry sync` there moves their branch to it.");
            Ok(())
        }
        None => {
            shell.out.note("`git diff --staged` shows it; next: `git commit`, then `git push`.");
            Ok(())
        }
    }
}

/// Commits what is staged, with the user's hooks, editor and identity.
fn commit(shell: &Shell, here: &Here, args: &Args) -> Result<(), Failure> {
    shell.out.flush()?;
    let mut git = Command::new("git");
    for (variable, value) in git::command(here.repo.root()).get_envs() {
        // Only what would lead Git elsewhere: all else is the user's own.
        if value.is_none() {
            git.env_remove(variable);
        }
    }
    git.current_dir(here.repo.root()).arg("commit");
    if let Some(message) = &args.message {
        git.arg("-m").arg(message);
    } else {
        if !prompt::can_ask(shell) {
            return Err(Failure::failed("there is no terminal for your editor").hint("-m gives the message."));
        }
        git.stdin(Stdio::inherit());
    }
    if args.message.is_some() {
        git.stdin(Stdio::null());
    }
    // What Git says of the commit is no result of ours.
    git.stdout(Stdio::from(std::io::stderr()));
    if shell.options.quiet || shell.out.is_json() {
        git.arg("--quiet");
    }
    match git.status()?.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure::failed(format!("git commit ended with exit code {code}"))),
        None => Err(Failure::failed("git commit was ended by a signal")),
    }
}

/// Lets an undo take the commit back, too.
fn note_commit(shell: &Shell, here: &Here) -> Result<(), Failure> {
    let mut registry = shell.registry()?;
    let head = here.repo.reopen()?.head()?;
    let entry = registry.last_undo(&here.tree.id)?.filter(|entry| entry.what.starts_with("finalize"));
    let Some(entry) = entry else { return Ok(()) };
    let (Some(noted), Branch::Named(branch), Some(commit)) = (entry.handoff, head.branch, head.commit) else {
        return Ok(());
    };
    let before = take::read(&here.repo, entry.before)?.meta.head.map(|id| id.to_string());
    let moves = match noted.head {
        Some(moves) => HeadMove { new: commit.to_string(), ..moves },
        None => HeadMove {
            branch: format!("refs/heads/{}", branch.to_str_lossy()),
            old: before,
            new: commit.to_string(),
            head: None,
            back: false,
        },
    };
    Ok(registry.set_handoff_head(entry.id, &moves)?)
}

/// Marks our line as finished where it is published; returns the remotes that know of it now.
fn finish(
    shell: &Shell,
    here: &Here,
    plan: &Finalize,
    before: &Snapshot,
    after: Option<&Snapshot>,
) -> Result<Vec<String>, Failure> {
    // Going over to another branch leaves the line of this one as it was.
    let newest = after.filter(|after| after.meta.branch == plan.branch).unwrap_or(before);
    shell.registry()?.set_finished(&here.tree.id, &plan.branch, newest.commit)?;
    let mut finished = Vec::new();
    if !here.settings.publish {
        return Ok(finished);
    }
    for remote in &here.remotes {
        if links::consent(shell, here, remote)? != Some(Consent::Agreed) {
            continue;
        }
        match links::push(shell, here, remote, &Options { finish: Some(plan.branch.clone()), ..Options::default() }) {
            // Under a new identity nothing was pushed yet.
            Ok(report) if report.held.is_empty() && report.refused.is_empty() && !report.renewed => {
                finished.push(remote.shown_name())
            }
            Ok(_) => shell.out.warn(format_args!(
                "{} was not told that this work is finished; `carry now --push` says why",
                text::line(&remote.shown_name())
            )),
            Err(failure) => shell.out.warn(format_args!("{}; the daemon tells it later", failure.in_one_line())),
        }
    }
    Ok(finished)
}
