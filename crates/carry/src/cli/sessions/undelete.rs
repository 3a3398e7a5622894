//! `carry sessions undelete`: second thoughts.

use carry_sessions::archive::{Archive, FindError};
use carry_sessions::curation::{Deleted, DeletedHow, Undeletion};
use carry_sessions::model::SessionId;
use serde::Serialize;

use super::archive;
use crate::called::Called;
use crate::failure::Failure;
use crate::text;
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
        let error = match archive.find(spec) {
            Ok(session) => {
                found.push((session.id.clone(), archive::name(&session)));
                continue;
            }
            Err(error) => error,
        };
        // Of one that was deleted, or never came here, the id is all there is.
        let ids = archive.deleted_as(spec)?;
        let is_none = matches!(error, FindError::None { .. });
        match ids.as_slice() {
            [id] if is_none || id.as_str() == spec.trim() => found.push((id.clone(), id.to_string())),
            [] if is_none => {
                return Err(Failure::failed(error.to_string()).hint(
                    "`carry sessions deleted` lists what was deleted or is about to be, by Carry's ids: the archive keeps nothing \
                     else of what is gone.",
                ));
            }
            [_, _, ..] if is_none => {
                let ids: Vec<&str> = ids.iter().map(SessionId::as_str).collect();
                return Err(Failure::failed(format!(
                    "several sessions that were deleted begin like this: {}",
                    ids.join(", ")
                ))
                .hint("Give the whole id."));
            }
            _ => return Err(error.into()),
        }
    }
    let mut late = Vec::new();
    for (id, name) in found {
        let (outcome, said) = match archive.undelete(&id, device.as_str(), shell.now())? {
            Undeletion::Done => ("undeleted", "Not to be deleted any more:"),
            Undeletion::NotPending => ("unchanged", "Not about to be deleted:"),
            Undeletion::TooLate => {
                late.push(too_late(&archive, &Called::read(shell)?, &id, &name)?);
                continue;
            }
        };
        shell.out.say(format_args!("{said} {name}."))?;
        if shell.out.is_json() {
            shell.out.json(&UndeletedJson { session: id.as_str(), outcome })?;
        }
    }
    let has_done = late.len() < args.sessions.len();
    let Some(last) = late.pop() else { return Ok(()) };
    for failure in &late {
        shell.out.warn(failure.in_one_line());
    }
    let last = last.hint(
        "What remains is the record of the deletion: `carry sessions deleted`. What an agent still has in its own files stays there.",
    );
    Err(if has_done { last.into_partly() } else { last })
}

/// That it is final, since when, and who decided so.
fn too_late(archive: &Archive, called: &Called, id: &SessionId, name: &str) -> Result<Failure, Failure> {
    let all = archive.deletions()?;
    let is_final = |one: &&Deleted| one.session == *id && matches!(one.how, DeletedHow::Here | DeletedHow::Everywhere);
    let how = match all.iter().find(is_final) {
        Some(one) => {
            let device = super::deleted::by(one, called);
            let by = if one.is_own { format!("{device}, this device") } else { device };
            let whereabouts = match one.how {
                DeletedHow::Here => "here alone, as nothing was exchanged then",
                _ => "on every device that hears of it",
            };
            format!(", {whereabouts}: decided on {by}, final since {}", text::local_time(super::deleted::said(one)))
        }
        None => String::new(),
    };
    Ok(Failure::failed(format!("{name} is deleted for good already{how}")))
}

/// What was taken back, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "session-undeleted")]
struct UndeletedJson<'a> {
    session: &'a str,
    outcome: &'static str,
}
