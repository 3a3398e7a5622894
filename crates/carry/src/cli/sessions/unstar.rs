//! `carry sessions unstar`: the star taken back.

use super::star;
use crate::failure::Failure;
use crate::wire::Shell;

/// Take the star back from sessions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    star::set(shell, &args.sessions, false)
}
