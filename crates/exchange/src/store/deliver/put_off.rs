//! Records that cannot be folded yet: of kinds that the strand does not know, or waiting for an attachment.

use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite;

use super::search::{NEEDS_DEPTH, Search};
use crate::chain::Link;
use crate::frame::Frame;
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::record::AttachmentId;
use crate::store::rows::{Lane, int, number, parsed};
use crate::store::ways::Ways;
use crate::store::{Store, StoreError};
use crate::strand::{Folded, Strand};

/// What of a chunk is folded now, and what is not.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    pub(super) now: Vec<Folded>,
    deferred: Vec<(u64, u16, u16)>,
    waiting: Vec<(u64, AttachmentId)>,
    pub(super) later: Ranges,
}

impl Store {
    /// What can be folded now, and what cannot.
    pub(super) fn sort_out(
        &mut self,
        lane: &Lane,
        ways: &Ways,
        links: Vec<Link>,
        strand: &mut dyn Strand,
        search: &mut Search,
    ) -> Result<Sorted, StoreError> {
        let mut sorted = Sorted::default();
        for link in links {
            let (Frame::Record(record), Some(r)) = (link.frame, link.r) else { continue };
            let seq = record.seq;
            if !strand.knows(record.kind, record.kind_version) {
                sorted.deferred.push((seq, record.kind, record.kind_version));
                sorted.later.insert_one(seq);
                continue;
            }
            let mut lacks = BTreeSet::new();
            for id in &record.wants {
                self.bring(lane.log, id, strand, search, &mut lacks, NEEDS_DEPTH)?;
            }
            if !lacks.is_empty() {
                sorted.later.insert_one(seq);
                sorted.waiting.extend(lacks.into_iter().map(|id| (seq, id)));
                continue;
            }
            sorted.now.push(Folded { record, r, lineage: ways.lineage(lane.log, lane.track, seq) });
        }
        Ok(sorted)
    }

    pub(super) fn note_later(&mut self, lane: &Lane, sorted: &Sorted) -> Result<(), StoreError> {
        if sorted.later.is_empty() {
            return Ok(());
        }
        let log = lane.log.to_string();
        self.db.write(|tx| {
            for (seq, kind, version) in &sorted.deferred {
                let sql = "INSERT OR REPLACE INTO deferred (log, track, stream, seq, kind, version)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                let row = (&log, lane.track, lane.stream.as_str(), int(*seq), kind, version);
                tx.prepare_cached(sql)?.execute(row)?;
            }
            for (seq, id) in &sorted.waiting {
                let sql = "INSERT OR REPLACE INTO waiting (log, track, stream, seq, id) VALUES (?1, ?2, ?3, ?4, ?5)";
                let row = (&log, lane.track, lane.stream.as_str(), int(*seq), id.as_str());
                tx.prepare_cached(sql)?.execute(row)?;
            }
            Ok(())
        })
    }

    /// The records of a lane that a table puts off.
    pub(super) fn noted(&self, lane: &Lane, table: &str) -> Result<Ranges, StoreError> {
        let sql = format!("SELECT DISTINCT seq FROM {table} WHERE log = ?1 AND track = ?2 AND stream = ?3");
        let mut rows = self.db.conn().prepare_cached(&sql)?;
        let rows = rows.query_map((lane.log.to_string(), lane.track, lane.stream.as_str()), |row| {
            let seq = number(row, 0)?;
            Ok(seq..=seq)
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Forgets that records were put off which can be folded now, and notes what others wait for besides. Says which attachments
    /// are there and no good.
    pub(super) fn reconsider(
        &mut self,
        stream: &StreamName,
        strand: &mut dyn Strand,
        now: Option<Timestamp>,
    ) -> Result<BTreeSet<(String, usize)>, StoreError> {
        let known = {
            let mut rows =
                self.db.conn().prepare_cached("SELECT DISTINCT kind, version FROM deferred WHERE stream = ?1")?;
            let rows = rows.query_map([stream.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let mut kinds = rows.collect::<rusqlite::Result<Vec<(u16, u16)>>>()?;
            kinds.retain(|(kind, version)| strand.knows(*kind, *version));
            kinds
        };
        let waiting = {
            let mut rows = self.db.conn().prepare_cached("SELECT DISTINCT log, id FROM waiting WHERE stream = ?1")?;
            let rows = rows.query_map([stream.as_str()], |row| Ok((parsed(row, 0)?, parsed(row, 1)?)))?;
            rows.collect::<rusqlite::Result<BTreeSet<(LogId, AttachmentId)>>>()?
        };
        let (mut there, mut more, mut refused) = (Vec::new(), Vec::new(), BTreeSet::new());
        for (log, id) in &waiting {
            let (mut search, mut lacks) = (Search::at(now), BTreeSet::new());
            if self.bring(*log, id, strand, &mut search, &mut lacks, NEEDS_DEPTH)? {
                there.push((log, id));
            }
            // What came meanwhile may need what nobody knew of.
            lacks.retain(|lacked| !waiting.contains(&(*log, lacked.clone())));
            more.extend(lacks.into_iter().map(|lacked| (log, id, lacked)));
            refused.append(&mut search.refused);
        }
        if known.is_empty() && there.is_empty() && more.is_empty() {
            return Ok(refused);
        }
        self.db.write(|tx| {
            for (kind, version) in known {
                let sql = "DELETE FROM deferred WHERE stream = ?1 AND kind = ?2 AND version = ?3";
                tx.prepare_cached(sql)?.execute((stream.as_str(), kind, version))?;
            }
            for (log, id, lacked) in more {
                let sql = "INSERT OR IGNORE INTO waiting (log, track, stream, seq, id)
                           SELECT log, track, stream, seq, ?4 FROM waiting WHERE stream = ?1 AND log = ?2 AND id = ?3";
                tx.prepare_cached(sql)?.execute((stream.as_str(), log.to_string(), id.as_str(), lacked.as_str()))?;
            }
            for (log, id) in there {
                // Looked at again as a whole: what only an earlier one of it needed is not waited for any more.
                let sql = "DELETE FROM waiting WHERE stream = ?1 AND log = ?2 AND (track, seq) IN (
                               SELECT track, seq FROM waiting WHERE stream = ?1 AND log = ?2 AND id = ?3)";
                tx.prepare_cached(sql)?.execute((stream.as_str(), log.to_string(), id.as_str()))?;
            }
            Ok(refused)
        })
    }
}
