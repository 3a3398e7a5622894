//! `carry sessions undelete`: second thoughts.

use carry_sessions::curation::Undeletion;
use carry_sessions::model::SessionId;
use serde::Serialize;

use super::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Take back that sessions are to be deleted for good
///
/// As long as `sessions.undo_window` is not over, and on whichever device that was said. What was deleted in the end does not
/// come back; `carry sessions deleted` lists both.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut archive = archive::to_change(shell)?;
    let device = shell.context()?.device.id();
    let mut found: Vec<(SessionId, String)> = Vec::new();
    for spec in &args.sessions {
        // Of one that was deleted, or never came here, the id is all there is.
        let id = SessionId::parse(spec.trim());
        let is_named = |id: &SessionId| archive.deletions().map(|all| all.iter().any(|one| one.session == *id));
        found.push(match (archive.find(spec), id) {
            (Ok(session), _) => (session.id.clone(), archive::name(&session)),
            (Err(_), Some(id)) if is_named(&id)? => (id.clone(), id.to_string()),
            (Err(error), _) => return Err(error.into()),
        });
    }
    let mut late = Vec::new();
    for (id, name) in found {
        let (outcome, said) = match archive.undelete(&id, device.as_str(), shell.now())? {
            Undeletion::Done => ("undeleted", "Not to be deleted any more:"),
            Undeletion::NotPending => ("unchanged", "Not about to be deleted:"),
            Undeletion::TooLate => {
                late.push(name);
                continue;
            }
        };
        shell.out.say(format_args!("{said} {name}."))?;
        if shell.out.is_json() {
            shell.out.json(&UndeletedJson { session: id.as_str(), outcome })?;
        }
    }
    match late.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::failed(format!("{one} is deleted for good already"))
            .hint("`carry sessions deleted` says by which device, and when.")),
        several => Err(Failure::failed(format!("deleted for good already: {}", several.join(", ")))
            .hint("`carry sessions deleted` says by which device, and when.")),
    }
}

/// What was taken back, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-undeleted")]
struct UndeletedJson<'a> {
    session: &'a str,
    outcome: &'static str,
}
