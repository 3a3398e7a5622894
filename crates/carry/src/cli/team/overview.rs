//! The team stores in a few words: rows of `status`, a line of `up`, findings of `doctor`.

use carry_code::doctor::{Finding, Severity};
use carry_kernel::status::Row;
use carry_team::settings::Address;
use carry_team::state::State;
use serde::Serialize;

use super::stand::Stand;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Shows how each store stands; nothing when none is configured. `rows` are those of the running daemon's workers.
pub(in crate::cli) fn show(shell: &Shell, rows: &[Row]) -> Result<(), Failure> {
    let settings = shell.team();
    if settings.stores.is_empty() {
        return Ok(());
    }
    // That it cannot be read is no reason to say nothing of the repositories.
    let state = State::open_read_only(&shell.home).map_err(Failure::from);
    if !shell.out.is_json() {
        shell.out.line(shell.out.paint(style::TITLE, "Team stores"))?;
    }
    for store in &settings.stores {
        let known = match &state {
            Ok(Some(state)) => state.store(&store.name).map_err(Failure::from),
            Ok(None) => Ok(carry_team::state::StoreRow::default()),
            Err(failure) => Err(Failure::failed(failure.in_one_line())),
        };
        let (row, problem) = match known {
            Ok(row) => (row, None),
            Err(failure) => (Default::default(), Some(failure.in_one_line())),
        };
        let worker = rows.iter().find(|row| row.worker == carry_team::push::worker_name(&store.name));
        let stand = Stand { store: store.clone(), row, worker: worker.map(|row| row.status.clone()), pending: None };
        one(shell, &stand, problem.as_deref())?;
    }
    Ok(())
}

fn one(shell: &Shell, stand: &Stand, problem: Option<&str>) -> Result<(), Failure> {
    let problem = problem.or(stand.error());
    if shell.out.is_json() {
        return shell.out.json(&OverviewJson {
            store: &stand.store.name,
            sessions: stand.row.units - stand.row.sums,
            pushed: stand.row.pushed_at.map(|at| at.to_rfc3339()),
            set_aside: text::len(&stand.row.failed),
            phase: stand.worker.as_ref().and_then(|worker| crate::cli::status::phase_parts(&worker.phase).0),
            error: problem,
        });
    }
    let row = |label: &str, text: String| shell.out.line(format_args!("  {label:<10} {text}"));
    let pushed = match stand.row.pushed_at {
        Some(at) => format!("pushed {}", carry_code::time::age(at, shell.now())),
        None => "never pushed".to_owned(),
    };
    let shared = match stand.store.shares.rules() {
        [] => ", nothing is shared".to_owned(),
        _ => format!(", {}", stand.content()),
    };
    row(&stand.store.name, format!("{pushed}{shared}, {}", stand.phase()))?;
    if !stand.row.failed.is_empty() {
        let n = text::count(text::len(&stand.row.failed), "session");
        row("attention", shell.out.paint(style::WARNING, format!("{n} set aside; `carry team status` says why")))?;
    }
    if let Some(problem) = problem {
        row("attention", shell.out.paint(style::WARNING, text::line(problem)))?;
    }
    Ok(())
}

/// Says that there is a team store, and what is shared with it: part of `up`.
pub(in crate::cli) fn announce(shell: &Shell) -> Result<(), Failure> {
    let settings = shell.team();
    if settings.stores.is_empty() || shell.out.is_json() {
        return Ok(());
    }
    let names: Vec<&str> = settings.stores.iter().map(|store| store.name.as_str()).collect();
    let rules: usize = settings.stores.iter().map(|store| store.shares.rules().len()).sum();
    let noun = if names.len() == 1 { "The team store" } else { "The team stores" };
    match rules {
        0 => shell
            .out
            .say(format_args!("{noun} {}: nothing is shared yet; `carry team share` says what is.", names.join(", "))),
        n => shell.out.say(format_args!(
            "{noun} {}: the daemon pushes what {}. `carry team status` says how it stands.",
            names.join(", "),
            if n == 1 { "1 rule shares".to_owned() } else { format!("{n} rules share") },
        )),
    }
}

/// What is wrong with the settings of team stores, and what could not be pushed. Connects to nothing.
pub(in crate::cli) fn findings(shell: &Shell, rows: &[Row]) -> Vec<Finding> {
    let finding = |code, severity, problem: String, advice: &str| Finding {
        code,
        severity,
        problem,
        advice: advice.to_owned(),
        fix: None,
    };
    let settings = shell.team();
    let said = settings.warnings.iter().map(|warning| {
        finding(
            "team-configuration",
            Severity::Warning,
            warning.clone(),
            "It has no effect; `carry config edit` opens the file.",
        )
    });
    let mut findings: Vec<Finding> = said.collect();
    for store in &settings.stores {
        if let Address::File(file) = &store.address
            && let Some(problem) = readable(file)
        {
            findings.push(finding(
                "team-url",
                Severity::Error,
                format!("The URL of the team store {} cannot be had: {problem}.", store.name),
                "Nothing is pushed while this is so. `chmod 600` closes a file that others may read; `carry team init --url -` writes it anew.",
            ));
        }
        let name = carry_team::push::worker_name(&store.name);
        let worker = rows.iter().find(|row| row.worker == name);
        if let Some(why) = worker.and_then(|row| row.status.message.as_deref()) {
            findings.push(finding(
                "team-push-failed",
                Severity::Warning,
                format!("The last push to the team store {} failed: {}.", store.name, why.trim_end_matches('.')),
                "It is tried again by itself; `carry team status` says when. Nothing is lost: the archive has it all.",
            ));
        }
    }
    match State::open_read_only(&shell.home) {
        Ok(None) => {}
        Ok(Some(state)) => {
            for store in &settings.stores {
                let row = state.store(&store.name).unwrap_or_default();
                let aside = row.failed.len();
                let is_said = findings.iter().any(|found| {
                    found.code == "team-push-failed" && found.problem.contains(&format!("store {} ", store.name))
                });
                if let Some((why, _)) = row.error.filter(|_| !is_said) {
                    findings.push(finding(
                        "team-push-failed",
                        Severity::Warning,
                        format!("The last push to the team store {} failed: {}.", store.name, why.trim_end_matches('.')),
                        "`carry team push` tries again, and so does the daemon where one runs. Nothing is lost: the archive has it all.",
                    ));
                }
                if aside > 0 {
                    let n = text::count(u64::try_from(aside).unwrap_or(u64::MAX), "session");
                    findings.push(finding(
                        "team-set-aside",
                        Severity::Warning,
                        format!("{n} could not be pushed to the team store {}.", store.name),
                        "`carry team status` says which, why, and when they are tried again.",
                    ));
                }
            }
        }
        Err(error) => findings.push(finding(
            "team-state-unreadable",
            Severity::Error,
            format!("What is known of the team stores cannot be read: {error}."),
            "Move team.db away: what is in the stores is compared anew with the next push.",
        )),
    }
    findings
}

/// Why a file with a URL is of no use.
fn readable(file: &std::path::Path) -> Option<String> {
    use std::os::unix::fs::PermissionsExt as _;
    match file.metadata() {
        Err(error) => Some(format!("{}: {error}", text::file(file))),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => Some(format!(
            "{} may be read by others (mode {:03o})",
            text::file(file),
            found.permissions().mode() & 0o777
        )),
        Ok(_) => None,
    }
}

/// A store in a few words, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "team-overview")]
struct OverviewJson<'a> {
    store: &'a str,
    sessions: u64,
    pushed: Option<String>,
    set_aside: u64,
    phase: Option<&'static str>,
    error: Option<&'a str>,
}
