//! `carry status`: how things stand, and what is not covered.

use std::path::PathBuf;

use carry_code::registry::{Coverage, Presence, Tree};
use carry_kernel::worker::Phase;
use serde::Serialize;

use super::snapshot_json::SkippedJson;
use crate::failure::Failure;
use crate::output::style;
use crate::overview::{self, Overview};
use crate::targets::{self, Place};
use crate::text;
use crate::wire::Shell;

/// Show the last capture and what is not covered
///
/// Shows the repository you stand in, or all outside of one. Reads what the last look found; it does not look at the
/// files itself, so that it answers at once.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Show every registered repository
    #[arg(short, long)]
    all: bool,
}

/// Which repositories are shown.
#[derive(Debug)]
pub(super) enum Scope {
    /// The one at this root.
    Root(PathBuf),
    /// All.
    All,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let registry = shell.registry_to_read()?;
    let scope = match targets::place(registry.as_ref(), &shell.cwd)? {
        _ if args.all => Scope::All,
        Place::Registered(tree) => Scope::Root(tree.root),
        Place::Outside => Scope::All,
        Place::Unregistered(root) => {
            show_daemon(shell, shell.daemon()?)?;
            shell.out.warn(format_args!("{} is not registered: nothing of it is captured.", shell.folder(&root)));
            shell.out.note("`carry up` registers it and captures it from now on.");
            return Ok(());
        }
    };
    show(shell, &scope)
}

/// Shows them.
pub(super) fn show(shell: &Shell, scope: &Scope) -> Result<(), Failure> {
    let Some(registry) = shell.registry_to_read()? else {
        show_daemon(shell, shell.daemon()?)?;
        shell.out.note("No repository is registered yet; `carry up` in one begins.");
        return Ok(());
    };
    let trees: Vec<Tree> = match scope {
        Scope::Root(root) => registry.by_root(root)?.into_iter().collect(),
        Scope::All => registry.trees()?,
    };
    let (daemon, overviews) = overview::look(shell, &registry, trees)?;
    if shell.out.is_json() {
        show_daemon(shell, daemon)?;
        return overviews.iter().try_for_each(|overview| shell.out.json(&RepositoryJson::new(overview)));
    }
    for overview in &overviews {
        show_one(shell, overview)?;
    }
    show_daemon(shell, daemon)?;
    if overviews.is_empty() {
        shell.out.note("No repository is registered yet; `carry up` in one begins.");
    }
    Ok(())
}

fn show_daemon(shell: &Shell, daemon: Option<u32>) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&DaemonJson { running: daemon.is_some(), pid: daemon });
    }
    match daemon {
        Some(pid) => {
            shell.out.line(format_args!("The daemon {} (process {pid}).", shell.out.paint(style::GOOD, "runs")))
        }
        None => {
            shell.out.line(format_args!("{}; `carry up` starts it.", shell.out.paint(style::ERROR, "No daemon runs")))
        }
    }
}

fn show_one(shell: &Shell, overview: &Overview) -> Result<(), Failure> {
    let out = &shell.out;
    let state = &overview.state;
    let mut title = out.paint(style::TITLE, shell.folder(&overview.tree.root));
    if let Some(branch) = &state.branch {
        title.push_str(&format!(" on {}", text::path(branch.as_str().into())));
    }
    if let Some(git) = state.state {
        title.push_str(&format!(", in the middle of a {git}"));
    }
    out.line(title)?;
    let row = |label: &str, text: String| out.line(format_args!("  {label:<10} {text}"));
    let last = match (state.captured, &state.snapshot) {
        (Some(at), Some(snapshot)) => {
            format!(
                "{}, snapshot {}",
                carry_code::time::age(at, shell.now()),
                out.paint(style::ID, text::short(snapshot))
            )
        }
        (Some(at), None) => format!("{}, nothing to capture", carry_code::time::age(at, shell.now())),
        (None, _) => "never".to_owned(),
    };
    row("captured", last)?;
    row("worker", worker(overview))?;
    let budget = &overview.budget;
    row(
        "kept",
        format!(
            "{}, {} of {} (all repositories: {} of {})",
            text::count(state.snapshots, "snapshot"),
            text::size(budget.repository_used),
            text::size(budget.repository),
            text::size(budget.total_used),
            text::size(budget.total),
        ),
    )?;
    for (n, problem) in overview.problems().iter().enumerate() {
        let label = if n == 0 { "attention" } else { "" };
        let style = if problem.is_gap { style::WARNING } else { style::DIM };
        row(label, out.paint(style, text::line(&problem.text)))?;
    }
    Ok(())
}

