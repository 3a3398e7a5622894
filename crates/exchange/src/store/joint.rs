//! Joins what comes to what is held: chains are compared where both sides can be known, and a head whose records contradict
//! those of the way it was thought to be on gets a way of its own.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::db::rusqlite;

use super::accept::Accepted;
use super::places;
use super::read::{Piece, pieces};
use super::rows::{self, Lane};
use super::{Limit, Store, StoreError};
use crate::chain::Link;
use crate::hash::Digest;
use crate::head::{Head, Segments, SignedHead};
use crate::limits::BRANCHES_MAX;
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::segment::Content;

/// Compares chains while they are read.
pub(super) struct Joint<'a> {
    known: &'a BTreeMap<u32, BTreeMap<u64, Digest>>,
    /// Where each way was seen to differ first.
    pub(super) differs: BTreeMap<u32, u64>,
}

impl<'a> Joint<'a> {
    pub(super) fn new(known: &'a BTreeMap<u32, BTreeMap<u64, Digest>>) -> Self {
        Self { known, differs: BTreeMap::new() }
    }

    pub(super) fn see(&mut self, link: &Link) {
        self.see_chain(link.frame.last(), link.chain);
    }

    pub(super) fn see_chain(&mut self, seq: u64, chain: Digest) {
        for (track, known) in self.known {
            if known.get(&seq).is_some_and(|known| *known != chain) {
                let at = self.differs.entry(*track).or_insert(seq);
                *at = seq.min(*at);
            }
        }
    }
}

/// A head that is or was followed on a way, and what it names where that is known.
pub(super) struct Told {
    head: Digest,
    segments: Option<Segments>,
}

/// Gives the head that named a contradicting segment a way of its own, with the heads it goes on from as far as they
/// contradict too, and lets the way it was on follow the newest that is left. `told` are the heads of that way, the followed
/// one first.
pub(super) fn split(tx: &rusqlite::Connection, lane: &Lane, told: &[Told], at: u64) -> Result<u32, StoreError> {
    let log = lane.log.to_string();
    let sql = "SELECT coalesce(max(track), 0) + 1 FROM heads_seen WHERE log = ?1";
    let next: u32 = tx.prepare_cached(sql)?.query_row([&log], |row| rows::track(row, 0))?;
    if next as usize >= BRANCHES_MAX {
        return Err(StoreError::Full(Limit::Ways));
    }
    let mut gone = BTreeSet::new();
    let mut one = told.first().map(|told| told.head);
    let mut newest = None;
    while let Some(digest) = one {
        let Some(head) = super::heads::seen(tx, lane.log, lane.track, digest)? else { break };
        if !reaches(head.head(), lane, at) {
            break;
        }
        gone.insert(digest);
        one = head.head().prev;
        newest.get_or_insert(head);
    }
    if let Some(newest) = newest {
        gone.extend(apart(tx, lane, at, &newest, &gone)?);
    }
    for digest in &gone {
        let Some(head) = super::heads::seen(tx, lane.log, lane.track, *digest)? else { continue };
        let sql = "UPDATE heads_seen SET track = ?1 WHERE log = ?2 AND digest = ?3";
        tx.prepare_cached(sql)?.execute((next, &log, digest.as_bytes()))?;
        super::heads::add_marks(tx, head.head(), next)?;
    }
    let (theirs, ours) = (named(told, |head| gone.contains(head)), named(told, |head| !gone.contains(head)));
    for (stream, theirs) in theirs {
        let there = Lane { stream: stream.clone(), ..lane.clone() };
        if stream == lane.stream {
            move_pieces(tx, &there, next, &theirs, at)?;
        } else {
            // In another stream nothing says where the ways part: what only those heads name is theirs.
            let ours = ours.get(&stream);
            let theirs = theirs.into_iter().filter(|digest| ours.is_none_or(|ours| !ours.contains(digest)));
            move_pieces(tx, &there, next, &theirs.collect(), 1)?;
        }
    }
    forget_unbacked(tx, lane.log, lane.track)?;
    super::heads::follow_newest(tx, lane.log, lane.track)?;
    Ok(next)
}

/// Whether a head covers a stream as far as a record.
fn reaches(head: &Head, lane: &Lane, at: u64) -> bool {
    head.streams.get(&lane.stream).is_some_and(|state| state.last >= at)
}

