//! Heads that contradict themselves: what they sign for is not what their own segments hold.
//!
//! Every byte of a segment lies under a hash that its head signed, so that it is the author's doing, whoever brought the files.
//! It is no fork either: for that two heads have to differ.

use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use super::RACES;
use super::kept::{follow_newest, followed_digests};
use crate::chain::chain_start;
use crate::hash::Digest;
use crate::head::{Segments, SignedHead, segments};
use crate::name::{LogId, StreamName};
use crate::segment::SegmentRef;
use crate::store::fault::point;
use crate::store::joint::{drop_named, forget_unbacked};
use crate::store::read::{describe, pieces};
use crate::store::rows::{Lane, digest, int, track};
use crate::store::{LogState, Store, StoreError};

/// The chain before and after the records of a segment.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct Ends {
    pub(in crate::store) base: Digest,
    pub(in crate::store) chain: Digest,
}

impl Store {
    /// What contradicts itself in a head whose list, if it has one, is here: its segments do not go from the first record to the
    /// last, or those that are held do not lead to its chains.
    pub(super) fn contradiction(&self, signed: &SignedHead) -> Result<Option<String>, StoreError> {
        let head = signed.head();
        let list = match &head.list {
            None => None,
            Some(list) => match crate::store::sign::find_list(self.db.conn(), &self.verified, head.log(), list)? {
                None => return Ok(None),
                found => found,
            },
        };
        let all = match segments(head, list.as_deref()) {
            Ok(all) => all,
            Err(error) => return Ok(Some(describe(&error))),
        };
        for (stream, named) in &all {
            let held = self.all_ends(head.log(), stream)?;
            let noted = |segment: &SegmentRef| Ok(held.of(segment));
            // Each in turn: what is fetched is compared with its neighbours, but all of these may have been held before.
            for segment in named {
                if let Some(ends) = held.of(segment)
                    && disagrees(signed, &all, stream, segment, ends, &noted)?.is_some()
                    && let Some(ends) = self.ends_in_file(head.log(), stream, segment)?
                    && let Some(why) = self.contradicts(signed, &all, stream, segment, ends)?
                {
                    return Ok(Some(why));
                }
            }
        }
        Ok(None)
    }

    /// How a segment that a head names contradicts that head, or another segment that it names and that is held. `ends` are
    /// read from its file.
    pub(in crate::store) fn contradicts(
        &self,
        signed: &SignedHead,
        all: &Segments,
        stream: &StreamName,
        reference: &SegmentRef,
        ends: Ends,
    ) -> Result<Option<String>, StoreError> {
        let log = signed.head().log();
        if disagrees(signed, all, stream, reference, ends, &|segment| self.ends_of(log, stream, segment))?.is_none() {
            return Ok(None);
        }
        // What is noted of the others may be damaged, which is not their author's doing: what their files say is what was named.
        disagrees(signed, all, stream, reference, ends, &|segment| self.ends_in_file(log, stream, segment))
    }

    /// The ends of a segment of which anything is held, as they were noted.
    fn ends_of(&self, log: LogId, stream: &StreamName, reference: &SegmentRef) -> Result<Option<Ends>, StoreError> {
        let sql = "SELECT base, chain FROM segments
                   WHERE digest = ?1 AND log = ?2 AND stream = ?3 AND first = ?4 AND last = ?5 LIMIT 1";
        let (first, last) = (int(reference.first), int(reference.last));
        let key = (reference.digest.as_bytes(), log.to_string(), stream.as_str(), first, last);
        let row = self
            .db
            .conn()
            .prepare_cached(sql)?
            .query_row(key, |row| Ok(Ends { base: digest(row, 0)?, chain: digest(row, 1)? }));
        Ok(row.optional()?)
    }

