//! `carry show`: one snapshot, or a file as it was.

use std::path::{Path, PathBuf};

use carry_code::diff::mode;
use carry_code::git::{self, BStr, BString, ByteSlice as _, ObjectId};
use carry_code::history::{self, HistoryError};
use carry_code::registry::Tree;
use carry_code::repo::Repo;
use carry_code::snapshot::Snapshot;
use serde::Serialize;

use super::snapshot_json::SnapshotJson;
use crate::failure::Failure;
use crate::output::style;
use crate::tree_diff::{self, Side, TreeDiff};
use crate::wire::Shell;
use crate::{paths, targets, text};

/// Show a snapshot, or a file as it was
///
/// Without PATH: what the snapshot says of itself, and what it changed. With PATH: the file's bytes to standard output,
/// or a folder's entries. `ID:PATH`, from the root, works as in Git.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Id or time of a snapshot; the newest by default
    snapshot: Option<String>,
    /// File or folder
    path: Option<PathBuf>,
}

pub(super) fn run(shell: &Shell, args: &Args) -> Result<(), Failure> {
    let (repo, tree) = targets::open_here(shell)?;
    let Some(spec) = &args.snapshot else {
        return snapshot(shell, &repo, &tree, &super::diff::newest(&repo, &tree)?);
    };
    let find = |spec: &str| shell.find(&repo, &tree.id, spec);
    if let Some(path) = &args.path {
        return file(shell, &repo, &find(spec)?, &paths::below_root(repo.root(), &shell.cwd, path)?);
    }
    if let Some((id, path)) = id_and_path(spec) {
        let from = if path.starts_with("./") || path.starts_with("../") { &shell.cwd } else { repo.root() };
        return file(shell, &repo, &find(id)?, &paths::below_root(repo.root(), from, Path::new(path))?);
    }
    snapshot(shell, &repo, &tree, &find(spec)?)
}

