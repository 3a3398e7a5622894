//! Heads that were seen: verified, put in order, and compared with what is known. A head that covers less than a known one
//! is never followed.

use carry_kernel::clock::Timestamp;

use super::fault::point;
use super::incarnation::Reason;
use super::{Store, StoreError};
use crate::hash::Digest;
use crate::head::{HeadError, SignedHead};
use crate::name::{LogId, ObjectName, StreamName};

mod contradiction;
mod ends;
mod followed;
mod kept;
mod known;
mod list;
mod newer;
mod weigh;

pub(super) use contradiction::Ends;
use contradiction::note_wrong;
pub use followed::Followed;
use kept::{HeadRow, forget_newer, is_seen, prune};
pub(super) use kept::{add_marks, follow_newest, followed_digests, kept_on, seen};
use weigh::Verdict;

/// Heads of a log whose bytes are kept though they are not followed, newest first.
const OLD_KEPT: u64 = 32;
/// Heads before the followed one whose lists are kept: where a newer head cannot be passed on, one of them may be.
const LISTS_KEPT: u64 = 8;
/// Rows of heads that are kept of one log.
const ROWS_KEPT: u64 = 1024;
/// How often a head is weighed anew because another process took in one of its log meanwhile.
const RACES: usize = 16;
/// This version of the program, as a head that it cannot read is noted with.
pub(super) const READER: &str = env!("CARGO_PKG_VERSION");

/// What a head turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the newest of its way, and is followed. If it has a list that is not here, [`Followed::segments`] is none until
    /// [`Store::accept_list`] brought that.
    Followed {
        /// Which way of the log.
        track: u32,
    },
    /// It was seen before, or this device signed it.
    Known,
    /// A newer one is followed.
    Old,
    /// It covers less than the one that is followed, and whether it leads there cannot be told before more records are held.
    /// Nothing was kept: show it again.
    Unclear,
    /// It is newer and covers less than the one that is followed: its author's disk went back, or it lies. Not followed.
    Shrunk {
        /// A stream of which it covers less.
        stream: StreamName,
    },
    /// It contradicts what is known: two homes write the log. It is followed on a way of its own.
    Forked {
        /// The new way.
        track: u32,
    },
    /// It is of a log of this device that something else wrote, too: the device goes on in a new log.
    Foreign {
        /// The log that the device writes now.
        log: LogId,
    },
    /// It needs a later version of the program. Kept, to be passed on; the one before is followed.
    NeedsUpgrade,
}

