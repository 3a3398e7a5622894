//! Reading from the archive.

use std::ops::RangeInclusive;

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, OptionalExtension as _, Row, ToSql};

use super::raw::{self, CopyError};
use super::row::{COLUMNS, TABLES, session_row};
use super::write::{MESSAGE_COLUMNS, message_of};
use super::{Archive, ArchiveError, SessionRow, body};
use crate::model::{Agent, Block, CallRef, Message, NativeId, ResultEvent, ResultStatus};

/// Characters that a beginning of an id needs at least.
pub const PREFIX_MIN: usize = 4;

/// Characters of what was asked for that an error repeats.
const SHOWN_CHARS: usize = 100;

/// Candidates that an ambiguous id names.
const CANDIDATES_MAX: usize = 10;

/// A message as it lies in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// Its row; only good within this archive.
    pub n: i64,
    /// What it says.
    pub message: Message,
    /// Outputs of its calls, by call and time. `call` of each is [`CallRef::At`](crate::model::CallRef::At).
    pub results: Vec<StoredResult>,
}

/// A result as it lies in the archive.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredResult {
    /// Its row.
    pub n: i64,
    /// Its place among the outputs of its call, from 0.
    pub event: u32,
    /// What it is.
    pub result: ResultEvent,
}

/// Why a session could not be named.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// None has this id.
    #[error("no session {spec:?}")]
    None {
        /// What was asked for.
        spec: String,
    },
    /// Several begin like this.
    #[error("{spec:?} could be {} sessions", ids.len())]
    Ambiguous {
        /// What was asked for.
        spec: String,
        /// Their ids (our id and the qualified one), at most ten.
        ids: Vec<(String, String)>,
    },
    /// The archive failed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
}

