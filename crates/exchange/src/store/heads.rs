//! Heads that were seen: verified, put in order, and compared with what is known. A head that covers less than a known one
//! is never followed.

use std::cell::RefCell;
use std::collections::BTreeSet;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite;

use super::fault::point;
use super::incarnation::Reason;
use super::logs::LogState;
use super::rows::{self, Lane, digest, int, number, track};
use super::{Store, StoreError};
use crate::hash::Digest;
use crate::head::{HeadError, ListRef, Segments, SignedHead, Standing, segments, standing};
use crate::limits::BRANCHES_MAX;
use crate::list::List;
use crate::name::{LogId, ObjectId, ObjectName, StreamName};

mod contradiction;
mod kept;

pub(super) use contradiction::Ends;
use contradiction::note_wrong;
use kept::{HeadRow, forget_newer, is_seen, prune};
pub(super) use kept::{add_marks, follow_newest, followed_digests, seen};

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

/// Why no more is taken in of a log that was forked too often.
pub(crate) const WAYS: &str = "a forked log has 8 ways at most";

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

/// What the newest head of one way of a log names.
#[derive(Clone, Debug)]
pub struct Followed {
    /// The log.
    pub log: LogId,
    /// Which of its ways; 0 unless it was forked.
    pub track: u32,
    /// Whether the log counts.
    pub state: LogState,
    /// The head.
    pub head: SignedHead,
    /// All segments; none while the head's list is not here.
    pub segments: Option<Segments>,
}

