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
            self.db.write(|tx| {
                for (track, r) in [(other, found.left), (track, found.right)] {
                    let sql = "INSERT OR IGNORE INTO forks (log, stream, track, first, r4, other)
                               VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
                    let row = (log.to_string(), stream.as_str(), track, int(found.first), r.first4(), other);
                    tx.prepare_cached(sql)?.execute(row)?;
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
                // The head of the first one was refused: what is left of its log begins here.
                None if tracks.first() == Some(&track) && self.is_first_way(log, track)? => {
                    ways.goes_on.insert(track, 1);
                }
                None => drop(ways.unknown.insert(track)),
            }
        }
        for &track in tracks {
            let points = ways.branches.get(&track).map(Vec::as_slice).unwrap_or_default();
            done.n_retracted +=
                usize::from(self.fold_anew(&Origin { log, track, stream: stream.clone() }, points, strand)?);
            for point in self.noted_forks(&Lane { log, track, stream: stream.clone() })? {
                let parent = match point.first {
                    1 => None,
                    first => ways.lineage(log, point.other, first - 1).branch,
                };
                let branch = Branch { parent, first: point.first, r4: point.r4 };
                if !ways.all.contains(&branch) {
                    ways.all.push(branch);
                }
            }
        }
        Ok(ways)
    }

    /// Takes back what was folded of a way as of other branches than it is of now. Says whether there was something to take back.
    fn fold_anew(
        &mut self,
        origin: &Origin,
        points: &[(u64, [u8; 4])],
        strand: &mut dyn Strand,
    ) -> Result<bool, StoreError> {
        let place = (origin.log.to_string(), origin.stream.as_str(), origin.track);
        let noted: BTreeSet<(u64, [u8; 4])> = {
            let sql = "SELECT first, r4 FROM folded_as WHERE log = ?1 AND stream = ?2 AND track = ?3";
            let mut rows = self.db.conn().prepare_cached(sql)?;
            let rows = rows.query_map(place.clone(), |row| Ok((number(row, 0)?, row.get(1)?)))?;
            rows.collect::<rusqlite::Result<_>>()?
        };
        let points: BTreeSet<(u64, [u8; 4])> = points.iter().copied().collect();
        let Some((first, _)) = noted.symmetric_difference(&points).min() else { return Ok(false) };
        strand.retract(origin, first.saturating_sub(1)).map_err(StoreError::Strand)?;
        self.db.write(|tx| {
            let sql = "DELETE FROM folded_as WHERE log = ?1 AND stream = ?2 AND track = ?3";
            tx.prepare_cached(sql)?.execute(place.clone())?;
            let sql = "INSERT INTO folded_as (log, stream, track, first, r4) VALUES (?1, ?2, ?3, ?4, ?5)";
            for (first, r4) in &points {
                tx.prepare_cached(sql)?.execute((&place.0, place.1, place.2, int(*first), r4))?;
            }
            Ok::<_, StoreError>(())
        })?;
        Ok(true)
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

    /// Whether no head on an earlier way is followed.
    fn is_first_way(&self, log: LogId, track: u32) -> Result<bool, StoreError> {
        Ok(super::heads::followed_digests(self.db.conn(), log)?.into_iter().all(|(other, _)| other >= track))
    }

    fn noted_forks(&self, lane: &Lane) -> Result<Vec<Point>, StoreError> {
        let sql = "SELECT first, r4, other FROM forks WHERE log = ?1 AND stream = ?2 AND track = ?3 ORDER BY first";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((lane.log.to_string(), lane.stream.as_str(), lane.track), |row| {
            Ok(Point { first: number(row, 0)?, r4: row.get(1)?, other: rows::track(row, 2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Where two ways of a stream part; `None` while not enough of both is held.
    fn parting(&self, left: &Lane, right: &Lane) -> Result<Option<Parting>, StoreError> {
        let ours: BTreeMap<u64, Digest> = rows::marks(self.db.conn(), left, 0, u64::MAX >> 1)?.into_iter().collect();
        let theirs = rows::marks(self.db.conn(), right, 0, u64::MAX >> 1)?;
        let from = last_in_common(&ours, &theirs);
        match self.parting_after(left, right, from)? {
            // A head that lay on the wrong way for a time left its mark there.
            None if from > 0 => self.parting_after(left, right, 0),
            found => Ok(found),
        }
    }

    fn parting_after(&self, left: &Lane, right: &Lane, from: u64) -> Result<Option<Parting>, StoreError> {
        let mut next = from + 1;
        // A block at a time of one, and as much of the other: memory holds a little of both.
        loop {
            if !rows::held(self.db.conn(), left)?.contains(next) {
                return Ok(None);
            }
            let (ours, end) = self.chunk(left, next, u64::MAX >> 1)?;
            let theirs = self.links(right, next, end)?;
            match part(&ours, &theirs, &mut next) {
                Parted::At(parting) => return Ok(Some(parting)),
                Parted::Unknown => return Ok(None),
                Parted::Later => {}
            }
        }
    }
}

/// The last place of which two ways are known to have the same chain. They agree up to the fork and never after it: what
/// seems to agree after a place where they differ does not count.
fn last_in_common(ours: &BTreeMap<u64, Digest>, theirs: &[(u64, Digest)]) -> u64 {
    let both = || theirs.iter().filter_map(|(seq, chain)| ours.get(seq).map(|ours| (*seq, ours == chain)));
    let differs = both().filter(|(_, is_same)| !is_same).map(|(seq, _)| seq).min().unwrap_or(u64::MAX);
    both().filter(|(seq, is_same)| *is_same && *seq < differs).map(|(seq, _)| seq).max().unwrap_or(0)
}

/// What comparing a part of two ways says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parted {
    /// They part here.
    At(Parting),
    /// They are the same so far.
    Later,
    /// Not enough of both is held.
    Unknown,
}

/// Compares two ways from `next` on, which is moved behind what is the same in both.
///
/// A run of void records says only where the chain leads. Where one stands, the ways are compared at the next place at which
/// frames of both end; if they differ there, they are taken to part where the run begins: nothing of it is left to be folded,
/// and all that is left of the other way is.
fn part(ours: &[Link], theirs: &[Link], next: &mut u64) -> Parted {
    let (mut i, mut j) = (0, 0);
    while let Some(left) = ours.get(i) {
        let Some(right) = theirs.get(j) else { return Parted::Unknown };
        if left.frame.first() > *next || right.frame.first() > *next {
            return Parted::Unknown;
        }
        while ours[i].frame.last() != theirs[j].frame.last() {
            let is_left = ours[i].frame.last() < theirs[j].frame.last();
            if is_left {
                i += 1
            } else {
                j += 1
            };
            if i == ours.len() || j == theirs.len() {
                return Parted::Unknown;
            }
        }
        let (end, is_same) = (&ours[i], ours[i].chain == theirs[j].chain);
        if !is_same {
            let name = |link: &Link| link.r.unwrap_or(link.chain);
            return Parted::At(Parting { first: *next, left: name(left), right: name(right) });
        }
        *next = end.frame.last() + 1;
        (i, j) = (i + 1, j + 1);
    }
    Parted::Later
}

/// Where two ways part: the first records that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parting {
    first: u64,
    left: Digest,
    right: Digest,
}

/// A fork as a row has it.
struct Point {
    first: u64,
    r4: [u8; 4],
    other: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{chain_next, chain_start};
    use crate::fixture::{log, stream};
    use crate::frame::{Frame, Stub, StubReason, VoidRun};

    fn r(seq: u64, side: u8) -> Digest {
        Digest::of(&[&seq.to_le_bytes(), &[side]])
    }

    /// Records `1..=last`, those from 5 on of this side; those of `run` in one frame.
    fn way(last: u64, side: u8, run: std::ops::RangeInclusive<u64>) -> Vec<Link> {
        let (mut links, mut chain) = (Vec::new(), chain_start(log(1), &stream("notes")));
        for seq in 1..=last {
            let r = r(seq, if seq < 5 { 0 } else { side });
            chain = chain_next(chain, r);
            if seq == *run.end() {
                let frame = Frame::Void(VoidRun { first: *run.start(), last: seq, chain });
                links.push(Link { frame, r: None, chain });
            } else if !run.contains(&seq) {
                let frame = Frame::Stub(Stub { seq, r, reason: StubReason::Void });
                links.push(Link { frame, r: Some(r), chain });
            }
        }
        links
    }

    fn parted(left: &[Link], right: &[Link]) -> Parted {
        part(left, right, &mut 1)
    }

    #[test]
    fn ways_part_at_the_first_record_that_differs() {
        let at = Parting { first: 5, left: r(5, 1), right: r(5, 2) };
        let none = 20..=20;
        assert_eq!(parted(&way(8, 1, none.clone()), &way(9, 2, none.clone())), Parted::At(at));
        // A run before does not matter.
        assert_eq!(parted(&way(8, 1, 2..=3), &way(9, 2, none.clone())), Parted::At(at));
        assert_eq!(parted(&way(8, 1, 2..=4), &way(9, 2, none)), Parted::At(at));
    }

    #[test]
    fn where_a_run_hides_the_fork_they_part_where_it_begins() {
        for run in [3..=6, 3..=5, 4..=8] {
            let (left, right) = (way(9, 1, run.clone()), way(9, 2, 20..=20));
            for (left, right) in [(&left, &right), (&right, &left)] {
                let Parted::At(parting) = parted(left, right) else { panic!("{run:?}: {:?}", parted(left, right)) };
                assert_eq!(parting.first, *run.start());
                assert_ne!(parting.left, parting.right);
            }
        }
        // Both have one.
        assert!(matches!(parted(&way(9, 1, 3..=6), &way(9, 2, 2..=7)), Parted::At(Parting { first: 2, .. })));
    }

    #[test]
    fn a_mark_after_the_fork_is_not_believed() {
        let ours = BTreeMap::from([(0, r(0, 0)), (4, r(4, 0)), (6, r(6, 1)), (9, r(9, 1))]);
        assert_eq!(last_in_common(&ours, &[(0, r(0, 0)), (4, r(4, 0)), (5, r(5, 2))]), 4);
        assert_eq!(last_in_common(&ours, &[(0, r(0, 0)), (4, r(4, 0)), (6, r(6, 2)), (9, r(9, 1))]), 4);
        assert_eq!(last_in_common(&ours, &[(4, r(4, 2)), (9, r(9, 1))]), 0);
    }

    #[test]
    fn what_is_not_held_is_not_judged() {
        let none = 20..=20;
        assert_eq!(parted(&way(4, 1, none.clone()), &way(9, 2, none.clone())), Parted::Later);
        assert_eq!(parted(&way(9, 1, 3..=7), &way(6, 2, none.clone())), Parted::Unknown);
        assert_eq!(parted(&way(9, 1, none.clone()), &way(9, 2, none)[1..]), Parted::Unknown);
    }
}
