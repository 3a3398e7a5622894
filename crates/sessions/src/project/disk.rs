//! Repositories on the disk, read without running Git.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use super::Repositories;

/// Folders are looked at up to so many levels above.
const LEVELS_MAX: usize = 64;

/// Longer files of Git's are not read further.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Answers that are remembered; then the memory begins anew.
const MEMORY_MAX: usize = 8192;

/// The main repository's root, and the address of its remote.
type Found = Option<(String, Option<String>)>;

/// The disk itself, with a memory of what it was asked.
#[derive(Debug, Default)]
pub struct Disk {
    known: HashMap<String, Found>,
}

impl Repositories for Disk {
    fn around(&mut self, cwd: &str) -> Option<(String, Option<String>)> {
        if let Some(found) = self.known.get(cwd) {
            return found.clone();
        }
        let found = look(Path::new(cwd));
        if self.known.len() >= MEMORY_MAX {
            self.known.clear();
        }
        self.known.insert(cwd.to_owned(), found.clone());
        found
    }
}

fn look(cwd: &Path) -> Found {
    if !cwd.is_absolute() || !cwd.is_dir() {
        return None;
    }
    cwd.ancestors().take(LEVELS_MAX).find_map(|folder| {
        let git = folder.join(".git");
        let kind = std::fs::metadata(&git).ok()?;
        let (root, common) = if kind.is_dir() {
            git.join("HEAD").exists().then(|| (folder.to_owned(), git))?
        } else if kind.is_file() {
            linked(folder, &git)?
        } else {
            return None;
        };
        let remote = text_of(&common.join("config")).and_then(|config| remote_in(&config));
        Some((root.to_str()?.to_owned(), remote))
    })
}

/// Where a `.git` file leads: the main repository's root, and the folder with its configuration.
fn linked(folder: &Path, git: &Path) -> Option<(PathBuf, PathBuf)> {
    let text = text_of(git)?;
    let target = text.lines().next()?.strip_prefix("gitdir:")?.trim();
    let own = tidy(&folder.join(target));
    let is_worktree = own.parent().and_then(Path::file_name).is_some_and(|name| name == "worktrees");
    if !is_worktree {
        // A submodule, or a repository whose folder lies elsewhere: it is its own.
        return Some((folder.to_owned(), own));
    }
    let common = match text_of(&own.join("commondir")) {
        Some(text) => tidy(&own.join(text.trim())),
        None => own.parent()?.parent()?.to_owned(),
    };
    let root = if common.file_name().is_some_and(|name| name == ".git") {
        common.parent()?.to_owned()
    } else {
        common.clone()
    };
    Some((root, common))
}

/// The path with `.` and `..` resolved by their text.
fn tidy(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut tidy, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                tidy.pop();
            }
            part => tidy.push(part),
        }
        tidy
    })
}

/// The text of a plain file, up to the bound.
fn text_of(path: &Path) -> Option<String> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The address of the remote in a configuration: that of `origin`, else `upstream`, else the first. Included files are not read.
fn remote_in(config: &str) -> Option<String> {
    let mut remotes: Vec<(String, String)> = Vec::new();
    let mut section: Option<String> = None;
    for line in config.lines() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or_default();
            section = match header.split_once(char::is_whitespace) {
                Some((kind, name)) if kind.eq_ignore_ascii_case("remote") => {
                    Some(name.trim().trim_matches('"').to_owned())
                }
                _ => None,
            };
            continue;
        }
        if let (Some(name), Some((key, value))) = (&section, line.split_once('='))
            && key.trim().eq_ignore_ascii_case("url")
        {
            let value = value.split([';', '#']).next().unwrap_or_default().trim().trim_matches('"');
            if !value.is_empty() && !remotes.iter().any(|(known, _)| known == name) {
                remotes.push((name.clone(), value.to_owned()));
            }
        }
    }
    let named = |wanted: &str| remotes.iter().find(|(name, _)| name == wanted);
    named("origin").or_else(|| named("upstream")).or_else(|| remotes.first()).map(|(_, url)| url.clone())
}
