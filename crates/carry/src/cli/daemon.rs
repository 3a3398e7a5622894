//! `carry daemon`: the background process.

use std::io::IsTerminal as _;
use std::time::Duration;

use carry_daemon::handle::{Answer, ConfigProblem, DaemonStatus, Handle as _, Request};
use carry_daemon::socket::Remote;
use carry_daemon::{control, log, run as daemon};
use serde::Serialize;

use super::status::phase_parts;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// How long a daemon may take to finish its step before it is terminated.
const GRACE: Duration = Duration::from_secs(20);

/// Start, stop and look at the background process
///
/// One runs per CARRY_HOME. It captures changes as they happen.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Run in the foreground until told to stop
    Run,
    /// Start it in the background
    Start,
    /// Stop it after its current step
    Stop,
    /// Stop it and start it again
    Restart,
    /// Show whether it runs and what it does
    Status,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    match args.action {
        Action::Run => run_here(shell),
        Action::Start => start(shell),
        Action::Stop => stop(shell),
        Action::Restart => {
            control::stop(&shell.home, GRACE)?;
            start(shell)
        }
        Action::Status => status(shell),
    }
}

fn run_here(shell: &Shell) -> Result<(), Failure> {
    let config = shell.config(None);
    let max_bytes = config.size("limits.max_log_size").expect("declared with a default");
    let filter = std::env::var("CARRY_LOG").ok();
    log::init(&shell.home, max_bytes, filter.as_deref(), std::io::stderr().is_terminal())?;
    for warning in config.warnings() {
        tracing::warn!(%warning, "configuration");
    }
    Ok(daemon::run(&shell.context()?)?)
}

fn start(shell: &Shell) -> Result<(), Failure> {
    let before = shell.daemon()?;
    let pid = control::start(&shell.home, &shell.program()?)?;
    if shell.out.is_json() {
        return status(shell);
    }
    shell.out.say(match before {
        Some(_) => format!("The daemon runs already (process {pid})."),
        None => format!("Started the daemon (process {pid})."),
    })
}

fn stop(shell: &Shell) -> Result<(), Failure> {
    let did = control::stop(&shell.home, GRACE)?;
    if shell.out.is_json() {
        return status(shell);
    }
    shell.out.say(if did {
        "Stopped the daemon. Changes are captured only by `carry now` until it is started."
    } else {
        "No daemon ran."
    })
}

fn status(shell: &Shell) -> Result<(), Failure> {
    let Some(pid) = shell.daemon()? else {
        return if shell.out.is_json() {
            shell.out.json(&DaemonJson { running: false, ..DaemonJson::default() })
        } else {
            shell.out.line("No daemon runs; `carry daemon start` starts it.")
        };
    };
    let answer = Remote::new(&shell.home).ask(&Request::Status, &mut |_| {});
    let status = match answer {
        Ok(Answer::Status(status)) => Some(*status),
        Ok(_) | Err(_) => None,
    };
    if shell.out.is_json() {
        return shell.out.json(&DaemonJson::new(pid, status.as_ref()));
    }
    let Some(status) = status else {
        shell.out.line(format_args!("The daemon runs (process {pid})."))?;
        shell.out.warn("it does not answer; `carry daemon restart` starts it afresh");
        return Ok(());
    };
    shell.out.line(format_args!(
        "The daemon runs (process {pid}, version {}, started {}), watching {}.",
        status.version,
        carry_code::time::age(status.started, shell.now()),
        text::count(u64::try_from(status.watches).unwrap_or(u64::MAX), "folder"),
    ))?;
    if let Some(problem) = &status.config {
        shell.out.warn(of_config(shell, problem));
        shell.out.problem(style::HINT, "Hint", MEND);
    }
    for (worker, status) in &status.workers {
        let (phase, step) = phase_parts(&status.phase);
        let step = step.map_or(String::new(), |step| format!(" ({step})"));
        shell.out.line(format_args!("  {worker}  {}{step}", phase.unwrap_or_default()))?;
    }
    Ok(())
}

