//! `carry restore`: bring files, folders and staged parts back.

use std::path::{Path, PathBuf};

use carry_code::diff::{self, Delta};
use carry_code::git::BString;
use carry_code::history;
use carry_code::registry::{Tree, UndoEntry};
use carry_code::repo::Repo;
use carry_code::restore::{self, Action, Plan, RestoreError, Restored, Step};
use carry_code::snapshot::Snapshot;
use carry_code::{prune, time};

use super::restore_json::{RestoredJson, StepJson};
use super::{staging, theirs};
use crate::failure::Failure;
use crate::journal::Touched;
use crate::output::style;
use crate::progress::Spinner;
use crate::wire::Shell;
use crate::{paths, prompt, take, targets, text};

/// Why a snapshot taken before a restore is kept for good.
const PIN: &str = "undo";

/// Bring files and folders back
///
/// First captures what is there, so that `carry undo` always goes back. Without --from it takes the newest snapshot in
/// which PATH is not as it is now; with --staged, the newest in which something else was staged there. On a changed file it asks; what no snapshot holds is moved aside, never overwritten.
/// Your index is left alone unless --staged asks for it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files or folders, existing or deleted; `.` for all below here
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Snapshot to take them from: its id, or a time such as "10 minutes ago" or "2026-11-20 10:55"
    #[arg(long, value_name = "SNAPSHOT|TIME")]
    from: Option<String>,
    /// Take them from this device's work on the present branch: its newest snapshot, or the one that --from picks
    #[arg(long, value_name = "NAME", conflicts_with = "staged")]
    device: Option<String>,
    /// Write them below this folder instead
    #[arg(long, value_name = "DIR", conflicts_with_all = ["staged", "exact"])]
    to: Option<PathBuf>,
    /// Bring back what was staged, too
    #[arg(long)]
    staged: bool,
    /// Also delete files that the snapshot does not have, in the folders named
    #[arg(long)]
    exact: bool,
    /// Overwrite changed files without asking
    #[arg(short, long)]
    force: bool,
    /// Show what would be done
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (repo, tree) = targets::open_here(shell)?;
    let wanted = paths::all_below_root(repo.root(), &shell.cwd, &args.paths)?;
    // Looked for before anything is captured: a mistyped name must do nothing.
    let from = match (&args.device, &args.from) {
        (Some(name), from) => Some(theirs::snapshot(shell, &repo, &tree.id, name, from.as_deref())?),
        (None, from) => from.as_ref().map(|spec| shell.find(&repo, &tree.id, spec)).transpose()?,
    };
    if let (Some(to), Some(from)) = (&args.to, &from) {
        return write_to(shell, &repo, from, &wanted, to, args.dry_run);
    }
    if args.staged {
        index_is_free(&repo)?;
    }
    let current = take::one(shell, &tree)?;
    let staged_elsewhere = match &from {
        None if args.staged => staging::default_source(&repo, &tree.id, &current, &wanted)?,
        _ => None,
    };
    if let Some(found) = &staged_elsewhere {
        let (id, age) = (text::short(&found.commit), time::age(found.time, shell.now()));
        shell.out.note(format_args!("Snapshot {id} ({age}) is the newest in which something else was staged there."));
    }
    let source = match from.or(staged_elsewhere) {
        Some(from) => from,
        None => restore::default_source(&repo, &tree.id, &current, &wanted)?.ok_or_else(|| nothing_else(&wanted))?,
    };
    if let Some(to) = &args.to {
        return write_to(shell, &repo, &source, &wanted, to, args.dry_run);
    }
    let mut plan = restore::plan(&repo, &source, &current, &wanted, args.exact)?;
    if !plan.not_found.is_empty() && plan.not_found.len() == wanted.len() {
        return Err(not_found(&source, &plan));
    }
    if !args.dry_run && !args.force && !shell.options.yes {
        let had_steps = !plan.steps.is_empty();
        ask(shell, &repo, &current, &mut plan)?;
        if had_steps && plan.steps.is_empty() && !args.staged {
            shell.out.note("Nothing was changed.");
            return Ok(());
        }
    }
    let job = Job {
        repo: &repo,
        tree: &tree,
        source: &source,
        current: &current,
        what: format!("restore {}", shown(&wanted)),
        index: args.staged.then_some(&wanted),
        undoes: None,
    };
    job.carry_out(shell, &plan, args.dry_run)
}