impl Archive {
    /// The session that `spec` names: our id, the agent's id (with or without prefix), or an unambiguous prefix of either.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find(&self, spec: &str) -> Result<SessionRow, FindError> {
        self.find_from(spec, None)
    }

    /// The same among the sessions from a device: the beginning of its id, or the local name of a log that brought them.
    ///
    /// # Errors
    /// [`FindError`].
    pub fn find_from(&self, spec: &str, device: Option<&str>) -> Result<SessionRow, FindError> {
        let spec = spec.trim();
        let (agent, native) = match spec.split_once(':') {
            Some((agent, native)) if !native.is_empty() => (Some(agent), native),
            _ => (None, spec),
        };
        // An id of an agent may itself hold a colon.
        let exact = "s.id = ?1 OR s.native = ?1 OR (s.native = ?2 AND s.agent = ?3)";
        let of = |found: Vec<SessionRow>| match device {
            Some(device) => self.keep_of_device(found, device),
            None => Ok(found),
        };
        let mut found = of(self.select(exact, &[&spec, &native, &agent])?)?;
        if found.is_empty() && native.len() >= PREFIX_MIN {
            // Every text that begins like this lies before the same with the greatest character behind it.
            let (end, end_native) = (format!("{spec}\u{10ffff}"), format!("{native}\u{10ffff}"));
            let begins = "(s.id >= ?1 AND s.id < ?2) OR (s.native >= ?1 AND s.native < ?2)
                OR (s.native >= ?3 AND s.native < ?4 AND s.agent = ?5)";
            found = of(self.select(begins, &[&spec, &end, &native, &end_native, &agent])?)?;
        }
        if found.len() > 1 {
            let ids = found.iter().take(CANDIDATES_MAX);
            let ids = ids.map(|row| (row.id.to_string(), row.agent.qualified(&row.native))).collect();
            return Err(FindError::Ambiguous { spec: shown(spec), ids });
        }
        found.pop().ok_or_else(|| FindError::None { spec: shown(spec) })
    }

    /// One session by row.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn session(&self, n: i64) -> Result<Option<SessionRow>, ArchiveError> {
        Ok(self.select("s.n = ?1", &[&n])?.pop())
    }

    /// The session of an agent's own id, among those of this origin first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn by_native(&self, agent: Agent, native: &NativeId) -> Result<Option<SessionRow>, ArchiveError> {
        let mut found = self.select("s.agent = ?1 AND s.native = ?2", &[&agent.as_str(), &native.0])?;
        let ours = found.iter().position(|row| row.origin == self.origin);
        Ok(match ours {
            Some(at) => Some(found.swap_remove(at)),
            None => found.into_iter().next(),
        })
    }

    /// Sessions whose parent is `session`, oldest first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn children(&self, session: &SessionRow) -> Result<Vec<SessionRow>, ArchiveError> {
        let of = "s.parent = ?1 AND s.agent = ?2 AND s.origin = ?3";
        let mut found = self.select(of, &[&session.native.0, &session.agent.as_str(), &session.origin])?;
        found.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        Ok(found)
    }

    fn select(&self, condition: &str, params: &[&dyn ToSql]) -> Result<Vec<SessionRow>, ArchiveError> {
        let failed = self.db.failed();
        let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE ({condition}) ORDER BY s.n");
        let mut query = self.db.conn().prepare_cached(&sql).map_err(&failed)?;
        let rows = query.query_map(params, session_row).map_err(&failed)?;
        Ok(rows.collect::<Result<_, _>>().map_err(failed)?)
    }

    /// Messages of a session with their results, in order, from `from` on, at most `limit`.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn messages(&self, session: i64, from: u32, limit: usize) -> Result<Vec<StoredMessage>, ArchiveError> {
        self.load(session, from..=u32::MAX, limit)
    }

    /// Messages of a session with these ordinals, with their results, in order.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn messages_in(&self, session: i64, ordinals: RangeInclusive<u32>) -> Result<Vec<StoredMessage>, ArchiveError> {
        self.load(session, ordinals, usize::MAX)
    }

    fn load(
        &self,
        session: i64,
        ordinals: RangeInclusive<u32>,
        limit: usize,
    ) -> Result<Vec<StoredMessage>, ArchiveError> {
        let failed = self.db.failed();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let conn = self.db.conn();
        let sql = format!(
            "SELECT {MESSAGE_COLUMNS} FROM messages WHERE session = ?1 AND ordinal BETWEEN ?2 AND ?3 ORDER BY ordinal LIMIT ?4"
        );
        let mut query = conn.prepare_cached(&sql).map_err(&failed)?;
        let mut rows = query.query((session, ordinals.start(), ordinals.end(), limit)).map_err(&failed)?;
        let mut messages: Vec<StoredMessage> = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let n: i64 = row.get("n").map_err(&failed)?;
            let message = message_of(row).map_err(&failed)?.ok_or_else(|| damaged("message", n))?;
            messages.push(StoredMessage { n, message, results: Vec::new() });
        }
        let (Some(first), Some(last)) = (messages.first(), messages.last()) else { return Ok(messages) };
        let (first, last) = (first.message.ordinal, last.message.ordinal);
        let mut query = conn
            .prepare_cached(
                "SELECT n, ordinal, idx, event, source, status, at_ms, content_bytes, subagent, body FROM results
                 WHERE session = ?1 AND ordinal BETWEEN ?2 AND ?3 ORDER BY ordinal, idx, event",
            )
            .map_err(&failed)?;
        let mut rows = query.query((session, first, last)).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let n: i64 = row.get(0).map_err(&failed)?;
            let (ordinal, result) = result_of(row).map_err(&failed)?.ok_or_else(|| damaged("result", n))?;
            if let Ok(at) = messages.binary_search_by_key(&ordinal, |message| message.message.ordinal) {
                messages[at].results.push(result);
            }
        }
        Ok(messages)
    }

    /// How many sessions there are, without those in the trash and those about to be deleted.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn total(&self) -> Result<u64, ArchiveError> {
        let sql = "SELECT (SELECT count(*) FROM sessions) - (SELECT count(DISTINCT s.n) FROM curation c
                   JOIN sessions s ON s.id = c.session
                   WHERE c.field IN ('trash', 'deleting') AND c.item = '' AND c.value IS NOT NULL)";
        let total: i64 = self.db.conn().query_row(sql, [], |row| row.get(0)).map_err(self.db.failed())?;
        Ok(u64::try_from(total).unwrap_or(0))
    }

    /// The blocks of the message in row `n`.
    pub(crate) fn blocks(&self, n: i64) -> Result<Vec<Block>, ArchiveError> {
        let read = |row: &Row<'_>| Ok(body::read_message(row.get_ref(0)?.as_blob()?));
        let mut query =
            self.db.conn().prepare_cached("SELECT body FROM messages WHERE n = ?1").map_err(self.db.failed())?;
        let found = query.query_row([n], read).optional().map_err(self.db.failed())?;
        Ok(found.flatten().ok_or_else(|| damaged("message", n))?.blocks)
    }

    /// The text of the result in row `n`.
    pub(crate) fn result_text(&self, n: i64) -> Result<String, ArchiveError> {
        let read = |row: &Row<'_>| Ok(body::read_result(row.get_ref(0)?.as_blob()?));
        let mut query =
            self.db.conn().prepare_cached("SELECT body FROM results WHERE n = ?1").map_err(self.db.failed())?;
        let found = query.query_row([n], read).optional().map_err(self.db.failed())?;
        Ok(found.flatten().ok_or_else(|| damaged("result", n))?.content)
    }

    /// The texts of a message's results, each with its call.
    pub(crate) fn result_texts(&self, session: i64, ordinal: u32) -> Result<Vec<(u32, String)>, ArchiveError> {
        let failed = self.db.failed();
        let sql = "SELECT n, idx, body FROM results WHERE session = ?1 AND ordinal = ?2 ORDER BY idx, event";
        let mut query = self.db.conn().prepare_cached(sql).map_err(&failed)?;
        let mut rows = query.query((session, ordinal)).map_err(&failed)?;
        let mut texts = Vec::new();
        while let Some(row) = rows.next().map_err(&failed)? {
            let n = row.get(0).map_err(&failed)?;
            let body = row.get_ref(2).map_err(&failed)?.as_blob().ok().and_then(body::read_result);
            let body = body.ok_or_else(|| damaged("result", n))?;
            texts.push((row.get(1).map_err(&failed)?, body.content));
        }
        Ok(texts)
    }

    /// A picture's media type and bytes, if they are kept.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn blob(&self, hash: &str) -> Result<Option<(String, Vec<u8>)>, ArchiveError> {
        let found: Option<(String, Option<Vec<u8>>)> = self
            .db
            .conn()
            .prepare_cached("SELECT media, bytes FROM blobs WHERE hash = ?1")
            .and_then(|mut query| query.query_row([hash], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(self.db.failed())?;
        Ok(found.and_then(|(media, bytes)| Some((media, bytes?))))
    }

    /// Writes the raw bytes that a session came from to `out`: the agent's file, byte for byte as far as it was read; for
    /// containers the rows as JSON lines. Returns how many bytes, or `None` when there are none.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn raw(&self, session: &SessionRow, out: &mut dyn std::io::Write) -> Result<Option<u64>, ArchiveError> {
        let Some((unit, generation)) = self.unit_of(session)? else { return Ok(None) };
        self.copy_raw(session, unit, generation, out)
    }

    /// What the unit of the session held earlier and does not begin with now: numbers of generations and how many bytes
    /// they have, newest first.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn generations(&self, session: &SessionRow) -> Result<Vec<(i64, u64)>, ArchiveError> {
        let Some((unit, now)) = self.unit_of(session)? else { return Ok(Vec::new()) };
        let (failed, conn) = (self.db.failed(), self.db.conn());
        let mut earlier = Vec::new();
        for (generation, bytes) in raw::earlier(conn, unit, now).map_err(&failed)? {
            if !raw::is_held(conn, unit, generation, now).map_err(&failed)? {
                earlier.push((generation, u64::try_from(bytes).unwrap_or(0)));
            }
        }
        Ok(earlier)
    }

    /// Writes what the unit of the session held earlier to `out`: `back` counts [`Archive::generations`] from 1, the newest.
    /// Returns how many bytes, or `None` when so many are not kept.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn raw_before(
        &self,
        session: &SessionRow,
        back: usize,
        out: &mut dyn std::io::Write,
    ) -> Result<Option<u64>, ArchiveError> {
        let Some((unit, _)) = self.unit_of(session)? else { return Ok(None) };
        let earlier = self.generations(session)?;
        let Some(&(generation, _)) = back.checked_sub(1).and_then(|at| earlier.get(at)) else { return Ok(None) };
        self.copy_raw(session, unit, generation, out)
    }

    /// The unit of a session, and which generation of its bytes counts.
    fn unit_of(&self, session: &SessionRow) -> Result<Option<(i64, i64)>, ArchiveError> {
        let found = self
            .db
            .conn()
            .prepare_cached("SELECT u.id, u.generation FROM sessions s JOIN units u ON u.id = s.unit WHERE s.n = ?1")
            .and_then(|mut query| query.query_row([session.n], |row| Ok((row.get(0)?, row.get(1)?))).optional())
            .map_err(self.db.failed())?;
        Ok(found)
    }

    fn copy_raw(
        &self,
        session: &SessionRow,
        unit: i64,
        generation: i64,
        out: &mut dyn std::io::Write,
    ) -> Result<Option<u64>, ArchiveError> {
        match raw::copy(self.db.conn(), unit, generation, out).map_err(self.db.failed())? {
            Ok(0) => Ok(None),
            Ok(bytes) => Ok(Some(bytes)),
            Err(CopyError::Damaged(at)) => Err(ArchiveError::Damaged {
                what: format!("the raw bytes of session {} from byte {at} on", session.id),
            }),
            Err(CopyError::Out(source)) => Err(ArchiveError::Out { source }),
        }
    }
}

