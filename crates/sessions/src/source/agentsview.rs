//! The archive of agentsview, a SQLite file, as a source: for sessions whose own files are gone, and for what its user said about
//! sessions.
//!
//! Columns are looked up when the file is opened, so that every release's file is understood; what a release lacks has its
//! default. Each session is a unit; its stamp covers everything that would be read. A full resync there puts a new file in the
//! place of the old one: units then look new, are read again, and give the same rows. Sessions that we read from the agent's own
//! files keep what those say; of this source only the curation is taken then.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::foreign_db::{ForeignDb, db_stamp, object_of, row_path, row_stamp, split_row_path};
use super::values::text_of;
use super::{Mode, Places, ReadEnd, ReadError, Root, Sink, Source, Unit};
use crate::model::{Agent, NativeId};

mod session;

/// Reads agentsview's archive.
#[derive(Clone, Copy, Debug)]
pub struct AgentsView;

const DB_FILE: &str = "sessions.db";

impl Source for AgentsView {
    fn name(&self) -> &'static str {
        "agentsview"
    }

    fn agent(&self) -> Agent {
        Agent::Other("agentsview")
    }

    fn version(&self) -> u32 {
        1
    }

    fn is_container(&self) -> bool {
        true
    }

    fn roots(&self, places: &Places) -> Vec<Root> {
        let variable = ["AGENTSVIEW_DATA_DIR", "AGENT_VIEWER_DATA_DIR"].iter().find_map(|name| places.variable(name));
        match variable {
            Some(path) => vec![Root { path: path.to_owned(), is_default: false }],
            None => [".agentsview", ".claude/agentsview"]
                .map(|path| Root { path: places.home.join(path), is_default: true })
                .into(),
        }
    }

    fn discover(&self, root: &Root, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
        let db = root.path.join(DB_FILE);
        if !db.is_file() {
            return;
        }
        match list(&db) {
            Ok(units) => units.into_iter().for_each(found),
            Err(error) => problem(&db, std::io::Error::other(error)),
        }
    }

    fn unit_of(&self, _root: &Root, _path: &Path) -> Option<PathBuf> {
        None
    }

    fn read(&self, unit: &Unit, mode: &Mode, sink: &mut dyn Sink) -> Result<ReadEnd, ReadError> {
        mode.needs_whole(unit)?;
        let (db, id) = split_row_path(&unit.path).unwrap_or_default();
        let foreign = ForeignDb::open(&db)?;
        let read = session::read(&foreign, &id, sink)?;
        foreign.end()?;
        Ok(ReadEnd { skipped: (!read).then_some("no session"), ..ReadEnd::default() })
    }
}

/// One query for all sessions: what changes with them, and what their user said.
fn list(db: &Path) -> Result<Vec<Unit>, ReadError> {
    let stamp = db_stamp(db).map_err(|source| ReadError::Io { path: db.to_owned(), source })?;
    let foreign = ForeignDb::open(db)?;
    let columns = foreign.columns("sessions")?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let mut parts: Vec<String> = [
        "file_hash",
        "transcript_revision",
        "local_modified_at",
        "display_name",
        "session_name",
        "deleted_at",
        "message_count",
        "ended_at",
        "pr_links",
        "parent_session_id",
    ]
    .iter()
    .filter(|name| columns.iter().any(|column| column == *name))
    .map(|name| format!("ifnull(s.{name}, '')"))
    .collect();
    for (table, text) in [
        ("starred_sessions", "count(*)"),
        ("session_labels", "group_concat(label, char(31))"),
        ("pinned_messages", "group_concat(ordinal || char(30) || ifnull(note, ''), char(31))"),
    ] {
        if !foreign.columns(table)?.is_empty() {
            parts.push(format!("ifnull((SELECT {text} FROM {table} t WHERE t.session_id = s.id), '')"));
        }
    }
    let failed = foreign.failed();
    let mut units = Vec::new();
    {
        let sql = format!("SELECT s.id, {} FROM sessions s", parts.join(" || char(29) || "));
        let mut query = foreign.conn.prepare(&sql).map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let (id, freshness): (String, Option<String>) =
                (row.get(0).map_err(&failed)?, row.get(1).map_err(&failed)?);
            let freshness = freshness.unwrap_or_default();
            units.push(Unit { path: row_path(db, &id), stamp: row_stamp(&stamp, &id, &[freshness.as_bytes()]) });
        }
    }
    foreign.end()?;
    Ok(units)
}

/// The agent and its own id: the prefix names the agent again, and what came from another machine keeps its name before `~`.
fn split_id(id: &str, agent: &str) -> (Agent, NativeId) {
    let (host, own) = id.split_once('~').map_or((None, id), |(host, own)| (Some(host), own));
    let own = own.strip_prefix(agent).and_then(|rest| rest.strip_prefix(':')).unwrap_or(own);
    let native = host.map_or_else(|| own.to_owned(), |host| format!("{host}~{own}"));
    (Agent::named(agent), NativeId(native))
}

/// Hands over a row, raw.
fn hand_over(sink: &mut dyn Sink, table: &str, row: &Value) -> Result<(), ReadError> {
    let mut line = serde_json::json!({"table": table, "row": row}).to_string();
    line.push('\n');
    Ok(sink.raw(line.as_bytes())?)
}

#[cfg(test)]
mod tests;
