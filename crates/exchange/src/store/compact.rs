//! Merges small segments of the own log into larger ones, and drops what later records made void.
//!
//! Frames are copied as they stand; a dropped record leaves a stub, so that the chain stays what it was. Only segments that
//! a signed head names are merged, and what is merged is read again before it counts.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use super::attachments::Pending;
use super::fault::point;
use super::read::{Piece, pieces};
use super::rows::{Lane, digest, int, number};
use super::seal::push;
use super::{Store, StoreError};
use crate::chain::Link;
use crate::frame::{Frame, Stub, StubReason};
use crate::limits::{LIST_SEGMENTS_MAX, SEGMENT_BYTES_AIM};
use crate::name::StreamName;
use crate::ranges::Ranges;
use crate::record::AttachmentId;
use crate::record::{Flags, Record};
use crate::segment::{Content, SegmentRef, SegmentWriter};
use crate::strand::Strand;

mod runs;
mod wanted;

use runs::Runs;
use wanted::Candidate;

/// Segments of one tier that are merged into one of the next. A byte is written again once a tier, and once
/// where a larger segment ends a run of smaller ones.
pub const FAN_IN: usize = 8;
/// Segments of the tier that is merged, without which a merge gains too little for what it writes.
const PART_MIN: usize = FAN_IN / 2;
/// Segments of a log, over all streams, above which they are merged whatever their sizes: half of what a list can name.
const CROWDED: usize = LIST_SEGMENTS_MAX / 2;
/// Bytes of the lowest tier. Each further tier is eight times as large.
const TIER_BYTES: u64 = 16 * 1024;
/// Plain bytes of a merge up to which a strand is asked what is void: it needs them all at once.
const ASK_BYTES_MAX: usize = 128 * 1024 * 1024;

/// How long ago a stub must have been written to become part of a run: nobody stands in the middle of its chain any more.
const RUN_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How old a segment must be for its attachments to go: an attachment is handed over before the record that wants it, and a
/// process may be between the two.
const ATTACHMENT_KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// One merge that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The stream.
    pub stream: StreamName,
    /// How many segments became one.
    pub n_merged: usize,
    /// The new segment.
    pub reference: SegmentRef,
    /// Records that were dropped.
    pub n_dropped: usize,
    /// Attachments that were dropped.
    pub n_attachments_dropped: usize,
    /// Runs that stand for records which have been void for long.
    pub n_runs: usize,
}

/// Decides which neighbours to merge, oldest first. For the lowest tier of which a run of neighbours has [`FAN_IN`], nothing
/// larger between them, that run is merged, up to the size at which segments are closed. A part of it that has fewer than
/// four of that tier stays as it is: a large file is not written anew to take in a few small ones. A run that a
/// larger segment follows grows no more, and is merged once it has [`FAN_IN`] of any tiers.
///
/// `n_listed` is how many segments the log has, over all streams. Above half of what a list can name, neighbours are merged
/// whatever their tiers, as far as they fit into one segment: a log must not fill its list with what no tier brings together.
/// The newest of them are left to the tiers, so that no byte is written anew for each few that are said.
pub fn plan_merges(segments: &[SegmentRef], n_listed: usize) -> Vec<Range<usize>> {
    if n_listed > CROWDED {
        let mut parts = cut(segments, 0..segments.len());
        parts.pop();
        parts.retain(|part| part.len() > 1);
        if !parts.is_empty() {
            return parts;
        }
    }
    let tiers: Vec<u32> = segments.iter().map(|segment| tier(segment.bytes)).collect();
    let highest = tiers.iter().copied().max().unwrap_or(0);
    for tier in 0..=highest {
        let mut plan = Vec::new();
        let mut start = 0;
        while start < segments.len() {
            let len = tiers[start..].iter().take_while(|found| **found <= tier).count();
            let run = start..start + len;
            let is_closed = run.end < segments.len();
            let n_of_tier = |run: &Range<usize>| tiers[run.clone()].iter().filter(|found| **found == tier).count();
            if n_of_tier(&run) >= FAN_IN {
                plan.extend(cut(segments, run).into_iter().filter(|part| n_of_tier(part) >= PART_MIN));
            } else if is_closed && run.len() >= FAN_IN {
                plan.extend(cut(segments, run).into_iter().filter(|part| part.len() >= PART_MIN));
            }
            start += len.max(1);
        }
        if !plan.is_empty() {
            return plan;
        }
    }
    Vec::new()
}

