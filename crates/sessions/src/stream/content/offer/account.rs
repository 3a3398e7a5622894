//! What this device has said of a session, and what that leaves to say.

use std::collections::BTreeMap;

use carry_kernel::db::rusqlite::{self, Connection};

use super::super::payload::{Generation, Name};
use super::super::said::{self, GenerationRow};
use super::REPLACES_MAX;
use crate::model::SessionId;

/// The generation that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) id: Generation,
    pub(super) name: Name,
}

/// An own session as records have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Its row, if records speak of it.
    pub(super) session: Option<i64>,
    /// The generation that this device said last; `None` when none counts any more.
    pub(super) live: Option<Live>,
    /// The hash of its facts.
    pub(super) facts: Option<i64>,
    /// Those of its messages. What this device has not said itself, and another of its lineages has, is said.
    pub(super) hashes: BTreeMap<u32, i64>,
    /// Other generations that do not count, or will not from now on, the newest first.
    others: Vec<Generation>,
}

impl Account {
    pub(super) fn load(conn: &Connection, id: &SessionId) -> rusqlite::Result<Self> {
        let Some((session, _)) = said::find_session(conn, id)? else { return Ok(Self::default()) };
        let generations = said::generations(conn, session)?;
        let mut own = Vec::new();
        for generation in generations.iter().filter(|generation| !generation.is_dead) {
            if let Some(newest) = newest_own(conn, generation.n)? {
                own.push((newest, generation));
            }
        }
        own.sort_by_key(|(newest, generation)| (*newest, generation.id));
        let chosen = own.pop().map(|(_, generation)| generation);
        let live = chosen.and_then(|chosen| Some(Live { id: chosen.id, name: chosen.name.clone()? }));
        let mut others: Vec<&GenerationRow> = generations.iter().filter(|of| of.is_dead).collect();
        others.extend(own.iter().map(|(_, generation)| *generation));
        others.extend(chosen);
        others.sort_by_key(|of| std::cmp::Reverse(of.n));
        let mut account = Self {
            session: Some(session),
            live,
            others: others.into_iter().map(|of| of.id).collect(),
            ..Self::default()
        };
        if let (Some(_), Some(chosen)) = (&account.live, chosen) {
            account.facts = facts(conn, chosen.n)?;
            account.hashes = hashes(conn, chosen.n)?;
        }
        Ok(account)
    }

    /// The generations that one which goes on as `generation` takes the place of.
    pub(super) fn replaces(&self, generation: Generation) -> Vec<Generation> {
        self.others.iter().copied().filter(|other| *other != generation).take(REPLACES_MAX).collect()
    }
}

/// When this device last said anything of a generation.
fn newest_own(conn: &Connection, generation: i64) -> rusqlite::Result<Option<(i64, i64)>> {
    conn.prepare_cached(
        "SELECT max(t.wall_ms), max(t.seq) FROM (
             SELECT lineage, wall_ms, seq FROM said_facts WHERE generation = ?1
             UNION ALL SELECT lineage, wall_ms, seq FROM said_messages WHERE generation = ?1
             UNION ALL SELECT lineage, wall_ms, seq FROM said_pieces WHERE generation = ?1) t
         JOIN said_lineages l ON l.n = t.lineage WHERE l.is_own",
    )?
    .query_row([generation], |row| Ok(row.get::<_, Option<i64>>(0)?.zip(row.get(1)?)))
}

fn facts(conn: &Connection, generation: i64) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT t.hash FROM said_facts t JOIN said_lineages l ON l.n = t.lineage
               WHERE t.generation = ?1 ORDER BY l.is_own, t.wall_ms, t.counter, t.seq";
    let mut query = conn.prepare_cached(sql)?;
    query.query_map([generation], |row| row.get(0))?.last().transpose()
}

fn hashes(conn: &Connection, generation: i64) -> rusqlite::Result<BTreeMap<u32, i64>> {
    // The last of each message counts: own ones, and of these the newest.
    let sql = "SELECT t.ordinal, t.hash FROM said_messages t JOIN said_lineages l ON l.n = t.lineage
               WHERE t.generation = ?1 ORDER BY t.ordinal, l.is_own, t.wall_ms, t.counter, t.seq";
    conn.prepare_cached(sql)?.query_map([generation], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
