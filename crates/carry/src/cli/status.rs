//! `carry status`: how things stand, and what is not covered.

use std::path::PathBuf;

use anstyle::Style;
use carry_code::registry::{Coverage, Presence, Tree};
use carry_code::seen::Relation;
use carry_kernel::worker::Phase;
use serde::Serialize;

use super::daemon::{ConfigJson, MEND, config_problem, of_config};
use super::snapshot_json::SkippedJson;
use super::status_json::{DriftJson, InterruptedJson, RemoteJson};
use super::{exchange, sessions, team};
use crate::failure::Failure;
use crate::far::{self, DriftRow, Far, RemoteRow};
use crate::output::style;
use crate::overview::{self, Overview};
use crate::targets::{self, Place};
use crate::wire::Shell;
use crate::{text, writers};

/// Show the last capture and what is not covered
///
/// Shows the repository you stand in, or all outside of one: captures, Git remotes, newer work of other devices. Reads what
/// the last look and the last fetch found; it looks at no files and asks no remote, so that it answers at once.
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
        let daemon = shell.daemon()?;
        let rows = overview::rows(shell, daemon)?;
        if shell.out.is_json() {
            show_daemon(shell, daemon)?;
        }
        sessions::show_overview(shell, &rows)?;
        team::show_overview(shell, &rows)?;
        exchange::show_overview(shell)?;
        if !shell.out.is_json() {
            show_daemon(shell, daemon)?;
        }
        shell.out.note("No repository is registered yet; `carry up` in one begins.");
        return Ok(());
    };
    let trees: Vec<Tree> = match scope {
        Scope::Root(root) => registry.by_root(root)?.into_iter().collect(),
        Scope::All => registry.trees()?,
    };
    let (daemon, overviews) = overview::look(shell, &registry, trees)?;
    let rows = overview::rows(shell, daemon)?;
    if shell.out.is_json() {
        show_daemon(shell, daemon)?;
    }
    for overview in &overviews {
        let far = match overview.presence {
            Presence::Present => far::look(shell, &registry, &rows, &overview.tree),
            Presence::Missing | Presence::Replaced => Far::default(),
        };
        if shell.out.is_json() {
            shell.out.json(&RepositoryJson::new(overview, Some(&far)))?;
        } else {
            show_one(shell, overview, &far)?;
        }
    }
    sessions::show_overview(shell, &rows)?;
    team::show_overview(shell, &rows)?;
    exchange::show_overview(shell)?;
    if shell.out.is_json() {
        return Ok(());
    }
    show_daemon(shell, daemon)?;
    if overviews.is_empty() {
        shell.out.note("No repository is registered yet; `carry up` in one begins.");
    }
    Ok(())
}

fn show_daemon(shell: &Shell, daemon: Option<u32>) -> Result<(), Failure> {
    // It is asked only when there may be something to say: this answers at once.
    let is_broken = !shell.config_in_silence(None).broken().is_empty();
    let problem = if is_broken && daemon.is_some() { config_problem(shell) } else { None };
    if shell.out.is_json() {
        let config = problem.as_ref().map(ConfigJson::new);
        return shell.out.json(&DaemonJson { running: daemon.is_some(), pid: daemon, config });
    }
    match daemon {
        Some(pid) => {
            shell.out.line(format_args!("The daemon {} (process {pid}).", shell.out.paint(style::GOOD, "runs")))?;
            if let Some(problem) = problem {
                shell.out.warn(of_config(shell, &problem));
                shell.out.problem(style::HINT, "Hint", MEND);
            }
            Ok(())
        }
        None => {
            shell.out.line(format_args!("{}; `carry up` starts it.", shell.out.paint(style::ERROR, "No daemon runs")))
        }
    }
}

fn show_one(shell: &Shell, overview: &Overview, far: &Far) -> Result<(), Failure> {
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
    for remote in &far.remotes {
        let style = if remote.is_gap() || remote.fetch_error.is_some() { style::WARNING } else { Style::new() };
        row("remote", out.paint(style, remote_text(shell, remote)))?;
    }
    for (n, newer) in far.drift.iter().enumerate() {
        row(if n == 0 { "newer" } else { "" }, drift_text(shell, newer))?;
    }
    if let Some(interrupted) = &far.interrupted {
        let what = text::line(&interrupted.entry.what);
        let text = format!("`{what}` was interrupted; `carry sync` completes it, `carry undo` takes it back");
        row("begun", out.paint(style::WARNING, text))?;
    }
    for (n, problem) in overview.problems().iter().enumerate() {
        let label = if n == 0 { "attention" } else { "" };
        let style = if problem.is_gap { style::WARNING } else { style::DIM };
        row(label, out.paint(style, text::line(&problem.text)))?;
    }
    Ok(())
}

/// `origin: published, pushed 3 min ago, fetched 2 min ago`.
fn remote_text(shell: &Shell, remote: &RemoteRow) -> String {
    let age = |at| carry_code::time::age(at, shell.now());
    let mut parts = vec![match (&remote.why, remote.waiting) {
        (Some(why), 0) => why.clone(),
        (Some(why), n) if remote.state == "waiting" => format!("{} waiting, {why}", text::count(n, "snapshot")),
        (Some(why), _) => why.clone(),
        (None, 0) => "published".to_owned(),
        (None, n) => format!("{} waiting", text::count(n, "snapshot")),
    }];
    parts.extend(remote.backoff.map(|until| format!("tried again {}", age(until))));
    parts.extend(remote.step.as_ref().map(|step| format!("pushing: {step}")));
    parts.extend(remote.pushed.map(|at| format!("pushed {}", age(at))));
    parts.extend(match (&remote.fetch_error, remote.fetched) {
        (Some(error), Some(at)) => Some(format!("fetches fail since the one {}: {error}", age(at))),
        (Some(error), None) => Some(format!("no fetch came through yet: {error}")),
        (None, at) => at.map(|at| format!("fetched {}", age(at))),
    });
    format!("{}: {}", remote.name, parts.join(", "))
}

/// `desktop: 3 min ago, 4 files; carry sync`.
fn drift_text(shell: &Shell, newer: &DriftRow) -> String {
    let n = u64::try_from(newer.files).unwrap_or(u64::MAX);
    let command = match newer.drift.is_first {
        true => "carry sync".to_owned(),
        false => format!("carry sync --device {}", writers::word(&newer.drift.tip)),
    };
    let age = carry_code::time::age(newer.drift.tip.time, shell.now());
    let how = if newer.drift.relation == Relation::Diverged { ", beside what is here" } else { "" };
    format!("on {}: {age}, {}{how}; {command}", newer.name, text::count(n, "file"))
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
    config: Option<ConfigJson>,
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
    remotes: Option<Vec<RemoteJson<'a>>>,
    drift: Option<Vec<DriftJson<'a>>>,
    interrupted: Option<InterruptedJson<'a>>,
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
    /// Without `far` what lies beyond this machine was not looked at.
    pub(super) fn new(overview: &'a Overview, far: Option<&'a Far>) -> Self {
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
            remotes: far.map(|far| far.remotes.iter().map(RemoteJson::new).collect()),
            drift: far.map(|far| far.drift.iter().map(DriftJson::new).collect()),
            interrupted: far.and_then(|far| far.interrupted.as_ref()).map(InterruptedJson::new),
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
