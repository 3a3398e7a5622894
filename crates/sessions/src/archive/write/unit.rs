//! A unit: its row, and what is known of it while it is read.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use super::super::raw::RawWriter;
use super::WEAK_SOURCE;
use super::session::OpenSession;
use crate::model::{Agent, NativeId};
use crate::source::{Checkpoint, Mode, Stamp, Unit};

/// A unit as the archive knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitRow {
    /// The row.
    pub id: i64,
    /// The source's name.
    pub source: String,
    /// Where it is.
    pub path: PathBuf,
    /// How it looked when it was read.
    pub stamp: Stamp,
    /// The version of the source that read it.
    pub version: u32,
    /// From where to go on.
    pub checkpoint: Checkpoint,
    /// Whether the last reading came to its end.
    pub is_complete: bool,
    /// Whether its last line was still being written.
    pub is_unfinished: bool,
    /// Lines that could not be read.
    pub malformed: u64,
    /// Records that nobody knows, and other odd things, counted by kind.
    pub odd: Vec<(String, u64)>,
    /// Why it is no session.
    pub skipped: Option<String>,
    /// Why it could not be read.
    pub error: Option<String>,
    /// Since when it is gone.
    pub missing: Option<Timestamp>,
}

/// A unit that is being read.
#[derive(Debug)]
pub(super) struct OpenUnit {
    pub(super) id: i64,
    pub(super) agent: Agent,
    pub(super) stamp: Stamp,
    pub(super) version: u32,
    pub(super) is_whole: bool,
    pub(super) is_weak: bool,
    pub(super) raw: RawWriter,
    pub(super) raw_bytes: usize,
    pub(super) malformed: u64,
    pub(super) odd: BTreeMap<String, u64>,
    pub(super) sessions: Vec<OpenSession>,
    pub(super) by_name: HashMap<(Agent, NativeId), usize>,
    pub(super) current: Option<usize>,
}

/// Opens the row of a unit, made when new, for a reading of it.
pub(super) fn begin(
    conn: &Connection,
    source: &str,
    agent: Agent,
    version: u32,
    unit: &Unit,
    mode: &Mode,
) -> rusqlite::Result<OpenUnit> {
    let path = unit.path.as_os_str().as_bytes();
    let known: Option<(i64, i64, u64, Option<String>)> = conn
        .prepare_cached("SELECT id, generation, malformed, odd FROM units WHERE path = ?1")?
        .query_row([path], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)? as u64, row.get(3)?)))
        .optional()?;
    let (id, generation, malformed, odd) = match known {
        Some(known) => {
            conn.prepare_cached("UPDATE units SET is_complete = 0, source = ?2 WHERE id = ?1 AND is_complete = 1")?
                .execute((known.0, source))?;
            known
        }
        None => {
            conn.prepare_cached(
                "INSERT INTO units (source, path, size, mtime_ns, ctime_ns, inode, device, beside, version, generation, offset,
                 state, probes, is_complete, is_unfinished) VALUES (?1, ?2, 0, 0, 0, 0, 0, 0, ?3, 0, 0, x'', x'', 0, 0)",
            )?
            .execute(params![source, path, version])?;
            (conn.last_insert_rowid(), 0, 0, None)
        }
    };
    let (raw, is_whole) = match mode {
        Mode::Whole => (RawWriter::anew(conn, id, generation)?, true),
        Mode::From(checkpoint) => (RawWriter::at(conn, id, generation, checkpoint.offset)?, false),
    };
    let odd = odd.filter(|_| !is_whole).and_then(|odd| serde_json::from_str(&odd).ok()).unwrap_or_default();
    Ok(OpenUnit {
        id,
        agent,
        stamp: unit.stamp,
        version,
        is_whole,
        is_weak: source == WEAK_SOURCE,
        raw,
        raw_bytes: 0,
        malformed: if is_whole { 0 } else { malformed },
        odd,
        sessions: Vec::new(),
        by_name: HashMap::new(),
        current: None,
    })
}

/// The units of the archive, or the one at `path`.
pub(in crate::archive) fn units(conn: &Connection, path: Option<&Path>) -> rusqlite::Result<Vec<UnitRow>> {
    let mut query = conn.prepare_cached(&format!(
        "SELECT id, source, path, size, mtime_ns, ctime_ns, inode, device, beside, version, offset, state, probes,
         is_complete, is_unfinished, malformed, odd, skipped, error, missing_ms FROM units{}",
        if path.is_some() { " WHERE path = ?1" } else { "" }
    ))?;
    let path = path.map(|path| path.as_os_str().as_bytes());
    let rows = query.query_map(rusqlite::params_from_iter(path), |row| {
        let path: Vec<u8> = row.get(2)?;
        let odd: Option<String> = row.get(16)?;
        let odd: BTreeMap<String, u64> = odd.and_then(|odd| serde_json::from_str(&odd).ok()).unwrap_or_default();
        Ok(UnitRow {
            id: row.get(0)?,
            source: row.get(1)?,
            path: PathBuf::from(std::ffi::OsString::from_vec(path)),
            stamp: Stamp {
                size: row.get::<_, i64>(3)? as u64,
                mtime_ns: row.get(4)?,
                ctime_ns: row.get(5)?,
                inode: row.get::<_, i64>(6)? as u64,
                device: row.get::<_, i64>(7)? as u64,
                beside: row.get::<_, i64>(8)? as u64,
            },
            version: row.get(9)?,
            checkpoint: Checkpoint { offset: row.get::<_, i64>(10)? as u64, state: row.get(11)?, probes: row.get(12)? },
            is_complete: row.get(13)?,
            is_unfinished: row.get(14)?,
            malformed: row.get::<_, i64>(15)? as u64,
            odd: odd.into_iter().collect(),
            skipped: row.get(17)?,
            error: row.get(18)?,
            missing: row.get::<_, Option<i64>>(19)?.map(Timestamp::from_millis),
        })
    })?;
    rows.collect()
}