/// The heads that do not reach to where the ways part, and yet are not on the way that is left: `newest`, which goes, covers
/// them, and of them and the newest that is left each has something that the other lacks.
fn apart(
    tx: &rusqlite::Connection,
    lane: &Lane,
    at: u64,
    newest: &SignedHead,
    gone: &BTreeSet<Digest>,
) -> Result<Vec<Digest>, StoreError> {
    let mut left = super::heads::kept_on(tx, lane.log, lane.track)?;
    left.retain(|head| !gone.contains(&head.digest()));
    let Some(stays) = left.iter().find(|head| reaches(head.head(), lane, at)) else { return Ok(Vec::new()) };
    let covers = |one: &SignedHead, other: &SignedHead| {
        let last = |stream| one.head().streams.get(stream).map_or(0, |state| state.last);
        other.head().streams.iter().all(|(stream, state)| last(stream) >= state.last)
    };
    let is_apart = |head: &&SignedHead| {
        // What does not reach there does not cover what stays.
        !reaches(head.head(), lane, at) && covers(newest, head) && !covers(stays, head)
    };
    Ok(left.iter().filter(is_apart).map(SignedHead::digest).collect())
}

/// Forgets marks of a way that no record there backs: what heads that are not on it any more said of it. Only what is held is
/// certain.
pub(super) fn forget_unbacked(tx: &rusqlite::Connection, log: LogId, track: u32) -> Result<(), StoreError> {
    let text = log.to_string();
    let sql = "SELECT DISTINCT stream FROM marks WHERE log = ?1 AND track = ?2";
    let mut streams = tx.prepare_cached(sql)?;
    let streams = streams.query_map((&text, track), |row| rows::parsed(row, 0))?;
    for stream in streams.collect::<rusqlite::Result<Vec<StreamName>>>()? {
        let lane = Lane { log, track, stream };
        let held = rows::held(tx, &lane)?;
        for (seq, _) in rows::marks(tx, &lane, 0, u64::MAX >> 1)? {
            if !held.contains(seq) && !held.contains(seq + 1) {
                let sql = "DELETE FROM marks WHERE log = ?1 AND track = ?2 AND stream = ?3 AND seq = ?4";
                tx.prepare_cached(sql)?.execute((&text, track, lane.stream.as_str(), rows::int(seq)))?;
            }
        }
    }
    Ok(())
}

/// Lets go of what only one head of a way named and none that is left there reaches. What was folded of it is taken back; a good
/// head brings it again.
pub(super) fn drop_named(
    tx: &rusqlite::Connection,
    log: LogId,
    track: u32,
    told: &[Told],
    wrong: Digest,
) -> Result<(), StoreError> {
    let (theirs, ours) = (named(told, |head| *head == wrong), named(told, |head| *head != wrong));
    let mut reached = BTreeMap::new();
    for (_, digest) in super::heads::followed_digests(tx, log)?.into_iter().filter(|(on, _)| *on == track) {
        if let Some(head) = super::heads::seen(tx, log, track, digest)? {
            reached.extend(head.head().streams.iter().map(|(stream, state)| (stream.clone(), state.last)));
        }
    }
    for (stream, theirs) in theirs {
        let lane = Lane { log, track, stream };
        let last = reached.get(&lane.stream).copied().unwrap_or(0);
        let ours = ours.get(&lane.stream);
        let goes = |piece: &Piece| {
            let digest = piece.reference.digest;
            let is_named_still = ours.is_some_and(|ours| ours.contains(&digest));
            theirs.contains(&digest) && !is_named_still && piece.reference.last > last
        };
        let (gone, left): (Vec<_>, Vec<_>) = pieces(tx, &lane, 1, u64::MAX)?.into_iter().partition(goes);
        let within = |piece: &Piece| Ranges::of(piece.reference.first, piece.reference.last);
        let kept = left.iter().filter(|piece| piece.blocks.is_none()).map(within);
        let kept = kept.fold(Ranges::new(), |all, one| all.union(&one));
        let dropped = gone.iter().map(within).fold(Ranges::new(), |all, one| all.union(&one)).difference(&kept);
        let held = rows::held(tx, &lane)?;
        let Some(first) = held.intersection(&dropped).iter().next().map(|range| *range.start()) else { continue };
        let (text, stream) = (log.to_string(), lane.stream.as_str());
        for piece in &gone {
            let sql = "DELETE FROM segments WHERE log = ?1 AND track = ?2 AND stream = ?3 AND file = ?4";
            tx.prepare_cached(sql)?.execute((&text, track, stream, &piece.file))?;
            let sql = "DELETE FROM attached WHERE log = ?1 AND file = ?2
                       AND NOT EXISTS (SELECT 1 FROM segments WHERE log = ?1 AND file = ?2)";
            tx.prepare_cached(sql)?.execute((&text, &piece.file))?;
        }
        rows::set_held(tx, &lane, &held.difference(&dropped))?;
        let sql = "DELETE FROM forks WHERE log = ?1 AND stream = ?2";
        tx.prepare_cached(sql)?.execute((&text, stream))?;
        let sql = "INSERT INTO moved (log, track, stream, after) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT DO UPDATE SET after = min(after, excluded.after)";
        tx.prepare_cached(sql)?.execute((&text, track, stream, rows::int(first - 1)))?;
    }
    Ok(())
}

