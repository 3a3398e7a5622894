//! Usage by day, model, project, agent and tool.

use std::collections::{HashMap, HashSet};

use carry_kernel::clock::Timestamp;
use carry_kernel::db::rusqlite::{self, params_from_iter};

use crate::archive::row::TABLES;
use crate::archive::{Archive, ArchiveError};
use crate::list::{Conditions, Filter};

/// Sums of something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Of what: a day (`2026-03-14`, in the zone that was asked for), a model, a project, an agent.
    pub name: String,
    /// Sessions.
    pub sessions: u64,
    /// Messages, without abandoned ones.
    pub messages: u64,
    /// Input tokens that were not cached.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the cache.
    pub cache_read: u64,
    /// Tokens written to the cache.
    pub cache_write: u64,
    /// Cost in micro-dollars.
    pub cost_micros: u64,
    /// Answers whose model has no known price.
    pub unpriced: u64,
}

/// A tool and how it was used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolSum {
    /// The tool.
    pub name: String,
    /// Calls.
    pub calls: u64,
    /// Of these, failed.
    pub failures: u64,
}

/// All of it. One answer is counted once, also when forks or resumed sessions repeat it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Everything.
    pub total: Sum,
    /// Oldest first.
    pub days: Vec<Sum>,
    /// Dearest first.
    pub models: Vec<Sum>,
    /// Dearest first.
    pub projects: Vec<Sum>,
    /// Dearest first.
    pub agents: Vec<Sum>,
    /// Most used first.
    pub tools: Vec<ToolSum>,
}

