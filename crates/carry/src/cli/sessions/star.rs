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
    set(shell, &args.sessions, !args.remove)
}

/// Sets the star of sessions, or takes it back.
pub(super) fn set(shell: &Shell, sessions: &[String], is_starred: bool) -> Result<(), Failure> {
    let (done, nothing) = match is_starred {
        true => ("Starred", "Starred already:"),
        false => ("No longer starred:", "Not starred:"),
    };
    archive::edit(shell, sessions, |_, _| Ok(Edit::Star(is_starred)), done, nothing)
}
