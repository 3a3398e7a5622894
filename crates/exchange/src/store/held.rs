//! What is held, for planning.

use std::collections::{BTreeMap, BTreeSet};

use carry_kernel::db::rusqlite;

use super::rows::{self, Lane, parsed};
use super::{Limit, Store, StoreError};
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::record::AttachmentId;
use crate::round::Reached;

impl Store {
    /// What is held of one way of a log: verified and durable, gaps included.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn held(&self, log: LogId, track: u32) -> Result<BTreeMap<StreamName, Ranges>, StoreError> {
        let sql = "SELECT DISTINCT stream FROM ranges WHERE log = ?1 AND track = ?2";
        let mut streams = self.db.conn().prepare_cached(sql)?;
        let streams = streams.query_map((log.to_string(), track), |row| parsed(row, 0))?;
        let mut held = BTreeMap::new();
        for stream in streams.collect::<rusqlite::Result<Vec<StreamName>>>()? {
            let ranges = rows::held(self.db.conn(), &Lane { log, track, stream: stream.clone() })?;
            held.insert(stream, ranges);
        }
        Ok(held)
    }

    /// The attachments that records wait for and no held file brings, by log; and those that are brought by what needs more than
    /// is here and by nothing else.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn wanted(&self) -> Result<BTreeMap<LogId, BTreeSet<AttachmentId>>, StoreError> {
        let sql = "SELECT DISTINCT w.log, w.id FROM waiting w
                   WHERE NOT EXISTS (SELECT 1 FROM attached a WHERE a.log = w.log AND a.id = w.id AND NOT EXISTS (
                       SELECT 1 FROM refused r
                       WHERE r.log = a.log AND r.file = a.file AND r.attachment = a.attachment AND r.incomplete = 1))";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([], |row| Ok((parsed(row, 0)?, parsed(row, 1)?)))?;
        let mut wanted: BTreeMap<LogId, BTreeSet<AttachmentId>> = BTreeMap::new();
        for row in rows {
            let (log, id) = row?;
            wanted.entry(log).or_default().insert(id);
        }
        Ok(wanted)
    }

    /// The limit that stands in the way of so much more of a stream of a log.
    pub(crate) fn limit_for(&self, log: LogId, stream: &StreamName, bytes: u64) -> Result<Option<Reached>, StoreError> {
        match self.check_room(log, stream, bytes) {
            Ok(()) => Ok(None),
            Err(StoreError::Full(limit)) => self.reached(limit).map(Some),
            Err(error) => Err(error),
        }
    }

    /// A limit that was reached, with how full the disk is where that is the matter.
    pub(crate) fn reached(&self, limit: Limit) -> Result<Reached, StoreError> {
        let disk = if limit == Limit::Disk { self.disk_room()? } else { None };
        Ok(Reached { limit, disk })
    }

    /// Whether a held file brings an attachment that does not need more than is here.
    pub(crate) fn brings(&self, log: LogId, id: &AttachmentId) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM attached a WHERE a.log = ?1 AND a.id = ?2 AND NOT EXISTS (
                       SELECT 1 FROM refused r
                       WHERE r.log = a.log AND r.file = a.file AND r.attachment = a.attachment AND r.incomplete = 1))";
        Ok(self.db.conn().prepare_cached(sql)?.query_row((log.to_string(), id.as_str()), |row| row.get(0))?)
    }
}
