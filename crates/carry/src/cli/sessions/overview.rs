//! How the archive of sessions stands: a row of `status`.

use carry_kernel::status::Row;
use carry_kernel::worker::{Phase, Status};
use carry_sessions::archive::Archive;
use carry_sessions::ingest::LEASE;
use carry_sessions::list::Filter;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Shows how the archive stands; nothing when there is none. `rows` are those of the running daemon's workers.
pub(in crate::cli) fn show(shell: &Shell, rows: &[Row]) -> Result<(), Failure> {
    let worker = rows.iter().find(|row| row.worker == LEASE).map(|row| &row.status);
    let json = match look(shell) {
        Ok(None) => return Ok(()),
        Ok(Some((0, _))) if worker.is_none_or(|worker| worker.message.is_none()) => return Ok(()),
        Ok(Some((sessions, newest))) => OverviewJson {
            sessions: Some(sessions),
            newest: newest.map(|at| at.to_rfc3339()),
            phase: worker.map(phase),
            error: worker.and_then(|worker| worker.message.clone()),
        },
        // That the archive cannot be read is no reason to say nothing of the repositories.
        Err(failure) => {
            OverviewJson { sessions: None, newest: None, phase: worker.map(phase), error: Some(failure.in_one_line()) }
        }
    };
    if shell.out.is_json() {
        return shell.out.json(&json);
    }
    shell.out.line(shell.out.paint(style::TITLE, "Sessions with agents"))?;
    let row = |label: &str, text: String| shell.out.line(format_args!("  {label:<10} {text}"));
    if let Some(sessions) = json.sessions {
        let state = json.phase.map_or("no daemon archives them".to_owned(), |phase| format!("worker {phase}"));
        row("archived", format!("{}, {state}", text::count(sessions, "session")))?;
    }
    if let Some(error) = &json.error {
        row("attention", shell.out.paint(style::WARNING, text::line(error)))?;
    }
    Ok(())
}

/// How many sessions there are, and when the newest went on.
fn look(shell: &Shell) -> Result<Option<(u64, Option<carry_kernel::clock::Timestamp>)>, Failure> {
    let Some(archive) = Archive::open_read_only(&shell.home)? else { return Ok(None) };
    let listed = archive.list(&Filter { all: true, limit: Some(1), ..Filter::default() })?;
    let newest = listed.sessions.first().and_then(|session| session.ended);
    Ok(Some((text::len(&listed.sessions) + listed.more, newest)))
}

fn phase(worker: &Status) -> &'static str {
    match worker.phase {
        Phase::Idle => "idle",
        Phase::Working(_) => "archiving",
        Phase::Failed(_) | Phase::Backoff => "failing",
        Phase::Healthy => "healthy",
        Phase::Paused => "paused",
        Phase::Disabled => "off",
    }
}

/// How the archive stands, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "sessions-status")]
struct OverviewJson {
    sessions: Option<u64>,
    newest: Option<String>,
    phase: Option<&'static str>,
    error: Option<String>,
}
