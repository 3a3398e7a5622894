//! A head read back as it lies there. Strictly: what we would not have written is no head.

use std::collections::BTreeMap;
use std::time::SystemTime;

use carry_kernel::clock::Timestamp;
use carry_sessions::archive::SessionRow;
use carry_sessions::curation::Pin;
use carry_sessions::git_links::GitLink;
use carry_sessions::model::{Agent, NativeId, RelationKind, SessionId, Termination};
use futures_util::future;
use tokio_postgres::Row as Found;
use tokio_postgres::types::{FromSql, Timestamp as Stored, Type};

use super::super::head::{Names, kind_of};
use super::super::sink::Parameters;
use super::super::{Postgres, Session, from_server};
use crate::share::Mode;
use crate::sink::{Back, ROW_BYTES_MAX, SinkError};
use crate::unit::{Head, SessionHead, Total, TotalsHead, UnitKey};

const DOING: &str = "the unit's head cannot be read back";

/// Reads it.
///
/// # Errors
/// [`SinkError`].
pub(in crate::postgres) fn head(store: &mut Postgres, key: &UnitKey) -> Result<Back, SinkError> {
    let head = match key {
        UnitKey::Session(id) => session(store, key, id)?,
        UnitKey::Totals { .. } => totals(store, key)?,
    };
    Ok(head.map_or(Back::Wrong, |head| Back::Head(Box::new(head))))
}

/// What is read of the unit's own row.
fn of_unit() -> String {
    format!("u.mode, CASE WHEN octet_length(u.masked::text) <= {ROW_BYTES_MAX} THEN u.masked::text END")
}

/// The rows of a table that are of the unit, as long as they are not too much together.
fn all_of(table: &str, columns: &str) -> String {
    format!(
        "SELECT {columns} FROM units u JOIN {table} t ON t.unit = u.n WHERE u.owner = $1 AND u.key = $2 AND \
         (SELECT sum(octet_length(all_of::text)) FROM {table} all_of WHERE all_of.unit = u.n) <= {ROW_BYTES_MAX}"
    )
}

fn session(store: &mut Postgres, key: &UnitKey, id: &SessionId) -> Result<Option<Head>, SinkError> {
    let Session { owner, .. } = store.session()?;
    let (key, kind) = (key.to_text(), kind_of(key));
    let session_sql = format!(
        "SELECT {}, t.agent, t.native, t.origin, t.parent, t.relation, t.project, t.project_key, t.cwd, t.branch, t.name, \
         t.is_renamed, t.first_prompt, t.entrypoint, t.kind, t.version, t.termination, t.is_automated, t.started, t.ended, \
         t.messages, t.user_messages, t.abandoned, t.calls, t.failures, t.model, t.input_tokens, t.output_tokens, \
         t.cache_read_tokens, t.cache_write_tokens, t.peak_context, t.cost_micros, t.malformed, t.is_starred, t.is_trashed, \
         t.labels FROM units u JOIN sessions t ON t.unit = u.n WHERE u.owner = $1 AND u.key = $2 AND u.kind = $3 \
         AND octet_length(t::text) <= {ROW_BYTES_MAX}",
        of_unit()
    );
    let links_sql = all_of(
        "links",
        "t.kind, t.target, t.evidence, t.repo, t.number, t.branch, t.subject, t.full_sha, t.supersedes, t.superseded_by, \
         t.ordinal, t.call",
    );
    let pins_sql = all_of("pins", "t.message, t.note, t.stamp");
    let (row, links, pins) = store.read(DOING, async |client| {
        let of_unit: Parameters<'_> = vec![(&owner, Type::INT4), (&key, Type::TEXT)];
        let mut of_session = of_unit.clone();
        of_session.push((&kind, Type::TEXT));
        future::try_join3(
            client.query_typed_opt(&session_sql, &of_session),
            client.query_typed(&links_sql, &of_unit),
            client.query_typed(&pins_sql, &of_unit),
        )
        .await
    })?;
    let read = || {
        let mut cells = Cells::new(row.as_ref()?);
        let (mode, masked) = cells.unit()?;
        let session = session_row(&mut cells, id)?;
        let links: Option<Vec<GitLink>> = links.iter().map(link).collect();
        let pins: Option<Vec<Pin>> = pins.iter().map(pin).collect();
        Some(Head::Session(Box::new(SessionHead { mode, session, pins: pins?, links: links?, masked })))
    };
    Ok(read())
}

fn totals(store: &mut Postgres, key: &UnitKey) -> Result<Option<Head>, SinkError> {
    let Session { owner, .. } = store.session()?;
    let (key, kind) = (key.to_text(), kind_of(key));
    let project_sql = format!(
        "SELECT {}, t.project_key, t.project FROM units u JOIN projects t ON t.unit = u.n \
         WHERE u.owner = $1 AND u.key = $2 AND u.kind = $3 AND octet_length(t::text) <= {ROW_BYTES_MAX}",
        of_unit()
    );
    let days_sql = all_of(
        "totals",
        "t.day, t.agent, t.model, t.sessions, t.messages, t.user_messages, t.calls, t.failures, t.input_tokens, \
         t.output_tokens, t.cache_read_tokens, t.cache_write_tokens, t.cost_micros",
    );
    let (row, days) = store.read(DOING, async |client| {
        let of_unit: Parameters<'_> = vec![(&owner, Type::INT4), (&key, Type::TEXT)];
        let mut of_project = of_unit.clone();
        of_project.push((&kind, Type::TEXT));
        future::try_join(client.query_typed_opt(&project_sql, &of_project), client.query_typed(&days_sql, &of_unit))
            .await
    })?;
    let read = || {
        let mut cells = Cells::new(row.as_ref()?);
        let (mode, masked) = cells.unit()?;
        if mode != Mode::Aggregates || !masked.is_empty() {
            return None;
        }
        let (project_key, project) = (cells.next()?, cells.next()?);
        let days: Option<Vec<Total>> = days.iter().map(total).collect();
        Some(Head::Totals(TotalsHead { project_key, project, days: days? }))
    };
    Ok(read())
}

