//! `carry team push`: what is shared, to the store, now.

use carry_kernel::status::Row;
use carry_team::plan::Why;
use carry_team::push::{Depth, Report, worker_name};
use carry_team::state::State;
use serde::Serialize;

use super::engine::Engine;
use super::stand::content;
use super::store::{self, StoreArg};
use super::unit::{self, ElsewhereJson, WrongJson};
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;
use crate::{lease, overview};

/// Problems named one by one for people.
const NAMED_MAX: usize = 20;

/// Push what is shared, without waiting for the daemon
///
/// Sends what has changed since the last push, and withdraws what is not shared any more. It can be stopped at any time: the next
/// push goes on. The exit code is 3 when some sessions could not be pushed; the rest is.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Mask everything anew, compare it with the store row by row, and take out what the store has of this device and the archive
    /// here does not know
    #[arg(long)]
    full: bool,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    store: StoreArg,
}

/// How to push.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct How {
    full: bool,
    dry: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let how = How { full: args.full, dry: args.dry_run };
    let names = match &args.store.store {
        Some(_) => vec![args.store.settings(shell)?.name],
        None => store::configured(shell)?.into_iter().map(|store| store.name).collect(),
    };
    for warning in shell.team().warnings {
        shell.out.warn(text::line(&warning));
    }
    let mut failures = Vec::new();
    let mut went = false;
    for name in &names {
        let engine = Engine::open(shell, name)?;
        match one(shell, &engine, &how) {
            Ok(()) => went = true,
            Err(failure) => {
                went |= failure.is_partly();
                failures.push((name, failure));
            }
        }
    }
    // Of several the last is what the command ends with.
    let Some((_, last)) = failures.pop() else { return Ok(()) };
    for (name, failure) in &failures {
        shell.out.warn(format_args!("{name}: {}", failure.in_one_line()));
        failure.hints().iter().for_each(|hint| shell.out.problem(style::HINT, "Hint", hint));
    }
    Err(if went { last.into_partly() } else { last })
}

/// Pushes to one store and says what came of it.
pub(super) fn one(shell: &Shell, engine: &Engine, how: &How) -> Result<(), Failure> {
    let name = engine.store.name.as_str();
    let depth = if how.full { Depth::Full } else { Depth::Changed };
    let report = lease::hold(shell, &worker_name(name), "pushing to the team store", |lost| {
        engine.push(shell, depth, how.dry, lost)
    });
    let report = report.inspect_err(|failure| {
        if shell.out.is_json() {
            // That it failed is told by the last line; which store it was, by this one.
            let _ = shell.out.json(&PushedJson {
                error: Some(failure.in_one_line()),
                ..PushedJson::new(name, how, &Report::default())
            });
        }
    })?;
    if !how.dry {
        wake(shell, name);
    }
    show(shell, name, how, &report)?;
    match (report.failed.len(), report.was_stopped) {
        (_, true) => {
            Err(Failure::partly("the push was stopped before its end")
                .hint("`carry team push` goes on where it stopped."))
        }
        (0, false) => Ok(()),
        (n, false) => Err(Failure::partly(format!("{} could not be pushed", text::count(n as u64, "session")))
            .hint("The rest is in the store. `carry team status` says when they are tried again.")),
    }
}

/// What the daemon's worker waited for is over, now that a push went well.
fn wake(shell: &Shell, name: &str) {
    let rows = shell.daemon().and_then(|daemon| overview::rows(shell, daemon)).unwrap_or_default();
    let is_waiting = |row: &Row| row.worker == worker_name(name) && row.status.consecutive_failures > 0;
    if rows.iter().any(is_waiting) {
        shell.reload_daemon();
    }
}

