//! Sessions of which records are missing here.
//!
//! The author of a session does not say how many messages it has. But messages are numbered from 0 without a gap by what reads
//! agents' files, and each account of a session has facts. So where records of the author are missing here, what is not there between
//! messages that are is missing, and so are facts that nobody said; and the session of the last record before a gap may go on in it.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;

use carry_exchange::name::{LogId, StreamName};
use carry_exchange::store::status::Status;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};

use super::STREAM;
use super::fold::FACTS;
use crate::archive::{Archive, ArchiveError};
use crate::model::SessionId;

/// Runs of missing messages that are named one by one.
const NAMED_MAX: usize = 3;

/// What of a session is missing here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// Messages that are missing, as runs of their numbers in order.
    pub messages: Vec<RangeInclusive<u32>>,
    /// Whether nothing is known of it but messages: neither its name nor its project nor its folder.
    pub lacks_facts: bool,
    /// Whether more may be missing after the last message.
    pub may_go_on: bool,
    /// The log of whose records some are missing here.
    pub log: LogId,
    /// How many are. They may be of other sessions, too.
    pub n_records: u64,
}

impl Incomplete {
    /// How many messages are missing for certain.
    pub fn n_messages(&self) -> u64 {
        self.messages.iter().map(|run| u64::from(run.end() - run.start()) + 1).sum()
    }

    /// Those of the missing messages that come before the message of this number, and after the one of number `after`.
    pub fn between(&self, after: Option<u32>, before: u32) -> impl Iterator<Item = &RangeInclusive<u32>> {
        self.messages.iter().filter(move |run| *run.end() < before && after.is_none_or(|after| *run.start() > after))
    }
}

/// `2 messages (#0 to #1); its name, project and folder`.
impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if !self.messages.is_empty() {
            let mut runs: Vec<String> = self.messages.iter().take(NAMED_MAX).map(run_in_words).collect();
            if self.messages.len() > NAMED_MAX {
                runs.push("…".to_owned());
            }
            let n = self.n_messages();
            parts.push(format!("{n} message{} ({})", if n == 1 { "" } else { "s" }, runs.join(", ")));
        }
        if self.lacks_facts {
            parts.push("its name, project and folder".to_owned());
        }
        if self.may_go_on {
            parts.push("perhaps messages at its end".to_owned());
        }
        f.write_str(&parts.join("; "))
    }
}

/// `#4`, `#0 to #3`.
pub fn run_in_words(run: &RangeInclusive<u32>) -> String {
    match run.start() == run.end() {
        true => format!("#{}", run.start()),
        false => format!("#{} to #{}", run.start(), run.end()),
    }
}

impl Archive {
    /// The sessions of other devices of which something is missing here, by what `status` says of the records of each log.
    ///
    /// Where no records are missing nothing is looked at.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn incomplete(&self, status: &Status) -> Result<BTreeMap<SessionId, Incomplete>, ArchiveError> {
        let stream: StreamName = STREAM.parse().expect("a name of the form that streams have");
        let conn = self.db.conn();
        let mut all = BTreeMap::new();
        for log in &status.logs {
            let Some(missing) = log.streams.get(&stream).map(|stream| &stream.missing) else { continue };
            if missing.is_empty() {
                continue;
            }
            let ends = missing.iter().filter_map(|range| range.start().checked_sub(1));
            let found = of_log(conn, log.row.log, missing.count(), &ends.collect::<Vec<_>>());
            all.extend(found.map_err(self.db.failed())?);
        }
        Ok(all)
    }
}

/// Those of one log of which so many records are missing, each run of them after one of `ends`.
fn of_log(
    conn: &Connection,
    log: LogId,
    n_records: u64,
    ends: &[u64],
) -> rusqlite::Result<Vec<(SessionId, Incomplete)>> {
    let name = log.to_string();
    let mut last_before = Vec::new();
    for end in ends {
        let sql = "SELECT session FROM said_records JOIN said_origins ON n = origin WHERE log = ?1 AND seq = ?2";
        let mut query = conn.prepare_cached(sql)?;
        let end = i64::try_from(*end).unwrap_or(i64::MAX);
        last_before.extend(query.query_row((&name, end), |row| row.get::<_, i64>(0)).optional()?);
    }
    // A session that is read here shows what its file says.
    let sql = "SELECT s.n, s.id, g.n, g.length, EXISTS (SELECT 1 FROM said_facts f WHERE f.generation = g.n)
               FROM said_sessions s JOIN said_generations g ON g.n = s.shown
               JOIN sessions a ON a.id = s.id AND a.unit IS NULL
               WHERE s.n IN (SELECT r.session FROM said_records r JOIN said_origins o ON o.n = r.origin WHERE o.log = ?1)
               ORDER BY s.id";
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query([&name])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (session, generation): (i64, i64) = (row.get(0)?, row.get(2)?);
        let incomplete = Incomplete {
            messages: missing_messages(conn, generation, row.get(3)?)?,
            lacks_facts: !row.get::<_, bool>(4)?,
            may_go_on: last_before.contains(&session),
            log,
            n_records,
        };
        if !incomplete.messages.is_empty() || incomplete.lacks_facts || incomplete.may_go_on {
            found.push((SessionId::stored(row.get(1)?), incomplete));
        }
    }
    Ok(found)
}

/// The messages that are not there before and between those that are, and those of which only some pieces are. `length` is how many
/// are there.
fn missing_messages(conn: &Connection, generation: i64, length: i64) -> rusqlite::Result<Vec<RangeInclusive<u32>>> {
    let sql = "SELECT max(place) FROM said_pieces WHERE generation = ?1 AND place <> ?2";
    let in_pieces: Option<i64> = conn.prepare_cached(sql)?.query_row((generation, FACTS), |row| row.get(0))?;
    let sql = "SELECT max(ordinal) FROM said_messages WHERE generation = ?1";
    let last: Option<i64> = conn.prepare_cached(sql)?.query_row([generation], |row| row.get(0))?;
    let Some(last) = in_pieces.max(last).filter(|last| *last >= length) else { return Ok(Vec::new()) };
    let sql = "SELECT DISTINCT ordinal FROM said_messages WHERE generation = ?1 ORDER BY ordinal";
    let mut query = conn.prepare_cached(sql)?;
    let mut there = query.query_map([generation], |row| row.get::<_, u32>(0))?;
    let (mut runs, mut next) = (Vec::new(), Some(0u32));
    let end = u32::try_from(last).unwrap_or(u32::MAX);
    while let Some(from) = next {
        let ordinal = there.next().transpose()?;
        match ordinal {
            Some(ordinal) if ordinal > from => runs.push(from..=ordinal - 1),
            None if from <= end => runs.push(from..=end),
            _ => {}
        }
        next = ordinal.and_then(|ordinal| ordinal.checked_add(1));
    }
    Ok(runs)
}
