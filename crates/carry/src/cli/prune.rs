//! `carry prune`: thin snapshots by retention.

use carry_code::prune::{self, LinePlan, Pruned};
use carry_code::registry::{Presence, Tree};
use carry_code::repo::Repo;
use carry_code::retention::Policy;
use carry_kernel::id::TreeId;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::style;
use crate::progress::Spinner;
use crate::wire::Shell;
use crate::{prompt, targets, text};

/// Thin snapshots by retention
///
/// Shows what goes and asks. The newest snapshot of a branch and those that an undo needs stay. The space comes back at
/// Git's next gc; --gc runs it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Every registered repository
    #[arg(short, long)]
    all: bool,
    /// Run Git's gc afterwards
    #[arg(long)]
    gc: bool,
    /// Show what would go
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// One working tree's plans.
struct Job {
    tree: Tree,
    repo: Repo,
    plans: Vec<LinePlan>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let registry = shell.registry()?;
    let ctx = shell.context()?;
    let mut jobs = Vec::new();
    let trees = targets::select(shell, &registry, None, args.all)?;
    let mut failures = Failures { shell, names_each: trees.len() > 1, total: 0, all: Vec::new() };
    for tree in trees {
        if args.all && registry.presence(&tree) != Presence::Present {
            shell.out.note(format_args!("{} is not there.", shell.folder(&tree.root)));
            continue;
        }
        failures.total += 1;
        let config = shell.config(Some(&tree.root));
        let planned = Repo::open(&tree.root).map_err(Failure::from).and_then(|repo| {
            let plans = prune::plan(&ctx, &repo, &tree.id, &Policy::new(&config), shell.now())?;
            Ok((repo, plans))
        });
        match planned {
            Ok((repo, plans)) => jobs.push(Job { tree, repo, plans }),
            Err(failure) => failures.add(&tree, failure),
        }
    }
    let n_dropped = show(shell, &jobs, args.dry_run)?;
    if args.dry_run {
        return failures.end();
    }
    if n_dropped == 0 {
        shell.out.say("There is nothing to thin.")?;
        for job in jobs.iter().filter(|_| shell.out.is_json()) {
            report(shell, job, &Pruned::default())?;
        }
    } else {
        let question = format!("Drop {}?", text::count(n_dropped, "snapshot"));
        if !prompt::confirm(shell, &question, "Pass --yes to agree, or --dry-run to see what would be done.")? {
            return Err(prompt::cancelled());
        }
        for job in &jobs {
            let progress = Spinner::new(shell, &format!("thinning {}", shell.folder(&job.tree.root)));
            let pruned = prune::execute(&ctx, &job.repo, &job.tree.id, &job.plans);
            drop(progress);
            match pruned {
                Ok(pruned) => report(shell, job, &pruned)?,
                Err(error) => failures.add(&job.tree, error.into()),
            }
        }
    }
    if args.gc {
        collect(shell, &jobs, &mut failures);
    }
    failures.end()
}

/// Repositories that failed; each is named when it does, and the rest goes on.
struct Failures<'a> {
    shell: &'a Shell,
    /// Whether there are several, so that each that fails is named.
    names_each: bool,
    /// How many were tried.
    total: usize,
    all: Vec<(TreeId, Failure)>,
}

impl Failures<'_> {
    fn add(&mut self, tree: &Tree, failure: Failure) {
        if self.names_each {
            self.shell.out.warn(format_args!("{}: {}", self.shell.folder(&tree.root), failure.in_one_line()));
            for hint in failure.hints() {
                self.shell.out.problem(style::HINT, "Hint", hint);
            }
        }
        self.all.push((tree.id.clone(), failure));
    }

    fn end(mut self) -> Result<(), Failure> {
        let trees: std::collections::BTreeSet<_> = self.all.iter().map(|(tree, _)| tree).collect();
        match trees.len() {
            0 => Ok(()),
            _ if !self.names_each => self.all.pop().map_or(Ok(()), |(_, failure)| Err(failure)),
            n if n == self.total && !self.all.iter().any(|(_, failure)| failure.is_partly()) => {
                Err(Failure::failed(format!("none of {n} repositories could be thinned")))
            }
            n => Err(Failure::partly(format!("{n} of {} repositories could not be thinned", self.total))),
        }
    }
}

