//! `carry up`: register, start the daemon, show how things stand.

use std::path::{Path, PathBuf};

use carry_code::registry::Tree;
use carry_code::repo::Repo;
use carry_daemon::control;

use super::status::{self, Scope};
use super::{exchange, now, sessions, team};
use crate::failure::Failure;
use crate::links::{self, Here};
use crate::output::style;
use crate::targets::{self, Place};
use crate::wire::Shell;
use crate::{prompt, take, text};

/// Capture this repository from now on
///
/// Registers the working tree you stand in (or PATH), starts the daemon if none runs, waits for the first snapshot and
/// shows how things stand. Says what coding agents have left on this machine, which the daemon archives. Asks once whether snapshots may go to the Git remote. Running it again does no harm. Outside a repository it starts the daemon for all that are
/// registered.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Working tree to capture; the one you stand in by default
    path: Option<PathBuf>,
    /// Register your home directory or the root of the file system too
    #[arg(long)]
    force: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut scope = Scope::All;
    let mut new: Option<Tree> = None;
    if is_outside_of_all(shell, args.path.as_deref())? {
        if shell.registry_to_read()?.map(|registry| registry.trees()).transpose()?.unwrap_or_default().is_empty() {
            return Err(Failure::failed("this is not inside a Git working tree, and none is registered yet")
                .hint("Go into one and run `carry up` there. Carry never runs `git init` for you."));
        }
    } else {
        let path = args.path.as_deref().unwrap_or(Path::new("."));
        let registered = targets::register(shell, path, args.force)?;
        registered.say(shell)?;
        scope = Scope::Root(registered.tree().root.clone());
        new = Some(registered.tree().clone());
    }
    match shell.daemon()? {
        Some(pid) => shell.out.say(format_args!("The daemon runs already (process {pid})."))?,
        None => {
            let pid = control::start(&shell.home, &shell.program()?)?;
            shell.out.say(format_args!("Started the daemon (process {pid})."))?;
        }
    }
    // Nothing may be promised that will not come.
    shell.check_config(new.as_ref().map(|tree| tree.root.as_path()))?;
    if let Some(failure) = new.as_ref().and_then(|tree| now::held_back(shell, tree)) {
        shell.out.warn(format_args!("{}: nothing of it is captured", failure.in_one_line()));
        for hint in failure.hints() {
            shell.out.problem(style::HINT, "Hint", hint);
        }
        sessions::announce(shell)?;
        shell.out.say("")?;
        return status::show(shell, &scope);
    }
    if let Some(tree) = &new {
        first_snapshot(shell, tree)?;
        ask_to_publish(shell, tree)?;
    }
    shell.out.say(
        "From now on every change is captured within seconds. `carry log` lists the snapshots, `carry restore PATH` brings \
         files back.\nThe daemon ends with this machine's session; `carry service install` starts it by itself.",
    )?;
    sessions::announce(shell)?;
    team::announce(shell)?;
    exchange::announce(shell)?;
    shell.out.say("")?;
    status::show(shell, &scope)
}

/// Waits for the first snapshot, so that what is said next is true.
fn first_snapshot(shell: &Shell, tree: &Tree) -> Result<(), Failure> {
    let registry = shell.registry()?;
    if registry.state(&tree.id)?.captured.is_some() {
        return Ok(());
    }
    for (tree, taken) in take::each(shell, vec![tree.clone()], true) {
        now::report(shell, &tree, &taken, false)?;
        taken?;
    }
    Ok(())
}

/// Asks once per repository and remote whether snapshots may be published. That they are captured does not hang on it.
fn ask_to_publish(shell: &Shell, tree: &Tree) -> Result<(), Failure> {
    let here = Here::new(shell, Repo::open(&tree.root)?, tree.clone())?;
    if !here.settings.publish {
        return Ok(());
    }
    for remote in &here.remotes {
        if links::consent(shell, &here, remote)?.is_some() {
            continue;
        }
        // Capturing does not hang on it.
        if let Err(error) = remote.may_push(&here.repo) {
            shell.out.warn(text::line(&error.to_string()));
            continue;
        }
        let name = text::line(&remote.shown_name());
        if !shell.options.yes && !prompt::can_ask(shell) {
            shell.out.note(format_args!(
                "Nothing is published to {name} yet: `carry publish` shows what would leave, and agrees."
            ));
        } else if links::ask(shell, &here, remote, "--yes agrees.")? {
            links::agree(shell, &here, remote)?;
            shell.out.say(format_args!("Publishing to {name} from now on."))?;
            shell.reload_daemon();
        } else {
            links::withdraw(shell, &here, remote)?;
            shell.out.note("You are not asked again; `carry publish` agrees later.");
        }
    }
    Ok(())
}

fn is_outside_of_all(shell: &Shell, path: Option<&Path>) -> Result<bool, Failure> {
    if path.is_some() || !matches!(targets::place(None, &shell.cwd)?, Place::Outside) {
        return Ok(false);
    }
    // Inside a bare repository registering fails with the reason.
    Ok(targets::discover(shell, Path::new(".")).is_err_and(|failure| failure.is_outside()))
}