/// Cuts a run so that no part is larger than a segment should be.
fn cut(segments: &[SegmentRef], run: Range<usize>) -> Vec<Range<usize>> {
    let (mut parts, mut start, mut bytes) = (Vec::new(), run.start, 0u64);
    for at in run.clone() {
        if at > start && bytes.saturating_add(segments[at].bytes) > SEGMENT_BYTES_AIM {
            parts.push(start..at);
            (start, bytes) = (at, 0);
        }
        bytes = bytes.saturating_add(segments[at].bytes);
    }
    parts.push(start..run.end);
    parts
}

fn tier(bytes: u64) -> u32 {
    (bytes / TIER_BYTES).checked_ilog(8).map_or(0, |log| log + 1)
}

impl Store {
    /// Merges what is to be merged of the own log. The next [`Store::sign`] names the merged segments; the old files stay for
    /// who reads an older head, until [`Store::drop_superseded`].
    ///
    /// # Errors
    /// [`StoreError`]; merges that were done before stay done.
    pub fn compact(&mut self, strands: &[&dyn Strand], now: Timestamp) -> Result<Vec<Compacted>, StoreError> {
        self.refresh()?;
        let Some(signed) = self.newest_signed()? else { return Ok(Vec::new()) };
        let mut done = Vec::new();
        let n_listed = self.n_own_segments()?;
        for (stream, state) in &signed.head().streams {
            let strand = strands.iter().copied().find(|strand| strand.stream() == stream);
            let lane = Lane::own(self.log, stream);
            let mut all = pieces(self.db.conn(), &lane, 1, state.last)?;
            all.retain(|piece| piece.reference.last <= state.last && piece.blocks.is_none());
            let references: Vec<_> = all.iter().map(|piece| piece.reference).collect();
            for run in plan_merges(&references, n_listed) {
                done.push(self.merge(&lane, &all[run], state.last, strand, now)?);
            }
        }
        Ok(done)
    }

    fn n_own_segments(&self) -> Result<usize, StoreError> {
        let sql = "SELECT count(*) FROM segments WHERE log = ?1 AND track = 0";
        let n = self.db.conn().prepare_cached(sql)?.query_row([self.log.to_string()], |row| number(row, 0))?;
        Ok(usize::try_from(n).unwrap_or(usize::MAX))
    }

    fn merge(
        &mut self,
        lane: &Lane,
        merged: &[Piece],
        signed_last: u64,
        strand: Option<&dyn Strand>,
        now: Timestamp,
    ) -> Result<Compacted, StoreError> {
        let (Some(oldest), Some(newest)) = (merged.first(), merged.last()) else {
            return Err(StoreError::Refused("there is nothing to merge"));
        };
        let (first, last) = (oldest.reference.first, newest.reference.last);
        let void = match strand {
            Some(strand) => self.void_of(lane, merged, strand)?,
            None => BTreeSet::new(),
        };
        let old = self.older_than(merged, RUN_AFTER, now)?;
        let spool = self.places.incoming()?;
        let mut writer = SegmentWriter::new(lane.log, lane.stream.clone(), first, oldest.base, spool);
        let (mut n_dropped, mut runs) = (0, Runs::default());
        self.each_link(lane, first, last, &mut |mut link| {
            let is_old = old.contains(link.frame.first());
            if let Some(stub) = self.dropped(lane, &link, &void, signed_last)? {
                link.frame = Frame::Stub(stub);
                n_dropped += 1;
                runs.flush(&mut |link| push(&mut writer, link))?;
                push(&mut writer, &link)?;
            } else {
                runs.add(link, is_old, &mut |link| push(&mut writer, link))?;
            }
            Ok(true)
        })?;
        runs.flush(&mut |link| push(&mut writer, link))?;
        let mut n_attachments_dropped = 0;
        let kept = self.kept_attachments(lane, merged, &void, signed_last, now)?;
        for (piece, kept) in merged.iter().zip(&kept) {
            for (which, is_kept) in kept.iter().enumerate() {
                if *is_kept {
                    let (attachment, mut content) = self.attachment(piece, which)?;
                    writer.attach(attachment.provides, attachment.needs, &mut content)?;
                } else {
                    n_attachments_dropped += 1;
                }
            }
        }
        let written = self.write_segment(lane.clone(), oldest.base, writer.finish()?)?;
        if written.piece.chain != newest.chain || written.piece.reference.last != last {
            return Err(StoreError::damaged(lane.to_string(), "merging led the chain elsewhere"));
        }
        self.db.write(|tx| {
            for piece in merged {
                let log = lane.log.to_string();
                let sql = "DELETE FROM segments WHERE log = ?1 AND track = 0 AND stream = ?2 AND file = ?3";
                if tx.prepare_cached(sql)?.execute((&log, lane.stream.as_str(), &piece.file))? != 1 {
                    return Err(StoreError::Raced("merged the same segments"));
                }
                tx.prepare_cached("DELETE FROM attached WHERE log = ?1 AND file = ?2")?.execute((&log, &piece.file))?;
                let SegmentRef { first, last, bytes, digest } = piece.reference;
                let sql = "INSERT OR REPLACE INTO superseded (log, stream, first, last, bytes, digest, file, since_ms)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
                tx.prepare_cached(sql)?.execute((
                    log,
                    lane.stream.as_str(),
                    int(first),
                    int(last),
                    int(bytes),
                    digest.as_bytes(),
                    &piece.file,
                    now.as_millis(),
                ))?;
            }
            written.insert(tx)?;
            point("exchange.merge.noted")?;
            Ok(())
        })?;
        let reference = written.piece.reference;
        let (stream, n_merged, n_runs) = (lane.stream.clone(), merged.len(), runs.n_runs);
        Ok(Compacted { stream, n_merged, reference, n_dropped, n_attachments_dropped, n_runs })
    }

