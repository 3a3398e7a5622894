//! Takes records from outboxes and gives them their places.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::fault::point;
use super::rows::{self, Lane, digest, int, number, parsed};
use super::{Limit, Store, StoreError};
use crate::chain::{chain_next, chain_start};
use crate::clock;
use crate::frame::{Frame, digest_of_frame};
use crate::hash::Digest;
use crate::limits::STREAMS_MAX;
use crate::name::{LogId, StreamName};
use crate::packed::{self, Packed};
use crate::ranges::Ranges;
use crate::record::{AttachmentId, Flags, Record};
use crate::strand::{Appended, NewRecord, Nonce};

impl Store {
    /// Appends records to the device's log; they are durable when this returns. Numbers of an outbox that were taken already
    /// give the places that they were given then, so that a crash anywhere between outbox and log loses and doubles nothing.
    ///
    /// # Errors
    /// [`StoreError`]; then none of the records was appended. [`StoreError::WentBack`] when the outbox hands over a number
    /// that it had [settled](Store::settle).
    pub fn append(
        &mut self,
        stream: &StreamName,
        nonce: Nonce,
        records: &[NewRecord],
        now: Timestamp,
    ) -> Result<Vec<Appended>, StoreError> {
        self.append_packed(stream, nonce, records, &[], now)
    }

    /// The same of records whose payloads, at the same places of `packed`, were packed before.
    pub(crate) fn append_packed(
        &mut self,
        stream: &StreamName,
        nonce: Nonce,
        records: &[NewRecord],
        packed: &[Option<Packed>],
        now: Timestamp,
    ) -> Result<Vec<Appended>, StoreError> {
        self.refresh()?;
        self.note_time(now);
        let (log, entropy) = (self.log, &mut self.entropy);
        self.db.write(|tx| {
            let taken = taken(tx, nonce)?;
            let (mut last, mut chain) = position(tx, log, stream)?;
            check_streams(tx, log, stream, last)?;
            let mut stamp = tx
                .prepare_cached("SELECT wall_ms, counter FROM self WHERE log = ?1")?
                .query_row([log.to_string()], |row| Ok(Hlc { wall_ms: number(row, 0)?, counter: row.get(1)? }))?;
            let mut appended = Vec::with_capacity(records.len());
            for (at, new) in records.iter().enumerate() {
                if taken.contains(new.id) {
                    return Err(StoreError::WentBack { id: new.id });
                }
                let content = content(new);
                if let Some(known) = find(tx, nonce, new.id, content)? {
                    appended.push(known);
                    continue;
                }
                stamp = clock::next(stamp, now).at;
                let mut salt = [0; 16];
                entropy.fill(&mut salt).map_err(StoreError::Entropy)?;
                let record = record(new, last + 1, stamp, salt);
                note_replaced(tx, log, stream, &record)?;
                let mut frame = Vec::new();
                Frame::Record(record).encode(&mut frame)?;
                let r = digest_of_frame(&frame);
                (last, chain) = (last + 1, chain_next(chain, r));
                let place = (log.to_string(), stream.as_str(), int(last));
                let payload = packed.get(at).and_then(Option::as_ref);
                insert(tx, (&place.0, place.1, last), &frame, payload, chain)?;
                // A number whose content is another was not the same record: its file lost a commit and gave it again.
                let sql = "INSERT OR REPLACE INTO appended (nonce, id, content, log, stream, seq, r, wall_ms, counter)
                           VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
                tx.prepare_cached(sql)?.execute((
                    nonce.0,
                    int(new.id),
                    content.as_bytes(),
                    &place.0,
                    place.1,
                    place.2,
                    r.as_bytes(),
                    int(stamp.wall_ms),
                    stamp.counter,
                ))?;
                appended.push(Appended { id: new.id, log, seq: last, r, at: stamp });
            }
            rows::add_held(tx, &Lane::own(log, stream), &Ranges::of(1, last))?;
            tx.prepare_cached("UPDATE self SET wall_ms = ?1, counter = ?2")?
                .execute((int(stamp.wall_ms), stamp.counter))?;
            point("exchange.append.done")?;
            Ok(appended)
        })
    }

    /// A nonce for an outbox.
    ///
    /// # Errors
    /// [`StoreError::Entropy`].
    pub fn nonce(&mut self) -> Result<Nonce, StoreError> {
        let mut nonce = [0; 16];
        self.entropy.fill(&mut nonce).map_err(StoreError::Entropy)?;
        Ok(Nonce(nonce))
    }

