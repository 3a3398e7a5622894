//! Reading back what a store has of a unit, to see whether it is what its digests say.

use std::collections::{BTreeMap, BTreeSet};

use crate::shape;
use crate::sink::{Back, Held, Sink, SinkError};
use crate::unit::{Bucket, Digest, Place, UnitKey};

/// What is not what it should be by its digest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// Whether the head is not.
    pub is_head: bool,
    /// Rows that are not.
    pub rows: BTreeSet<Place>,
}

/// Compares a unit of which the store says that it holds `held`; `None` from a store that reads nothing back.
///
/// # Errors
/// [`SinkError`].
pub(crate) fn read_back(sink: &mut dyn Sink, key: &UnitKey, held: &Held) -> Result<Option<Wrong>, SinkError> {
    let mut wrong = match sink.head(key)? {
        Back::Unable => return Ok(None),
        Back::Wrong => Wrong { is_head: true, ..Wrong::default() },
        Back::Head(head) => Wrong { is_head: held.head != Some(shape::head_digest(&head)), ..Wrong::default() },
    };
    let mut buckets: BTreeMap<Bucket, Vec<(Place, Digest)>> = BTreeMap::new();
    for (place, digest) in &held.rows {
        buckets.entry(place.bucket()).or_default().push((*place, *digest));
    }
    for (bucket, places) in buckets {
        let Some(rows) = sink.rows(key, bucket)? else { return Ok(None) };
        let made: BTreeMap<Place, Digest> =
            rows.iter().map(|row| (row.place, shape::digest_of_body(&row.body))).collect();
        let differs = |(place, digest): &(Place, Digest)| made.get(place) != Some(digest);
        wrong.rows.extend(places.into_iter().filter(differs).map(|(place, _)| place));
    }
    Ok(Some(wrong))
}
