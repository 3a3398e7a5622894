//! Hands what is held, counts and is not folded yet to the strands.
//!
//! In whatever order records came, and whatever is missing between them, the same is handed over in the end. What a strand
//! cannot fold yet is remembered, and handed over when it can.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite;

use super::fault::point;
use super::read::{Piece, pieces};
use super::rows::{self, Lane, int, number, parsed};
use super::ways::Ways;
use super::{LogState, Store, StoreError};
use crate::chain::Link;
use crate::frame::Frame;
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::record::AttachmentId;
use crate::strand::{Batch, Folded, Origin, Strand};

mod survey;

use survey::Survey;

/// Records of one batch at most.
const BATCH_RECORDS: usize = 1024;
/// Bytes of the payloads of one batch, after which it ends.
const BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Attachments that need each other, one after the other, at most.
const NEEDS_DEPTH: usize = 32;

/// After how long an attachment that was refused is tried again: so long at first, twice as long each time, and so long at most.
const RETRY_FIRST: Duration = Duration::from_secs(60);
const RETRY_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// What one delivery did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Records folded.
    pub n_folded: usize,
    /// Records of kinds or versions that the strand does not know, kept for later.
    pub n_deferred: usize,
    /// Records that wait for an attachment.
    pub n_waiting: usize,
    /// Attachments that records wait for, and that came and were not taken in.
    pub n_refused: usize,
    /// Origins of which something was taken back.
    pub n_retracted: usize,
    /// Runs of records that could not be read. Damaged files of others were let go, so that they are fetched again; those of
    /// the own log stay, see [`Store::let_go_damaged`].
    pub n_damaged: usize,
}

impl Store {
    /// Hands a strand everything that is held of its stream, counts, and is not applied yet; takes back what does not count
    /// any more. May end anywhere and be called again. Every attachment that is needed is tried.
    ///
    /// # Errors
    /// [`StoreError::Strand`] what the strand failed with; what was folded before stays.
    pub fn deliver(&mut self, strand: &mut dyn Strand) -> Result<Delivered, StoreError> {
        self.deliver_with(strand, None)
    }

    /// The same at a known time: an attachment that a strand could not take in is tried again only after a minute, then after
    /// two, and so on up to a day. For whoever delivers often.
    ///
    /// # Errors
    /// As [`Store::deliver`].
    pub fn deliver_at(&mut self, strand: &mut dyn Strand, now: Timestamp) -> Result<Delivered, StoreError> {
        self.deliver_with(strand, Some(now))
    }

    fn deliver_with(&mut self, strand: &mut dyn Strand, now: Option<Timestamp>) -> Result<Delivered, StoreError> {
        let stream = strand.stream().clone();
        let mut done = Delivered::default();
        let mut logs: BTreeMap<LogId, BTreeSet<u32>> = BTreeMap::new();
        let mut survey = self.survey(&stream)?;
        for (log, track) in survey.held.keys() {
            logs.entry(*log).or_default().insert(*track);
        }
        for origin in strand.origins().map_err(StoreError::Strand)? {
            if origin.stream == stream {
                logs.entry(origin.log).or_default().insert(origin.track);
            }
        }
        let mut search = Search::at(now);
        if survey.has_moved || !survey.put_off.is_empty() {
            self.retract_moved(&stream, strand, &mut done)?;
            search.refused = self.reconsider(&stream, strand, now)?;
            survey = self.survey(&stream)?;
        }
        for (log, tracks) in logs {
            let ways = self.ways(log, &stream, &tracks, strand, &mut done)?;
            let mut trunk = None;
            for track in tracks {
                let lane = Lane { log, track, stream: stream.clone() };
                let applied = self.deliver_lane(&lane, &ways, &survey, strand, &mut search, &mut done)?;
                trunk = if track == 0 { applied } else { trunk };
            }
            self.note_holds(log, &stream, &ways, &survey, trunk, strand)?;
        }
        if survey.put_off.is_empty() && !search.has_put_off {
            return Ok(done);
        }
        let count = |table: &str| {
            let sql = format!("SELECT count(DISTINCT log || track || '/' || seq) FROM {table} WHERE stream = ?1");
            self.db.conn().prepare_cached(&sql)?.query_row([stream.as_str()], |row| row.get::<_, i64>(0))
        };
        done.n_deferred = usize::try_from(count("deferred")?).unwrap_or(0);
        done.n_waiting = usize::try_from(count("waiting")?).unwrap_or(0);
        done.n_refused = search.refused.len();
        Ok(done)
    }

