//! `carry now`: capture at once.

use std::path::{Path, PathBuf};

use carry_code::registry::Tree;
use serde::Serialize;

use super::push;
use super::snapshot_json::SnapshotJson;
use crate::failure::{self, Failure};
use crate::output::style;
use crate::take::{self, Taken};
use crate::targets::{self, Place};
use crate::text;
use crate::wire::Shell;

/// Capture at once
///
/// Captures the working tree you stand in, the given ones, or all outside of one, and returns when the snapshot is on
/// stable storage. Battery and load do not hold it back. A working tree that is not registered is registered first.
/// Works with and without a daemon. With --push it then pushes to the Git remotes, after asking the first time.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Working trees, or paths inside them
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Trust the daemon's watcher instead of looking at every file
    #[arg(long)]
    watched: bool,
    /// Push to the Git remotes, too
    #[arg(short, long)]
    push: bool,
    /// Push what looks like secrets, too
    #[arg(long, requires = "push")]
    allow_secrets: bool,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let mut failed = 0;
    let mut only_failure = None;
    let mut done = 0;
    let (trees, is_named) = trees(shell, &args.paths)?;
    let names_each = trees.len() > 1;
    let (held, trees): (Vec<_>, Vec<_>) = trees.into_iter().partition(|tree| held_back(shell, tree).is_some());
    let total = if is_named { held.len() + trees.len() } else { trees.len() };
    for tree in held {
        let Some(failure) = held_back(shell, &tree) else { continue };
        if is_named {
            failed += 1;
            show_failure(shell, &tree, &failure, total)?;
            only_failure = Some(failure);
        } else {
            shell.out.note(format_args!("{}.", failure.in_one_line()));
        }
    }
    for (tree, taken) in take::each(shell, trees, args.watched) {
        report(shell, &tree, &taken, names_each)?;
        let pushed = match taken {
            Ok(_) if args.push => push::tree(shell, &tree, args.allow_secrets),
            taken => taken.map(drop),
        };
        match pushed {
            Ok(()) => done += 1,
            Err(failure) => {
                failed += 1;
                done += usize::from(failure.is_partly());
                show_failure(shell, &tree, &failure, total)?;
                only_failure = Some(failure);
            }
        }
    }
    if args.push {
        return pushed(failed, done, total, only_failure);
    }
    match (failed, only_failure) {
        (0, _) | (_, None) => Ok(()),
        (1, Some(failure)) if total == 1 => Err(failure),
        (n, _) if n == total => Err(Failure::failed(format!("none of {total} repositories could be captured"))),
        (n, _) => Err(Failure::partly(format!("{n} of {total} repositories could not be captured"))),
    }
}

/// How a command ends that pushed, too. What was captured stays captured, but what counts is what was pushed.
fn pushed(failed: usize, done: usize, total: usize, only_failure: Option<Failure>) -> Result<(), Failure> {
    match (failed, only_failure) {
        (0, _) | (_, None) => Ok(()),
        (_, Some(failure)) if total == 1 => Err(failure),
        (n, _) if done == 0 => Err(Failure::failed(format!("{n} of {total} repositories could not be pushed"))),
        (n, _) => Err(Failure::partly(format!("{n} of {total} repositories could not be pushed"))),
    }
}

/// Why nothing of a working tree may be captured: the user, or its configuration, wants it so.
pub(super) fn held_back(shell: &Shell, tree: &Tree) -> Option<Failure> {
    let folder = shell.folder(&tree.root);
    if tree.paused {
        return Some(Failure::failed(format!("{folder} is paused")).hint("`carry resume` captures it again."));
    }
    let off = || Failure::failed(format!("{folder} is switched off by its configuration")).hint(failure::SWITCHED_OFF);
    (!shell.is_enabled(&tree.root)).then(off)
}

