//! `carry sessions unpin`: a pin taken out.

use super::pin;
use crate::failure::Failure;
use crate::wire::Shell;

/// Take the pin out of a message
///
/// `carry sessions pin ID` lists what is pinned.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The session
    #[arg(value_name = "ID")]
    session: String,
    /// Number of the message
    #[arg(value_name = "MESSAGE")]
    message: String,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    pin::set(shell, &args.session, &args.message, None)
}
