//! The command line of Carry, shared by the programs `carry` and `git-carry`.
//!
//! `cli` holds one file a command. A command gets a `wire::Shell`, which was put together from environment and
//! flags, and returns nothing or a `failure::Failure`. Results go to stdout, all else to stderr (`output`).

use std::process::ExitCode;

mod called;
mod cli;
mod failure;
mod far;
mod journal;
mod lease;
mod links;
mod markdown;
mod merge_tool;
mod output;
mod overview;
mod pager;
mod paths;
mod progress;
mod prompt;
mod size;
mod take;
mod targets;
mod text;
mod tree_diff;
mod wire;
mod writers;

/// Runs the program with the process's arguments and environment. `program` is how help texts call it.
pub fn main_with(program: &'static str) -> ExitCode {
    std::panic::set_hook(Box::new(failure::report_panic));
    // The hook has reported the panic; what is left is to leave with the code for it.
    std::panic::catch_unwind(|| cli::main(program)).unwrap_or(ExitCode::from(failure::EXIT_BUG))
}
