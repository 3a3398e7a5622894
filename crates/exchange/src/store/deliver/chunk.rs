//! Runs of records as they are read from the held files, a batch at a time.

use crate::chain::Link;
use crate::frame::Frame;
use crate::store::read::pieces;
use crate::store::rows::Lane;
use crate::store::{Store, StoreError};

/// Records of one batch at most.
const BATCH_RECORDS: usize = 1024;
/// Bytes of the payloads of one batch, after which it ends.
const BATCH_BYTES: usize = 4 * 1024 * 1024;

impl Store {
    /// Frames from `first` on, as many as make a batch, and the last record that they stand for within `first..=last`.
    pub(in crate::store) fn chunk(&self, lane: &Lane, first: u64, last: u64) -> Result<(Vec<Link>, u64), StoreError> {
        let (mut links, mut bytes, mut end) = (Vec::new(), 0, first);
        let read = self.each_link(lane, first, last, &mut |link| {
            if let Frame::Record(record) = &link.frame {
                bytes += record.payload.len();
            }
            end = link.frame.last().min(last);
            links.push(link);
            Ok(links.len() < BATCH_RECORDS && bytes < BATCH_BYTES)
        });
        match read {
            // What comes before the damage is as good as ever.
            Err(StoreError::Damaged { .. }) if !links.is_empty() => {}
            other => other?,
        }
        match links.first() {
            Some(link) if link.frame.first() <= first => Ok((links, end)),
            _ => Err(StoreError::damaged(lane.to_string(), format!("record {first} is said to be held, and is not"))),
        }
    }

    /// Where to go on after records from `first` on could not be read: after the file that should hold the first of them, or
    /// where the next one begins.
    pub(super) fn after_damage(&self, lane: &Lane, first: u64, last: u64) -> Result<u64, StoreError> {
        let pieces = pieces(self.db.conn(), lane, first, last)?;
        Ok(match pieces.first().map(|piece| piece.reference) {
            Some(reference) if reference.first <= first => reference.last.saturating_add(1),
            Some(reference) => reference.first,
            None => last.saturating_add(1),
        })
    }
}