/// Shows the plans and counts what would be dropped.
fn show(shell: &Shell, jobs: &[Job], is_result: bool) -> Result<u64, Failure> {
    let mut table = shell.out.table(&["PATH", "BRANCH", "KEEP", "DROP", "BYTES WRITTEN"]);
    let mut n_dropped = 0;
    for job in jobs {
        for line in &job.plans {
            n_dropped += text::len(&line.plan.drop);
            if shell.out.is_json() && is_result {
                shell.out.json(&PlanJson::new(job, line))?;
            }
            table.add_row([
                shell.folder(&job.tree.root),
                text::path(line.branch.as_str().into()),
                line.plan.keep.len().to_string(),
                line.plan.drop.len().to_string(),
                text::size(line.plan.bytes),
            ]);
        }
    }
    if shell.out.is_json() {
        return Ok(n_dropped);
    }
    if is_result {
        shell.out.line(table.trim_fmt())?;
        shell.out.note("Nothing was changed.");
    } else if n_dropped > 0 {
        shell.out.say(table.trim_fmt())?;
    }
    Ok(n_dropped)
}

fn report(shell: &Shell, job: &Job, pruned: &Pruned) -> Result<(), Failure> {
    if shell.out.is_json() {
        let Pruned { snapshots, bytes, moved } = *pruned;
        return shell.out.json(&PrunedJson {
            repository: job.tree.id.as_str(),
            root: text::json_file(&job.tree.root),
            snapshots,
            bytes,
            moved,
        });
    }
    let folder = shell.folder(&job.tree.root);
    let (snapshots, bytes) = (text::count(pruned.snapshots, "snapshot"), text::size(pruned.bytes));
    shell.out.say(format_args!("Dropped {snapshots} of {folder}, which had written {bytes}."))?;
    if pruned.moved > 0 {
        let lines = text::count(pruned.moved, "line");
        shell.out.note(format_args!("{lines} got a new snapshot meanwhile and stayed as they were."));
    }
    Ok(())
}

/// Once per object store, however many worktrees share it.
fn collect(shell: &Shell, jobs: &[Job], failures: &mut Failures<'_>) {
    let mut stores = std::collections::BTreeSet::new();
    for job in jobs {
        if !stores.insert(job.repo.common_dir()) {
            continue;
        }
        shell.out.note(format_args!("Running `git gc` in {} …", shell.folder(&job.tree.root)));
        let progress = Spinner::new(shell, "git gc");
        let done = prune::gc(job.repo.root());
        drop(progress);
        if let Err(said) = done {
            let failure = Failure::failed(format!("git gc failed: {}", said.trim()));
            // Alone it still has thinned before.
            failures.add(
                &job.tree,
                if job.plans.iter().any(|l| !l.plan.drop.is_empty()) { failure.into_partly() } else { failure },
            );
        }
    }
}

/// A plan for one branch, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "prune-plan")]
struct PlanJson<'a> {
    repository: &'a str,
    root: String,
    branch: String,
    keep: Vec<String>,
    drop: Vec<String>,
    bytes: u64,
}

impl<'a> PlanJson<'a> {
    fn new(job: &'a Job, line: &LinePlan) -> Self {
        Self {
            repository: job.tree.id.as_str(),
            root: text::json_file(&job.tree.root),
            branch: line.branch.clone(),
            keep: line.plan.keep.iter().map(|(id, _)| id.to_string()).collect(),
            drop: line.plan.drop.iter().map(ToString::to_string).collect(),
            bytes: line.plan.bytes,
        }
    }
}

/// What thinning did in one working tree, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "pruned")]
struct PrunedJson<'a> {
    repository: &'a str,
    root: String,
    snapshots: u64,
    bytes: u64,
    moved: u64,
}
