//! How the archive of sessions stands: a row of `status`.

use carry_kernel::status::Row;
use carry_kernel::worker::{Phase, Status};
use carry_sessions::archive::Archive;
use carry_sessions::ingest::LEASE;
use carry_sessions::list::Filter;
use serde::Serialize;

use super::gaps::{self, Gaps};
use super::unsaid;
use crate::failure::Failure;
use crate::output::style;
use crate::text;
use crate::wire::Shell;

/// Shows how the archive stands; nothing when there is none. `rows` are those of the running daemon's workers.
pub(in crate::cli) fn show(shell: &Shell, rows: &[Row]) -> Result<(), Failure> {
    let worker = rows.iter().find(|row| row.worker == LEASE).map(|row| &row.status);
    let json = match look(shell) {
        Ok(None) => return Ok(()),
        Ok(Some(Look { sessions: 0, conflicts: 0, unsaid: 0, .. }))
            if worker.is_none_or(|worker| worker.message.is_none()) =>
        {
            return Ok(());
        }
        Ok(Some(look)) => OverviewJson {
            sessions: Some(look.sessions),
            newest: look.newest.map(|at| at.to_rfc3339()),
            conflicts: Some(look.conflicts),
            incomplete: Some(look.incomplete),
            unsaid: Some(look.unsaid),
            phase: worker.map(phase),
            error: worker.and_then(|worker| worker.message.clone()),
        },
        // That the archive cannot be read is no reason to say nothing of the repositories.
        Err(failure) => OverviewJson {
            sessions: None,
            newest: None,
            conflicts: None,
            incomplete: None,
            unsaid: None,
            phase: worker.map(phase),
            error: Some(failure.in_one_line()),
        },
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
    if let Some(conflicts) = json.conflicts.filter(|conflicts| *conflicts > 0) {
        let these = if conflicts == 1 { "shows it" } else { "shows them" };
        let text =
            format!("{} that devices said differently; `carry conflicts` {these}", text::count(conflicts, "thing"));
        row("conflicts", shell.out.paint(style::WARNING, text))?;
    }
    if let Some(n) = json.incomplete.filter(|n| *n > 0) {
        let text = format!(
            "{}: `carry sessions list --all` marks them, `carry devices` says what is missing",
            gaps::in_words(n)
        );
        row("attention", shell.out.paint(style::WARNING, text))?;
    }
    if let Some(n) = json.unsaid.filter(|n| *n > 0) {
        let text = format!("{}; `carry doctor` says which and why", unsaid::in_words(n));
        row("attention", shell.out.paint(style::WARNING, text))?;
    }
    if let Some(error) = &json.error {
        row("attention", shell.out.paint(style::WARNING, text::line(error)))?;
    }
    Ok(())
}

/// What the archive has.
struct Look {
    sessions: u64,
    /// When the newest went on.
    newest: Option<carry_kernel::clock::Timestamp>,
    /// Things that two devices said differently of, without knowing of each other.
    conflicts: u64,
    /// Sessions of other devices of which something is missing here, or may be.
    incomplete: u64,
    /// Things that were said here and cannot be exchanged.
    unsaid: u64,
}

fn look(shell: &Shell) -> Result<Option<Look>, Failure> {
    let Some(archive) = Archive::open_read_only(&shell.home)? else { return Ok(None) };
    let listed = archive.list(&Filter { all: true, limit: Some(1), ..Filter::default() })?;
    let newest = listed.sessions.first().and_then(|session| session.ended);
    let conflicts = archive.conflict_count()?;
    let incomplete = Gaps::read(shell, &archive)?.count();
    let unsaid = text::len(&unsaid::read(shell, &archive)?);
    Ok(Some(Look { sessions: text::len(&listed.sessions) + listed.more, newest, conflicts, incomplete, unsaid }))
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
    conflicts: Option<u64>,
    incomplete: Option<u64>,
    unsaid: Option<u64>,
    phase: Option<&'static str>,
    error: Option<String>,
}
