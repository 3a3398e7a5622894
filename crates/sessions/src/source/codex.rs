//! Codex: one file of JSON lines a session, below `sessions/` by date or flat in `archived_sessions/`.

use std::path::{Path, PathBuf};

use super::{Mode, Places, ReadEnd, ReadError, Root, Sink, Source, Stamp, Unit, files, json};
use crate::model::Agent;

mod held;
mod index;
mod output;
mod reader;
mod replay;
mod state;
mod wire;

/// How reasoning begins that only its provider can read; it is never kept as text.
const ENCRYPTED: &str = "gAAAAA";
/// Folders between a root and a session: year, month, day, and one for roots that are the agent's home.
const DEPTH: usize = 5;

/// Reads Codex's sessions.
#[derive(Clone, Copy, Debug)]
pub struct Codex;

impl Source for Codex {
    fn name(&self) -> &'static str {
        "codex"
    }

    fn agent(&self) -> Agent {
        Agent::Codex
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let below = |home: &Path| vec![home.join("sessions"), home.join("archived_sessions")];
        let asked = match (places.variable("CODEX_SESSIONS_DIR"), places.variable("CODEX_HOME")) {
            (Some(sessions), _) => vec![sessions.to_owned()],
            (None, Some(home)) => below(home),
            (None, None) => Vec::new(),
        };
        files::roots(places, Agent::Codex, below(&places.home.join(".codex")), asked)
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let mut names = None;
        let mut each = |path: PathBuf, metadata: &std::fs::Metadata| {
            let names = names.get_or_insert_with(|| index::names(&path));
            let name = index::id_in_name(&path).and_then(|id| names.get(id));
            let stamp = files::stamp(metadata, name.map_or(0, |name| files::number(name)));
            found(Unit { path, stamp });
        };
        files::walk(&root.path, DEPTH, &mut each, problem, &is_session);
    }

    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf> {
        (path.starts_with(&root.path) && is_session(path)).then(|| path.to_owned())
    }

    fn beside(&self, root: &Root) -> Option<PathBuf> {
        index::beside(&root.path)
    }

    fn stamp(&self, _root: &Root, unit: &Path) -> Option<std::io::Result<Stamp>> {
        let names = index::names(unit);
        let name = index::id_in_name(unit).and_then(|id| names.get(id));
        Some(files::stamp_of(unit, name.map_or(0, |name| files::number(name))))
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        let state = match mode {
            Mode::Whole => state::State::default(),
            Mode::From(checkpoint) => serde_json::from_slice(&checkpoint.state)
                .map_err(|_| ReadError::NeedsWhole { path: unit.path.clone() })?,
        };
        let mut reader = reader::Reader::new(&unit.path, state);
        reader.open(sink)?;
        let (mut checkpoint, is_unfinished) =
            json::read_lines(&unit.path, mode, sink, &mut |line, _, sink| reader.line(line, sink))?;
        reader.end(sink)?;
        let skipped = reader.state.native.is_none().then_some("holds no session");
        checkpoint.state = serde_json::to_vec(&reader.state).unwrap_or_default();
        Ok(ReadEnd { checkpoint, is_unfinished, skipped })
    }
}

/// Whether a file's name is that of a session.
fn is_session(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("rollout-") && name.ends_with(".jsonl"))
}

#[cfg(test)]
mod tests;
