//! The search for attachments that records want: in the held files, with what each needs in turn.

use std::collections::BTreeSet;
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};

use crate::name::{LogId, StreamName};
use crate::record::AttachmentId;
use crate::store::read::{Piece, pieces};
use crate::store::rows::{self, Lane, int, number, parsed};
use crate::store::{Store, StoreError};
use crate::strand::{Incomplete, Strand, StrandError};

/// Attachments that need each other, one after the other, at most.
pub(super) const NEEDS_DEPTH: usize = 32;

/// After how long an attachment that was refused is tried again: so long at first, twice as long each time, and so long at most.
const RETRY_FIRST: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// A search for attachments.
pub(super) struct Search {
    /// What was looked for and is not there.
    missing: BTreeSet<(LogId, AttachmentId)>,
    /// The time, where what failed is not tried again each time.
    now: Option<Timestamp>,
    /// Whether records were put off.
    pub(super) has_put_off: bool,
    /// Those that are there and were not taken in, by file and place in it.
    pub(super) refused: BTreeSet<(String, usize)>,
}

impl Search {
    pub(super) fn at(now: Option<Timestamp>) -> Self {
        Self { missing: BTreeSet::new(), now, has_put_off: false, refused: BTreeSet::new() }
    }
}

impl Store {
    /// Hands the strand an attachment and what that needs, from the held files. What is missing is added to `lacks`.
    pub(super) fn bring(
        &mut self,
        log: LogId,
        id: &AttachmentId,
        strand: &mut dyn Strand,
        search: &mut Search,
        lacks: &mut BTreeSet<AttachmentId>,
        depth: usize,
    ) -> Result<bool, StoreError> {
        if strand.has(log, id).map_err(StoreError::Strand)? {
            return Ok(true);
        }
        let key = (log, id.clone());
        if depth == 0 || search.missing.contains(&key) {
            lacks.insert(id.clone());
            return Ok(false);
        }
        // Noted as missing while it is looked for, so that a circle of needs ends.
        search.missing.insert(key.clone());
        let mut refused = Vec::new();
        for (piece, which) in self.bringing(log, id)? {
            if let Some(now) = search.now
                && !self.is_due(&piece, which, now)?
            {
                refused.push((piece.file, which));
                continue;
            }
            let needs = self.open_piece(&piece).map(|opened| {
                opened.header().attachments.get(which).map(|attachment| attachment.needs.clone()).unwrap_or_default()
            });
            let Some(needs) = self.unless_damaged(&piece.lane, needs)? else { continue };
            let mut has_all = true;
            for need in &needs {
                has_all &= self.bring(log, need, strand, search, lacks, depth - 1)?;
            }
            if !has_all {
                continue;
            }
            let taken = match self.attachment(&piece, which) {
                Ok((attachment, mut content)) => Ok(strand.take_in(log, &attachment, &mut content)),
                Err(error) => Err(error),
            };
            match self.unless_damaged(&piece.lane, taken)? {
                None => {}
                Some(Ok(())) => {
                    self.note_taken(&piece, which)?;
                    search.missing.remove(&key);
                    return Ok(true);
                }
                // One that is no good, though its author signed for it, must not hold up what another brings.
                Some(Err(error)) => {
                    tracing::warn!(%log, %id, error = %error, "an attachment was not taken in");
                    self.note_refused(&piece, which, search.now, &error)?;
                    refused.push((piece.file, which));
                }
            }
        }
        search.refused.extend(refused);
        lacks.insert(id.clone());
        Ok(false)
    }

