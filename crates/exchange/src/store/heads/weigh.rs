//! What a head is, beside those of its log that are followed, and which way of the log it goes on.

use std::cell::RefCell;
use std::cmp::Reverse;

use crate::hash::Digest;
use crate::head::{SignedHead, Standing, standing};
use crate::limits::BRANCHES_MAX;
use crate::name::StreamName;
use crate::store::rows::Lane;
use crate::store::{Followed, Limit, Store, StoreError};

/// What is done with a head that is compared with the followed one of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Follow,
    Old,
    Unclear,
    Shrunk(StreamName),
    Fork,
}

impl Store {
    /// Which way of its log a head is on, and what it is there.
    pub(super) fn place_head(&self, signed: &SignedHead) -> Result<(u32, Verdict), StoreError> {
        let log = signed.head().log();
        let followed = self.followed_of(log)?;
        let (mut follow, mut found, mut unclear) = (None, None, None);
        // A way whose head it names as the one before comes first, then that with most of the segments that it names.
        let mut ways: Vec<_> = followed.iter().collect();
        let n_common = |way: &Followed| if followed.len() > 1 { n_common_segments(signed, way) } else { 0 };
        ways.sort_by_cached_key(|way| {
            (signed.head().prev != Some(way.head.digest()), Reverse(n_common(way)), way.track)
        });
        for way in ways {
            let failed = RefCell::new(None);
            let mark = |stream: &StreamName, seq| {
                match self.chain_at(&Lane { log, track: way.track, stream: stream.clone() }, seq) {
                    Ok(chain) => chain,
                    // What is damaged here says nothing about others' heads.
                    Err(StoreError::Damaged { .. }) => None,
                    Err(error) => {
                        failed.borrow_mut().get_or_insert(error);
                        None
                    }
                }
            };
            let is_unheard = self.is_unheard(&way.head)?;
            let verdict = weigh(&way.head, signed, &mark, is_unheard);
            if let Some(error) = failed.into_inner() {
                return Err(error);
            }
            match verdict {
                // Its chains lead there. That it goes on from another way may be no more than nothing that says otherwise.
                Verdict::Old => return Ok((way.track, verdict)),
                Verdict::Follow if signed.head().prev == Some(way.head.digest()) => return Ok((way.track, verdict)),
                Verdict::Follow => drop(follow.get_or_insert((way.track, verdict))),
                // Its head says that this was the one before: it goes on from no other until that is seen.
                Verdict::Unclear if way.head.head().prev == Some(signed.digest()) => return Ok((way.track, verdict)),
                Verdict::Unclear => unclear = Some((way.track, verdict)),
                Verdict::Shrunk(_) => drop(found.get_or_insert((way.track, verdict))),
                Verdict::Fork => {}
            }
        }
        if let Some(found) = follow.or(unclear).or(found) {
            return Ok(found);
        }
        let Some(last) = followed.iter().map(|way| way.track).max() else {
            return Ok((0, Verdict::Follow));
        };
        if last as usize + 1 >= BRANCHES_MAX {
            return Err(StoreError::Full(Limit::Ways));
        }
        Ok((last + 1, Verdict::Fork))
    }

    /// Whether a head was signed here and never put anywhere, as far as is known.
    fn is_unheard(&self, head: &SignedHead) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM heads_signed WHERE log = ?1 AND digest = ?2 AND NOT is_heard)";
        let digest = head.digest();
        let row = (head.head().log().to_string(), digest.as_bytes());
        Ok(self.db.conn().prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
    }
}

/// How many segments of its tails a head and the one that is followed on a way both name.
fn n_common_segments(signed: &SignedHead, way: &Followed) -> usize {
    let named = way.segments.iter().flatten();
    let common = named.map(|(stream, segments)| {
        let tail = signed.head().streams.get(stream).map_or(&[][..], |state| &state.tail);
        tail.iter().filter(|one| segments.contains(one)).count()
    });
    common.sum()
}

/// Compares a head with the one that is followed. `mark` gives what is known here of the chains of that one's way. `is_unheard`
/// says that the known one was signed here and put nowhere: then another home cannot have gone on from it.
fn weigh(
    known: &SignedHead,
    other: &SignedHead,
    mark: &dyn Fn(&StreamName, u64) -> Option<Digest>,
    is_unheard: bool,
) -> Verdict {
    let is_next = other.head().n == known.head().n + 1;
    match standing(known, other, mark) {
        // Nobody signs a head that goes on from another than there was.
        Standing::Newer { .. } if is_next && other.head().prev != Some(known.digest()) => Verdict::Fork,
        Standing::Newer { .. } if !is_next && is_unheard => Verdict::Fork,
        Standing::Newer { .. } => Verdict::Follow,
        Standing::Same | Standing::Older => Verdict::Old,
        Standing::Unclear => Verdict::Unclear,
        Standing::Less(stream) => Verdict::Shrunk(stream),
        Standing::Twin | Standing::Fork { .. } => Verdict::Fork,
    }
}
