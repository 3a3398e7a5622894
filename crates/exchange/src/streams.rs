//! Which streams there are, and what they weigh against each other.
//!
//! The exchange knows no stream by name: whoever puts the strands together says which there are.

use std::collections::BTreeMap;

use crate::name::StreamName;

/// How much a stream brings, as a rule: what is small comes before what is large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Weight {
    /// Little, such as what people decided: it is taken in as long as there is any room.
    Small,
    /// What is neither.
    Usual,
    /// Files and packs, which come when all else is there.
    Large,
}

/// The streams that this version knows, whether or not it takes part in them now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams(BTreeMap<StreamName, Weight>);

impl Streams {
    /// Whether this version knows what a stream is for.
    pub fn knows(&self, stream: &StreamName) -> bool {
        self.0.contains_key(stream)
    }

    /// Whether a stream brings little.
    pub fn is_small(&self, stream: &StreamName) -> bool {
        self.0.get(stream) == Some(&Weight::Small)
    }

    /// A stream's place: lower ones come first, and those that are not known come last.
    pub fn rank(&self, stream: &StreamName) -> u8 {
        match self.0.get(stream) {
            Some(Weight::Small) => 0,
            Some(Weight::Usual) => 1,
            Some(Weight::Large) => 2,
            None => 3,
        }
    }
}

impl FromIterator<(StreamName, Weight)> for Streams {
    fn from_iter<I: IntoIterator<Item = (StreamName, Weight)>>(streams: I) -> Self {
        Self(streams.into_iter().collect())
    }
}
