//! Which records say nothing any more, since later ones of their log say it anew.

use std::collections::{BTreeMap, BTreeSet};

use carry_exchange::record::{Flags, Record};

use super::payload::{Body, Generation, Payload, TEXT_BYTES_MAX, ordinal_of};

/// What a record speaks of: the facts (`None`) or a message of a generation.
type Place = (Generation, Option<u32>);

/// Of one session's records, ascending, those all of whose places are spoken of by later ones. A text that came in pieces is
/// spoken of when all pieces are there, where the last of them stands. What cannot be read voids nothing and is not void.
pub(super) fn void(records: &[Record]) -> BTreeSet<u64> {
    let mut places: BTreeMap<u64, Vec<Place>> = BTreeMap::new();
    let mut sets: BTreeMap<(Place, Generation), BTreeMap<u32, (u64, u32)>> = BTreeMap::new();
    let mut lengths: BTreeMap<(Place, Generation), usize> = BTreeMap::new();
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
                *lengths.entry(name).or_default() += piece.text.len();
                let set = sets.entry(name).or_default();
                set.insert(piece.index, (record.seq, piece.count));
            }
            Body::Withdrawn => {}
        }
    }
    // Only sets that are complete and not too long count, and stand where their last piece does.
    sets.retain(|name, _| lengths.get(name).is_some_and(|bytes| *bytes <= TEXT_BYTES_MAX));
    sets.retain(|_, set| set.values().all(|(_, count)| u32::try_from(set.len()) == Ok(*count)));
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
        let end = set.values().next_back().map_or(0, |(seq, _)| *seq);
        if is_passed(place, end) {
            void.extend(set.values().map(|(seq, _)| *seq));
        }
    }
    for record in records.iter().filter(|record| record.flags.has(Flags::KEEPS)) {
        void.remove(&record.seq);
    }
    void
}

#[cfg(test)]
mod tests;
