//! A session that other devices' records bring: the same rows as of one that is read here, without a unit.
//!
//! Messages come in any order and more than once; each takes the place of the one that stood there, with its outputs. What is
//! counted over messages comes out as if all had been read in one go. Links are not looked for: its author has done that, on
//! the disk on which the session ran.

use std::collections::HashSet;

use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _, params};

use super::super::Tools;
use super::super::rows::{self, Before};
use super::OpenSession;
use super::usage::{cost_of, countable};
use crate::archive::facts::{self, ProjectFacts, SessionFacts};
use crate::archive::session_state::State;
use crate::archive::{StoredMessage, links};
use crate::model::{Agent, SessionId};

/// Who says that a session is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReceivedName<'n> {
    pub(crate) id: &'n SessionId,
    pub(crate) origin: &'n str,
    pub(crate) agent: Agent,
    pub(crate) native: &'n str,
}

/// Writes sessions that were received, within one transaction.
#[derive(Debug)]
pub(crate) struct Receiver {
    tools: Tools,
}

/// A session that is being received.
#[derive(Debug)]
pub(crate) struct ReceivedSession {
    open: OpenSession,
    /// Times must be taken anew from the rows.
    times: bool,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        Self { tools: Tools::new() }
    }

    /// The session of this name, made when new. `None` when it is read here, or another bears its origin, agent and native id.
    pub(crate) fn open(
        &mut self,
        conn: &Connection,
        name: ReceivedName<'_>,
        now_ms: i64,
    ) -> rusqlite::Result<Option<ReceivedSession>> {
        let known: Option<(i64, Option<i64>)> = conn
            .prepare_cached("SELECT n, unit FROM sessions WHERE id = ?1")?
            .query_row([name.id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let (state, is_new) = match known {
            Some((_, Some(_))) => return Ok(None),
            Some((n, None)) => (State::of_row(conn, n)?.0, false),
            None => {
                let taken = conn
                    .prepare_cached("SELECT 1 FROM sessions WHERE origin = ?1 AND agent = ?2 AND native = ?3")?
                    .exists((name.origin, name.agent.as_str(), name.native))?;
                if taken {
                    return Ok(None);
                }
                let mut state = State::default();
                conn.prepare_cached(
                    "INSERT INTO sessions (id, origin, agent, native, sum, digest, archived_ms, changed_ms)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
                )?
                .execute(params![
                    name.id.as_str(),
                    name.origin,
                    name.agent.as_str(),
                    name.native,
                    state.sum.to_bytes(),
                    [0u8; 32],
                    now_ms
                ])?;
                state.n = conn.last_insert_rowid();
                (state, true)
            }
        };
        let open = OpenSession { is_received: true, ..OpenSession::unsaid(state, name.id.clone(), is_new, now_ms) };
        Ok(Some(ReceivedSession { open, times: false }))
    }

    /// Puts a message and its outputs in the place of those that stand there.
    pub(crate) fn put(
        &mut self,
        conn: &Connection,
        session: &mut ReceivedSession,
        mut stored: StoredMessage,
    ) -> rusqlite::Result<()> {
        let open = &mut session.open;
        let (n, ordinal) = (open.state.n, stored.message.ordinal);
        if (open.has_rows || open.said.contains(&ordinal))
            && let Some(before) = Before::load(conn, n, ordinal)?
        {
            session.times = true;
            if before.flags & rows::ABANDONED != 0 && !stored.message.is_abandoned {
                open.abandoned.set(ordinal..=ordinal, false);
            }
            for (index, event, digest) in rows::drop_results(conn, n, ordinal, 0)? {
                open.state.sum.take(ordinal, Some((index, event)), &digest);
            }
            open.events.retain(|place, _| place.0 != ordinal);
            open.state.failures -= rows::reset_calls(conn, n, ordinal)?;
        }
        stored.message.usage = stored.message.usage.map(countable);
        open.is_dirty = true;
        open.message(conn, &mut self.tools, &stored.message)?;
        for mut result in stored.results {
            result.result.content_bytes = result.result.content_bytes.min(i64::MAX as u64);
            open.result(conn, &mut self.tools, result.result, true)?;
        }
        Ok(())
    }

    /// Sets what the session is besides its messages.
    pub(crate) fn learn(
        &mut self,
        conn: &Connection,
        session: &mut ReceivedSession,
        facts: &SessionFacts,
    ) -> rusqlite::Result<()> {
        let open = &mut session.open;
        let n = open.state.n;
        open.state.take_facts(facts);
        open.state.project = facts.project.as_ref().map(|project| received_project(conn, project)).transpose()?;
        let mut said = HashSet::new();
        for event in &facts.usage {
            let mut event = event.clone();
            event.usage = countable(event.usage);
            let cost = cost_of(event.model.as_deref(), &event.usage);
            open.recount |= rows::put_usage(conn, n, &event, cost)?;
            said.insert((event.source, event.dedup));
        }
        open.recount |= rows::delete_usage(conn, n, &said)? > 0;
        if links::load(conn, n)? != facts.links {
            links::save(conn, n, &facts.links)?;
        }
        (open.is_dirty, session.times) = (true, true);
        Ok(())
    }

    /// Saves counts and digest. `facts` says when the session began and ended where its rows do not.
    pub(crate) fn end(
        &mut self,
        conn: &Connection,
        mut session: ReceivedSession,
        facts: Option<&SessionFacts>,
        now_ms: i64,
    ) -> rusqlite::Result<()> {
        if session.times {
            let (started, ended) = facts::times(conn, session.open.state.n)?;
            let state = &mut session.open.state;
            (state.started_ms, state.ended_ms) = (started, ended);
        }
        if let Some(facts) = facts {
            session.open.state.time(facts.started_ms);
            session.open.state.time(facts.ended_ms);
        }
        session.open.end(conn, &mut self.tools, false, 0, now_ms)
    }

    /// Writes out what is held back.
    pub(crate) fn finish(mut self, conn: &Connection) -> rusqlite::Result<()> {
        self.tools.pages.close(conn).map(drop)
    }

    /// Deletes all rows of a session that was received, itself too. Says whether there were any.
    pub(crate) fn delete(&mut self, conn: &Connection, id: &SessionId) -> rusqlite::Result<bool> {
        // A page that is being filled may speak of it.
        self.tools.pages.close(conn)?;
        let n: Option<i64> = conn
            .prepare_cached("SELECT n FROM sessions WHERE id = ?1 AND unit IS NULL")?
            .query_row([id.as_str()], |row| row.get(0))
            .optional()?;
        let Some(n) = n else { return Ok(false) };
        for sql in [
            "DELETE FROM words WHERE rowid IN (SELECT id FROM pages WHERE session = ?1)",
            "DELETE FROM pages WHERE session = ?1",
            "DELETE FROM messages WHERE session = ?1",
            "DELETE FROM results WHERE session = ?1",
            "DELETE FROM calls WHERE session = ?1",
            "DELETE FROM links WHERE session = ?1",
            "DELETE FROM usage_events WHERE session = ?1",
            "DELETE FROM sessions WHERE n = ?1",
        ] {
            conn.prepare_cached(sql)?.execute([n])?;
        }
        Ok(true)
    }
}

impl ReceivedSession {
    /// Its row; only good within this archive.
    pub(crate) fn n(&self) -> i64 {
        self.open.state.n
    }
}

/// The row of a project, made when new. One that is known from this disk stays as it is; names of others do not depend on
/// whose came first.
fn received_project(conn: &Connection, project: &ProjectFacts) -> rusqlite::Result<i64> {
    let known: Option<(i64, String, Option<String>)> = conn
        .prepare_cached("SELECT id, name, root FROM projects WHERE key = ?1")?
        .query_row([&project.key], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    match known {
        Some((id, name, None)) if name > project.name => {
            conn.prepare_cached("UPDATE projects SET name = ?2 WHERE id = ?1")?.execute((id, &project.name))?;
            Ok(id)
        }
        Some((id, ..)) => Ok(id),
        None => conn
            .prepare_cached("INSERT INTO projects (key, name, remote) VALUES (?1, ?2, ?3) RETURNING id")?
            .query_row((&project.key, &project.name, &project.remote), |row| row.get(0)),
    }
}
