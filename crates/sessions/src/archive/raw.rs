//! Raw bytes of units, in compressed chunks.
//!
//! A chunk holds up to [`CHUNK`] bytes; a small last one is written anew with what is appended, so that a file that grows line by
//! line does not leave thousands. Rewritten units start a new generation; earlier ones are kept, but for those that a newer one
//! begins with.

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use super::zip::unzip;

/// Bytes of a chunk at most.
const CHUNK: usize = 1024 * 1024;

/// A last chunk below this is merged with what follows.
const MERGE_BELOW: i64 = 256 * 1024;

/// Generations of a unit at most; beyond that the shortest go.
const GENERATIONS_MAX: usize = 16;

/// Zstandard's level: twice as quick as the usual 3, a few percent larger.
const LEVEL: i32 = -1;

/// Takes the bytes of one unit in order.
#[derive(Debug)]
pub(super) struct RawWriter {
    unit: i64,
    pub(super) generation: i64,
    start: i64,
    buffer: Vec<u8>,
    /// Whether the buffer begins with a chunk that lies in the table.
    replaces: bool,
    /// Whether anything came since.
    grew: bool,
    /// What lies there already, while all that came is the same.
    known: Option<Known>,
    /// Whether a generation was begun.
    is_new: bool,
    /// How long the generation before was, when what came differs from it.
    before: Option<i64>,
}

/// The chunk that is compared with what comes.
#[derive(Debug)]
struct Known {
    start: i64,
    bytes: Vec<u8>,
    at: usize,
}

impl RawWriter {
    /// Goes on at `offset` of a generation.
    pub(super) fn at(conn: &Connection, unit: i64, generation: i64, offset: u64) -> rusqlite::Result<Self> {
        let offset = i64::try_from(offset).unwrap_or(i64::MAX);
        let mut writer = Self::new(unit, generation, offset);
        writer.take_up_last(conn)?;
        Ok(writer)
    }

    /// Begins anew. As long as what comes is what the generation holds, nothing is written.
    pub(super) fn anew(conn: &Connection, unit: i64, generation: i64) -> rusqlite::Result<Self> {
        let mut writer = Self::new(unit, generation, 0);
        writer.compare_with(conn, 0)?;
        Ok(writer)
    }

    fn new(unit: i64, generation: i64, start: i64) -> Self {
        Self {
            unit,
            generation,
            start,
            buffer: Vec::new(),
            replaces: false,
            grew: false,
            known: None,
            is_new: false,
            before: None,
        }
    }

