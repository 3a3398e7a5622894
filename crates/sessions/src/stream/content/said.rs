//! The tables of what was said, row by row.

use carry_exchange::register::Lineage;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};
use carry_kernel::hlc::Hlc;

use super::payload::{Generation, Name};
use crate::archive::zip::unzip;
use crate::model::SessionId;

/// What a text takes at most when it is unpacked again.
const PARKED_BYTES_MAX: usize = 1 << 30;

/// Where a word stands: which lineage said it, in which of its records, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    /// The lineage's row.
    pub(super) lineage: i64,
    pub(super) seq: i64,
    pub(super) at: Hlc,
}

/// A generation's row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GenerationRow {
    pub(super) n: i64,
    pub(super) id: Generation,
    /// Not known while only another one speaks of it.
    pub(super) name: Option<Name>,
    pub(super) is_dead: bool,
    pub(super) length: i64,
    pub(super) has_facts: bool,
}

/// The row of a session that records speak of, made when new, and which generation is shown of it.
pub(super) fn session(conn: &Connection, id: &SessionId) -> rusqlite::Result<(i64, Option<i64>)> {
    if let Some(known) = find_session(conn, id)? {
        return Ok(known);
    }
    conn.prepare_cached("INSERT INTO said_sessions (id) VALUES (?1)")?.execute([id.as_str()])?;
    Ok((conn.last_insert_rowid(), None))
}

/// The same of one that may not be there.
pub(super) fn find_session(conn: &Connection, id: &SessionId) -> rusqlite::Result<Option<(i64, Option<i64>)>> {
    conn.prepare_cached("SELECT n, shown FROM said_sessions WHERE id = ?1")?
        .query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()
}

pub(super) fn set_shown(conn: &Connection, session: i64, shown: Option<i64>) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE said_sessions SET shown = ?2 WHERE n = ?1")?.execute((session, shown)).map(drop)
}

/// All generations of a session.
pub(super) fn generations(conn: &Connection, session: i64) -> rusqlite::Result<Vec<GenerationRow>> {
    let sql = "SELECT n, id, origin, agent, native, is_dead, length,
               EXISTS (SELECT 1 FROM said_facts f WHERE f.generation = g.n)
               FROM said_generations g WHERE session = ?1 ORDER BY id";
    let mut query = conn.prepare_cached(sql)?;
    let rows = query.query_map([session], |row| {
        let parts: (Option<String>, Option<String>, Option<String>) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let name = match parts {
            (Some(origin), Some(agent), Some(native)) => Some(Name { origin, agent, native }),
            _ => None,
        };
        Ok(GenerationRow {
            n: row.get(0)?,
            id: Generation(row.get(1)?),
            name,
            is_dead: row.get(5)?,
            length: row.get(6)?,
            has_facts: row.get(7)?,
        })
    })?;
    rows.collect()
}

/// A generation's row, made when new: its number, and whether it is dead. Of several names the first in order counts, so that
/// it does not matter which came first.
pub(super) fn generation(
    conn: &Connection,
    session: i64,
    id: Generation,
    name: Option<&Name>,
) -> rusqlite::Result<(i64, bool)> {
    let sql = "SELECT n, is_dead, origin, agent, native FROM said_generations WHERE session = ?1 AND id = ?2";
    let known = conn
        .prepare_cached(sql)?
        .query_row((session, id.0), |row| {
            let parts: (Option<String>, Option<String>, Option<String>) = (row.get(2)?, row.get(3)?, row.get(4)?);
            Ok((row.get::<_, i64>(0)?, row.get::<_, bool>(1)?, parts))
        })
        .optional()?;
    let (n, is_dead, parts) = match known {
        Some(known) => known,
        None => {
            conn.prepare_cached("INSERT INTO said_generations (session, id) VALUES (?1, ?2)")?
                .execute((session, id.0))?;
            (conn.last_insert_rowid(), false, (None, None, None))
        }
    };
    if let Some(Name { origin, agent, native }) = name {
        let new = (Some(origin.clone()), Some(agent.clone()), Some(native.clone()));
        if parts.0.is_none() || new < parts {
            conn.prepare_cached("UPDATE said_generations SET origin = ?2, agent = ?3, native = ?4 WHERE n = ?1")?
                .execute((n, origin, agent, native))?;
        }
    }
    Ok((n, is_dead))
}

/// A generation does not count any more, ever; what was kept of it goes.
pub(super) fn bury(conn: &Connection, generation: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("UPDATE said_generations SET is_dead = 1, length = 0 WHERE n = ?1")?.execute([generation])?;
    for sql in [
        "DELETE FROM said_facts WHERE generation = ?1",
        "DELETE FROM said_messages WHERE generation = ?1",
        "DELETE FROM said_pieces WHERE generation = ?1",
    ] {
        conn.prepare_cached(sql)?.execute([generation])?;
    }
    Ok(())
}