/// What restoring and undoing have in common.
pub(super) struct Job<'a> {
    /// Where.
    pub(super) repo: &'a Repo,
    /// In which tree.
    pub(super) tree: &'a Tree,
    /// What is brought back.
    pub(super) source: &'a Snapshot,
    /// What was captured just before.
    pub(super) current: &'a Snapshot,
    /// The command, for the journal.
    pub(super) what: String,
    /// The paths whose staging is brought back, if any is.
    pub(super) index: Option<&'a Vec<BString>>,
    /// The journal's entry that this takes back.
    pub(super) undoes: Option<i64>,
}

/// What was done.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// To the files.
    pub(super) files: Restored,
    /// To the index, if it was asked for: nothing, or why not.
    pub(super) index: Option<Result<(), RestoreError>>,
}

impl Done {
    fn is_nothing(&self) -> bool {
        let Restored { written, deleted, kept, .. } = &self.files;
        written.is_empty() && deleted.is_empty() && kept.is_empty() && !matches!(self.index, Some(Ok(())))
    }
}

/// Looked at before anything is written: what is staged should not stay behind the files.
pub(super) fn index_is_free(repo: &Repo) -> Result<(), RestoreError> {
    let path = repo.git_dir().join("index.lock");
    if path.symlink_metadata().is_ok() { Err(RestoreError::IndexLocked { path }) } else { Ok(()) }
}

impl Job<'_> {
    /// Notes the way back, carries the plan out, and says what was done.
    pub(super) fn carry_out(&self, shell: &Shell, plan: &Plan, dry_run: bool) -> Result<(), Failure> {
        for path in &plan.submodules {
            shell.out.warn(format_args!("{} is a submodule and is left alone", text::path(path.as_ref())));
        }
        for path in &plan.not_found {
            let id = text::short(&self.source.commit);
            shell.out.warn(format_args!("snapshot {id} has no {}", text::path(path.as_ref())));
        }
        if dry_run {
            return show_plan(shell, self.source, plan);
        }
        if plan.steps.is_empty() && self.index.is_none() {
            if let Some(entry) = self.undoes {
                shell.registry()?.mark_undone(entry)?;
            }
            return self.say(shell, plan, Done::default());
        }
        if self.index.is_some() {
            index_is_free(self.repo)?;
        }
        let noted = self.note(shell, plan)?;
        let progress = Spinner::new(shell, "restoring");
        let files = restore::execute(self.repo, plan);
        let done = files.map(|files| {
            let index = self.index.map(|paths| restore::restore_staged(self.repo, self.source, paths));
            Done { files, index }
        });
        drop(progress);
        let is_nothing = done.as_ref().map_or(self.undoes.is_some(), Done::is_nothing);
        // What changed nothing leaves no way back, and an undo that failed can be tried again.
        let outdated = if is_nothing { noted } else { self.undoes };
        if let Some(entry) = outdated {
            shell.registry()?.mark_undone(entry)?;
        }
        self.say(shell, plan, done?)
    }

    /// Notes the way back before the first file is touched; returns the journal's entry.
    fn note(&self, shell: &Shell, plan: &Plan) -> Result<Option<i64>, Failure> {
        prune::pin(self.repo, &self.tree.id, PIN, self.current.commit)?;
        let files = plan.steps.iter().map(|step| step.path.clone()).collect();
        let touched = Touched { files, index: self.index.cloned().unwrap_or_default() };
        let mut registry = shell.registry()?;
        registry.note_undo(&UndoEntry {
            id: 0,
            tree: self.tree.id.clone(),
            time: shell.now(),
            what: self.what.clone(),
            before: self.current.commit,
            paths: touched.into_paths(),
            staged: self.index.is_some(),
            handoff: None,
        })?;
        Ok(registry.last_undo(&self.tree.id)?.map(|entry| entry.id))
    }

    fn say(&self, shell: &Shell, plan: &Plan, done: Done) -> Result<(), Failure> {
        let out = &shell.out;
        if out.is_json() {
            out.json(&RestoredJson::new(self, plan, &done))?;
        }
        let restored = &done.files;
        let from = format!(
            "from {} ({})",
            out.paint(style::ID, text::short(&self.source.commit)),
            time::age(self.source.time, shell.now())
        );
        for path in &restored.written {
            out.say(format_args!("restored {} {from}", text::path(path.as_ref())))?;
        }
        for path in &restored.deleted {
            out.say(format_args!(
                "deleted {}, which {} does not have",
                text::path(path.as_ref()),
                text::short(&self.source.commit)
            ))?;
        }
        if let Some(Ok(())) = done.index {
            out.say(format_args!("restored what was staged {from}"))?;
        }
        for (path, kept) in &restored.kept {
            out.note(format_args!("What was at {} is kept as {}.", text::path(path.as_ref()), text::file(kept)));
        }
        for (path, why) in &restored.failed {
            out.warn(format_args!("{} could not be restored: {why}", text::path(path.as_ref())));
        }
        if plan.steps.is_empty() && self.index.is_none() {
            out.say(format_args!("Everything is as in {} already.", text::short(&self.source.commit)))?;
        } else if !done.is_nothing() {
            let id = text::short(&self.current.commit);
            out.note(format_args!("What was there before is kept in snapshot {id}; `carry undo` brings it back."));
        }
        let is_nothing = done.is_nothing();
        if let Some(Err(error)) = done.index {
            let failure = Failure::from(error);
            return Err(if is_nothing { failure } else { failure.into_partly() });
        }
        let undone = text::len(&restored.failed) + text::len(&plan.not_found);
        match (undone, is_nothing) {
            (0, _) => Ok(()),
            (n, true) => Err(Failure::failed(format!("{} could not be restored", text::count(n, "path")))),
            (n, false) => Err(Failure::partly(format!("{} could not be restored", text::count(n, "path")))),
        }
    }
}

