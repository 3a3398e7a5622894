//! What a snapshot builds on: a version vector over those who write lines of a branch.
//!
//! Clocks and commit parents do not say what is newer; this does. A [`Source`] counts its own snapshots of one branch, and
//! a snapshot names the highest count of each source that it has seen. One has seen another exactly if no count is less.

use std::collections::BTreeMap;
use std::fmt;

use carry_kernel::id::{DeviceId, TreeId};

use crate::git::{ByteSlice as _, ObjectId};
use crate::line::quote;

#[cfg(test)]
mod tests;

/// How git-pulsar's streams are written as sources.
const PULSAR: &str = "pulsar/";

/// Somebody who writes snapshots of a branch.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A working tree on a device of Carry.
    Line {
        /// The device.
        device: DeviceId,
        /// The tree.
        tree: TreeId,
    },
    /// A stream of git-pulsar: its slug, and in vectors which of its chains, see [`Source::stream`].
    Pulsar(String),
}

impl Source {
    /// The lines of `tree` on `device`.
    pub fn line(device: &DeviceId, tree: &TreeId) -> Self {
        Self::Line { device: device.clone(), tree: tree.clone() }
    }

    /// The chain of a stream of git-pulsar whose oldest shadow commit is `root`: `<slug>@<8 hex digits>`. git-pulsar prunes a
    /// stream by beginning anew, and counts of the old chain say nothing about the new one.
    pub fn stream(slug: &str, root: ObjectId) -> Self {
        Self::Pulsar(format!("{slug}@{}", root.to_hex_with_len(8)))
    }

    /// Reads what [`Source`] prints; `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(slug) = text.strip_prefix(PULSAR) {
            let slug = quote::unquote(slug.into())?.to_str().ok()?.to_owned();
            return (!slug.is_empty()).then_some(Self::Pulsar(slug));
        }
        let (device, tree) = text.split_once('/')?;
        Some(Self::Line { device: device.parse().ok()?, tree: tree.parse().ok()? })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { device, tree } => write!(f, "{device}/{tree}"),
            // Sources are separated by blanks and ended by `=`.
            Self::Pulsar(slug) => {
                write!(f, "{PULSAR}{}", quote::quote(slug.as_str().into()).replace(' ', "%20").replace('=', "%3d"))
            }
        }
    }
}

/// How two snapshots of a branch stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// Both have seen the same.
    Same,
    /// The first has seen less.
    Older,
    /// The first has seen more.
    Newer,
    /// Each has seen something that the other has not.
    Diverged,
}

/// The counts. A source that is not named counts as 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seen(BTreeMap<Source, u64>);

impl Seen {
    /// Nothing seen.
    pub fn new() -> Self {
        Self::default()
    }

    /// How much of `source` was seen.
    pub fn get(&self, source: &Source) -> u64 {
        self.0.get(source).copied().unwrap_or(0)
    }

    /// Sets a count; 0 forgets the source.
    pub fn set(&mut self, source: Source, count: u64) {
        if count == 0 {
            self.0.remove(&source);
        } else {
            self.0.insert(source, count);
        }
    }

    /// Whether nothing was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All counts above 0, by source.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, u64)> {
        self.0.iter().map(|(source, count)| (source, *count))
    }

    /// Whether everything that `other` has seen was seen.
    pub fn has_seen(&self, other: &Self) -> bool {
        other.0.iter().all(|(source, count)| self.get(source) >= *count)
    }

    /// How `self` stands to `other`.
    pub fn compare(&self, other: &Self) -> Relation {
        match (self.has_seen(other), other.has_seen(self)) {
            (true, true) => Relation::Same,
            (true, false) => Relation::Newer,
            (false, true) => Relation::Older,
            (false, false) => Relation::Diverged,
        }
    }

    /// What both together have seen.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut all = self.clone();
        for (source, count) in &other.0 {
            let known = all.0.entry(source.clone()).or_insert(0);
            *known = (*known).max(*count);
        }
        all
    }

    /// What each of both has seen.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        self.iter().map(|(source, count)| (source.clone(), count.min(other.get(source)))).collect()
    }
}

impl Seen {
    /// Reads what [`Seen`] prints; what is no count is passed over.
    pub fn parse(text: &str) -> Self {
        let count = |word: &str| {
            let (source, count) = word.rsplit_once('=')?;
            Some((Source::parse(source)?, count.parse().ok()?))
        };
        text.split_ascii_whitespace().filter_map(count).collect()
    }
}

/// `<source>=<count>`, separated by blanks, by source.
impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (source, count)) in self.iter().enumerate() {
            let gap = if n == 0 { "" } else { " " };
            write!(f, "{gap}{source}={count}")?;
        }
        Ok(())
    }
}

impl FromIterator<(Source, u64)> for Seen {
    fn from_iter<I: IntoIterator<Item = (Source, u64)>>(counts: I) -> Self {
        let mut seen = Self::new();
        counts.into_iter().for_each(|(source, count)| seen.set(source, count));
        seen
    }
}
