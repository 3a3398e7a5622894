//! Rows as values: numbers, names, digests, and sets of numbers.

use std::str::FromStr;

use carry_kernel::db::rusqlite::types::Type;
use carry_kernel::db::rusqlite::{self, Connection, Row, ToSql, params_from_iter};

use super::StoreError;
use crate::hash::Digest;
use crate::name::{LogId, StreamName};
use crate::ranges::Ranges;
use crate::segment::SegmentRef;

/// A number as SQLite holds it. Ours have twelve digits at most.
pub(super) fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number that is not negative.
pub(crate) fn number(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    let found: i64 = row.get(at)?;
    u64::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, found))
}

/// A track's number.
pub(crate) fn track(row: &Row<'_>, at: usize) -> rusqlite::Result<u32> {
    let found = number(row, at)?;
    u32::try_from(found).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(at, int(found)))
}

/// 32 bytes.
pub(super) fn digest(row: &Row<'_>, at: usize) -> rusqlite::Result<Digest> {
    row.get(at).map(Digest::from_bytes)
}

/// First, last, bytes and digest of a segment, in four columns from `at` on.
pub(super) fn reference(row: &Row<'_>, at: usize) -> rusqlite::Result<SegmentRef> {
    Ok(SegmentRef {
        first: number(row, at)?,
        last: number(row, at + 1)?,
        bytes: number(row, at + 2)?,
        digest: digest(row, at + 3)?,
    })
}

/// A text that is the name of something.
pub(crate) fn parsed<T>(row: &Row<'_>, at: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(at)?;
    text.parse().map_err(|e| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(e)))
}

/// One stream of one track of one log: what most tables are about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    pub(super) log: LogId,
    pub(super) track: u32,
    pub(super) stream: StreamName,
}

impl Lane {
    pub(super) fn own(log: LogId, stream: &StreamName) -> Self {
        Self { log, track: 0, stream: stream.clone() }
    }
}

impl std::fmt::Display for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.track {
            0 => write!(f, "{}/{}", self.log, self.stream),
            track => write!(f, "{}/{}, way {track}", self.log, self.stream),
        }
    }
}

/// What is held of a lane.
pub(super) fn held(db: &Connection, lane: &Lane) -> Result<Ranges, StoreError> {
    let mut rows = db.prepare_cached("SELECT first, last FROM ranges WHERE log = ?1 AND track = ?2 AND stream = ?3")?;
    let rows = rows.query_map((lane.log.to_string(), lane.track, lane.stream.as_str()), |row| {
        Ok(number(row, 0)?..=number(row, 1)?)
    })?;
    Ok(rows.collect::<rusqlite::Result<Ranges>>()?)
}

/// Writes what is held of a lane.
pub(super) fn set_held(db: &Connection, lane: &Lane, ranges: &Ranges) -> Result<(), StoreError> {
    let (log, stream) = (lane.log.to_string(), lane.stream.as_str());
    db.prepare_cached("DELETE FROM ranges WHERE log = ?1 AND track = ?2 AND stream = ?3")?
        .execute((&log, lane.track, stream))?;
    let mut insert =
        db.prepare_cached("INSERT INTO ranges (log, track, stream, first, last) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for range in ranges.iter() {
        insert.execute((&log, lane.track, stream, int(*range.start()), int(*range.end())))?;
    }
    Ok(())
}

/// Adds to what is held of a lane.
pub(super) fn add_held(db: &Connection, lane: &Lane, more: &Ranges) -> Result<(), StoreError> {
    let ranges = held(db, lane)?;
    set_held(db, lane, &ranges.union(more))
}

/// What a mark's row is covered by: a chain that no record here backs could not be checked otherwise.
pub(super) fn mark_sum(lane: &Lane, seq: u64, chain: Digest) -> [u8; 4] {
    let place = format!("{} {} {} {seq}\n", lane.log, lane.track, lane.stream);
    Digest::of(&[b"mark\n", place.as_bytes(), chain.as_bytes()]).first4()
}

/// Notes the chain after a record. What is there stays.
pub(super) fn add_mark(db: &Connection, lane: &Lane, seq: u64, chain: Digest) -> Result<(), StoreError> {
    let sql = "INSERT OR IGNORE INTO marks (log, track, stream, seq, chain, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let sum = mark_sum(lane, seq, chain);
    db.prepare_cached(sql)?.execute((
        lane.log.to_string(),
        lane.track,
        lane.stream.as_str(),
        int(seq),
        chain.as_bytes(),
        sum,
    ))?;
    Ok(())
}

/// The marks of `first..=last`.
pub(super) fn marks(db: &Connection, lane: &Lane, first: u64, last: u64) -> Result<Vec<(u64, Digest)>, StoreError> {
    let sql = "SELECT seq, chain FROM marks WHERE log = ?1 AND track = ?2 AND stream = ?3 AND seq BETWEEN ?4 AND ?5";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows
        .query_map((lane.log.to_string(), lane.track, lane.stream.as_str(), int(first), int(last)), |row| {
            Ok((number(row, 0)?, digest(row, 1)?))
        })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// All lanes of which something is held.
pub(super) fn lanes(db: &Connection) -> Result<Vec<Lane>, StoreError> {
    let mut rows = db.prepare_cached("SELECT DISTINCT log, track, stream FROM ranges")?;
    let rows =
        rows.query_map([], |row| Ok(Lane { log: parsed(row, 0)?, track: track(row, 1)?, stream: parsed(row, 2)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Runs a statement with parameters of one kind.
pub(super) fn run<P: ToSql>(db: &Connection, sql: &str, params: &[P]) -> Result<usize, StoreError> {
    Ok(db.prepare_cached(sql)?.execute(params_from_iter(params))?)
}