/// What is done with a head that is compared with the followed one of a way.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Follow,
    Old,
    Unclear,
    Shrunk(StreamName),
    Fork,
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

    /// Looks again at heads that needed a later version when another version of the program saw them: this one may read them.
    /// Of those whose bytes were let go the remote is asked again. A row is replaced when its head is taken in, and until then
    /// it counts as before; one that is damaged, or that the store cannot take in, keeps no store from opening.
    pub(super) fn reconsider_heads(&mut self, now: Timestamp) {
        let heads = match self.heads_of_other_versions() {
            Ok(heads) => heads,
            Err(error) => {
                tracing::warn!(error = %super::describe(&error), "heads that were kept cannot be looked at again");
                return;
            }
        };
        for (log, n, digest, bytes) in heads {
            let done = match bytes {
                Some(bytes) => self.see_head(&ObjectName::head(log, n, digest), &bytes, now).map(Some),
                None => Ok(None),
            };
            let done = point("exchange.head.reconsidered").map_err(StoreError::from).and(done);
            // What stands for nothing that could still be read here: where the head is, it is found again.
            let is_let_go = match &done {
                Ok(None | Some(Seen::Unclear | Seen::Foreign { .. })) | Err(StoreError::Head(_)) => true,
                Ok(Some(_)) | Err(_) => false,
            };
            match done {
                Ok(Some(seen)) => {
                    tracing::info!(%log, n, ?seen, "a head was looked at again by another version of the program");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%log, n, error = %super::describe(&error), "a head that was kept cannot be taken in");
                }
            }
            // In the own log it stays for what it says: that there is something there that this version cannot read.
            if is_let_go
                && log != self.log
                && let Err(error) = self.db.write(|tx| forget_newer(tx, log, digest))
            {
                tracing::warn!(%log, n, error = %super::describe(&error), "a head that was kept cannot be let go");
            }
        }
    }

    /// Heads that another version of the program could not read. Damaged rows are left out.
    fn heads_of_other_versions(&self) -> Result<Vec<KeptHead>, StoreError> {
        let sql = "SELECT log, n, digest, bytes FROM heads_seen
                   WHERE verdict = 'newer' AND reader IS NOT ?1 ORDER BY log, n";
        let mut rows = self.db.conn().prepare(sql)?;
        let rows = rows.query_map([READER], |row| {
            let (log, n, digest): (LogId, _, _) = (rows::parsed(row, 0)?, number(row, 1)?, digest(row, 2)?);
            Ok((log, n, digest, row.get::<_, Option<Vec<u8>>>(3)?))
        })?;
        let mut heads = Vec::new();
        for row in rows {
            match row {
                Ok(head) => heads.push(head),
                Err(error) => tracing::warn!(%error, "the row of a head that was kept is damaged"),
            }
        }
        Ok(heads)
    }

    /// Takes in the list that a followed head refers to.
    ///
    /// # Errors
    /// [`StoreError::List`] says what is wrong with the bytes.
    pub fn accept_list(&mut self, log: LogId, reference: &ListRef, bytes: &[u8]) -> Result<(), StoreError> {
        List::read(bytes, log, reference)?;
        let named: Vec<ListRef> =
            self.followed_of(log)?.iter().filter_map(|followed| followed.head.head().list).collect();
        if !named.contains(reference) {
            return Err(StoreError::UnknownLog(log));
        }
        self.check_said(log, bytes.len() as u64)?;
        let older = {
            let sql = "SELECT n, digest, bytes FROM heads_seen WHERE log = ?1 AND verdict = 'old' AND bytes IS NOT NULL
                       ORDER BY n DESC LIMIT ?2";
            let mut rows = self.db.conn().prepare_cached(sql)?;
            let rows = rows.query_map((log.to_string(), int(LISTS_KEPT)), |row| {
                Ok((number(row, 0)?, digest(row, 1)?, row.get::<_, Vec<u8>>(2)?))
            })?;
            let heads = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            let read = heads.iter().filter_map(|(n, digest, bytes)| {
                SignedHead::read(&ObjectName::head(log, *n, *digest), bytes).ok()?.head().list
            });
            read.collect::<Vec<ListRef>>()
        };
        let kept = |digest: Digest| named.iter().chain(&older).any(|list| list.digest == digest);
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO lists (log, digest, bytes) VALUES (?1, ?2, ?3)";
            tx.prepare_cached(sql)?.execute((log.to_string(), reference.digest.as_bytes(), bytes))?;
            let mut held = tx.prepare_cached("SELECT digest FROM lists WHERE log = ?1")?;
            let held =
                held.query_map([log.to_string()], |row| digest(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            for old in held.into_iter().filter(|held| !kept(*held)) {
                tx.prepare_cached("DELETE FROM lists WHERE log = ?1 AND digest = ?2")?
                    .execute((log.to_string(), old.as_bytes()))?;
            }
            point("exchange.list.noted")?;
            Ok::<_, StoreError>(())
        })?;
        self.share(log)?;
        for followed in self.followed_of(log)? {
            let names_it = followed.head.head().list.is_some_and(|list| list.digest == reference.digest);
            if names_it && let Some(why) = self.contradiction(&followed.head)? {
                return Err(self.refuse_head(&followed.head, &why)?);
            }
        }
        self.drop_unnamed_later(log)
    }

    /// What the newest heads name, of all logs but the own one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn followed(&self) -> Result<Vec<Followed>, StoreError> {
        let sql =
            "SELECT h.log, l.state, h.track, h.n, h.digest, h.bytes FROM heads_seen h JOIN logs l ON l.log = h.log
                   WHERE h.verdict = 'followed' AND h.log <> ?1 ORDER BY h.log, h.track";
        self.followed_rows(sql, self.log)
    }

    /// The same for one log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn followed_of(&self, log: LogId) -> Result<Vec<Followed>, StoreError> {
        let sql =
            "SELECT h.log, l.state, h.track, h.n, h.digest, h.bytes FROM heads_seen h JOIN logs l ON l.log = h.log
                   WHERE h.verdict = 'followed' AND h.log = ?1 ORDER BY h.track";
        self.followed_rows(sql, log)
    }

    fn followed_rows(&self, sql: &str, log: LogId) -> Result<Vec<Followed>, StoreError> {
        let mut rows = self.db.conn().prepare_cached(sql)?;
        // While the rows are read all that is read besides takes no lock of its own.
        let mut rows = rows.query([log.to_string()])?;
        let mut all = Vec::new();
        while let Some(row) = rows.next()? {
            let log: LogId = rows::parsed(row, 0)?;
            let state = super::logs::state_of(row, 1, log)?;
            let (track, n, digest, bytes) =
                (track(row, 2)?, number(row, 3)?, digest(row, 4)?, row.get::<_, Vec<u8>>(5)?);
            let head = self
                .verified
                .head(log, n, digest, &bytes)
                .map_err(|e| StoreError::damaged(format!("head {n} of {log}"), super::read::describe(&e)))?;
            let segments = self.segments_of(&head)?;
            all.push(Followed { log, track, state, head, segments });
        }
        Ok(all)
    }

    fn segments_of(&self, head: &SignedHead) -> Result<Option<Segments>, StoreError> {
        let log = head.head().log();
        let list = match head.head().list {
            None => None,
            Some(list) => match super::sign::find_list(self.db.conn(), &self.verified, log, &list)? {
                None => return Ok(None),
                found => found,
            },
        };
        // A head and a list that do not fit each other are signed nonsense: nothing of it can be fetched.
        Ok(segments(head.head(), list.as_deref()).ok())
    }

    fn is_seen(&self, log: LogId, digest: Digest) -> Result<bool, StoreError> {
        is_seen(self.db.conn(), log, digest)
    }

    /// Whether a head need not be fetched: it was seen, or signed here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn knows_head(&self, name: &ObjectName) -> Result<bool, StoreError> {
        let &ObjectName::Head { log, n, id } = name else { return Ok(false) };
        let sql = "SELECT digest FROM heads_seen WHERE log = ?1 AND n = ?2 AND NOT (verdict = 'newer' AND reader IS NOT ?3 OR verdict = 'wrong' AND ifnull(reader, ?3) <> ?3)
                   UNION SELECT digest FROM heads_signed WHERE log = ?1 AND n = ?2";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(n), READER), |row| digest(row, 0))?;
        let digests = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(digests.into_iter().any(|digest| crate::name::ObjectId::of(digest) == id))
    }

    /// The heads of a log that need not be fetched, of those with these numbers.
    pub(crate) fn known_heads(
        &self,
        log: LogId,
        first: u64,
        last: u64,
    ) -> Result<BTreeSet<(u64, ObjectId)>, StoreError> {
        let sql = "SELECT n, digest FROM heads_seen WHERE log = ?1 AND n BETWEEN ?2 AND ?3
                       AND NOT (verdict = 'newer' AND reader IS NOT ?4 OR verdict = 'wrong' AND ifnull(reader, ?4) <> ?4)
                   UNION ALL SELECT n, digest FROM heads_signed WHERE log = ?1 AND n BETWEEN ?2 AND ?3";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(first), int(last), READER), |row| {
            Ok((number(row, 0)?, ObjectId::of(digest(row, 1)?)))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The largest number of a head of a log that is followed; 0 for none.
    pub(crate) fn followed_n(&self, log: LogId) -> Result<u64, StoreError> {
        let sql = "SELECT coalesce(max(n), 0) FROM heads_seen WHERE log = ?1 AND verdict = 'followed'";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| number(row, 0))?)
    }

    /// On which way of its log a head lies that was verified, and whether it needs a later version; `None` for one that was
    /// not seen, or is refused.
    pub(crate) fn head_track(&self, name: &ObjectName) -> Result<Option<(u32, bool)>, StoreError> {
        let &ObjectName::Head { log, n, id } = name else { return Ok(None) };
        // What was signed here lies on the way on which a former log goes on.
        let sql = "SELECT digest, track, verdict FROM heads_seen WHERE log = ?1 AND n = ?2
                   UNION ALL SELECT digest, 0, 'old' FROM heads_signed WHERE log = ?1 AND n = ?2";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), int(n)), |row| {
            Ok((digest(row, 0)?, track(row, 1)?, row.get::<_, String>(2)?))
        })?;
        for row in rows {
            let (digest, track, verdict) = row?;
            if crate::name::ObjectId::of(digest) == id && verdict != "shrunk" && verdict != "wrong" {
                return Ok(Some((track, verdict == "newer")));
            }
        }
        Ok(None)
    }

    /// Heads of a way before the one that is followed, newest first, with what they name where their lists are here.
    pub(crate) fn older_heads(&self, log: LogId, way: u32) -> Result<Vec<(SignedHead, Segments)>, StoreError> {
        let sql =
            "SELECT digest FROM heads_seen WHERE log = ?1 AND track = ?2 AND verdict = 'old' AND bytes IS NOT NULL
                   ORDER BY n DESC LIMIT ?3";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), way, int(LISTS_KEPT)), |row| digest(row, 0))?;
        let mut older = Vec::new();
        for digest in rows.collect::<rusqlite::Result<Vec<_>>>()? {
            let Some(head) = seen(self.db.conn(), log, way, digest)? else { continue };
            if let Some(segments) = self.segments_of(&head)? {
                older.push((head, segments));
            }
        }
        Ok(older)
    }

    /// Whether a head was signed here and never put anywhere, as far as is known.
    fn is_unheard(&self, head: &SignedHead) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM heads_signed WHERE log = ?1 AND digest = ?2 AND NOT is_heard)";
        let digest = head.digest();
        let row = (head.head().log().to_string(), digest.as_bytes());
        Ok(self.db.conn().prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
    }

    /// Which way of its log a head is on, and what it is there.
    fn place_head(&self, signed: &SignedHead) -> Result<(u32, Verdict), StoreError> {
        let log = signed.head().log();
        let followed = self.followed_of(log)?;
        let (mut found, mut unclear) = (None, None);
        // A way whose head it names as the one before comes first.
        let mut ways: Vec<_> = followed.iter().collect();
        ways.sort_by_key(|way| (signed.head().prev != Some(way.head.digest()), way.track));
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
                Verdict::Follow | Verdict::Old => return Ok((way.track, verdict)),
                Verdict::Unclear => unclear = Some((way.track, verdict)),
                Verdict::Shrunk(_) => drop(found.get_or_insert((way.track, verdict))),
                Verdict::Fork => {}
            }
        }
        if let Some(found) = unclear.or(found) {
            return Ok(found);
        }
        let Some(last) = followed.iter().map(|way| way.track).max() else {
            return Ok((0, Verdict::Follow));
        };
        if last as usize + 1 >= BRANCHES_MAX {
            return Err(StoreError::Full(WAYS));
        }
        Ok((last + 1, Verdict::Fork))
    }
}

/// A head that was kept for a later version: its log, number, digest and, unless they were let go, bytes.
type KeptHead = (LogId, u64, Digest, Option<Vec<u8>>);
