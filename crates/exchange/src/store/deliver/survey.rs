//! What a delivery asks of every lane of a stream, read at one moment: most deliveries find that nothing is new.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::db::rusqlite;

use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::store::rows::{self, number, parsed};
use crate::store::{LogState, Store, StoreError};

/// A way of a log, of the stream that is delivered.
type Way = (LogId, u32);

/// What is known of a stream before it is delivered.
#[derive(Debug)]
pub(super) struct Survey {
    /// What is held of each way.
    pub(super) held: BTreeMap<Way, Ranges>,
    /// Whether each log counts.
    pub(super) states: BTreeMap<LogId, LogState>,
    /// The ways of which records are put off: of unknown kinds, or waiting for an attachment.
    pub(super) put_off: BTreeSet<Way>,
    /// How far each log is noted to be held and folded.
    pub(super) holds: BTreeMap<LogId, u64>,
    /// Whether records moved to another log and were not taken back yet.
    pub(super) has_moved: bool,
}

impl Store {
    pub(super) fn survey(&self, stream: &StreamName) -> Result<Survey, StoreError> {
        let _at_once = self.db.snapshot()?;
        let db = self.db.conn();
        let mut rows = db.prepare_cached("SELECT log, track, first, last FROM ranges WHERE stream = ?1")?;
        let rows = rows.query_map([stream.as_str()], |row| {
            Ok(((parsed(row, 0)?, rows::track(row, 1)?), number(row, 2)?..=number(row, 3)?))
        })?;
        let mut held: BTreeMap<Way, Vec<_>> = BTreeMap::new();
        for row in rows {
            let (way, range) = row?;
            held.entry(way).or_default().push(range);
        }
        let held = held.into_iter().map(|(way, ranges)| (way, ranges.into_iter().collect())).collect();
        let mut put_off = db.prepare_cached(
            "SELECT DISTINCT log, track FROM deferred WHERE stream = ?1
             UNION ALL SELECT DISTINCT log, track FROM waiting WHERE stream = ?1",
        )?;
        let put_off = put_off.query_map([stream.as_str()], |row| Ok((parsed(row, 0)?, rows::track(row, 1)?)))?;
        let mut holds = db.prepare_cached("SELECT log, last FROM holds WHERE stream = ?1")?;
        let holds = holds.query_map([stream.as_str()], |row| Ok((parsed(row, 0)?, number(row, 1)?)))?;
        let mut moved = db.prepare_cached("SELECT EXISTS (SELECT 1 FROM moved WHERE stream = ?1)")?;
        Ok(Survey {
            held,
            states: self.states()?,
            put_off: put_off.collect::<rusqlite::Result<_>>()?,
            holds: holds.collect::<rusqlite::Result<_>>()?,
            has_moved: moved.query_row([stream.as_str()], |row| row.get(0))?,
        })
    }
}
