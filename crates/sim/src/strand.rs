//! The two kinds of work that the simulated devices do: editing registers, and keeping things.
//!
//! Both lie in one SQLite file, as the program's own strands do, and keep the rows they were handed: what they show is made of
//! the rows each time, so that nothing but the rows has to be right.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::ranges::Ranges;
use carry_exchange::register::{Branch, Lineage};
use carry_exchange::store::{Store, StoreError};
use carry_exchange::strand::{Batch, Offered, Origin, StrandError, outbox};
use carry_kernel::clock::Timestamp;
use carry_kernel::db::{Db, DbError, Schema, rusqlite};
use carry_kernel::hlc::Hlc;

mod registers;
mod things;

pub use registers::{REGISTERS, Registers, State};
pub use things::{Thing, Things, attachment_bytes};

pub(crate) const SCHEMA: Schema = Schema {
    application_id: 0x5349_4d31,
    migrations: &[
        outbox::SQL,
        "CREATE TABLE rows (
           stream TEXT, log TEXT, track INTEGER, seq INTEGER, r4 BLOB, branch_first INTEGER, branch_r4 BLOB,
           kind INTEGER, flags INTEGER, key BLOB, wall_ms INTEGER, counter INTEGER, is_placed INTEGER, payload BLOB,
           PRIMARY KEY (stream, log, track, seq)
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX placed ON rows (stream, log, track, seq) WHERE is_placed;
         CREATE TABLE branches (
           stream TEXT, log TEXT, first INTEGER, r4 BLOB, parent_first INTEGER, parent_r4 BLOB,
           PRIMARY KEY (stream, log, first, r4)
         ) STRICT, WITHOUT ROWID;
         CREATE TABLE packs (id TEXT PRIMARY KEY, bytes BLOB) STRICT;
         CREATE TABLE to_attach (n INTEGER PRIMARY KEY, id TEXT, needs TEXT) STRICT;",
    ],
};

/// Where the strands of a home keep their things.
pub(crate) fn database(root: &Path) -> PathBuf {
    root.join("data/sim.db")
}

fn open(root: &Path) -> Result<Db, DbError> {
    Db::open(&database(root), SCHEMA)
}

/// One record that is folded, or that this device said and whose place it knows.
#[derive(Clone, Debug)]
struct Row {
    log: LogId,
    seq: u64,
    r4: [u8; 4],
    lineage: Lineage,
    kind: u16,
    flags: u8,
    key: Vec<u8>,
    at: Hlc,
    payload: serde_json::Value,
}

/// The name of a branch as two columns; 0 for the trunk.
fn branch_columns(branch: Option<(u64, [u8; 4])>) -> (i64, [u8; 4]) {
    branch.map_or((0, [0; 4]), |(first, r4)| (int(first), r4))
}

fn branch_of(first: i64, r4: [u8; 4]) -> Option<(u64, [u8; 4])> {
    u64::try_from(first).ok().filter(|first| *first > 0).map(|first| (first, r4))
}

fn int(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|number| u64::try_from(number).unwrap_or(0))
}

fn wrong(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, "text".to_owned(), rusqlite::types::Type::Text)
}

/// Writes a batch's rows.
fn fold(db: &mut Db, batch: &Batch<'_>) -> Result<(), StrandError> {
    let (log, stream) = (batch.origin.log.to_string(), batch.origin.stream.as_str());
    db.write(|tx| {
        for folded in batch.records {
            let record = &folded.record;
            let (branch, branch_r4) = branch_columns(folded.lineage.branch);
            let sql = "INSERT OR REPLACE INTO rows VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, 0, ?13)";
            tx.prepare_cached(sql)?.execute(rusqlite::params![
                stream,
                log,
                batch.origin.track,
                int(record.seq),
                folded.r.first4(),
                branch,
                branch_r4,
                record.kind,
                record.flags.0,
                record.key,
                int(record.at.wall_ms),
                record.at.counter,
                record.payload,
            ])?;
        }
        for branch in batch.branches {
            let (parent, parent_r4) = branch_columns(branch.parent);
            let sql = "INSERT OR REPLACE INTO branches VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let row = rusqlite::params![stream, log, int(branch.first), branch.r4, parent, parent_r4];
            tx.prepare_cached(sql)?.execute(row)?;
        }
        outbox::cover(tx, batch.origin, batch.covers)?;
        carry_kernel::fault::point("sim.strand.folded")?;
        Ok::<_, StoreError>(())
    })?;
    Ok(())
}

/// Takes back what lies after a record.
fn retract(db: &mut Db, origin: &Origin, after: u64) -> Result<(), StrandError> {
    db.write(|tx| {
        let sql = "DELETE FROM rows WHERE stream = ?1 AND log = ?2 AND track = ?3 AND seq > ?4";
        tx.prepare_cached(sql)?.execute((origin.stream.as_str(), origin.log.to_string(), origin.track, int(after)))?;
        outbox::uncover(tx, origin, after)?;
        carry_kernel::fault::point("sim.strand.retracted")?;
        Ok::<_, StoreError>(())
    })?;
    Ok(())
}

