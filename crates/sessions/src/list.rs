//! Lists of sessions.

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, params_from_iter};
use carry_kernel::hlc::WALL_MS_MAX;

use crate::archive::row::{COLUMNS, TABLES, session_row};
use crate::archive::{Archive, ArchiveError, SessionRow};
use crate::model::{Agent, Category};

mod conditions;

pub(crate) use conditions::Conditions;

/// Which sessions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Of these agents; empty: of all.
    pub agents: Vec<Agent>,
    /// Of a project: its name, key, remote or root; a part is enough.
    pub project: Option<String>,
    /// On this branch.
    pub branch: Option<String>,
    /// That went on after.
    pub since: Option<Timestamp>,
    /// That began before.
    pub until: Option<Timestamp>,
    /// That used a tool of this name.
    pub tool: Option<String>,
    /// That used a tool of this kind.
    pub category: Option<Category>,
    /// That touched this file: an absolute path, or its end.
    pub file: Option<String>,
    /// That used this model; a part is enough.
    pub model: Option<String>,
    /// With this label.
    pub label: Option<String>,
    /// That came from this device: the beginning of its id, or the local name of a log that brought them.
    pub device: Option<String>,
    /// That cost at least this much, in micro-dollars.
    pub cost_min: Option<u64>,
    /// Only starred ones.
    pub is_starred: bool,
    /// Only those in the trash; else none of them.
    pub is_trashed: bool,
    /// Subagents, abandoned forks, background and automated sessions too.
    pub all: bool,
    /// At most so many.
    pub limit: Option<usize>,
}

/// Sessions, newest end first, those without a time that can be meant last, and how many more there are but for what `all` would show.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// The sessions.
    pub sessions: Vec<SessionRow>,
    /// Left out by the limit.
    pub more: u64,
    /// Hidden subagents, forks and automated ones.
    pub hidden: u64,
}

/// The order of lists of sessions `s`.
pub(crate) fn newest_first() -> String {
    format!("coalesce(NOT {}, 1), s.ended_ms DESC, s.n DESC", is_date("s.ended_ms"))
}

/// Whether a column holds a time that can be meant. Others come from broken clocks and from programs that say anything.
pub(crate) fn is_date(column: &str) -> String {
    format!("({column} BETWEEN 0 AND {WALL_MS_MAX})")
}

/// The same of a time that was read: none that cannot be meant.
pub(crate) fn date(at: Option<Timestamp>) -> Option<Timestamp> {
    at.filter(|at| u64::try_from(at.as_millis()).is_ok_and(|ms| ms <= WALL_MS_MAX))
}

impl Archive {
    /// Lists sessions.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn list(&self, filter: &Filter) -> Result<Listed, ArchiveError> {
        let failed = self.db.failed();
        let list = || -> rusqlite::Result<Listed> {
            let conditions = Conditions::of(filter);
            let shown = conditions.shown();
            let limit = filter.limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
            let sql = format!(
                "SELECT {COLUMNS} FROM {TABLES} WHERE {shown} \
                 ORDER BY {} LIMIT {limit}",
                newest_first()
            );
            let conn = self.db.conn();
            let mut statement = conn.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(conditions.values()), session_row)?;
            let sessions = rows.collect::<rusqlite::Result<Vec<_>>>()?;
            let sql = format!(
                "SELECT count(*), coalesce(sum({hidden}), 0) FROM {TABLES} WHERE {chosen}",
                hidden = conditions::HIDDEN,
                chosen = conditions.chosen(),
            );
            let (all, hidden) = conn.prepare_cached(&sql)?.query_row(params_from_iter(conditions.values()), |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
            })?;
            let hidden = if conditions.shows_all() { 0 } else { hidden };
            let more = (all - hidden).saturating_sub(i64::try_from(sessions.len()).unwrap_or(i64::MAX));
            Ok(Listed { sessions, more: more.max(0).cast_unsigned(), hidden: hidden.max(0).cast_unsigned() })
        };
        Ok(list().map_err(failed)?)
    }
}

#[cfg(test)]
mod tests;