fn worker(overview: &Overview) -> String {
    let Some(worker) = &overview.worker else { return "none".to_owned() };
    let phase = match &worker.phase {
        Phase::Idle => "idle".to_owned(),
        Phase::Working(step) => format!("capturing ({})", text::line(step)),
        Phase::Failed(step) => format!("failed ({})", text::line(step)),
        Phase::Backoff => "waiting after a failure".to_owned(),
        Phase::Healthy => "healthy".to_owned(),
        Phase::Paused => "paused".to_owned(),
        Phase::Disabled => "switched off".to_owned(),
    };
    let coverage = match overview.coverage() {
        Coverage::Watched => "watched",
        Coverage::Polled => "polled",
        Coverage::Unwatched => "not watched",
    };
    format!("{phase}, {coverage}")
}

/// Whether a daemon runs, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "daemon")]
struct DaemonJson {
    running: bool,
    pid: Option<u32>,
}

/// One repository, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "repository")]
pub(super) struct RepositoryJson<'a> {
    id: &'a str,
    root: String,
    presence: Presence,
    paused: bool,
    automatic: bool,
    added: String,
    branch: Option<&'a str>,
    state: Option<&'static str>,
    captured: Option<String>,
    snapshot: Option<String>,
    coverage: Coverage,
    coverage_reason: Option<&'a str>,
    phase: Option<&'static str>,
    step: Option<&'a str>,
    dirty: Option<bool>,
    error: Option<&'a str>,
    gates: Vec<String>,
    skipped: Vec<SkippedJson>,
    nested: Vec<String>,
    problems: Vec<String>,
    snapshots: u64,
    bytes: u64,
    budget: BudgetJson,
}

/// The budget, for machines; in bytes.
#[derive(Serialize)]
struct BudgetJson {
    level: carry_code::budget::Level,
    repository: u64,
    repository_used: u64,
    total: u64,
    total_used: u64,
}

impl<'a> RepositoryJson<'a> {
    pub(super) fn new(overview: &'a Overview) -> Self {
        let Overview { tree, presence, state, worker, budget, .. } = overview;
        let (phase, step) = worker.as_ref().map_or((None, None), |worker| phase_parts(&worker.phase));
        Self {
            id: tree.id.as_str(),
            root: text::json_file(&tree.root),
            presence: *presence,
            paused: tree.paused,
            automatic: tree.automatic,
            added: tree.added.to_rfc3339(),
            branch: state.branch.as_deref(),
            state: state.state.map(|state| state.name()),
            captured: state.captured.map(|at| at.to_rfc3339()),
            snapshot: state.snapshot.map(|id| id.to_string()),
            coverage: overview.coverage(),
            coverage_reason: state.coverage_reason.as_deref(),
            phase,
            step,
            dirty: worker.as_ref().map(|worker| worker.dirty),
            error: worker.as_ref().and_then(|worker| worker.message.as_deref()).or(state.error.as_deref()),
            gates: overview.gates().iter().map(ToString::to_string).collect(),
            skipped: state.skipped.iter().map(SkippedJson::new).collect(),
            nested: state.nested.iter().map(|path| text::json_path(path.as_ref())).collect(),
            problems: overview.problems().into_iter().map(|problem| problem.text).collect(),
            snapshots: state.snapshots,
            bytes: state.bytes,
            budget: BudgetJson {
                level: state.level,
                repository: budget.repository,
                repository_used: budget.repository_used,
                total: budget.total,
                total_used: budget.total_used,
            },
        }
    }
}

/// A phase's name and step, for machines.
pub(super) fn phase_parts(phase: &Phase) -> (Option<&'static str>, Option<&str>) {
    match phase {
        Phase::Idle => (Some("idle"), None),
        Phase::Working(step) => (Some("working"), Some(step)),
        Phase::Failed(step) => (Some("failed"), Some(step)),
        Phase::Backoff => (Some("backoff"), None),
        Phase::Healthy => (Some("healthy"), None),
        Phase::Paused => (Some("paused"), None),
        Phase::Disabled => (Some("disabled"), None),
    }
}