    /// Takes back what was folded of records that moved to another log.
    fn retract_moved(
        &mut self,
        stream: &StreamName,
        strand: &mut dyn Strand,
        done: &mut Delivered,
    ) -> Result<(), StoreError> {
        let moved = {
            let mut rows = self.db.conn().prepare_cached("SELECT log, track, after FROM moved WHERE stream = ?1")?;
            let rows =
                rows.query_map([stream.as_str()], |row| Ok((parsed(row, 0)?, rows::track(row, 1)?, number(row, 2)?)))?;
            rows.collect::<rusqlite::Result<Vec<(LogId, u32, u64)>>>()?
        };
        for (log, track, after) in moved {
            let origin = Origin { log, track, stream: stream.clone() };
            strand.retract(&origin, after).map_err(StoreError::Strand)?;
            done.n_retracted += 1;
            self.db.write(|tx| {
                for table in ["moved", "deferred", "waiting"] {
                    let beyond = if table == "moved" { "" } else { " AND seq > ?4" };
                    let sql = format!("DELETE FROM {table} WHERE log = ?1 AND track = ?2 AND stream = ?3{beyond}");
                    let (log, stream, after) = (log.to_string(), stream.as_str(), int(after));
                    match table {
                        "moved" => tx.prepare_cached(&sql)?.execute((log, track, stream))?,
                        _ => tx.prepare_cached(&sql)?.execute((log, track, stream, after))?,
                    };
                }
                Ok::<_, StoreError>(())
            })?;
        }
        Ok(())
    }

    /// Hands over what is held of one lane. Says what is folded of it, if that was known without asking again.
    fn deliver_lane(
        &mut self,
        lane: &Lane,
        ways: &Ways,
        survey: &Survey,
        strand: &mut dyn Strand,
        search: &mut Search,
        done: &mut Delivered,
    ) -> Result<Option<Ranges>, StoreError> {
        // Of a log that is not known any more, or does not count yet, nothing is taken back: only a revocation does that.
        let Some(state) = survey.states.get(&lane.log).copied().filter(|state| state.counts()) else { return Ok(None) };
        let origin = Origin { log: lane.log, track: lane.track, stream: lane.stream.clone() };
        let end = match state {
            LogState::Revoked => self.counts_to(lane)?.unwrap_or(u64::MAX),
            _ => u64::MAX,
        };
        let counts = Ranges::of(ways.begins(lane.track), end);
        let none = Ranges::default();
        let held = survey.held.get(&(lane.log, lane.track)).unwrap_or(&none);
        let mut applied = strand.applied(&origin).map_err(StoreError::Strand)?;
        // What was folded and is not held any more still counts: it was let go because it was damaged, and comes again.
        if let Some(wrong) = applied.difference(&counts).iter().next() {
            strand.retract(&origin, wrong.start() - 1).map_err(StoreError::Strand)?;
            done.n_retracted += 1;
            applied = strand.applied(&origin).map_err(StoreError::Strand)?;
        }
        let later = match survey.put_off.contains(&(lane.log, lane.track)) {
            true => self.noted(lane, "deferred")?.union(&self.noted(lane, "waiting")?),
            false => Ranges::default(),
        };
        if held.intersection(&counts).difference(&applied).difference(&later).is_empty() {
            return Ok(Some(applied));
        }
        // Something may have been let go of meanwhile because it was damaged.
        let allowed = rows::held(self.db.conn(), lane)?.intersection(&counts);
        let todo = allowed.difference(&applied).difference(&later);
        let alias = self.alias(lane.log)?;
        let is_own = matches!(state, LogState::Own | LogState::Former);
        let mut is_damaged = false;
        // Recent work first.
        for range in todo.iter().rev() {
            let (mut next, last) = (*range.start(), *range.end());
            while next <= last {
                let (links, end) = match self.chunk(lane, next, last) {
                    // One damaged file holds up no other, and nothing of its own lane that lies elsewhere.
                    Err(StoreError::Damaged { what, problem }) => {
                        tracing::warn!(what, problem, "records cannot be folded");
                        done.n_damaged += 1;
                        is_damaged = true;
                        next = self.after_damage(lane, next, last)?;
                        continue;
                    }
                    other => other?,
                };
                let sorted = self.sort_out(lane, ways, links, strand, search)?;
                let covers = Ranges::of(next, end).difference(&sorted.later);
                let batch = Batch {
                    origin: &origin,
                    alias: &alias,
                    is_own,
                    records: &sorted.now,
                    covers: &covers,
                    branches: &ways.all,
                };
                if !covers.is_empty() {
                    // Before it can be seen: whoever edits what was just folded writes a later stamp.
                    if !is_own {
                        self.observe_all(batch.records.iter().map(|folded| folded.record.at))?;
                    }
                    strand.fold(&batch).map_err(StoreError::Strand)?;
                }
                done.n_folded += batch.records.len();
                point("exchange.deliver.folded")?;
                search.has_put_off |= !sorted.later.is_empty();
                self.note_later(lane, &sorted)?;
                next = end + 1;
            }
        }
        if is_damaged && lane.log != self.log {
            self.let_go_of(lane)?;
        }
        Ok(None)
    }

