//! Sessions as rows of `opencode.db`.

use std::path::Path;

use carry_kernel::db::rusqlite::OptionalExtension as _;
use serde_json::Value;

use super::{Sink, Stored, StoredMessage, Unit, text_of};
use crate::source::ReadError;
use crate::source::foreign_db::{ForeignDb, db_stamp, object_of, row_path, row_stamp};

/// Lists the sessions of the database.
pub(super) fn discover(db: &Path, found: &mut dyn FnMut(Unit), problem: &mut dyn FnMut(&Path, std::io::Error)) {
    match list(db) {
        Ok(units) => units.into_iter().for_each(found),
        Err(error) => problem(db, std::io::Error::other(error)),
    }
}

fn list(db: &Path) -> Result<Vec<Unit>, ReadError> {
    let stamp = db_stamp(db).map_err(|source| ReadError::Io { path: db.to_owned(), source })?;
    let foreign = ForeignDb::open(db)?;
    if foreign.columns("session")?.is_empty() {
        return Ok(Vec::new());
    }
    let failed = foreign.failed();
    // Parts change without their session: how many there are, how long, and when they changed belongs to the freshness.
    let changed =
        |columns: &[String]| if columns.iter().any(|c| c == "time_updated") { "max(time_updated)" } else { "0" };
    let (parts, messages) = (changed(&foreign.columns("part")?), changed(&foreign.columns("message")?));
    let sql = format!(
        "SELECT s.id, s.time_updated, \
         (SELECT printf('%d %d %s', count(*), total(length(data)), {messages}) FROM message WHERE session_id = s.id), \
         (SELECT printf('%d %d %s', count(*), total(length(data)), {parts}) FROM part WHERE session_id = s.id) \
         FROM session s"
    );
    let mut units = Vec::new();
    {
        let mut query = foreign.conn.prepare(&sql).map_err(&failed)?;
        let mut rows = query.query([]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let id: String = row.get(0).map_err(&failed)?;
            let freshness: (Option<i64>, String, String) =
                (row.get(1).map_err(&failed)?, row.get(2).map_err(&failed)?, row.get(3).map_err(&failed)?);
            let freshness = format!("{freshness:?}");
            units.push(Unit { path: row_path(db, &id), stamp: row_stamp(&stamp, &id, &[freshness.as_bytes()]) });
        }
    }
    foreign.end()?;
    Ok(units)
}

/// Reads a session; `None` when it is not there.
pub(super) fn read(db: &Path, id: &str, sink: &mut dyn Sink) -> Result<Option<Stored>, ReadError> {
    let foreign = ForeignDb::open(db)?;
    let failed = foreign.failed();
    let one = |sql: &str, key: &str| -> Result<Option<Value>, ReadError> {
        let query = foreign.conn.prepare(sql);
        query
            .and_then(|mut query| query.query_row([key], |row| Ok(object_of(row))).optional())
            .map_err(foreign.failed())
    };
    let Some(session) = one("SELECT * FROM session WHERE id = ?1", id)? else { return Ok(None) };
    hand_over(sink, "session", &session)?;
    let project = text_of(&session, "project_id").filter(|_| foreign.columns("project").is_ok_and(|c| !c.is_empty()));
    let project = project.map(|key| one("SELECT * FROM project WHERE id = ?1", &key)).transpose()?.flatten();
    if let Some(project) = &project {
        hand_over(sink, "project", project)?;
    }
    let worktree = project.and_then(|project| text_of(&project, "worktree")).filter(|worktree| worktree != "/");
    let mut messages: Vec<StoredMessage> = Vec::new();
    {
        let mut query = foreign
            .conn
            .prepare("SELECT * FROM message WHERE session_id = ?1 ORDER BY time_created, id")
            .map_err(&failed)?;
        let mut parts =
            foreign.conn.prepare("SELECT * FROM part WHERE message_id = ?1 ORDER BY id").map_err(&failed)?;
        let mut rows = query.query([id]).map_err(&failed)?;
        while let Some(row) = rows.next().map_err(&failed)? {
            let row = object_of(row);
            hand_over(sink, "message", &row)?;
            let message_id = text_of(&row, "id").unwrap_or_default();
            let mut of_message = Vec::new();
            let mut found = parts.query([&message_id]).map_err(&failed)?;
            while let Some(part) = found.next().map_err(&failed)? {
                let part = object_of(part);
                hand_over(sink, "part", &part)?;
                of_message.push(data_of(&part));
            }
            messages.push(StoredMessage { data: data_of(&row), id: message_id, parts: of_message });
        }
    }
    foreign.end()?;
    Ok(Some(Stored { id: id.to_owned(), session, worktree, messages }))
}

/// The JSON in a row's `data`.
fn data_of(row: &Value) -> Value {
    row["data"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or(Value::Null)
}

fn hand_over(sink: &mut dyn Sink, table: &str, row: &Value) -> Result<(), ReadError> {
    let mut line = serde_json::json!({"table": table, "row": row}).to_string();
    line.push('\n');
    Ok(sink.raw(line.as_bytes())?)
}
