//! Which project a folder of sessions belongs to: its name is short, or a hash of the project's path.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::source::json::Str;
use crate::source::{Stamp, files};

/// The largest list of projects that is read.
const BYTES_MAX: u64 = 8 * 1024 * 1024;

/// What is known about the project of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Project {
    /// Where it is.
    pub(super) path: Option<String>,
    /// What it is called.
    pub(super) name: Option<String>,
}

/// The folder of sessions that holds the file at `path`: the parent of `chats`.
fn folder_of(path: &Path) -> Option<&Path> {
    path.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == "chats"))?.parent()
}

/// The project of the session at `path`.
pub(super) fn of(path: &Path) -> Project {
    let Some(folder) = folder_of(path) else { return Project::default() };
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return Project::default() };
    let marked = files::small(&folder.join(".project_root"), 4096);
    let marked = marked.and_then(|bytes| String::from_utf8(bytes).ok()).map(|path| path.trim().to_owned());
    let marked = marked.filter(|path| path.starts_with('/'));
    let known = || folder.parent()?.parent().and_then(|home| paths(home).get(name).cloned());
    let path = marked.or_else(known);
    let is_hash = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let last = path.as_deref().and_then(|path| Path::new(path).file_name()?.to_str()).map(str::to_owned);
    Project { name: last.or_else(|| (!is_hash).then(|| name.to_owned())), path }
}

/// Paths of projects by the names and hashes that folders of sessions have. Read anew only when the lists changed.
fn paths(home: &Path) -> Arc<HashMap<String, String>> {
    type Paths = Arc<HashMap<String, String>>;
    static LAST: Mutex<Option<(PathBuf, [Stamp; 2], Paths)>> = Mutex::new(None);
    let lists = [home.join("projects.json"), home.join("trustedFolders.json")];
    let stamps = [&lists[0], &lists[1]]
        .map(|list| std::fs::metadata(list).map_or_else(|_| Stamp::default(), |metadata| files::stamp(&metadata, 0)));
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, at, paths)) = &*last
        && known == home
        && *at == stamps
    {
        return Arc::clone(paths);
    }
    let [projects, trusted] = lists.map(|list| files::small(&list, BYTES_MAX).unwrap_or_default());
    let paths = Arc::new(parse(&projects, &trusted));
    *last = Some((home.to_owned(), stamps, Arc::clone(&paths)));
    paths
}

fn parse(projects: &[u8], trusted: &[u8]) -> HashMap<String, String> {
    type Names<'a> = BTreeMap<Cow<'a, str>, Str<'a>>;
    #[derive(Default, Deserialize)]
    struct Projects<'a> {
        #[serde(borrow, default)]
        projects: Names<'a>,
    }
    let projects = serde_json::from_slice::<Projects<'_>>(projects).unwrap_or_default().projects;
    let trusted = serde_json::from_slice::<Names<'_>>(trusted).unwrap_or_default();
    let mut paths = HashMap::new();
    for path in projects.keys().chain(trusted.keys()) {
        let hash = Sha256::digest(path.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        paths.insert(hash, path.clone().into_owned());
    }
    for (path, name) in projects {
        if !name.0.is_empty() {
            paths.insert(name.0.into_owned(), path.into_owned());
        }
    }
    paths
}
