//! How much is taken in: of one log, of those that nobody approved, and when the disk is nearly full.
//!
//! A limit that is reached stands in the way of what it is about and of nothing else: own records, heads, other logs and, on
//! a disk that is nearly full, [small](crate::streams::Weight::Small) streams go on.

use carry_kernel::db::rusqlite::Connection;
use carry_kernel::home::Home;

use super::places::Places;
use super::rows::{int, number};
use super::{LogState, Store, StoreError};
use crate::limits::SEGMENT_BYTES_MAX;
use crate::name::{LogId, StreamName};
use crate::streams::Streams;

/// Bytes of segments, heads and lists that are kept of one log that nobody approved.
pub const UNAPPROVED_LOG_BYTES: u64 = 64 * 1024 * 1024;
/// The same of all of them.
pub const UNAPPROVED_BYTES: u64 = 256 * 1024 * 1024;

/// What a segment of a log that nobody approved counts as at least when it is unpacked: a row is kept of each.
const UNPACKED_BYTES_MIN: u64 = 4096;

/// How much a store takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes of segments of one log of others.
    pub log_bytes: u64,
    /// How much of the disk stays free of what others bring, small streams left out.
    pub free: Free,
}

/// How much of a disk stays free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// The lesser of [`FREE_PERCENT`] and [`FREE_BYTES`].
    Usual,
    /// So many bytes, however large the disk is; with 0 it is never too full.
    Bytes(u64),
}

/// Percent of a disk that stay free: on a small one this is the bound.
pub const FREE_PERCENT: u8 = 5;
/// Bytes of a disk that stay free, if this is less: what the own work of some days needs. 5 % of a large disk would be hundreds
/// of gigabytes that nobody may use.
pub const FREE_BYTES: u64 = 2 * 1024 * 1024 * 1024;

/// How full the disk is on which a store lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DiskRoom {
    /// Bytes that are free to this user.
    pub free: u64,
    /// Bytes that must be, so that all that others bring is taken in.
    pub needed: u64,
}

impl DiskRoom {
    /// Whether so little is free that only heads and small streams are taken in.
    pub fn is_low(self) -> bool {
        self.free < self.needed
    }
}

impl Free {
    /// How much must be free of a disk of so many bytes.
    fn of(self, all: u64) -> u64 {
        match self {
            Self::Usual => FREE_BYTES.min((all / 100).saturating_mul(u64::from(FREE_PERCENT))),
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl Default for Room {
    /// 50 GiB of a log, whatever is free: how much must be is for who opens the store to say, with [`Store::set_room`].
    fn default() -> Self {
        Self { log_bytes: 50 * 1024 * 1024 * 1024, free: Free::Bytes(0) }
    }
}

/// A limit that was reached: the state of what waits behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Limit {
    /// The segment is larger than any may be.
    Segment,
    /// The log is not approved and has brought [`UNAPPROVED_LOG_BYTES`].
    UnapprovedLog,
    /// The log is not approved, and what it brings would unpack to more than that.
    Unpacked,
    /// Logs that are not approved have brought [`UNAPPROVED_BYTES`].
    Unapproved,
    /// What logs that are not approved bring would unpack to more than that. Known only once a segment was read: it is not read
    /// in each round.
    UnpackedAll,
    /// The log has brought [`Room::log_bytes`].
    Log,
    /// Less of the disk is free than [`Room::free`] says.
    Disk,
    /// As many logs wait to be approved as may.
    Waiting,
    /// As many logs are known as may be.
    Logs,
    /// A log was forked as often as it may be.
    Ways,
    /// The own log has as many streams as it may.
    Streams,
    /// The own log has more segments than a list may name.
    Segments,
    /// The attachment is larger than any may be.
    Attachment,
}

impl Limit {
    /// Its name in status and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Segment => "segment_too_large",
            Self::UnapprovedLog | Self::Unpacked => "unapproved_log_full",
            Self::Unapproved | Self::UnpackedAll => "unapproved_full",
            Self::Log => "log_full",
            Self::Disk => "disk_low",
            Self::Waiting => "too_many_waiting",
            Self::Logs => "too_many_logs",
            Self::Ways => "too_many_ways",
            Self::Streams => "too_many_streams",
            Self::Segments => "too_many_segments",
            Self::Attachment => "attachment_too_large",
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Segment => "a segment has at most 1 GiB",
            Self::UnapprovedLog => "a log that is not approved may bring 64 MiB",
            Self::Unpacked => "what a log that is not approved brings may unpack to 64 MiB",
            Self::Unapproved => "logs that are not approved may bring 256 MiB together",
            Self::UnpackedAll => "what logs that are not approved bring may unpack to 256 MiB together",
            Self::Log => "the log has brought as much as one log may, 50 GiB unless set otherwise",
            Self::Disk => "the disk is nearly full, and only what is small is taken in until there is room",
            Self::Waiting => "64 logs wait to be approved; approve or forget some first",
            Self::Logs => "1024 logs are known",
            Self::Ways => "a forked log has 8 ways at most",
            Self::Streams => "a log has 16 streams at most",
            Self::Segments => "the log has more segments than a list may name; merge some first",
            Self::Attachment => "an attachment has at most 1 GiB",
        })
    }
}

