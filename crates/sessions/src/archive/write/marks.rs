//! Which messages of a reading belong to branches that were given up, or taken up again.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Stretches of ordinals that do not overlap, each with its mark: the last one that was said. However often a file takes back
/// what it said, a stretch is held once.
#[derive(Debug, Default)]
pub(super) struct Marks(BTreeMap<u32, (u32, bool)>);

impl Marks {
    /// Marks these messages; what was said of them before no longer counts.
    pub(super) fn set(&mut self, ordinals: RangeInclusive<u32>, is_abandoned: bool) {
        let (first, last) = ordinals.into_inner();
        if first > last {
            return;
        }
        let before = self.0.range(..=last).rev().take_while(|(_, (end, _))| *end >= first);
        let before: Vec<(u32, (u32, bool))> = before.map(|(start, rest)| (*start, *rest)).collect();
        for (start, (end, mark)) in before {
            self.0.remove(&start);
            if start < first {
                self.0.insert(start, (first - 1, mark));
            }
            if end > last {
                self.0.insert(last + 1, (end, mark));
            }
        }
        self.0.insert(first, (last, is_abandoned));
    }

    /// The mark of a message, if it has one.
    pub(super) fn get(&self, ordinal: u32) -> Option<bool> {
        let (_, (end, mark)) = self.0.range(..=ordinal).next_back()?;
        (*end >= ordinal).then_some(*mark)
    }

    /// The stretches.
    pub(super) fn stretches(&self) -> impl Iterator<Item = RangeInclusive<u32>> {
        self.0.iter().map(|(start, (end, _))| *start..=*end)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests;
