//! The ways of a forked log: where they part, and on which branch a record stands.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::db::rusqlite;

use super::deliver::Delivered;
use super::rows::{self, Lane, int, number};
use super::{Store, StoreError};
use crate::chain::Link;
use crate::hash::Digest;
use crate::name::{LogId, StreamName};
use crate::register::{Branch, Lineage};
use crate::strand::{Origin, Strand};

/// One way of a forked log's stream, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Ways {
    /// For each way: its first record after each fork, and the first bytes of that record's digest, ascending.
    pub(super) branches: BTreeMap<u32, Vec<(u64, [u8; 4])>>,
    /// Ways that begin where nobody can tell yet.
    unknown: BTreeSet<u32>,
    /// Ways that go on from the end of another, which has no record that they have not: where they begin.
    goes_on: BTreeMap<u32, u64>,
    /// All branches, for strands that fold registers.
    pub(super) all: Vec<Branch>,
}

impl Ways {
    pub(super) fn lineage(&self, log: LogId, track: u32, seq: u64) -> Lineage {
        let points = self.branches.get(&track).map(Vec::as_slice).unwrap_or_default();
        Lineage { log, branch: points.iter().rev().find(|(first, _)| *first <= seq).copied() }
    }

    /// The first record that a way does not share with an earlier one.
    pub(super) fn begins(&self, track: u32) -> u64 {
        if track == 0 {
            return 1;
        }
        if let Some(first) = self.goes_on.get(&track) {
            return *first;
        }
        if self.unknown.contains(&track) {
            return u64::MAX;
        }
        self.branches.get(&track).and_then(|points| points.first()).map_or(u64::MAX, |(first, _)| *first)
    }
}

impl Store {
    /// Where the ways of a log's stream part. What was found once is kept, and folded again with it.
    pub(super) fn ways(
        &mut self,
        log: LogId,
        stream: &StreamName,
        tracks: &BTreeSet<u32>,
        strand: &mut dyn Strand,
        done: &mut Delivered,
    ) -> Result<Ways, StoreError> {
        let mut ways = Ways::default();
        if tracks.iter().all(|track| *track == 0) {
            return Ok(ways);
        }
        for &track in tracks.iter().filter(|track| **track > 0) {
            let lane = |track| Lane { log, track, stream: stream.clone() };
            if !self.noted_forks(&lane(track))?.is_empty() {
                continue;
            }
            // It leaves the way with which it has most in common.
            let mut best: Option<(u32, Parting)> = None;
            for &other in tracks.iter().filter(|other| **other < track) {
                if let Some(found) = self.parting(&lane(other), &lane(track))?
                    && best.as_ref().is_none_or(|(_, best)| best.first < found.first)
                {
                    best = Some((other, found));
                }
            }
            let Some((other, found)) = best else {
                ways.unknown.insert(track);
                continue;
            };
            // What was folded of either way after the fork was folded as the trunk's.
            for track in [other, track] {
                let origin = Origin { log, track, stream: stream.clone() };
                strand.retract(&origin, found.first - 1).map_err(StoreError::Strand)?;
                done.n_retracted += 1;
            }
            self.db.write(|tx| {
                for (track, r) in [(other, found.left), (track, found.right)] {
                    let sql = "INSERT OR IGNORE INTO forks (log, stream, track, first, r4, before_r4, other)
                               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
                    let row = (
                        log.to_string(),
                        stream.as_str(),
                        track,
                        int(found.first),
                        r.first4(),
                        found.before.map_or([0; 4], Digest::first4),
                        other,
                    );
                    tx.execute(sql, row)?;
                }
                Ok::<_, StoreError>(())
            })?;
        }
        for &track in tracks {
            let points = self.noted_forks(&Lane { log, track, stream: stream.clone() })?;
            ways.branches.insert(track, points.iter().map(|point| (point.first, point.r4)).collect());
        }
        for track in std::mem::take(&mut ways.unknown) {
            match self.end_in_common(log, stream, track)? {
                Some((other, last)) => {
                    let points = ways.branches.get(&other).cloned().unwrap_or_default();
                    ways.branches.insert(track, points);
                    ways.goes_on.insert(track, last + 1);
                }
                None => drop(ways.unknown.insert(track)),
            }
        }
        for &track in tracks {
            for point in self.noted_forks(&Lane { log, track, stream: stream.clone() })? {
                let parent = match point.first {
                    1 => None,
                    first => ways.lineage(log, point.other, first - 1).branch,
                };
                let branch = Branch { parent, parent_r4: point.before_r4, first: point.first, r4: point.r4 };
                if !ways.all.contains(&branch) {
                    ways.all.push(branch);
                }
            }
        }
        Ok(ways)
    }

