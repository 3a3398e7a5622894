//! Forks: which turns at the beginning of a session belong to the one it was forked from.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use memchr::memmem;

use crate::source::files;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// Bytes of a turn's id at most.
const ID_BYTES_MAX: usize = 128;
/// Turns of one session that are looked at.
const TURNS_MAX: usize = 1 << 18;

/// The turns of the session that was forked, looked up once and only when needed.
#[derive(Debug, Default)]
pub(super) struct Turns {
    known: Option<Option<HashSet<u64>>>,
}

impl Turns {
    /// Whether the turn `id` in the file at `path` belongs to the session `parent`, when `path`'s session began at `began`.
    /// `None` when nothing tells.
    pub(super) fn is_of_parent(&mut self, id: &str, began: Option<i64>, parent: &str, path: &Path) -> Option<bool> {
        if let (Some(at), Some(began)) = (made_at(id), began) {
            return Some(at < began);
        }
        let known = self.known.get_or_insert_with(|| turns_of(&file_of(parent, path)?));
        known.as_ref().map(|turns| turns.contains(&files::number(id)))
    }
}

/// When an id was made, in milliseconds, if it is one that holds its time (a UUID of version 7).
fn made_at(id: &str) -> Option<i64> {
    let bytes = id.as_bytes();
    let is_uuid = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            _ => byte.is_ascii_hexdigit(),
        });
    if !is_uuid {
        return None;
    }
    i64::from_str_radix(&format!("{}{}", &id[..8], &id[9..13]), 16).ok()
}

/// The folder that holds `sessions` and `archived_sessions` with `path` in one of them.
pub(super) fn home_of(path: &Path) -> Option<&Path> {
    let sessions = path
        .ancestors()
        .find(|folder| folder.file_name().is_some_and(|name| name == "sessions" || name == "archived_sessions"))?;
    sessions.parent()
}

/// The file of the session `id`, beside the one at `path`.
fn file_of(id: &str, path: &Path) -> Option<PathBuf> {
    if id.is_empty() || id.len() > ID_BYTES_MAX {
        return None;
    }
    let suffix = format!("-{id}.jsonl");
    let home = home_of(path)?;
    let mut found = None;
    for folder in ["sessions", "archived_sessions"] {
        let is_wanted =
            |path: &Path| path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&suffix));
        files::walk(&home.join(folder), 4, &mut |path, _| found = Some(path), &mut |_, _| {}, &is_wanted);
        if found.is_some() {
            break;
        }
    }
    found
}

/// The ids of turns in a file, as numbers.
fn turns_of(path: &Path) -> Option<HashSet<u64>> {
    const KEY: &[u8] = b"\"turn_id\":";
    const OVERLAP: usize = KEY.len() + ID_BYTES_MAX + 4;
    let mut file = File::open(path).ok()?;
    let finder = memmem::Finder::new(KEY);
    let mut turns = HashSet::new();
    let mut buffer = Vec::with_capacity(CHUNK_BYTES + OVERLAP);
    loop {
        let kept = buffer.len().min(OVERLAP);
        buffer.drain(..buffer.len() - kept);
        let read = file.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut buffer).ok()?;
        for at in finder.find_iter(&buffer) {
            let rest = buffer[at + KEY.len()..].trim_ascii_start();
            let Some(rest) = rest.strip_prefix(b"\"") else { continue };
            let end = memchr::memchr(b'"', &rest[..rest.len().min(ID_BYTES_MAX)]);
            if let Some(id) = end.and_then(|end| std::str::from_utf8(&rest[..end]).ok()) {
                turns.insert(files::number(id));
            }
        }
        if read == 0 || turns.len() >= TURNS_MAX {
            return Some(turns);
        }
    }
}