/// Says what a plan to bring paths to what `source` has would do.
pub(super) fn show_plan(shell: &Shell, source: &Snapshot, plan: &Plan) -> Result<(), Failure> {
    for step in &plan.steps {
        if shell.out.is_json() {
            shell.out.json(&StepJson::new(step))?;
            continue;
        }
        let what = match step.action {
            Action::Create => "create",
            Action::Replace => "overwrite",
            Action::KeepAside => "move aside and write",
            Action::Delete => "delete",
        };
        shell.out.line(format_args!("would {what} {}", text::path(step.path.as_ref())))?;
    }
    let id = text::short(&source.commit);
    let age = time::age(source.time, shell.now());
    shell.out.note(format_args!(
        "{} from snapshot {id} ({age}); nothing was changed.",
        text::count(text::len(&plan.steps), "step")
    ));
    Ok(())
}

/// What can be answered about a changed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Overwrite,
    OverwriteAll,
    ShowDiff,
    LeaveIt,
    Cancel,
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Overwrite => "overwrite",
            Self::OverwriteAll => "overwrite this and all that follow",
            Self::ShowDiff => "show diff",
            Self::LeaveIt => "leave this one as it is",
            Self::Cancel => "cancel",
        })
    }
}

/// Asks about each changed file and takes out of the plan what is to be left alone. Fails when nothing is to be done.
fn ask(shell: &Shell, repo: &Repo, current: &Snapshot, plan: &mut Plan) -> Result<(), Failure> {
    let changed = plan.steps.iter().filter(|step| step.action != Action::Create).count();
    if changed == 0 {
        return Ok(());
    }
    if !prompt::can_ask(shell) {
        let first =
            plan.steps.iter().find(|step| step.action != Action::Create).map(|step| text::path(step.path.as_ref()));
        let more = if changed > 1 { format!(" and {} more", changed - 1) } else { String::new() };
        return Err(Failure::failed(format!("{}{more} would be overwritten or deleted", first.unwrap_or_default()))
            .hint("Pass --force to do it; what is there is captured first, and `carry undo` brings it back.")
            .hint("--dry-run shows all that would be done, --to DIR writes elsewhere."));
    }
    let mut agreed = Vec::new();
    let mut all = false;
    for step in std::mem::take(&mut plan.steps) {
        if all || step.action == Action::Create {
            agreed.push(step);
            continue;
        }
        match answer(shell, repo, current, &step)? {
            Answer::Overwrite => agreed.push(step),
            Answer::OverwriteAll => {
                all = true;
                agreed.push(step);
            }
            Answer::LeaveIt => {}
            Answer::Cancel | Answer::ShowDiff => return Err(prompt::cancelled()),
        }
    }
    plan.steps = agreed;
    Ok(())
}

