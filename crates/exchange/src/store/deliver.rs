//! Hands what is held, counts and is not folded yet to the strands.
//!
//! In whatever order records came, and whatever is missing between them, the same is handed over in the end. What a strand
//! cannot fold yet is remembered, and handed over when it can.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite;

use super::fault::point;
use super::rows::{self, Lane, int, number, parsed};
use super::ways::Ways;
use super::{LogState, Store, StoreError};
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::strand::{Batch, Origin, Strand};

mod chunk;
mod put_off;
mod search;
mod survey;

use search::Search;
use survey::Survey;

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
    /// Those among them that need more than is here, so that their authors are asked for others.
    pub n_asked: usize,
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
        if done.n_refused > 0 {
            done.n_asked = self.n_asked(&stream)?;
        }
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
                    Err(StoreError::Damaged { what, problem, .. }) => {
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