impl StoreError {
    /// The limit that was reached, if that is what it says.
    pub fn limit(&self) -> Option<Limit> {
        match self {
            Self::Full(limit) => Some(*limit),
            _ => None,
        }
    }
}

/// How full the disk below a home is, for whoever only looks; `None` for one that does not say, or where nothing is kept yet.
///
/// # Errors
/// [`StoreError`].
pub fn disk_room(home: &Home, free: Free) -> Result<Option<DiskRoom>, StoreError> {
    if !home.data_dir().is_dir() {
        return Ok(None);
    }
    room_at(&Places::new(home), free)
}

fn room_at(places: &Places, needed: Free) -> Result<Option<DiskRoom>, StoreError> {
    let (free, all) = places.disk_bytes()?;
    Ok((all > 0).then(|| DiskRoom { free, needed: needed.of(all) }))
}

impl Store {
    /// Takes in so much from now on, in place of [`Room::default`].
    pub fn set_room(&mut self, room: Room) {
        self.room = room;
    }

    /// These are the streams that this version knows.
    pub fn set_streams(&mut self, streams: Streams) {
        self.streams = streams;
    }

    /// The streams that this version knows; none before [`Store::set_streams`].
    pub fn streams(&self) -> &Streams {
        &self.streams
    }

    /// Whether so little of the disk is free that only heads and small streams are taken in. A disk that does not say is not low.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_disk_low(&self) -> Result<bool, StoreError> {
        // Where nothing must be free, the disk is not asked.
        Ok(self.room.free != Free::Bytes(0) && self.disk_room()?.is_some_and(DiskRoom::is_low))
    }

    /// How full the disk is; `None` for one that does not say.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn disk_room(&self) -> Result<Option<DiskRoom>, StoreError> {
        room_at(&self.places, self.room.free)
    }

    /// Bytes of the segments that are held of a log.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn log_bytes(&self, log: LogId) -> Result<u64, StoreError> {
        let sql = "SELECT (SELECT coalesce(sum(bytes), 0) FROM segments WHERE log = ?1)
                       + (SELECT coalesce(sum(bytes), 0) FROM later WHERE log = ?1)";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| number(row, 0))?)
    }

    /// Whether a log may bring so much more of a stream.
    pub(super) fn check_room(&self, log: LogId, stream: &StreamName, bytes: u64) -> Result<(), StoreError> {
        if bytes > SEGMENT_BYTES_MAX {
            return Err(StoreError::Full(Limit::Segment));
        }
        let state = self.state(log)?;
        // What is our own was here before, and comes again only to heal.
        if matches!(state, Some(LogState::Own | LogState::Former)) {
            return Ok(());
        }
        if !self.streams.is_small(stream) && self.is_disk_low()? {
            return Err(StoreError::Full(Limit::Disk));
        }
        if self.log_bytes(log)?.saturating_add(bytes) > self.room.log_bytes {
            return Err(StoreError::Full(Limit::Log));
        }
        if state == Some(LogState::Unapproved) && self.unpacked_bytes(log)? >= UNAPPROVED_LOG_BYTES {
            return Err(StoreError::Full(Limit::Unpacked));
        }
        self.check_said(log, bytes)
    }

    /// Counts what blocks of a file unpack to before they are, if nobody approved their log: a little that is stored may be very much
    /// then. A log that would bring too much brings nothing more; where all of them have, it may again when others are let go of.
    pub(super) fn count_unpacked(&mut self, log: LogId, name: &str, plain_bytes: u64) -> Result<(), StoreError> {
        if self.state(log)? != Some(LogState::Unapproved) {
            return Ok(());
        }
        let plain_bytes = plain_bytes.max(UNPACKED_BYTES_MIN);
        let refused = self.db.write(|tx| {
            let row = (log.to_string(), name);
            let sql = "SELECT EXISTS (SELECT 1 FROM unpacked WHERE log = ?1 AND name = ?2)";
            // A copy that was damaged is read again.
            if tx.prepare_cached(sql)?.query_row((&row.0, row.1), |row| row.get(0))? {
                return Ok(None);
            }
            let note = "INSERT OR REPLACE INTO unpacked (log, name, bytes) VALUES (?1, ?2, ?3)";
            if unpacked_bytes(tx, log)?.saturating_add(plain_bytes) > UNAPPROVED_LOG_BYTES {
                tx.prepare_cached(note)?.execute((&row.0, "", int(UNAPPROVED_LOG_BYTES)))?;
                return Ok(Some(Limit::Unpacked));
            }
            if all_unpacked_bytes(tx)?.saturating_add(plain_bytes) > UNAPPROVED_BYTES {
                return Ok(Some(Limit::UnpackedAll));
            }
            tx.prepare_cached(note)?.execute((&row.0, row.1, int(plain_bytes)))?;
            Ok::<_, StoreError>(None)
        })?;
        refused.map_or(Ok(()), |limit| Err(StoreError::Full(limit)))
    }

    /// What the segments of a log were unpacked to while nobody approved it.
    pub(super) fn unpacked_bytes(&self, log: LogId) -> Result<u64, StoreError> {
        unpacked_bytes(self.db.conn(), log)
    }

    /// Whether a log may bring so much more in heads, lists and segments, if nobody approved it.
    pub(super) fn check_said(&self, log: LogId, bytes: u64) -> Result<(), StoreError> {
        if self.state(log)? != Some(LogState::Unapproved) {
            return Ok(());
        }
        if self.kept_bytes(log)?.saturating_add(bytes) > UNAPPROVED_LOG_BYTES {
            return Err(StoreError::Full(Limit::UnapprovedLog));
        }
        if self.unapproved_bytes()?.saturating_add(bytes) > UNAPPROVED_BYTES {
            return Err(StoreError::Full(Limit::Unapproved));
        }
        Ok(())
    }

    /// Whether a list of so many bytes can be taken in, so that it is not fetched in vain.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) fn may_say(&self, log: LogId, bytes: u64) -> Result<bool, StoreError> {
        match self.check_said(log, bytes) {
            Ok(()) => Ok(true),
            Err(StoreError::Full(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Bytes of segments of a stream that a log may still bring, so that no more is fetched.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn room(&self, log: LogId, stream: &StreamName) -> Result<u64, StoreError> {
        let state = self.state(log)?;
        if matches!(state, Some(LogState::Own | LogState::Former)) {
            return Ok(u64::MAX);
        }
        if !self.streams.is_small(stream) && self.is_disk_low()? {
            return Ok(0);
        }
        let left = self.room.log_bytes.saturating_sub(self.log_bytes(log)?);
        if state != Some(LogState::Unapproved) {
            return Ok(left);
        }
        if self.unpacked_bytes(log)? >= UNAPPROVED_LOG_BYTES {
            return Ok(0);
        }
        let unapproved = UNAPPROVED_BYTES.saturating_sub(self.unapproved_bytes()?);
        Ok(left.min(UNAPPROVED_LOG_BYTES.saturating_sub(self.kept_bytes(log)?)).min(unapproved))
    }

    /// Bytes of the segments, heads and lists that are kept of a log.
    fn kept_bytes(&self, log: LogId) -> Result<u64, StoreError> {
        let sql = "SELECT (SELECT coalesce(sum(bytes), 0) FROM segments WHERE log = ?1)
                       + (SELECT coalesce(sum(bytes), 0) FROM later WHERE log = ?1)
                       + (SELECT coalesce(sum(length(bytes)), 0) FROM heads_seen WHERE log = ?1)
                       + (SELECT coalesce(sum(length(bytes)), 0) FROM lists WHERE log = ?1)";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([log.to_string()], |row| number(row, 0))?)
    }

    /// The same of all logs that nobody approved.
    fn unapproved_bytes(&self) -> Result<u64, StoreError> {
        let sql = "WITH strangers AS (SELECT log FROM logs WHERE state = 'unapproved')
                   SELECT (SELECT coalesce(sum(bytes), 0) FROM segments WHERE log IN strangers)
                       + (SELECT coalesce(sum(bytes), 0) FROM later WHERE log IN strangers)
                       + (SELECT coalesce(sum(length(bytes)), 0) FROM heads_seen WHERE log IN strangers)
                       + (SELECT coalesce(sum(length(bytes)), 0) FROM lists WHERE log IN strangers)";
        Ok(self.db.conn().prepare_cached(sql)?.query_row([], |row| number(row, 0))?)
    }
}

fn unpacked_bytes(db: &Connection, log: LogId) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(sum(bytes), 0) FROM unpacked WHERE log = ?1";
    Ok(db.prepare_cached(sql)?.query_row([log.to_string()], |row| number(row, 0))?)
}

/// What the segments of all logs that nobody approved were unpacked to. What is marked as too much was not.
fn all_unpacked_bytes(db: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT coalesce(sum(bytes), 0) FROM unpacked
               WHERE name <> '' AND log IN (SELECT log FROM logs WHERE state = 'unapproved')";
    Ok(db.prepare_cached(sql)?.query_row([], |row| number(row, 0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_large_disk_no_more_stays_free_than_of_a_middling_one() {
        let gib = 1024 * 1024 * 1024;
        for (all, needed) in [(0, 0), (gib * 10, gib / 2), (gib * 40, gib * 2), (gib * 4000, gib * 2)] {
            let found = Free::Usual.of(all);
            assert!(found <= needed && needed - found < 1024, "{all}: {found}");
        }
        assert_eq!(Free::Bytes(7).of(1), 7, "what was said counts, whatever the disk has");
        assert_eq!(Free::Bytes(0).of(u64::MAX), 0);
        assert!(!DiskRoom { free: 0, needed: 0 }.is_low() && DiskRoom { free: 6, needed: 7 }.is_low());
    }
}
