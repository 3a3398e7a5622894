//! Notices that the log lies behind what strands handed over: the database was put back to an earlier state, and the strands'
//! files were not.
//!
//! Records that were given numbers are not in the log any more, and a file of theirs may have been put somewhere. So the log is
//! not gone on with: the device goes on in a new one, and what the strands know as said in the old one after its end they say again.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite;

use super::incarnation::Reason;
use super::read::describe;
use super::status::followed;
use super::{Store, StoreError, append};
use crate::name::{LogId, StreamName};
use crate::strand::{Origin, Strand, StrandError};

/// What was found and done.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// The log that the device goes on with, if it was found now.
    pub(crate) renewed: Option<LogId>,
    /// Strands that could not be asked, and why.
    pub(crate) failed: Vec<(StreamName, String)>,
}

impl Store {
    /// Goes on in a new log if a strand knows of own records that the log does not have, and has what was lost said again. May
    /// end anywhere and be called again. `has_looked` says that what elsewhere is known of earlier logs is known here, too; until
    /// then nothing is said again. Whoever calls does not hold [`Store::saying`].
    pub(crate) fn go_on_from_behind(
        &mut self,
        strands: &mut [&mut (dyn Strand + '_)],
        has_looked: bool,
        now: Timestamp,
    ) -> Result<Behind, StoreError> {
        self.refresh()?;
        let (own, mut done) = (self.log, Behind::default());
        let mut ends = Vec::new();
        for strand in &mut *strands {
            ends.push(match self.end_behind(&mut **strand, own)? {
                Ok(end) => end,
                Err(error) => {
                    done.failed.push((strand.stream().clone(), describe(&*error)));
                    None
                }
            });
        }
        if ends.iter().any(Option::is_some) {
            self.renew(Reason::WentBack, None, now)?;
            done.renewed = Some(self.log);
            for (strand, end) in strands.iter_mut().zip(ends) {
                if let Some(end) = end {
                    done.say_again(&mut **strand, own, end);
                }
            }
        }
        if !has_looked {
            return Ok(done);
        }
        for (old, went_back) in self.earlier_logs()? {
            for strand in strands.iter_mut().filter(|_| old != own) {
                // What moved to the next log is taken back here, and said there. Where a process died before what was lost was
                // said again, some of what moved is said twice, which changes nothing.
                if self.has_moved(old, strand.stream())? && !went_back {
                    continue;
                }
                match self.end_behind(&mut **strand, old)? {
                    Ok(Some(end)) => done.say_again(&mut **strand, old, end),
                    Ok(None) => {}
                    Err(error) => done.failed.push((strand.stream().clone(), describe(&*error))),
                }
            }
        }
        Ok(done)
    }

    /// Where an own log ends, if the strand has folded more of it than that.
    fn end_behind(
        &self,
        strand: &mut (dyn Strand + '_),
        log: LogId,
    ) -> Result<Result<Option<u64>, StrandError>, StoreError> {
        let stream = strand.stream().clone();
        // First, as the log never becomes shorter than what was folded of it.
        let applied = match strand.applied(&Origin { log, track: 0, stream: stream.clone() }) {
            Ok(applied) => applied,
            Err(error) => return Ok(Err(error)),
        };
        let last = applied.last().unwrap_or(0);
        let (mut end, _) = append::position(self.db.conn(), log, &stream)?;
        // Of an earlier log what a head names came, or comes.
        for (_, head, _) in followed(self.db.conn(), log)? {
            end = head.head().streams.get(&stream).map_or(end, |state| end.max(state.last));
        }
        Ok(Ok((last > end).then_some(end)))
    }

    fn has_moved(&self, log: LogId, stream: &StreamName) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM moved WHERE log = ?1 AND track = 0 AND stream = ?2)";
        let place = (log.to_string(), stream.as_str());
        Ok(self.db.conn().prepare_cached(sql)?.query_row(place, |row| row.get(0))?)
    }

    /// The logs that this one goes on from, and whether that was because they lay behind.
    fn earlier_logs(&self) -> Result<Vec<(LogId, bool)>, StoreError> {
        let mut rows = self.db.conn().prepare_cached("SELECT from_key, reason = ?1 FROM rotations")?;
        let rows = rows.query_map([Reason::WentBack.as_str()], |row| Ok((LogId::of_key(&row.get(0)?), row.get(1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

impl Behind {
    fn say_again(&mut self, strand: &mut (dyn Strand + '_), log: LogId, after: u64) {
        let origin = Origin { log, track: 0, stream: strand.stream().clone() };
        if let Err(error) = strand.say_again(&origin, after) {
            self.failed.push((origin.stream, describe(&*error)));
        }
    }
}
