//! A file of which every line's writer is known, and who has seen which write: what a merge must not settle by itself.

use std::collections::BTreeSet;

/// The file.
pub(super) const PATH: &str = "lines";
/// Its lines.
pub(super) const COUNT: usize = 8;

/// What one state of the file is, and every write that led to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    /// The lines; each write has a text of its own.
    pub(super) now: Vec<String>,
    /// All writes that it builds on.
    pub(super) writes: BTreeSet<String>,
}

/// What the file is at first.
pub(super) fn first() -> String {
    (0..COUNT).map(|n| format!("line {n}\n")).collect()
}

impl Lines {
    pub(super) fn first() -> Self {
        Self { now: first().lines().map(str::to_owned).collect(), writes: BTreeSet::new() }
    }

    pub(super) fn write(&mut self, at: usize, text: String) {
        self.now[at].clone_from(&text);
        self.writes.insert(text);
    }

    pub(super) fn content(&self) -> String {
        self.now.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Lines that both wrote, neither knowing of the other's.
    pub(super) fn conflicts_with(&self, other: &Self) -> Vec<usize> {
        let unseen = |line: &String, by: &Self| self.wrote(line, other) && !by.writes.contains(line);
        (0..COUNT)
            .filter(|&at| self.now[at] != other.now[at] && unseen(&self.now[at], other) && unseen(&other.now[at], self))
            .collect()
    }

    /// Whether a line was written at all, and is not as it was at first.
    fn wrote(&self, line: &String, other: &Self) -> bool {
        self.writes.contains(line) || other.writes.contains(line)
    }
}
