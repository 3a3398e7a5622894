//! The two tables that every strand keeps in its own SQLite file: what it wants to say, and what it has folded.
//!
//! A strand puts [`SQL`] into one of its migrations. A change and its row in the outbox are written in one transaction with
//! [`push`]; [`drain`] hands rows to the exchange and removes them when they have a place. Folding a batch and [`cover`] are
//! one transaction, too.

use std::collections::BTreeMap;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::Db;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, Transaction};
use carry_kernel::hlc::Hlc;

use super::{Appended, NewRecord, Nonce, Origin};
use crate::frame::Frame;
use crate::name::{LogId, NameError, StreamName};
use crate::packed::{self, Packed};
use crate::ranges::Ranges;
use crate::record::{AttachmentId, Flags, Record};
use crate::store::{Store, StoreError};

mod pushed;

pub use pushed::{End, Pushed};

/// The tables, for a strand's migration. Long payloads lie packed: `plain_bytes` is their length then. Numbers are never given twice, also after rows are gone.
pub const SQL: &str = "
CREATE TABLE outbox_self (one INTEGER PRIMARY KEY CHECK (one = 1), nonce BLOB NOT NULL) STRICT;
CREATE TABLE outbox (
  id INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL,
  flags INTEGER NOT NULL, key BLOB NOT NULL, kind INTEGER NOT NULL, kind_version INTEGER NOT NULL,
  wants TEXT NOT NULL, payload BLOB NOT NULL, plain_bytes INTEGER
) STRICT;
CREATE INDEX outbox_by_stream ON outbox (stream, id);
CREATE TABLE applied (
  log TEXT NOT NULL, track INTEGER NOT NULL, stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  PRIMARY KEY (log, track, stream, first)
) STRICT, WITHOUT ROWID;
";

/// Rows that are handed over at once.
const DRAIN_ROWS: usize = 1024;
/// Bytes of their payloads, after which a hand-over ends. Each waits for the disk several times.
const DRAIN_BYTES: usize = 8 * 1024 * 1024;

/// What is to be said, before it has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// What it does to other records.
    pub flags: Flags,
    /// The unit that [`Flags::REPLACES`] works on.
    pub key: Vec<u8>,
    /// What kind of record of its stream it is.
    pub kind: u16,
    /// The version of that kind's payload.
    pub kind_version: u16,
    /// The attachments without which it waits.
    pub wants: Vec<AttachmentId>,
    /// A JSON object.
    pub payload: Vec<u8>,
}

/// Writes what is to be said, in the transaction of the change itself. Gives its number.
///
/// # Errors
/// [`StoreError::Frame`] for what no record can hold, so that it never stands in others' way; SQLite's.
pub fn push(tx: &Transaction<'_>, stream: &StreamName, out: &Outgoing) -> Result<u64, StoreError> {
    Ok(push_before(tx, stream, out, None)?.0)
}

/// The same of a payload that ends in `end`, which was packed before. Gives its payload as it lies packed, too, for [`Pushed`].
///
/// # Errors
/// As [`push`].
pub fn push_before(
    tx: &Transaction<'_>,
    stream: &StreamName,
    out: &Outgoing,
    end: Option<&End>,
) -> Result<(u64, Option<Vec<u8>>), StoreError> {
    check(out)?;
    let wants = out.wants.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(" ");
    let sql = "INSERT INTO outbox (stream, flags, key, kind, kind_version, wants, payload, plain_bytes)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let (payload, plain_bytes) = match end {
        Some(end) => packed::pack_before(&out.payload, end.packed())?,
        None => packed::pack(&out.payload)?,
    };
    tx.prepare_cached(sql)?.execute((
        stream.as_str(),
        out.flags.0,
        &out.key,
        out.kind,
        out.kind_version,
        wants,
        &payload,
        plain_bytes,
    ))?;
    let id = u64::try_from(tx.last_insert_rowid()).unwrap_or(0);
    Ok((id, plain_bytes.is_some().then(|| payload.into_owned())))
}

/// Whether a record can hold it, whatever place and stamp it gets.
fn check(out: &Outgoing) -> Result<(), StoreError> {
    let mut wants = out.wants.clone();
    wants.sort();
    wants.dedup();
    let record = Record {
        flags: out.flags,
        seq: 1,
        at: Hlc::default(),
        kind: out.kind,
        kind_version: out.kind_version,
        salt: [0; 16],
        key: out.key.clone(),
        wants,
        payload: Vec::new(),
    };
    Ok(Frame::Record(record).check_with(out.payload.len())?)
}

/// How many rows of a stream wait to be handed over.
///
/// # Errors
/// SQLite's.
pub fn n_waiting(db: &Connection, stream: &StreamName) -> rusqlite::Result<u64> {
    let sql = "SELECT count(*) FROM outbox WHERE stream = ?1";
    db.prepare_cached(sql)?.query_row([stream.as_str()], |row| crate::store::number(row, 0))
}