/// A lineage's row, made when new.
pub(super) fn lineage(conn: &Connection, of: Lineage, is_own: bool, alias: &str) -> rusqlite::Result<i64> {
    let (log, branch) = (of.log.to_string(), branch_text(of));
    let known: Option<(i64, bool, String)> = conn
        .prepare_cached("SELECT n, is_own, alias FROM said_lineages WHERE log = ?1 AND branch = ?2")?
        .query_row((&log, &branch), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match known {
        Some((n, own, name)) if own == is_own && name == alias => Ok(n),
        Some((n, ..)) => {
            conn.prepare_cached("UPDATE said_lineages SET is_own = ?2, alias = ?3 WHERE n = ?1")?
                .execute((n, is_own, alias))?;
            Ok(n)
        }
        None => {
            conn.prepare_cached("INSERT INTO said_lineages (log, branch, is_own, alias) VALUES (?1, ?2, ?3, ?4)")?
                .execute((&log, &branch, is_own, alias))?;
            Ok(conn.last_insert_rowid())
        }
    }
}

fn branch_text(of: Lineage) -> String {
    let Some((first, r4)) = of.branch else { return String::new() };
    format!("{first:012}-{:08x}", u32::from_be_bytes(r4))
}

/// From which record on the lineage's word on a session counts: its own floor, and of the trunk those of the branches, too.
pub(super) fn floor(conn: &Connection, session: i64, lineage: i64) -> rusqlite::Result<i64> {
    conn.prepare_cached(
        "SELECT ifnull(max(f.seq), 0) FROM said_floors f JOIN said_lineages l ON l.n = f.lineage
         JOIN said_lineages o ON o.n = ?2
         WHERE f.session = ?1 AND (f.lineage = ?2 OR (o.branch = '' AND l.log = o.log))",
    )?
    .query_row((session, lineage), |row| row.get(0))
}

/// The lineage replaced all that it had said of a session before this record; what was kept of that goes. Says whether there
/// was anything.
pub(super) fn raise_floor(conn: &Connection, session: i64, word: Word) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "INSERT INTO said_floors (session, lineage, seq) VALUES (?1, ?2, ?3)
         ON CONFLICT (session, lineage) DO UPDATE SET seq = max(seq, excluded.seq)",
    )?
    .execute((session, word.lineage, word.seq))?;
    // Of the trunk too, when this is a branch of it.
    let of = "SELECT t.n FROM said_lineages t JOIN said_lineages o ON o.n = ?2
              WHERE t.n = ?2 OR (t.log = o.log AND t.branch = '')";
    let mut n_gone = 0;
    for table in ["said_facts", "said_messages", "said_pieces"] {
        let sql = format!(
            "DELETE FROM {table} WHERE generation IN (SELECT n FROM said_generations WHERE session = ?1)
             AND lineage IN ({of}) AND seq < ?3"
        );
        n_gone += conn.prepare_cached(&sql)?.execute((session, word.lineage, word.seq))?;
    }
    if n_gone == 0 {
        return Ok(false);
    }
    conn.prepare_cached(
        "UPDATE said_generations SET length = (SELECT count(DISTINCT ordinal) FROM said_messages WHERE generation = n)
         WHERE session = ?1",
    )?
    .execute([session])?;
    Ok(true)
}

/// The row of a place where records come from, made when new.
pub(super) fn origin(conn: &Connection, log: &str, track: u32) -> rusqlite::Result<i64> {
    let known = conn
        .prepare_cached("SELECT n FROM said_origins WHERE log = ?1 AND track = ?2")?
        .query_row((log, track), |row| row.get(0))
        .optional()?;
    if let Some(n) = known {
        return Ok(n);
    }
    conn.prepare_cached("INSERT INTO said_origins (log, track) VALUES (?1, ?2)")?.execute((log, track))?;
    Ok(conn.last_insert_rowid())
}

/// Notes that a record spoke of a session.
pub(super) fn note_record(conn: &Connection, origin: i64, seq: i64, session: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT OR REPLACE INTO said_records (origin, seq, session) VALUES (?1, ?2, ?3)")?
        .execute((origin, seq, session))
        .map(drop)
}

/// Whether a session was deleted for good.
pub(super) fn is_deleted(conn: &Connection, id: &SessionId) -> rusqlite::Result<bool> {
    conn.prepare_cached(
        "SELECT 1 FROM curation WHERE session = ?1 AND field = 'deleted' AND item = '' AND value IS NOT NULL",
    )?
    .exists([id.as_str()])
}

/// Whether a session is read from a source of this device.
pub(super) fn is_native(conn: &Connection, id: &SessionId) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT 1 FROM sessions WHERE id = ?1 AND unit IS NOT NULL")?.exists([id.as_str()])
}

/// A text as it is kept.
pub(super) fn park(json: &str) -> Vec<u8> {
    let mut parked = (json.len() as u64).to_le_bytes().to_vec();
    // What cannot be packed is kept as it is, and said to be: the first eight bytes are ones.
    match zstd::bulk::compress(json.as_bytes(), 1) {
        Ok(packed) => parked.extend(packed),
        Err(_) => {
            parked = u64::MAX.to_le_bytes().to_vec();
            parked.extend(json.as_bytes());
        }
    }
    parked
}

/// How many parked texts `sql` gives, with the first eight bytes and the length of each, and how many bytes they have unpacked.
pub(super) fn parts(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<(u32, u64)> {
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query(params)?;
    let (mut n, mut bytes) = (0, 0u64);
    while let Some(row) = rows.next()? {
        let plain = match row.get_ref(0)?.as_blob()?.first_chunk::<8>().map(|length| u64::from_le_bytes(*length)) {
            Some(length) if length != u64::MAX => length,
            _ => u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0),
        };
        (n, bytes) = (n + 1, bytes.saturating_add(plain));
    }
    Ok((n, bytes))
}

/// The text that was kept; `None` when it is damaged.
pub(super) fn unpark(parked: &[u8]) -> Option<String> {
    let (length, packed) = parked.split_first_chunk::<8>()?;
    let plain = match u64::from_le_bytes(*length) {
        u64::MAX => packed.to_vec(),
        length => {
            let length = usize::try_from(length).ok().filter(|length| *length <= PARKED_BYTES_MAX)?;
            unzip(packed, length).ok().filter(|plain| plain.len() == length)?
        }
    };
    String::from_utf8(plain).ok()
}
