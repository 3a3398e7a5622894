//! The ends of all segments of a stream that are held, read at once: a head may name thousands.

use std::collections::BTreeMap;

use super::Ends;
use crate::hash::Digest;
use crate::name::{LogId, StreamName};
use crate::segment::SegmentRef;
use crate::store::rows::{digest, number};
use crate::store::{Store, StoreError};

/// The ends of segments, as they were noted, by digest and range.
pub(super) struct AllEnds(BTreeMap<(Digest, u64, u64), Ends>);

impl AllEnds {
    pub(super) fn of(&self, segment: &SegmentRef) -> Option<Ends> {
        self.0.get(&(segment.digest, segment.first, segment.last)).copied()
    }
}

impl Store {
    pub(super) fn all_ends(&self, log: LogId, stream: &StreamName) -> Result<AllEnds, StoreError> {
        let sql = "SELECT digest, first, last, base, chain FROM segments WHERE log = ?1 AND stream = ?2";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), stream.as_str()), |row| {
            let segment = (digest(row, 0)?, number(row, 1)?, number(row, 2)?);
            Ok((segment, Ends { base: digest(row, 3)?, chain: digest(row, 4)? }))
        })?;
        let mut ends = BTreeMap::new();
        for row in rows {
            let (segment, found) = row?;
            ends.entry(segment).or_insert(found);
        }
        Ok(AllEnds(ends))
    }
}
