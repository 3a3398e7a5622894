//! Names of sessions: `session_index.jsonl` beside the folders of sessions.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;

use super::replay::home_of;
use crate::source::json::{self, Str};
use crate::source::{Stamp, files};

/// The name of the index.
const INDEX_FILE: &str = "session_index.jsonl";
/// The largest index that is read.
const BYTES_MAX: u64 = 64 * 1024 * 1024;
/// The longest name.
const NAME_BYTES_MAX: usize = 1024;

/// Names by the id of the session.
pub(super) type Names = HashMap<String, String>;

#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    id: Option<Str<'a>>,
    #[serde(borrow)]
    thread_name: Option<Str<'a>>,
}

/// The index that names the sessions in the folder `path`, or below it; it is there or not.
pub(super) fn beside(path: &Path) -> Option<PathBuf> {
    home_of(path).map(|home| home.join(INDEX_FILE))
}

/// The names that belong to the sessions beside `path`. Read anew only when the index changed.
pub(super) fn names(path: &Path) -> Arc<Names> {
    static LAST: Mutex<Option<(PathBuf, Stamp, Arc<Names>)>> = Mutex::new(None);
    let Some(index) = beside(path) else { return Arc::default() };
    let Ok(metadata) = std::fs::metadata(&index) else { return Arc::default() };
    let stamp = files::stamp(&metadata, 0);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((known, at, names)) = &*last
        && *known == index
        && *at == stamp
    {
        return Arc::clone(names);
    }
    let names = Arc::new(parse(&files::small(&index, BYTES_MAX).unwrap_or_default()));
    *last = Some((index, stamp, Arc::clone(&names)));
    names
}

/// The names in an index; the last line of a session counts.
fn parse(bytes: &[u8]) -> Names {
    let mut names = Names::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let Ok(entry) = serde_json::from_slice::<Entry<'_>>(line) else { continue };
        let name = json::kept(&entry.thread_name);
        if let (Some(id), Some(name)) = (json::kept(&entry.id), name) {
            names.insert(id, json::cut(name.trim(), NAME_BYTES_MAX).to_owned());
        }
    }
    names
}

/// The id in the name of a session's file.
pub(super) fn id_in_name(path: &Path) -> Option<&str> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".jsonl")?;
    // rollout-2026-03-14T14-30-00-<id>
    match stem.strip_prefix("rollout-").and_then(|rest| Some((rest.get(..19)?, rest.get(20..)?))) {
        Some((time, id)) if time.as_bytes()[10] == b'T' && !id.is_empty() => Some(id),
        _ => Some(stem),
    }
}
