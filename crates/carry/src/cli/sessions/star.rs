//! `carry sessions star`: what one wants to find again.

use carry_sessions::curation::Edit;

use super::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Star sessions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
    /// Take the star back
    #[arg(long)]
    remove: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (done, nothing) = match args.remove {
        false => ("Starred", "Starred already:"),
        true => ("No longer starred:", "Not starred:"),
    };
    archive::edit(shell, &args.sessions, |_, _| Ok(Edit::Star(!args.remove)), done, nothing)
}