/// The message of a session at `ordinal` with its results; `None` when there is none, or it is damaged.
pub(crate) fn stored(
    conn: &rusqlite::Connection,
    session: i64,
    ordinal: u32,
) -> rusqlite::Result<Option<StoredMessage>> {
    let sql = format!("SELECT {MESSAGE_COLUMNS} FROM messages WHERE session = ?1 AND ordinal = ?2");
    let found = conn
        .prepare_cached(&sql)?
        .query_row((session, ordinal), |row| Ok((row.get("n")?, message_of(row)?)))
        .optional()?;
    let Some((n, Some(message))) = found else { return Ok(None) };
    let sql = "SELECT n, ordinal, idx, event, source, status, at_ms, content_bytes, subagent, body FROM results
               WHERE session = ?1 AND ordinal = ?2 ORDER BY idx, event";
    let mut query = conn.prepare_cached(sql)?;
    let results = query.query_map((session, ordinal), result_of)?.collect::<rusqlite::Result<Option<Vec<_>>>>()?;
    let results = results.map(|results| results.into_iter().map(|(_, result)| result).collect());
    Ok(results.map(|results| StoredMessage { n, message, results }))
}

/// What was asked for, as much of it as an error shows.
fn shown(spec: &str) -> String {
    spec.chars().take(SHOWN_CHARS).collect()
}

fn damaged(what: &str, n: i64) -> ArchiveError {
    ArchiveError::Damaged { what: format!("{what} {n} cannot be read") }
}

fn result_of(row: &Row<'_>) -> rusqlite::Result<Option<(u32, StoredResult)>> {
    let Some(body) = body::read_result(row.get_ref(9)?.as_blob()?) else { return Ok(None) };
    let (ordinal, index): (u32, u32) = (row.get(1)?, row.get(2)?);
    let status = match row.get::<_, i64>(5)? {
        1 => ResultStatus::Running,
        2 => ResultStatus::Completed,
        3 => ResultStatus::Failed,
        _ => ResultStatus::Unknown,
    };
    let result = ResultEvent {
        call: CallRef::At { ordinal, index },
        source: row.get(4)?,
        status,
        at: row.get::<_, Option<i64>>(6)?.map(Timestamp::from_millis),
        content: body.content,
        images: body.images,
        content_bytes: row.get::<_, i64>(7)? as u64,
        subagent: row.get::<_, Option<String>>(8)?.map(NativeId),
    };
    Ok(Some((ordinal, StoredResult { n: row.get(0)?, event: row.get(3)?, result })))
}

#[cfg(test)]
mod tests;