/// The segments that some of these heads name, of each stream.
fn named(told: &[Told], which: impl Fn(&Digest) -> bool) -> BTreeMap<StreamName, BTreeSet<Digest>> {
    let mut all: BTreeMap<StreamName, BTreeSet<Digest>> = BTreeMap::new();
    for told in told.iter().filter(|told| which(&told.head)) {
        for (stream, segments) in told.segments.iter().flatten() {
            all.entry(stream.clone()).or_default().extend(segments.iter().map(|segment| segment.digest));
        }
    }
    all
}

/// Moves what came of contradicting heads before they were known to contradict: it lay beyond a gap, where nothing could be
/// compared, or in a stream of which nothing else was held. What was folded of it is taken back, and folded again as the other
/// way's.
fn move_pieces(
    tx: &rusqlite::Connection,
    lane: &Lane,
    next: u32,
    named: &BTreeSet<Digest>,
    from: u64,
) -> Result<(), StoreError> {
    let there = Lane { track: next, ..lane.clone() };
    let (log, stream) = (lane.log.to_string(), lane.stream.as_str());
    let (mut moved, mut kept) = (Ranges::new(), Ranges::new());
    for piece in pieces(tx, lane, from, u64::MAX)? {
        let (first, last) = (piece.reference.first, piece.reference.last);
        if !named.contains(&piece.reference.digest) {
            if piece.blocks.is_none() {
                kept = kept.union(&Ranges::of(first, last));
            }
            continue;
        }
        // A part of it is held only as far as its blocks go: what lies outside was not held before either.
        let held = rows::held(tx, lane)?.intersection(&Ranges::of(first, last));
        let sql = "DELETE FROM segments WHERE log = ?1 AND track = ?2 AND stream = ?3 AND file = ?4";
        tx.prepare_cached(sql)?.execute((&log, lane.track, stream, &piece.file))?;
        rows::add_held(tx, &there, &held)?;
        for (seq, chain) in rows::marks(tx, lane, first - 1, last)? {
            rows::add_mark(tx, &there, seq, chain)?;
        }
        Piece { lane: there.clone(), ..piece }.insert(tx)?;
        moved = moved.union(&held);
    }
    let Some(first) = moved.iter().next().map(|range| *range.start()) else { return Ok(()) };
    // What other files hold, too, stays held.
    let moved = moved.difference(&kept);
    let left = rows::held(tx, lane)?.difference(&moved);
    rows::set_held(tx, lane, &left)?;
    for range in moved.iter() {
        let sql = "DELETE FROM marks WHERE log = ?1 AND track = ?2 AND stream = ?3 AND seq BETWEEN ?4 AND ?5";
        tx.prepare_cached(sql)?.execute((
            &log,
            lane.track,
            stream,
            rows::int(*range.start()),
            rows::int(*range.end()),
        ))?;
    }
    // Where ways part was found by what lay on the wrong one, too.
    let sql = "DELETE FROM forks WHERE log = ?1 AND stream = ?2";
    tx.prepare_cached(sql)?.execute((&log, stream))?;
    let sql = "INSERT INTO moved (log, track, stream, after) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT DO UPDATE SET after = min(after, excluded.after)";
    tx.prepare_cached(sql)?.execute((&log, lane.track, stream, rows::int(first.min(from.max(1)) - 1)))?;
    Ok(())
}

