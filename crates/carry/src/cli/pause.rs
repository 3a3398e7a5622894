//! `carry pause` and `carry resume`.

use std::path::PathBuf;

use crate::failure::Failure;
use crate::targets;
use crate::wire::Shell;

/// Stop capturing a working tree for a while
///
/// Changes made meanwhile are captured when it is resumed, as they are then.
#[derive(Debug, clap::Args)]
pub(super) struct PauseArgs {
    #[command(flatten)]
    which: Which,
}

/// Capture a paused working tree again
#[derive(Debug, clap::Args)]
pub(super) struct ResumeArgs {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Path or id of a registered working tree; the one you stand in by default
    #[arg(value_name = "PATH|ID")]
    target: Option<PathBuf>,
    /// Every registered working tree
    #[arg(short, long, conflicts_with = "target")]
    all: bool,
}

pub(super) fn pause(shell: &Shell, args: &PauseArgs) -> Result<(), Failure> {
    set(shell, &args.which, true)
}

pub(super) fn resume(shell: &Shell, args: &ResumeArgs) -> Result<(), Failure> {
    set(shell, &args.which, false)
}

fn set(shell: &Shell, which: &Which, paused: bool) -> Result<(), Failure> {
    let mut registry = shell.registry()?;
    for tree in targets::select(shell, &registry, which.target.as_deref(), which.all)? {
        registry.set_paused(&tree.id, paused)?;
        let folder = shell.folder(&tree.root);
        match (paused, tree.paused) {
            (true, false) => shell.out.say(format_args!("Paused {folder}. `carry resume` goes on."))?,
            (false, true) => shell.out.say(format_args!("Resumed {folder}."))?,
            (true, true) => shell.out.say(format_args!("{folder} is paused already."))?,
            (false, false) => shell.out.say(format_args!("{folder} is not paused."))?,
        }
    }
    shell.reload_daemon();
    Ok(())
}