    /// Where to go on after records from `first` on could not be read: after the file that should hold the first of them, or
    /// where the next one begins.
    fn after_damage(&self, lane: &Lane, first: u64, last: u64) -> Result<u64, StoreError> {
        let pieces = pieces(self.db.conn(), lane, first, last)?;
        Ok(match pieces.first().map(|piece| piece.reference) {
            Some(reference) if reference.first <= first => reference.last.saturating_add(1),
            Some(reference) => reference.first,
            None => last.saturating_add(1),
        })
    }

    /// Frames from `first` on, as many as make a batch, and the last record that they stand for within `first..=last`.
    pub(super) fn chunk(&self, lane: &Lane, first: u64, last: u64) -> Result<(Vec<Link>, u64), StoreError> {
        let (mut links, mut bytes, mut end) = (Vec::new(), 0, first);
        let read = self.each_link(lane, first, last, &mut |link| {
            if let Frame::Record(record) = &link.frame {
                bytes += record.payload.len();
            }
            end = link.frame.last().min(last);
            links.push(link);
            Ok(links.len() < BATCH_RECORDS && bytes < BATCH_BYTES)
        });
        match read {
            // What comes before the damage is as good as ever.
            Err(StoreError::Damaged { .. }) if !links.is_empty() => {}
            other => other?,
        }
        match links.first() {
            Some(link) if link.frame.first() <= first => Ok((links, end)),
            _ => Err(StoreError::damaged(lane.to_string(), format!("record {first} is said to be held, and is not"))),
        }
    }

