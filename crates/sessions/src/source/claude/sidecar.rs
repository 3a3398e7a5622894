//! Files beside a session: outputs that were too large, what a subagent is, the session that a background one copies.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::wire;
use crate::source::{ReadError, lines};

/// More of an output is not read.
const OUTPUT_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// More of a description is not read.
const META_BYTES_MAX: u64 = 64 * 1024;
/// How much of each neighbour is looked at, and how many neighbours.
const HEAD_BYTES: u64 = 256 * 1024;
const NEIGHBOURS_MAX: usize = 4096;

/// The folder that belongs to the session of `path`: beside its file, or around its subagents.
pub(super) fn own_folder(path: &Path) -> Option<PathBuf> {
    let around = path.ancestors().skip(1).find(|folder| folder.file_name().is_some_and(|name| name == "subagents"));
    match around {
        Some(subagents) => subagents.parent().map(Path::to_owned),
        None => Some(path.with_extension("")),
    }
}

/// An output that was written to a file: its text, and its size. `None` unless it lies in this session's own folder, whatever
/// path the line names: the name alone is taken from it.
pub(super) fn output(session: &Path, recorded: &str) -> Option<(String, u64)> {
    let recorded = Path::new(recorded);
    let name = recorded.file_name()?;
    let mut above = recorded.ancestors().skip(1).filter_map(Path::file_name);
    let folder = own_folder(session)?;
    if above.next()? != "tool-results" || Some(above.next()?) != folder.file_name() {
        return None;
    }
    let results = folder.join("tool-results");
    let file = results.join(name);
    let is_own =
        [&folder, &results].iter().all(|place| std::fs::symlink_metadata(place).is_ok_and(|meta| meta.is_dir()));
    if !is_own || !std::fs::symlink_metadata(&file).ok()?.is_file() {
        return None;
    }
    let opened = lines::open(&file).ok()?;
    let size = opened.metadata().ok()?.len();
    let mut bytes = Vec::new();
    opened.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some((String::from_utf8_lossy(&bytes).into_owned(), size))
}

/// What a subagent is called and what it was asked for.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    /// Its role.
    pub(super) agent_type: Option<String>,
    /// Its task.
    pub(super) description: Option<String>,
}

/// Reads the description beside a subagent's file.
pub(super) fn meta(session: &Path) -> Meta {
    let mut bytes = Vec::new();
    let file = lines::open(&session.with_extension("meta.json"));
    match file.and_then(|file| file.take(META_BYTES_MAX).read_to_end(&mut bytes)) {
        Ok(_) => serde_json::from_slice(&bytes).unwrap_or_default(),
        Err(_) => Meta::default(),
    }
}

/// The session in the same folder that begins with the entry `root` and is no background session itself: its name, and
/// all its entries.
pub(super) fn original(session: &Path, root: &str) -> Result<Option<(String, HashSet<u128>)>, ReadError> {
    let Some(entries) = session.parent().and_then(|folder| std::fs::read_dir(folder).ok()) else { return Ok(None) };
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut paths: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "jsonl") && path != session)
        .collect();
    paths.sort();
    let Some(found) = paths.into_iter().take(NEIGHBOURS_MAX).find(|path| begins_with(path, root)) else {
        return Ok(None);
    };
    let Some(name) = found.file_stem().and_then(|stem| stem.to_str()) else { return Ok(None) };
    let mut entries = HashSet::new();
    let Ok(end) = std::fs::metadata(&found).map(|meta| meta.len()) else { return Ok(None) };
    let mut silent = Silent;
    let whole = crate::source::Mode::Whole;
    let outcome = lines::read(&found, &whole, &mut silent, &mut |at, line, _| {
        if let lines::Line::Whole(bytes) = line
            && at < end
            && let Ok(line) = serde_json::from_slice::<Named>(bytes)
        {
            entries.insert(wire::uuid(&line.uuid));
        }
        Ok(true)
    });
    match outcome {
        Ok(_) => Ok(Some((name.to_owned(), entries))),
        // It went meanwhile.
        Err(ReadError::Io { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Whether the first entry of a file is `root` and not of a background session.
fn begins_with(path: &Path, root: &str) -> bool {
    let mut head = Vec::new();
    let Ok(file) = lines::open(path) else { return false };
    if file.take(HEAD_BYTES).read_to_end(&mut head).is_err() {
        return false;
    }
    if memchr::memmem::find(&head, root.as_bytes()).is_none() {
        return false;
    }
    let first = head.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Named>(line).ok());
    let first = first.into_iter().find(|line| is_entry(&line.kind) && line.uuid.some().is_some());
    first.is_some_and(|line| &*line.uuid == root && &*line.session_kind != "bg")
}

/// Whether lines of this type are entries of the conversation.
pub(super) fn is_entry(kind: &str) -> bool {
    kind == "user" || kind == "assistant"
}

/// What names a line.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Named<'a> {
    #[serde(borrow, rename = "type")]
    kind: wire::Text<'a>,
    #[serde(borrow)]
    uuid: wire::Text<'a>,
    #[serde(borrow)]
    session_kind: wire::Text<'a>,
}

/// Takes raw bytes and forgets them.
struct Silent;

impl crate::source::Sink for Silent {
    fn op(&mut self, _op: crate::source::Op) -> Result<(), crate::source::SinkError> {
        Ok(())
    }

    fn raw(&mut self, _bytes: &[u8]) -> Result<(), crate::source::SinkError> {
        Ok(())
    }

    fn token(&mut self, _agent: crate::model::Agent, _native: &crate::model::NativeId) -> Option<String> {
        None
    }
}
