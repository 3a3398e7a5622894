//! Where sessions lie: `<project>/<session>.jsonl`, and `<project>/<session>/subagents/**/agent-*.jsonl`.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::DirEntry;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::source::{Root, Stamp, Unit, files};

/// How deep subagents are looked for.
const DEPTH_MAX: usize = 8;

struct Search<'s> {
    found: &'s mut dyn FnMut(Unit),
    problem: &'s mut dyn FnMut(&Path, io::Error),
    /// Files and folders seen, by device and inode: links may lead to the same one, or in circles.
    seen: HashSet<(u64, u64)>,
}

/// Lists the sessions below `root`.
pub(super) fn discover(root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, io::Error)) {
    let mut search = Search { found, problem, seen: HashSet::new() };
    let projects = match std::fs::read_dir(&root.path) {
        Ok(entries) => entries,
        Err(error) if root.is_default && error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return (search.problem)(&root.path, error),
    };
    for project in search.good(&root.path, projects) {
        if is_folder(&project) {
            search.project(&project.path());
        }
    }
}

impl Search<'_> {
    fn project(&mut self, folder: &Path) {
        for entry in self.list(folder) {
            let name = entry.file_name();
            if is_session(&name) {
                // Subagents of old versions lie here, too; they are not sessions.
                if !is_subagent(&name) {
                    self.file(&entry);
                }
            } else if name.as_bytes().contains(&b'-') && !name.as_bytes().contains(&b'.') && is_folder(&entry) {
                self.subagents(&entry.path().join("subagents"), 0);
            }
        }
    }

    fn subagents(&mut self, folder: &Path, depth: usize) {
        let Ok(metadata) = std::fs::metadata(folder) else { return };
        if !metadata.is_dir() || depth > DEPTH_MAX || !self.seen.insert((metadata.dev(), metadata.ino())) {
            return;
        }
        for entry in self.list(folder) {
            let name = entry.file_name();
            if is_session(&name) && is_subagent(&name) {
                self.file(&entry);
            } else if is_folder(&entry) {
                self.subagents(&entry.path(), depth + 1);
            }
        }
    }

    fn file(&mut self, entry: &DirEntry) {
        let path = entry.path();
        let metadata = match entry.metadata() {
            Ok(metadata) if metadata.is_symlink() => std::fs::metadata(&path),
            other => other,
        };
        match metadata {
            Ok(metadata) if metadata.is_file() => {
                if self.seen.insert((metadata.dev(), metadata.ino())) {
                    (self.found)(Unit { path, stamp: files::stamp(&metadata, 0) });
                }
            }
            Ok(_) => {}
            Err(error) => (self.problem)(&path, error),
        }
    }

    fn list(&mut self, folder: &Path) -> Vec<DirEntry> {
        match std::fs::read_dir(folder) {
            Ok(entries) => self.good(folder, entries),
            Err(error) => {
                (self.problem)(folder, error);
                Vec::new()
            }
        }
    }

    fn good(&mut self, folder: &Path, entries: std::fs::ReadDir) -> Vec<DirEntry> {
        let mut good = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => good.push(entry),
                Err(error) => {
                    (self.problem)(folder, error);
                    break;
                }
            }
        }
        good
    }
}

/// The session that a changed path belongs to.
pub(super) fn unit_of(root: &Path, path: &Path) -> Option<PathBuf> {
    let below = path.strip_prefix(root).ok()?;
    let names: Vec<&OsStr> = below
        .components()
        .map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect::<Option<_>>()?;
    match names.as_slice() {
        [_, file] if is_session(file) && !is_subagent(file) => Some(path.to_owned()),
        [_, _, folder, .., file] if *folder == "subagents" && is_subagent(file) => {
            if is_session(file) {
                return Some(path.to_owned());
            }
            let name = file.to_str()?.strip_suffix(".meta.json")?;
            Some(path.with_file_name(format!("{name}.jsonl")))
        }
        [project, session, folder, _, ..] if *folder == "tool-results" => {
            let mut file = session.to_os_string();
            file.push(".jsonl");
            Some(root.join(project).join(file))
        }
        _ => None,
    }
}

fn is_session(name: &OsStr) -> bool {
    name.as_bytes().ends_with(b".jsonl")
}

fn is_subagent(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"agent-")
}

/// Whether an entry is a folder, or a link to one.
fn is_folder(entry: &DirEntry) -> bool {
    match entry.file_type() {
        Ok(kind) if kind.is_symlink() => std::fs::metadata(entry.path()).is_ok_and(|metadata| metadata.is_dir()),
        Ok(kind) => kind.is_dir(),
        Err(_) => false,
    }
}

/// The stamp of one session.
pub(super) fn stamp_of(path: &Path) -> io::Result<Stamp> {
    let metadata = std::fs::metadata(path)?;
    if metadata.is_file() { Ok(files::stamp(&metadata, 0)) } else { Err(io::ErrorKind::NotFound.into()) }
}
