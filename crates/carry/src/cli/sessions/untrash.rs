//! `carry sessions untrash`: out of the trash, and nothing else.

use carry_sessions::curation::Edit;

use super::archive;
use crate::failure::Failure;
use crate::wire::Shell;

/// Take sessions out of the trash
///
/// No file is written: `carry sessions restore` gives an agent its file back. What is about to be deleted for good is taken back by
/// `carry sessions undelete`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    archive::edit(shell, &args.sessions, |_, _| Ok(Edit::Trash(false)), "Out of the trash:", "Not in the trash:")
}
