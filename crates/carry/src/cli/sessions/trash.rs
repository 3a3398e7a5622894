//! `carry sessions trash`: what one does not want to see.

use carry_sessions::curation::Edit;

use super::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Put sessions into the trash
///
/// They stay in the archive, and go on growing with their files, but are shown only by `list --trashed`. `carry sessions
/// restore` takes them out; `carry sessions delete` deletes them for good.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    archive::edit(shell, &args.sessions, |_, _| Ok(Edit::Trash(true)), "Into the trash:", "In the trash already:")
}