fn answer(shell: &Shell, repo: &Repo, current: &Snapshot, step: &Step) -> Result<Answer, Failure> {
    let question = match step.action {
        Action::Delete => format!("{} is not in the snapshot. Delete it?", text::path(step.path.as_ref())),
        _ => format!("{} has changed. Overwrite it?", text::path(step.path.as_ref())),
    };
    // What a stray Enter chooses must not change anything.
    let choices = [Answer::ShowDiff, Answer::Overwrite, Answer::OverwriteAll, Answer::LeaveIt, Answer::Cancel];
    loop {
        match prompt::choose(shell, &question, choices.to_vec())? {
            Some(Answer::ShowDiff) => {
                let old = history::entry_at(&repo.gix(), current.tree, step.path.as_ref())?;
                let delta = Delta { path: step.path.clone(), old, new: step.entry };
                shell.out.bytes(diff::unified(repo, &delta)?.as_bytes())?;
            }
            other => return Ok(other.unwrap_or(Answer::Cancel)),
        }
    }
}

fn write_to(
    shell: &Shell,
    repo: &Repo,
    source: &Snapshot,
    wanted: &[BString],
    to: &Path,
    dry_run: bool,
) -> Result<(), Failure> {
    let to = shell.cwd.join(to);
    let id = text::short(&source.commit);
    if dry_run {
        for path in wanted {
            if shell.out.is_json() {
                shell.out.json(&StepJson::write(path))?;
                continue;
            }
            shell.out.line(format_args!("would write {} of snapshot {id} below {}", name(path), text::file(&to)))?;
        }
        return Ok(());
    }
    let progress = Spinner::new(shell, "writing");
    let restored = restore::write_to(repo, source, wanted, &to)?;
    drop(progress);
    if shell.out.is_json() {
        let nothing = Plan::default();
        shell.out.json(&RestoredJson::of(source.commit, None, &nothing, &restored))?;
    }
    for path in &restored.written {
        shell.out.say(format_args!("wrote {} from {id} below {}", text::path(path.as_ref()), text::file(&to)))?;
    }
    for (path, why) in &restored.failed {
        shell.out.warn(format_args!("{} could not be written: {why}", text::path(path.as_ref())));
    }
    match (restored.written.is_empty(), restored.failed.is_empty()) {
        (false, true) => Ok(()),
        (false, false) => {
            Err(Failure::partly(format!("{} could not be written", text::count(text::len(&restored.failed), "path"))))
        }
        (true, _) => Err(Failure::failed(format!("snapshot {id} has nothing to write for {}", shown(wanted)))
            .hint("`carry log PATH` lists the snapshots in which it changed.")),
    }
}

fn nothing_else(wanted: &[BString]) -> Failure {
    Failure::failed(format!("no snapshot has {} otherwise than it is now", shown(wanted)))
        .hint("`carry log PATH` lists the snapshots in which it changed; --from names one.")
}

fn not_found(source: &Snapshot, plan: &Plan) -> Failure {
    Failure::failed(format!("snapshot {} has no {}", text::short(&source.commit), shown(&plan.not_found)))
        .hint("`carry log PATH` lists the snapshots in which it changed.")
}

/// Paths in a sentence.
fn shown(paths: &[BString]) -> String {
    paths.iter().map(name).collect::<Vec<_>>().join(", ")
}

fn name(path: &BString) -> String {
    if path.is_empty() { ".".to_owned() } else { text::path(path.as_ref()) }
}
