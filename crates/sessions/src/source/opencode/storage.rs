//! Sessions as files: `session/<project>/<session>.json`, `message/<session>/<message>.json`, `part/<message>/<part>.json`,
//! `project/<project>.json`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Sink, Stored, StoredMessage, Unit, created, text_of};
use crate::source::foreign_db::hash64;
use crate::source::{ReadError, document, files};

/// Lists the sessions below `storage`.
pub(super) fn discover(storage: &Path, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
    let folder = storage.join("session");
    if !folder.is_dir() {
        return;
    }
    let mut of_session = |path: PathBuf, metadata: &std::fs::Metadata| {
        let stamp = files::stamp(metadata, beside(storage, &path));
        found(Unit { path, stamp });
    };
    files::walk(&folder, 1, &mut of_session, problem, &|path| path.extension().is_some_and(|e| e == "json"));
}

/// A number over the messages of a session and the parts of its newest one. A folder's own time says which parts came and
/// went; those of older messages do not change any more.
fn beside(storage: &Path, session: &Path) -> u64 {
    let messages = json_files(&storage.join("message").join(session.file_stem().unwrap_or_default()));
    let mut bytes = Vec::new();
    let mut note = |path: &Path| {
        if let Ok(stamp) = files::stamp_of(path, 0) {
            bytes.extend(path.as_os_str().as_encoded_bytes());
            bytes.extend(stamp.size.to_le_bytes());
            bytes.extend(stamp.mtime_ns.to_le_bytes());
        }
    };
    for (at, message) in messages.iter().enumerate() {
        note(message);
        let parts = storage.join("part").join(message.file_stem().unwrap_or_default());
        note(&parts);
        if at + 2 >= messages.len() {
            json_files(&parts).iter().for_each(|part| note(part));
        }
    }
    hash64(&[&bytes])
}

/// The files of a folder, by name: ids grow with time.
fn json_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    paths
}

/// The session's file that a changed path belongs to, when the path itself says so.
pub(super) fn session_of(storage: &Path, path: &Path) -> Option<PathBuf> {
    let mut parts = path.strip_prefix(storage).ok()?.components().map(|part| part.as_os_str());
    (parts.next()? == "session" && parts.count() == 2).then(|| path.to_owned())
}

/// Reads a session; `None` when its file holds none.
pub(super) fn read(path: &Path, sink: &mut dyn Sink) -> Result<Option<Stored>, ReadError> {
    let storage = path.ancestors().nth(3).unwrap_or(path);
    let Some(session) = record(storage, path, sink)? else { return Ok(None) };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let id = text_of(&session, "id").unwrap_or_else(|| stem.to_owned());
    let project = path.parent().and_then(Path::file_name).unwrap_or_default();
    let project = storage.join("project").join(project).with_extension("json");
    let project = if project.is_file() { record(storage, &project, sink)? } else { None };
    let worktree = project.and_then(|project| text_of(&project, "worktree")).filter(|worktree| worktree != "/");
    let mut messages = Vec::new();
    for path in json_files(&storage.join("message").join(stem)) {
        let Some(data) = record(storage, &path, sink)? else { continue };
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_owned();
        let mut parts = Vec::new();
        for part in json_files(&storage.join("part").join(&stem)) {
            parts.extend(record(storage, &part, sink)?);
        }
        messages.push(StoredMessage { id: text_of(&data, "id").unwrap_or(stem), data, parts });
    }
    messages.sort_by(|a, b| (created(&a.data), &a.id).cmp(&(created(&b.data), &b.id)));
    Ok(Some(Stored { id, session, worktree, messages }))
}

/// One file, handed over raw as a line that says which file it is. One that vanished or is being written is left out.
fn record(storage: &Path, path: &Path, sink: &mut dyn Sink) -> Result<Option<Value>, ReadError> {
    let bytes = match document::bytes_of(path) {
        Ok(bytes) => bytes,
        Err(ReadError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let name = path.strip_prefix(storage).unwrap_or(path).to_string_lossy();
    let text = String::from_utf8_lossy(&bytes);
    let mut line = serde_json::json!({"file": name, "text": text}).to_string();
    line.push('\n');
    sink.raw(line.as_bytes())?;
    let object = document::object(&bytes);
    if object.is_none() {
        sink.op(super::Op::Odd { kind: super::Odd::Malformed, at: 0 })?;
    }
    Ok(object)
}
