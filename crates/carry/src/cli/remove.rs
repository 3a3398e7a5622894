//! `carry remove`: stop capturing a working tree.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::targets;
use crate::wire::Shell;

/// Forget a working tree
///
/// Nothing of it is captured any more. Its snapshots stay in the repository, and `carry add` takes it up again.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Path or id of a registered working tree; the one you stand in by default
    #[arg(value_name = "PATH|ID")]
    target: Option<PathBuf>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut registry = shell.registry()?;
    for tree in targets::select(shell, &registry, args.target.as_deref(), false)? {
        registry.remove(&tree.id)?;
        shell.out.say(format_args!("Forgot {}. Its snapshots stay in the repository.", shell.folder(&tree.root)))?;
    }
    shell.reload_daemon();
    Ok(())
}