/// Hands all that waits of a stream to the exchange, a part at a time, and removes it here once it has a place. `placed` is
/// called in the transaction that removes, so that a strand can note the places of its own records; they count as applied.
/// Says how many there were.
///
/// # Errors
/// [`StoreError`]; what was handed over before stays so, and the rest is by the next call.
pub fn drain(
    db: &mut Db,
    stream: &StreamName,
    store: &mut Store,
    now: Timestamp,
    placed: &mut dyn FnMut(&Transaction<'_>, &NewRecord, &Appended) -> Result<(), StoreError>,
) -> Result<usize, StoreError> {
    let mut pushed = Pushed::<()>::default();
    drain_pushed(db, stream, store, now, &mut pushed, &mut |tx, new, place, _| placed(tx, new, place))
}

/// The same where this process has just pushed some of the rows: these are not unpacked, and `placed` is called with what was
/// remembered of each.
///
/// # Errors
/// As [`drain`].
pub fn drain_pushed<T>(
    db: &mut Db,
    stream: &StreamName,
    store: &mut Store,
    now: Timestamp,
    pushed: &mut Pushed<T>,
    placed: &mut Placed<'_, T>,
) -> Result<usize, StoreError> {
    let mut n_drained = 0;
    loop {
        let Waiting { rows, packed, remembered } = waiting(db.conn(), stream, pushed)?;
        if rows.is_empty() {
            // What is remembered now is of rows that were removed otherwise.
            *pushed = Pushed::default();
            return Ok(n_drained);
        }
        // A number must not be given again for something else after a power loss.
        db.sync()?;
        let nonce = nonce(db, store)?;
        let appended = match store.append_packed(stream, nonce, &rows, &packed, now) {
            Err(StoreError::WentBack { .. }) => {
                // This file went back to an earlier state. What of it was said already is said twice, which changes nothing.
                let fresh = store.nonce()?;
                db.write(|tx| {
                    Ok::<_, StoreError>(tx.prepare_cached("UPDATE outbox_self SET nonce = ?1")?.execute([fresh.0])?)
                })?;
                continue;
            }
            other => other?,
        };
        db.write(|tx| {
            let mut covers: BTreeMap<LogId, Vec<u64>> = BTreeMap::new();
            for ((row, place), remembered) in rows.iter().zip(&appended).zip(&remembered) {
                placed(tx, row, place, remembered.as_ref())?;
                covers.entry(place.log).or_default().push(place.seq);
                tx.prepare_cached("DELETE FROM outbox WHERE id = ?1")?.execute([int(row.id)])?;
            }
            for (log, seqs) in covers {
                let origin = Origin { log, track: 0, stream: stream.clone() };
                cover(tx, &origin, &seqs.into_iter().map(|seq| seq..=seq).collect())?;
            }
            Ok::<_, StoreError>(())
        })?;
        // Forgotten there only once it cannot come back here.
        db.sync()?;
        store.settle(nonce, &open(db.conn())?)?;
        n_drained += rows.len();
    }
}

/// The outbox's nonce, drawn when there is none.
fn nonce(db: &mut Db, store: &mut Store) -> Result<Nonce, StoreError> {
    let sql = "SELECT nonce FROM outbox_self";
    if let Some(nonce) = db.conn().prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()? {
        return Ok(Nonce(nonce));
    }
    let fresh = store.nonce()?;
    let nonce = db.write(|tx| {
        tx.prepare_cached("INSERT OR IGNORE INTO outbox_self (one, nonce) VALUES (1, ?1)")?.execute([fresh.0])?;
        Ok::<_, StoreError>(tx.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
    })?;
    db.sync()?;
    Ok(Nonce(nonce))
}

/// Called with each row that has its place now, and what was remembered of it.
pub type Placed<'p, T> = dyn FnMut(&Transaction<'_>, &NewRecord, &Appended, Option<&T>) -> Result<(), StoreError> + 'p;

/// Rows of a stream.
struct Waiting<T> {
    rows: Vec<NewRecord>,
    /// The payload of each as it lies packed.
    packed: Vec<Option<Packed>>,
    /// What was remembered of each.
    remembered: Vec<Option<T>>,
}

/// The oldest rows of a stream.
fn waiting<T>(db: &Connection, stream: &StreamName, pushed: &mut Pushed<T>) -> Result<Waiting<T>, StoreError> {
    let sql = "SELECT id, flags, key, kind, kind_version, wants, payload, plain_bytes FROM outbox WHERE stream = ?1 ORDER BY id LIMIT ?2";
    let mut rows = db.prepare_cached(sql)?;
    let mut rows = rows.query((stream.as_str(), int(DRAIN_ROWS as u64)))?;
    let mut waiting = Waiting { rows: Vec::new(), packed: Vec::new(), remembered: Vec::new() };
    let mut bytes = 0;
    while bytes < DRAIN_BYTES
        && let Some(row) = rows.next()?
    {
        let wants: String = row.get(5)?;
        let wants = wants.split(' ').filter(|id| !id.is_empty()).map(str::parse);
        let (kept, plain_bytes): (Vec<u8>, Option<u32>) = (row.get(6)?, row.get(7)?);
        let id = crate::store::number(row, 0)?;
        let (plain, remembered) = pushed.take(id, &kept, plain_bytes).unzip();
        let (payload, kept) = match plain_bytes {
            None => (kept, None),
            Some(plain_bytes) => {
                let payload = match plain {
                    Some(plain) => plain,
                    None => packed::unpack_long(&kept, plain_bytes).map_err(|e| damaged(&e))?,
                };
                (payload, Some(Packed { bytes: kept, plain_bytes }))
            }
        };
        waiting.packed.push(kept);
        waiting.remembered.push(remembered);
        bytes += payload.len();
        waiting.rows.push(NewRecord {
            id,
            flags: Flags(row.get(1)?),
            key: row.get(2)?,
            kind: row.get(3)?,
            kind_version: row.get(4)?,
            wants: wants.collect::<Result<_, _>>().map_err(|e: NameError| damaged(&e))?,
            payload,
        });
    }
    Ok(waiting)
}

/// The payload of a row, as `payload` and `plain_bytes` have it.
///
/// # Errors
/// [`StoreError`] for a damaged one.
pub fn unpacked(payload: Vec<u8>, plain_bytes: Option<u32>) -> Result<Vec<u8>, StoreError> {
    packed::unpack(payload, plain_bytes).map_err(|error| damaged(&error))
}

fn damaged(error: &dyn std::error::Error) -> StoreError {
    StoreError::damaged("a row of an outbox", error.to_string())
}

/// The numbers of all rows that are there.
fn open(db: &Connection) -> Result<Ranges, StoreError> {
    let mut rows = db.prepare_cached("SELECT id FROM outbox")?;
    let rows = rows.query_map([], |row| crate::store::number(row, 0).map(|id| id..=id))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What is folded of an origin.
///
/// # Errors
/// SQLite's.
pub fn applied(db: &Connection, origin: &Origin) -> rusqlite::Result<Ranges> {
    let sql = "SELECT first, last FROM applied WHERE log = ?1 AND track = ?2 AND stream = ?3";
    let mut rows = db.prepare_cached(sql)?;
    let rows = rows.query_map((origin.log.to_string(), origin.track, origin.stream.as_str()), |row| {
        Ok(crate::store::number(row, 0)?..=crate::store::number(row, 1)?)
    })?;
    rows.collect()
}

/// All origins of a stream of which something is folded.
///
/// # Errors
/// SQLite's.
pub fn origins(db: &Connection, stream: &StreamName) -> rusqlite::Result<Vec<Origin>> {
    let mut rows = db.prepare_cached("SELECT DISTINCT log, track FROM applied WHERE stream = ?1")?;
    let rows = rows.query_map([stream.as_str()], |row| {
        Ok(Origin { log: crate::store::parsed(row, 0)?, track: crate::store::track(row, 1)?, stream: stream.clone() })
    })?;
    rows.collect()
}

/// Adds to what is folded of an origin, in the transaction that folds.
///
/// # Errors
/// SQLite's.
pub fn cover(tx: &Transaction<'_>, origin: &Origin, covers: &Ranges) -> rusqlite::Result<()> {
    let all = applied(tx, origin)?.union(covers);
    write(tx, origin, &all)
}

/// Removes what lies after a record from what is folded of an origin, in the transaction that takes it back.
///
/// # Errors
/// SQLite's.
pub fn uncover(tx: &Transaction<'_>, origin: &Origin, after: u64) -> rusqlite::Result<()> {
    let kept = applied(tx, origin)?.intersection(&Ranges::of(1, after));
    write(tx, origin, &kept)
}

/// Removes everything of a stream from what is folded: for a strand that folds all of it again.
///
/// # Errors
/// SQLite's.
pub fn uncover_all(tx: &Transaction<'_>, stream: &StreamName) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM applied WHERE stream = ?1")?.execute([stream.as_str()]).map(drop)
}

fn write(tx: &Transaction<'_>, origin: &Origin, ranges: &Ranges) -> rusqlite::Result<()> {
    let (log, stream) = (origin.log.to_string(), origin.stream.as_str());
    tx.prepare_cached("DELETE FROM applied WHERE log = ?1 AND track = ?2 AND stream = ?3")?.execute((
        &log,
        origin.track,
        stream,
    ))?;
    let sql = "INSERT INTO applied (log, track, stream, first, last) VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut insert = tx.prepare_cached(sql)?;
    for range in ranges.iter() {
        insert.execute((&log, origin.track, stream, int(*range.start()), int(*range.end())))?;
    }
    Ok(())
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