    /// What was read. What a damaged file should have held is missing: another's is let go, and comes again.
    fn unless_damaged<T>(&mut self, lane: &Lane, read: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(StoreError::Damaged { what, problem, .. }) => {
                tracing::warn!(what, problem, "an attachment cannot be read");
                if lane.log != self.log {
                    self.let_go_of(lane)?;
                }
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether an attachment was not refused lately. A clock that was set back must not put it off for ever.
    fn is_due(&self, piece: &Piece, which: usize, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT failures, at_ms FROM refused WHERE log = ?1 AND file = ?2 AND attachment = ?3";
        let place = (piece.lane.log.to_string(), &piece.file, int(which as u64));
        let row = self.db.conn().prepare_cached(sql)?.query_row(place, |row| Ok((number(row, 0)?, row.get(1)?)));
        let Some((failures, at)) = row.optional()? else { return Ok(true) };
        let at = Timestamp::from_millis(at);
        let wait = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RETRY_MAX);
        Ok(now < at || now.since(at) >= wait)
    }

    /// Notes that an attachment was refused, at `now` if that is known. Where it is not, only what is asked for is noted.
    fn note_refused(
        &mut self,
        piece: &Piece,
        which: usize,
        now: Option<Timestamp>,
        error: &StrandError,
    ) -> Result<(), StoreError> {
        let is_incomplete = error.is::<Incomplete>();
        if now.is_none() && !is_incomplete {
            return self.note_taken(piece, which);
        }
        let at = now.map_or(0, |now| now.as_millis());
        let place = (piece.lane.log.to_string(), &piece.file, int(which as u64), at, is_incomplete);
        self.db.write(|tx| {
            let sql = "INSERT INTO refused (log, file, attachment, failures, at_ms, incomplete) VALUES (?1, ?2, ?3, 1, ?4, ?5)
                       ON CONFLICT DO UPDATE
                       SET failures = failures + 1, at_ms = excluded.at_ms, incomplete = excluded.incomplete";
            tx.prepare_cached(sql)?.execute(place)?;
            forget_refused(tx)
        })
    }

    /// Forgets that an attachment was refused.
    fn note_taken(&mut self, piece: &Piece, which: usize) -> Result<(), StoreError> {
        let place = (piece.lane.log.to_string(), &piece.file, int(which as u64));
        let sql = "SELECT EXISTS (SELECT 1 FROM refused WHERE log = ?1 AND file = ?2 AND attachment = ?3)";
        if !self.db.conn().prepare_cached(sql)?.query_row((&place.0, place.1, place.2), |row| row.get::<_, bool>(0))? {
            return Ok(());
        }
        self.db.write(|tx| {
            let sql = "DELETE FROM refused WHERE log = ?1 AND file = ?2 AND attachment = ?3";
            tx.prepare_cached(sql)?.execute(place)?;
            forget_refused(tx)
        })
    }

    /// How many attachments of a stream that came and need more than is here are asked for.
    pub(super) fn n_asked(&self, stream: &StreamName) -> Result<usize, StoreError> {
        let sql = "SELECT count(DISTINCT r.log || '/' || r.file || '/' || r.attachment) FROM refused r
                   JOIN attached a ON a.log = r.log AND a.file = r.file AND a.attachment = r.attachment
                   JOIN waiting w ON w.log = a.log AND w.id = a.id WHERE r.incomplete = 1 AND w.stream = ?1";
        let n: i64 = self.db.conn().prepare_cached(sql)?.query_row([stream.as_str()], |row| row.get(0))?;
        Ok(usize::try_from(n).unwrap_or(0))
    }

    /// The held files that bring an attachment, those first that did not fail yet.
    pub(in crate::store) fn bringing(&self, log: LogId, id: &AttachmentId) -> Result<Vec<(Piece, usize)>, StoreError> {
        let sql = "SELECT DISTINCT s.track, s.stream, s.first, s.last, a.file, a.attachment FROM attached a
                   JOIN segments s ON s.log = a.log AND s.file = a.file
                   LEFT JOIN refused r ON r.log = a.log AND r.file = a.file AND r.attachment = a.attachment
                   WHERE a.log = ?1 AND a.id = ?2 ORDER BY ifnull(r.failures, 0), a.file, a.attachment";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map((log.to_string(), id.as_str()), |row| {
            let lane = Lane { log, track: rows::track(row, 0)?, stream: parsed(row, 1)? };
            Ok((lane, number(row, 2)?, number(row, 3)?, row.get::<_, String>(4)?, number(row, 5)?))
        })?;
        let mut found = Vec::new();
        for row in rows {
            let (lane, first, last, file, which) = row?;
            let which = usize::try_from(which).unwrap_or(usize::MAX);
            let piece = pieces(self.db.conn(), &lane, first, last)?.into_iter().find(|piece| piece.file == file);
            found.extend(piece.map(|piece| (piece, which)));
        }
        Ok(found)
    }
}

/// Of files that are not held any more nothing is remembered.
fn forget_refused(tx: &rusqlite::Connection) -> Result<(), StoreError> {
    let sql = "DELETE FROM refused WHERE NOT EXISTS (
                   SELECT 1 FROM attached a WHERE a.log = refused.log AND a.file = refused.file)";
    Ok(tx.prepare_cached(sql)?.execute([]).map(drop)?)
}
