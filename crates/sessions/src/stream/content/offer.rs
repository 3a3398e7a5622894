//! Says what has changed in own sessions.

use std::collections::BTreeMap;

use carry_exchange::register::Lineage;
use carry_exchange::store::{Store, StoreError};
use carry_exchange::strand::{NewRecord, Offered, outbox};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection};
use carry_redact::Redactor;

use super::burst::{Part, Saying, Word};
use super::fold::{Folding, Heard};
use super::payload::{Generation, PayloadError, REPLACES_MAX, hash};
use super::plan::{self, Difference};
use super::said;
use super::{ContentError, ContentStrand, Limits, unsayable};
use crate::archive::{Archive, SessionRow};
use crate::mask::pieces::MaskingError;
use crate::model::SessionId;

mod account;
mod ahead;
mod attempt;
mod draft;
mod remembered;

use account::Account;
use ahead::Ahead;
use attempt::Attempt;
use draft::{Draft, First};

/// Bytes in the outbox after which they are handed over.
const DRAIN_BYTES: u64 = 8 * 1024 * 1024;

/// Pages of the archive's log after which SQLite folds it, as it does by itself.
const LOG_PAGES: u32 = 1000;

/// The same while much is said: what makes sessions ready reads beside it, so that a log that is to be folded cannot be begun anew
/// and would be synced with each session. A head's worth takes fewer.
const LOG_PAGES_SAYING: u32 = 32 * 1024;

/// What was said of a session at one go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Done {
    bytes: u64,
    /// Whether all of it is said.
    is_complete: bool,
}

/// What a session is made ready from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source<'a> {
    archive: &'a Archive,
    redactor: &'a Redactor,
    limits: Limits,
}

