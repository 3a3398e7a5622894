//! Which records say nothing any more, since later ones of their log say it anew.

use std::collections::{BTreeMap, BTreeSet};

use carry_exchange::record::{Flags, Record};

use super::payload::{Body, Generation, Payload, TEXT_BYTES_MAX, ordinal_of};

/// What a record speaks of: the facts (`None`) or a message of a generation.
type Place = (Generation, Option<u32>);

/// The pieces of a text, by place: the record's, how many there should be, and the part.
type Set = BTreeMap<u32, (u64, u32, String)>;

/// Of one session's records, ascending, those all of whose places are spoken of by later ones. A text that came in pieces is
/// spoken of when all pieces are there, where the last of them stands. What cannot be read voids nothing and is not void.
pub(super) fn void(records: &[Record]) -> BTreeSet<u64> {
    let mut places: BTreeMap<u64, Vec<Place>> = BTreeMap::new();
    let mut sets: BTreeMap<(Place, Generation), Set> = BTreeMap::new();
    let mut twice: BTreeSet<(Place, Generation)> = BTreeSet::new();
    for record in records {
        let Ok(payload) = Payload::decode(record.kind, &record.payload) else { continue };
        let generation = payload.generation;
        match payload.body {
            Body::Session(_) => drop(places.insert(record.seq, vec![(generation, None)])),
            Body::Messages(messages) => {
                let ordinals: Result<Vec<u32>, _> = messages.iter().map(|json| ordinal_of(json)).collect();
                let Ok(ordinals) = ordinals else { continue };
                places.insert(record.seq, ordinals.into_iter().map(|ordinal| (generation, Some(ordinal))).collect());
            }
            Body::Piece(piece) => {
                let name = ((generation, piece.ordinal), piece.set);
                let part = (record.seq, piece.count, piece.text);
                if sets.entry(name).or_default().insert(piece.index, part).is_some() {
                    twice.insert(name);
                }
            }
            Body::Withdrawn => {}
        }
    }
    sets.retain(|name, set| !twice.contains(name) && counts(name.0, set));
    let ends = sets.iter().filter_map(|((place, _), set)| Some((*place, set.values().next_back()?.0)));
    let mut newest: BTreeMap<Place, u64> = BTreeMap::new();
    let spoken = places.iter().flat_map(|(seq, places)| places.iter().map(|place| (*place, *seq)));
    for (place, seq) in spoken.chain(ends) {
        let known = newest.entry(place).or_insert(seq);
        *known = seq.max(*known);
    }
    let is_passed = |place: &Place, seq: u64| newest.get(place).is_some_and(|newest| *newest > seq);
    let bursts = places.iter().filter(|(seq, places)| places.iter().all(|place| is_passed(place, **seq)));
    let mut void: BTreeSet<u64> = bursts.map(|(seq, _)| *seq).collect();
    for ((place, _), set) in &sets {
        let end = set.values().next_back().map_or(0, |(seq, ..)| *seq);
        if is_passed(place, end) {
            void.extend(set.values().map(|(seq, ..)| *seq));
        }
    }
    for record in records.iter().filter(|record| record.flags.has(Flags::KEEPS)) {
        void.remove(&record.seq);
    }
    void
}

/// Whether pieces make a text that is said: all are there, not too long together, and the message that it is of is theirs.
fn counts((_, ordinal): Place, set: &Set) -> bool {
    let is_whole = set.values().all(|(_, count, _)| u32::try_from(set.len()) == Ok(*count));
    let bytes = set.values().fold(0usize, |bytes, (.., text)| bytes.saturating_add(text.len()));
    if !is_whole || bytes > TEXT_BYTES_MAX {
        return false;
    }
    ordinal.is_none() || {
        let json: String = set.values().map(|(.., text)| text.as_str()).collect();
        ordinal_of(&json).ok() == ordinal
    }
}

#[cfg(test)]
mod tests;
