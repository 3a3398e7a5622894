//! `carry sessions`: the conversations with coding agents.

use clap::Subcommand;

use crate::failure::Failure;
use crate::wire::Shell;

pub(super) mod archive;
mod delete;
mod deleted;
mod diff;
mod export;
pub(super) mod filter;
pub(super) mod find;
pub(super) mod gaps;
mod index;
mod label;
mod list;
mod pin;
mod raw;
mod rename;
mod restore;
mod resume;
pub(super) mod row;
pub(super) mod search;
pub(super) mod show;
mod sources;
mod star;
mod stats;
mod trash;
mod undelete;
mod unlabel;
mod unpin;
pub(super) mod unsaid;
mod unstar;
mod untrash;
mod verify;

mod overview;

pub(super) use index::{announce, found};
pub(super) use overview::show as show_overview;

/// Find, read and keep conversations with coding agents
///
/// Carry archives the conversations that coding agents leave on this machine, each of them once and for good: what an agent
/// deletes stays here. Sessions are named by Carry's id, the agent's own, or the beginning of either.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Index(index::Args),
    List(list::Args),
    Show(show::Args),
    Search(search::Args),
    For(find::Args),
    Diff(diff::Args),
    Star(star::Args),
    Unstar(unstar::Args),
    Pin(pin::Args),
    Unpin(unpin::Args),
    Rename(rename::Args),
    Label(label::Args),
    Unlabel(unlabel::Args),
    Trash(trash::Args),
    Untrash(untrash::Args),
    Restore(restore::Args),
    Delete(delete::Args),
    Undelete(undelete::Args),
    Deleted(deleted::Args),
    Export(export::Args),
    Resume(resume::Args),
    Stats(stats::Args),
    Sources(sources::Args),
    Verify(verify::Args),
}

impl Command {
    /// Whether it may change what the archive holds or says of sessions.
    fn changes_archive(&self) -> bool {
        match self {
            Self::Index(_)
            | Self::Star(_)
            | Self::Unstar(_)
            | Self::Pin(_)
            | Self::Unpin(_)
            | Self::Rename(_)
            | Self::Label(_)
            | Self::Unlabel(_)
            | Self::Trash(_)
            | Self::Untrash(_)
            | Self::Restore(_)
            | Self::Delete(_)
            | Self::Undelete(_) => true,
            Self::List(_)
            | Self::Show(_)
            | Self::Search(_)
            | Self::For(_)
            | Self::Diff(_)
            | Self::Deleted(_)
            | Self::Export(_)
            | Self::Resume(_)
            | Self::Stats(_)
            | Self::Sources(_)
            | Self::Verify(_) => false,
        }
    }
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let done = carry_out(shell, &args.command);
    // Also after a failure: some of it may be done.
    if args.command.changes_archive() {
        shell.tell_of_sessions();
    }
    done
}

fn carry_out(shell: &Shell, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Index(args) => index::run(shell, args),
        Command::List(args) => list::run(shell, args),
        Command::Show(args) => show::run(shell, args),
        Command::Search(args) => search::run(shell, args),
        Command::For(args) => find::run(shell, args),
        Command::Diff(args) => diff::run(shell, args),
        Command::Star(args) => star::run(shell, args),
        Command::Unstar(args) => unstar::run(shell, args),
        Command::Pin(args) => pin::run(shell, args),
        Command::Unpin(args) => unpin::run(shell, args),
        Command::Rename(args) => rename::run(shell, args),
        Command::Label(args) => label::run(shell, args),
        Command::Unlabel(args) => unlabel::run(shell, args),
        Command::Trash(args) => trash::run(shell, args),
        Command::Untrash(args) => untrash::run(shell, args),
        Command::Restore(args) => restore::run(shell, args),
        Command::Delete(args) => delete::run(shell, args),
        Command::Undelete(args) => undelete::run(shell, args),
        Command::Deleted(args) => deleted::run(shell, args),
        Command::Export(args) => export::run(shell, args),
        Command::Resume(args) => resume::run(shell, args),
        Command::Stats(args) => stats::run(shell, args),
        Command::Sources(args) => sources::run(shell, args),
        Command::Verify(args) => verify::run(shell, args),
    }
}

/// A name that may be given to a session.
pub(super) fn checked_name(name: &str) -> Result<String, Failure> {
    rename::checked("name", name)
}
