//! Gemini CLI: one document or one file of JSON lines a session, in folders named for the project or for a hash of its path.

use std::path::{Path, PathBuf};

use super::{Checkpoint, Mode, Odd, Op, Places, ReadEnd, ReadError, Root, Sink, Source, Stamp, Unit, files, json};
use crate::model::Agent;

mod project;
mod reader;
mod state;
mod wire;

/// Folders between a root and a session: the project's, `chats`, the parent's, and `tmp` for roots that are the agent's home.
const DEPTH: usize = 4;
/// A document is parsed in memory; larger ones are not read.
const DOCUMENT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// Raw bytes are handed on in pieces of this size.
const PIECE_BYTES: usize = 1024 * 1024;

/// Reads Gemini's sessions.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl Source for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn agent(&self) -> Agent {
        Agent::Gemini
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let asked = places.variable("GEMINI_DIR").map(|home| home.join("tmp"));
        files::roots(places, Agent::Gemini, vec![places.home.join(".gemini/tmp")], asked.into_iter().collect())
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let mut last: Option<(PathBuf, u64)> = None;
        let mut each = |path: PathBuf, metadata: &std::fs::Metadata| {
            let folder = path.parent().unwrap_or(&path);
            let beside = match &last {
                Some((known, beside)) if known == folder => *beside,
                _ => project::of(&path).path.map_or(0, |path| files::number(&path)),
            };
            last = Some((folder.to_owned(), beside));
            found(Unit { path, stamp: files::stamp(metadata, beside) });
        };
        files::walk(&root.path, DEPTH, &mut each, problem, &is_session);
    }

    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf> {
        (path.starts_with(&root.path) && is_session(path)).then(|| path.to_owned())
    }

    fn stamp(&self, _root: &Root, unit: &Path) -> Option<std::io::Result<Stamp>> {
        Some(files::stamp_of(unit, project::of(unit).path.map_or(0, |path| files::number(&path))))
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        let needs_whole = || ReadError::NeedsWhole { path: unit.path.clone() };
        if unit.path.extension().is_some_and(|extension| extension == "json") {
            // A document is written anew with each step.
            return if *mode == Mode::Whole { document(&unit.path, sink) } else { Err(needs_whole()) };
        }
        let state = match mode {
            Mode::Whole => state::State::default(),
            Mode::From(checkpoint) => state::State::load(&checkpoint.state).ok_or_else(needs_whole)?,
        };
        let mut reader = reader::Reader::new(&unit.path, state);
        reader.open(sink)?;
        let (mut checkpoint, is_unfinished) =
            json::read_lines(&unit.path, mode, sink, &mut |line, _, sink| reader.line(line, sink))?;
        reader.end(sink)?;
        let skipped = reader.state.head.native.is_none().then_some("holds no session");
        checkpoint.state = reader.state.store().unwrap_or_default();
        Ok(ReadEnd { checkpoint, is_unfinished, skipped })
    }
}

/// Reads a document.
fn document(path: &Path, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let size = std::fs::metadata(path).map_err(failed)?.len();
    let checkpoint = |offset| Checkpoint { offset, ..Checkpoint::default() };
    if size > DOCUMENT_BYTES_MAX {
        sink.op(Op::Odd { kind: Odd::TooLong, at: 0 })?;
        return Ok(ReadEnd {
            checkpoint: checkpoint(0),
            is_unfinished: false,
            skipped: Some("too large for a document"),
        });
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    for piece in bytes.chunks(PIECE_BYTES) {
        sink.raw(piece)?;
    }
    let text = String::from_utf8_lossy(&bytes);
    if matches!(text, std::borrow::Cow::Owned(_)) {
        sink.op(Op::Odd { kind: Odd::NotUtf8, at: 0 })?;
    }
    let end = checkpoint(bytes.len() as u64);
    let Ok(document) = serde_json::from_str::<wire::Document<'_>>(text.trim_start_matches('\u{FEFF}')) else {
        // Cut off in the middle of being written, or no session at all.
        let is_unfinished = !json::is_object(text.as_bytes());
        sink.op(Op::Odd { kind: Odd::Malformed, at: 0 })?;
        return Ok(ReadEnd { checkpoint: end, is_unfinished, skipped: Some("holds no session") });
    };
    if document.session_id.is_none() && document.messages.is_empty() {
        return Ok(ReadEnd { checkpoint: end, is_unfinished: false, skipped: Some("holds no session") });
    }
    let mut reader = reader::Reader::new(path, state::State::default());
    reader.document(&document, sink)?;
    reader.end(sink)?;
    Ok(ReadEnd { checkpoint: end, is_unfinished: false, skipped: None })
}

/// Whether a file's name and place are those of a session.
fn is_session(path: &Path) -> bool {
    let mut folders = path.ancestors().skip(1).map(|folder| folder.file_name().unwrap_or_default());
    let extension = path.extension().unwrap_or_default();
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match (folders.next(), folders.next()) {
        (Some(folder), _) if folder == "chats" => {
            stem.starts_with("session-") && (extension == "json" || extension == "jsonl")
        }
        (_, Some(folder)) if folder == "chats" => extension == "jsonl" || extension == "json",
        _ => false,
    }
}

#[cfg(test)]
mod tests;
