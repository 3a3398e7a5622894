//! What Git itself would put into a tree: the measure that snapshots are held against.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::git;

/// What `git add --all` followed by `git write-tree` gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitTree {
    /// The tree. Objects the repository did not have were written to a folder that is gone: compare ids and entries.
    pub id: String,
    /// Nested repositories that were left out, from the root.
    pub nested: Vec<PathBuf>,
    /// What `git add` complained about, if anything: one line a path it could not add.
    pub complaints: Vec<String>,
    /// All entries: mode, object id, path. Sorted by path, as Git lists them.
    pub entries: Vec<(String, String, Vec<u8>)>,
}

/// Asks Git for the tree of the working tree at `root`, on a copy of its index with the same time stamps, so that entries
/// Git trusts without reading are the same. Writes nothing into the repository. Nested repositories that are no submodules
/// are left out; a path that Git cannot add keeps its entry.
#[track_caller]
pub fn git_tree_of(root: &Path) -> GitTree {
    let scratch = TempDir::new().expect("a temporary folder can be made");
    let objects = scratch.path().join("objects");
    fs::create_dir(&objects).expect("the folder is empty");
    let index = scratch.path().join("index");
    let at = |args: &[&str]| PathBuf::from(git::read(root, [&["rev-parse", "--path-format=absolute"], args].concat()));
    copy_with_times(&at(&["--git-path", "index"]), &index);
    let repository = at(&["--git-path", "objects"]);

    let private = || {
        let mut git = git::command(root, scratch.path(), git::EPOCH);
        git.env("GIT_INDEX_FILE", &index)
            .env("GIT_OBJECT_DIRECTORY", &objects)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", &repository)
            // A split index and a hook would both write beside the real index.
            .args(["-c", "core.splitIndex=false", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
            .args(["-c", "advice.addEmbeddedRepo=false", "-c", "core.safecrlf=false"]);
        git
    };
    let nested = nested_repositories(root, &submodules(root));
    let mut add = private();
    add.args(["add", "--all", "--ignore-errors", "--", "."]);
    add.args(nested.iter().map(|path| {
        let mut spec = OsString::from(":(top,exclude,literal)");
        spec.push(path);
        spec
    }));
    let added = git::run(&mut add);
    let complaints = String::from_utf8_lossy(&added.stderr).lines().map(str::to_owned).collect();
    let id = String::from_utf8_lossy(&git::succeed(private().arg("write-tree"))).trim_end().to_owned();
    let listing = git::succeed(private().args(["ls-tree", "-r", "-z", "--full-tree", &id]));
    GitTree { id, nested, complaints, entries: parse_entries(&listing) }
}

/// Copies the index if there is one; an unborn repository may have none.
#[track_caller]
fn copy_with_times(from: &Path, to: &Path) {
    let Ok(meta) = fs::metadata(from) else { return };
    let times = FileTimes::new()
        .set_modified(meta.modified().expect("the platform has times"))
        .set_accessed(meta.accessed().expect("the platform has times"));
    fs::copy(from, to)
        .and_then(|_| File::options().write(true).open(to)?.set_times(times))
        .expect("the index can be copied");
}

/// Paths of submodule links in the index.
#[track_caller]
fn submodules(root: &Path) -> Vec<PathBuf> {
    let mut git = git::command(root, Path::new("/nonexistent"), git::EPOCH);
    let listing = git::succeed(git.env("GIT_OPTIONAL_LOCKS", "0").args(["ls-files", "--stage", "-z"]));
    let links = listing.split(|byte| *byte == 0).filter(|line| line.starts_with(b"160000 "));
    links.filter_map(|line| Some(to_path(line.splitn(2, |byte| *byte == b'\t').nth(1)?))).collect()
}

/// Folders below `root` that hold a `.git` and are none of `submodules`; nothing below them is looked at.
pub fn nested_repositories(root: &Path, submodules: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(root.join(&folder)) else { continue };
        for entry in entries.flatten() {
            let path = folder.join(entry.file_name());
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir()) && entry.file_name() != ".git";
            if !is_folder || submodules.contains(&path) {
                continue;
            }
            if is_repository(&root.join(&path)) {
                found.push(path);
            } else {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Whether Git takes a folder for the root of a repository. One without commits counts; an empty `.git` folder does not.
fn is_repository(folder: &Path) -> bool {
    let git = folder.join(".git");
    git.is_file() || (git.join("HEAD").exists() && git.join("objects").is_dir())
}

fn parse_entries(listing: &[u8]) -> Vec<(String, String, Vec<u8>)> {
    let lines = listing.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (head, path) =
                line.split_at(line.iter().position(|byte| *byte == b'\t').expect("ls-tree writes a tab"));
            let head = String::from_utf8_lossy(head).into_owned();
            let mut words = head.split(' ');
            let mode = words.next().unwrap_or_default().to_owned();
            (mode, words.nth(1).unwrap_or_default().to_owned(), path[1..].to_vec())
        })
        .collect()
}

fn to_path(bytes: &[u8]) -> PathBuf {
    debug_assert_eq!(std::ffi::OsStr::from_bytes(bytes).as_bytes(), bytes, "paths are bytes here");
    OsString::from_vec(bytes.to_vec()).into()
}

#[cfg(test)]
mod tests;