impl Store {
    /// Takes in a head that a remote shows under `name`: verifies it, compares it with what is known, and keeps it.
    ///
    /// # Errors
    /// [`StoreError::Head`] says what is wrong with the bytes; [`StoreError::Full`] that there are too many logs that nobody
    /// approved. Then nothing is kept.
    pub fn see_head(&mut self, name: &ObjectName, bytes: &[u8], now: Timestamp) -> Result<Seen, StoreError> {
        self.refresh()?;
        self.note_time(now);
        let before = self.log;
        for _ in 0..RACES {
            let weighed = self.weigh_and_note(name, bytes, now);
            // It was of the log that this device went on from because of it.
            let is_ours = name.log() == before && self.log != before;
            match weighed {
                Ok(None) => {}
                Ok(Some(_)) | Err(StoreError::WrongHead { .. }) if is_ours => {
                    return Ok(Seen::Foreign { log: self.log });
                }
                Ok(Some(seen)) => return Ok(seen),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Raced("takes in heads of the same log"))
    }

    /// Weighs a head against those that are followed, and notes what it is. `None` when another process took one in meanwhile.
    fn weigh_and_note(&mut self, name: &ObjectName, bytes: &[u8], now: Timestamp) -> Result<Option<Seen>, StoreError> {
        let signed = match SignedHead::read(name, bytes) {
            Ok(signed) => signed,
            Err(HeadError::Newer { log, n, .. }) => {
                self.meet(log, None, now)?;
                let row = HeadRow { log, digest: Digest::of(&[bytes]), n, track: 0, verdict: "newer", bytes, now };
                if !self.is_seen(log, row.digest)? {
                    self.check_said(log, bytes.len() as u64)?;
                }
                self.db.write(|tx| {
                    forget_newer(tx, log, row.digest)?;
                    row.insert(tx)?;
                    // Of those that cannot be read, the newest alone is kept.
                    let sql = "UPDATE heads_seen SET bytes = NULL
                               WHERE log = ?1 AND verdict = 'newer' AND bytes IS NOT NULL AND digest <> (
                                   SELECT digest FROM heads_seen WHERE log = ?1 AND verdict = 'newer'
                                   ORDER BY n DESC, digest LIMIT 1)";
                    tx.prepare_cached(sql)?.execute([log.to_string()])?;
                    prune(tx, log)
                })?;
                return Ok(Some(Seen::NeedsUpgrade));
            }
            Err(error) => {
                let why = super::read::describe(&error);
                let &ObjectName::Head { log, n, .. } = name else { return Err(error.into()) };
                // What is not signed says nothing of the log, and a log that was never met keeps no rows.
                if !SignedHead::is_signed(name, bytes) || self.state(log)?.is_none() {
                    return Err(error.into());
                }
                if log == self.log {
                    // Whatever it says: something else signs with this key.
                    self.renew(Reason::ForeignHead, None, now)?;
                }
                self.note_refused_head(log, n, Digest::of(&[bytes]), &why, Some(READER), now)?;
                return Err(StoreError::WrongHead { name: name.clone(), why });
            }
        };
        let log = signed.head().log();
        if self.is_seen(log, signed.digest())? {
            return Ok(Some(Seen::Known));
        }
        self.verified.add_head(log, &signed);
        if log == self.log {
            // Before anything else is appended: what was signed there would be contradicted by it.
            self.renew(Reason::ForeignHead, None, now)?;
        }
        self.meet(log, signed.head().from.as_ref().map(crate::head::Vouch::log), now)?;
        self.check_said(log, bytes.len() as u64)?;
        if let Some(why) = self.contradiction(&signed)? {
            self.note_refused_head(log, signed.head().n, signed.digest(), &why, None, now)?;
            return Err(StoreError::WrongHead { name: name.clone(), why });
        }
        let followed = followed_digests(self.db.conn(), log)?;
        let (track, verdict) = self.place_head(&signed)?;
        let seen = match &verdict {
            Verdict::Unclear => return Ok(Some(Seen::Unclear)),
            Verdict::Follow => Seen::Followed { track },
            Verdict::Old => Seen::Old,
            Verdict::Shrunk(stream) => Seen::Shrunk { stream: stream.clone() },
            Verdict::Fork => Seen::Forked { track },
        };
        let text = match &verdict {
            Verdict::Follow | Verdict::Fork => "followed",
            Verdict::Old | Verdict::Unclear => "old",
            Verdict::Shrunk(_) => "shrunk",
        };
        point("exchange.head.weighed")?;
        let head = signed.head();
        let is_noted = self.db.write(|tx| {
            // Another process may have taken in a head of this log since it was weighed, also this very one.
            if followed_digests(tx, log)? != followed || is_seen(tx, log, signed.digest())? {
                return Ok::<_, StoreError>(false);
            }
            if text == "followed" {
                let sql =
                    "UPDATE heads_seen SET verdict = 'old' WHERE log = ?1 AND track = ?2 AND verdict = 'followed'";
                tx.prepare_cached(sql)?.execute((log.to_string(), track))?;
                add_marks(tx, head, track)?;
            }
            if verdict == Verdict::Fork {
                // What seemed to cover less than one way may go on from the other: it is looked at again when it is shown.
                let sql = "DELETE FROM heads_seen WHERE log = ?1 AND verdict = 'shrunk'";
                tx.prepare_cached(sql)?.execute([log.to_string()])?;
            }
            forget_newer(tx, log, signed.digest())?;
            let row = HeadRow { log, digest: signed.digest(), n: head.n, track, verdict: text, bytes, now };
            row.insert(tx)?;
            prune(tx, log)?;
            point("exchange.head.noted")?;
            Ok(true)
        })?;
        if !is_noted {
            return Ok(None);
        }
        self.share(log)?;
        // Another process may have taken in a segment since that shows it to be wrong.
        if text == "followed"
            && let Some(why) = self.contradiction(&signed)?
        {
            return Err(self.refuse_head(&signed, &why)?);
        }
        self.drop_unnamed_later(log)?;
        if !matches!(verdict, Verdict::Follow | Verdict::Old) {
            tracing::warn!(%log, n = head.n, ?seen, "a head contradicts what is known");
        }
        Ok(Some(seen))
    }

    /// Notes a head that its author made wrong, so that it is known and can be named.
    fn note_refused_head(
        &mut self,
        log: LogId,
        n: u64,
        digest: Digest,
        why: &str,
        reader: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        tracing::warn!(%log, n, why, "a head is as its author made it, and cannot be used");
        self.db.write(|tx| {
            forget_newer(tx, log, digest)?;
            HeadRow { log, digest, n, track: 0, verdict: "wrong", bytes: &[], now }.insert(tx)?;
            note_wrong(tx, log, digest, why, reader)?;
            prune(tx, log)
        })
    }

    fn is_seen(&self, log: LogId, digest: Digest) -> Result<bool, StoreError> {
        is_seen(self.db.conn(), log, digest)
    }
}
