//! `carry sessions delete`: for good.

use std::time::Duration;

use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Deletion;
use serde::Serialize;

use super::archive;
use crate::failure::Failure;
use crate::prompt;
use crate::text;
use crate::wire::Shell;

/// Delete sessions from the archive for good
///
/// Shows what goes and asks. The agent's own file stays where it is, and is not archived again. Subagents of the session
/// stay. Where devices exchange sessions, it is hidden here at once, and goes from all of them when `sessions.undo_window` is
/// over; until then `carry sessions undelete` takes it back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
    /// Delete at once, without time to take it back
    #[arg(long)]
    now: bool,
    /// Show what would go
    #[arg(short = 'n', long)]
    dry_run: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let mut sessions: Vec<SessionRow> = Vec::new();
    for spec in &args.sessions {
        let session = archive.find(spec)?;
        // Named twice is deleted once.
        if !sessions.iter().any(|known| known.n == session.n) {
            sessions.push(session);
        }
    }
    drop(archive);
    for session in &sessions {
        let plan = format!(
            "{}: {}, {}",
            archive::name(session),
            text::count(session.messages.into(), "message"),
            standing(session)
        );
        if args.dry_run && !shell.out.is_json() {
            shell.out.line(plan)?;
        } else if args.dry_run {
            shell.out.json(&DeletedJson::new(session, "would-delete"))?;
        } else {
            shell.out.note(plan);
        }
    }
    if args.dry_run {
        shell.out.note("Nothing was changed.");
        return Ok(());
    }
    let question = format!("Delete {} for good?", text::count(text::len(&sessions), "session"));
    if !prompt::confirm(shell, &question, "Pass --yes to agree, or --dry-run to see what would go.")? {
        return Err(prompt::cancelled());
    }
    let window = match args.now {
        true => Duration::ZERO,
        false => shell.config(None).duration("sessions.undo_window").unwrap_or_default(),
    };
    let mut archive = archive::to_change(shell)?;
    let device = shell.context()?.device.id();
    for session in &sessions {
        let outcome = archive.delete(&session.id, window, device.as_str(), shell.now())?;
        let name = archive::name(session);
        match outcome {
            Deletion::Done | Deletion::WasDone => shell.out.say(format_args!("Deleted {name}."))?,
            Deletion::Pending(due) => {
                shell.out.say(format_args!("Hidden, and deleted for good on {}: {name}.", text::local_time(due)))?;
                shell.out.note(format_args!(
                    "`carry sessions undelete {}` takes it back until then; --now does not wait.",
                    session.id
                ));
            }
        }
        if shell.out.is_json() {
            let mut json = DeletedJson::new(session, "deleted");
            if let Deletion::Pending(due) = outcome {
                (json.outcome, json.due) = ("pending", Some(due.to_rfc3339()));
            }
            shell.out.json(&json)?;
        }
    }
    Ok(())
}

/// Whether anything is left of it elsewhere.
fn standing(session: &SessionRow) -> &'static str {
    match session.path.as_deref().is_some_and(std::path::Path::exists) {
        true => "its agent still has it",
        false => "nothing else has it",
    }
}

/// What is deleted, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-deleted")]
struct DeletedJson<'a> {
    session: &'a str,
    outcome: &'static str,
    messages: u32,
    elsewhere: bool,
    due: Option<String>,
}

impl<'a> DeletedJson<'a> {
    fn new(session: &'a SessionRow, outcome: &'static str) -> Self {
        let elsewhere = session.path.as_deref().is_some_and(std::path::Path::exists);
        Self { session: session.id.as_str(), outcome, messages: session.messages, elsewhere, due: None }
    }
}
