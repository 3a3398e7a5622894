//! What a session is besides its messages, as it is told to others: nothing that can be computed from the messages, and nothing
//! about where its file lies.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, Connection, OptionalExtension as _};

use super::links;
use super::session_state::State;
use crate::git_links::GitLink;
use crate::model::{Usage, UsageEvent};
use crate::price;

/// A project, as sessions name it. Its root on this disk is not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProjectFacts {
    /// What tells it apart.
    pub(crate) key: String,
    /// Its name for people.
    pub(crate) name: String,
    /// Its normalised remote.
    pub(crate) remote: Option<String>,
}

/// A session without its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SessionFacts {
    pub(crate) parent: Option<String>,
    pub(crate) relation: Option<String>,
    pub(crate) parent_call: Option<String>,
    pub(crate) cwd: Option<String>,
    pub(crate) branch: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) entrypoint: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) label: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) resume: Option<String>,
    pub(crate) remote: Option<String>,
    pub(crate) start_commit: Option<String>,
    pub(crate) project_hint: Option<String>,
    pub(crate) termination: Option<String>,
    pub(crate) is_automated: bool,
    /// When it began and ended, in milliseconds, where its messages, outputs and usage do not say so.
    pub(crate) started_ms: Option<i64>,
    /// See `started_ms`.
    pub(crate) ended_ms: Option<i64>,
    pub(crate) project: Option<ProjectFacts>,
    /// Usage that belongs to no message. Costs are those that the agent itself named.
    pub(crate) usage: Vec<UsageEvent>,
    pub(crate) links: Vec<GitLink>,
}

impl SessionFacts {
    /// The facts of the session in row `n`; `None` when there is none.
    pub(crate) fn read(conn: &Connection, n: i64) -> rusqlite::Result<Option<Self>> {
        let Some((state, _)) = State::of_row(conn, n).optional()? else { return Ok(None) };
        let (started, ended) = times(conn, n)?;
        Ok(Some(Self {
            started_ms: state.started_ms.filter(|at| Some(*at) != started),
            ended_ms: state.ended_ms.filter(|at| Some(*at) != ended),
            project: project(conn, state.project)?,
            usage: usage(conn, n)?,
            links: links::load(conn, n)?,
            parent: state.parent,
            relation: state.relation,
            parent_call: state.parent_call,
            cwd: state.cwd,
            branch: state.branch,
            name: state.name,
            entrypoint: state.entrypoint,
            kind: state.kind,
            label: state.label,
            version: state.version,
            resume: state.resume,
            remote: state.remote,
            start_commit: state.start_commit,
            project_hint: state.project_hint,
            termination: state.termination,
            is_automated: state.is_automated,
        }))
    }

    /// Hands every text but those of the links to `each`. Names that this program made up itself are not among them.
    pub(crate) fn each_text(&mut self, each: &mut dyn FnMut(&mut String)) {
        let options = [
            &mut self.parent,
            &mut self.parent_call,
            &mut self.cwd,
            &mut self.branch,
            &mut self.name,
            &mut self.entrypoint,
            &mut self.kind,
            &mut self.label,
            &mut self.version,
            &mut self.resume,
            &mut self.remote,
            &mut self.start_commit,
            &mut self.project_hint,
        ];
        options.into_iter().flatten().for_each(&mut *each);
        if let Some(project) = &mut self.project {
            [&mut project.key, &mut project.name].into_iter().chain(&mut project.remote).for_each(&mut *each);
        }
        for event in &mut self.usage {
            [&mut event.source, &mut event.dedup].into_iter().chain(&mut event.model).for_each(&mut *each);
        }
    }
}

/// The least and the greatest time that rows of a session bear.
pub(super) fn times(conn: &Connection, n: i64) -> rusqlite::Result<(Option<i64>, Option<i64>)> {
    conn.prepare_cached(
        "SELECT min(a), max(b) FROM (
             SELECT min(at_ms) AS a, max(at_ms) AS b FROM messages WHERE session = ?1
             UNION ALL SELECT min(at_ms), max(at_ms) FROM results WHERE session = ?1
             UNION ALL SELECT min(at_ms), max(at_ms) FROM usage_events WHERE session = ?1)",
    )?
    .query_row([n], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn project(conn: &Connection, id: Option<i64>) -> rusqlite::Result<Option<ProjectFacts>> {
    conn.prepare_cached("SELECT key, name, remote FROM projects WHERE id = ?1")?
        .query_row([id], |row| Ok(ProjectFacts { key: row.get(0)?, name: row.get(1)?, remote: row.get(2)? }))
        .optional()
}

fn usage(conn: &Connection, n: i64) -> rusqlite::Result<Vec<UsageEvent>> {
    let mut query = conn.prepare_cached(
        "SELECT source, dedup, at_ms, model, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
         cache_write_1h_tokens, cost_micros FROM usage_events WHERE session = ?1 ORDER BY source, dedup",
    )?;
    let events = query.query_map([n], |row| {
        let count = |at: usize| -> rusqlite::Result<Option<u64>> {
            Ok(row.get::<_, Option<i64>>(at)?.and_then(|count| u64::try_from(count).ok()))
        };
        let model: Option<String> = row.get(3)?;
        let mut usage = Usage {
            input: count(4)?,
            output: count(5)?,
            reasoning: None,
            cache_read: count(6)?,
            cache_write: count(7)?,
            cache_write_1h: count(8)?,
            cost_micros: None,
        };
        let (cost, computed) = (count(9)?, model.as_deref().and_then(|model| price::cost_micros(model, &usage)));
        usage.cost_micros = cost.filter(|_| cost != computed);
        Ok(UsageEvent {
            source: row.get(0)?,
            dedup: row.get(1)?,
            at: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            model,
            usage,
        })
    })?;
    events.collect()
}
