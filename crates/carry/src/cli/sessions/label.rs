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
    let label = rename::checked("label", &args.label)?;
    let (done, nothing) = match args.remove {
        false => ("Labelled", "Labelled so already:"),
        true => ("No longer labelled:", "Not labelled so:"),
    };
    let archive = archive::to_read(shell)?;
    if let [session] = args.sessions.as_slice()
        && archive.find(session).is_err()
        && archive.find(&label).is_ok()
    {
        return Err(Failure::usage(format!("{label:?} is a session, and {session:?} is none"))
            .hint("The label comes first: `carry sessions label LABEL ID`."));
    }
    drop(archive);
    archive::edit(shell, &args.sessions, |_, _| Ok(Edit::Label(label.clone(), !args.remove)), done, nothing)
}