fn session_row(cells: &mut Cells<'_>, id: &SessionId) -> Option<SessionRow> {
    let agent = Agent::named(&cells.next::<String>()?);
    let (native, origin) = (NativeId(cells.next()?), cells.next()?);
    let parent = match (cells.next::<Option<String>>()?, cells.named::<RelationKind>()?) {
        (Some(parent), Some(relation)) => Some((NativeId(parent), relation)),
        (None, None) => None,
        _ => return None,
    };
    Some(SessionRow {
        n: 0,
        id: id.clone(),
        origin,
        agent,
        native,
        parent,
        project: cells.next()?,
        project_key: cells.next()?,
        cwd: cells.next()?,
        branch: cells.next()?,
        name: cells.next()?,
        is_renamed: cells.next()?,
        first_prompt: cells.next()?,
        entrypoint: cells.next()?,
        kind: cells.next()?,
        version: cells.next()?,
        // Never sent.
        resume: None,
        termination: cells.named::<Termination>()?,
        is_automated: cells.next()?,
        started: cells.time()?,
        ended: cells.time()?,
        messages: cells.number()?,
        user_messages: cells.number()?,
        abandoned: cells.number()?,
        calls: cells.number()?,
        failures: cells.number()?,
        model: cells.next()?,
        input_tokens: cells.maybe()?,
        output_tokens: cells.maybe()?,
        cache_read_tokens: cells.maybe()?,
        cache_write_tokens: cells.maybe()?,
        peak_context: cells.maybe()?,
        cost_micros: cells.maybe()?,
        malformed: cells.number()?,
        digest: [0; 32],
        revision: 0,
        path: None,
        missing: None,
        is_starred: cells.next()?,
        is_trashed: cells.next()?,
        labels: cells.next()?,
    })
}

fn link(row: &Found) -> Option<GitLink> {
    let mut cells = Cells::new(row);
    Some(GitLink {
        kind: cells.named()??,
        target: cells.next()?,
        evidence: cells.named()??,
        repo: cells.next()?,
        number: cells.maybe()?,
        branch: cells.next()?,
        subject: cells.next()?,
        full_sha: cells.next()?,
        supersedes: cells.next()?,
        superseded_by: cells.next()?,
        ordinal: cells.number()?,
        index: cells.maybe()?,
    })
}

fn pin(row: &Found) -> Option<Pin> {
    let mut cells = Cells::new(row);
    Some(Pin { message: cells.next()?, note: cells.next()?, at: cells.next::<String>()?.parse().ok()? })
}

fn total(row: &Found) -> Option<Total> {
    let mut cells = Cells::new(row);
    Some(Total {
        day: cells.next()?,
        agent: cells.next()?,
        model: cells.next()?,
        sessions: cells.number()?,
        messages: cells.number()?,
        user_messages: cells.number()?,
        calls: cells.number()?,
        failures: cells.number()?,
        input_tokens: cells.number()?,
        output_tokens: cells.number()?,
        cache_read_tokens: cells.number()?,
        cache_write_tokens: cells.number()?,
        cost_micros: cells.number()?,
    })
}

/// A row, cell by cell. `None`: it is not of the type that we write, or not a value that we do.
struct Cells<'r> {
    row: &'r Found,
    at: usize,
}

impl<'r> Cells<'r> {
    fn new(row: &'r Found) -> Self {
        Self { row, at: 0 }
    }

    fn next<T: FromSql<'r>>(&mut self) -> Option<T> {
        self.at += 1;
        self.row.try_get(self.at - 1).ok()
    }

    /// Mode, and what was masked.
    fn unit(&mut self) -> Option<(Mode, BTreeMap<String, u64>)> {
        let mode = Mode::named(self.next()?)?;
        Some((mode, serde_json::from_str(self.next()?).ok()?))
    }

    fn number<N: TryFrom<i64>>(&mut self) -> Option<N> {
        N::try_from(self.next::<i64>()?).ok()
    }

    fn maybe<N: TryFrom<i64>>(&mut self) -> Option<Option<N>> {
        self.next::<Option<i64>>()?.map(|number| N::try_from(number).ok()).map_or(Some(None), |number| number.map(Some))
    }

    fn time(&mut self) -> Option<Option<Timestamp>> {
        Some(self.next::<Option<Stored<SystemTime>>>()?.map(from_server))
    }

    fn named<T: Names>(&mut self) -> Option<Option<T>> {
        match self.next::<Option<&str>>()? {
            Some(name) => T::named(name).map(Some),
            None => Some(None),
        }
    }
}
