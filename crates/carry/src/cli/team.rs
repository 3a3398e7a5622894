//! `carry team`: sessions that a team shares.

use clap::Subcommand;

use crate::failure::Failure;
use crate::wire::Shell;

mod address;
mod content;
mod engine;
mod erase;
mod filter;
mod init;
mod list;
mod naming;
mod overview;
mod preview;
mod push;
mod rules;
mod search;
mod share;
mod shared;
mod show;
mod stand;
mod status;
mod store;
mod totals;
mod unit;
mod unshare;
mod verify;

pub(super) use overview::{announce, findings, show as show_overview};

/// Share conversations with your team, and read what it shares
///
/// Nothing is shared until you say so, project by project; secrets are masked before anything leaves this machine.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Args),
    Share(share::Args),
    Unshare(unshare::Args),
    Preview(preview::Args),
    Push(push::Args),
    Status(status::Args),
    Verify(verify::Args),
    List(list::Args),
    Search(search::Args),
    Show(show::Args),
    Totals(totals::Args),
    Erase(erase::Args),
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Init(args) => init::run(shell, args),
        Command::Share(args) => share::run(shell, args),
        Command::Unshare(args) => unshare::run(shell, args),
        Command::Preview(args) => preview::run(shell, args),
        Command::Push(args) => push::run(shell, args),
        Command::Status(args) => status::run(shell, args),
        Command::Verify(args) => verify::run(shell, args),
        Command::List(args) => list::run(shell, args),
        Command::Search(args) => search::run(shell, args),
        Command::Show(args) => show::run(shell, args),
        Command::Totals(args) => totals::run(shell, args),
        Command::Erase(args) => erase::run(shell, args),
    }
}