/// What to do about a configuration that cannot be read.
pub(super) const MEND: &str = "`carry config edit` opens it; the daemon goes by it within a minute after it is mended.";

/// A configuration that the daemon cannot read, for people: what is wrong where, since when, and what it goes by.
pub(super) fn of_config(shell: &Shell, problem: &ConfigProblem) -> String {
    let goes_by = match problem.has_earlier {
        true => "the daemon goes by the settings of before",
        false => "the daemon has not read any settings, so that it captures and archives nothing",
    };
    format!(
        "{goes_by}, since {}:{} cannot be read ({}): {}",
        text::line(&problem.file),
        problem.line,
        carry_code::time::age(problem.since, shell.now()),
        text::line(problem.message.trim_end_matches('.')),
    )
}

/// What is wrong with the configuration, as the running daemon knows it; nothing where it does not answer.
pub(super) fn config_problem(shell: &Shell) -> Option<ConfigProblem> {
    match Remote::new(&shell.home).ask(&Request::Status, &mut |_| {}) {
        Ok(Answer::Status(status)) => status.config,
        Ok(_) | Err(_) => None,
    }
}

/// What is wrong with the configuration, for machines.
#[derive(Serialize)]
pub(super) struct ConfigJson {
    file: String,
    line: usize,
    message: String,
    since: String,
    has_earlier: bool,
}

impl ConfigJson {
    pub(super) fn new(problem: &ConfigProblem) -> Self {
        Self {
            file: problem.file.clone(),
            line: problem.line,
            message: problem.message.clone(),
            since: problem.since.to_rfc3339(),
            has_earlier: problem.has_earlier,
        }
    }
}

/// The daemon, for machines.
#[derive(Default, Serialize)]
#[serde(tag = "type", rename = "daemon")]
struct DaemonJson<'a> {
    running: bool,
    pid: Option<u32>,
    answers: bool,
    version: Option<&'a str>,
    started: Option<String>,
    watches: Option<usize>,
    workers: Vec<WorkerJson<'a>>,
    config: Option<ConfigJson>,
}

/// One worker, for machines.
#[derive(Serialize)]
struct WorkerJson<'a> {
    repository: &'a str,
    phase: Option<&'static str>,
    step: Option<&'a str>,
    last_success: Option<String>,
    last_failure: Option<String>,
    message: Option<&'a str>,
    consecutive_failures: u32,
    backoff_until: Option<String>,
    dirty: bool,
    gates: Vec<String>,
    cycles: u64,
    failures: u64,
    panics: u64,
}

impl<'a> DaemonJson<'a> {
    fn new(pid: u32, status: Option<&'a DaemonStatus>) -> Self {
        let time = |at: Option<carry_kernel::clock::Timestamp>| at.map(|at| at.to_rfc3339());
        let worker = |(name, status): (&'a String, &'a carry_kernel::worker::Status)| {
            let (phase, step) = phase_parts(&status.phase);
            WorkerJson {
                repository: name,
                phase,
                step,
                last_success: time(status.last_success),
                last_failure: time(status.last_failure),
                message: status.message.as_deref(),
                consecutive_failures: status.consecutive_failures,
                backoff_until: time(status.backoff_until),
                dirty: status.dirty,
                gates: status.gates.iter().map(ToString::to_string).collect(),
                cycles: status.cycles,
                failures: status.failures,
                panics: status.panics,
            }
        };
        Self {
            running: true,
            pid: Some(pid),
            answers: status.is_some(),
            version: status.map(|status| status.version.as_str()),
            started: status.map(|status| status.started.to_rfc3339()),
            watches: status.map(|status| status.watches),
            workers: status.map_or(Vec::new(), |status| status.workers.iter().map(worker).collect()),
            config: status.and_then(|status| status.config.as_ref()).map(ConfigJson::new),
        }
    }
}