impl Archive {
    /// Sums up the sessions of a filter. `day_of` says on which day a time is.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub fn stats(&self, filter: &Filter, day_of: &dyn Fn(Timestamp) -> String) -> Result<Stats, ArchiveError> {
        let failed = self.db.failed();
        Ok(self.summed(&Conditions::of(filter), day_of).map_err(failed)?)
    }

    fn summed(&self, conditions: &Conditions, day_of: &dyn Fn(Timestamp) -> String) -> rusqlite::Result<Stats> {
        let conn = self.db.conn();
        let shown = conditions.shown();
        let mut sums = Sums::default();
        // By session id and ordinal: of an answer that several sessions hold, always the same one counts.
        let sql = format!(
            "SELECT * FROM (\
               SELECT s.n, s.id, s.agent, coalesce(p.name, ''), m.ordinal, coalesce(m.at_ms, s.started_ms), m.model, \
                 m.usage_key, m.input_tokens, m.output_tokens, m.cache_read_tokens, m.cache_write_tokens, \
                 m.cache_write_1h_tokens, m.cost_micros, m.flags & 2 \
               FROM {TABLES} JOIN messages m ON m.session = s.n WHERE {shown} \
             ) ORDER BY 2, 5"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(conditions.values()))?;
        let mut counted: HashSet<i64> = HashSet::new();
        while let Some(row) = rows.next()? {
            let key: Option<i64> = row.get(7)?;
            let is_new = key.is_none_or(|key| counted.insert(key));
            let is_abandoned = row.get::<_, i64>(14)? != 0;
            let count = if is_new { Tokens::read(row, 8)? } else { Tokens::default() };
            sums.add(&Entry::read(row, day_of)?, u64::from(!is_abandoned), count);
        }
        let sql = format!(
            "SELECT s.n, s.id, s.agent, coalesce(p.name, ''), 0, coalesce(e.at_ms, s.ended_ms), e.model, NULL, \
               e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens, e.cache_write_1h_tokens, \
               e.cost_micros \
             FROM {TABLES} JOIN usage_events e ON e.session = s.n WHERE {shown}"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(conditions.values()))?;
        while let Some(row) = rows.next()? {
            sums.add(&Entry::read(row, day_of)?, 0, Tokens::read(row, 8)?);
        }
        let sql = format!(
            "SELECT c.name, count(*), sum(c.status = 3) FROM {TABLES} JOIN calls c ON c.session = s.n \
             WHERE {shown} GROUP BY c.name ORDER BY 2 DESC, 1"
        );
        let mut statement = conn.prepare_cached(&sql)?;
        let tools = statement
            .query_map(params_from_iter(conditions.values()), |row| {
                Ok(ToolSum {
                    name: row.get(0)?,
                    calls: row.get::<_, i64>(1)?.cast_unsigned(),
                    failures: row.get::<_, i64>(2)?.cast_unsigned(),
                })
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        let sql = format!("SELECT count(*) FROM {TABLES} WHERE {shown}");
        let sessions: i64 =
            conn.prepare_cached(&sql)?.query_row(params_from_iter(conditions.values()), |row| row.get(0))?;
        let mut stats = sums.finish();
        stats.total.sessions = sessions.cast_unsigned();
        stats.tools = tools;
        Ok(stats)
    }
}

/// To which sums something belongs.
struct Entry {
    session: i64,
    day: Option<String>,
    model: Option<String>,
    project: String,
    agent: String,
}

impl Entry {
    fn read(row: &rusqlite::Row<'_>, day_of: &dyn Fn(Timestamp) -> String) -> rusqlite::Result<Self> {
        Ok(Self {
            session: row.get(0)?,
            day: row.get::<_, Option<i64>>(5)?.map(|at| day_of(Timestamp::from_millis(at))),
            model: row.get(6)?,
            project: row.get(3)?,
            agent: row.get(2)?,
        })
    }
}

/// What is summed.
#[derive(Clone, Copy, Default)]
struct Tokens {
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write: u64,
    cost_micros: u64,
    unpriced: u64,
}

impl Tokens {
    /// Six columns from `first` on.
    fn read(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Self> {
        let mut values = [None; 6];
        for (at, value) in values.iter_mut().enumerate() {
            *value = row.get::<_, Option<i64>>(first + at)?.map(|value| value.max(0).cast_unsigned());
        }
        let [input, output, cache_read, written, written_1h, cost] = values;
        let is_counted = values[..5].iter().any(Option::is_some);
        Ok(Self {
            input: input.unwrap_or(0),
            output: output.unwrap_or(0),
            cache_read: cache_read.unwrap_or(0),
            cache_write: written.unwrap_or(0).saturating_add(written_1h.unwrap_or(0)),
            cost_micros: cost.unwrap_or(0),
            unpriced: u64::from(is_counted && cost.is_none()),
        })
    }
}

/// A sum under way, with the sessions that are in it.
#[derive(Default)]
struct Running {
    sum: Sum,
    sessions: HashSet<i64>,
}

impl Running {
    fn add(&mut self, session: i64, messages: u64, tokens: Tokens) {
        let sum = &mut self.sum;
        for (to, more) in [
            (&mut sum.messages, messages),
            (&mut sum.input, tokens.input),
            (&mut sum.output, tokens.output),
            (&mut sum.cache_read, tokens.cache_read),
            (&mut sum.cache_write, tokens.cache_write),
            (&mut sum.cost_micros, tokens.cost_micros),
            (&mut sum.unpriced, tokens.unpriced),
        ] {
            *to = to.saturating_add(more);
        }
        self.sessions.insert(session);
    }

    fn finish(self, name: String) -> Sum {
        Sum { name, sessions: self.sessions.len() as u64, ..self.sum }
    }
}

#[derive(Default)]
struct Sums {
    total: Running,
    days: HashMap<String, Running>,
    models: HashMap<String, Running>,
    projects: HashMap<String, Running>,
    agents: HashMap<String, Running>,
}

impl Sums {
    fn add(&mut self, entry: &Entry, messages: u64, tokens: Tokens) {
        let places = [
            (&mut self.days, entry.day.as_ref()),
            (&mut self.models, entry.model.as_ref()),
            (&mut self.projects, Some(&entry.project)),
            (&mut self.agents, Some(&entry.agent)),
        ];
        for (sums, name) in places {
            let Some(name) = name else { continue };
            match sums.get_mut(name) {
                Some(sum) => sum.add(entry.session, messages, tokens),
                None => sums.entry(name.clone()).or_default().add(entry.session, messages, tokens),
            }
        }
        self.total.add(entry.session, messages, tokens);
    }

    fn finish(self) -> Stats {
        let listed = |sums: HashMap<String, Running>| {
            let mut all: Vec<Sum> = sums.into_iter().map(|(name, sum)| sum.finish(name)).collect();
            all.sort_by(|a, b| b.cost_micros.cmp(&a.cost_micros).then_with(|| a.name.cmp(&b.name)));
            all
        };
        let mut days = listed(self.days);
        days.sort_by(|a, b| a.name.cmp(&b.name));
        Stats {
            total: self.total.finish(String::new()),
            days,
            models: listed(self.models),
            projects: listed(self.projects),
            agents: listed(self.agents),
            tools: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