impl ContentStrand {
    fn source(&self) -> Source<'_> {
        Source { archive: &self.archive, redactor: &self.redactor, limits: self.limits }
    }

    /// Hands over what lies in the outbox; it then counts as said.
    pub(super) fn drain(&mut self, store: &mut Store, now: Timestamp) -> Result<usize, ContentError> {
        if outbox::n_waiting(self.archive.db.conn(), &self.stream)? == 0 {
            return Ok(0);
        }
        let own = store.log();
        let alias = store.logs()?.into_iter().find(|row| row.log == own).map(|row| row.alias).unwrap_or_default();
        let Self { archive, stream, pushed, .. } = self;
        let drained =
            outbox::drain_pushed(&mut archive.db, stream, store, now, pushed, &mut |tx, new, place, told| {
                let mut folding = Folding::begin(tx, &place.log.to_string(), 0, &alias, true)?;
                let NewRecord { flags, key, kind, payload, .. } = new;
                let (seq, at, of) = (place.seq, place.at, Lineage::trunk(place.log));
                folding.take(Heard { key, flags: *flags, kind: *kind, payload, seq, at, of }, told)?;
                Ok(folding.end()?)
            })?;
        Ok(drained)
    }

    /// Says what changed, newest sessions first, until `bytes` are through. While one session is said, the next are made ready.
    pub(super) fn say(&mut self, store: &mut Store, bytes: u64, now: Timestamp) -> Result<Offered, ContentError> {
        self.withdraw()?;
        let all = to_say(self.archive.db.conn())?;
        self.fold_log(&format!("PRAGMA wal_autocheckpoint = {LOG_PAGES_SAYING}"));
        let said = self.say_each(all, store, bytes, now);
        self.fold_log(&format!("PRAGMA wal_autocheckpoint = {LOG_PAGES}"));
        if said.as_ref().map_or(true, |(_, bytes)| *bytes >= DRAIN_BYTES) {
            // Nobody reads beside it any more, so that all of it can be folded.
            self.fold_log("PRAGMA wal_checkpoint(PASSIVE)");
        }
        Ok(said?.0)
    }

    /// Folds the archive's log into its file, or says when. What is in the log is durable, so that a failure costs nothing but room:
    /// the next time that it is folded succeeds, or writing fails.
    fn fold_log(&self, pragma: &str) {
        if let Err(error) = self.archive.db.conn().execute_batch(pragma) {
            tracing::warn!(%error, pragma, "the archive's log cannot be folded");
        }
    }

    /// Says these sessions. Gives how many bytes went, too.
    fn say_each(
        &mut self,
        all: Vec<i64>,
        store: &mut Store,
        bytes: u64,
        now: Timestamp,
    ) -> Result<(Offered, u64), ContentError> {
        let mut offered = Offered::default();
        let (mut left, mut waiting) = (bytes, 0);
        let mut ahead = match all.len() {
            0 | 1 => None,
            _ => Ahead::begin(self, &all),
        };
        for n in all {
            if left == 0 {
                offered.has_more = true;
                break;
            }
            let draft = match &mut ahead {
                Some(ahead) => ahead.next(n, left)?,
                None => None,
            };
            let done = self.say_session(n, draft, left, store)?;
            left = left.saturating_sub(done.bytes);
            waiting += done.bytes;
            if waiting >= DRAIN_BYTES {
                offered.n_records += self.drain(store, now)?;
                waiting = 0;
            }
            if !done.is_complete {
                offered.has_more = true;
                break;
            }
        }
        offered.n_records += self.drain(store, now)?;
        Ok((offered, bytes - left))
    }

    /// Takes back what was said of sessions that were deleted for good since.
    fn withdraw(&mut self) -> Result<(), ContentError> {
        let conn = self.archive.db.conn();
        let sql = "SELECT d.id FROM curation c JOIN said_sessions d ON d.id = c.session
                   WHERE c.field = 'deleted' AND c.item = '' AND c.value IS NOT NULL AND NOT d.is_withdrawn";
        let deleted: Vec<String> =
            conn.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
        for id in deleted.into_iter().map(SessionId::stored) {
            let account = Account::load(self.archive.db.conn(), &id)?;
            let Some(live) = &account.live else {
                // Not looked at again until something is known to have been said of it.
                let sql = "UPDATE said_sessions SET is_withdrawn = 1 WHERE id = ?1";
                self.archive.db.write(|tx| Ok::<_, ContentError>(tx.prepare_cached(sql)?.execute([id.as_str()])?))?;
                continue;
            };
            let replaces = account.replaces(live.id);
            let word = Word { id: &id, of: &live.name, generation: live.id, is_new: true, replaces: &replaces };
            let record = word.withdrawal().map_err(unwritable)?;
            self.archive.db.write(|tx| outbox::push(tx, &self.stream, &record).map(drop))?;
        }
        Ok(())
    }

    /// Says what changed in one session, of which there may be a draft.
    fn say_session(
        &mut self,
        n: i64,
        draft: Option<Draft>,
        bytes: u64,
        store: &mut Store,
    ) -> Result<Done, ContentError> {
        let complete = Done { bytes: 0, is_complete: true };
        let draft = match draft {
            Some(draft) => draft,
            None => match Draft::of(n, self.source(), bytes)? {
                Some(draft) => draft,
                None => return Ok(complete),
            },
        };
        let Draft { row, facts, account, known, ordinals, first } = draft;
        let read = Read { row: &row, live: account.live.as_ref().map(|live| live.id) };
        let first = match first {
            First::Nothing => {
                self.finish(&read, None, &[], Vec::new(), true, None)?;
                return Ok(complete);
            }
            First::Unmaskable(error) => {
                self.finish(&read, None, &[(None, error.to_string())], Vec::new(), true, None)?;
                return Ok(complete);
            }
            First::Attempt(first) => *first,
        };
        let difference = Difference {
            said: account.hashes.len(),
            changed: first.changed,
            vanished: plan::n_vanished(&account.hashes, &ordinals),
            has_other_name: account.live.as_ref().is_some_and(|live| live.name != first.name),
            is_masked_alike: known.as_ref().is_some_and(|known| known.values == first.known.values),
        };
        let is_anew = account.live.is_none() || difference.begins_anew();
        let mut attempt = match is_anew && !account.hashes.is_empty() {
            false => first,
            true => match Attempt::make(self.source(), &row, facts, None, &BTreeMap::new(), bytes) {
                Err(AttemptError::Masking(error)) => {
                    self.finish(&read, None, &[(None, error.to_string())], Vec::new(), true, None)?;
                    return Ok(complete);
                }
                Err(AttemptError::Content(error)) => return Err(error),
                Ok(again) => again,
            },
        };
        let generation = match account.live.as_ref().filter(|_| !is_anew) {
            Some(live) => live.id,
            None => Generation(store.nonce()?.0),
        };
        let replaces = account.replaces(generation);
        let word = Word { id: &row.id, of: &attempt.name, generation, is_new: is_anew, replaces: &replaces };
        let has_new_facts = is_anew || account.facts != attempt.facts.as_deref().map(hash);
        let facts = attempt.facts.clone().filter(|_| has_new_facts);
        let mut set = || store.nonce().map(|nonce| Generation(nonce.0)).map_err(ContentError::Store);
        let out = std::mem::take(&mut attempt.out);
        // What was not looked at is as unsayable as before.
        let said: Vec<Option<u32>> = [None].into_iter().chain(out.iter().flat_map(Part::ordinals).map(Some)).collect();
        let said = Some(said.as_slice()).filter(|_| !is_anew && known.is_some());
        let records = word.records(facts, out, self.limits, &mut set)?;
        let bytes = records.iter().map(|record| record.out.payload.len() as u64).sum();
        self.finish(&read, Some(&attempt), &attempt.skipped, records, attempt.is_complete, said)?;
        Ok(Done { bytes, is_complete: attempt.is_complete })
    }

    /// Says what changed in one session, as far as the outbox.
    #[cfg(test)]
    pub(super) fn say_only(&mut self, store: &mut Store, n: i64) {
        assert!(self.say_session(n, None, u64::MAX, store).expect("it is said").is_complete);
    }

    /// Makes one session ready as it is now, and says it after `between`.
    #[cfg(test)]
    pub(super) fn say_late(&mut self, store: &mut Store, n: i64, between: impl FnOnce(&mut Archive)) {
        let draft = Draft::of(n, self.source(), u64::MAX).expect("it is read");
        between(&mut self.archive);
        self.say_session(n, draft, u64::MAX, store).expect("it is said");
    }

    /// Writes what is to be said, and what to remember, in one transaction. Nothing is written of a session that was deleted since it
    /// was read, nor of one whose account counts no more, as another process has heard meanwhile: it is made ready again.
    fn finish(
        &mut self,
        read: &Read<'_>,
        attempt: Option<&Attempt>,
        reasons: &[(Option<u32>, String)],
        records: Vec<Saying>,
        is_complete: bool,
        said: Option<&[Option<u32>]>,
    ) -> Result<(), ContentError> {
        let (stream, redactor, row) = (&self.stream, &self.redactor, read.row);
        let mut pushed = Vec::with_capacity(records.len());
        self.archive.db.write(|tx| {
            let sql = "SELECT 1 FROM sessions WHERE n = ?1 AND id = ?2";
            if !tx.prepare_cached(sql)?.exists((row.n, row.id.as_str()))? || read.is_buried(tx)? {
                return Ok(());
            }
            let mut reasons = reasons.to_vec();
            for Saying { out, end, told } in records {
                match outbox::push_before(tx, stream, &out, end.as_ref()) {
                    Ok(row) => pushed.extend(told.map(|told| (row, out.payload, told))),
                    // One that no record can hold stands in no other's way.
                    Err(StoreError::Frame(error)) => reasons.push((None, error.to_string())),
                    Err(error) => return Err(ContentError::Store(error)),
                }
            }
            unsayable::note(tx, &row.id, &reasons, said)?;
            if let Some(attempt) = attempt {
                let (session, _) = said::session(tx, &row.id)?;
                remembered::save(tx, session, redactor, &attempt.known)?;
            }
            if is_complete {
                tx.prepare_cached("UPDATE sessions SET said = ?2 WHERE n = ?1")?.execute((row.n, row.digest))?;
            }
            Ok::<_, ContentError>(())
        })?;
        pushed.into_iter().for_each(|(row, payload, told)| self.pushed.add(row, payload, told));
        Ok(())
    }
}

