//! Claude Code: one file of lines a session, subagents in a folder beside it.

use std::path::{Path, PathBuf};

use super::{Mode, Places, ReadEnd, ReadError, Root, Sink, Source, Stamp, Unit};
use crate::model::Agent;

mod blocks;
mod find;
mod graph;
mod reader;
mod sidecar;
mod state;
mod text;
mod wire;

#[cfg(test)]
mod tests;

/// Reads Claude Code's sessions.
#[derive(Clone, Copy, Debug)]
pub struct Claude;

impl Source for Claude {
    fn name(&self) -> &'static str {
        "claude"
    }

    fn agent(&self) -> Agent {
        Agent::Claude
    }

    fn version(&self) -> u32 {
        1
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let own = match (places.variable("CLAUDE_PROJECTS_DIR"), places.variable("CLAUDE_CONFIG_DIR")) {
            (Some(projects), _) => Root { path: projects.to_owned(), is_default: false },
            (None, Some(config)) => Root { path: config.join("projects"), is_default: false },
            (None, None) => Root { path: places.home.join(".claude/projects"), is_default: true },
        };
        let extra = places.extra.iter().filter(|(agent, _)| *agent == Agent::Claude);
        let mut roots = vec![own];
        roots.extend(extra.map(|(_, path)| Root { path: path.clone(), is_default: false }));
        roots
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        find::discover(root, found, problem);
    }

    fn unit_of(&self, root: &Root, path: &Path) -> Option<PathBuf> {
        find::unit_of(&root.path, path)
    }

    fn stamp(&self, _root: &Root, unit: &Path) -> Option<std::io::Result<Stamp>> {
        Some(find::stamp_of(unit))
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        reader::Reader::read(&unit.path, mode, sink)
    }
}