    /// Goes on from a stamp that came from elsewhere, if it is not far ahead: what this device writes from now on sorts after it.
    /// [`deliver`](Self::deliver) does so for all that it hands over.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn observe(&mut self, seen: Hlc, now: Timestamp) -> Result<(), StoreError> {
        self.note_time(now);
        self.observe_all([seen])
    }

    /// Keeps the time that was handed in last, for calls that are given none.
    pub(super) fn note_time(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// The same for several stamps, at the time that was handed in last.
    pub(super) fn observe_all(&mut self, seen: impl IntoIterator<Item = Hlc>) -> Result<(), StoreError> {
        let now = self.now;
        let last = |db: &rusqlite::Connection| {
            db.prepare_cached("SELECT wall_ms, counter FROM self")?
                .query_row([], |row| Ok(Hlc { wall_ms: number(row, 0)?, counter: row.get(1)? }))
        };
        let before = last(self.db.conn())?;
        let next = seen.into_iter().fold(before, |last, seen| clock::observe(last, seen, now));
        if next == before {
            return Ok(());
        }
        self.db.write(|tx| {
            // Another process may have gone on meanwhile.
            let next = last(tx)?.max(next);
            tx.prepare_cached("UPDATE self SET wall_ms = ?1, counter = ?2")?
                .execute((int(next.wall_ms), next.counter))?;
            Ok(())
        })
    }

    /// Notes that an outbox, durably, has no number any more but those of `open`: what was taken of the others need not be
    /// remembered one by one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn settle(&mut self, nonce: Nonce, open: &Ranges) -> Result<(), StoreError> {
        self.db.write(|tx| {
            let mut ids = tx.prepare_cached("SELECT id FROM appended WHERE nonce = ?1")?;
            let ids = ids.query_map([nonce.0], |row| number(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            let settled: Vec<u64> = ids.into_iter().filter(|id| !open.contains(*id)).collect();
            if settled.is_empty() {
                return Ok(());
            }
            for id in &settled {
                tx.prepare_cached("DELETE FROM appended WHERE nonce = ?1 AND id = ?2")?.execute((nonce.0, int(*id)))?;
            }
            let all = taken(tx, nonce)?.union(&settled.into_iter().map(|id| id..=id).collect());
            tx.prepare_cached("DELETE FROM taken WHERE nonce = ?1")?.execute([nonce.0])?;
            for range in all.iter() {
                let row = (nonce.0, int(*range.start()), int(*range.end()));
                tx.prepare_cached("INSERT INTO taken (nonce, first, last) VALUES (?1, ?2, ?3)")?.execute(row)?;
            }
            Ok(())
        })
    }

    /// The streams of an own log, current or former.
    pub(super) fn own_streams(&self, log: LogId) -> Result<Vec<StreamName>, StoreError> {
        let sql = "SELECT DISTINCT stream FROM ranges WHERE log = ?1 AND track = 0 ORDER BY stream";
        let mut rows = self.db.conn().prepare_cached(sql)?;
        let rows = rows.query_map([log.to_string()], |row| parsed(row, 0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

/// Puts a record's frame into the tail. It ends in its payload, which may have been packed before.
pub(super) fn insert(
    tx: &rusqlite::Transaction<'_>,
    (log, stream, seq): (&str, &str, u64),
    frame: &[u8],
    payload: Option<&Packed>,
    chain: Digest,
) -> Result<(), StoreError> {
    let (frame, plain_bytes) = match payload {
        Some(payload) => packed::pack_before(frame, payload)?,
        None => packed::pack(frame)?,
    };
    let sql = "INSERT INTO tail (log, stream, seq, frame, plain_bytes, chain) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    tx.prepare_cached(sql)?.execute((log, stream, int(seq), frame, plain_bytes, chain.as_bytes()))?;
    Ok(())
}

/// The last record of an own stream and the chain after it.
pub(super) fn position(
    db: &rusqlite::Connection,
    log: LogId,
    stream: &StreamName,
) -> Result<(u64, Digest), StoreError> {
    let of = |table: &str, last: &str| {
        let sql =
            format!("SELECT {last}, chain FROM {table} WHERE log = ?1 AND stream = ?2 ORDER BY {last} DESC LIMIT 1");
        let row = |row: &rusqlite::Row<'_>| Ok((number(row, 0)?, digest(row, 1)?));
        db.prepare_cached(&sql)?.query_row((log.to_string(), stream.as_str()), row).optional()
    };
    let found = match of("tail", "seq")? {
        Some(found) => Some(found),
        None => of("segments", "last")?,
    };
    Ok(found.unwrap_or_else(|| (0, chain_start(log, stream))))
}

/// Notes that a record voids all earlier ones of its key.
pub(super) fn note_replaced(
    tx: &rusqlite::Connection,
    log: LogId,
    stream: &StreamName,
    record: &Record,
) -> Result<(), StoreError> {
    if record.flags.has(Flags::REPLACES) {
        note_replaced_key(tx, log, stream, &record.key, record.seq)?;
    }
    Ok(())
}

/// The same of a record that is known to.
pub(super) fn note_replaced_key(
    tx: &rusqlite::Connection,
    log: LogId,
    stream: &StreamName,
    key: &[u8],
    seq: u64,
) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO replaced (log, stream, key, seq) VALUES (?1, ?2, ?3, ?4)";
    tx.prepare_cached(sql)?.execute((log.to_string(), stream.as_str(), key, int(seq)))?;
    Ok(())
}

/// A stream too many could never be published.
fn check_streams(tx: &rusqlite::Connection, log: LogId, stream: &StreamName, last: u64) -> Result<(), StoreError> {
    if last > 0 {
        return Ok(());
    }
    let sql = "SELECT count(DISTINCT stream) FROM ranges WHERE log = ?1 AND track = 0 AND stream <> ?2";
    let n: u64 = tx.prepare_cached(sql)?.query_row((log.to_string(), stream.as_str()), |row| number(row, 0))?;
    if n >= STREAMS_MAX as u64 { Err(StoreError::Full(Limit::Streams)) } else { Ok(()) }
}

fn record(new: &NewRecord, seq: u64, at: Hlc, salt: [u8; 16]) -> Record {
    Record {
        flags: new.flags,
        seq,
        at,
        kind: new.kind,
        kind_version: new.kind_version,
        salt,
        key: new.key.clone(),
        wants: in_order(&new.wants),
        payload: new.payload.clone(),
    }
}

/// Wanted ids as a record has them.
fn in_order(wants: &[AttachmentId]) -> Vec<AttachmentId> {
    let mut wants = wants.to_vec();
    wants.sort();
    wants.dedup();
    wants
}

/// What makes two records of one number the same.
fn content(new: &NewRecord) -> Digest {
    let kind = [new.flags.0.into(), new.kind, new.kind_version];
    content_from(kind, &new.key, &in_order(&new.wants), &new.payload)
}

/// The same of a record that has its place.
pub(super) fn content_of(fixed: &Record) -> Digest {
    content_from([fixed.flags.0.into(), fixed.kind, fixed.kind_version], &fixed.key, &fixed.wants, &fixed.payload)
}

fn content_from(kind: [u16; 3], key: &[u8], wants: &[AttachmentId], payload: &[u8]) -> Digest {
    let wants: Vec<&str> = wants.iter().map(|id| id.as_str()).collect();
    let parts = kind.map(u16::to_le_bytes).concat();
    let key_bytes = (key.len() as u64).to_le_bytes();
    let wants = wants.join(" ");
    let wants_bytes = (wants.len() as u64).to_le_bytes();
    Digest::of(&[&parts, &key_bytes, key, &wants_bytes, wants.as_bytes(), payload])
}

fn find(tx: &rusqlite::Connection, nonce: Nonce, id: u64, content: Digest) -> Result<Option<Appended>, StoreError> {
    let sql = "SELECT log, seq, r, wall_ms, counter FROM appended WHERE nonce = ?1 AND id = ?2 AND content = ?3";
    let row = tx.prepare_cached(sql)?.query_row((nonce.0, int(id), content.as_bytes()), |row| {
        let at = Hlc { wall_ms: number(row, 3)?, counter: row.get(4)? };
        Ok(Appended { id, log: parsed(row, 0)?, seq: number(row, 1)?, r: digest(row, 2)?, at })
    });
    Ok(row.optional()?)
}

fn taken(tx: &rusqlite::Connection, nonce: Nonce) -> Result<Ranges, StoreError> {
    let mut rows = tx.prepare_cached("SELECT first, last FROM taken WHERE nonce = ?1")?;
    let rows = rows.query_map([nonce.0], |row| Ok(number(row, 0)?..=number(row, 1)?))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}
