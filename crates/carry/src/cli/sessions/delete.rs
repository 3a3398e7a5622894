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
/// over; until then `carry sessions undelete` takes it back. Its masked text may go on lying in files of the exchange until
/// these are merged with others.
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
    // A remote that nothing was exchanged with yet has nothing, and is told nothing.
    let is_exchanged = archive.is_exchanged()?;
    let sessions = sessions.into_iter().map(|session| {
        let is_received = archive.is_received(&session)?;
        Ok((session, Elsewhere { is_received, is_exchanged }))
    });
    let sessions: Vec<(SessionRow, Elsewhere)> = sessions.collect::<Result<_, Failure>>()?;
    drop(archive);
    for (session, elsewhere) in &sessions {
        let plan = format!(
            "{}: {}, {}",
            archive::name(session),
            text::count(session.messages.into(), "message"),
            standing(session, *elsewhere)
        );
        if args.dry_run && !shell.out.is_json() {
            shell.out.line(plan)?;
        } else if args.dry_run {
            shell.out.json(&DeletedJson::new(session, *elsewhere, "would-delete"))?;
        } else {
            shell.out.note(plan);
        }
    }
    if args.dry_run {
        shell.out.note("Nothing was changed.");
        return Ok(());
    }
    let on_all = match sessions.iter().any(|(_, elsewhere)| elsewhere.any()) {
        true => ON_ALL,
        false => "",
    };
    let question = format!("Delete {} for good{on_all}?", text::count(text::len(&sessions), "session"));
    if !prompt::confirm(shell, &question, "Pass --yes to agree, or --dry-run to see what would go.")? {
        return Err(prompt::cancelled());
    }
    let window = match args.now {
        true => Duration::ZERO,
        false => shell.config(None).duration("sessions.undo_window").unwrap_or_default(),
    };
    let mut archive = archive::to_change(shell)?;
    let device = shell.context()?.device.id();
    for (session, elsewhere) in &sessions {
        let on_all = if elsewhere.any() { ON_ALL } else { "" };
        let outcome = archive.delete(&session.id, window, device.as_str(), shell.now())?;
        let name = archive::name(session);
        match outcome {
            Deletion::Done | Deletion::WasDone => shell.out.say(format_args!("Deleted {name}{on_all}."))?,
            Deletion::Pending(due) => {
                shell
                    .out
                    .say(format_args!("Hidden, and deleted for good{on_all} on {}: {name}.", text::local_time(due)))?;
                shell.out.note(format_args!(
                    "`carry sessions undelete {}` takes it back until then; --now does not wait.",
                    session.id
                ));
            }
        }
        if shell.out.is_json() {
            let mut json = DeletedJson::new(session, *elsewhere, "deleted");
            if let Deletion::Pending(due) = outcome {
                (json.outcome, json.due) = ("pending", Some(due.to_rfc3339()));
            }
            shell.out.json(&json)?;
        }
    }
    Ok(())
}

/// Whether anything is left of it elsewhere.
fn standing(session: &SessionRow, elsewhere: Elsewhere) -> &'static str {
    match (has_file(session), elsewhere) {
        (true, Elsewhere { is_received: false, is_exchanged: false }) => "its agent still has it",
        (true, _) => "its agent still has it, and it goes from all devices that exchange with this one",
        (false, Elsewhere { is_received: true, .. }) => {
            "it came from another device, and goes from all devices that exchange with this one"
        }
        (false, Elsewhere { is_exchanged: true, .. }) => "it goes from all devices that exchange with this one",
        (false, _) => "nothing else has it",
    }
}

/// Whether the agent's own file is there.
fn has_file(session: &SessionRow) -> bool {
    session.path.as_deref().is_some_and(std::path::Path::exists)
}

/// Where else a session may be.
#[derive(Clone, Copy, Debug)]
struct Elsewhere {
    /// It came from another device.
    is_received: bool,
    /// This device exchanges, or did once.
    is_exchanged: bool,
}

impl Elsewhere {
    /// Whether other devices hear of a deletion.
    fn any(self) -> bool {
        self.is_received || self.is_exchanged
    }
}

/// Where a deletion goes, too.
const ON_ALL: &str = " on all devices that exchange with this one";

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
    fn new(session: &'a SessionRow, place: Elsewhere, outcome: &'static str) -> Self {
        let elsewhere = has_file(session) || place.any();
        Self { session: session.id.as_str(), outcome, messages: session.messages, elsewhere, due: None }
    }
}