impl Store {
    /// The heads of a way, the followed one first.
    pub(super) fn told(&self, log: LogId, track: u32) -> Result<Vec<Told>, StoreError> {
        let followed = self.followed_of(log)?.into_iter().find(|followed| followed.track == track);
        let followed = followed.map(|followed| Told { head: followed.head.digest(), segments: followed.segments });
        let older = self.older_heads(log, track)?.into_iter();
        let older = older.map(|(head, segments)| Told { head: head.digest(), segments: Some(segments) });
        Ok(followed.into_iter().chain(older).collect())
    }

    /// Gives the other ways of a log the files that their heads name too, so that nothing is fetched twice.
    pub(super) fn share(&mut self, log: LogId) -> Result<(), StoreError> {
        // Each way that turns out to be two is one more: what names what is another then.
        for _ in 0..BRANCHES_MAX {
            if !self.share_until_split(log)? {
                break;
            }
        }
        Ok(())
    }

    /// Says whether a way turned out to be two.
    fn share_until_split(&mut self, log: LogId) -> Result<bool, StoreError> {
        let followed = self.followed_of(log)?;
        if followed.len() < 2 {
            return Ok(false);
        }
        for one in &followed {
            for (stream, segments) in one.segments.iter().flatten() {
                let lane = Lane { log, track: one.track, stream: stream.clone() };
                let held = rows::held(self.db.conn(), &lane)?;
                for other in followed.iter().filter(|other| other.track != one.track) {
                    let theirs = Lane { track: other.track, ..lane.clone() };
                    for piece in pieces(self.db.conn(), &theirs, 1, u64::MAX)? {
                        let at = segments.partition_point(|segment| segment.first < piece.reference.first);
                        let is_named = segments.get(at) == Some(&piece.reference);
                        let is_held = held.contains_all(piece.reference.first, piece.reference.last);
                        if is_named && !is_held && self.share_piece(&lane, piece)? {
                            return Ok(true);
                        }
                    }
                }
            }
        }
        Ok(false)
    }

    /// Gives a way a file that another way holds. Says whether what is held of both contradicts it, so that the head which names
    /// it has a way of its own now.
    fn share_piece(&mut self, lane: &Lane, piece: Piece) -> Result<bool, StoreError> {
        let opened = self.open_piece(&piece)?;
        let ends: BTreeMap<u64, Digest> =
            std::iter::once((piece.reference.first - 1, piece.base)).chain(opened.header().block_ends()).collect();
        let known = self.probe(std::slice::from_ref(lane), &piece.expected())?;
        let is_one_way = known.values().flatten().all(|(seq, chain)| ends.get(seq) == Some(chain));
        if !is_one_way {
            return self.take_as_new(&piece);
        }
        let is_here = |block: &usize| opened.place(*block).is_some();
        let ranges: Ranges = (0..opened.header().blocks.len())
            .filter(is_here)
            .filter_map(|block| match opened.header().blocks[block].content {
                Content::Records { first, last, .. } => Some(first..=last),
                Content::Attachment => None,
            })
            .collect();
        let piece = Piece { lane: lane.clone(), ..piece };
        self.db.write(|tx| {
            piece.insert(tx)?;
            rows::add_mark(tx, lane, piece.reference.last, piece.chain)?;
            rows::add_held(tx, lane, &ranges)
        })?;
        Ok(false)
    }

    /// Takes a file that is here as if it had just come, so that each of its records is compared. A part of one is not: it comes
    /// again.
    fn take_as_new(&mut self, piece: &Piece) -> Result<bool, StoreError> {
        if piece.blocks.is_some() {
            return Ok(false);
        }
        let file = places::open(&self.places.file(piece.lane.log, &piece.file))?;
        let taken =
            self.take_whole(&piece.expected(), piece.reference.bytes, file, |store, _| Ok(store.places.guard()?));
        match taken {
            Ok(accepted) => Ok(matches!(accepted, Accepted::Forked { .. })),
            // What is damaged, or one way too many, is for whoever fetches it to find.
            Err(StoreError::Segment(_) | StoreError::Full(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }
}
