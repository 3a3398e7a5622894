//! `carry sessions unlabel`: a label taken off.

use super::label;
use crate::failure::Failure;
use crate::wire::Shell;

/// Take a label off sessions
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The label
    label: String,
    /// The sessions
    #[arg(required = true, value_name = "ID")]
    sessions: Vec<String>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    label::set(shell, &args.label, &args.sessions, false)
}