    /// An earlier way that ends where this one goes on, and its last record: the log was forked, but in this stream only one
    /// side has written since. Of several the one that goes furthest; `None` when none does, or it cannot be told yet.
    fn end_in_common(&self, log: LogId, stream: &StreamName, track: u32) -> Result<Option<(u32, u64)>, StoreError> {
        let lane = Lane { log, track, stream: stream.clone() };
        let mut best: Option<(u32, u64)> = None;
        for other in self.followed_of(log)?.into_iter().filter(|other| other.track < track) {
            let last = match other.head.head().streams.get(stream) {
                None => 0,
                Some(state) if self.chain_at(&lane, state.last)? == Some(state.chain) => state.last,
                Some(_) => continue,
            };
            if best.is_none_or(|(_, best)| best < last) {
                best = Some((other.track, last));
            }
        }
        Ok(best)
    }

    fn noted_forks(&self, lane: &Lane) -> Result<Vec<Point>, StoreError> {
        let sql = "SELECT first, r4, before_r4, other FROM forks WHERE log = ?1 AND stream = ?2 AND track = ?3 ORDER BY first";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((lane.log.to_string(), lane.stream.as_str(), lane.track), |row| {
            Ok(Point { first: number(row, 0)?, r4: row.get(1)?, before_r4: row.get(2)?, other: rows::track(row, 3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Where two ways of a stream part; `None` while not enough of both is held.
    fn parting(&self, left: &Lane, right: &Lane) -> Result<Option<Parting>, StoreError> {
        let ours: BTreeMap<u64, Digest> = rows::marks(self.db.conn(), left, 0, u64::MAX >> 1)?.into_iter().collect();
        // Chains agree up to the fork and never after it, so the last mark in common is a good place to begin.
        let common = rows::marks(self.db.conn(), right, 0, u64::MAX >> 1)?;
        let from = common.into_iter().filter(|(seq, chain)| ours.get(seq) == Some(chain)).map(|(seq, _)| seq).max();
        let from = from.unwrap_or(0);
        let mut next = from + 1;
        let mut before = self.links(left, from, from)?.first().and_then(|link| link.r);
        let mut found = None;
        // A block at a time of one, and as much of the other: memory holds a little of both.
        while found.is_none() {
            if !rows::held(self.db.conn(), left)?.contains(next) {
                return Ok(None);
            }
            let (ours, end) = self.chunk(left, next, u64::MAX >> 1)?;
            let theirs: BTreeMap<u64, Link> =
                self.links(right, next, end)?.into_iter().map(|link| (link.frame.first(), link)).collect();
            for link in ours {
                let Some(other) = theirs.get(&next).filter(|_| link.frame.first() == next) else { return Ok(None) };
                let (Some(a), Some(b)) = (link.r, other.r) else { return Ok(None) };
                if a != b {
                    found = Some(Parting { first: next, left: a, right: b, before });
                    break;
                }
                before = Some(a);
                next += 1;
            }
        }
        Ok(found)
    }
}

/// Where two ways part: the first records that differ, and the last in common.
#[derive(Clone, Copy, Debug)]
struct Parting {
    first: u64,
    left: Digest,
    right: Digest,
    before: Option<Digest>,
}

/// A fork as a row has it.
struct Point {
    first: u64,
    r4: [u8; 4],
    before_r4: [u8; 4],
    other: u32,
}