    /// Goes on with the chunk at `start`, or behind the last one. A damaged one is not compared: what comes takes its place in
    /// a new generation.
    fn compare_with(&mut self, conn: &Connection, start: i64) -> rusqlite::Result<()> {
        let found: Option<(i64, Vec<u8>)> = conn
            .prepare_cached("SELECT length, bytes FROM raw WHERE unit = ?1 AND generation = ?2 AND start = ?3")?
            .query_row((self.unit, self.generation, start), |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((length, packed)) = found else {
            let has_more = conn
                .prepare_cached("SELECT 1 FROM raw WHERE unit = ?1 AND generation = ?2 AND start >= ?3")?
                .exists((self.unit, self.generation, start))?;
            if has_more {
                return self.begin_generation(conn, start, Vec::new());
            }
            // All that there was: from here on it is an append.
            self.start = start;
            return self.take_up_last(conn);
        };
        match unzip(&packed, CHUNK) {
            Ok(bytes) if bytes.len() as i64 == length && length > 0 => self.known = Some(Known { start, bytes, at: 0 }),
            _ => self.begin_generation(conn, start, Vec::new())?,
        }
        Ok(())
    }

    /// A small last chunk is written anew with what follows.
    fn take_up_last(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let last: Option<(i64, i64, Vec<u8>)> = conn
            .prepare_cached(
                "SELECT start, length, bytes FROM raw WHERE unit = ?1 AND generation = ?2 ORDER BY start DESC LIMIT 1",
            )?
            .query_row((self.unit, self.generation), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .optional()?;
        if let Some((start, length, bytes)) = last
            && start + length == self.start
            && length < MERGE_BELOW
            && let Ok(bytes) = unzip(&bytes, CHUNK)
        {
            (self.start, self.buffer, self.replaces) = (start, bytes, true);
        }
        Ok(())
    }

    /// Takes bytes; full chunks are written. Says how many were not there already.
    pub(super) fn take(&mut self, conn: &Connection, mut bytes: &[u8]) -> rusqlite::Result<usize> {
        while let Some(known) = &mut self.known
            && !bytes.is_empty()
        {
            let rest = &known.bytes[known.at..];
            let same = rest.iter().zip(bytes).take_while(|(a, b)| a == b).count();
            known.at += same;
            bytes = &bytes[same..];
            if known.at == known.bytes.len() {
                let next = known.start + known.bytes.len() as i64;
                self.known = None;
                self.compare_with(conn, next)?;
            } else if !bytes.is_empty() {
                self.differ(conn)?;
            }
        }
        self.grew |= !bytes.is_empty();
        let new = bytes.len();
        while self.buffer.len() + bytes.len() >= CHUNK {
            let (now, later) = bytes.split_at(CHUNK - self.buffer.len());
            self.buffer.extend_from_slice(now);
            bytes = later;
            self.write(conn)?;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(new)
    }

    /// What comes is not what was there: what was the same so far begins a new generation.
    fn differ(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        let Some(mut known) = self.known.take() else { return Ok(()) };
        known.bytes.truncate(known.at);
        self.before = Some(length(conn, self.unit, self.generation)?);
        self.begin_generation(conn, known.start, known.bytes)
    }

    /// Begins a generation with the chunks before `start`, and `bytes` from there on.
    fn begin_generation(&mut self, conn: &Connection, start: i64, bytes: Vec<u8>) -> rusqlite::Result<()> {
        conn.prepare_cached("DELETE FROM raw WHERE unit = ?1 AND generation > ?2")?
            .execute((self.unit, self.generation))?;
        conn.prepare_cached(
            "INSERT INTO raw (unit, generation, start, length, bytes)
             SELECT unit, generation + 1, start, length, bytes FROM raw WHERE unit = ?1 AND generation = ?2 AND start < ?3",
        )?
        .execute((self.unit, self.generation, start))?;
        self.generation += 1;
        self.is_new = true;
        (self.start, self.buffer, self.replaces, self.grew) = (start, bytes, false, true);
        Ok(())
    }

    /// Writes what is held back, and drops generations that a newer one begins with. Returns the generation that counts.
    pub(super) fn end(&mut self, conn: &Connection) -> rusqlite::Result<i64> {
        // What was there goes on where the bytes ended: the unit was cut.
        if self.known.as_ref().is_some_and(|known| known.at < known.bytes.len()) {
            self.differ(conn)?;
        }
        self.write(conn)?;
        // Later ones are of readings that were cut off.
        conn.prepare_cached("DELETE FROM raw WHERE unit = ?1 AND generation > ?2")?
            .execute((self.unit, self.generation))?;
        if self.is_new {
            self.drop_generations(conn)?;
        }
        Ok(self.generation)
    }

    /// How many bytes there were and are, when a reading that ended found others than were there before.
    pub(super) fn cut(&self) -> Option<(u64, u64)> {
        let number = |n: i64| u64::try_from(n).unwrap_or(0);
        self.before.map(|before| (number(before), number(self.start)))
    }

    /// Drops earlier generations of which a newer one has every byte, and the shortest of too many.
    fn drop_generations(&self, conn: &Connection) -> rusqlite::Result<()> {
        let mut kept: Vec<(i64, i64)> = Vec::new();
        let mut dropped = Vec::new();
        for (generation, length) in earlier(conn, self.unit, self.generation)? {
            let next = kept.last().map(|(next, _)| *next);
            let is_held = is_held(conn, self.unit, generation, self.generation)?
                || next.map_or(Ok(false), |next| is_held(conn, self.unit, generation, next))?;
            if is_held {
                dropped.push(generation);
            } else {
                kept.push((generation, length));
            }
        }
        // The one that counts is one of them.
        while kept.len() >= GENERATIONS_MAX {
            let shortest = kept.iter().enumerate().min_by_key(|(_, (generation, length))| (*length, *generation));
            let Some((at, _)) = shortest else { break };
            dropped.push(kept.remove(at).0);
        }
        for generation in dropped {
            conn.prepare_cached("DELETE FROM raw WHERE unit = ?1 AND generation = ?2")?
                .execute((self.unit, generation))?;
        }
        Ok(())
    }

    fn write(&mut self, conn: &Connection) -> rusqlite::Result<()> {
        if self.buffer.is_empty() || (self.replaces && !self.grew) {
            return Ok(());
        }
        let packed = zstd::bulk::compress(&self.buffer, LEVEL).unwrap_or_default();
        let verb = if self.replaces { "REPLACE" } else { "INSERT" };
        conn.prepare_cached(&format!(
            "{verb} INTO raw (unit, generation, start, length, bytes) VALUES (?1, ?2, ?3, ?4, ?5)"
        ))?
        .execute(params![self.unit, self.generation, self.start, self.buffer.len() as i64, packed])?;
        self.start += i64::try_from(self.buffer.len()).unwrap_or(0);
        self.buffer.clear();
        self.replaces = false;
        Ok(())
    }
}

/// How many bytes a generation has.
fn length(conn: &Connection, unit: i64, generation: i64) -> rusqlite::Result<i64> {
    conn.prepare_cached("SELECT ifnull(max(start + length), 0) FROM raw WHERE unit = ?1 AND generation = ?2")?
        .query_row((unit, generation), |row| row.get(0))
}

/// The generations before `generation` that have bytes, and how many, newest first.
pub(super) fn earlier(conn: &Connection, unit: i64, generation: i64) -> rusqlite::Result<Vec<(i64, i64)>> {
    conn.prepare_cached(
        "SELECT generation, max(start + length) FROM raw WHERE unit = ?1 AND generation < ?2
         GROUP BY generation ORDER BY generation DESC",
    )?
    .query_map((unit, generation), |row| Ok((row.get(0)?, row.get(1)?)))?
    .collect()
}

/// Whether the generation `newer` begins with all bytes of `older`. What cannot be read is held nowhere.
pub(super) fn is_held(conn: &Connection, unit: i64, older: i64, newer: i64) -> rusqlite::Result<bool> {
    let end = length(conn, unit, older)?;
    if length(conn, unit, newer)? < end {
        return Ok(false);
    }
    // A generation begins with chunks of the one before: those need no unpacking.
    let differs: Option<i64> = conn
        .prepare_cached(
            "SELECT min(o.start) FROM raw o LEFT JOIN raw n ON n.unit = o.unit AND n.generation = ?3
             AND n.start = o.start AND n.length = o.length AND n.bytes = o.bytes
             WHERE o.unit = ?1 AND o.generation = ?2 AND n.start IS NULL",
        )?
        .query_row((unit, older, newer), |row| row.get(0))?;
    let Some(mut at) = differs else { return Ok(true) };
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let (mut old_at, mut new_at) = (0, 0);
    while at < end {
        if old_at == old.len() {
            (old, old_at) = (chunk(conn, unit, older, at)?, 0);
        }
        if new_at == new.len() {
            (new, new_at) = (chunk(conn, unit, newer, at)?, 0);
        }
        let (a, b) = (&old[old_at..], &new[new_at..]);
        let both = a.len().min(b.len());
        if both == 0 || a[..both] != b[..both] {
            return Ok(false);
        }
        (old_at, new_at, at) = (old_at + both, new_at + both, at + both as i64);
    }
    Ok(end > 0)
}

/// The bytes of the chunk that begins there; none when it is missing or damaged.
fn chunk(conn: &Connection, unit: i64, generation: i64, start: i64) -> rusqlite::Result<Vec<u8>> {
    let found: Option<(i64, Vec<u8>)> = conn
        .prepare_cached("SELECT length, bytes FROM raw WHERE unit = ?1 AND generation = ?2 AND start = ?3")?
        .query_row((unit, generation, start), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let unpacked =
        found.and_then(|(length, packed)| unzip(&packed, CHUNK).ok().filter(|bytes| bytes.len() as i64 == length));
    Ok(unpacked.unwrap_or_default())
}

/// Writes the bytes of a generation to `out`; says how many, or at which byte something is damaged or missing.
pub(super) fn copy(
    conn: &Connection,
    unit: i64,
    generation: i64,
    out: &mut dyn std::io::Write,
) -> rusqlite::Result<Result<u64, CopyError>> {
    let mut chunks =
        conn.prepare_cached("SELECT start, length, bytes FROM raw WHERE unit = ?1 AND generation = ?2 ORDER BY start")?;
    let mut rows = chunks.query((unit, generation))?;
    let mut at = 0u64;
    while let Some(row) = rows.next()? {
        let (start, length): (i64, i64) = (row.get(0)?, row.get(1)?);
        let (start, length) = (start as u64, length as usize);
        let packed = row.get_ref(2)?.as_blob()?;
        let bytes = if start == at { unzip(packed, CHUNK).ok().filter(|b| b.len() == length) } else { None };
        let Some(bytes) = bytes else { return Ok(Err(CopyError::Damaged(at))) };
        if let Err(error) = out.write_all(&bytes) {
            return Ok(Err(CopyError::Out(error)));
        }
        at += length as u64;
    }
    Ok(Ok(at))
}

/// Why raw bytes could not be handed out.
#[derive(Debug)]
pub(super) enum CopyError {
    /// From this byte on something is missing or damaged.
    Damaged(u64),
    /// Whoever takes them failed.
    Out(std::io::Error),
}

#[cfg(test)]
mod tests;
