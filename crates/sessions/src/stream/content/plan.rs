//! Whether what was said of a session still holds.

use std::collections::BTreeMap;

/// Changed messages from which on a session that has mostly changed is told anew.
const CHANGED_MIN: usize = 8;

/// How a session differs from what was said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Difference {
    /// Messages that were said.
    pub(super) said: usize,
    /// Of these, those that read otherwise now.
    pub(super) changed: usize,
    /// Of these, those that are not there any more.
    pub(super) vanished: usize,
    /// Whether it goes by another name now, see [`Name`](super::payload::Name).
    pub(super) has_other_name: bool,
    /// Whether texts are masked as they were when it was said.
    pub(super) is_masked_alike: bool,
}

impl Difference {
    /// Whether it is told anew, as another generation: messages vanished or changed wholesale, or what was said before must go
    /// since it is masked otherwise now. A record of many messages would keep it for as long as one of them still holds.
    pub(super) fn begins_anew(self) -> bool {
        let is_wholesale = self.changed >= CHANGED_MIN && self.changed * 2 > self.said;
        self.vanished > 0 || self.has_other_name || is_wholesale || (self.changed > 0 && !self.is_masked_alike)
    }
}

/// How many of the messages that were said are not among `ordinals`, ascending.
pub(super) fn n_vanished(said: &BTreeMap<u32, i64>, ordinals: &[u32]) -> usize {
    said.keys().filter(|ordinal| ordinals.binary_search(ordinal).is_err()).count()
}

/// Groups messages of these sizes, in bytes: at most so many of them, and about so many bytes, in each group. Gives how many
/// belong to each.
pub(super) fn bursts(sizes: impl IntoIterator<Item = usize>, messages_max: usize, bytes_aim: usize) -> Vec<usize> {
    let (mut bursts, mut count, mut bytes) = (Vec::new(), 0, 0usize);
    for size in sizes {
        if count > 0 && (count >= messages_max.max(1) || bytes.saturating_add(size) > bytes_aim) {
            bursts.push(count);
            (count, bytes) = (0, 0);
        }
        count += 1;
        bytes = bytes.saturating_add(size);
    }
    if count > 0 {
        bursts.push(count);
    }
    bursts
}

/// Splits a text into parts of at most `bytes` (of more where one character needs it), between characters.
pub(super) fn parts(text: &str, bytes: usize) -> Vec<&str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let mut end = rest.floor_char_boundary(bytes);
        if end == 0 {
            end = rest.chars().next().map_or(rest.len(), char::len_utf8);
        }
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts
}

#[cfg(test)]
mod tests;
