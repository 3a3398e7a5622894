//! `carry add`: register without starting anything.

use std::path::PathBuf;

use carry_code::registry::Added;
use serde::Serialize;

use crate::failure::Failure;
use crate::targets::{self, Registered};
use crate::text;
use crate::wire::Shell;

/// Register working trees
///
/// Takes the working tree that encloses each PATH, with its linked worktrees. A repository that was moved keeps its
/// snapshots. Starts nothing: a running daemon captures it from now on, otherwise `carry now` does when asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Working trees, or paths inside them
    #[arg(value_name = "PATH", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Register your home directory or the root of the file system too
    #[arg(long)]
    force: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for path in &args.paths {
        match targets::register(shell, path, args.force) {
            Ok(registered) => report(shell, &registered)?,
            Err(failure) => failures.push((path, failure)),
        }
    }
    if failures.len() == args.paths.len() && failures.len() == 1 {
        return failures.pop().map_or(Ok(()), |(_, failure)| Err(failure));
    }
    for (path, failure) in &failures {
        shell.out.warn(format_args!("{}: {}", path.display(), failure.in_one_line()));
    }
    if failures.len() < args.paths.len() && matches!(shell.daemon(), Ok(None)) {
        shell.out.note("No daemon runs, so that only `carry now` captures; `carry up` starts it.");
    }
    let total = text::len(&args.paths);
    match text::len(&failures) {
        0 => Ok(()),
        n if n == total => Err(Failure::failed(format!("none of {total} paths could be registered"))),
        n => Err(Failure::partly(format!("{n} of {total} paths could not be registered"))),
    }
}

fn report(shell: &Shell, registered: &Registered) -> Result<(), Failure> {
    registered.say(shell)?;
    if shell.out.is_json() {
        let outcome = match &registered.added {
            Added::New(_) => "new",
            Added::Known(_) => "known",
            Added::Moved { .. } => "moved",
        };
        let tree = registered.tree();
        shell.out.json(&AddedJson { outcome, id: tree.id.as_str(), root: text::json_file(&tree.root) })?;
        for tree in &registered.linked {
            shell.out.json(&AddedJson {
                outcome: "linked",
                id: tree.id.as_str(),
                root: text::json_file(&tree.root),
            })?;
        }
    }
    Ok(())
}

/// One registered tree, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "added")]
struct AddedJson<'a> {
    outcome: &'static str,
    id: &'a str,
    root: String,
}
