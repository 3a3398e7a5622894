//! `carry conflicts show`: those of one session.

use super::{ConflictJson, find, print, session_id};
use crate::cli::sessions::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Show the conflicts of a session
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Only this field: `name`, `star`, `trash`, `label:TEXT`, `pin:MESSAGE`
    field: Option<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let archive = archive::to_read(shell)?;
    let found = match &args.field {
        Some(field) => vec![find(shell, &archive, &args.session, field)?],
        None => {
            let mut all = archive.conflicts(Some(&session_id(&archive, &args.session)?))?;
            super::call(shell, &mut all)?;
            all
        }
    };
    if found.is_empty() {
        shell.out.note("It has no conflicts.");
    }
    for conflict in &found {
        match shell.out.is_json() {
            true => shell.out.json(&ConflictJson::new(&archive, conflict))?,
            false => print(shell, &archive, conflict)?,
        }
    }
    Ok(())
}