/// What is to be captured, and whether the user named it (standing in it counts).
fn trees(shell: &Shell, paths: &[PathBuf]) -> Result<(Vec<Tree>, bool), Failure> {
    if paths.is_empty() && matches!(targets::place(None, &shell.cwd)?, Place::Outside) {
        let registry = shell.registry_to_read()?;
        let trees = registry.map(|registry| registry.trees()).transpose()?.unwrap_or_default();
        if trees.is_empty() {
            // Says what this place is instead.
            targets::discover(shell, Path::new("."))?;
        }
        return Ok((trees, false));
    }
    let here = [PathBuf::from(".")];
    let mut trees: Vec<Tree> = Vec::new();
    for path in if paths.is_empty() { &here[..] } else { paths } {
        let tree = match targets::open(shell, path) {
            Ok((_, tree)) => tree,
            Err(failure) if failure.is_missing() => known_but_gone(shell, path).ok_or(failure)?,
            Err(_) => {
                let registered = targets::register(shell, path, false)?;
                registered.say(shell)?;
                registered.tree().clone()
            }
        };
        if !trees.contains(&tree) {
            trees.push(tree);
        }
    }
    Ok((trees, true))
}

/// A registered tree whose folder is not there fails like any other, without stopping the rest.
fn known_but_gone(shell: &Shell, path: &Path) -> Option<Tree> {
    let registry = shell.registry_to_read().ok()??;
    registry.by_root(&shell.cwd.join(path)).ok()?
}

/// Says what came of one capture. A failure is left to the caller.
pub(super) fn report(
    shell: &Shell,
    tree: &Tree,
    taken: &Result<Taken, Failure>,
    names_each: bool,
) -> Result<(), Failure> {
    let Ok(taken) = taken else { return Ok(()) };
    if shell.out.is_json() {
        return shell.out.json(&CaptureJson::new(tree, taken));
    }
    let name = if names_each { format!("{}: ", shell.folder(&tree.root)) } else { String::new() };
    let text = match (&taken.snapshot, taken.new) {
        (Some(snapshot), true) => format!(
            "captured {} {}",
            shell.out.paint(style::ID, text::short(&snapshot.commit)),
            text::line(&snapshot.meta.subject)
        ),
        (Some(snapshot), false) => format!(
            "nothing new since {} ({})",
            shell.out.paint(style::ID, text::short(&snapshot.commit)),
            carry_code::time::age(snapshot.time, shell.now()),
        ),
        (None, _) => "nothing to capture: there are no files and no commits".to_owned(),
    };
    shell.out.say(format_args!("{name}{text}"))?;
    for (path, reason) in &taken.skipped {
        shell.out.warn(format_args!("{name}skipped {} ({reason})", text::path(path.as_ref())));
    }
    Ok(())
}

/// Names a repository that failed among several; a single one is what the command fails with.
fn show_failure(shell: &Shell, tree: &Tree, failure: &Failure, total: usize) -> Result<(), Failure> {
    if total == 1 {
        return Ok(());
    }
    if shell.out.is_json() {
        return shell.out.json(&CaptureJson::failed(tree, failure));
    }
    shell.out.warn(format_args!("{}: {}", shell.folder(&tree.root), failure.in_one_line()));
    for hint in failure.hints() {
        shell.out.problem(style::HINT, "Hint", hint);
    }
    Ok(())
}

/// What came of one capture, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "capture")]
struct CaptureJson<'a> {
    repository: &'a str,
    root: String,
    new: bool,
    snapshot: Option<SnapshotJson<'a>>,
    skipped: Vec<SkippedNow>,
    error: Option<String>,
}

#[derive(Serialize)]
struct SkippedNow {
    path: String,
    reason: String,
}

impl<'a> CaptureJson<'a> {
    fn new(tree: &'a Tree, taken: &'a Taken) -> Self {
        let skipped = |(path, reason): &(_, String)| SkippedNow {
            path: text::json_path(bstr(path)),
            reason: reason.replace(' ', "-"),
        };
        Self {
            repository: tree.id.as_str(),
            root: text::json_file(&tree.root),
            new: taken.new,
            snapshot: taken.snapshot.as_ref().map(SnapshotJson::new),
            skipped: taken.skipped.iter().map(skipped).collect(),
            error: None,
        }
    }

    fn failed(tree: &'a Tree, failure: &Failure) -> Self {
        Self {
            repository: tree.id.as_str(),
            root: text::json_file(&tree.root),
            new: false,
            snapshot: None,
            skipped: Vec::new(),
            error: Some(failure.in_one_line()),
        }
    }
}

fn bstr(path: &carry_code::git::BString) -> &carry_code::git::BStr {
    path.as_ref()
}