    /// What can be folded now, and what cannot.
    fn sort_out(
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

    /// Hands the strand an attachment and what that needs, from the held files. What is missing is added to `lacks`.
    fn bring(
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
                    self.note_refused(&piece, which, None)?;
                    search.missing.remove(&key);
                    return Ok(true);
                }
                // One that is no good, though its author signed for it, must not hold up what another brings.
                Some(Err(error)) => {
                    tracing::warn!(%log, %id, error = %error, "an attachment was not taken in");
                    self.note_refused(&piece, which, search.now)?;
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
            Err(StoreError::Damaged { what, problem }) => {
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
        let Some((failures, at)) = rusqlite::OptionalExtension::optional(row)? else { return Ok(true) };
        let at = Timestamp::from_millis(at);
        let wait = RETRY_FIRST.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(RETRY_MAX);
        Ok(now < at || now.since(at) >= wait)
    }

    /// Notes that an attachment was refused, at `now` if that is known; or with no time, that it need not be noted.
    fn note_refused(&mut self, piece: &Piece, which: usize, now: Option<Timestamp>) -> Result<(), StoreError> {
        let (log, which) = (piece.lane.log.to_string(), int(which as u64));
        let sql = "SELECT EXISTS (SELECT 1 FROM refused WHERE log = ?1 AND file = ?2 AND attachment = ?3)";
        if now.is_none()
            && !self
                .db
                .conn()
                .prepare_cached(sql)?
                .query_row((&log, &piece.file, which), |row| row.get::<_, bool>(0))?
        {
            return Ok(());
        }
        self.db.write(|tx| {
            match now {
                Some(now) => {
                    let sql = "INSERT INTO refused (log, file, attachment, failures, at_ms) VALUES (?1, ?2, ?3, 1, ?4)
                               ON CONFLICT DO UPDATE SET failures = failures + 1, at_ms = excluded.at_ms";
                    tx.prepare_cached(sql)?.execute((log, &piece.file, which, now.as_millis()))?;
                }
                None => {
                    let sql = "DELETE FROM refused WHERE log = ?1 AND file = ?2 AND attachment = ?3";
                    tx.prepare_cached(sql)?.execute((log, &piece.file, which))?;
                }
            }
            // Of files that are not held any more nothing is remembered.
            let sql = "DELETE FROM refused WHERE NOT EXISTS (
                           SELECT 1 FROM attached a WHERE a.log = refused.log AND a.file = refused.file)";
            Ok(tx.prepare_cached(sql)?.execute([]).map(drop)?)
        })
    }

    /// The held files that bring an attachment.
    fn bringing(&self, log: LogId, id: &AttachmentId) -> Result<Vec<(Piece, usize)>, StoreError> {
        let sql = "SELECT DISTINCT s.track, s.stream, s.first, s.last, a.file, a.attachment FROM attached a
                   JOIN segments s ON s.log = a.log AND s.file = a.file WHERE a.log = ?1 AND a.id = ?2";
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

    /// Forgets that records were put off which can be folded now. Says which attachments are there and no good.
    fn reconsider(
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
            rows.collect::<rusqlite::Result<Vec<(LogId, AttachmentId)>>>()?
        };
        let (mut there, mut refused) = (Vec::new(), BTreeSet::new());
        for (log, id) in waiting {
            let (mut search, mut lacks) = (Search::at(now), BTreeSet::new());
            if self.bring(log, &id, strand, &mut search, &mut lacks, NEEDS_DEPTH)? {
                there.push((log, id));
            }
            refused.append(&mut search.refused);
        }
        if known.is_empty() && there.is_empty() {
            return Ok(refused);
        }
        self.db.write(|tx| {
            for (kind, version) in known {
                let sql = "DELETE FROM deferred WHERE stream = ?1 AND kind = ?2 AND version = ?3";
                tx.prepare_cached(sql)?.execute((stream.as_str(), kind, version))?;
            }
            for (log, id) in there {
                let sql = "DELETE FROM waiting WHERE stream = ?1 AND log = ?2 AND id = ?3";
                tx.prepare_cached(sql)?.execute((stream.as_str(), log.to_string(), id.as_str()))?;
            }
            Ok(refused)
        })
    }

    fn note_later(&mut self, lane: &Lane, sorted: &Sorted) -> Result<(), StoreError> {
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
    fn noted(&self, lane: &Lane, table: &str) -> Result<Ranges, StoreError> {
        let sql = format!("SELECT DISTINCT seq FROM {table} WHERE log = ?1 AND track = ?2 AND stream = ?3");
        let mut rows = self.db.conn().prepare_cached(&sql)?;
        let rows = rows.query_map((lane.log.to_string(), lane.track, lane.stream.as_str()), |row| {
            let seq = number(row, 0)?;
            Ok(seq..=seq)
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn alias(&self, log: LogId) -> Result<String, StoreError> {
        let sql = "SELECT alias FROM logs WHERE log = ?1";
        let row = self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| row.get(0));
        Ok(rusqlite::OptionalExtension::optional(row)?.unwrap_or_else(|| log.to_string()))
    }

    /// Notes how far a stream of another log is held and folded without a gap.
    fn note_holds(
        &mut self,
        log: LogId,
        stream: &StreamName,
        ways: &Ways,
        survey: &Survey,
        applied: Option<Ranges>,
        strand: &mut dyn Strand,
    ) -> Result<(), StoreError> {
        if log == self.log {
            return Ok(());
        }
        let applied = match applied {
            Some(applied) => applied,
            None => {
                let origin = Origin { log, track: 0, stream: stream.clone() };
                strand.applied(&origin).map_err(StoreError::Strand)?
            }
        };
        // After a fork a number does not say which record it means.
        let fork = ways.branches.values().flatten().map(|(first, _)| first - 1).min().unwrap_or(u64::MAX);
        let last = applied.first_run_end().min(fork);
        if survey.holds.get(&log).copied().unwrap_or(0) == last {
            return Ok(());
        }
        self.db.write(|tx| {
            let sql = "INSERT OR REPLACE INTO holds (log, stream, last) VALUES (?1, ?2, ?3)";
            Ok(tx.prepare_cached(sql)?.execute((log.to_string(), stream.as_str(), int(last))).map(drop)?)
        })
    }
}

/// A search for attachments.
struct Search {
    /// What was looked for and is not there.
    missing: BTreeSet<(LogId, AttachmentId)>,
    /// The time, where what failed is not tried again each time.
    now: Option<Timestamp>,
    /// Whether records were put off.
    has_put_off: bool,
    /// Those that are there and were not taken in, by file and place in it.
    refused: BTreeSet<(String, usize)>,
}

impl Search {
    fn at(now: Option<Timestamp>) -> Self {
        Self { missing: BTreeSet::new(), now, has_put_off: false, refused: BTreeSet::new() }
    }
}

/// What of a chunk is folded now, and what is not.
#[derive(Debug, Default)]
struct Sorted {
    now: Vec<Folded>,
    deferred: Vec<(u64, u16, u16)>,
    waiting: Vec<(u64, AttachmentId)>,
    later: Ranges,
}
