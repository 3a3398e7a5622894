//! `carry sessions label`: words to find sessions by.

use carry_sessions::curation::Edit;

use super::{archive, rename};
use crate::failure::Failure;
use crate::wire::Shell;

/// Put a label on sessions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The label
    label: String,
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
    /// Take it off
    #[arg(long)]
    remove: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    set(shell, &args.label, &args.sessions, !args.remove)
}

/// Puts a label on sessions, or takes it off.
pub(super) fn set(shell: &Shell, label: &str, sessions: &[String], is_labelled: bool) -> Result<(), Failure> {
    let label = rename::checked("label", label)?;
    let (command, done, nothing) = match is_labelled {
        true => ("label", "Labelled", "Labelled so already:"),
        false => ("unlabel", "No longer labelled:", "Not labelled so:"),
    };
    let archive = archive::to_read(shell)?;
    if let [session] = sessions
        && archive.find(session).is_err()
        && archive.find(&label).is_ok()
    {
        return Err(Failure::usage(format!("{label:?} is a session, and {session:?} is none"))
            .hint(format!("The label comes first: `carry sessions {command} LABEL ID`.")));
    }
    drop(archive);
    archive::edit(shell, sessions, |_, _| Ok(Edit::Label(label.clone(), is_labelled)), done, nothing)
}
