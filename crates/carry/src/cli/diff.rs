//! `carry diff`: what changed since a snapshot, or between two.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use carry_code::git::BString;
use carry_code::history::{self, HistoryError};
use carry_code::registry::Tree;
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use serde::Serialize;

use crate::failure::Failure;
use crate::progress::Spinner;
use crate::tree_diff::{Side, TreeDiff};
use crate::wire::Shell;
use crate::{paths, targets, text};

/// Show what changed since a snapshot, or between two
///
/// Compares the newest snapshot, or the given one, with the files as they are now. A snapshot is named by its id or by a
/// time such as "10 minutes ago".
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Up to two snapshots, then files or folders
    #[arg(value_name = "SNAPSHOT|PATH")]
    what: Vec<OsString>,
    /// Files or folders, for certain
    #[arg(last = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (repo, tree) = targets::open_here(shell)?;
    let (mut snapshots, mut paths) = (Vec::new(), Vec::new());
    for word in &args.what {
        // Snapshots come first, as in Git; from the first path on all are paths.
        let found = if paths.is_empty() { snapshot(shell, &repo, &tree, word) } else { Err(no_snapshot(word)) };
        match found {
            Ok(_) if shell.cwd.join(word).symlink_metadata().is_ok() => {
                let name = text::line(&word.to_string_lossy());
                let quoted = text::shell_word(Path::new(word));
                return Err(Failure::usage(format!("{name} names a snapshot and is a path as well")).hint(format!(
                    "`carry diff -- {quoted}` means the path; more digits of its id mean the snapshot."
                )));
            }
            Ok(snapshot) if snapshots.len() < 2 => snapshots.push(snapshot),
            Ok(_) => return Err(Failure::usage("at most two snapshots can be compared")),
            Err(failure) => match path(shell, &repo, Path::new(word)) {
                Ok(path) if is_known(shell, &repo, &tree, word, &path)? => paths.push(path),
                _ => return Err(failure),
            },
        }
    }
    for named in &args.paths {
        paths.push(path(shell, &repo, named)?);
    }
    let mut snapshots = snapshots.into_iter();
    let old = match snapshots.next() {
        Some(snapshot) => snapshot,
        None => newest(&repo, &tree)?,
    };
    let new = snapshots.next().map_or(Side::Disk, |snapshot| Side::Tree(Some(snapshot.tree)));
    let progress = Spinner::new(shell, "comparing");
    let diff = TreeDiff::new(shell, &repo, Some(old.tree), new, &paths)?;
    drop(progress);
    if shell.out.is_json() {
        return diff.changed()?.iter().try_for_each(|changed| {
            shell.out.json(&ChangeJson { path: text::json_path(changed.path.as_ref()), status: changed.status })
        });
    }
    shell.out.start_pager();
    diff.show(false)
}

/// The newest snapshot of a working tree.
pub(super) fn newest(repo: &Repo, tree: &Tree) -> Result<Snapshot, Failure> {
    match history::of_tree(repo, &tree.id)?.next() {
        Some(snapshot) => Ok(snapshot?),
        None => Err(Failure::failed("there is no snapshot yet").hint("`carry now` makes one.")),
    }
}

fn snapshot(shell: &Shell, repo: &Repo, tree: &Tree, word: &OsString) -> Result<Snapshot, Failure> {
    let bad = || HistoryError::BadSpec { spec: word.to_string_lossy().into_owned() };
    let spec = word.to_str().ok_or_else(bad)?;
    shell.find(repo, &tree.id, spec)
}

fn path(shell: &Shell, repo: &Repo, typed: &Path) -> Result<BString, Failure> {
    paths::below_root(repo.root(), &shell.cwd, typed)
}

/// Whether a path is meant: it is on disk, or was when the newest snapshot was made.
fn is_known(shell: &Shell, repo: &Repo, tree: &Tree, word: &OsString, path: &BString) -> Result<bool, Failure> {
    if shell.cwd.join(word).symlink_metadata().is_ok() {
        return Ok(true);
    }
    let newest = newest(repo, tree)?;
    Ok(history::entry_at(&repo.gix(), newest.tree, path.as_ref())?.is_some())
}

fn no_snapshot(word: &OsString) -> Failure {
    Failure::failed(format!("{} is neither on disk nor in the newest snapshot", word.display()))
        .hint("Snapshots come before paths; paths that are in neither come after `--`.")
}

/// One path that differs, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "change")]
struct ChangeJson {
    path: String,
    status: &'static str,
}
