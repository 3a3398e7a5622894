//! Takes own segments in again that no row knows and that go on where the log ends.
//!
//! So it is when the database was put back to an earlier state and the files were not. Only the holder of the log's key writes
//! into its folder, and the chain proves that the records are those that followed.

use std::collections::BTreeMap;
use std::io::Read as _;

use super::accept::read_whole;
use super::fault::point;
use super::incarnation::disk_error;
use super::read::Piece;
use super::rows::{self, Lane, int, number};
use super::seal::insert_attached;
use super::{Store, StoreError, append, places};
use crate::frame::Frame;
use crate::hash::Digest;
use crate::name::{Entry, Folder, Form, ObjectName, StreamName};
use crate::ranges::Ranges;
use crate::record::Flags;
use crate::segment::{Expected, PRELUDE_BYTES, SegmentRef, header_bytes};

impl Store {
    /// Takes in again what of these files belongs to the own log and goes on from its end. What does not, or is damaged, stays as
    /// it is.
    pub(super) fn take_in_again(&mut self, unknown: &[(String, String)]) -> Result<(), StoreError> {
        let folder = Folder::Log(self.log);
        let mut found: BTreeMap<(StreamName, u64, std::cmp::Reverse<u64>), String> = BTreeMap::new();
        for (log, name) in unknown {
            if *log == self.log.to_string()
                && let Entry::Object(ObjectName::Segment { stream, first, last, .. }, Form::Itself) =
                    Entry::read(folder, name)
            {
                found.insert((stream, first, std::cmp::Reverse(last)), name.clone());
            }
        }
        for ((stream, first, last), name) in found {
            match self.take_one_again(&stream, (first, last.0), &name) {
                Ok(true) => {
                    tracing::warn!(name, "a segment that nothing here knew goes on the log, and is taken in again")
                }
                Ok(false) | Err(StoreError::Segment(_) | StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take_one_again(
        &mut self,
        stream: &StreamName,
        (first, last): (u64, u64),
        name: &str,
    ) -> Result<bool, StoreError> {
        let (log, lane) = (self.log, Lane::own(self.log, stream));
        let position = append::position(self.db.conn(), log, stream)?;
        let sql = "SELECT coalesce(max(last), 0) FROM segments WHERE log = ?1 AND stream = ?2";
        let place = (log.to_string(), stream.as_str());
        let sealed = self.db.conn().prepare_cached(sql)?.query_row(place, |row| number(row, 0))?;
        // What the tail has all of is sealed anew.
        if first != sealed + 1 || last <= position.0 {
            return Ok(false);
        }
        let _guard = self.places.guard()?;
        let path = self.places.file(log, name);
        let mut file = places::open(&path)?;
        let bytes = file.metadata().map_err(disk_error("read", &path))?.len();
        let Some(digest) = digest_of_header(&mut file) else { return Ok(false) };
        let expected = Expected { log, stream: stream.clone(), reference: SegmentRef { first, last, bytes, digest } };
        let (mut at_end, mut replaced, mut newest) = (None, Vec::new(), Default::default());
        let file = places::open(&path)?;
        let read = read_whole(&expected, bytes, file, &mut |_| Ok(()), &mut |link| {
            if link.frame.last() == position.0 {
                at_end = Some(link.chain);
            }
            if let Frame::Record(record) = &link.frame {
                newest = record.at.max(newest);
                if record.flags.has(Flags::REPLACES) {
                    replaced.push((record.key.clone(), record.seq));
                }
            }
        })?;
        let goes_on = match position.0 == sealed {
            true => read.base == position.1,
            false => self.chain_at(&lane, sealed)? == Some(read.base) && at_end == Some(position.1),
        };
        if !goes_on {
            return Ok(false);
        }
        let piece = Piece {
            lane: lane.clone(),
            reference: expected.reference,
            base: read.base,
            chain: read.chain,
            file: name.to_owned(),
            blocks: None,
        };
        self.db.write(|tx| {
            if append::position(tx, log, stream)? != position {
                return Err(StoreError::Raced("is writing the log"));
            }
            let sql = "DELETE FROM tail WHERE log = ?1 AND stream = ?2 AND seq <= ?3";
            tx.prepare_cached(sql)?.execute((log.to_string(), stream.as_str(), int(last)))?;
            piece.insert(tx)?;
            rows::add_held(tx, &lane, &Ranges::of(first, last))?;
            for (seq, chain) in &read.marks {
                rows::add_mark(tx, &lane, *seq, *chain)?;
            }
            for (key, seq) in &replaced {
                append::note_replaced_key(tx, log, stream, key, *seq)?;
            }
            insert_attached(tx, log, digest, name, read.attachments.iter().enumerate())?;
            point("exchange.again.noted")?;
            Ok::<_, StoreError>(())
        })?;
        self.observe_all([newest])?;
        Ok(true)
    }
}

/// The digest of a segment's prelude and header; `None` when it has none.
fn digest_of_header(file: &mut std::fs::File) -> Option<Digest> {
    let mut head = vec![0; PRELUDE_BYTES];
    file.read_exact(&mut head).ok()?;
    let bytes = header_bytes(head.first_chunk()?).ok()?;
    head.resize(PRELUDE_BYTES + usize::try_from(bytes).ok()?, 0);
    file.read_exact(&mut head[PRELUDE_BYTES..]).ok()?;
    Some(Digest::of(&[&head]))
}