    /// What is left of a record that is dropped; `None` for what stays.
    fn dropped(
        &self,
        lane: &Lane,
        link: &Link,
        void: &BTreeSet<u64>,
        signed_last: u64,
    ) -> Result<Option<Stub>, StoreError> {
        let (Frame::Record(record), Some(r)) = (&link.frame, link.r) else { return Ok(None) };
        let is_dropped = !record.flags.has(Flags::KEEPS)
            && (void.contains(&record.seq) || self.is_replaced(lane, record, signed_last)?);
        Ok(is_dropped.then_some(Stub { seq: record.seq, r, reason: StubReason::Void }))
    }

    /// The records of segments whose files were written longer than `age` ago. A file that was copied here later counts as
    /// younger than it is, and is judged by a later merge.
    fn older_than(&self, merged: &[Piece], age: Duration, now: Timestamp) -> Result<Ranges, StoreError> {
        let mut old = Vec::new();
        for piece in merged {
            let written_at = self.places.written_at(piece.lane.log, &piece.file)?;
            if written_at.is_some_and(|at| now.since(at) > age) {
                old.push(piece.reference.first..=piece.reference.last);
            }
        }
        Ok(old.into_iter().collect())
    }

    /// Which attachments of the segments to be merged are kept, by segment and place: those that a record of the stream wants
    /// which stays, and those that another which stays needs.
    fn kept_attachments(
        &self,
        lane: &Lane,
        merged: &[Piece],
        void: &BTreeSet<u64>,
        signed_last: u64,
        now: Timestamp,
    ) -> Result<Vec<Vec<bool>>, StoreError> {
        let (mut all, mut counts) = (Vec::new(), Vec::new());
        for piece in merged {
            let is_new = self.older_than(std::slice::from_ref(piece), ATTACHMENT_KEPT, now)?.is_empty();
            let attachments = self.open_piece(piece)?.header().attachments.clone();
            counts.push(attachments.len());
            all.extend(attachments.iter().map(|attachment| Candidate::of(attachment, is_new)));
        }
        if all.iter().all(|candidate| candidate.stays) {
            return Ok(counts.into_iter().map(|n| vec![true; n]).collect());
        }
        for piece in pieces(self.db.conn(), lane, 1, u64::MAX)? {
            if !merged.iter().any(|merged| merged.file == piece.file) {
                let opened = self.open_piece(&piece)?;
                all.extend(opened.header().attachments.iter().map(|attachment| Candidate::of(attachment, true)));
            }
        }
        for pending in Pending::of(self.db.conn(), lane.log, &lane.stream)? {
            all.push(Candidate { provides: pending.provides, needs: pending.needs, stays: true });
        }
        let mut wanted: BTreeSet<AttachmentId> = BTreeSet::new();
        let (first, last) = (
            merged.first().map_or(1, |piece| piece.reference.first),
            merged.last().map_or(0, |piece| piece.reference.last),
        );
        self.each_link(lane, 1, u64::MAX, &mut |link| {
            let is_merged = (first..=last).contains(&link.frame.first());
            if let Frame::Record(record) = &link.frame
                && !record.wants.is_empty()
                && !(is_merged && self.dropped(lane, &link, void, signed_last)?.is_some())
            {
                wanted.extend(record.wants.iter().cloned());
            }
            Ok(true)
        })?;
        let mut kept = wanted::kept(&all, &wanted).into_iter();
        Ok(counts.into_iter().map(|n| kept.by_ref().take(n).collect()).collect())
    }

