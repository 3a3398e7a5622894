//! `carry completions`: scripts for shells.

use clap_complete::Shell as Kind;

use super::command_line;
use crate::failure::Failure;
use crate::wire::Shell;

/// Print a completion script for a shell
///
/// For example, in ~/.bashrc: source <(carry completions bash)
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which shell
    #[arg(value_enum)]
    shell: Kind,
}

pub(super) fn run(shell: &Shell, program: &'static str, args: &Args) -> Result<(), Failure> {
    let mut script = Vec::new();
    // Shells complete the word that is typed, which is one for both programs.
    let word = if program == "carry" { "carry" } else { "git-carry" };
    clap_complete::generate(args.shell, &mut command_line("carry"), word, &mut script);
    shell.out.bytes(&script)
}