/// Hands over what waits, and notes each record with its place. The stamp is not known yet: what is only placed does not count
/// as applied, so that it is handed back and folded like anyone's.
fn drain(db: &mut Db, stream: &StreamName, store: &mut Store, now: Timestamp) -> Result<Offered, StrandError> {
    let n_records = outbox::drain(db, stream, store, now, &mut |tx, new, place| {
        let sql = "INSERT OR REPLACE INTO rows VALUES (?1, ?2, 0, ?3, ?4, 0, x'00000000', ?5, ?6, ?7, 0, 0, 1, ?8)";
        tx.prepare_cached(sql)?.execute(rusqlite::params![
            stream.as_str(),
            place.log.to_string(),
            int(place.seq),
            place.r.first4(),
            new.kind,
            new.flags.0,
            new.key,
            new.payload,
        ])?;
        carry_kernel::fault::point("sim.strand.placed")?;
        Ok(())
    })?;
    Ok(Offered { n_records, has_more: false })
}

/// What is folded of an origin.
fn applied(db: &Db, origin: &Origin) -> Result<Ranges, StrandError> {
    let all = outbox::applied(db.conn(), origin)?;
    let sql = "SELECT seq FROM rows WHERE stream = ?1 AND log = ?2 AND track = ?3 AND is_placed";
    let mut rows = db.conn().prepare_cached(sql)?;
    let place = (origin.stream.as_str(), origin.log.to_string(), origin.track);
    let placed = rows.query_map(place, |row| number(row, 0).map(|seq| seq..=seq))?;
    let placed = placed.collect::<rusqlite::Result<Ranges>>()?;
    Ok(all.difference(&placed))
}

/// All rows of a stream.
fn rows(db: &Db, stream: &StreamName) -> Result<Vec<Row>, StrandError> {
    let sql = "SELECT log, seq, r4, branch_first, branch_r4, kind, flags, key, wall_ms, counter, payload FROM rows
               WHERE stream = ?1";
    let mut rows = db.conn().prepare_cached(sql)?;
    let rows = rows.query_map([stream.as_str()], |row| {
        let log: LogId = row.get_ref(0)?.as_str()?.parse().map_err(|_| wrong(0))?;
        let branch = branch_of(row.get(3)?, row.get(4)?);
        Ok(Row {
            log,
            seq: number(row, 1)?,
            r4: row.get(2)?,
            lineage: Lineage { log, branch },
            kind: row.get(5)?,
            flags: row.get(6)?,
            key: row.get(7)?,
            at: Hlc { wall_ms: number(row, 8)?, counter: row.get(9)? },
            payload: serde_json::from_slice(row.get_ref(10)?.as_blob()?).map_err(|_| wrong(10))?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The branches of a stream's forked logs.
fn branches(db: &Db, stream: &StreamName) -> Result<Vec<(LogId, Branch)>, StrandError> {
    let sql = "SELECT log, first, r4, parent_first, parent_r4 FROM branches WHERE stream = ?1";
    let mut rows = db.conn().prepare_cached(sql)?;
    let rows = rows.query_map([stream.as_str()], |row| {
        let log: LogId = row.get_ref(0)?.as_str()?.parse().map_err(|_| wrong(0))?;
        let parent = branch_of(row.get(3)?, row.get(4)?);
        Ok((log, Branch { parent, first: number(row, 1)?, r4: row.get(2)? }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The ids of all that is folded, placed, or waits in the outbox.
fn ids(db: &Db, stream: &StreamName) -> Result<BTreeSet<u64>, StrandError> {
    let sql = "SELECT payload, NULL FROM rows WHERE stream = ?1
               UNION ALL SELECT payload, plain_bytes FROM outbox WHERE stream = ?1";
    let mut rows = db.conn().prepare_cached(sql)?;
    let rows = rows.query_map([stream.as_str()], |row| {
        let payload = outbox::unpacked(row.get(0)?, row.get(1)?).map_err(|_| wrong(0))?;
        let payload: serde_json::Value = serde_json::from_slice(&payload).map_err(|_| wrong(0))?;
        Ok(payload["id"].as_u64().unwrap_or(0))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The ids that more than one record has.
fn doubled(db: &Db, stream: &StreamName) -> Result<BTreeSet<u64>, StrandError> {
    let (mut once, mut twice) = (BTreeSet::new(), BTreeSet::new());
    for row in rows(db, stream)? {
        if let Some(id) = row.payload["id"].as_u64().filter(|id| !once.insert(*id)) {
            twice.insert(id);
        }
    }
    Ok(twice)
}

/// The ids of the records of a log up to one of them.
fn ids_to(db: &Db, stream: &StreamName, log: LogId, last: u64) -> Result<BTreeSet<u64>, StrandError> {
    let rows = rows(db, stream)?.into_iter().filter(|row| row.log == log && row.seq <= last);
    Ok(rows.filter_map(|row| row.payload["id"].as_u64()).collect())
}

/// One line a row, for whoever looks for the cause of a failure.
fn describe(db: &Db, stream: &StreamName) -> Result<Vec<String>, StrandError> {
    let mut lines = Vec::new();
    for row in rows(db, stream)? {
        let (log, branch) =
            (row.log.to_string(), row.lineage.branch.map(|(first, r4)| format!("from {first} {r4:02x?}")));
        let id = row.payload["id"].as_u64().unwrap_or(0);
        lines.push(format!(
            "    row {stream} id {id}: {} {} {branch:?} {:02x?} {}",
            &log[..8],
            row.seq,
            row.r4,
            row.at
        ));
    }
    Ok(lines)
}