/// How many were pushed for a reason.
fn count(report: &Report, whys: &[Why]) -> u64 {
    let n = report.done.iter().filter(|done| whys.contains(&done.why)).count();
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn show(shell: &Shell, name: &str, how: &How, report: &Report) -> Result<(), Failure> {
    if shell.out.is_json() {
        return shell.out.json(&PushedJson::new(name, how, report));
    }
    if report.was_repaired {
        shell.out.note(format_args!("{name} was not as remembered, so that everything was compared with it."));
    }
    for (key, why) in report.failed.iter().take(NAMED_MAX) {
        shell.out.warn(format_args!("{key} was set aside: {}", text::line(why)));
    }
    if report.failed.len() > NAMED_MAX {
        shell.out.warn(format_args!("{} more were set aside", report.failed.len() - NAMED_MAX));
    }
    if !report.elsewhere.is_empty() {
        let n = text::count(text::len(&report.elsewhere), "session");
        shell.out.note(format_args!("{n} came from another device of yours, which goes on pushing them."));
    }
    if !report.unknown.is_empty() {
        let n = text::count(text::len(&report.unknown), "session");
        shell.out.note(format_args!(
            "{n} in the store came from this device, but this archive does not know of them: another copy of this home may. \
             `carry team verify` names them, `carry team push --full` takes them out."
        ));
    }
    let (new, withdrawn) = (count(report, &[Why::New]), count(report, &[Why::Withdraw]));
    let changed = count(report, &[Why::Changed, Why::Retry, Why::Remask]);
    if new + changed + withdrawn == 0 {
        let there = State::open_read_only(&shell.home)?.map(|state| state.store(name)).transpose()?;
        return shell.out.say(format_args!("{name} has everything: {}.", content(&there.unwrap_or_default())));
    }
    let parts = [(new, "new"), (changed, "changed"), (withdrawn, "withdrawn")];
    let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let verb = if how.dry { "Would push to" } else { "Pushed to" };
    let mut said = format!("{verb} {name}: {}", parts.join(", "));
    let traffic = report.traffic;
    if traffic.rows_written > 0 {
        let rows = text::count(traffic.rows_written, "row");
        said.push_str(&format!(" ({rows}, {}, written", text::size(traffic.bytes)));
        said.push_str(&match traffic.rows_removed {
            0 => ")".to_owned(),
            n => format!(", {n} removed)"),
        });
    }
    if report.masked > 0 {
        said.push_str(&format!("; {} masked", text::count(report.masked, "secret")));
    }
    shell.out.say(format_args!("{said}."))
}

/// What a push did, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-push")]
struct PushedJson<'a> {
    store: &'a str,
    dry_run: bool,
    full: bool,
    new: u64,
    changed: u64,
    remasked: u64,
    withdrawn: u64,
    same: u64,
    rows_written: u64,
    rows_removed: u64,
    bytes: u64,
    queries: u64,
    masked: u64,
    units: Vec<DoneJson<'a>>,
    failed: Vec<WrongJson<'a>>,
    elsewhere: Vec<ElsewhereJson<'a>>,
    unknown: &'a [String],
    repaired: bool,
    stopped: bool,
    error: Option<String>,
}

/// A unit that changed in the store.
#[derive(Serialize)]
struct DoneJson<'a> {
    unit: &'a str,
    why: &'static str,
    put: u64,
    taken: u64,
}

impl<'a> PushedJson<'a> {
    fn new(store: &'a str, how: &How, report: &'a Report) -> Self {
        Self {
            store,
            dry_run: how.dry,
            full: how.full,
            new: count(report, &[Why::New]),
            changed: count(report, &[Why::Changed, Why::Retry]),
            remasked: count(report, &[Why::Remask]),
            withdrawn: count(report, &[Why::Withdraw]),
            same: report.same,
            rows_written: report.traffic.rows_written,
            rows_removed: report.traffic.rows_removed,
            bytes: report.traffic.bytes,
            queries: report.traffic.queries,
            masked: report.masked,
            units: report
                .done
                .iter()
                .map(|done| DoneJson { unit: &done.key, why: why(done.why), put: done.put, taken: done.taken })
                .collect(),
            failed: unit::wrong(&report.failed),
            elsewhere: unit::elsewhere(&report.elsewhere),
            unknown: &report.unknown,
            repaired: report.was_repaired,
            stopped: report.was_stopped,
            error: None,
        }
    }
}

/// A reason's name.
pub(super) fn why(why: Why) -> &'static str {
    match why {
        Why::Withdraw => "withdrawn",
        Why::Changed => "changed",
        Why::New => "new",
        Why::Retry => "retried",
        Why::Remask => "remasked",
    }
}