    /// What the strand says is void among the records to be merged.
    fn void_of(&self, lane: &Lane, merged: &[Piece], strand: &dyn Strand) -> Result<BTreeSet<u64>, StoreError> {
        let mut plain = 0usize;
        for piece in merged {
            for block in &self.open_piece(piece)?.header().blocks {
                if let Content::Records { plain_bytes, .. } = block.content {
                    plain = plain.saturating_add(plain_bytes);
                }
            }
        }
        if plain > ASK_BYTES_MAX {
            return Ok(BTreeSet::new());
        }
        let mut by_key: BTreeMap<Vec<u8>, Vec<Record>> = BTreeMap::new();
        for piece in merged {
            self.each_link(lane, piece.reference.first, piece.reference.last, &mut |link| {
                if let Frame::Record(record) = link.frame
                    && !record.key.is_empty()
                {
                    by_key.entry(record.key.clone()).or_default().push(record);
                }
                Ok(true)
            })?;
        }
        let mut void = BTreeSet::new();
        for records in by_key.values().filter(|records| records.len() > 1) {
            let said = strand.void(records);
            // The last of a key has nothing after it that could make it void.
            let last = records.last().map_or(0, |record| record.seq);
            void.extend(records.iter().map(|record| record.seq).filter(|seq| *seq != last && said.contains(seq)));
        }
        Ok(void)
    }

    /// Whether a later record that is signed for voids all of this one's key.
    fn is_replaced(&self, lane: &Lane, record: &Record, signed_last: u64) -> Result<bool, StoreError> {
        if record.key.is_empty() {
            return Ok(false);
        }
        let sql = "SELECT seq FROM replaced WHERE log = ?1 AND stream = ?2 AND key = ?3";
        let mut row = self.db.conn().prepare_cached(sql)?;
        let row = row.query_row((lane.log.to_string(), lane.stream.as_str(), &record.key), |row| number(row, 0));
        Ok(row.optional()?.is_some_and(|by| record.seq < by && by <= signed_last))
    }

    /// Own segments that no head of this device names any more, with the time since when: what may be collected where this
    /// device put them.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn superseded(&self) -> Result<Vec<(crate::name::ObjectName, Timestamp)>, StoreError> {
        let sql = "SELECT log, stream, first, last, bytes, digest, since_ms FROM superseded ORDER BY since_ms";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([], |row| {
            let stream: StreamName = super::rows::parsed(row, 1)?;
            Ok((
                super::rows::reference(row, 2)?.name(super::rows::parsed(row, 0)?, &stream),
                Timestamp::from_millis(row.get(6)?),
            ))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Removes, on this device, the files of segments that were merged longer than `grace` ago. What the newest signed head
    /// names stays. Says how many were removed.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn drop_superseded(&mut self, grace: Duration, now: Timestamp) -> Result<usize, StoreError> {
        let named: BTreeSet<_> = match self.signed_segments()? {
            Some((_, segments)) => segments.into_values().flatten().map(|segment| segment.digest).collect(),
            None => BTreeSet::new(),
        };
        let (log, before) = (self.log.to_string(), now.before(grace).as_millis());
        let old = {
            let sql = "SELECT digest, file FROM superseded WHERE log = ?1 AND since_ms <= ?2";
            let mut rows = self.db.conn().prepare_cached(sql)?;
            let rows = rows.query_map((&log, before), |row| Ok((digest(row, 0)?, row.get::<_, String>(1)?)))?;
            let mut old = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            old.retain(|(digest, _)| !named.contains(digest));
            old
        };
        for (digest, file) in &old {
            // The row first: a file without a row is set aside, a row without a file is damage.
            self.db.write(|tx| {
                Ok::<_, StoreError>(
                    tx.prepare_cached("DELETE FROM superseded WHERE digest = ?1")?.execute([digest.as_bytes()])?,
                )
            })?;
            super::places::remove(&self.places.file(self.log, file))?;
        }
        if !old.is_empty() {
            self.db.write(|tx| super::heard::prune(tx, self.log))?;
        }
        Ok(old.len())
    }
}