/// `ID:PATH`; a time has colons too, but does not begin with four hex digits and a colon.
fn id_and_path(spec: &str) -> Option<(&str, &str)> {
    let (id, path) = spec.split_once(':')?;
    (id.len() >= 4 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some((id, path))
}

fn snapshot(shell: &Shell, repo: &Repo, tree: &Tree, snapshot: &Snapshot) -> Result<(), Failure> {
    let out = &shell.out;
    if out.is_json() {
        return out.json(&SnapshotJson::new(snapshot));
    }
    out.start_pager();
    let meta = &snapshot.meta;
    out.line(out.paint(style::ID, format_args!("snapshot {}", snapshot.commit)))?;
    let row = |label: &str, text: String| out.line(format_args!("{:<9} {text}", format!("{label}:")));
    row(
        "Time",
        format!("{} ({})", text::local_time(snapshot.time), carry_code::time::age(snapshot.time, shell.now())),
    )?;
    row("Device", meta.device.to_string())?;
    row("Branch", meta.branch.display())?;
    row("HEAD", meta.head.map_or("unborn".to_owned(), |id| text::short(&id)))?;
    if let Some(staged) = meta.staged {
        row("Staged", text::short(&staged))?;
    }
    if let Some(state) = meta.state {
        row("State", format!("in the middle of a {state}"))?;
    }
    for skipped in &meta.skipped {
        row("Skipped", format!("{} ({})", text::path(skipped.path.as_ref()), text::reason(&skipped.reason)))?;
    }
    if meta.skipped_more > 0 {
        row("Skipped", format!("{} more", meta.skipped_more))?;
    }
    for nested in &meta.nested {
        row("Nested", text::path(nested.as_ref()))?;
    }
    out.line(format_args!("\n    {}\n", text::line(&meta.subject)))?;
    TreeDiff::new(shell, repo, before(repo, tree, snapshot)?, Side::Tree(Some(snapshot.tree)), &[])?.show(true)
}

/// The tree that a snapshot changed: that of the one before it on its line, else of its HEAD, else none.
fn before(repo: &Repo, tree: &Tree, snapshot: &Snapshot) -> Result<Option<ObjectId>, Failure> {
    let mut is_older = false;
    for older in history::of_tree(repo, &tree.id)? {
        let older = older?;
        if is_older && older.meta.branch == snapshot.meta.branch {
            return Ok(Some(older.tree));
        }
        is_older |= older.commit == snapshot.commit;
    }
    let Some(head) = snapshot.meta.head else { return Ok(None) };
    let tree = tree_diff::run(git::command(repo.root()).args(["rev-parse", &format!("{head}^{{tree}}")]))?;
    Ok(Some(tree.to_str_lossy().trim().parse().map_err(Failure::from_error)?))
}

fn file(shell: &Shell, repo: &Repo, snapshot: &Snapshot, path: &BString) -> Result<(), Failure> {
    let gix = repo.gix();
    let Some((entry_mode, id)) = history::entry_at(&gix, snapshot.tree, path.as_ref())? else {
        let path: &BStr = path.as_ref();
        return Err(Failure::failed(format!("snapshot {} has no {}", text::short(&snapshot.commit), text::path(path)))
            .hint("`carry log PATH` lists the snapshots in which it changed."));
    };
    let mut object = ObjectJson {
        snapshot: snapshot.commit.to_string(),
        path: text::json_path(path.as_ref()),
        kind: kind(entry_mode),
        id: id.to_string(),
        size: None,
        text: None,
        entries: None,
    };
    match entry_mode {
        mode::FOLDER => {
            let listed = tree_diff::run(git::command(repo.root()).args(["ls-tree", "-z", &id.to_string()]))?;
            let entries: Vec<_> = listed.split_str(b"\0").filter_map(entry).collect();
            if !shell.out.is_json() {
                return entries.iter().try_for_each(|(name, _)| shell.out.line(text::path(name.as_ref())));
            }
            object.entries = Some(entries.into_iter().map(|(_, json)| json).collect());
        }
        mode::SUBMODULE if shell.out.is_json() => {}
        mode::SUBMODULE => return shell.out.line(format_args!("submodule at {id}")),
        _ => {
            let blob = gix.find_object(id).map_err(|source| HistoryError::Git {
                what: format!("blob {id}"),
                repo: repo.root().to_owned(),
                source: source.into(),
            })?;
            if !shell.out.is_json() {
                return shell.out.bytes(&blob.data);
            }
            object.size = Some(blob.data.len());
            object.text = blob.data.to_str().ok().map(str::to_owned);
        }
    }
    shell.out.json(&object)
}

/// One entry of a folder, as `git ls-tree` has it: `<mode> <type> <id>\t<name>`.
fn entry(line: &[u8]) -> Option<(BString, EntryJson)> {
    let (about, name) = line.split_once_str(b"\t")?;
    let mut about = about.split_str(b" ");
    let mode = u32::from_str_radix(about.next()?.to_str().ok()?, 8).ok()?;
    let id = about.nth(1)?.to_str_lossy().into_owned();
    Some((name.into(), EntryJson { name: text::json_path(name.into()), kind: kind(mode), id }))
}

fn kind(entry_mode: u32) -> &'static str {
    match entry_mode {
        mode::FOLDER => "folder",
        mode::SUBMODULE => "submodule",
        mode::LINK => "link",
        mode::EXECUTABLE => "executable",
        _ => "file",
    }
}

/// What a snapshot has at a path, for machines.
#[derive(Serialize)]
#[serde(tag = "type", rename = "object")]
struct ObjectJson {
    snapshot: String,
    path: String,
    kind: &'static str,
    id: String,
    size: Option<usize>,
    text: Option<String>,
    entries: Option<Vec<EntryJson>>,
}

/// One entry of a folder, for machines.
#[derive(Serialize)]
struct EntryJson {
    name: String,
    kind: &'static str,
    id: String,
}

#[cfg(test)]
mod tests {
    use super::id_and_path;

    #[test]
    fn an_id_with_a_path_is_told_from_a_time() {
        assert_eq!(id_and_path("1a2b3c:src/x"), Some(("1a2b3c", "src/x")));
        assert_eq!(id_and_path("1a2b:a:b"), Some(("1a2b", "a:b")));
        assert_eq!(id_and_path("10:55"), None);
        assert_eq!(id_and_path("2026-11-20 10:55"), None);
        assert_eq!(id_and_path("1a2b3c"), None);
    }
}
