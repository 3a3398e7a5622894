//! GitHub Copilot CLI: one file of JSON lines a session, alone or in a folder with `workspace.yaml`.

use std::path::{Path, PathBuf};

use super::{Mode, Places, ReadEnd, ReadError, Root, Sink, Source, Stamp, Unit, files, json};
use crate::model::Agent;

mod reader;
mod wire;

/// Folders between a root and a session: the session's, and `session-state` for roots that are the agent's home.
const DEPTH: usize = 2;
/// The largest `workspace.yaml` that is read.
const WORKSPACE_BYTES_MAX: u64 = 256 * 1024;
/// The longest name.
const NAME_BYTES_MAX: usize = 1024;

/// Reads Copilot's sessions.
#[derive(Clone, Copy, Debug)]
pub struct Copilot;

impl Source for Copilot {
    fn name(&self) -> &'static str {
        "copilot"
    }

    fn agent(&self) -> Agent {
        Agent::Copilot
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let asked = places.variable("COPILOT_DIR").or_else(|| places.variable("COPILOT_HOME"));
        let asked = asked.map(|home| home.join("session-state")).into_iter().collect();
        files::roots(places, Agent::Copilot, vec![places.home.join(".copilot/session-state")], asked)
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let mut each = |path: PathBuf, metadata: &std::fs::Metadata| {
            let beside = name_of(&path).map_or(0, |name| files::number(&name));
            found(Unit { path, stamp: files::stamp(metadata, beside) });
        };
        files::walk(&root.path, DEPTH, &mut each, problem, &|path| is_session(root, path));
    }

    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf> {
        if !path.starts_with(&root.path) {
            return None;
        }
        if path.file_name().is_some_and(|name| name == "workspace.yaml") {
            return path.parent().map(|folder| folder.join("events.jsonl"));
        }
        is_session(root, path).then(|| path.to_owned())
    }

    fn stamp(&self, _root: &Root, unit: &Path) -> Option<std::io::Result<Stamp>> {
        Some(files::stamp_of(unit, name_of(unit).map_or(0, |name| files::number(&name))))
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        let state = match mode {
            Mode::Whole => reader::State::default(),
            Mode::From(checkpoint) => serde_json::from_slice(&checkpoint.state)
                .map_err(|_| ReadError::NeedsWhole { path: unit.path.clone() })?,
        };
        let mut reader = reader::Reader::new(&unit.path, state);
        reader.open(sink)?;
        let (mut checkpoint, is_unfinished) =
            json::read_lines(&unit.path, mode, sink, &mut |line, _, sink| reader.line(line, sink))?;
        reader.end(name_of(&unit.path), sink)?;
        let skipped = reader.state.native.is_none().then_some("holds no session");
        checkpoint.state = serde_json::to_vec(&reader.state).unwrap_or_default();
        Ok(ReadEnd { checkpoint, is_unfinished, skipped })
    }
}

/// Whether a file's name and place are those of a session.
fn is_session(root: &Root, path: &Path) -> bool {
    if path.extension().is_none_or(|extension| extension != "jsonl") {
        return false;
    }
    let folder = path.parent();
    path.file_name().is_some_and(|name| name == "events.jsonl")
        || folder
            .is_some_and(|folder| folder == root.path || folder.file_name().is_some_and(|name| name == "session-state"))
}

/// The name in the `workspace.yaml` beside a session: the value of the key `name` at the left margin.
fn name_of(path: &Path) -> Option<String> {
    if path.file_name()? != "events.jsonl" {
        return None;
    }
    let bytes = files::small(&path.with_file_name("workspace.yaml"), WORKSPACE_BYTES_MAX)?;
    let text = String::from_utf8_lossy(&bytes);
    let value = text.lines().find_map(|line| line.strip_prefix("name:"))?.trim();
    let name = match value.as_bytes() {
        [b'"', .., b'"'] => {
            serde_json::from_str::<String>(value).unwrap_or_else(|_| value.trim_matches('"').to_owned())
        }
        [b'\'', .., b'\''] => value[1..value.len() - 1].replace("''", "'"),
        [b'|' | b'>' | b'&' | b'*' | b'!', ..] => return None,
        _ => value.split(" #").next().unwrap_or_default().trim_end().to_owned(),
    };
    let name = json::strip(json::cut(&name, NAME_BYTES_MAX)).into_owned();
    (!matches!(&*name, "" | "null" | "~")).then_some(name)
}

#[cfg(test)]
mod tests;