/// A session as it was read, with the account of it that is gone on with.
struct Read<'a> {
    row: &'a SessionRow,
    live: Option<Generation>,
}

impl Read<'_> {
    /// Whether the account counts no more.
    fn is_buried(&self, conn: &Connection) -> rusqlite::Result<bool> {
        let Some(live) = self.live else { return Ok(false) };
        let Some((session, _)) = said::find_session(conn, &self.row.id)? else { return Ok(false) };
        Ok(said::generations(conn, session)?.iter().any(|generation| generation.id == live && generation.is_dead))
    }
}

/// Why a session could not be made ready.
enum AttemptError {
    /// It cannot be masked: it stays here.
    Masking(MaskingError),
    /// Something failed.
    Content(ContentError),
}

impl From<MaskingError> for AttemptError {
    fn from(error: MaskingError) -> Self {
        match error {
            MaskingError::Archive(error) => Self::Content(error.into()),
            other => Self::Masking(other),
        }
    }
}

impl From<PayloadError> for ContentError {
    fn from(error: PayloadError) -> Self {
        unwritable(error)
    }
}

/// Payloads are made of JSON that was written here.
fn unwritable(error: PayloadError) -> ContentError {
    ContentError::Store(StoreError::Io(std::io::Error::other(error)))
}

/// Own sessions of which not all is said, newest first.
fn to_say(conn: &Connection) -> rusqlite::Result<Vec<i64>> {
    let sql = "SELECT n FROM sessions WHERE unit IS NOT NULL AND said IS NOT digest ORDER BY ended_ms DESC";
    conn.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
}