    /// The same, as the header of a file says, which is checked against the digest. None where no file can be read.
    fn ends_in_file(
        &self,
        log: LogId,
        stream: &StreamName,
        reference: &SegmentRef,
    ) -> Result<Option<Ends>, StoreError> {
        let sql = "SELECT DISTINCT track FROM segments WHERE digest = ?1 AND log = ?2 AND stream = ?3";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows =
            rows.query_map((reference.digest.as_bytes(), log.to_string(), stream.as_str()), |row| track(row, 0))?;
        for track in rows.collect::<rusqlite::Result<Vec<_>>>()? {
            let lane = Lane { log, track, stream: stream.clone() };
            let all = pieces(self.db.conn(), &lane, reference.first, reference.last)?;
            for piece in all.iter().filter(|piece| piece.reference == *reference) {
                match self.open_piece(piece) {
                    Ok(opened) => {
                        let header = opened.header();
                        return Ok(Some(Ends { base: header.base, chain: header.chain }));
                    }
                    Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(None)
    }

    /// Refuses a head that was followed: the newest of its way that is left is followed, and what only this one named goes.
    pub(in crate::store) fn refuse_head(&mut self, signed: &SignedHead, why: &str) -> Result<StoreError, StoreError> {
        let log = signed.head().log();
        // What this device wrote itself under an earlier key stays, whoever else signs for it.
        let is_ours = matches!(self.state(log)?, Some(LogState::Own | LogState::Former));
        for _ in 0..RACES {
            let followed = followed_digests(self.db.conn(), log)?;
            let Some(track) = way_of(self.db.conn(), log, signed.digest())? else {
                return Ok(StoreError::UnknownLog(log));
            };
            let told = self.told(log, track)?;
            point("exchange.head.refusing")?;
            let is_refused = self.db.write(|tx| {
                // Another process may have taken in a head of this log since, or found that its ways part.
                if followed_digests(tx, log)? != followed || way_of(tx, log, signed.digest())? != Some(track) {
                    return Ok::<_, StoreError>(false);
                }
                note_wrong(tx, log, signed.digest(), why, None)?;
                follow_newest(tx, log, track)?;
                if !is_ours {
                    drop_named(tx, log, track, &told, signed.digest())?;
                }
                forget_unbacked(tx, log, track)?;
                Ok(true)
            })?;
            if is_refused {
                tracing::warn!(%log, n = signed.head().n, why, "a head contradicts itself");
                return Ok(StoreError::WrongHead { name: signed.name(), why: why.to_owned() });
            }
        }
        Err(StoreError::Raced("takes in heads of the same log"))
    }
}

/// How a segment with these ends disagrees with a head that names it, or with a neighbour, whose ends `known` says.
fn disagrees(
    signed: &SignedHead,
    all: &Segments,
    stream: &StreamName,
    reference: &SegmentRef,
    ends: Ends,
    known: &dyn Fn(&SegmentRef) -> Result<Option<Ends>, StoreError>,
) -> Result<Option<String>, StoreError> {
    let head = signed.head();
    let (Some(named), Some(state)) = (all.get(stream), head.streams.get(stream)) else { return Ok(None) };
    let at = named.partition_point(|segment| segment.first < reference.first);
    let seq = reference.first - 1;
    let before = match at.checked_sub(1).and_then(|at| named.get(at)) {
        Some(before) => known(before)?.map(|before| before.chain),
        None => Some(chain_start(head.log(), stream)),
    };
    if before.is_some_and(|before| before != ends.base) {
        return Ok(Some(format!("its records of {stream} after {seq} do not join those before")));
    }
    let after = match named.get(at + 1) {
        Some(after) => known(after)?.map(|after| after.base),
        None if reference.last == state.last && state.chain != ends.chain => {
            return Ok(Some(format!("its records of {stream} do not lead to the chain that it signs for")));
        }
        None => None,
    };
    let is_joined = after.is_none_or(|after| after == ends.chain);
    Ok((!is_joined).then(|| format!("its records of {stream} after {} do not join those before", reference.last)))
}

/// On which way a head is that was not refused.
fn way_of(db: &rusqlite::Connection, log: LogId, head: Digest) -> Result<Option<u32>, StoreError> {
    let sql = "SELECT track FROM heads_seen WHERE log = ?1 AND digest = ?2 AND verdict IN ('followed', 'old')";
    Ok(db.prepare_cached(sql)?.query_row((log.to_string(), head.as_bytes()), |row| track(row, 0)).optional()?)
}

/// Notes that a head is as its author made it, and is not followed. `reader` is this version where another one may find it good;
/// what contradicts itself does so for good, also when the segments that show it are gone.
pub(super) fn note_wrong(
    tx: &rusqlite::Connection,
    log: LogId,
    digest: Digest,
    why: &str,
    reader: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE heads_seen SET verdict = 'wrong', bytes = NULL, reader = ?3, why = ?4
               WHERE log = ?1 AND digest = ?2";
    tx.prepare_cached(sql)?.execute((log.to_string(), digest.as_bytes(), reader, why))?;
    Ok(())
}
